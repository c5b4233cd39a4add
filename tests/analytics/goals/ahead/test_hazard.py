"""Hazards: rows up to the goal, chances that rise with the horizon, and values by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import horizon_chances
from analytics.goals.ahead.hazard import (
    HazardRows,
    Hazards,
    base_rate,
    calibrated,
    chances_of,
    expected_days,
    fit_boosting,
)

EDGES = (1.0, 3.0, 7.0, 14.0)


@given(st.lists(st.one_of(st.floats(0, 20), st.just(float("inf"))), max_size=20))
def test_a_customer_has_rows_up_to_the_interval_of_the_goal(days: list[float]) -> None:
    rows = HazardRows.of(np.array(days, np.float64), EDGES)
    found = sorted(zip(rows.customer.tolist(), rows.interval.tolist(), rows.reached.tolist(), strict=True))
    expected = [
        (person, number, day < edge)
        for person, day in enumerate(days)
        for number, edge in enumerate(EDGES)
        if not number or day >= EDGES[number - 1]
    ]
    assert found == sorted(expected)


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=5))
def test_chances_and_days_are_those_of_horizon_chances(hazards: list[list[float]]) -> None:
    table = np.array(hazards)
    for row, chances, days in zip(table, chances_of(table), expected_days(table, EDGES), strict=True):
        by_hand = horizon_chances(EDGES, row)
        assert np.allclose(chances, by_hand.chances) and days == pytest.approx(by_hand.expected_days)


def test_the_base_rate_is_the_share_at_risk_that_reached_the_goal_in_each_interval() -> None:
    rows = HazardRows.of(np.array([0.5, 2.0, 2.5, np.inf]), (1, 3))
    hazards = base_rate(rows, 2).table(np.zeros((2, 0)))
    assert hazards.tolist() == [[0.25, 2 / 3]] * 2
    assert base_rate(HazardRows.of(np.zeros(0), (1, 3)), 2).chances(np.zeros((0, 0))).shape == (0, 2)


def test_drawn_rows_keep_every_goal_and_weigh_the_others_up() -> None:
    days = np.where(np.arange(60_000) % 100 == 0, 0.5, np.inf)
    rows = HazardRows.of(days, (1,))
    drawn, weights = rows.drawn()
    assert drawn.reached.sum() == rows.reached.sum() and len(drawn.reached) < 25_000
    assert weights.sum() == pytest.approx(60_000, rel=0.02)


def test_a_column_without_a_value_and_unseen_words_do_no_harm() -> None:
    random = np.random.default_rng(3)
    matrix = np.column_stack([np.full(4_000, np.nan), random.integers(0, 2, 4_000), random.integers(0, 3, 4_000)])
    days = np.where(random.random(4_000) < 0.1 + 0.3 * matrix[:, 1], 0.5, np.inf)
    found = fit_boosting(matrix, HazardRows.of(days, (1, 2)), 2, [False, False, True])
    chances = found.chances(np.array([[np.nan, 0.0, 60.0], [7.0, 1.0, np.nan]]))
    assert np.abs(chances[:, 0] - [0.1, 0.4]).max() < 0.05 and (chances[:, 1] >= chances[:, 0]).all()


@pytest.mark.parametrize("goals", [40, 200, 2_000])
def test_calibration_mends_hazards_that_are_twice_too_high(goals: int) -> None:
    random = np.random.default_rng(goals)
    true = random.uniform(0.02, 0.4, goals * 5)
    twice = Hazards("hazard", 1, lambda some, _: np.minimum(2 * some[:, 0], 0.99))
    rows = HazardRows.of(np.where(random.random(len(true)) < true, 0.5, np.inf), (1,))
    found = calibrated(twice, true[:, None], rows).chances(np.array([[0.1], [0.3]]))[:, 0]
    assert np.abs(found - [0.1, 0.3]).max() < (0.06 if rows.reached.sum() >= 100 else 1)
    if rows.reached.sum() < 100:
        assert found.tolist() == pytest.approx([0.2, 0.6])
