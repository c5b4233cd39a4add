"""What is expected of one more period is what the definition says, for many series at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import binomial_two_sided, poisson_two_sided, unusual_share
from analytics.statistics.expected import PRIOR_OF_COUNTS, expected_counts, expected_shares
from expectations.errors import DefinitionError
from tests.oracles.why import watching

DAYS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 60), st.floats(0, 1)).map(lambda d: (d[0], d[1], round(d[1] * d[2]))),
    max_size=42,
)


@given(past=DAYS, weekday=st.integers(0, 6), of=st.integers(0, 90), share=st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_a_day_is_judged_as_the_oracle_judges_it(past: list[watching.Day], weekday: int, of: int, share: float) -> None:
    count = round(of * share)
    found = unusual_share(past, weekday, of, count)
    assert found.expected == pytest.approx(watching.expected(past, weekday), rel=1e-9)
    assert found.phi == pytest.approx(watching.spread(past), rel=1e-9)
    assert found.cases == sum(day[1] for day in past)
    p = watching.p_value(past, weekday, of, count)
    assert found.p_value == (None if p is None else pytest.approx(p, rel=1e-7, abs=1e-12))
    assert found.tested == (p is not None)
    assert found.seen == (count / of if of else None)


@given(count=st.integers(0, 40), more=st.integers(0, 40), share=st.floats(0.01, 0.99))
def test_exact_tests_add_up_the_smaller_tail(count: int, more: int, share: float) -> None:
    if count + more:
        found = binomial_two_sided(count, count + more, share)
        assert found == pytest.approx(watching.binomial(count, count + more, share), rel=1e-9)
    assert poisson_two_sided(count, more + share) == pytest.approx(watching.poisson(count, more + share), rel=1e-6)


def test_the_exact_test_is_not_that_of_equally_likely_outcomes() -> None:
    assert binomial_two_sided(45, 80, 0.75) == pytest.approx(0.00039272204484559834)
    assert np.isnan(binomial_two_sided(0, 0, 0.5))


def test_series_do_not_touch_each_other_and_periods_that_do_not_count_add_nothing() -> None:
    draw = np.random.default_rng(3)
    of = draw.integers(0, 50, (5, 42))
    count = draw.binomial(of, 0.4)
    of[:, 10:15] = count[:, 10:15] = 0
    places = np.arange(42) % 7
    together = expected_shares(of, count, places)
    for row in range(5):
        alone = expected_shares(of[[row]], count[[row]], places)
        assert np.array_equal(alone.expected[0], together.expected[row])
        assert alone.phi[0] == together.phi[row]
    without = np.delete(np.arange(42), np.s_[10:15])
    shorter = expected_shares(of[:, without], count[:, without], places[without])
    assert np.allclose(shorter.expected, together.expected)
    assert np.allclose(shorter.phi, together.phi)


def test_a_weekday_that_is_always_lower_is_expected_lower() -> None:
    week = [100, 100, 100, 100, 100, 40, 40]
    found = expected_counts([week * 6], np.arange(42) % 7, np.ones((1, 42), bool))
    assert found.expected[0, 5] < 50
    assert found.expected[0, 0] > 95
    assert found.cases[0] == 6 * sum(week)


def test_counts_of_periods_that_do_not_count_are_left_out() -> None:
    counted = np.ones((1, 42), bool)
    counted[0, 20] = False
    calm, broken = np.full((1, 42), 50), np.full((1, 42), 50)
    broken[0, 20] = 0
    places = np.arange(42) % 7
    with_gap = expected_counts(broken, places, counted)
    assert with_gap.expected == pytest.approx(expected_counts(calm, places, counted).expected)
    assert with_gap.phi[0] == 1.0


def test_a_run_has_the_error_of_one_level_however_long_it_is() -> None:
    past = expected_shares([[100] * 42], [[50] * 42], np.arange(42) % 7)
    day = past.of_run([[100]], [0])
    week = past.of_run([[100] * 7], np.arange(7))
    assert week.chance[0] == pytest.approx(7 * day.chance[0])
    assert 7 * day.level[0] < week.level[0] <= 49 * day.level[0]
    assert past.p_values(week, [310], periods=7)[0] > past.p_values(week, [310])[0]


def test_the_error_of_an_expected_count_is_that_of_its_weekday_and_of_the_level() -> None:
    """Worked by hand: six weeks of 50 a day, and the prior of the logarithm of a weekday's count."""
    past = expected_counts([[50] * 42], np.arange(42) % 7, np.ones((1, 42), bool))
    variance = 1 / 300.5
    own = PRIOR_OF_COUNTS / (PRIOR_OF_COUNTS + variance)
    assert past.of_weekday[0, 0] == pytest.approx(own**2 * variance)
    day = past.of_run([[1]], [3])
    mean = past.expected[0, 3]
    level = mean**2 * own**2 * variance + (mean * (1 - own)) ** 2 / 2100.5
    assert (day.mean[0], day.level[0]) == pytest.approx((mean, level))


def test_how_many_periods_were_as_extreme_is_a_share_of_those_that_are_known() -> None:
    past = expected_counts([[50] * 7], np.arange(7), [[True] + [False] * 6])
    assert past.as_extreme(past.of_run([[1]], [0]), [60]).tolist() == [0.0]
    assert past.as_extreme(past.of_run([[1]], [0]), past.of_run([[1]], [0]).mean).tolist() == [1.0]


@pytest.mark.parametrize("today", [(7, 9, 1), (0, 9, 10), (0, 9, -1)])
def test_what_is_no_share_of_a_weekday_is_refused(today: tuple[int, int, int]) -> None:
    with pytest.raises(DefinitionError, match="no share of a weekday"):
        unusual_share([(0, 40, 30)], *today)


def test_nothing_is_expected_of_no_past() -> None:
    found = unusual_share([], 0, 50, 10)
    assert (found.tested, found.p_value, found.cases, found.expected) == (False, None, 0, 0.5)
    assert expected_shares(np.zeros((2, 0)), np.zeros((2, 0)), np.zeros(0, int)).phi.tolist() == [1.0, 1.0]
