"""Corrections of p-values for many comparisons."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from analytics.statistics.intervals import Floats


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """P-values adjusted so that the expected share of false discoveries stays below the level (1995).

    NaN in, NaN out; a NaN does not count as a test.

    >>> benjamini_hochberg([0.01, 0.02, 0.03]).round(3)
    array([0.03, 0.03, 0.03])
    """
    from scipy.stats import false_discovery_control

    p = np.asarray(p_values, float)
    adjusted, real = np.full(p.shape, np.nan), ~np.isnan(p)
    if real.any():
        adjusted[real] = false_discovery_control(p[real])
    return adjusted


def bonferroni(p_values: ArrayLike) -> Floats:
    """P-values times the number of tests, at most 1.

    >>> bonferroni([0.01, 0.6])
    array([0.02, 1.  ])
    """
    p = np.asarray(p_values, float)
    return np.minimum(p * np.count_nonzero(~np.isnan(p)), 1.0)
