"""Periods are those of the local calendar, in numbers of Python as in columns, over every change of clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analytics.engine.local.calendar import (
    PERIODS,
    day_start,
    next_period_start,
    period_numbers,
    period_start,
    periods_between,
    periods_of,
    zone_named,
)
from expectations.errors import DefinitionError

ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"),
    "Australia/Lord_Howe",  # half an hour of summer time
    "Pacific/Apia",  # skipped 30 December 2011
    "America/Havana",  # skips midnight in spring and repeats it in autumn
)
DAYS = ("day", "week", "week_sunday", "month")
CHANGES = [
    *(datetime(2024, 3, 31, 1), datetime(2024, 10, 27, 1), datetime(2024, 3, 10, 7), datetime(2024, 11, 3, 6)),  # noqa: DTZ001
    *(datetime(2024, 4, 6, 15), datetime(2024, 10, 5, 15, 30), datetime(2011, 12, 30, 10), datetime(2024, 11, 3, 5)),  # noqa: DTZ001
]
"""When clocks change: Berlin, New York, Lord Howe, Apia, Havana."""
NEAR = st.builds(
    lambda change, seconds: change.replace(tzinfo=UTC) + timedelta(seconds=seconds),
    st.sampled_from(CHANGES),
    st.integers(-3 * 86_400, 3 * 86_400),
)
FAR = st.datetimes(datetime(2011, 1, 1), datetime(2025, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
MOMENTS = NEAR | FAR
LISTS = st.builds(
    lambda first, later: [first, *(first + timedelta(hours=hours) for hours in later)],
    MOMENTS,
    st.lists(st.integers(0, 60 * 24), max_size=3),
)


def first_day(day: date, period: str) -> date:
    """The first day of a period, by the definition."""
    back = {"day": 0, "week": day.weekday(), "week_sunday": day.isoweekday() % 7, "month": day.day - 1}[period]
    return day - timedelta(days=back)


def first_instant(day: date, zone: ZoneInfo) -> datetime:
    """The first minute of a local day, found by trying them all from the evening before."""
    minute = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    for step in (timedelta(minutes=30), timedelta(minutes=1)):
        while (minute + step).astimezone(zone).date() < day:
            minute += step
    return minute + timedelta(minutes=1)


def column(times: list[datetime]) -> pl.Series:
    return pl.Series("at", times, dtype=pl.Datetime("us", "UTC"))


@given(LISTS, st.sampled_from(DAYS), st.sampled_from(ZONES))
def test_a_period_begins_with_the_first_instant_of_its_first_local_day(
    times: list[datetime], period: str, zone: str
) -> None:
    starts, position = periods_of(column(times), period, zone)
    for time, start in zip(times, starts.gather(position), strict=True):
        day = first_day(time.astimezone(ZoneInfo(zone)).date(), period)
        assert start.astimezone(UTC) == first_instant(day, ZoneInfo(zone))
        assert start.astimezone(UTC) == day_start(day, zone)
        assert start.astimezone(UTC) == period_start(time.astimezone(ZoneInfo(zone)), period).astimezone(UTC)


@given(LISTS, st.sampled_from(PERIODS), st.sampled_from(ZONES))
@example([datetime(2024, 4, 6, 15, 15, tzinfo=UTC)], "hour", "Australia/Lord_Howe")
@example([datetime(2024, 10, 5, 15, 45, tzinfo=UTC)], "hour", "Australia/Lord_Howe")
def test_columns_and_single_times_begin_their_period_alike(times: list[datetime], period: str, zone: str) -> None:
    starts, position = periods_of(column(times), period, zone)
    alone = [period_start(time.astimezone(ZoneInfo(zone)), period).astimezone(UTC) for time in times]
    assert [start.astimezone(UTC) for start in starts.gather(position)] == alone
    assert starts.dtype == pl.Datetime("us", zone)


@given(MOMENTS, st.sampled_from(PERIODS), st.sampled_from(ZONES))
def test_periods_follow_each_other_without_a_gap_or_an_overlap(time: datetime, period: str, zone: str) -> None:
    start = period_start(time.astimezone(ZoneInfo(zone)), period)
    end = next_period_start(start, period)
    assert start.astimezone(UTC) <= time < end.astimezone(UTC)
    last = (end.astimezone(UTC) - timedelta(microseconds=1)).astimezone(ZoneInfo(zone))
    assert period_start(last, period).astimezone(UTC) == start.astimezone(UTC)


@given(MOMENTS, st.sampled_from(PERIODS), st.sampled_from(ZONES))
def test_numbers_of_consecutive_periods_differ_by_one(time: datetime, period: str, zone: str) -> None:
    start = period_start(time.astimezone(ZoneInfo(zone)), period)
    both = [start, next_period_start(start, period)]
    numbers = period_numbers(column([each.astimezone(UTC) for each in both]).dt.convert_time_zone(zone), period)
    skipped = zone == "Pacific/Apia" and period == "day" and start.date() == date(2011, 12, 29)
    assert np.diff(numbers).tolist() == [2 if skipped else 1]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2024, 3, 31), 23),
        ("Europe/Berlin", date(2024, 10, 27), 25),
        ("America/New_York", date(2024, 3, 10), 23),
        ("Australia/Lord_Howe", date(2024, 4, 7), 24.5),
        ("Australia/Lord_Howe", date(2024, 10, 6), 23.5),
        ("America/Havana", date(2024, 3, 10), 23),
        ("America/Havana", date(2024, 11, 3), 25),
        ("Asia/Kolkata", date(2024, 3, 31), 24),
    ],
)
def test_a_day_of_another_length_is_one_day(zone: str, day: date, hours: float) -> None:
    start = day_start(day, zone)
    assert next_period_start(start.astimezone(ZoneInfo(zone)), "day").astimezone(UTC) - start == timedelta(hours=hours)


def test_a_day_that_clocks_skip_is_no_period() -> None:
    zone = ZoneInfo("Pacific/Apia")
    first, last = datetime(2011, 12, 29, 12, tzinfo=zone), datetime(2011, 12, 31, 12, tzinfo=zone)
    assert [start.date().day for start in periods_between(first, last, "day")] == [29, 31]


def test_no_times_are_in_no_period() -> None:
    starts, position = periods_of(column([]), "day", "Europe/Berlin")
    assert (len(starts), len(position)) == (0, 0)


@pytest.mark.parametrize("zone", ["Nowhere", "Europe/Berln", "", "../etc/passwd", "Europe"])
def test_an_unknown_zone_raises_an_error(zone: str) -> None:
    with pytest.raises(DefinitionError, match="no time zone"):
        zone_named(zone)


def test_an_unknown_zone_names_the_nearest() -> None:
    with pytest.raises(DefinitionError, match="did you mean 'Europe/Berlin'"):
        zone_named("Europe/Berln")
