"""A target is judged by the whole interval, over a cohort that has been seen for long enough."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import Paths, goal_rate, goal_target, target_cohort, target_status
from expectations.errors import DefinitionError
from tests.written import START

times = st.integers(0, 3 * 365 * 24 * 60).map(
    lambda minutes: datetime(2023, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia"])


@given(times, st.integers(1, 90), st.sampled_from(["day", "week", "week_sunday", "month"]), zones)
def test_the_cohort_is_the_last_whose_end_and_horizon_are_over(
    end: datetime, days: int, period: Any, zone: str
) -> None:
    horizon = timedelta(days=days)
    start, over = target_cohort(end, horizon, period=period, timezone=zone)
    assert over.astimezone(UTC) + horizon <= end
    local = over.astimezone(ZoneInfo(zone))
    assert (local.hour, local.minute) == (0, 0)
    longest = {"day": 1, "week": 7, "week_sunday": 7, "month": 31}[period]
    assert timedelta(0) < over.astimezone(UTC) - start.astimezone(UTC) <= timedelta(days=longest, hours=1)
    assert end - over.astimezone(UTC) - horizon < timedelta(days=longest, hours=1)  # the next one is not over


@pytest.mark.parametrize(
    ("mature", "reached", "target", "status"),
    [
        (7515, 2085, {"at_least": 0.3}, "missed"),
        (7515, 2085, {"at_least": 0.28}, "not clear"),
        (7515, 2085, {"at_least": 0.26}, "met"),
        (29, 29, {"at_least": 0.1}, "too early"),
        (30, 30, {"at_least": 0.1}, "met"),
        (0, 0, {"at_most": 0.1}, "too early"),
        (1000, 20, {"at_most": 0.05}, "met"),
        (1000, 20, {"at_most": 0.01}, "missed"),
        (1000, 20, {"at_most": 0.02}, "not clear"),
    ],
)
def test_a_status_is_a_word_for_the_whole_interval(
    mature: int, reached: int, target: dict[str, float], status: str
) -> None:
    assert target_status(mature, reached, **target)["status"][0] == status


@pytest.mark.parametrize(
    ("mature", "reached", "target"),
    [
        (100, 10, {}),
        (100, 10, {"at_least": 0.1, "at_most": 0.3}),
        (100, 10, {"at_least": 1.2}),
        (10, 11, {"at_least": 0.2}),
    ],
)
def test_what_is_no_target_is_refused(mature: int, reached: int, target: dict[str, float]) -> None:
    with pytest.raises(DefinitionError):
        target_status(mature, reached, **target)


def test_a_target_of_paths_is_judged_by_customers() -> None:
    daily = " ".join(f"look@{day}d buy@{day}d" for day in range(0, 30, 3))
    visits = {f"a{n}": daily for n in range(8)} | {f"b{n}": f"look@{n % 30}d" for n in range(40)}
    paths = Paths.from_text(visits, end="70d")
    found = goal_target(paths, "buy", at_least=0.1, unit="customer").row(0, named=True)
    rate = goal_rate(paths, "buy", unit="customer", start=START, end=START + timedelta(days=31)).row(0, named=True)
    assert found["cohort"] == START
    assert (found["mature"], found["reached"]) == (rate["mature"], rate["reached"]) == (48, 8)
    assert (found["low"], found["high"]) == (rate["goal_rate_low"], rate["goal_rate_high"])
    assert found["status"] == "not clear"
    assert goal_target(paths, "buy", at_most=0.6, unit="customer")["status"][0] == "met"
    young = goal_target(Paths.from_text(visits, end="35d"), "buy", at_least=0.1, unit="customer").row(0, named=True)
    assert (young["cohort"].month, young["status"]) == (12, "too early")
