"""Calendar periods in a time zone: hours, days, weeks from Monday or Sunday, months."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from expectations.errors import DefinitionError

Period = Literal["hour", "day", "week", "week_sunday", "month"]
PERIODS: Final = {"hour": "1h", "day": "1d", "week": "1w", "week_sunday": "1w", "month": "1mo"}
"""Names of periods, each with its length as polars writes it; weeks begin on Monday, or on Sunday."""


def zone_named(timezone: str) -> ZoneInfo:
    """The time zone of that name; `DefinitionError` when there is none.

    >>> zone_named("Europe/Oslo").key
    'Europe/Oslo'
    """
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise DefinitionError(f"There is no time zone {timezone!r}.", expected='a name as "Europe/Oslo"') from None


def period_start(moment: datetime, period: str) -> datetime:
    """The start of the period that a time lies in, by the clock of its zone."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    return {
        "hour": hour,
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "week_sunday": day - timedelta(days=day.isoweekday() % 7),
        "month": day.replace(day=1),
    }[period]


def next_period_start(start: datetime, period: str) -> datetime:
    """The start of the period after, by the clock of the zone: a day may have 23 or 25 hours."""
    if period == "month":
        return (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    if period == "hour":
        zone = start.tzinfo
        return (start.astimezone(ZoneInfo("UTC")) + timedelta(hours=1)).astimezone(zone)
    return start + timedelta(days=1 if period == "day" else 7)


def period_starts(at: pl.Expr, period: str, timezone: str) -> pl.Expr:
    """The start of the period that each time lies in, as Datetime in the time zone."""
    local = at.dt.convert_time_zone(timezone)
    if period == "week_sunday":
        return local.dt.offset_by("1d").dt.truncate("1w").dt.offset_by("-1d")
    return local.dt.truncate(PERIODS[period])


def period_numbers(start: pl.Expr, period: str) -> pl.Expr:
    """The number (Int64) of the period that begins at `start`; consecutive periods differ by 1."""
    if period == "month":
        return (start.dt.year().cast(pl.Int64) * 12 + start.dt.month()).cast(pl.Int64)
    if period == "hour":
        return start.dt.epoch("s") // 3600
    days = start.dt.date().cast(pl.Int32).cast(pl.Int64)
    return days if period == "day" else (days + (3 if period == "week" else 4)) // 7
