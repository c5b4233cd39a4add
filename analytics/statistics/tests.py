"""Tests of differences: two proportions, chi-square, log-rank, effect sizes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from analytics.statistics.intervals import Floats


class Verdict(NamedTuple):
    """A statistic, its p-value, and its degrees of freedom where it has them."""

    statistic: Floats
    p_value: Floats
    degrees: int | None = None


def two_proportions_z(k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike) -> Verdict:
    """The two-sided test that two shares are equal: z with the pooled variance.

    >>> two_proportions_z(5, 83, 12, 99).p_value.round(4).item()
    0.1592
    """
    from scipy.special import ndtr

    k1, n1, k2, n2 = (np.asarray(x, float) for x in (k1, n1, k2, n2))
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (k1 + k2) / (n1 + n2)
        z = (k1 / n1 - k2 / n2) / np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    return Verdict(np.asarray(z), np.asarray(2 * ndtr(-np.abs(z))))


def cohens_h(p1: ArrayLike, p2: ArrayLike) -> Floats:
    """The effect size of two shares: the difference of their arcsine transforms.

    >>> cohens_h(0.3, 0.4).round(3)
    np.float64(-0.21)
    """
    return np.asarray(2 * np.arcsin(np.sqrt(p1)) - 2 * np.arcsin(np.sqrt(p2)))[()]


def chi_square(table: ArrayLike) -> Verdict:
    """Pearson's test that rows and columns of a table of counts are independent, without correction.

    NaN where a row or a column counts nothing, or there is one alone.

    >>> chi_square([[10, 10, 20], [20, 20, 20]]).p_value.round(3).item()
    0.249
    """
    from scipy.stats import chi2_contingency

    counts = np.asarray(table, float)
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

    k, n = np.asarray(k, float), np.asarray(n, float)
    k, n = k[n > 0], n[n > 0]
    if not len(n):
        return Verdict(np.asarray(np.nan), np.asarray(np.nan), 0)
    statistic = np.sum((k - n * null) ** 2 / (n * null * (1 - null)))
    return Verdict(np.asarray(statistic), np.asarray(chdtrc(float(len(k)), float(statistic))), len(k))


def log_rank(durations1: ArrayLike, observed1: ArrayLike, durations2: ArrayLike, observed2: ArrayLike) -> Verdict:
    """The test that two groups convert at the same pace at every time.

    >>> log_rank([1, 2], [1, 1], [1, 2], [1, 1]).p_value
    array(1.)
    """
    from lifelines.statistics import logrank_test

    found = logrank_test(durations1, durations2, observed1, observed2)
    return Verdict(np.asarray(found.test_statistic), np.asarray(found.p_value), 1)
