"""Which touchpoints are there, how frequent are they, and which names should be one?

Before writing rules, look at the names as they come: events by name, and the templates of their URLs. Parts of a path
that only identify an object (numbers, hashes, many different words in one position) become `{id}`, as in the `url` of
a touchpoint rule.
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
"""More distinct words than this in one position of a path are taken for ids."""


def touchpoints(events: pl.LazyFrame, rules: Sequence[TouchpointRule] = ()) -> pl.DataFrame:
    """Counts events by touchpoint, as the rules would name them.

    Columns: `touchpoint` String (null for events that a rule drops), `event_names` List(String) (at most five of them),
    `events` Int64, `share` Float64 (of all events), `templates` Int64 (distinct URL templates). Most frequent first.
    `events` has the columns of the events table; no events give no rows.

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
    """Groups URLs that differ in an id only: candidates for the `url` of a touchpoint rule.

    Columns: `template` String (`/product/{id}`), `urls` Int64 (distinct paths), `events` Int64, `example` String (one
    of the paths). Scheme, host, query and fragment are removed. Most frequent first; no URLs give no rows.

    >>> urls = ["https://shop.test/product/17", "/product/42?x=1", "/cart"]
    >>> url_templates(pl.LazyFrame({"url": urls}))["template", "events"].rows()
    [('/product/{id}', 2), ('/cart', 1)]
    """
    path = _path_of(pl.col("url").cast(pl.String)).alias("example")
    counts = events.select(path).drop_nulls().group_by("example").agg(pl.len().cast(pl.Int64).alias("events")).collect()
    parts = counts.with_columns(_template_of(pl.col("example")).str.split("/").alias("parts"))
    depth = int(parts["parts"].list.len().max() or 0)  # type: ignore[arg-type]
    for position in range(1, depth):
        parts = _merge_variable_parts(parts, position)
    return (
        parts.with_columns(pl.col("parts").list.join("/").alias("template"))
        .group_by("template")
        .agg(pl.len().cast(pl.Int64).alias("urls"), pl.col("events").sum(), pl.col("example").min())
        .sort("events", "template", descending=[True, False])
    )


def _path_of(url: pl.Expr) -> pl.Expr:
    """The path of a URL."""
    path = (
        url.str.replace(r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*", "").str.replace(r"[?#].*$", "").str.strip_chars_end("/")
    )
    return pl.when(url.is_not_null()).then(pl.when(path == "").then(pl.lit("/")).otherwise(path))


def _template_of(url: pl.Expr) -> pl.Expr:
    """The path of a URL with each part that looks like an id replaced by `{id}`."""
    parts = _path_of(url).str.split("/")
    return parts.list.eval(
        pl.when(pl.element().str.contains(_LOOKS_LIKE_ID)).then(pl.lit(_PLACEHOLDER)).otherwise(pl.element())
    ).list.join("/")


def _merge_variable_parts(parts: pl.DataFrame, position: int) -> pl.DataFrame:
    """Replaces the part at a position by `{id}` where too many different words follow the same beginning."""
    prefix, word = (
        pl.col("parts").list.head(position).list.join("/"),
        pl.col("parts").list.get(position, null_on_oob=True),
    )
    is_variable = word.n_unique().over(prefix) > _MAX_WORDS
    merged = pl.concat_list(
        pl.col("parts").list.head(position), pl.lit(_PLACEHOLDER), pl.col("parts").list.slice(position + 1)
    )
    return parts.with_columns(pl.when(word.is_not_null() & is_variable).then(merged).otherwise("parts").alias("parts"))
