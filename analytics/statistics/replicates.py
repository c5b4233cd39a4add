"""Intervals of any statistic by resampling customers (bootstrap)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.statistics.intervals import Interval


def bootstrap(
    rows: pl.DataFrame,
    statistic: Callable[[pl.DataFrame], float],
    confidence: float = 0.95,
    *,
    customer: str = "customer",
    resamples: int = 999,
    seed: int = 0,
) -> Interval:
    """The interval of any statistic of a table, by resampling customers with all their rows (percentile method).

    Rows of one customer are dependent, so that resampling rows would give too narrow an interval. The same `seed` gives
    the same interval. NaN for fewer than two customers.

    >>> orders = pl.DataFrame({"customer": ["ann", "ann", "bo", "cy"], "worth": [9.0, 9.0, 1.0, 1.0]})
    >>> bootstrap(orders, lambda drawn: drawn["worth"].mean()).high.item()
    9.0
    """
    from scipy import stats

    drawn = rows.with_columns(pl.col(customer).rank("dense").alias(" number")).sort(" number", maintain_order=True)
    sizes = drawn[" number"].rle().struct.field("len").to_numpy().astype(np.int64)
    starts, drawn = np.cumsum(sizes) - sizes, drawn.drop(" number")
    if len(sizes) < 2:
        return Interval(np.asarray(np.nan), np.asarray(np.nan))

    def of_customers(chosen: NDArray[np.int64]) -> float:
        counts = sizes[chosen]
        first = np.repeat(starts[chosen] - np.cumsum(counts) + counts, counts)
        return statistic(drawn[first + np.arange(len(first))])

    everyone, generator = np.arange(len(sizes)), np.random.default_rng(seed)
    options: dict[str, Any] = {"vectorized": False, "method": "percentile", "n_resamples": resamples}
    found = stats.bootstrap((everyone,), of_customers, confidence_level=confidence, rng=generator, **options)
    return Interval(np.asarray(found.confidence_interval.low), np.asarray(found.confidence_interval.high))
