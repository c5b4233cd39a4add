"""Discrete-time hazards: the chance to reach the goal in an interval between horizons, given that it was not before.

A model is fitted on one row per customer, cutoff and interval, up to the interval of the goal. The chance within a
horizon is 1 less the product of the survivals, so that a longer horizon never has a smaller chance. Source: Singer and
Willett, It's About Time, Journal of Educational Statistics 18 (1993).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from analytics.goals.ahead.columns import Matrix

Boolean = NDArray[np.bool_]
Model = Literal["hazard", "logistic", "base rate"]
MAX_ROWS: Final = 2_000_000
ROWS_PER_GOAL: Final = 10
MIN_ROWS: Final = 20_000
"""Rows without the goal are drawn, and weighted: so many for each row with it, and at least so many in all."""
ISOTONIC_FROM: Final = 500
SIGMOID_FROM: Final = 100
SEED: Final = 20260105
_SMALLEST: Final = 1e-6


@dataclass(frozen=True)
class HazardRows:
    """Rows to learn from: the position of the customer, the interval, and whether the goal was reached in it."""

    customer: NDArray[np.int64]
    interval: NDArray[np.int64]
    reached: Boolean

    @classmethod
    def of(cls, days: Matrix, edges: Sequence[float]) -> HazardRows:
        """The rows of customers who reach the goal after so many days (infinite: not that is known).

        >>> rows = HazardRows.of(np.array([2.0, np.inf]), [1, 3])
        >>> rows.customer.tolist(), rows.interval.tolist(), rows.reached.tolist()
        ([0, 1, 0, 1], [0, 0, 1, 1], [False, False, True, False])
        """
        begins = [0.0, *edges[:-1]]
        at_risk = [np.flatnonzero(days >= begin) for begin in begins]
        interval = np.repeat(np.arange(len(edges)), [len(each) for each in at_risk])
        customer = np.concatenate(at_risk).astype(np.int64)
        return cls(customer, interval, days[customer] < np.asarray(edges, np.float64)[interval])

    def drawn(self) -> tuple[HazardRows, Matrix]:
        """All rows with the goal and some of the others, with their weights; the same ones at every run."""
        goals = int(self.reached.sum())
        wanted = min(max(goals * ROWS_PER_GOAL, MIN_ROWS), MAX_ROWS)
        share = min(1.0, wanted / max(1, len(self.reached) - goals))
        kept = self.reached | (np.random.default_rng(SEED).random(len(self.reached)) < share)
        weights = np.where(self.reached[kept], 1.0, 1 / share)
        return HazardRows(self.customer[kept], self.interval[kept], self.reached[kept]), weights


@dataclass(frozen=True)
class Hazards:
    """A fitted model: the hazards of customers in each interval, from their features."""

    model: Model
    intervals: int
    of_rows: Callable[[Matrix, NDArray[np.int64]], Matrix]

    def table(self, matrix: Matrix) -> Matrix:
        """One row per customer, one column per interval."""
        columns = [
            self.of_rows(matrix, np.full(len(matrix), number, np.int64)) if len(matrix) else np.zeros(0)
            for number in range(self.intervals)
        ]
        return np.column_stack(columns)

    def chances(self, matrix: Matrix) -> Matrix:
        """The chance within each horizon, one row per customer."""
        return chances_of(self.table(matrix))


def chances_of(hazards: Matrix) -> Matrix:
    """The chances within each horizon, from the hazards in the intervals between them.

    >>> chances_of(np.array([[0.1, 0.2, 0.3, 0.1]])).round(4).tolist()
    [[0.1, 0.28, 0.496, 0.5464]]
    """
    return np.asarray(1 - np.cumprod(1 - hazards, axis=1), np.float64)


def expected_days(hazards: Matrix, edges: Sequence[float]) -> Matrix:
    """The days without the goal within the longest horizon (`horizon_chances`), of each customer.

    >>> expected_days(np.array([[0.1, 0.2, 0.3, 0.1]]), [1, 3, 7, 14]).round(4).tolist()
    [8.3696]
    """
    after = np.cumprod(1 - hazards, axis=1)
    before = np.column_stack([np.ones(len(hazards)), after[:, :-1]])
    days: Matrix = (np.diff(np.asarray(edges, np.float64), prepend=0.0) * (before + after) / 2).sum(axis=1)
    return days


def fit_boosting(matrix: Matrix, rows: HazardRows, intervals: int, are_words: Sequence[bool]) -> Hazards:
    """Gradient-boosted trees over the features and the interval, on one thread and with a fixed seed."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    drawn, weights = rows.drawn()
    trees = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=60,
        max_leaf_nodes=8,
        min_samples_leaf=50,
        l2_regularization=10.0,
        max_bins=64,
        categorical_features=[*are_words, False],
        early_stopping=False,
        random_state=SEED,
    )
    x = _with_interval(matrix[drawn.customer], drawn.interval)
    x[:, np.isnan(x).all(axis=0)] = 0.0  # trees have no bins for a column without a value
    with threadpool_limits(1):
        trees.fit(x, drawn.reached, sample_weight=weights)

    def of_rows(some: Matrix, interval: NDArray[np.int64]) -> Matrix:
        with threadpool_limits(1):
            return np.asarray(trees.predict_proba(_with_interval(some, interval))[:, 1], np.float64)

    return Hazards("hazard", intervals, of_rows)


