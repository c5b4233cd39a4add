"""Intervals of numbers that are no plain shares, from 200 replicates of customers.

A **replicate** is a fixed random set of customers: each customer is in one, by a checksum of the key. A measure keeps
its sums per replicate; these add up over parts. The number is computed from all sums, and 200 times without one
replicate (delete-a-group jackknife). Source: Kott, The Delete-a-Group Jackknife, Journal of Official Statistics 17
(2001).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.statistics.intervals import Floats, Interval

REPLICATES: Final = 200
MIN_FILLED: Final = 20
"""With fewer replicates that hold a unit, there is no interval."""


def replicate_of_customers(keys: pl.Series) -> NDArray[np.int64]:
    """The replicate of each customer: CRC-32 of `replicate:` and the text of the key, modulo 200.

    It depends on the key alone, so that parts, refreshes and other engines agree.

    >>> replicate_of_customers(pl.Series(["ann", "bo"])).tolist()
    [8, 125]
    """
    text = keys.cast(pl.String).to_list()
    return np.array([zlib.crc32(f"replicate:{key}".encode()) % REPLICATES for key in text], np.int64)


class ReplicateError(NamedTuple):
    """A number of all customers, its standard error, and the degrees of freedom of the error."""

    number: Floats
    error: Floats
    degrees: int

    def reach(self, confidence: float = 0.95) -> Floats:
        """How far the interval of that confidence reaches on either side."""
        from scipy.special import stdtrit

        return np.asarray(stdtrit(self.degrees, 0.5 + confidence / 2) * self.error)

    @property
    def p_value(self) -> Floats:
        """The two-sided test that the number is 0, by Student's t; NaN where the error is 0."""
        from scipy.special import stdtr

        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(self.error > 0, np.abs(self.number) / self.error, np.nan)
        return np.asarray(2 * stdtr(self.degrees, -t))


def replicate_error(sums: NDArray[Any], statistic: Callable[[NDArray[Any]], Any]) -> ReplicateError:
    """The standard error of a number, or of several, from sums that have one row per replicate.

    With `G` filled replicates it is `sqrt((G - 1) / G * sum((t_g - mean)^2))`, `t_g` being the number without replicate
    g, with `G - 1` degrees of freedom. NaN with fewer than 20 filled replicates.

    >>> rows = np.column_stack((np.arange(200) % 7, np.full(200, 10)))
    >>> found = replicate_error(rows, lambda s: s[0] / s[1])
    >>> found.number.round(4).item(), found.error.round(4).item(), found.degrees
    (0.297, 0.0142, 199)
    """
    filled = [each for each in sums if each.any()]
    total, size = sums.sum(axis=0), len(filled)
    whole = np.asarray(statistic(total), np.float64)
    if size < MIN_FILLED:
        return ReplicateError(whole, np.full_like(whole, np.nan), size - 1)
    without: Floats = np.array([statistic(total - each) for each in filled], np.float64)
    error = np.sqrt((size - 1) / size * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    return ReplicateError(whole, error, size - 1)


def replicate_interval(
    sums: NDArray[Any],
    statistic: Callable[[NDArray[Any]], Any],
    *,
    low: float = -np.inf,
    high: float = np.inf,
    confidence: float = 0.95,
) -> Interval:
    """The interval of a number, or of several: the number of all sums, give or take Student's t times its error.

    `sums` has one row per replicate, of the sums that `statistic` takes; a replicate without a unit has zeros. The
    error is that of `replicate_error`. The interval is cut at `low` and `high`, between which the number lies. NaN with
    fewer than 20 filled replicates.

    >>> rows = np.column_stack((np.arange(200) % 7, np.full(200, 10)))
    >>> [bound.round(3).item() for bound in replicate_interval(rows, lambda s: s[0] / s[1])]
    [0.269, 0.325]
    """
    found = replicate_error(sums, statistic)
    reach = found.reach(confidence)
    return Interval(np.maximum(found.number - reach, low), np.minimum(found.number + reach, high))
