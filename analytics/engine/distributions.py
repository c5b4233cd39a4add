"""Waits and other lengths as counts that add up over parts, and their quantiles.

A **distribution** is a list of values with how often each occurs. Up to `EXACT_UP_TO` values are kept as they are. Of
more, each value becomes the middle of a bucket with fixed edges, at most 1 / 512 wide, so that every quantile is right
to 1 in 1,000. Which of the two is decided by the count of all values, so that it does not matter how customers lie in
parts, or in which order parts are added. Exact quantiles of any number take a second pass (`needed_buckets`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.sequences import Ints

DISTRIBUTION: Final = pl.List(pl.Struct({"value": pl.Int64, "count": pl.Int64}))
EXACT_UP_TO: Final = 1000
"""A distribution of at most so many values is exact."""


def distributions(keys: Ints, values: Ints, size: int, *, exact: Sequence[int] = ()) -> pl.Series:
    """The distribution of the values of each key, of keys 0 to `size` - 1; values are integers from 0.

    Values in the buckets `exact` stay as they are.

    >>> distributions(np.array([0, 0, 2]), np.array([5, 5, 7]), 3).to_list()
    [[{'value': 5, 'count': 2}], [], [{'value': 7, 'count': 1}]]
    """
    from analytics.engine.kernels.counts import place_by_key

    bounds = np.append(0, np.cumsum(np.bincount(keys, minlength=size))).astype(np.int64)
    placed = np.empty(len(values), np.int64)
    place_by_key(keys, values, bounds[:-1].copy(), placed)
    return sliced(placed, bounds, exact=exact)


def sliced(values: Ints, bounds: Ints, *, scale: int = 1, exact: Sequence[int] = ()) -> pl.Series:
    """The distribution of each slice `values[bounds[i] : bounds[i + 1]]`; values are in units of `scale`.

    >>> sliced(np.array([5, 5, 7]), np.array([0, 2, 3])).to_list()
    [[{'value': 5, 'count': 2}], [{'value': 7, 'count': 1}]]
    """
    from analytics.engine.kernels.counts import count_slices

    found, counts = np.empty(len(values), np.int64), np.empty(len(values), np.int64)
    sizes = np.zeros(len(bounds) - 1, np.int64)
    count_slices(values, bounds, scale, EXACT_UP_TO, _marked(exact), found, counts, sizes)
    return _as_lists(found[: sizes.sum()], counts[: sizes.sum()], sizes)


def _marked(buckets: Sequence[int]) -> NDArray[np.bool_]:
    """A table of all buckets, in which some are marked."""
    from analytics.engine.kernels.counts import BUCKETS

    marked = np.zeros(BUCKETS, np.bool_)
    marked[list(buckets)] = True
    return marked


def _as_lists(values: Ints, counts: Ints, sizes: Ints) -> pl.Series:
    """Values and counts, end to end, as one distribution per size."""
    from arro3.core import ChunkedArray, list_array

    ends = np.append(0, np.cumsum(sizes))
    pairs = pl.DataFrame({"value": values, "count": counts}).to_struct()
    return pl.Series(list_array(ends, ChunkedArray(pairs).combine_chunks())).cast(DISTRIBUTION)


def condensed(series: pl.Series, exact: Sequence[int] = ()) -> pl.Series:
    """Joins equal values within each distribution, and rounds those of distributions that have become large.

    >>> two = distributions(np.array([0, 0]), np.array([5, 7]), 1).to_list()[0]
    >>> condensed(pl.Series([two + two], dtype=DISTRIBUTION)).to_list()
    [[{'value': 5, 'count': 2}, {'value': 7, 'count': 2}]]
    """
    from analytics.engine.kernels.counts import condense

    values, counts, sizes = _flat(series)
    values, counts, left = values.copy(), counts.copy(), np.zeros(len(sizes), np.int64)
    bounds = np.append(0, np.cumsum(sizes, dtype=np.int64))
    condense(values, counts, bounds, EXACT_UP_TO, _marked(exact), left)
    rows = np.arange(left.sum()) + np.repeat(bounds[:-1] - (np.cumsum(left) - left), left)
    return _as_lists(values[rows], counts[rows], left).alias(series.name)


def quantiles(series: pl.Series, shares: Iterable[float]) -> list[pl.Series]:
    """The quantiles of each distribution, one Float64 series per share.

    They are interpolated linearly between ranks; null without values.

    >>> quantiles(distributions(np.array([0, 0]), np.array([4, 8]), 2), [0.5])[0].to_list()
    [6.0, None]
    """
    ranked = _Ranked(series)
    found = []
    for share in shares:
        ranks = share * np.maximum(ranked.totals - 1, 0)
        below, above = ranked.at(np.floor(ranks)), ranked.at(np.ceil(ranks))
        values = np.where(ranked.totals > 0, below + (above - below) * (ranks - np.floor(ranks)), np.nan)
        found.append(pl.Series(values, dtype=pl.Float64, nan_to_null=True))
    return found


def durations(series: pl.Series, shares: Mapping[str, float]) -> list[pl.Series]:
    """Quantiles of distributions of microseconds, as Duration(us): one series per name."""
    found = zip(shares, quantiles(series, shares.values()), strict=True)
    return [values.round().cast(pl.Int64).cast(pl.Duration("us")).alias(name) for name, values in found]


def expanded(series: pl.Series) -> list[Ints]:
    """All values of each distribution, in order, each as often as it was counted.

    >>> expanded(distributions(np.array([0, 0, 2]), np.array([5, 5, 7]), 3))
    [array([5, 5]), array([], dtype=int64), array([7])]
    """
    values, counts, sizes = _flat(series)
    ends = np.append(0, np.cumsum(counts))[np.cumsum(sizes)]
    return np.split(np.repeat(values, counts), ends[:-1]) if len(ends) else []


def bucket_numbers(values: Sequence[int] | Ints) -> list[int]:
    """The buckets that values lie in."""
    from analytics.engine.kernels.counts import buckets_of

    buckets = np.empty(len(values), np.int64)
    buckets_of(np.asarray(values, np.int64), buckets)
    numbers: list[int] = buckets.tolist()
    return numbers


def needed_buckets(series: pl.Series, shares: Iterable[float]) -> tuple[int, ...]:
    """The buckets whose exact values are needed for exact quantiles of distributions that are not exact."""
    ranked = _Ranked(series)
    large, needed = ranked.totals > EXACT_UP_TO, set[int]()
    for share in shares:
        ranks = share * np.maximum(ranked.totals - 1, 0)
        for rank in (np.floor(ranks), np.ceil(ranks)):
            needed.update(bucket_numbers(ranked.at(rank)[large].astype(np.int64)))
    return tuple(sorted(needed))


def _flat(series: pl.Series) -> tuple[Ints, Ints, Ints]:
    """The values and counts of all distributions, end to end, and how many values each has."""
    pairs = series.list.explode(empty_as_null=False, keep_nulls=False).struct.unnest()
    return pairs["value"].to_numpy(), pairs["count"].to_numpy(), series.list.len().fill_null(0).to_numpy()


class _Ranked:
    """Distributions by rank: `totals` is the number of values of each."""

    def __init__(self, series: pl.Series) -> None:
        self._values, counts, sizes = _flat(series)
        self._ends = np.cumsum(counts, dtype=np.int64)
        self._upto = np.append(0, self._ends)[np.append(0, np.cumsum(sizes, dtype=np.int64))]
        self.totals: NDArray[np.int64] = np.diff(self._upto)

    def at(self, rank: NDArray[np.float64]) -> NDArray[np.float64]:
        """The value at a rank, from 0, of each distribution; of one without values any."""
        if not len(self._values):
            return np.zeros(len(self.totals))
        position = np.searchsorted(self._ends, self._upto[:-1] + rank, side="right")
        values: NDArray[np.float64] = self._values[np.minimum(position, len(self._ends) - 1)].astype(np.float64)
        return values