def fit_logistic(matrix: Matrix, rows: HazardRows, intervals: int) -> Hazards:
    """Logistic regression over some plain features, with a level for each interval."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    drawn, weights = rows.drawn()
    x = _with_levels(matrix[drawn.customer], drawn.interval, intervals)
    scale, curve = StandardScaler(), LogisticRegression(max_iter=500)
    with threadpool_limits(1):
        curve.fit(scale.fit_transform(x), drawn.reached, sample_weight=weights)

    def of_rows(some: Matrix, interval: NDArray[np.int64]) -> Matrix:
        with threadpool_limits(1):
            found = curve.predict_proba(scale.transform(_with_levels(some, interval, intervals)))
        return np.asarray(found[:, 1], np.float64)

    return Hazards("logistic", intervals, of_rows)


def base_rate(rows: HazardRows, intervals: int) -> Hazards:
    """The same hazards for everybody: the share that reached the goal in each interval."""
    at_risk = np.bincount(rows.interval, minlength=intervals)
    rate = np.bincount(rows.interval, rows.reached, minlength=intervals) / np.maximum(at_risk, 1)
    return Hazards("base rate", intervals, lambda _, interval: np.asarray(rate[interval], np.float64))


def calibrated(hazards: Hazards, matrix: Matrix, rows: HazardRows) -> Hazards:
    """The hazards, corrected by rows that they were not fitted on.

    By isotonic regression with 500 goals or more, by a sigmoid of their log odds from 100, not at all below.
    """
    goals = int(rows.reached.sum())
    if goals < SIGMOID_FROM:
        return hazards
    seen = hazards.of_rows(matrix[rows.customer], rows.interval)
    correct = _isotonic(seen, rows.reached) if goals >= ISOTONIC_FROM else _sigmoid(seen, rows.reached)
    return Hazards(hazards.model, hazards.intervals, lambda some, interval: correct(hazards.of_rows(some, interval)))


def _isotonic(seen: Matrix, reached: Boolean) -> Callable[[Matrix], Matrix]:
    from sklearn.isotonic import IsotonicRegression

    curve = IsotonicRegression(y_min=_SMALLEST, y_max=1 - _SMALLEST, out_of_bounds="clip").fit(seen, reached)
    return lambda hazard: np.asarray(curve.predict(hazard), np.float64)


def _sigmoid(seen: Matrix, reached: Boolean) -> Callable[[Matrix], Matrix]:
    from sklearn.linear_model import LogisticRegression

    curve = LogisticRegression(C=1e6, max_iter=500).fit(_log_odds(seen), reached)
    return lambda hazard: np.asarray(curve.predict_proba(_log_odds(hazard))[:, 1], np.float64)


def _log_odds(chance: Matrix) -> Matrix:
    inside = np.clip(chance, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(inside / (1 - inside)), np.float64)[:, None]


def _with_interval(matrix: Matrix, interval: NDArray[Any]) -> Matrix:
    return np.column_stack([matrix, interval.astype(np.float64)])


def _with_levels(matrix: Matrix, interval: NDArray[Any], intervals: int) -> Matrix:
    return np.column_stack([matrix, np.eye(intervals)[interval]])
