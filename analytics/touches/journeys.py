"""Where does a journey end? At the goal, or when the customer stays away longer than the journey gap.

A *journey* is a run of a customer's touches. It is `converted` when it ends with a goal touch, `abandoned` when the
gap after it is longer than the journey gap, and `open` when neither has happened by the end of the data: an open
journey is never counted as lost. A gap of exactly the journey gap continues the journey. Touches at one instant belong
to one journey, whatever their order: the goal includes all touches of its instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from analytics.store.columns import AT, CUSTOMER, JOURNEY, OUTCOME, OUTCOMES, TOUCHPOINT
from analytics.touches.sessions import new_customer, number_runs
from expectations.config.durations import duration

_OUTCOME_TYPE: Final = pl.Enum(OUTCOMES)


def journeys(
    touches: pl.DataFrame,
    goal: Sequence[str],
    gap: str | timedelta = "30d",
    end_of_data: datetime | None = None,
) -> pl.DataFrame:
    """Adds `journey` (UInt32, from 1 per customer) and `outcome` (String); rows and their order are kept.

    Needs the columns customer, at and touchpoint. The end of the data is `end_of_data`, by default the last touch. A
    frame without rows gives a frame without rows. Raises `DefinitionError` for a gap without a unit.

    >>> from datetime import datetime
    >>> rows = {"customer": "ann", "at": [datetime(2024, 1, 1), datetime(2024, 1, 2)], "touchpoint": ["order", "home"]}
    >>> journeys(pl.DataFrame(rows), goal=["order"]).select("journey", "outcome").rows()
    [(1, 'converted'), (2, 'open')]
    """
    rows = touches.with_row_index("_row").sort(CUSTOMER, AT, maintain_order=True)
    end = end_of_data or (rows[AT].max() if len(rows) else None)
    new = rows.select(new_customer(CUSTOMER)).to_series()
    assert end is None or isinstance(end, datetime)
    numbered = split_journeys(rows, new, goal, duration(gap), end).with_columns(pl.col(OUTCOME).cast(pl.String))
    return numbered.sort("_row").drop("_row")


def split_journeys(
    touches: pl.DataFrame, new: pl.Series, goal: Sequence[str], gap: timedelta, end: datetime | None
) -> pl.DataFrame:
    """`journeys` for touches in order, with an Enum as outcome; `new` marks the first touch of each customer."""
    at, start, is_goal = pl.col(AT), pl.col("_new"), pl.col(TOUCHPOINT).is_in(list(goal))
    touches = touches.with_columns(new.alias("_new")).with_columns(
        pl.when(is_goal).then(at).when(start).then(at - timedelta(1)).forward_fill().alias("_goal_at")
    )
    after_goal = (at > at.shift(1)) & (pl.col("_goal_at").shift(1) == at.shift(1))
    touches = touches.with_columns((start | (at.diff() > gap) | after_goal).fill_null(True).alias("_first"))
    is_last, left = (pl.col(name).shift(-1, fill_value=True) for name in ("_first", "_new"))
    lost = ~left | (pl.lit(end, touches.schema[AT]) - at > gap)
    outcome = (
        pl.when(pl.col("_goal_at") == at)
        .then(pl.lit("converted", _OUTCOME_TYPE))
        .when(lost)
        .then(pl.lit("abandoned", _OUTCOME_TYPE))
        .otherwise(pl.lit("open", _OUTCOME_TYPE))
    )
    return touches.with_columns(
        number_runs(touches["_first"], touches["_new"]).alias(JOURNEY),
        pl.when(is_last).then(outcome).backward_fill().alias(OUTCOME),
    ).drop("_new", "_goal_at", "_first")
