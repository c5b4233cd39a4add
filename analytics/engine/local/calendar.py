"""Calendar periods in a time zone: hours, days, weeks from Monday or Sunday, months.

A period is of the local calendar: it begins with the first instant of its first day in the zone, so that a day of 23 or
25 hours is one day. An hour that the clock shows twice is two periods; where clocks move by half an hour, the hour in
which they do is longer or shorter.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.store.columns import TIME
from analytics.store.frames import as_utc
from expectations.errors import DefinitionError, nearest

Period = Literal["hour", "day", "week", "week_sunday", "month"]
PERIODS: Final = ("hour", "day", "week", "week_sunday", "month")
"""Names of periods; weeks begin on Monday, or on Sunday."""


def zone_named(timezone: str) -> ZoneInfo:
    """The time zone of that name; `DefinitionError` when there is none.

    >>> zone_named("Europe/Oslo").key
    'Europe/Oslo'
    """
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise DefinitionError(
            f"There is no time zone {timezone!r}.",
            expected='a name of the IANA database, such as "Europe/Oslo"',
            do=nearest(timezone, sorted(available_timezones())),
        ) from None


def day_start(day: date, timezone: str = "UTC") -> datetime:
    """The first instant of a local day, in UTC: what `start` and `end` of a measure take for days of a time zone.

    Where clocks skip midnight the day begins later, where they repeat it with the first one. Raises `DefinitionError`
    for an unknown zone.

    >>> day_start(date(2026, 3, 29), "Europe/Berlin").isoformat(), day_start(date(2026, 3, 30), "Europe/Berlin").hour
    ('2026-03-28T23:00:00+00:00', 22)
    """
    return as_utc(date(day.year, day.month, day.day), zone_named(timezone))


def period_start(moment: datetime, period: str) -> datetime:
    """The start of the period that a time lies in, by the clock of its zone."""
    if period == "hour":
        return _same_instant(moment.replace(minute=0, second=0, microsecond=0))
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    first = {
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "week_sunday": day - timedelta(days=day.isoweekday() % 7),
        "month": day.replace(day=1),
    }[period]
    return _same_instant(first)


def next_period_start(start: datetime, period: str) -> datetime:
    """The start of the period after, by the clock of the zone: a day may have 23 or 25 hours."""
    if period == "hour":
        following = (period_start(_later(start, hours), period) for hours in (1, 2))
        return next(each for each in following if each.astimezone(UTC) > start.astimezone(UTC))
    day = start.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period == "month":
        return _same_instant((day.replace(day=1) + timedelta(days=32)).replace(day=1))
    return _same_instant(day + timedelta(days=1 if period == "day" else 7))


def _later(moment: datetime, hours: int) -> datetime:
    return (moment.astimezone(UTC) + timedelta(hours=hours)).astimezone(moment.tzinfo)


def _same_instant(moment: datetime) -> datetime:
    """The time as the clock of its zone shows it: a time that clocks skip is not shown."""
    return moment.astimezone(UTC).astimezone(moment.tzinfo)


def periods_between(first: datetime, last: datetime, period: str) -> list[datetime]:
    """The starts of all periods from that of `first` to that of `last`, two times in one zone."""
    starts = [period_start(first, period)]
    while (following := next_period_start(starts[-1], period)).astimezone(UTC) <= last.astimezone(UTC):
        starts.append(following)
    return starts


def periods_of(at: pl.Series, period: str, timezone: str) -> tuple[pl.Series, NDArray[np.int64]]:
    """Starts of periods in order, Datetime(us, timezone), and the number among them of the period of each time.

    `at` is Datetime(us, UTC) without nulls. There may be periods without a time.

    >>> at = pl.Series([datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)])
    >>> starts, number = periods_of(at, "day", "Europe/Berlin")
    >>> starts.dt.date().to_list()[-1], number.tolist()
    (datetime.date(2026, 3, 30), [0, 1])
    """
    zone = zone_named(timezone)
    if at.is_empty():
        return pl.Series([], dtype=pl.Datetime("us", timezone)), np.zeros(0, np.int64)
    if period == "hour":
        starts = at.dt.convert_time_zone(timezone).dt.truncate("1h").unique().sort()
    else:
        first, last = (time.astimezone(zone) for time in (at.min(), at.max()))  # type: ignore[union-attr]
        moments = [start.astimezone(UTC) for start in periods_between(first, last, period)]
        starts = pl.Series(moments, dtype=TIME).dt.convert_time_zone(timezone)
    edges, times = starts.to_physical().to_numpy(), at.cast(TIME).to_physical().to_numpy()
    return starts, np.searchsorted(edges, times, side="right").astype(np.int64) - 1


def period_numbers(starts: pl.Series, period: str) -> NDArray[np.int64]:
    """The numbers of the periods that begin at `starts`, in their zone; those of consecutive periods differ by 1.

    A day that clocks skip, as Samoa did on 30 December 2011, has a number, too.
    """
    if period == "hour":
        hours = starts.dt.epoch("s") // 3600
        return hours.cast(pl.Int64).to_numpy()
    if period == "month":
        return (starts.dt.year().cast(pl.Int64) * 12 + starts.dt.month().cast(pl.Int64)).to_numpy()
    days = starts.dt.date().cast(pl.Int32).cast(pl.Int64).to_numpy()
    return days if period == "day" else (days + (3 if period == "week" else 4)) // 7
