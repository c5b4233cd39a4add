from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from reports import pacing
from reports.entrants import Entrants, counted
from reports.privacy import small

START = datetime(2026, 6, 1, tzinfo=UTC)
END = START + timedelta(days=60)


def _entrants(waits: list[timedelta | None], device: str = "web") -> pl.DataFrame:
    rows = [
        {
            "device": device,
            "depth": 1 if wait is None else 2,
            "is_open": False,
            "entered_at": START,
            "reached_at": [START, None if wait is None else START + wait],
        }
        for wait in waits
    ]
    return pl.DataFrame(rows, schema_overrides={"depth": pl.UInt32})


def test_customers_are_counted_by_the_time_they_took_and_small_bins_are_joined() -> None:
    waits = [timedelta(seconds=30)] * 20 + [timedelta(minutes=2)] * 3 + [timedelta(minutes=20)] * 40 + [None] * 10
    frame = pacing.times(Entrants(_entrants(waits), ("a", "b")), 10, 30)
    assert frame is not None
    assert frame["name"].to_list() == ["under 1 min", "1–30 min"]
    assert frame["customers"].to_list() == [20, 43]
    assert frame["is_median"].to_list() == [False, True]
    assert not any(small(count, 10) for count in frame["customers"])


def test_too_few_or_nobody_gives_nothing() -> None:
    assert pacing.times(Entrants(_entrants([None] * 50), ("a", "b")), 10, 30) is None
    assert pacing.times(Entrants(_entrants([timedelta(hours=1)] * 29), ("a", "b")), 10, 30) is None


def test_curve_ends_at_the_share_that_reached_the_goal_where_nobody_is_under_way() -> None:
    rows = _entrants([timedelta(days=day) for day in range(1, 26)] + [None] * 75)
    curve = pacing.incidence(
        Entrants(rows, ("a", "b")), None, window=timedelta(days=30), end_of_data=END, k=10, least=30
    )
    assert curve is not None
    assert curve["share"].is_sorted()
    assert curve["share"][-1] == 0.25
    assert curve["low"][-1] < 0.25 < curve["high"][-1]


def test_groups_in_which_a_handful_reached_the_goal_have_no_curve() -> None:
    rows = pl.concat(
        [_entrants([timedelta(days=1)] * 5 + [None] * 95, "app"), _entrants([timedelta(days=2)] * 50 + [None] * 50)]
    )
    curve = pacing.incidence(
        Entrants(rows, ("a", "b")), "device", window=timedelta(days=30), end_of_data=END, k=10, least=30
    )
    assert curve is not None
    assert curve["group"].unique().to_list() == ["web"]


def test_counts_by_group_add_up_to_the_total() -> None:
    rows = pl.concat([_entrants([timedelta(days=1)] * 5, "app"), _entrants([None] * 7)])
    counts = counted(Entrants(rows, ("a", "b")), "device")
    assert counts.filter("is_total")["reached"].to_list() == [12, 5]
    assert counts.filter(~pl.col("is_total")).select("device", "reached").rows() == [
        ("app", 5), ("app", 5), ("web", 7), ("web", 0)
    ]  # fmt: skip
