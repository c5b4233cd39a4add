from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from analytics import Paths
from reports.privacy.rules import small
from reports.questions.time import pacing
from tests.reports.journeys import Journey, paths_of

START = datetime(2026, 6, 1, tzinfo=UTC)
END = START + timedelta(days=60)
WINDOW = timedelta(days=30)


def _journeys(lengths: list[timedelta | None], group: str | None = None, each: int = 1) -> list[Journey]:
    """Journeys with these times to the goal, None for those that did not reach it; `each` per customer."""
    return [
        (
            f"{group} {place // each}",
            START + timedelta(hours=place % each),
            took or timedelta(0),
            took is not None,
            group,
        )
        for place, took in enumerate(lengths)
    ]


def _paths(lengths: list[timedelta | None], each: int = 1) -> Paths:
    return paths_of(_journeys(lengths, each=each), END)


def _times(paths: Paths) -> pl.DataFrame | None:
    return pacing.times_to_goal(paths, pacing.summary(paths, WINDOW), WINDOW, k=10, min_journeys=30)


def _curve(journeys: list[Journey], column: str | None = None) -> pl.DataFrame | None:
    return pacing.incidence(paths_of(journeys, END), column, window=timedelta(days=30), k=10, min_journeys=30)


def test_journeys_are_counted_by_duration_and_small_bins_are_merged() -> None:
    lengths = [timedelta(seconds=30)] * 20 + [timedelta(minutes=2)] * 3 + [timedelta(minutes=20)] * 40 + [None] * 10
    frame = _times(_paths(lengths))
    assert frame is not None
    assert frame["name"].to_list() == ["under 1 min", "1–30 min"]
    assert frame["journeys"].to_list() == [20, 43]
    assert frame["is_median"].to_list() == [False, True]
    assert not any(small(count, 10) for count in frame["journeys"])


def test_bins_with_many_journeys_of_few_customers_are_merged_too() -> None:
    lengths = [timedelta(seconds=30)] * 40 + [timedelta(minutes=2)] * 20 + [timedelta(minutes=20)] * 40
    frame = _times(_paths(lengths, each=4))
    assert frame is not None
    assert frame["journeys"].to_list() == [40, 60]


def test_too_few_journeys_give_null() -> None:
    assert _times(_paths([None] * 50)) is None
    assert _times(_paths([timedelta(hours=1)] * 29)) is None
    assert pacing.pace(pacing.summary(_paths([timedelta(hours=1)] * 29), WINDOW), k=10, min_journeys=30) is None


def test_the_marked_bin_contains_the_published_median() -> None:
    journeys = _paths([timedelta(minutes=number) for number in range(1, 400)])
    pace, frame = pacing.pace(pacing.summary(journeys, WINDOW), k=10, min_journeys=30), _times(journeys)
    assert pace is not None and frame is not None
    assert pace.median == timedelta(minutes=200)
    assert frame.filter("is_median")["name"].to_list() == ["3–6 h"]


def test_without_open_journeys_the_curve_ends_at_the_share_that_reached_the_goal() -> None:
    journeys = _journeys([timedelta(days=day) for day in range(1, 26)] + [None] * 75)
    curve = _curve(journeys)
    assert curve is not None
    assert curve["share"].is_sorted()
    assert abs(curve["share"][-1] - 0.25) <= 0.05  # of 100 journeys, which are published in tens: in tenths
    assert curve["low"][-1] < 0.25 < curve["high"][-1]


def test_a_goal_after_the_window_is_not_on_the_curve() -> None:
    journeys = _journeys([timedelta(days=2)] * 30 + [timedelta(days=40)] * 30 + [None] * 40)
    curve = _curve(journeys)
    assert curve is not None and curve["share"][-1] == 0.3


def test_groups_in_which_few_customers_reached_the_goal_have_no_curve() -> None:
    journeys = _journeys([timedelta(days=1)] * 5 + [None] * 95, "app")
    journeys += _journeys([timedelta(days=2)] * 50 + [None] * 50, "web")
    curve = _curve(journeys, "device")
    assert curve is not None
    assert curve["group"].unique().to_list() == ["web"]


def test_touches_without_a_journey_or_its_outcome_have_no_pace() -> None:
    with_both = _paths([timedelta(hours=1)])
    assert pacing.has_journeys(with_both)
    assert not pacing.has_journeys(Paths.from_frame(with_both.touches.drop("outcome").collect()))


def test_every_step_of_a_curve_covers_at_least_k_customers() -> None:
    lengths = [timedelta(hours=7 * number) for number in range(60)] + [None] * 40
    curve = _curve(_journeys(lengths))
    assert curve is not None and curve["days"][-1] == 30
    reached = (curve["share"] * 100).round().cast(pl.Int64)
    steps = reached.diff().drop_nulls().to_list()
    assert sum(steps) + reached[0] == 60 and not any(small(step, 10) for step in [reached[0], *steps])
