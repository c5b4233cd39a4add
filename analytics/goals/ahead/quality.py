"""How good are chances? Skill, calibration, order, and what was expected beside what was seen, on held-back time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.goals.ahead.columns import Matrix, auc
from analytics.statistics.intervals import wilson
from analytics.statistics.replicates import REPLICATES, replicate_interval

GROUPS: Final = 10
SHARES_BELOW: Final = (0.5, 0.8, 0.95)
"""Where the second, third and fourth band of chances begin, as shares of the held-back customers."""
_SMALLEST: Final = 1e-15
Boolean = NDArray[np.bool_]


def quality(
    chance: Matrix, reached: Boolean, replicate: NDArray[np.int64], than: Matrix | None = None
) -> dict[str, Any]:
    """The numbers of one model and horizon, on held-back time.

    `brier` is the mean squared error, `skill` one less its ratio to that of the true share, with an interval by
    replicates. `gain` is the skill less that of the chances `than`. `calibration_error` is the mean gap between what
    was expected and seen in ten groups of equal size, weighted by size. Null where all or none reached the goal.
    """
    customers, goals = len(chance), int(reached.sum())
    empty = dict.fromkeys(
        ("auc", "brier", "skill", "skill_low", "skill_high", "gain", "gain_low", "gain_high", "log_loss")
    )
    found: dict[str, Any] = {"customers": customers, "goals": goals, "expected": float(chance.sum()), **empty}
    found["calibration_error"] = calibration_error(chance, reached) if customers else None
    if not 0 < goals < customers:
        return found
    inside = np.clip(chance, _SMALLEST, 1 - _SMALLEST)
    logs = np.where(reached, np.log(inside), np.log(1 - inside))
    errors = [np.ones(customers), reached, (chance - reached) ** 2, ((chance if than is None else than) - reached) ** 2]
    sums = np.column_stack([np.bincount(replicate, each, minlength=REPLICATES) for each in errors])
    found |= {"auc": auc(chance, reached), "brier": float(errors[2].mean()), "log_loss": float(-logs.mean())}
    found |= _with_interval("skill", sums, _skill)
    return found | (_with_interval("gain", sums, lambda s: _skill(s) - _skill(s, 3)) if than is not None else {})


def calibration_error(chance: Matrix, reached: Boolean) -> float:
    """The mean gap between expected and seen share, in ten groups of equal size by chance, weighted by size.

    >>> calibration_error(np.array([0.0, 0.5, 0.5, 1.0]), np.array([False, False, True, True]))
    0.25
    """
    each = groups_of(chance, GROUPS)
    gap = np.bincount(each, chance - reached, minlength=GROUPS)
    return float(np.abs(gap).sum() / len(chance))


def groups_of(chance: Matrix, groups: int) -> NDArray[np.int64]:
    """The group of each chance, from 0: groups of equal size, in order of the chances.

    >>> groups_of(np.array([0.3, 0.1, 0.2, 0.4]), 2).tolist()
    [1, 0, 0, 1]
    """
    rank = np.empty(len(chance), np.int64)
    rank[np.argsort(chance, kind="stable")] = np.arange(len(chance))
    found: NDArray[np.int64] = rank * groups // max(1, len(chance))
    return found


def cells(chance: Matrix, reached: Boolean, group: NDArray[np.int64], size: int) -> pl.DataFrame:
    """What was expected and seen by group: group (from 1), customers, goals, expected, seen, seen_low, seen_high."""
    customers = np.bincount(group, minlength=size)
    goals = np.bincount(group, reached, minlength=size).astype(np.int64)
    low, high = wilson(goals, customers)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected, seen = np.bincount(group, chance, minlength=size) / customers, goals / customers
    return pl.DataFrame(
        {
            "group": np.arange(1, size + 1),
            "customers": customers.astype(np.int64),
            "goals": goals,
            "expected": expected,
            "seen": seen,
            "seen_low": np.where(customers > 0, low, np.nan),
            "seen_high": np.where(customers > 0, high, np.nan),
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))


def band_edges(chance: Matrix) -> list[float]:
    """The chances at which the second, third and fourth band begin: quantiles of held-back chances."""
    return [float(np.quantile(chance, share)) for share in SHARES_BELOW] if len(chance) else [0.0] * len(SHARES_BELOW)


def bands_of(chance: Matrix, edges: Sequence[float]) -> NDArray[np.int64]:
    """The band of each chance, from 0; a chance at an edge is in the upper band."""
    return np.searchsorted(np.asarray(edges), chance, side="right").astype(np.int64)


def expected_interval(chance: Matrix) -> tuple[float, float, float]:
    """The goals expected of customers with these chances, and a 95 % interval of how many there will be.

    The interval is that of a sum of independent events, if the chances are true.

    >>> [round(each, 2) for each in expected_interval(np.full(100, 0.1))]
    [10.0, 4.12, 15.88]
    """
    goals = float(chance.sum())
    reach = 1.959964 * float(np.sqrt((chance * (1 - chance)).sum()))
    return goals, max(goals - reach, 0.0), min(goals + reach, float(len(chance)))


def _skill(sums: NDArray[Any], column: int = 2) -> float:
    """One less the squared error over that of the true share."""
    size, goals, error = sums[0], sums[1], sums[column]
    spread = goals * (1 - goals / size)
    return float(1 - error / spread) if spread > 0 else float("nan")


def _with_interval(name: str, sums: NDArray[Any], statistic: Any) -> dict[str, float | None]:
    low, high = replicate_interval(sums, statistic)
    values = {name: statistic(sums.sum(axis=0)), f"{name}_low": float(low), f"{name}_high": float(high)}
    return {key: None if np.isnan(value) else float(value) for key, value in values.items()}
