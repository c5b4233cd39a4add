"""Intervals and tests agree with the libraries and the papers they are from."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import quantile_test
from statsmodels.duration.survfunc import survdiff
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_confint,
    proportion_effectsize,
    proportions_ztest,
)

from analytics.statistics.corrections import benjamini_hochberg, bonferroni, holm
from analytics.statistics.curves import kaplan_meier, kaplan_meier_by
from analytics.statistics.intervals import median_interval, newcombe, normal_quantile, wilson, wilson_bound
from analytics.statistics.replicates import MIN_FILLED, REPLICATES, replicate_interval, replicate_of_customers
from analytics.statistics.shares import effective_size
from analytics.statistics.tests import (
    chi_square,
    cohens_h,
    log_rank,
    one_proportion_z,
    shares_against,
    two_proportions_z,
)
from expectations.errors import DefinitionError

COUNTS = [(0, 1), (1, 1), (0, 30), (5, 30), (30, 30), (123, 4567)]


@pytest.mark.parametrize(("k", "n"), COUNTS)
def test_wilson_is_that_of_the_library(k: int, n: int) -> None:
    assert wilson(k, n) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-12)


NEWCOMBE = [(81, 263, 0.2535, 0.3682), (15, 148, 0.0598, 0.1644), (0, 20, 0, 0.2005), (1, 29, 0.0018, 0.1963)]
"""Table I of Newcombe (1998), method 4."""


@pytest.mark.parametrize(("k", "n", "low", "high"), [*NEWCOMBE, (20, 20, 0.7995, 1)])
def test_the_continuity_correction_is_that_of_the_paper(k: int, n: int, low: float, high: float) -> None:
    assert wilson(k, n, corrected=True) == pytest.approx((low, high), abs=5e-5)


def test_a_share_of_nobody_has_no_interval() -> None:
    assert np.isnan(wilson(0, 0)).all() and np.isnan(wilson(0, 0, corrected=True)).all()


def test_the_interval_of_none_begins_at_zero_and_that_of_all_ends_at_one() -> None:
    for corrected in (False, True):
        assert wilson(0, 7, corrected=corrected).low == 0.0 < wilson(0, 7, corrected=corrected).high
        assert wilson(7, 7, corrected=corrected).high == 1.0 > wilson(7, 7, corrected=corrected).low


def test_another_confidence_is_that_of_the_library() -> None:
    assert wilson(5, 30, 0.8) == pytest.approx(proportion_confint(5, 30, alpha=0.2, method="wilson"))
    assert normal_quantile(0.99) == pytest.approx(stats.norm.ppf(0.995))


def test_the_interval_of_a_median_holds_the_binomial_number_of_values() -> None:
    """Of ten values between the second and the ninth, as P(B(10, 1/2) <= 1) = 0.0107; of five there is no lower end."""
    low, high = median_interval([10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
    assert (low, high) == (2.0, 9.0)
    for size in (1, 5, 6, 7, 17, 100, 1001, 40_000):
        values = np.random.default_rng(size).random(size)
        for confidence in (0.5, 0.9, 0.95, 0.999):
            expected = quantile_test(values, p=0.5).confidence_interval(confidence)
            found = median_interval(values, confidence)
            assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0, nan_ok=True)
    assert np.isnan(median_interval(range(5))).all() and np.isnan(median_interval([])).all()


def test_two_shares_are_compared_as_the_library_does() -> None:
    found = two_proportions_z(5, 83, 12, 99)
    assert (found.statistic, found.p_value) == pytest.approx(proportions_ztest([5, 12], [83, 99]))
    assert found.statistic < 0 < two_proportions_z(12, 99, 5, 83).statistic
    assert cohens_h(5 / 83, 12 / 99) == pytest.approx(proportion_effectsize(5 / 83, 12 / 99))


def test_the_interval_of_no_difference_holds_zero() -> None:
    low, high = newcombe(10, 50, 10, 50)
    assert low < 0 < high and low == pytest.approx(-high)


def test_the_interval_of_a_difference_is_that_of_the_library() -> None:
    peer = confint_proportions_2indep(56, 70, 48, 80, method="newcomb")
    assert newcombe(56, 70, 48, 80) == pytest.approx(peer)
    assert newcombe(48, 80, 56, 70) == pytest.approx((-peer[1], -peer[0]))


def test_an_absent_test_is_not_counted() -> None:
    adjusted = benjamini_hochberg([0.01, np.nan, 0.02])
    assert np.isnan(adjusted[1]) and adjusted[[0, 2]].tolist() == pytest.approx([0.02, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_a_correction_is_that_of_the_library(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(stats.false_discovery_control(p_values), abs=1e-12)


def test_a_correction_counts_the_tests_that_there_are_and_goes_no_further_than_one() -> None:
    assert bonferroni([0.01, np.nan, 0.6]) == pytest.approx([0.02, np.nan, 1.0], nan_ok=True)
    assert np.isnan(bonferroni([np.nan])).all() and not bonferroni([]).size


def test_holm_and_one_share_against_a_number_are_those_of_statsmodels() -> None:
    p_values = [0.03, 0.001, np.nan, 0.2, 0.012]
    real = [p for p in p_values if not np.isnan(p)]
    assert holm(p_values)[[0, 1, 3, 4]] == pytest.approx(multipletests(real, method="holm")[1])
    assert np.isnan(holm(p_values)[2]) and not holm([]).size
    wanted = proportions_ztest(60, 100, 0.45, prop_var=0.45)
    assert [float(each) for each in one_proportion_z(60, 100, 0.45)[:2]] == pytest.approx(wanted)
    assert np.isnan(one_proportion_z(0, 0, 0.5).statistic)


def test_a_one_sided_bound_is_that_of_the_interval_with_twice_the_error() -> None:
    low, high = proportion_confint(18, 20, alpha=0.1, method="wilson")
    assert [float(each) for each in wilson_bound(18, 20, "low")] == pytest.approx([low, 1.0])
    assert [float(each) for each in wilson_bound(18, 20, "high")] == pytest.approx([0.0, high])
    assert np.isnan(wilson_bound(0, 0, "low")).all()


def test_at_the_last_time_all_who_are_left_may_convert_and_there_is_no_error() -> None:
    """Until then the error is Greenwood's: of five one converts, then of four one."""
    curve = kaplan_meier([1, 2, 3, 3, 2], [1, 1, 1, 1, 0])
    assert curve["at_risk"].to_list() == [5, 4, 2]
    assert curve["censored"].to_list() == [0, 1, 0]
    assert curve["survival"].to_list() == pytest.approx([0.8, 0.6, 0.0])
    errors = [0.8 * (1 / 20) ** 0.5, 0.6 * (1 / 20 + 1 / 12) ** 0.5]
    assert curve["standard_error"].to_list()[:2] == pytest.approx(errors)
    assert curve["standard_error"][2] is None
    assert curve.select("low", "high").row(2) == (0.0, 0.0)


