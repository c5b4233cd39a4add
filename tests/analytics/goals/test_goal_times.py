"""Times to the goal, against loops over journeys and the curve of an independent fit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import median

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight

from analytics import Paths, goal_incidence, goal_times, time_to_goal
from expectations.errors import DefinitionError
from tests.reports.journeys import Journey, paths_of

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=40)
EDGES = ["0s", "1h", "6h", "1d"]

journeys_of_shops = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 30 * 24),
        st.sampled_from([0, 1, 3_599, 3_600, 3_601, 21_600, 90_000, 200_000]),
        st.booleans(),
        st.sampled_from(["app", "web"]),
    ),
    max_size=12,
).map(
    lambda rows: [
        (f"c{who}-{number % 2}", START + timedelta(hours=hours), timedelta(seconds=took), done, device)
        for number, (who, hours, took, done, device) in enumerate(rows)
    ]
)


def mature(journeys: list[Journey]) -> list[Journey]:
    """The journeys that begin a whole window before the end of the data."""
    return [journey for journey in journeys if journey[1] + timedelta(days=30) <= END]


def apart(journeys: list[Journey]) -> list[Journey]:
    """The journeys that begin after the customer's one before is over."""
    kept: dict[object, list[Journey]] = {}
    for journey in sorted(journeys, key=lambda journey: journey[1]):
        own = kept.setdefault(journey[0], [])
        if not own or own[-1][1] + own[-1][2] < journey[1]:
            own.append(journey)
    return [journey for own in kept.values() for journey in own]


@given(journeys_of_shops.filter(bool))
def test_times_are_those_of_the_journeys_that_reach_the_goal(drawn: list[Journey]) -> None:
    journeys = apart(drawn)
    paths = paths_of(journeys, END)
    for within in (None, timedelta(hours=6)):
        total, *groups = time_to_goal(paths, by="device", within=within).iter_rows(named=True)
        for row in (total, *groups):
            units = [each for each in mature(journeys) if row["is_total"] or each[4] == row["device"]]
            times = sorted(each[2] for each in units if each[3] and (within is None or each[2] <= within))
            people = {each[0] for each in units if each[3] and (within is None or each[2] <= within)}
            assert (row["mature"], row["reached"], row["customers"]) == (len(units), len(times), len(people))
            assert row["median_time"] == (median(times) if times else None)
    bins = goal_times(paths, EDGES)
    lower = [timedelta(0), timedelta(hours=1), timedelta(hours=6), timedelta(days=1), timedelta.max]
    for row in bins.iter_rows(named=True):
        inside = [each for each in mature(journeys) if each[3] and lower[row["bin"]] <= each[2] < lower[row["bin"] + 1]]
        assert (row["reached"], row["customers"]) == (len(inside), len({each[0] for each in inside}))
    assert bins["reached"].sum() == sum(each[3] for each in mature(journeys))


@given(journeys_of_shops.filter(bool))
def test_the_curve_is_that_of_an_independent_fit(drawn: list[Journey]) -> None:
    journeys = apart(drawn)
    longest = timedelta(days=30)
    seen, events = [], []
    for _, start, took, done, _ in journeys:
        length = took if done else END - start
        events.append(done and length <= longest)
        seen.append(min(length, longest) / timedelta(seconds=1))
    moments = ["30m", "1h", "7h", "30d"]
    found = goal_incidence(paths_of(journeys, END), moments)
    if any(events):
        fit = SurvfuncRight(np.array(seen), np.array(events, int))
        for row in found.iter_rows(named=True):
            before = fit.surv_times <= row["time"] / timedelta(seconds=1)
            expected = 1 - fit.surv_prob[before][-1] if before.any() else 0.0
            assert row["share_of_units"] == pytest.approx(expected)
    assert found["reached"].sum() == sum(events)
    assert set(found["units"]) == {len(journeys)}
    reached = {each[0] for each, event in zip(journeys, events, strict=True) if event}
    others = {each[0] for each, event in zip(journeys, events, strict=True) if not event}
    assert set(found["customers_reached"]) == {len(reached)} and set(found["customers_others"]) == {len(others)}


@pytest.mark.parametrize(("outcome", "share"), [("abandoned", 0.5), ("open", 1.0)])
def test_an_abandoned_journey_stays_in_the_denominator_for_good(outcome: str, share: float) -> None:
    rows = [
        ("a", END - timedelta(days=9), "converted"),
        ("a", END - timedelta(days=7), "converted"),
        ("b", END - timedelta(days=1), outcome),
    ]
    frame = pl.DataFrame(rows, schema=["customer", "at", "outcome"], orient="row")
    frame = frame.with_columns(pl.lit("x").alias("touchpoint"), pl.lit(1).alias("journey"))
    found = goal_incidence(Paths.from_frame(frame, end_of_data=END), ["1h", "3d"])
    assert found["share_of_units"].to_list() == [0.0, share]


def test_times_are_exact_when_asked_of_thousands_of_journeys() -> None:
    draw = np.random.default_rng(2)
    lasts = draw.integers(1, 10**6, 3_001)
    journeys: list[Journey] = [(i, START, timedelta(seconds=int(s)), True, None) for i, s in enumerate(lasts)]
    paths = paths_of(journeys, END)
    true = timedelta(seconds=int(np.median(lasts)))
    rough, exact = time_to_goal(paths).row(0, named=True), time_to_goal(paths, exact=True).row(0, named=True)
    assert exact["median_time"] == true
    assert rough["median_time"] / true == pytest.approx(1, abs=1e-3)
    assert rough["median_time_low"] < rough["median_time"] < rough["median_time_high"]


def test_no_touches_and_edges_that_do_not_grow() -> None:
    nothing = paths_of([], END)
    assert time_to_goal(nothing).select("mature", "reached", "median_time").rows() == [(0, 0, None)]
    assert goal_times(nothing, EDGES).is_empty() and goal_incidence(nothing).is_empty()
    for edges in ([], ["1h"], ["0s", "2h", "1h"]):
        with pytest.raises(DefinitionError, match="edges that grow"):
            goal_times(nothing, edges)
    with pytest.raises(DefinitionError, match="moments that grow"):
        goal_incidence(nothing, ["2h", "1h"])
