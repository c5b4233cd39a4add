"""Is a target met? Judged by the whole interval, over the last cohort that has been seen for long enough."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from analytics.engine.conditions import one_of
from analytics.engine.goals import GoalWords
from analytics.engine.local.calendar import PERIODS, Period, next_period_start, period_start, zone_named
from analytics.engine.units import Unit, goal_window
from analytics.goals.goal_rate import goal_rate
from analytics.statistics.intervals import wilson
from analytics.statistics.shares import MIN_DENOMINATOR
from analytics.store.frames import as_utc
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

MET, MISSED, NOT_CLEAR, TOO_EARLY = "met", "missed", "not clear", "too early"
STATUS: Final = pl.Schema(
    {
        **dict.fromkeys(("mature", "reached"), pl.Int64()),
        **dict.fromkeys(("value", "low", "high", "target"), pl.Float64()),
        "direction": pl.String(),
        "status": pl.String(),
    }
)


class Cohort(NamedTuple):
    """The units that begin from `start` to before `end`."""

    start: datetime
    end: datetime


def target_cohort(
    end_of_data: datetime, horizon: str | timedelta, *, period: Period = "month", timezone: str = "UTC"
) -> Cohort:
    """The last period of which every unit has been seen for the whole horizon: its end and the horizon are over.

    Raises `DefinitionError` for an unknown period or zone.

    >>> target_cohort(datetime(2024, 3, 5, tzinfo=UTC), "30d").start.date()
    datetime.date(2024, 1, 1)
    """
    one_of("period", period, PERIODS)
    zone = zone_named(timezone)
    last = (as_utc(end_of_data) - duration(horizon)).astimezone(zone)
    end = period_start(last, period)
    before = end - timedelta(hours=1) if period == "hour" else end - timedelta(days=1)
    start = period_start(before, period)
    while (following := next_period_start(start, period)).astimezone(UTC) < end.astimezone(UTC):
        start = following
    return Cohort(start, end)


def target_status(
    mature: int, reached: int, *, at_least: float | None = None, at_most: float | None = None
) -> pl.DataFrame:
    """Whether a share is on the right side of a target: `met`, `missed`, `not clear`, or `too early`.

    The units are taken as those of different customers; `goal_target` judges by customers. One row: `mature`, `reached`
    Int64; `value` Float64 (reached / mature, null without a mature unit) with its Wilson interval `low`, `high`;
    `target` Float64; `direction` String (at_least, at_most); `status` String: met when the whole interval is on the
    right side (an end that is the target is), missed when it is on the wrong one, not clear when it holds the target,
    too early with fewer than 30 mature units. Raises `DefinitionError` for a target without a direction or with both,
    one that is not between 0 and 1, and more reached than mature.

    >>> target_status(7515, 2085, at_least=0.3)["status"][0], target_status(7515, 2085, at_least=0.28)["status"][0]
    ('missed', 'not clear')
    """
    given = {name: value for name, value in (("at_least", at_least), ("at_most", at_most)) if value is not None}
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise DefinitionError("A target has one direction.", expected="at_least or at_most", found=found)
    direction, target = next(iter(given.items()))
    if not 0 <= target <= 1:
        raise DefinitionError("A target of a share is a share.", expected="between 0 and 1", found=str(target))
    if not 0 <= reached <= mature:
        raise DefinitionError(
            "Nobody reaches a goal but mature units.", expected=f"0 to {mature:,}", found=f"{reached:,}"
        )
    value = reached / mature if mature else np.nan
    ends = wilson(reached, mature)
    low, high = float(ends.low), float(ends.high)
    status = status_of(mature, low, high, target, direction)
    row = {"mature": mature, "reached": reached, "value": value, "low": low, "high": high}
    table = pl.DataFrame([{**row, "target": target, "direction": direction, "status": status}], schema=STATUS)
    return table.with_columns(pl.col(pl.Float64).fill_nan(None))


def goal_target(
    paths: Paths,
    goal: GoalWords | None = None,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    period: Period = "month",
    timezone: str = "UTC",
    unit: Unit = "journey",
    window: str | timedelta | None = None,
) -> pl.DataFrame:
    """Whether the goal rate of the last cohort that has been seen for the whole window is on target.

    `goal`, `unit` and `window` are those of `goal_rate`. One row: `cohort` Datetime (the start of its period, in the
    time zone), then the columns of `target_status`; the interval is judged by customers. Raises as both do, and for
    paths without an end of data.

    >>> from analytics import Paths
    >>> visits = {f"c{n}": f"look@{n % 20}d buy@{n % 20 + 1}d" for n in range(60)}
    >>> found = goal_target(Paths.from_text(visits, end="90d"), "buy", at_least=0.5, unit="customer")
    >>> found["cohort", "mature", "status"].row(0)
    (datetime.datetime(2024, 2, 1, 0, 0, tzinfo=zoneinfo.ZoneInfo(key='UTC')), 0, 'too early')
    """
    if paths.end_of_data is None:
        raise DefinitionError("Paths without touches have no cohort.", expected="an end of data")
    length = duration(window) if window is not None else goal_window(paths)
    cohort = target_cohort(paths.end_of_data, length, period=period, timezone=timezone)
    row = goal_rate(paths, goal, unit=unit, start=cohort.start, end=cohort.end, window=window).row(0, named=True)
    status = target_status(row["mature"], row["reached"], at_least=at_least, at_most=at_most)
    low, high = row["goal_rate_low"], row["goal_rate_high"]
    if low is not None:  # judged by customers
        target, direction = status.select("target", "direction").row(0)
        word = status_of(row["mature"], low, high, target, direction)
        status = status.with_columns(low=pl.lit(low), high=pl.lit(high), status=pl.lit(word))
    start = pl.Series("cohort", [cohort.start.astimezone(UTC)]).dt.convert_time_zone(timezone)
    return status.insert_column(0, start)


def status_of(counted: int, low: float | None, high: float | None, target: float, direction: str) -> str:
    """The word for an interval beside a target; without an interval nothing is clear.

    >>> status_of(40, 0.22, 0.5, 0.33, "at_least"), status_of(12, 0.9, 1.0, 0.33, "at_least")
    ('not clear', 'too early')
    """
    if counted < MIN_DENOMINATOR:
        return TOO_EARLY
    if low is None or high is None:
        return NOT_CLEAR
    is_met, is_missed = low >= target, high < target
    if direction == "at_most":
        is_met, is_missed = high <= target, low > target
    return MET if is_met else MISSED if is_missed else NOT_CLEAR
