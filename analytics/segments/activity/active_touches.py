"""The active touches of customers, and the periods that they lie in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import Step, one_of
from analytics.engine.goals import step_touches
from analytics.engine.local.calendar import (
    PERIODS,
    next_period_start,
    period_numbers,
    periods_between,
    periods_of,
    zone_named,
)
from analytics.engine.matching import Matcher
from analytics.store.columns import AT, TIME
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths

Ints = NDArray[np.int64]
_STEPS: Final = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    **dict.fromkeys(("week", "week_sunday"), timedelta(weeks=1)),
    "month": timedelta(days=31),
}
NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Active(NamedTuple):
    """The active touches of a part, in order: their rows, their customers' numbers, their times in microseconds."""

    rows: Ints
    person: Ints
    at: Ints

    @property
    def firsts(self) -> NDArray[np.bool_]:
        """Which touches are the first of their customer."""
        return np.append(True, self.person[1:] != self.person[:-1])[: len(self.person)]


@dataclass(frozen=True, eq=False)
class ActiveTouches:
    """What counts as active, bound to a store."""

    matcher: Matcher

    @classmethod
    def of(cls, paths: Paths, active: str | Step) -> ActiveTouches:
        """The touches of a word or step; warns of a word that no touch has."""
        return cls(step_touches(paths, active if isinstance(active, Step) else Step(active)))

    @property
    def columns(self) -> list[str]:
        """The stored columns that are read."""
        return [AT, *self.matcher.columns]

    def of_part(self, part: Part, words: Dictionaries) -> Active:
        """The active touches of a part."""
        rows = np.flatnonzero(self.matcher.marked(part, words))
        person = np.searchsorted(part.bounds(), rows, side="right") - 1
        return Active(rows, person, part.times()[rows])


@dataclass(frozen=True)
class ActivePeriods:
    """Calendar periods up to the end of the data; those with a number below `end` are over."""

    period: str
    timezone: str
    end: int
    end_of_data: datetime

    @classmethod
    def of(cls, paths: Paths, period: str, timezone: str) -> ActivePeriods:
        """The periods of a store. Raises `DefinitionError` for an unknown period or zone."""
        one_of("period", period, PERIODS)
        zone_named(timezone)
        end = paths.end_of_data or NEVER
        starts, _ = periods_of(pl.Series([end], dtype=TIME), period, timezone)
        return cls(period, timezone, int(period_numbers(starts, period)[0]), end)

    @property
    def type(self) -> pl.Datetime:
        """The type of the start of a period."""
        return pl.Datetime("us", self.timezone)

    def of_times(self, at: Ints) -> tuple[pl.Series, Ints]:
        """The start of the period of each time, and its number; numbers of consecutive periods differ by 1."""
        starts, place = periods_of(pl.Series(at).cast(TIME), self.period, self.timezone)
        return starts.gather(place), period_numbers(starts, self.period)[place]

    def begun(self, since: datetime | None = None) -> tuple[Ints, Ints]:
        """The numbers of the periods that have begun by the end of the data, and their starts in microseconds: from the
        period of `since` on, or the last 2,000.
        """
        zone = zone_named(self.timezone)
        first = since.astimezone(zone) if since else self.end_of_data.astimezone(zone) - 2000 * _STEPS[self.period]
        starts = pl.Series(periods_between(first, self.end_of_data.astimezone(zone), self.period), dtype=TIME)
        local = starts.dt.convert_time_zone(self.timezone)
        return period_numbers(local, self.period), starts.to_physical().to_numpy()

    def starts_from(self, first: datetime) -> pl.Series:
        """The starts of all periods that are over, from the one that begins with `first`."""
        starts, zone = [], zone_named(self.timezone)
        start, end = first.astimezone(zone), self.end_of_data
        while (following := next_period_start(start, self.period)).astimezone(UTC) <= end:
            starts.append(start.astimezone(UTC))
            start = following
        return pl.Series(starts, dtype=TIME).dt.convert_time_zone(self.timezone)


def distinct_periods(person: Ints, number: Ints) -> Ints:
    """The places of the first touch of each customer in each period; touches are in the order of customer and time.

    >>> distinct_periods(np.array([0, 0, 0, 1]), np.array([4, 4, 6, 6])).tolist()
    [0, 2, 3]
    """
    if not len(person):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.append(True, (np.diff(person) != 0) | (np.diff(number) != 0)))
