"""Corrections of p-values for many comparisons."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from analytics.statistics.intervals import Floats, checked_shares


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """P-values adjusted so that the expected share of false discoveries stays below the level (1995).

    NaN in, NaN out; a NaN does not count as a test. Here and below a number outside 0 to 1 raises `DefinitionError`.
    scipy's function gives the same, but a command that corrects a dozen p-values would spend a second on importing
    `scipy.stats`.

    >>> benjamini_hochberg([0.01, 0.02, 0.03]).round(3)
    array([0.03, 0.03, 0.03])
    """
    p = checked_shares("A p-value", p_values)
    adjusted, real = np.full(p.shape, np.nan), np.flatnonzero(~np.isnan(p))
    largest_first = real[np.argsort(-p[real], kind="stable")]
    ranks = np.arange(len(real), 0, -1)
    adjusted[largest_first] = np.minimum.accumulate(np.minimum(p[largest_first] * len(real) / ranks, 1.0))
    return adjusted


def holm(p_values: ArrayLike) -> Floats:
    """P-values adjusted so that the chance of any false discovery stays below the level; never above Bonferroni's.

    NaN in, NaN out; a NaN does not count as a test. Source: Holm, Scandinavian Journal of Statistics 6 (1979).

    >>> holm([0.01, 0.02, 0.03, 0.04]).round(3)
    array([0.04, 0.06, 0.06, 0.06])
    """
    p = checked_shares("A p-value", p_values)
    adjusted, real = np.full(p.shape, np.nan), np.flatnonzero(~np.isnan(p))
    smallest_first = real[np.argsort(p[real], kind="stable")]
    left = np.arange(len(real), 0, -1)
    adjusted[smallest_first] = np.minimum(np.maximum.accumulate(p[smallest_first] * left), 1.0)
    return adjusted


def bonferroni(p_values: ArrayLike) -> Floats:
    """P-values times the number of tests, at most 1.

    >>> bonferroni([0.01, 0.6])
    array([0.02, 1.  ])
    """
    p = checked_shares("A p-value", p_values)
    return np.minimum(p * np.count_nonzero(~np.isnan(p)), 1.0)
