"""Curves of waits: Kaplan-Meier, with censored observations, and the chances that follow from hazards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from analytics.statistics.intervals import Floats, normal_quantile
from expectations.errors import DefinitionError


def kaplan_meier(
    durations: ArrayLike, observed: ArrayLike, confidence: float = 0.95, *, counts: ArrayLike | None = None
) -> pl.DataFrame:
    """The share that has not converted yet, by time, with those still under way counted as long as they are seen.

    `counts` is the number of customers that each duration stands for; one by default.
    Columns: `time` Float64 (each duration that occurs), `at_risk`, `events`, `censored` Int64, `survival` Float64,
    `standard_error` (Greenwood; null where nobody is left), `low`, `high` Float64 (of `survival`, on the log-log
    scale). No durations give no rows. Raises `DefinitionError` where not every duration is observed or not.

    >>> kaplan_meier([1, 2, 3], [1, 0, 1])["survival"].round(3).to_list()
    [0.667, 0.667, 0.0]
    """
    time, event = as_waits(durations, observed)
    people = np.ones(len(time), np.int64) if counts is None else np.asarray(counts, np.int64)
    return kaplan_meier_by(pl.DataFrame({"time": time, "event": event, "people": people}), [], confidence)


def as_waits(durations: ArrayLike, observed: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Durations, and whether the event came then. Raises `DefinitionError` for one below 0, or without the other."""
    time, event = np.asarray(durations, float), np.asarray(observed, bool)
    if time.shape != event.shape or (time < 0).any():
        found = f"{time.size} durations, {event.size} observed, the least duration {time.min(initial=0)}"
        raise DefinitionError("Every duration is from 0, and observed or not.", expected="as many of both", found=found)
    return time, event


def kaplan_meier_by(waits: pl.DataFrame, by: Sequence[str], confidence: float = 0.95) -> pl.DataFrame:
    """The same for every group: a row of `waits` is a `time`, whether the `event` came then, and for how many `people`.

    Columns: those of `by`, and those of `kaplan_meier`; sorted by them.
    """

    def within(column: pl.Expr) -> pl.Expr:
        return column.over(by) if by else column

    everyone, d, n = pl.col(" all"), pl.col("events"), pl.col("at_risk")
    table = (
        waits.group_by(*by, "time")
        .agg(pl.col("people").filter("event").sum().alias("events"), pl.col("people").sum().alias(" all"))
        .sort(*by, "time", nulls_last=True)
        .with_columns((within(everyone.sum()) - within(everyone.cum_sum()) + everyone).alias("at_risk"))
        .with_columns(
            within((1 - d / n).cum_prod()).alias("survival"),
            within(pl.when(d < n).then(d / (n * (n - d))).otherwise(0.0).cum_sum()).sqrt().alias(" greenwood"),
            (everyone - d).alias("censored"),
        )
    )
    z, s = normal_quantile(confidence), pl.col("survival")
    theta = z * pl.col(" greenwood") / s.log().abs()
    return table.select(
        *by,
        "time",
        "at_risk",
        "events",
        "censored",
        "survival",
        pl.when(s > 0).then(s * pl.col(" greenwood")).alias("standard_error"),
        pl.when(s < 1).then(s ** theta.exp()).otherwise(s).alias("low"),
        pl.when(s < 1).then(s ** (-theta).exp()).otherwise(s).alias("high"),
    )


def log_rank_by(waits: pl.DataFrame, by: str) -> list[pl.Series]:
    """The log-rank test that the curves of all groups are alike: `log_rank` (chi-squared) and `p_value`, of one row.

    `waits` are those of `kaplan_meier_by`. Null with one group, or without an event. Source: Mantel, Evaluation of
    Survival Data, 1966; Peto and Peto 1972, for more than two groups.

    >>> waits = pl.DataFrame({"g": ["a", "a", "b"], "time": [1, 2, 3], "event": [True] * 3, "people": [1, 1, 1]})
    >>> [column.round(3)[0] for column in log_rank_by(waits, "g")]
    [1.471, 0.225]
    """
    from scipy.special import chdtrc

    groups, number = np.unique(waits[by].to_numpy(), return_inverse=True)
    times, place = np.unique(waits["time"].to_numpy(), return_inverse=True)
    events, leaving = np.zeros((2, len(groups), len(times)))
    people = waits["people"].to_numpy()
    np.add.at(leaving, (number, place), people)
    np.add.at(events, (number, place), np.where(waits["event"].to_numpy(), people, 0))
    at_risk = leaving[:, ::-1].cumsum(axis=1)[:, ::-1]
    n, d = at_risk.sum(axis=0), events.sum(axis=0)
    observed = (events - at_risk * d / n).sum(axis=1)[:-1]
    spread = d * (n - d) / np.maximum(n - 1, 1) / n**2
    covariance = np.diag((at_risk * n * spread).sum(axis=1)) - (at_risk * spread) @ at_risk.T
    covariance = covariance[:-1, :-1]
    statistic = p_value = None
    if len(observed) and np.linalg.matrix_rank(covariance) == len(observed):
        statistic = float(observed @ np.linalg.solve(covariance, observed))
        p_value = float(chdtrc(len(observed), statistic))
    return [pl.Series(name, [each], pl.Float64) for name, each in (("log_rank", statistic), ("p_value", p_value))]


class HorizonChances(NamedTuple):
    """The chance of the event up to each edge, and the expected days without it up to the last edge."""

    chances: Floats
    expected_days: float


def horizon_chances(edges: ArrayLike, hazards: ArrayLike) -> HorizonChances:
    """The chance of an event within each of several horizons, from its hazards in the intervals between them.

    `edges` are the horizons in days, rising from above 0; the first interval begins at 0. `hazards` are the chances of
    the event in each interval, given that it has not come before. The chance within a horizon is 1 less the product of
    the survivals, so that a longer one never has a smaller chance. `expected_days` is the restricted mean: the days
    without the event up to the last edge, survival falling evenly within an interval. Raises `DefinitionError` for
    edges that do not rise, hazards outside 0 to 1, none, or not as many of one as of the other.

    >>> found = horizon_chances([1, 3, 7, 14], [0.1, 0.2, 0.3, 0.1])
    >>> found.chances.round(4).tolist(), round(found.expected_days, 4)
    ([0.1, 0.28, 0.496, 0.5464], 8.3696)
    """
    until, hazard = np.asarray(edges, np.float64), np.asarray(hazards, np.float64)
    if until.ndim != 1 or until.shape != hazard.shape or not len(until):
        found = f"{until.size} edges, {hazard.size} hazards"
        raise DefinitionError("Every interval has an edge and a hazard.", expected="one or more of both", found=found)
    lengths = np.diff(until, prepend=0.0)
    if not (np.isfinite(until).all() and (lengths > 0).all()):
        raise DefinitionError("Horizons rise.", expected="days such as 1, 3, 7", found=f"{until.tolist()}")
    if not ((hazard >= 0) & (hazard <= 1)).all():
        raise DefinitionError("A hazard is a chance.", expected="numbers from 0 to 1", found=f"{hazard.tolist()}")
    after = np.asarray(np.cumprod(1 - hazard), np.float64)
    before = np.append(1.0, after[:-1])
    return HorizonChances(np.asarray(1 - after, np.float64), float((lengths * (before + after) / 2).sum()))
