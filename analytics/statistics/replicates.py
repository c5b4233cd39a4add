"""Intervals of numbers that are no plain shares, from 200 replicates of customers.

A **replicate** is a fixed random set of customers: each customer is in one, by a checksum of the key. A measure keeps
its sums per replicate; these add up over parts. The number is computed from all sums, and 200 times without one
replicate (delete-a-group jackknife). Source: Kott, The Delete-a-Group Jackknife, Journal of Official Statistics 17
(2001).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Final

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


def replicate_interval(
    sums: NDArray[Any],
    statistic: Callable[[NDArray[Any]], Any],
    *,
    low: float = -np.inf,
    high: float = np.inf,
    confidence: float = 0.95,
) -> Interval:
    """The interval of a number, or of several: the number of all sums, give or take Student's t times its error.

    `sums` has one row per replicate, of the sums that `statistic` takes; a replicate without a unit has zeros. With `G`
    filled replicates the standard error is `sqrt((G - 1) / G * sum((t_g - mean)^2))`, `t_g` being the number without
    replicate g, with `G - 1` degrees of freedom. The interval is cut at `low` and `high`, between which the number
    lies. NaN with fewer than 20 filled replicates.

    >>> rows = np.column_stack((np.arange(200) % 7, np.full(200, 10)))
    >>> [bound.round(3).item() for bound in replicate_interval(rows, lambda s: s[0] / s[1])]
    [0.269, 0.325]
    """
    from scipy.special import stdtrit

    filled = [each for each in sums if each.any()]
    total, size = sums.sum(axis=0), len(filled)
    whole = np.asarray(statistic(total), np.float64)
    if size < MIN_FILLED:
        return Interval(np.full_like(whole, np.nan), np.full_like(whole, np.nan))
    without: Floats = np.array([statistic(total - each) for each in filled], np.float64)
    error = np.sqrt((size - 1) / size * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    reach = stdtrit(size - 1, 0.5 + confidence / 2) * error
    return Interval(np.maximum(whole - reach, low), np.minimum(whole + reach, high))
