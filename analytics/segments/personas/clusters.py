"""Groups of points by k-means, and how stable they are: the one door to scikit-learn.

Groups are those of Lloyd's algorithm with k-means++ and 10 starts. **Stability** of a group: customers are drawn again
with replacement, groups are found anew, and matched one to one; the group's Jaccard with its match, over the customers
drawn, is averaged over 25 draws (Hennig, Computational Statistics and Data Analysis 52, 2007). Everything is drawn from
a fixed seed, on one thread for each number of groups, so that an answer does not depend on the machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analytics.engine.run import on_threads

Points = NDArray[np.float32]
Labels = NDArray[np.int64]
STARTS: Final = 10
RESAMPLES: Final = 25
RESAMPLE_STARTS: Final = 2
MAX_ROUNDS: Final = 100
MIN_SPLIT: Final = 30


@dataclass(frozen=True, eq=False)
class Groups:
    """Points in groups: the group of each, the centres, and the stability of each group."""

    labels: Labels
    centres: NDArray[np.float64]
    jaccard: NDArray[np.float64]

    @property
    def smallest_share(self) -> float:
        """The share of points in the smallest group."""
        return float(np.bincount(self.labels, minlength=len(self.centres)).min() / len(self.labels))


def grouped(points: Points, numbers: Sequence[int], seed: int) -> dict[int, Groups]:
    """The groups of points for several numbers of groups; those with fewer distinct points than groups are left out."""
    distinct = len(np.unique(points, axis=0))
    asked = [k for k in numbers if k <= distinct]
    return dict(zip(asked, on_threads(lambda k: _groups(points, k, seed), asked), strict=True))


def shuffled_jaccard(points: Points, k: int, seed: int) -> float:
    """The Jaccard of the least stable group, of the same columns shuffled independently of each other."""
    draw = np.random.default_rng([seed, k, 1])
    shuffled = np.column_stack([draw.permutation(column) for column in points.T])
    return float(_groups(shuffled, k, seed).jaccard.min())


def shuffled_jaccards(points: Points, numbers: Sequence[int], seed: int) -> dict[int, float]:
    """`shuffled_jaccard` of several numbers of groups."""
    found = on_threads(lambda k: shuffled_jaccard(points, k, seed), numbers)
    return dict(zip(numbers, found, strict=True))


def _groups(points: Points, k: int, seed: int) -> Groups:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="openmp"):
        labels, centres = _k_means(points, k, STARTS, _seed(seed, k, 0))
        return Groups(labels, centres, _stability(points, labels, k, seed))


def _k_means(
    points: Points, k: int, starts: int, seed: int, weights: NDArray[Any] | None = None
) -> tuple[Labels, NDArray[np.float64]]:
    from sklearn.cluster import KMeans

    found = KMeans(k, n_init=starts, max_iter=MAX_ROUNDS, random_state=seed, algorithm="lloyd")
    found.fit(points, sample_weight=weights)
    return found.labels_.astype(np.int64), found.cluster_centers_.astype(np.float64)


def _stability(points: Points, labels: Labels, k: int, seed: int) -> NDArray[np.float64]:
    """The mean Jaccard of each group over the draws."""
    sums = np.zeros(k)
    for number in range(RESAMPLES):
        draw = np.random.default_rng([seed, k, 2, number])
        times = np.bincount(draw.integers(0, len(points), len(points)), minlength=len(points))
        drawn = np.flatnonzero(times)
        distinct = min(k, len(np.unique(points[drawn], axis=0))) if len(points) < 1000 else k
        again, _ = _k_means(
            points[drawn], distinct, RESAMPLE_STARTS, _seed(seed, k, 3 + number), times[drawn].astype(np.float32)
        )
        sums += matched_jaccard(labels[drawn], again, k)
    return sums / RESAMPLES


def matched_jaccard(first: Labels, second: Labels, k: int) -> NDArray[np.float64]:
    """The Jaccard of each group of `first` with the group of `second` that it is matched with, one to one.

    >>> matched_jaccard(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 1]), 2).round(2).tolist()
    [0.67, 0.5]
    """
    from scipy.optimize import linear_sum_assignment

    both = np.bincount(first * k + second, minlength=k * k).reshape(k, k)
    either = both.sum(axis=1)[:, None] + both.sum(axis=0)[None, :] - both
    jaccard = both / np.maximum(either, 1)
    own, other = linear_sum_assignment(-jaccard)
    found = np.zeros(k)
    found[own] = jaccard[own, other]
    return found


def split_half(first: NDArray[Any], second: NDArray[Any], centres: NDArray[np.float64]) -> float | None:
    """How well half of a customer's sessions tell the group of the other half: the lowest correlation of two groups.

    `first` and `second` are the halves as points, NaN for customers who have one alone. Of every two groups, customers
    count whose halves both lie in these. The correlation of groups of luck is 0, and so is that of two pieces of one
    real group. Pairs of fewer than 30 customers are passed over; None without any other.

    >>> here, there = np.zeros((20, 1)), np.ones((20, 1))
    >>> split_half(np.vstack((here, there)), np.vstack((here, there)), np.array([[0.0], [1.0]]))
    1.0
    """
    there = ~(np.isnan(first).any(axis=1) | np.isnan(second).any(axis=1))
    one, other = (nearest_centre(half[there], centres) for half in (first, second))
    size = len(centres)
    both = np.bincount(one * size + other, minlength=size * size).reshape(size, size)
    found = [_correlation(both[np.ix_(pair, pair)]) for pair in combinations(range(size), 2)]
    return min((value for value in found if value is not None), default=None)


def _correlation(table: NDArray[np.int64]) -> float | None:
    """The correlation of two groups by both halves, from how many customers have which; 0 where nobody varies."""
    if table.sum() < MIN_SPLIT:
        return None
    (a, b), (c, d) = table.tolist()
    spread = math.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    return (a * d - b * c) / spread if spread else 0.0


def nearest_centre(points: NDArray[Any], centres: NDArray[np.float64]) -> Labels:
    """The group of each point, that of the nearest centre; of two equally near the first.

    >>> nearest_centre(np.array([[0.1], [0.9]]), np.array([[0.0], [1.0]])).tolist()
    [0, 1]
    """
    if not len(points):
        return np.zeros(0, np.int64)
    squares = (centres**2).sum(axis=1)[None, :] - 2 * points @ centres.T
    found: Labels = np.argmin(squares, axis=1).astype(np.int64)
    return found


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