def test_while_nobody_has_converted_nothing_is_unsure() -> None:
    curve = kaplan_meier([1, 2], [0, 1])
    assert curve.select("survival", "standard_error", "low", "high").row(0) == (1.0, 0.0, 1.0, 1.0)


def test_kaplan_meier_is_that_of_the_library_with_or_without_counts() -> None:
    rng = np.random.default_rng(1)
    times, seen = rng.integers(1, 20, 200), rng.random(200) < 0.6
    ours, peer = kaplan_meier(times, seen), stats.ecdf(stats.CensoredData.right_censored(times, ~seen)).sf
    assert ours["time"].to_list() == peer.quantiles.tolist()
    assert ours["survival"].to_list() == pytest.approx(peer.probabilities)
    bounds = peer.confidence_interval(method="log-log")
    assert ours["low"].to_list() == pytest.approx(bounds.low.probabilities)
    assert ours["high"].to_list() == pytest.approx(bounds.high.probabilities)
    rows, counts = np.unique(np.column_stack([times, seen]), axis=0, return_counts=True)
    assert kaplan_meier(rows[:, 0], rows[:, 1], counts=counts).equals(ours)


def log_rank_of_a_peer(times: Any, seen: Any, group: Any) -> Any:
    return pytest.approx(survdiff(times, seen, group), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("size", [3, 40, 400_000])
def test_the_log_rank_test_agrees_with_a_peer_for_any_number_of_customers(size: int) -> None:
    rng = np.random.default_rng(size)
    times, group = rng.integers(1, 30, 2 * size), np.repeat([0, 1], size)
    seen = rng.random(2 * size) < 0.6 + 0.002 * group
    found = log_rank(times[:size], seen[:size], times[size:], seen[size:])
    assert (found.statistic, found.p_value) == log_rank_of_a_peer(times, seen, group)


def test_without_events_curves_are_equal_and_without_a_group_there_is_no_test() -> None:
    nothing = log_rank([1, 2], [0, 0], [3], [0])
    assert (nothing.statistic, nothing.p_value) == (0, 1)
    for one, other in (([], [1.0]), ([1.0], []), ([], [])):
        assert np.isnan(log_rank(one, [1] * len(one), other, [1] * len(other)).p_value)


def test_one_of_two_who_comes_first_is_one_standard_error_from_the_expected_half() -> None:
    """At time 1 one of two: expected 1/2, variance 1/4. At time 2 the last: expected for certain."""
    found = log_rank([1], [1], [2], [1])
    assert (found.statistic, found.degrees) == (pytest.approx(1.0), 1)
    assert found.p_value == pytest.approx(stats.chi2.sf(1, 1))


def test_nobody_has_no_curve() -> None:
    assert kaplan_meier([], []).is_empty()


def test_groups_have_the_curves_that_they_have_alone_and_the_group_without_a_name_is_last() -> None:
    rows = {"ann": ([1, 2, 3], [1, 0, 1]), None: ([1, 2, 2, 5], [0, 1, 0, 1]), "bo": ([4], [1])}
    waits = pl.DataFrame(
        [(group, time, bool(event), 1) for group, each in rows.items() for time, event in zip(*each, strict=True)],
        schema={"group": pl.String, "time": pl.Float64, "event": pl.Boolean, "people": pl.Int64},
        orient="row",
    )
    found = kaplan_meier_by(waits, ["group"])
    assert found["group"].unique(maintain_order=True).to_list() == ["ann", "bo", None]
    for group, each in rows.items():
        assert found.filter(pl.col("group").eq_missing(group)).drop("group").equals(kaplan_meier(*each))


@pytest.mark.parametrize("table", [[[0, 0], [1, 2]], [[0, 3], [0, 4]], [[1, 2]], [[1], [2]]])
def test_a_table_with_nothing_to_compare_has_no_test(table: list[list[int]]) -> None:
    found = chi_square(table)
    assert np.isnan(found.statistic) and np.isnan(found.p_value)


def test_a_table_of_two_by_two_is_tested_without_correction() -> None:
    """Pearson's statistic by hand: 100 * (30 * 20 - 10 * 40)^2 / (40 * 60 * 70 * 30)."""
    found = chi_square([[30, 10], [40, 20]])
    assert (found.statistic, found.degrees) == (pytest.approx(100 * 200**2 / (40 * 60 * 70 * 30)), 1)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, 1))
    assert chi_square([[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 1, 1]]).degrees == 6


