"""Divides the touches of a part into units (customers, journeys or sessions), and says how each unit ends.

A unit is a run of a customer's touches. Paths without journeys have one unit per customer. The aftermath of a journey
and touches of no journey are in no journey. A unit ends `converted` when a converted journey ends in it; else `open`
when it is the customer's last one and its journey is open; else `abandoned`. Without a column `outcome` every unit is
open.

A unit is **mature** when its beginning and the whole window after it lie before the end of the data, and it has
**reached** the goal when it is mature and has a goal touch at most the window after its first touch. Rates are over
mature units, whatever their outcome. A direct journey is not mature: it is in no rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import one_of
from analytics.store.columns import AFTER_GOAL, DIRECT, JOURNEY, OUTCOME, SESSION
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

Unit = Literal["customer", "journey", "session"]
UNITS: Final = ("customer", "journey", "session")
START: Final = "START"
ENDS: Final = ("END_abandoned", "END_converted", "END_open")
ABANDONED, CONVERTED, OPEN = 0, 1, 2
WINDOW: Final = timedelta(days=30)
"""The window of a goal, unless one is given; the journey gap where that is shorter."""


@dataclass(frozen=True)
class Units:
    """The units of a part: the first row of each, its customer (a number in the part), and its end (of `ENDS`).

    `goal` is the row of the first goal that ends a journey in the unit, -1 without one. `own` marks the rows that
    belong to a unit; None where all do. `direct` are the journeys without another staged touch than the goal. `after`
    marks the aftermath of journeys, which lies between their own touches and the next journey; None for other units.
    """

    starts: NDArray[np.int64]
    people: NDArray[np.uint32]
    ends: NDArray[np.uint8]
    goal: NDArray[np.int64]
    own: NDArray[np.bool_] | None
    direct: NDArray[np.bool_]
    after: NDArray[np.bool_] | None = None

    def mature(self, times: NDArray[np.int64], window: timedelta, end: datetime | None) -> NDArray[np.bool_]:
        """Which units are mature; `times` are those of all rows, in microseconds."""
        return ~self.direct & are_followed(times[self.starts], micros(window), end)

    def to_goal(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """The time from the first touch of each unit to its first goal, in microseconds; -1 without a goal."""
        return np.where(self.goal < 0, -1, times[self.goal] - times[self.starts])


def are_followed(begin: NDArray[np.int64], window: int, end: datetime | None) -> NDArray[np.bool_]:
    """Which of the units that begin at these times have their whole window before the end of the data.

    Times and the window are in microseconds.

    >>> from datetime import UTC
    >>> are_followed(np.array([0, 5]), 10, datetime(1970, 1, 1, microsecond=12, tzinfo=UTC))
    array([ True, False])
    """
    return begin + window <= (0 if end is None else micros(end))


def goal_window(paths: Paths, window: str | timedelta | None = None) -> timedelta:
    """The window in which journeys must reach the goal: the one given, else 30 days or the shorter journey gap.

    Raises `DefinitionError` for a window longer than the journey gap.

    >>> from analytics import Paths
    >>> goal_window(Paths.from_text({"ann": "visit@0m"}))
    datetime.timedelta(days=30)
    """
    return window_of(paths, window, "journey")


def window_of(paths: Paths, window: str | timedelta | None, unit: str) -> timedelta:
    """The window of a goal: the one given, else `WINDOW`, or the journey gap where that is shorter.

    Raises `DefinitionError` for a window of journeys that is longer than their gap.
    """
    gap = paths.definition.gap if paths.definition and unit == "journey" else None
    if window is None:
        return WINDOW if gap is None else min(WINDOW, gap)
    asked = duration(window)
    if gap is not None and asked > gap:
        raise DefinitionError(
            "The window is longer than the journey gap.",
            expected=f"at most {gap / timedelta(days=1):g} days: who stays away longer begins another journey",
            found=f"{asked / timedelta(days=1):g} days",
            do="raise journey_gap in [paths], or shorten the window",
        )
    return asked


def unit_columns(schema: pl.Schema, unit: str) -> list[str]:
    """The columns that must be read to find units and their ends."""
    one_of("unit", unit, UNITS)
    wanted = {JOURNEY, OUTCOME, AFTER_GOAL, *({"journey": [DIRECT], "session": [SESSION]}.get(unit, []))}
    return [name for name in (SESSION, JOURNEY, OUTCOME, AFTER_GOAL, DIRECT) if name in wanted and name in schema]


def units_of(part: Part, frame: pl.DataFrame, unit: str, dictionaries: Dictionaries) -> Units:
    """The units of a part; `frame` has its `unit_columns`."""
    customers, size = part.bounds(), len(frame)
    fresh = np.zeros(size + 1, np.bool_)
    fresh[customers] = True
    begins = fresh.copy()
    if unit in frame.columns:
        begins[1:-1] |= _changes(frame[unit])
    starts = np.flatnonzero(begins[:-1])
    people = (np.searchsorted(customers, starts, side="right") - 1).astype(np.uint32)
    after = _flags(frame, AFTER_GOAL)
    in_journey = frame[JOURNEY].is_not_null().to_numpy() if JOURNEY in frame.columns else np.ones(size, np.bool_)
    own, later = (
        (in_journey & ~after, in_journey & after) if unit == "journey" and JOURNEY in frame.columns else (None, None)
    )
    direct = _flags(frame, DIRECT)[starts] if unit == "journey" else np.zeros(len(starts), np.bool_)
    goal, ends = np.full(len(starts), -1), np.full(len(starts), ABANDONED, np.uint8)
    if OUTCOME not in frame.columns:
        return Units(starts, people, np.full(len(starts), OPEN, np.uint8), goal, own, direct, later)
    over = fresh.copy()
    if JOURNEY in frame.columns:
        over[1:-1] |= _changes(frame[JOURNEY])
    over[1:-1] |= after[1:] & ~after[:-1]
    last = np.flatnonzero(over[1:] & ~after)
    open_ = _is(frame, "open", np.flatnonzero(fresh[1:]), dictionaries)
    won = _is(frame, "converted", last, dictionaries)
    for rows, code in ((open_, OPEN), (won, CONVERTED)):
        ends[np.searchsorted(starts, rows, side="right") - 1] = code
    of = np.searchsorted(starts, won[::-1], side="right") - 1
    goal[of] = won[::-1]  # the first of a unit is written last
    return Units(starts, people, ends, goal, own, direct, later)


def _is(frame: pl.DataFrame, outcome: str, rows: NDArray[np.int64], words: Dictionaries) -> NDArray[np.int64]:
    """Those of the rows whose journey has this outcome."""
    code = words[OUTCOME].index_of(outcome)
    if code is None:
        return rows[:0]
    kept: NDArray[np.bool_] = (frame[OUTCOME].gather(rows) == code).fill_null(False).to_numpy()
    return rows[kept]


def _flags(frame: pl.DataFrame, name: str) -> NDArray[np.bool_]:
    """A Boolean column, False where it is null; all False where there is none."""
    if name not in frame.columns:
        return np.zeros(len(frame), np.bool_)
    flags: NDArray[np.bool_] = frame[name].fill_null(False).to_numpy()
    return flags


def _changes(values: pl.Series) -> NDArray[np.bool_]:
    """Where a value differs from the one before it; the first is not looked at."""
    array = (values.rle_id() if values.null_count() else values.to_physical()).to_numpy()
    changed: NDArray[np.bool_] = array[1:] != array[:-1]
    return changed
