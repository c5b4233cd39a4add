"""Differences of two shares among units that are otherwise alike; whether two properties do more than each alone."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from analytics.statistics.intervals import (
    Floats,
    difference_interval,
    newcombe,
    normal_quantile,
    wilson,
)

MIN_OVERLAP: Final = (9, 10)
"""The share of the exposed, as a fraction, that strata with both kinds must hold for an adjusted difference."""
MIN_OF_CELL: Final = 30
MIN_OF_OUTCOME: Final = 10
"""An interaction is tested where each of its four cells has so many units, and so many of each outcome."""


class StratifiedDifference(NamedTuple):
    """The plain and the adjusted difference with their intervals, the `overlap`, and the test that both are equal."""

    difference: Floats
    low: Floats
    high: Floats
    adjusted: Floats
    adjusted_low: Floats
    adjusted_high: Floats
    overlap: Floats
    cmh: Floats
    p_value: Floats


def stratified_difference(
    k1: ArrayLike,
    n1: ArrayLike,
    k0: ArrayLike,
    n0: ArrayLike,
    *,
    judged: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike] | None = None,
) -> StratifiedDifference:
    """The share of the exposed, `k1 / n1`, less that of the others, `k0 / n0`, plain and within strata.

    Strata lie along the last axis. The adjusted difference is the mean over strata with both kinds, weighted by the
    exposed in them; `overlap` is the share of all exposed that these hold, and below 0.9 there is no adjusted
    difference (NaN). Its interval joins the Wilson intervals of the strata. The test is that of Cochran, Mantel and
    Haenszel, without continuity correction. Units that are alike are `judged` as the fewer independent ones that they
    are worth, in the same order: these make intervals and the test, the counts make differences. Sources: Donner and
    Zou, Closed-form confidence intervals for functions of the normal mean and standard deviation (2012), for the
    interval (MOVER); Mantel and Haenszel (1959).

    >>> found = stratified_difference([10, 5], [45, 45], [20, 9], [80, 60])
    >>> found.difference.round(3).item(), found.adjusted.round(3).item(), found.overlap.item()
    (-0.04, -0.033, 1.0)
    """
    k1, n1, k0, n0 = (np.asarray(each, np.float64) for each in (k1, n1, k0, n0))
    y1, m1, y0, m0 = (k1, n1, k0, n0) if judged is None else (np.asarray(each, np.float64) for each in judged)
    plain = newcombe(y1.sum(-1), m1.sum(-1), y0.sum(-1), m0.sum(-1))
    both = (n1 > 0) & (n0 > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = k1.sum(-1) / n1.sum(-1) - k0.sum(-1) / n0.sum(-1)
        held = np.where(both, n1, 0.0)
        weight = held / held.sum(-1, keepdims=True)
        p1, p0 = np.where(both, k1 / n1, 0.0), np.where(both, k0 / n0, 0.0)
        ends = difference_interval(p1, wilson(y1, m1), p0, wilson(y0, m0))
        adjusted = (weight * (p1 - p0)).sum(-1)
        reach = [np.sqrt(np.where(both, (weight * (p1 - p0 - end)) ** 2, 0.0).sum(-1)) for end in ends]
        overlap = held.sum(-1) / n1.sum(-1)
        known = (held.sum(-1) > 0) & (MIN_OVERLAP[1] * held.sum(-1) >= MIN_OVERLAP[0] * n1.sum(-1))
    cmh = cochran_mantel_haenszel(y1, m1, y0, m0)
    low, mid, high = (np.where(known, each, np.nan) for each in (adjusted - reach[0], adjusted, adjusted + reach[1]))
    return StratifiedDifference(difference, plain.low, plain.high, mid, low, high, overlap, cmh.statistic, cmh.p_value)


class StratifiedTest(NamedTuple):
    """A statistic and its p-value."""

    statistic: Floats
    p_value: Floats


def cochran_mantel_haenszel(k1: ArrayLike, n1: ArrayLike, k0: ArrayLike, n0: ArrayLike) -> StratifiedTest:
    """The test that two shares are equal in every stratum; strata lie along the last axis.

    A stratum of one unit, or of one kind, says nothing; NaN where all are such.

    >>> cochran_mantel_haenszel([16, 12], [27, 28], [5, 7], [25, 26]).p_value.round(4).item()
    0.004
    """
    from scipy.special import chdtrc

    k1, n1, k0, n0 = (np.asarray(each, np.float64) for each in (k1, n1, k0, n0))
    n, k = n1 + n0, k1 + k0
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.where(n > 1, n1 * k / n, k1)
        variance = np.where(n > 1, n1 * n0 * k * (n - k) / (n**2 * (n - 1)), 0.0).sum(-1)
        statistic = (k1 - expected).sum(-1) ** 2 / np.where(variance > 0, variance, np.nan)
    return StratifiedTest(np.asarray(statistic), np.asarray(chdtrc(1.0, statistic)))


class Interaction(NamedTuple):
    """What two properties do beyond the sum of each alone; `p_value` is NaN where it is not `tested`."""

    interaction: Floats
    standard_error: Floats
    p_value: Floats
    tested: Floats

    @property
    def reach(self) -> Floats:
        """How far the 95 % interval reaches on either side."""
        return np.asarray(normal_quantile(0.95) * self.standard_error)


def interaction_of(k: ArrayLike, n: ArrayLike) -> Interaction:
    """The share of units with both properties, less those with the first or the second alone, plus that of neither.

    `k / n` are these four shares in this order, along the first axis. The test is that the interaction is 0; it takes
    30 units, and 10 of each outcome, in each of the four. NaN where there are none in one of them.

    >>> found = interaction_of([50, 27, 26, 40], [100, 100, 100, 200])
    >>> found.interaction.round(2).item(), found.p_value.round(3).item()
    (0.17, 0.045)
    """
    from scipy.special import ndtr

    k, n = np.asarray(k, np.float64), np.asarray(n, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(n > 0, k / n, np.nan)
        error = np.sqrt((p * (1 - p) / n).sum(0))
        found = p[0] - p[1] - p[2] + p[3]
        p_value = 2 * ndtr(-np.abs(found) / error)
    tested = ((n >= MIN_OF_CELL) & (k >= MIN_OF_OUTCOME) & (n - k >= MIN_OF_OUTCOME)).all(0)
    return Interaction(np.asarray(found), np.asarray(error), np.where(tested, p_value, np.nan), tested)
