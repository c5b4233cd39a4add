from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from analytics import Paths
from reports.privacy.rules import small
from reports.questions import pacing

START = datetime(2026, 6, 1, tzinfo=UTC)
END = START + timedelta(days=60)


def _journeys(lengths: list[timedelta | None], group: str | None = None, each: int = 1) -> pl.DataFrame:
    """Journeys with these times to the goal, None for those that did not reach it; `each` per customer."""
    rows = [
        {"customer": place // each, "start": START, "length": took or timedelta(0), "done": took is not None}
        | {"group": group}
        for place, took in enumerate(lengths)
    ]
    return pl.DataFrame(rows, schema_overrides=pacing.JOURNEYS)


def test_journeys_are_counted_by_duration_and_small_bins_are_merged() -> None:
    lengths = [timedelta(seconds=30)] * 20 + [timedelta(minutes=2)] * 3 + [timedelta(minutes=20)] * 40 + [None] * 10
    frame = pacing.times_to_goal(_journeys(lengths), 10, 30)
    assert frame is not None
    assert frame["name"].to_list() == ["under 1 min", "1–30 min"]
    assert frame["journeys"].to_list() == [20, 43]
    assert frame["is_median"].to_list() == [False, True]
    assert not any(small(count, 10) for count in frame["journeys"])


def test_bins_with_many_journeys_of_few_customers_are_merged_too() -> None:
    lengths = [timedelta(seconds=30)] * 40 + [timedelta(minutes=2)] * 20 + [timedelta(minutes=20)] * 40
    frame = pacing.times_to_goal(_journeys(lengths, each=4), 10, 30)
    assert frame is not None
    assert frame["journeys"].to_list() == [40, 60]


def test_too_few_journeys_give_null() -> None:
    assert pacing.times_to_goal(_journeys([None] * 50), 10, 30) is None
    assert pacing.times_to_goal(_journeys([timedelta(hours=1)] * 29), 10, 30) is None
    assert pacing.pace(_journeys([timedelta(hours=1)] * 29), 30) is None


def test_the_marked_bin_contains_the_published_median() -> None:
    journeys = _journeys([timedelta(minutes=number) for number in range(1, 400)])
    pace, frame = pacing.pace(journeys, 30), pacing.times_to_goal(journeys, 10, 30)
    assert pace is not None and frame is not None
    assert pace.median == timedelta(minutes=200)
    assert frame.filter("is_median")["name"].to_list() == ["3–6 h"]


def test_without_open_journeys_the_curve_ends_at_the_share_that_reached_the_goal() -> None:
    journeys = _journeys([timedelta(days=day) for day in range(1, 26)] + [None] * 75)
    curve = pacing.goal_incidence(journeys, window=timedelta(days=30), end_of_data=END, k=10, min_journeys=30)
    assert curve is not None
    assert curve["share"].is_sorted()
    assert curve["share"][-1] == 0.25
    assert curve["low"][-1] < 0.25 < curve["high"][-1]


def test_a_goal_after_the_window_is_not_on_the_curve() -> None:
    journeys = _journeys([timedelta(days=2)] * 30 + [timedelta(days=40)] * 30 + [None] * 40)
    curve = pacing.goal_incidence(journeys, window=timedelta(days=30), end_of_data=END, k=10, min_journeys=30)
    assert curve is not None and curve["share"][-1] == 0.3


def test_groups_in_which_few_customers_reached_the_goal_have_no_curve() -> None:
    journeys = pl.concat(
        [
            _journeys([timedelta(days=1)] * 5 + [None] * 95, "app"),
            _journeys([timedelta(days=2)] * 50 + [None] * 50, "web"),
        ]
    )
    curve = pacing.goal_incidence(journeys, window=timedelta(days=30), end_of_data=END, k=10, min_journeys=30)
    assert curve is not None
    assert curve["group"].unique().to_list() == ["web"]


def test_a_journey_runs_from_its_first_touch_and_belongs_to_the_group_it_began_in() -> None:
    rows = [
        {"customer": "a", "at": START + timedelta(hours=hour), "touchpoint": "Ad", "device": device, "journey": journey}
        | {"outcome": outcome, "session": 1}
        for hour, device, journey, outcome in (
            (0, "web", 1, "converted"), (5, "app", 1, "converted"), (9, "app", 2, "open")
        )
    ]  # fmt: skip
    paths = Paths.from_frame(pl.DataFrame(rows), end_of_data=END)
    found = pacing.journeys_of(paths, "device")
    assert found is not None
    seen = found.sort("start").select("start", "length", "done", "group").rows()
    assert seen == [
        (START, timedelta(hours=5), True, "web"),
        (START + timedelta(hours=9), timedelta(0), False, "app"),
    ]
    assert pacing.journeys_of(Paths.from_frame(pl.DataFrame(rows).drop("outcome"), end_of_data=END)) is None


def test_every_step_of_a_curve_covers_at_least_k_customers() -> None:
    lengths = [timedelta(hours=7 * number) for number in range(60)] + [None] * 40
    curve = pacing.goal_incidence(_journeys(lengths), window=timedelta(days=30), end_of_data=END, k=10, min_journeys=30)
    assert curve is not None and curve["days"][-1] == 30
    reached = (curve["share"] * 100).round().cast(pl.Int64)
    steps = reached.diff().drop_nulls().to_list()
    assert sum(steps) + reached[0] == 60 and not any(small(step, 10) for step in [reached[0], *steps])