def test_a_share_of_nobody_is_not_tested_against_any_other() -> None:
    assert shares_against([5, 0], [10, 0], 0.4) == shares_against([5], [10], 0.4)
    nobody = shares_against([0], [0], 0.4)
    assert np.isnan(nobody.statistic) and np.isnan(nobody.p_value) and nobody.degrees == 0


def test_shares_against_one_number_are_as_far_as_their_standard_errors_squared() -> None:
    """50 of 100 and 30 of 100 beside 40 %: each lies 10 from 40, with variance 24; one chi-square of two degrees."""
    found = shares_against([50, 30], [100, 100], 0.4)
    assert (found.statistic, found.degrees) == (pytest.approx(200 / 24), 2)
    assert found.p_value == pytest.approx(np.exp(-200 / 48))


def ratio(sums: np.ndarray) -> float:
    return float(sums[0] / sums[1])


def by_replicate(keys: pl.Series, *values: np.ndarray) -> np.ndarray:
    """The sums of values of customers by replicate."""
    replicate = replicate_of_customers(keys)
    return np.column_stack([np.bincount(replicate, each, REPLICATES) for each in values])


def test_a_replicate_depends_on_the_key_alone() -> None:
    keys = pl.Series([f"customer {number}" for number in range(20_000)])
    found = replicate_of_customers(keys)
    assert found.tolist() == [crc32(b"replicate:" + key.encode()) % 200 for key in keys]
    assert np.bincount(found, minlength=200).min() > 50
    assert replicate_of_customers(pl.Series([7])).tolist() == replicate_of_customers(pl.Series(["7"])).tolist()


