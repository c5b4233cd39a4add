"""On how many days of a period are customers active?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl

from analytics.engine.analysis import IS_TOTAL, SMALL, Cells, answer, measured_by
from analytics.engine.conditions import ANY, Step
from analytics.engine.local.calendar import Period, next_period_start, periods_between, zone_named
from analytics.engine.partials import add_up, totals_first
from analytics.engine.run import run
from analytics.paths.view import Breakdown, By
from analytics.segments.activity.active_touches import ActivePeriods, ActiveTouches, distinct_periods
from analytics.statistics.intervals import wilson
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

SHORTER: Final = {
    "day": ("hour",),
    "week": ("hour", "day"),
    "week_sunday": ("hour", "day"),
    "month": ("hour", "day"),
}
"""The units that a period is made of."""
MIN_CUSTOMERS: Final = 30


@dataclass(frozen=True, eq=False)
class Stickiness:
    """Counts customers by period and by the number of its units on which they are active."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        period=pl.Datetime("us", "UTC"),
        units=pl.Int64,
        active=pl.Int64,
        ratio=pl.Float64,
        ratio_low=pl.Float64,
        ratio_high=pl.Float64,
        active_units=pl.Int64,
        customers=pl.Int64,
        share=pl.Float64,
        at_least=pl.Int64,
        share_at_least=pl.Float64,
        share_at_least_low=pl.Float64,
        share_at_least_high=pl.Float64,
        enough=pl.Boolean,
    )
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = SMALL

    active: ActiveTouches
    periods: ActivePeriods
    units: ActivePeriods
    by: Breakdown

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return tuple(dict.fromkeys([*self.active.columns, *self.by.columns]))

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return {**self.by.types, "period": self.periods.type, "active_units": pl.Int64, "customers": pl.Int64}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The customers of one part, in the periods that are over."""
        touches = self.active.of_part(part, words)
        start, number = self.periods.of_times(touches.at)
        unit = self.units.of_times(touches.at)[1]
        each = distinct_periods(touches.person, unit)
        first = distinct_periods(touches.person, number)
        counts = np.diff(np.append(np.searchsorted(each, first), len(each)))
        groups = self.by.at(part, words, touches.rows[first])
        table = pl.DataFrame({"period": start.gather(first).cast(self.periods.type), "active_units": counts})
        rows = pl.concat([groups, table], how="horizontal").filter(pl.Series(number[first] < self.periods.end))
        keys = [*self.by.names, "period", "active_units"]
        return rows.group_by(keys).agg(pl.len().cast(pl.Int64).alias("customers")).select(*self.schema)

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, [*self.by.names, "period", "active_units"], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `stickiness`."""
        keys = [*self.by.names, IS_TOTAL, "period"]
        counted = self.by.total_and_groups(merged, ["period", "active_units"])
        table = totals_first(counted, self.by.names, "period", "active_units")
        days, people = pl.col("active_units"), pl.col("customers")
        sums = [(people * days).sum().over(keys).alias(" days"), (people * days**2).sum().over(keys).alias(" squares")]
        table = table.with_columns(
            people.sum().over(keys).alias("active"),
            people.cum_sum(reverse=True).over(keys).alias("at_least"),
            self._length(table["period"]),
            *sums,
        )
        low, high = wilson(table["at_least"], table["active"])
        table = table.with_columns(
            (people / pl.col("active")).alias("share"),
            (pl.col("at_least") / pl.col("active")).alias("share_at_least"),
            pl.Series("share_at_least_low", low, pl.Float64),
            pl.Series("share_at_least_high", high, pl.Float64),
            (pl.col("active") >= MIN_CUSTOMERS).alias("enough"),
            *_ratio(table),
        )
        return table.select(*self.by.names, *self.SCHEMA)

    def _length(self, period: pl.Series) -> pl.Series:
        """How many units each period has: a day may have 23 or 25 hours."""
        zone, lengths = zone_named(self.periods.timezone), dict[datetime, int]()
        for start in period.unique():
            local = start.astimezone(zone)
            end = next_period_start(local, self.periods.period).astimezone(UTC)
            units = periods_between(local, end.astimezone(zone), self.units.period)
            lengths[start] = sum(each.astimezone(UTC) < end for each in units)
        return pl.Series("units", [lengths[start] for start in period], pl.Int64)

    def exactly(self, merged: pl.DataFrame) -> Self:  # noqa: ARG002
        """The same: nothing is a quantile."""
        return self


def _ratio(table: pl.DataFrame) -> list[pl.Series]:
    """The mean share of the units, with Student's interval over customers."""
    from scipy.special import stdtrit

    n, days, squares, units = (table[name].to_numpy() for name in ("active", " days", " squares", "units"))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = days / n
        error = np.sqrt(np.maximum(squares / n - mean**2, 0.0) / (n - 1))
        reach = np.where(n >= MIN_CUSTOMERS, stdtrit(np.maximum(n - 1, 1), 0.975) * error, np.nan)
    columns = {"ratio": mean / units, "ratio_low": (mean - reach) / units, "ratio_high": (mean + reach) / units}
    return [pl.Series(name, np.clip(each, 0.0, 1.0), pl.Float64).fill_nan(None) for name, each in columns.items()]


@measured_by(Stickiness)
def stickiness(
    paths: Paths,
    active: str | Step = ANY,
    *,
    period: Period = "week",
    unit: Period = "day",
    by: By = (),
    timezone: str = "UTC",
) -> pl.DataFrame:
    """On how many days (or hours) of each period that is over the customers active in it are active.

    `active` is a touchpoint or step (default: any touch). `period` is day, week (from Monday), week_sunday or month,
    `unit` a shorter one: hour or day. Columns: those of `by` (the value at the customer's first active touch of the
    period); `is_total` Boolean (rows over all groups come first, with null in `by`); `period` Datetime (its start, in
    the time zone); `units` Int64 (of the period: 7, 28 to 31, 23 to 25, ..); `active` Int64 (customers); `ratio`
    Float64 (the mean number of active units over `units`) with Student's interval over customers, `ratio_low`,
    `ratio_high` (null below 30 customers); then, one row per number that occurs, `active_units` Int64; `customers`
    Int64 (active on exactly so many), `share` Float64; `at_least` Int64, `share_at_least` Float64 with its Wilson
    interval `share_at_least_low`, `share_at_least_high`; `enough` Boolean (30 customers). A period without an active
    customer has no row. Raises `DefinitionError` for an unknown column, period or zone, and a unit that is not shorter
    than the period; warns of a word that no touch has (`UnknownWordWarning`).

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0d visit@1d visit@1d", "bo": "visit@2d"}, end="7d")
    >>> stickiness(shop)["active", "active_units", "customers", "at_least"].rows()
    [(2, 1, 1, 2), (2, 2, 1, 1)]
    """
    periods = ActivePeriods.of(paths, period, timezone)
    if unit not in SHORTER.get(period, ()):
        raise DefinitionError(
            "A period is not made of such units.",
            expected=" or ".join(SHORTER.get(period, ())) or "a period of a day or more",
            found=f"{unit} of {period}",
        )
    units = ActivePeriods.of(paths, unit, timezone)
    by_ = Breakdown.of(paths, by, [*Stickiness.SCHEMA])
    return run(paths, Stickiness(ActiveTouches.of(paths, active), periods, units, by_))
