"""Periods begin by the clock of their zone, in numbers of Python as in columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.engine.calendar import (
    PERIODS,
    next_period_start,
    period_numbers,
    period_start,
    period_starts,
    zone_named,
)
from expectations.errors import DefinitionError

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
MOMENTS = st.datetimes(datetime(2023, 1, 1), datetime(2025, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.lists(MOMENTS, min_size=1, max_size=5), st.sampled_from(list(PERIODS)), st.sampled_from(ZONES))
def test_columns_and_single_times_begin_their_period_alike(times: list[datetime], period: str, zone: str) -> None:
    frame = pl.DataFrame({"at": times}, schema={"at": pl.Datetime("us", "UTC")})
    starts = frame.select(period_starts(pl.col("at"), period, zone)).to_series()
    alone = [period_start(time.astimezone(ZoneInfo(zone)), period) for time in times]
    assert [start.replace(fold=0) for start in starts] == [start.replace(fold=0) for start in alone]


@given(MOMENTS, st.sampled_from(["day", "week", "week_sunday", "month"]), st.sampled_from(ZONES))
def test_numbers_of_consecutive_periods_differ_by_one(time: datetime, period: str, zone: str) -> None:
    start = period_start(time.astimezone(ZoneInfo(zone)), period)
    both = pl.Series([start, next_period_start(start, period)]).dt.convert_time_zone(zone)
    first, second = pl.DataFrame({"at": both}).select(period_numbers(pl.col("at"), period)).to_series()
    assert second - first == 1


def test_a_day_that_loses_an_hour_ends_at_the_next_midnight() -> None:
    start = datetime(2024, 3, 31, tzinfo=ZoneInfo("Europe/Berlin"))
    end = next_period_start(start, "day")
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=23)


def test_an_unknown_zone_raises_an_error() -> None:
    with pytest.raises(DefinitionError, match="no time zone 'Nowhere'"):
        zone_named("Nowhere")