def test_an_interval_of_replicates_is_that_of_the_standard_error_of_a_mean() -> None:
    worth = np.random.default_rng(3).normal(10, 2, 20_000)
    keys = pl.Series([f"c{who}" for who in range(len(worth))])
    sums = by_replicate(keys, worth, np.ones(len(worth)))
    low, high = (bound.item() for bound in replicate_interval(sums, ratio))
    error = worth.std(ddof=1) / np.sqrt(len(worth))
    assert (high - low) / 2 == pytest.approx(1.972 * error, rel=0.15)
    assert low < worth.mean() < high
    cut = replicate_interval(sums, ratio, low=worth.mean(), high=10.0)
    assert (cut.low, cut.high) == (pytest.approx(worth.mean()), min(10.0, high))


def test_the_interval_of_few_replicates_has_students_t_with_their_degrees_of_freedom() -> None:
    values = np.arange(20.0) ** 2
    low, high = replicate_interval(np.column_stack([values, np.ones(20)]), ratio)
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 19) * stats.sem(values))


def test_too_few_filled_replicates_have_no_interval() -> None:
    sums = np.zeros((REPLICATES, 2))
    sums[: MIN_FILLED - 1] = [1, 2]
    assert np.isnan(replicate_interval(sums, ratio)).all()
    sums[MIN_FILLED - 1] = [2, 3]
    assert not np.isnan(replicate_interval(sums, ratio)).any()


@pytest.mark.parametrize("journeys", [1, 5, 16])
def test_an_interval_by_customers_holds_the_truth_in_95_of_100_cases(journeys: int) -> None:
    """Customers differ in how often they reach the goal (beta), so that their journeys are alike."""
    draw, cases, customers, truth = np.random.default_rng(journeys), 1500, 400, 0.27
    p = draw.beta(truth * 1.5, (1 - truth) * 1.5, (cases, customers))
    n = 1 + draw.poisson(journeys - 1, (cases, customers))
    y = draw.binomial(n, p)
    expected = (n * truth).sum(axis=1) / n.sum(axis=1)
    squares = ((n * n).sum(axis=1), (n * y).sum(axis=1), (y * y).sum(axis=1))
    reached, whole = y.sum(axis=1), n.sum(axis=1)
    size = effective_size(reached, whole, squares, np.full(cases, customers))
    low, high = wilson(reached / whole * size, size)
    held = ((low <= expected) & (expected <= high)).mean()
    assert 0.92 <= held <= 0.98
    plain = wilson(reached, whole)
    narrow = ((plain.low <= expected) & (expected <= plain.high)).mean()
    assert journeys == 1 or narrow < 0.92


@pytest.mark.parametrize(("k", "n"), [(21, 20), (-1, 20), (1, -20), (25, 20)])
def test_counts_that_cannot_be_are_refused_and_nothing_of_nothing_is_unknown(k: float, n: float) -> None:
    with pytest.raises(DefinitionError, match="cannot be"):
        wilson(k, n)
    assert np.isnan(wilson(0, 0).low) and not np.isnan(wilson(20 * (1 + 1e-12), 20).low)
