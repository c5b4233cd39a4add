"""Tests of differences: two proportions, a count and its expectation, chi-square, log-rank, effect sizes.

Counts below 0 or above their whole, and shares outside 0 to 1, raise `DefinitionError`; of arrays that are tested row
by row, such counts give NaN.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytics.statistics.curves import as_waits
from analytics.statistics.intervals import Floats, checked_counts, checked_shares
from expectations.errors import DefinitionError


class Verdict(NamedTuple):
    """A statistic, its p-value, and its degrees of freedom where it has them."""

    statistic: Floats
    p_value: Floats
    degrees: int | None = None


def one_proportion_z(k: ArrayLike, n: ArrayLike, null: float) -> Verdict:
    """The two-sided test that a share `k / n` is `null`: z with the variance of `null`. NaN where `n` is 0.

    >>> one_proportion_z(60, 100, 0.5).p_value.round(4).item()
    0.0455
    """
    from scipy.special import ndtr

    k, n = checked_counts(k, n)
    null = float(checked_shares("The share that is tested", null))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (k / n - null) / np.sqrt(null * (1 - null) / n)
    return Verdict(np.asarray(z), np.asarray(2 * ndtr(-np.abs(z))))


def pairwise_proportions(k: ArrayLike, n: ArrayLike) -> Verdict:
    """The z and p-values of `two_proportions_z` of each pair of shares: first with second, with third, and so on.

    >>> pairwise_proportions([5, 12, 20], [83, 99, 90]).p_value.round(3)
    array([0.159, 0.002, 0.064])
    """
    k, n = checked_counts(k, n)
    one, other = np.triu_indices(len(k), 1)
    return two_proportions_z(k[one], n[one], k[other], n[other])


def two_proportions_z(k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike) -> Verdict:
    """The two-sided test that two shares are equal: z with the pooled variance.

    >>> two_proportions_z(5, 83, 12, 99).p_value.round(4).item()
    0.1592
    """
    from scipy.special import ndtr

    (k1, n1), (k2, n2) = checked_counts(k1, n1, rows=True), checked_counts(k2, n2, rows=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (k1 + k2) / (n1 + n2)
        z = (k1 / n1 - k2 / n2) / np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    return Verdict(np.asarray(z), np.asarray(2 * ndtr(-np.abs(z))))


def binomial_two_sided(k: ArrayLike, n: ArrayLike, share: ArrayLike) -> Floats:
    """The exact p-value of `k` out of `n` where `share` was expected: twice the smaller tail, at most 1.

    NaN where `n` is 0 or the share is not known.

    >>> binomial_two_sided(2, 10, 0.5).item()
    0.109375
    """
    from scipy.special import betainc

    (k, n), q = checked_counts(k, n, rows=True), checked_shares("The share that was expected", share)
    lower = np.where(k < n, betainc(np.maximum(n - k, 1), k + 1, 1 - q), 1.0)
    upper = np.where(k > 0, betainc(np.maximum(k, 1), n - k + 1, q), 1.0)
    smaller = np.minimum(lower, upper)
    return np.asarray(np.where((n > 0) & ~np.isnan(q), np.minimum(1.0, 2 * smaller), np.nan))


def poisson_two_sided(k: ArrayLike, mean: ArrayLike) -> Floats:
    """The exact p-value of a count where `mean` was expected: twice the smaller tail, at most 1.

    >>> poisson_two_sided(2, 9.0).round(4).item()
    0.0125
    """
    from scipy.special import pdtr, pdtrc

    k, mean = np.asarray(k, float), np.asarray(mean, float)
    upper = np.where(k > 0, pdtrc(np.maximum(k, 1) - 1, mean), 1.0)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(pdtr(k, mean), upper)))


def cohens_h(p1: ArrayLike, p2: ArrayLike) -> Floats:
    """The effect size of two shares: the difference of their arcsine transforms.

    >>> cohens_h(0.3, 0.4).round(3)
    np.float64(-0.21)
    """
    first, second = (np.arcsin(np.sqrt(checked_shares("A share", p))) for p in (p1, p2))
    return np.asarray(2 * first - 2 * second)[()]


def chi_square(table: ArrayLike) -> Verdict:
    """Pearson's test that rows and columns of a table of counts are independent, without correction.

    NaN where a row or a column counts nothing, or there is one alone.

    >>> chi_square([[10, 10, 20], [20, 20, 20]]).p_value.round(3).item()
    0.249
    """
    from scipy.stats import chi2_contingency

    try:
        counts = np.asarray(table, float)
    except ValueError:
        counts = np.empty(0)
    if counts.ndim != 2 or (counts < 0).any():
        raise DefinitionError("A table has rows of as many counts.", expected="numbers from 0", found=str(table))
    degrees = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    if not degrees or not counts.sum(axis=0).all() or not counts.sum(axis=1).all():
        return Verdict(np.asarray(np.nan), np.asarray(np.nan), degrees)
    found: Any = chi2_contingency(counts, correction=False)
    return Verdict(np.asarray(found.statistic), np.asarray(found.pvalue), int(found.dof))


def shares_against(k: ArrayLike, n: ArrayLike, null: float) -> Verdict:
    """Pearson's test that several shares `k / n` all equal `null`. A share of nothing does not count; NaN without any.

    >>> shares_against([73, 90, 114, 75], [86, 93, 136, 82], 0.9).statistic.round(2).item()
    13.2
    """
    from scipy.special import chdtrc

    k, n = checked_counts(k, n)
    null = float(checked_shares("The share that is tested", null))
    k, n = k[n > 0], n[n > 0]
    if not len(n):
        return Verdict(np.asarray(np.nan), np.asarray(np.nan), 0)
    statistic = np.sum((k - n * null) ** 2 / (n * null * (1 - null)))
    return Verdict(np.asarray(statistic), np.asarray(chdtrc(float(len(k)), float(statistic))), len(k))


def log_rank(durations1: ArrayLike, observed1: ArrayLike, durations2: ArrayLike, observed2: ArrayLike) -> Verdict:
    """The test that two groups convert at the same pace at every time.

    An empty group gives NaN; without any event the p-value is 1. The variance is
    computed in floats: the integers of `scipy.stats.logrank` overflow at a million customers.
    Source: Mantel, Cancer Chemotherapy Reports 50 (1966).

    >>> log_rank([1, 2], [1, 1], [1, 2], [1, 1]).p_value
    array(1.)
    """
    from scipy.special import chdtrc

    waits = [as_waits(durations1, observed1), as_waits(durations2, observed2)]
    time, came = [np.sort(each) for each, _ in waits], [np.sort(each[seen]) for each, seen in waits]
    at = np.unique(np.concatenate(came))
    first, second = (len(each) - np.searchsorted(each, at) for each in time)
    events, at_risk = sum(_each_of(at, each) for each in came), (first + second).astype(float)
    expected = (events * first / at_risk).sum()
    spread = events * (first / at_risk) * (second / at_risk) * (at_risk - events) / np.maximum(at_risk - 1, 1)
    variance = spread.sum()
    statistic = np.asarray((len(came[0]) - expected) ** 2 / variance if variance else 0.0)
    is_empty = not (len(time[0]) and len(time[1]))
    return Verdict(statistic, np.asarray(np.nan if is_empty else chdtrc(1, statistic)), 1)


def _each_of(values: Floats, ordered: Floats) -> NDArray[np.int64]:
    """How often each value occurs among values in order."""
    return np.searchsorted(ordered, values, side="right") - np.searchsorted(ordered, values)
