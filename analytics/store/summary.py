"""How much is in the paths? Counts of all in one row, and what each column holds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import polars as pl

from analytics.store.columns import AT, CUSTOMER, JOURNEY, LINKED, LINKED_VALUES, OUTCOME, OUTCOMES, SESSION, TIME
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part, decoded
from analytics.store.paths import SHOWN_WORDS, Paths


def summary(paths: Paths) -> pl.DataFrame:
    """One row of counts over all paths.

    Int64: touches, customers, sessions, journeys, converted, abandoned, open. Datetime(us, UTC): first_at, last_at,
    end_of_data. Float64, shares of touches: linked_login, linked_device, linked_session, linked_anonymous. Paths
    without touches have counts of 0 and null times and shares; sessions, journeys and links are null where the paths
    have no such column.

    >>> from datetime import datetime
    >>> frame = pl.DataFrame({"customer": ["ann"], "at": [datetime(2024, 1, 1)], "touchpoint": ["home"]})
    >>> summary(Paths.from_frame(frame)).select("touches", "customers", "journeys").row(0)
    (1, 1, None)
    """
    held = [name for name in (AT, CUSTOMER, SESSION, JOURNEY, OUTCOME, LINKED) if name in paths.schema]
    parts = paths.each(partial(_counts_of, held))
    counts = pl.concat(parts) if parts else _counts(pl.DataFrame(schema={name: paths.schema[name] for name in held}))
    total = counts.select(pl.exclude("first_at", "last_at").sum(), pl.col("first_at").min(), pl.col("last_at").max())
    absent = [name for name in _COUNTS if name not in total.columns]
    end = pl.lit(paths.end_of_data, TIME).alias("end_of_data")
    return total.with_columns(end, *(pl.lit(None, pl.Int64).alias(name) for name in absent)).select(
        *(name for name in _COUNTS if not name.startswith(LINKED)),
        "first_at",
        "last_at",
        "end_of_data",
        *(
            pl.when(pl.col("touches") > 0).then(pl.col(name) / pl.col("touches")).alias(name)
            for name in _COUNTS
            if name.startswith(LINKED)
        ),
    )


def described(paths: Paths) -> pl.DataFrame:
    """One row per column of the touches, in their order; `Paths.describe` is the same.

    String: column, dtype. Int64: touches (with a value), words (different texts; null for other columns). Float64:
    share, of all touches (null without any). List[String]: examples, the words with most touches, three at most, then
    by name; no customer is an example. Reads each column once.

    >>> shop = Paths.from_text({"ann": "visit@0m[device=app] visit@1m", "bob": "pay@2d[device=web]"})
    >>> described(shop).select("column", "touches", "words", "examples").rows()[2:]
    [('touchpoint', 3, 2, ['visit', 'pay']), ('device', 2, 2, ['app', 'web'])]
    """
    parts = paths.each(partial(_held_by, paths.columns))
    counted = pl.concat([pl.DataFrame(schema=_HELD), *parts]).group_by("column", "word").agg(pl.col("touches").sum())
    known = {name: rows for (name,), rows in counted.partition_by("column", as_dict=True).items()}
    empty, every = pl.DataFrame(schema=_HELD), len(paths)
    rows = []
    for name, dtype in paths.schema.items():
        own = known.get(name, empty).sort(-pl.col("touches"), "word")
        is_text, touches = name in paths.dictionaries, int(own["touches"].sum())
        rows.append(
            {
                "column": name,
                "dtype": str(dtype),
                "touches": touches,
                "share": touches / every if every else None,
                "words": len(own) if is_text else None,
                "examples": own["word"].head(SHOWN_WORDS).to_list() if is_text else [],
            }
        )
    return pl.DataFrame(rows, schema=DESCRIBED)


DESCRIBED: Final[dict[str, Any]] = {
    "column": pl.String,
    "dtype": pl.String,
    "touches": pl.Int64,
    "share": pl.Float64,
    "words": pl.Int64,
    "examples": pl.List(pl.String),
}
_HELD: Final = pl.Schema({"column": pl.String, "word": pl.String, "touches": pl.Int64})


def _held_by(columns: Sequence[str], part: Part, words: Dictionaries) -> pl.DataFrame:
    """How many touches of one part have each word of a text column, or any value of another."""
    counts = []
    for name in columns:
        held = decoded(part, [name], words)[name].drop_nulls()
        word = pl.col(name).cast(pl.String) if name in words else pl.lit(None, pl.String)
        own = held.to_frame().group_by(word.alias("word")).len("touches")
        counts.append(own.select(pl.lit(name).alias("column"), "word", "touches"))
    return pl.concat(counts).cast(dict(_HELD))  # type: ignore[arg-type]


_COUNTS = ("touches", "customers", "sessions", "journeys", *OUTCOMES, *(f"{LINKED}_{way}" for way in LINKED_VALUES))


def _counts_of(held: Sequence[str], part: Part, words: Dictionaries) -> pl.DataFrame:
    return _counts(decoded(part, held, words))


def _counts(touches: pl.DataFrame) -> pl.DataFrame:
    """The counts of one part; its touches are sorted by customer and time."""
    is_last_touch = (pl.col(CUSTOMER) != pl.col(CUSTOMER).shift(-1)).fill_null(True)
    out = [pl.len().alias("touches"), is_last_touch.sum().alias("customers")]
    if SESSION in touches.columns:
        out.append(pl.col(SESSION).filter(is_last_touch).sum().alias("sessions"))
    if JOURNEY in touches.columns:
        journey_ends = is_last_touch | pl.col(JOURNEY).ne_missing(pl.col(JOURNEY).shift(-1))
        journey_ends &= pl.col(JOURNEY).is_not_null()
        out.append(journey_ends.sum().alias("journeys"))
        if OUTCOME in touches.columns:
            out += [(journey_ends & (pl.col(OUTCOME).cast(pl.String) == name)).sum().alias(name) for name in OUTCOMES]
    if LINKED in touches.columns:
        out += [(pl.col(LINKED).cast(pl.String) == way).sum().alias(f"{LINKED}_{way}") for way in LINKED_VALUES]
    counts = touches.select(expression.cast(pl.Int64) for expression in out)
    return counts.with_columns(touches.select(pl.col(AT).min().alias("first_at"), pl.col(AT).max().alias("last_at")))
