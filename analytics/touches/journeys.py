"""Where does a journey begin, and where does it end?

A *journey* begins with a goal touch, or a touch of a stage up to the goal's, while none is under way. Touchpoints that
come after a goal (`[paths] after`; by default events of kind feedback) and stages behind the goal's begin none. It ends
`converted` with the goal; `abandoned` when the customer stays away longer than the journey gap, a gap of exactly that
length goes on; it is `open` when neither has happened by the end of the data, and never counted as lost.

Touches are read instant by instant: all touches of a journey's first instant belong to it, and all of its goal's.
Touches while no journey is under way are the *aftermath* of the converted journey that ended last, if they come at most
the gap after its goal; else they belong to no journey, and have a null.

Where no touch of the store has a stage, every touch counts as staged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.store.columns import (
    AFTER_GOAL,
    AT,
    CUSTOMER,
    DIRECT,
    JOURNEY,
    OUTCOME,
    OUTCOMES,
    STAGE,
    TOUCHPOINT,
)
from analytics.store.encoding import as_enum
from analytics.store.frames import as_utc, micros
from analytics.touches.naming import with_stages
from analytics.touches.rules import PathRules
from analytics.touches.sessions import new_customer
from expectations import contract

_CONVERTED, _ABANDONED, _OPEN = range(3)
_OUTCOME_WORDS: Final = pl.Series(OUTCOMES)
Flags = NDArray[np.bool_]


def journeys(
    touches: pl.DataFrame, rules: PathRules | None = None, end_of_data: datetime | None = None
) -> pl.DataFrame:
    """Adds `stage` and the columns of `split_journeys`; rows and their order are kept.

    Needs the columns customer, at and touchpoint; `kind`, where there is one, tells events of feedback. Of the rules
    it reads `stages`, `goal`, `journey_gap` and `after`. The end of the data is `end_of_data`, by default the last
    touch. A frame without rows gives a frame without rows.

    >>> from datetime import datetime
    >>> rows = {
    ...     "customer": "ann", "touchpoint": ["page_view", "order_placed", "return", "page_view"],
    ...     "at": [datetime(2024, 1, 1), datetime(2024, 1, 2), datetime(2024, 1, 5), datetime(2024, 1, 9)],
    ... }
    >>> journeys(pl.DataFrame(rows)).select("journey", "outcome", "after_goal").rows()
    [(1, 'converted', False), (1, 'converted', False), (1, 'converted', True), (2, 'open', False)]
    """
    rules = rules or PathRules()
    rows = with_stages(touches.with_row_index("_row").sort(CUSTOMER, AT, maintain_order=True), rules.stages)
    end = end_of_data or (rows[AT].max() if len(rows) else None)
    new = rows.select(new_customer(CUSTOMER)).to_series()
    assert end is None or isinstance(end, datetime)
    end = None if end is None else as_utc(end)
    staged = rows[STAGE].count() > 0
    numbered = split_journeys(rows, new, rules, end, staged=staged).with_columns(pl.col(OUTCOME).cast(pl.String))
    return numbered.sort("_row").drop("_row")


def split_journeys(
    touches: pl.DataFrame, new: pl.Series, rules: PathRules, end: datetime | None, *, staged: bool
) -> pl.DataFrame:
    """Adds the journey of every touch, for touches in order that have a stage; `new` marks each customer's first.

    `staged` is whether any touch of the store has a stage. Columns: `journey` UInt32, from 1 per customer, null for a
    touch of no journey; `outcome` Enum; `after_goal` Boolean, whether the touch is aftermath; `direct` Boolean, whether
    the journey is converted and has no staged touch but goal touches. The last three are null where `journey` is.
    """
    if touches.is_empty():
        return touches.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in _ADDED.items())
    goal, begins, other = _flags(touches, rules, staged=staged)
    at = touches[AT].cast(pl.Datetime("us")).to_physical().to_numpy()
    instants = _Instants.of(at, new.to_numpy(), goal, begins, other)
    by_instant = instants.split(
        int(rules.journey_gap / timedelta(microseconds=1)), None if end is None else micros(end)
    )
    lengths = np.diff(np.append(instants.starts, len(touches)))
    return touches.with_columns(by_instant[np.repeat(np.arange(len(lengths)), lengths)])


_ADDED: Final[dict[str, Any]] = {
    JOURNEY: pl.UInt32(),
    OUTCOME: pl.Enum(OUTCOMES),
    AFTER_GOAL: pl.Boolean(),
    DIRECT: pl.Boolean(),
}


def _flags(touches: pl.DataFrame, rules: PathRules, *, staged: bool) -> tuple[Flags, Flags, Flags]:
    """Which touches are a goal, which can begin a journey, and which are staged without being a goal."""
    definition = rules.definition
    goal, stage = _is_one_of(touches[TOUCHPOINT], definition.goal), touches[STAGE]
    begins = _is_one_of(stage, definition.stages[: definition.goal_stage + 1]) if staged else ~goal
    other = (stage.is_not_null().to_numpy() if staged else np.ones(len(goal), np.bool_)) & ~goal
    if rules.after is not None:
        after = _is_one_of(touches[TOUCHPOINT], rules.after)
    elif contract.KIND in touches.columns:
        after = _is_one_of(touches[contract.KIND], ["feedback"])
    else:
        after = np.zeros(len(goal), np.bool_)
    return goal, goal | (begins & ~after), other


def _is_one_of(column: pl.Series, words: Sequence[str]) -> Flags:
    flags: Flags = column.is_in(list(words)).fill_null(False).to_numpy()
    return flags


@dataclass(frozen=True)
class _Instants:
    """The instants of all customers: the first row of each, its time in microseconds, whether it is its customer's
    first, and whether one of its touches is a goal, can begin a journey, or is staged without being a goal."""

    starts: NDArray[np.int64]
    at: NDArray[np.int64]
    fresh: Flags
    goal: Flags
    begins: Flags
    other: Flags

    @classmethod
    def of(cls, at: NDArray[np.int64], new: Flags, *flags: Flags) -> _Instants:
        """The instants of touches in order."""
        starts = np.flatnonzero(new | np.append(True, at[1:] != at[:-1]))
        return cls(starts, at[starts], new[starts], *(np.logical_or.reduceat(each, starts) for each in flags))

    def split(self, gap: int, end: int | None) -> pl.DataFrame:
        """The columns of `split_journeys`, one row per instant."""
        number = np.arange(len(self.at))
        cut = self.fresh | np.append(True, np.diff(self.at) > gap) | np.append(False, self.goal[:-1])
        latest = _latest(number, self.begins)
        under_way = latest >= _latest(number, cut)
        first = under_way & (cut | ~np.append(False, under_way[:-1]))
        last = under_way & np.append(cut[1:], True)
        goal = _latest(number, self.goal)
        aftermath = ~under_way & (goal >= _latest(number, self.fresh)) & (self.at - self.at[goal] <= gap)
        counted = np.cumsum(first)
        belongs = pl.Series(under_way | aftermath)
        journey = np.maximum(counted - 1, 0)
        outcome = pl.Series(self._outcomes(last, end, gap)[journey])
        columns = {
            JOURNEY: pl.Series(counted - (counted - first)[_latest(number, self.fresh)], dtype=pl.UInt32),
            OUTCOME: as_enum(outcome, _OUTCOME_WORDS),
            AFTER_GOAL: aftermath,
            DIRECT: self._direct(last, journey, under_way)[journey],
        }
        return pl.DataFrame(columns).with_columns(pl.when(belongs).then(pl.col(name)).alias(name) for name in _ADDED)

    def _outcomes(self, last: Flags, end: int | None, gap: int) -> NDArray[np.uint8]:
        """How every journey ends, by its last instant; one more, so that there is one without journeys."""
        followed = ~np.append(self.fresh[1:], True)
        lost = followed | (np.zeros_like(followed) if end is None else end - self.at > gap)
        outcome = np.where(self.goal, _CONVERTED, np.where(lost, _ABANDONED, _OPEN))
        return np.append(outcome[last], _OPEN).astype(np.uint8)

    def _direct(self, last: Flags, journey: NDArray[np.int64], under_way: Flags) -> Flags:
        """Which journeys are converted with no staged touch but goal touches; one more, as in `_outcomes`."""
        others = np.bincount(journey[under_way], self.other[under_way], minlength=int(last.sum()) + 1)
        direct: Flags = np.append(self.goal[last], False) & (others == 0)
        return direct


def _latest(number: NDArray[np.int64], marked: Flags) -> NDArray[np.int64]:
    """The number of the latest marked instant up to each; -1 before the first."""
    latest: NDArray[np.int64] = np.maximum.accumulate(np.where(marked, number, -1))
    return latest
