"""Formulas of experiments agree with slow loops, with libraries, and with the definition at their edges."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analytics import MeanSums, confidence_sequence, difference_of_shares, mean_difference, sample_ratio
from expectations.errors import DefinitionError
from tests.oracles.why import experiments as slow

pairs = st.tuples(st.integers(0, 9), st.integers(0, 9))
HALVES = {"A": 0.5, "B": 0.5}


@given(st.lists(pairs, min_size=2, max_size=20), st.lists(pairs, min_size=2, max_size=20))
def test_a_difference_from_sums_is_that_of_the_rows(control: Any, treatment: Any) -> None:
    found = mean_difference(*(MeanSums.of(*zip(*rows, strict=True)) for rows in (control, treatment)))
    y = [[row[0] for row in rows] for rows in (control, treatment)]
    if min(np.ptp(rows) for rows in y) > 0:
        expected = slow.welch(*y)
        assert (found.difference, found.low, found.high, found.p_value) == pytest.approx(expected, rel=1e-7, abs=1e-9)
    assert math.isnan(found.low) == math.isnan(found.p_value) == (max(np.ptp(rows) for rows in y) == 0)
    left = slow.adjusted(control, treatment)
    assert found.adjusted == pytest.approx(np.mean(left[1]) - np.mean(left[0]), abs=1e-9)
    if min(np.ptp(rows) for rows in left) > 1e-9:
        assert (found.adjusted, found.adjusted_low, found.adjusted_high) == pytest.approx(
            slow.welch(*left)[:3], rel=1e-6
        )
    assert math.isnan(found.variance_kept) or found.variance_kept == pytest.approx(
        found.adjusted_variance / found.variance
    )


def test_a_lift_has_an_interval_unless_that_of_the_control_reaches_0() -> None:
    control, treatment = MeanSums.of([4, 5, 6, 5] * 5), MeanSums.of([6, 7, 6, 5] * 5)
    found = mean_difference(control, treatment)
    assert found.lift == pytest.approx(0.2) and found.lift_low < 0.2 < found.lift_high
    assert found.lift_high - 0.2 == pytest.approx(0.2 - found.lift_low)
    unsure = mean_difference(MeanSums.of([0, 1, 0, 1]), treatment)
    assert unsure.lift == pytest.approx(11) and math.isnan(unsure.lift_low)
    assert math.isnan(mean_difference(MeanSums.of([0, 0, 0]), treatment).lift)


def test_a_number_before_that_does_not_vary_adjusts_nothing_and_too_few_customers_have_no_interval() -> None:
    same = mean_difference(MeanSums.of([1, 2, 4], [3, 3, 3]), MeanSums.of([2, 2, 5], [3, 3, 3]))
    assert (same.theta, same.adjusted, same.variance_kept) == (0, same.difference, 1)
    one = mean_difference(MeanSums.of([1]), MeanSums.of([2, 3]))
    assert one.difference == 1.5 and math.isnan(one.low)
    assert math.isnan(mean_difference(MeanSums.of([]), MeanSums.of([2, 3])).difference)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 9)), min_size=2, max_size=5))
def test_a_sample_ratio_is_the_librarys_test(variants: list[tuple[int, int]]) -> None:
    parts = sum(part for _, part in variants)
    counts = {str(number): count for number, (count, _) in enumerate(variants)}
    found = sample_ratio(counts, {str(number): part / parts for number, (_, part) in enumerate(variants)})
    if not sum(counts.values()):
        assert math.isnan(found.p_value) and not found.srm
        return
    expected = stats.chisquare(list(counts.values()), [sum(counts.values()) * part / parts for _, part in variants])
    assert (found.chi2, found.p_value) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)
    assert found.srm == (expected.pvalue < 0.001)
    if expected.pvalue > 1e-300:
        assert found.log10_p == pytest.approx(math.log10(expected.pvalue), abs=1e-6)


def test_a_variant_without_a_customer_counts_as_none() -> None:
    planned = {"A": 0.5, "B": 0.5}
    assert sample_ratio({"A": 9}, planned).chi2 == sample_ratio({"A": 9, "B": 0}, planned).chi2 == pytest.approx(9)


def test_a_p_value_that_is_too_small_for_a_float_still_has_its_logarithm() -> None:
    found = sample_ratio({"A": 100_000, "B": 0, "C": 0}, {"A": 0.4, "B": 0.3, "C": 0.3})
    assert found.p_value == 0 and found.log10_p == pytest.approx(-found.chi2 / 2 / math.log(10))


@given(
    st.floats(-1, 1),
    st.floats(1e-9, 1e-2),
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.sampled_from([0.01, 0.05, 0.1]),
)
def test_a_sequence_is_as_published_and_its_p_value_agrees(
    d: float, v: float, n: int, planned: int, alpha: float
) -> None:
    found = confidence_sequence(d, v, n, expected=planned, alpha=alpha)
    low, high = slow.sequence(d, v, n, planned, alpha)
    assert (float(found.low), float(found.high)) == pytest.approx((low, high), rel=1e-9, abs=1e-12)
    if abs(abs(d) - float(found.half_width)) > 1e-9:
        assert (float(found.p_value) < alpha) == (low > 0 or high < 0)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_looking_every_day_errs_no_more_than_the_level(share: float) -> None:
    """Two alike variants, 2,000 times, looked at on each of 60 days: 3 % may seem to differ, by a fixed interval 30."""
    draw = np.random.default_rng(3)
    looks = np.cumsum(draw.binomial(100, share, (2, 2000, 60)), axis=2)
    n = np.arange(1, 61) * 100
    difference, variance, customers = difference_of_shares(looks[1], n, looks[0], n)
    found = confidence_sequence(difference, variance, customers)
    fixed = np.abs(difference) > 1.96 * np.sqrt(variance)
    assert ((found.low > 0) | (found.high < 0)).any(axis=1).mean() <= 0.03
    assert fixed.any(axis=1).mean() > 0.3


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sample_ratio({"A": 1}, {"A": 1.0}), r"(?s)compares variants.*found: A 1"),
        (lambda: sample_ratio({"A": 1}, {"A": 0.9, "B": 0.2}), "not those of all"),
        (lambda: sample_ratio({"A": 1}, {"A": 1.0, "B": 0.0}), "not those of all"),
        (lambda: sample_ratio({"A": 1, "C": 1}, HALVES), "no planned share"),
        (lambda: sample_ratio({"A": -1}, HALVES), "too few"),
        (lambda: mean_difference(MeanSums(-1, 0, 0), MeanSums(1, 0, 0)), "too few"),
        (lambda: mean_difference(MeanSums(2, 1, 1, 1.0), MeanSums(2, 1, 1, 1.0)), "incomplete"),
        (lambda: confidence_sequence(0, 0.1, 10, expected=0), "No customers"),
        (lambda: confidence_sequence(0, 0.1, 10, alpha=1.0), "level"),
        (lambda: confidence_sequence(0, -0.1, 10), "below 0"),
    ],
)
def test_what_is_no_experiment_is_refused(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        call()
