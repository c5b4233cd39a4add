"""What are touches called, how often, and which names should be one?

Before rules are written one looks at the names as they come: events by name, and the templates of their addresses.
Parts of an address that only tell one thing from another (numbers, hashes, many different words in one place) become
`{id}`, as a touchpoint rule's `url` writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from analytics.touches.naming import touchpoint_of
from analytics.touches.rules import TouchpointRule
from expectations import contract

_PLACEHOLDER: Final = "{id}"
_LOOKS_LIKE_ID: Final = r"^(?:\d+|[0-9a-fA-F-]{16,}|(?:[A-Za-z]+[-_]?)?\d{3,}[A-Za-z]*|[^/]{40,})$"
_MAX_WORDS: Final = 12
"""More different words than this in one place of an address are taken for identities."""


def touchpoints(events: pl.LazyFrame, rules: Sequence[TouchpointRule] = ()) -> pl.DataFrame:
    """Touchpoints by the number of their events, as the rules would name them.

    Columns: `touchpoint` String (null for events that a rule drops), `event_names` List(String) (at most five that
    become it), `events` Int64, `share` Float64 of all events, `templates` Int64 (different templates of addresses
    among them). Most frequent first. `events` has the columns of the events table; no events give no rows.

    >>> touchpoints(pl.LazyFrame({"event_name": ["home", "cart", "home"], "url": None}))["touchpoint", "events"].rows()
    [('home', 2), ('cart', 1)]
    """
    frame = events.select(touchpoint_of(rules).alias("touchpoint"), contract.EVENT_NAME, pl.col("url").cast(pl.String))
    names = (
        frame.group_by("touchpoint")
        .agg(
            pl.col(contract.EVENT_NAME).unique().sort().head(5).alias("event_names"),
            pl.len().cast(pl.Int64).alias("events"),
            _template_of(pl.col("url")).drop_nulls().n_unique().cast(pl.Int64).alias("templates"),
        )
        .with_columns((pl.col("events") / pl.col("events").sum()).alias("share"))
        .sort("events", "touchpoint", descending=[True, False])
    )
    return names.select("touchpoint", "event_names", "events", "share", "templates").collect()


def url_templates(events: pl.LazyFrame) -> pl.DataFrame:
    """Groups of addresses that differ in an identity only: what a touchpoint rule's `url` could be.

    Columns: `template` String (`/product/{id}`), `urls` Int64 (different paths), `events` Int64, `example` String (one
    of the paths). Without scheme, host, query and fragment. Most frequent first; no addresses give no rows.

    >>> urls = ["https://shop.test/product/17", "/product/42?x=1", "/cart"]
    >>> url_templates(pl.LazyFrame({"url": urls}))["template", "events"].rows()
    [('/product/{id}', 2), ('/cart', 1)]
    """
    plain = _path_of(pl.col("url").cast(pl.String)).alias("example")
    counts = (
        events.select(plain).drop_nulls().group_by("example").agg(pl.len().cast(pl.Int64).alias("events")).collect()
    )
    parts = counts.with_columns(_template_of(pl.col("example")).str.split("/").alias("parts"))
    depth = int(parts["parts"].list.len().max() or 0)  # type: ignore[arg-type]
    for place in range(1, depth):
        parts = _merge_variable_parts(parts, place)
    return (
        parts.with_columns(pl.col("parts").list.join("/").alias("template"))
        .group_by("template")
        .agg(pl.len().cast(pl.Int64).alias("urls"), pl.col("events").sum(), pl.col("example").min())
        .sort("events", "template", descending=[True, False])
    )


def _path_of(url: pl.Expr) -> pl.Expr:
    """The path of an address."""
    bare = (
        url.str.replace(r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*", "").str.replace(r"[?#].*$", "").str.strip_chars_end("/")
    )
    return pl.when(url.is_not_null()).then(pl.when(bare == "").then(pl.lit("/")).otherwise(bare))


def _template_of(url: pl.Expr) -> pl.Expr:
    """The path of an address with each part that looks like a code as `{id}`."""
    parts = _path_of(url).str.split("/")
    return parts.list.eval(
        pl.when(pl.element().str.contains(_LOOKS_LIKE_ID)).then(pl.lit(_PLACEHOLDER)).otherwise(pl.element())
    ).list.join("/")


def _merge_variable_parts(parts: pl.DataFrame, place: int) -> pl.DataFrame:
    """Addresses whose part at a place is `{id}` where too many different words follow the same beginning."""
    before, word = pl.col("parts").list.head(place).list.join("/"), pl.col("parts").list.get(place, null_on_oob=True)
    many = word.n_unique().over(before) > _MAX_WORDS
    joined = pl.concat_list(
        pl.col("parts").list.head(place), pl.lit(_PLACEHOLDER), pl.col("parts").list.slice(place + 1)
    )
    return parts.with_columns(pl.when(word.is_not_null() & many).then(joined).otherwise("parts").alias("parts"))
