"""How much is in the paths? Touches, customers, sessions, journeys by outcome, and how events were linked, in one
row.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import polars as pl

from analytics.store.columns import AT, CUSTOMER, JOURNEY, LINKED, LINKED_VALUES, OUTCOME, OUTCOMES, SESSION, TIME
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths


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
