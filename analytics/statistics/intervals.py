"""How precise is a number? Confidence intervals of shares, differences of shares, and medians.

Functions take numbers or arrays and return arrays. Confidence is 95 % unless another level is given.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from expectations.errors import DefinitionError

Floats = NDArray[np.float64]
ROUNDING = 1e-9
"""By how much a count that was multiplied may be below 0, and by how much of its whole above that; so with shares."""


class Interval(NamedTuple):
    """Lower and upper bounds."""

    low: Floats
    high: Floats


def checked_counts(k: ArrayLike, n: ArrayLike, *, rows: bool = False) -> tuple[Floats, Floats]:
    """Counts `k` out of `n` as arrays; NaN is let through.

    Raises `DefinitionError` for a `k` outside 0 to `n`. Of `rows` that are arrays such a `k` is NaN: some rows of a
    table are not meant, as those of a total that is compared with nothing.
    """
    k, n = np.asarray(k, float), np.asarray(n, float)
    wrong = (k < -ROUNDING) | (n < 0) | ((k > n * (1 + ROUNDING)) & (n > 0))
    if rows and wrong.ndim:
        return np.where(wrong, np.nan, k), n
    if wrong.any():
        expected = "0 <= count <= trials, of each"
        raise DefinitionError("Such counts cannot be.", expected=expected, found=f"{k.tolist()} of {n.tolist()}")
    return k, n


def checked_shares(what: str, values: ArrayLike) -> Floats:
    """Shares as an array; NaN is let through. Raises `DefinitionError` for one outside 0 to 1."""
    shares = np.asarray(values, float)
    if ((shares < -ROUNDING) | (shares > 1 + ROUNDING)).any():
        raise DefinitionError(f"{what} is a chance.", expected="numbers from 0 to 1", found=str(shares.tolist()))
    clipped: Floats = np.clip(shares, 0, 1)
    return clipped


def wilson(k: ArrayLike, n: ArrayLike, confidence: float = 0.95, *, corrected: bool = False) -> Interval:
    """The Wilson score interval of the shares `k / n`; NaN where `n` is 0.

    `corrected` adds the continuity correction. Source: Newcombe, Statistics in Medicine 17 (1998), methods 3 and 4.
    Raises `DefinitionError` for a count below 0 or above its `n`, in arrays NaN, and a confidence outside 0 to 1.

    >>> wilson(18, 20).low.round(3).item()
    0.699
    """
    k, n = checked_counts(k, n, rows=True)
    z = normal_quantile(confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = k / n
        if corrected:
            low = (2 * k + z**2 - 1 - z * np.sqrt(z**2 - 2 - 1 / n + 4 * p * (n * (1 - p) + 1))) / (2 * (n + z**2))
            high = (2 * k + z**2 + 1 + z * np.sqrt(z**2 + 2 - 1 / n + 4 * p * (n * (1 - p) - 1))) / (2 * (n + z**2))
        else:
            centre = (k + z**2 / 2) / (n + z**2)
            half = z / (n + z**2) * np.sqrt(k * (n - k) / n + z**2 / 4)
            low, high = centre - half, centre + half
        low = np.where(k == 0, 0.0, np.maximum(low, 0.0))
        high = np.where(k == n, 1.0, np.minimum(high, 1.0))
        return Interval(np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan))


def wilson_bound(
    k: ArrayLike, n: ArrayLike, side: Literal["low", "high"], confidence: float = 0.95, *, corrected: bool = False
) -> Interval:
    """The one-sided Wilson interval of the shares `k / n`: from its lower bound to 1, or from 0 to its upper bound.

    The bound is that end of the two-sided interval that leaves out as much on either side.

    >>> wilson_bound(18, 20, "low").low.round(3).item()
    0.738
    """
    both = wilson(k, n, 2 * confidence - 1, corrected=corrected)
    if side == "low":
        return Interval(both.low, np.where(np.isnan(both.low), np.nan, 1.0))
    return Interval(np.where(np.isnan(both.high), np.nan, 0.0), both.high)


def normal_quantile(confidence: float) -> float:
    """The number of standard errors on each side of the mean that enclose the share `confidence`.

    >>> round(normal_quantile(0.95), 3)
    1.96
    """
    from scipy.special import ndtri

    if not 0 < confidence < 1:
        raise DefinitionError("A confidence is a share.", expected="above 0, below 1", found=str(confidence))
    return float(ndtri(0.5 + confidence / 2))


def newcombe(k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike, confidence: float = 0.95) -> Interval:
    """The interval of the difference `k1 / n1 - k2 / n2`, from the two Wilson intervals (Newcombe 1998, method 10).

    >>> newcombe(56, 70, 48, 80).low.round(4).item()
    0.0524
    """
    k1, n1, k2, n2 = (np.asarray(x, float) for x in (k1, n1, k2, n2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return difference_interval(k1 / n1, wilson(k1, n1, confidence), k2 / n2, wilson(k2, n2, confidence))


def difference_interval(
    first: ArrayLike,
    first_ends: tuple[ArrayLike, ArrayLike],
    second: ArrayLike,
    second_ends: tuple[ArrayLike, ArrayLike],
) -> Interval:
    """The interval of the difference `first - second` of independent estimates, from their own intervals (low, high).

    Source: Zou and Donner, Statistics in Medicine 27 (2008); for two shares with Wilson intervals it is Newcombe's.

    >>> found = difference_interval(5.0, (4.0, 7.0), 3.0, (2.0, 4.0))
    >>> found.low.round(3).item(), found.high.round(3).item()
    (0.586, 4.236)
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    low, high = (np.asarray(end, float) for end in first_ends)
    other_low, other_high = (np.asarray(end, float) for end in second_ends)
    gap = first - second
    return Interval(gap - np.hypot(first - low, other_high - second), gap + np.hypot(high - first, second - other_low))


def median_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """The interval of a median, between two of the values, whatever their distribution; NaN for too few values.

    It is that of `scipy.stats.quantile_test`, whose import would take longer than most questions.

    >>> median_interval(range(50)).low.item(), median_interval(range(50)).high.item()
    (17.0, 32.0)
    """
    from scipy.special import bdtr, bdtrik

    known = np.sort(np.asarray(values, float))
    tail = (1 - confidence) / 2
    below = int(np.ceil(bdtrik(tail, known.size, 0.5))) if known.size else 0
    below -= bool(below and bdtr(below - 1, known.size, 0.5) >= tail)
    if below < 1:
        return Interval(np.asarray(np.nan), np.asarray(np.nan))
    return Interval(known[below - 1], known[-below])
