"""How long do units take to the goal, and what share of them has reached it by a given time?

The time to the goal is that from a unit's first touch to its first goal, of mature units that reach it within the
window: younger ones would only tell of the quick. Direct journeys, of nothing but the goal, have no time. An abandoned
unit never reaches the goal; an open one is observed from its first touch to the end of the data, and then it is
**censored**. Source of the curve: Kaplan and Meier, Nonparametric Estimation from Incomplete Observations (1958).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import isnan
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import SMALL, Cells, answer, measured_by
from analytics.engine.distributions import DISTRIBUTION, bucket_numbers, distributions, durations, expanded
from analytics.engine.goals import GoalWords
from analytics.engine.partials import densely, sums_by_customer
from analytics.engine.run import run
from analytics.engine.units import ABANDONED, Unit
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences, sorted_answer, with_total
from analytics.paths.view import By, Indices, Selection
from analytics.statistics.curves import kaplan_meier_by
from analytics.statistics.intervals import median_interval
from analytics.store.frames import micros
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

TIMES: Final = {"median_time": 0.5, "p90_time": 0.9}


@dataclass(frozen=True, eq=False)
class TimeToGoal(PathMeasure):
    """Counts units that reach the goal within `within` microseconds, if given, with the distribution of their times."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        mature=pl.Int64,
        reached=pl.Int64,
        customers=pl.Int64,
        median_time=pl.Duration("us"),
        median_time_low=pl.Duration("us"),
        median_time_high=pl.Duration("us"),
        p90_time=pl.Duration("us"),
    )
    CELLS: ClassVar[Cells | None] = Cells(())
    COUNTS: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("reached", "mature", "customers"), pl.Int64),
        "times": DISTRIBUTION,
    }
    QUANTILES: ClassVar[Mapping[str, Sequence[float]]] = {"times": tuple(TIMES.values())}

    within: int | None = None

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The units of one part."""
        reached, times = self._reached(sequences), sequences.to_goal
        values = {"reached": reached, "mature": sequences.mature}
        tables = []
        for keys, group in sequences.groupings():
            sums = sums_by_customer(group, sequences.customer, values, len(keys))
            spread = distributions(group[reached], times[reached], len(keys), exact=self.exact)
            tables.append(pl.concat([keys, sums.with_columns(spread.alias("times"))], how="horizontal"))
        return pl.concat(tables).select(*self.schema)

    def _reached(self, sequences: UnitSequences) -> NDArray[np.bool_]:
        """Whether every unit reaches the goal in time."""
        reached = sequences.reached
        return reached if self.within is None else reached & (sequences.to_goal <= self.within)

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Every unit that reaches the goal; the whole is all mature units."""
        reached = np.flatnonzero(self._reached(sequences))
        return pl.DataFrame({"unit": reached}), pl.DataFrame({"unit": np.flatnonzero(sequences.mature)})

    def exactly(self, merged: pl.DataFrame) -> Self:
        """The same, with the values around its quantiles and at the ends of its intervals kept exact."""
        known = [end for ends in _median_ends(merged["times"]) for end in ends if not isnan(end)]
        buckets = bucket_numbers(np.array(known, np.int64))
        return replace(self, exact=tuple(sorted({*super().exactly(merged).exact, *buckets})))

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `time_to_goal`."""
        table = with_total(merged, self.view)
        low, high = _median_ends(table["times"])
        columns = {"median_time_low": low, "median_time_high": high}
        table = table.with_columns(
            *durations(table["times"], TIMES),
            *(
                pl.Series(name, values, pl.Float64).fill_nan(None).cast(pl.Int64).cast(pl.Duration("us"))
                for name, values in columns.items()
            ),
        )
        return sorted_answer(table, self.view).select(*self.view.groups, *self.SCHEMA)


def _median_ends(times: pl.Series) -> tuple[list[float], list[float]]:
    """The lower and the upper ends of the intervals of medians; NaN for too few values."""
    ends = [median_interval(values) for values in expanded(times)]
    return [end.low.item() for end in ends], [end.high.item() for end in ends]


@measured_by(TimeToGoal)
def time_to_goal(
    paths: Paths,
    *,
    goal: GoalWords | None = None,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    within: str | timedelta | None = None,
    among: Selection | None = None,
    window: str | timedelta | None = None,
    exact: bool = False,
) -> pl.DataFrame:
    """How long the units that reach the goal take to it, from their first touch.

    `goal` is as in `goal_rate`, by default what ends the journeys. Columns: those of `by` (the value at the unit's
    first touch); `is_total` Boolean (the row over all groups comes first, with null in `by`); `mature` Int64 (units
    that begin a whole window before the end of the data, direct ones aside); `reached` Int64 (of these, with the goal
    within the window, with `within` in that time from their first touch); `customers` Int64 (with such a unit);
    `median_time`, with the interval of a median between two of the times `median_time_low`, `median_time_high` (95 %,
    null for too few), and `p90_time` Duration(us), interpolated linearly between ranks, null without a unit that
    reached the goal. Of more than 1,000 such units times are right to 1 in 1,000, or with `exact` exact, for twice the
    time. Only units count that begin from `start` (inclusive) to `end` (exclusive). No touches give a row of zeros, or
    no rows with `by`. Raises `DefinitionError` for an unknown unit or column.

    >>> from analytics import Paths
    >>> won = "[outcome=converted]"
    >>> visits = {"ann": f"visit@0h pay@2h{won}", "bo": f"visit@0h pay@4h{won}", "cy": "visit@0h"}
    >>> shop = Paths.from_text(visits, end="60d")
    >>> time_to_goal(shop)["mature", "reached", "median_time"].rows()
    [(3, 2, datetime.timedelta(seconds=10800))]
    """
    limit = None if within is None else micros(duration(within))
    return run(
        paths,
        TimeToGoal.of(
            paths,
            goal=goal,
            unit=unit,
            by=by,
            where=where,
            start=start,
            end=end,
            among=among,
            window=window,
            within=limit,
        ),
        exact=exact,
    )


@dataclass(frozen=True, eq=False)
class GoalTimes(PathMeasure):
    """Counts units that reach the goal by the interval of `edges` (microseconds) that their time lies in."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        bin=pl.UInt32,
        time=pl.Duration("us"),
        reached=pl.Int64,
        customers=pl.Int64,
        share_of_reached=pl.Float64,
    )
    CELLS: ClassVar[Cells | None] = Cells(("bin",))
    KEYS: ClassVar[Mapping[str, Any]] = {"bin": pl.UInt32}
    COUNTS: ClassVar[Mapping[str, Any]] = dict.fromkeys(("reached", "customers"), pl.Int64)

    edges: tuple[int, ...] = field(kw_only=True)

    def __post_init__(self) -> None:
        if not self.edges or self.edges[0] != 0 or sorted(set(self.edges)) != list(self.edges):
            found = ", ".join(str(timedelta(microseconds=edge)) for edge in self.edges)
            raise DefinitionError(
                "Times cannot be binned.", expected="edges that grow, from 0 on", found=found or "none"
            )

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The units of one part that reach the goal, by bin."""
        unit, bins = self._bins(sequences)
        tables = []
        for keys, group in sequences.groupings():
            cells, cell = densely(group[unit] * len(self.edges) + bins, len(keys) * len(self.edges))
            sums = sums_by_customer(cell, sequences.customer[unit], {"reached": np.ones(len(unit))}, len(cells))
            number, taken = np.divmod(cells, len(self.edges))
            tables.append(keys[number].with_columns(*sums, pl.Series("bin", taken, pl.UInt32)))
        return pl.concat(tables).select(*self.schema)

    def _bins(self, sequences: UnitSequences) -> tuple[Indices, Indices]:
        """The units that reach the goal, and the bin of each."""
        unit = np.flatnonzero(sequences.reached)
        return unit, np.searchsorted(self.edges, sequences.to_goal[unit], side="right") - 1

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The bin of every unit that reaches the goal; they are the whole."""
        unit, bins = self._bins(sequences)
        rows = pl.DataFrame({"bin": pl.Series(bins, dtype=pl.UInt32), "unit": unit})
        return rows, rows.select("unit")

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `goal_times`."""
        every = merged.select(self.view.keys).unique()
        bins = pl.DataFrame({"bin": range(len(self.edges)), "time": self.edges}).cast(
            {"bin": pl.UInt32, "time": pl.Duration("us")}
        )
        table = every.join(bins, how="cross").join(merged, on=[*self.view.keys, "bin"], how="left", nulls_equal=True)
        table = table.with_columns(pl.col(list(self.COUNTS)).fill_null(0)).with_columns(
            (pl.col("reached") / pl.col("reached").sum().over(self.view.keys)).alias("share_of_reached")
        )
        return sorted_answer(table, self.view, "bin").select(*self.view.groups, *self.SCHEMA)


@measured_by(GoalTimes)
def goal_times(
    paths: Paths,
    edges: Sequence[str | timedelta] = ("0s", "1m", "15m", "1h", "1d", "7d", "30d"),
    *,
    goal: GoalWords | None = None,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    among: Selection | None = None,
    window: str | timedelta | None = None,
) -> pl.DataFrame:
    """The units that reach the goal by the time that they take to it, in bins from each of `edges` up to the next.

    `goal` is as in `goal_rate`, by default what ends the journeys. Columns: those of `by` (the value at the unit's
    first touch); `is_total` Boolean (rows over all groups come first, with null in `by`); `bin` UInt32 (from 0, empty
    ones included); `time` Duration(us) (its lower edge); `reached` Int64 (mature units with the goal within the window,
    in that time from their first touch); `customers` Int64 (with such a unit: who has units in several bins counts in
    each); `share_of_reached` Float64 of all such units of the group. A time on an edge lies in the bin above; the last
    bin has no end. Groups of which no unit reaches the goal have no rows. Raises `DefinitionError` for edges that do
    not grow from 0 on, or an unknown unit or column.

    >>> from analytics import Paths
    >>> won = "[outcome=converted]"
    >>> shop = Paths.from_text({"ann": f"visit@0h pay@2h{won}", "bo": f"visit@0h pay@9h{won}"}, end="60d")
    >>> goal_times(shop, ["0s", "3h"])["bin", "reached"].rows()
    [(0, 1), (1, 1)]
    """
    limits = tuple(micros(duration(edge)) for edge in edges)
    return run(
        paths,
        GoalTimes.of(
            paths,
            goal=goal,
            unit=unit,
            by=by,
            where=where,
            start=start,
            end=end,
            among=among,
            window=window,
            edges=limits,
        ),
    )


@dataclass(frozen=True, eq=False)
class GoalIncidence(PathMeasure):
    """Counts units by how long they are seen and whether they reach the goal then.

    A row with an `interval` counts the customers that reach the goal between two moments; the others have `lasts`.
    Whoever is seen longer than the last moment is counted there. `until` is the end of the data in microseconds.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        time=pl.Duration("us"),
        units=pl.Int64,
        at_risk=pl.Int64,
        reached=pl.Int64,
        customers=pl.Int64,
        customers_reached=pl.Int64,
        customers_others=pl.Int64,
        share_of_units=pl.Float64,
        share_of_units_low=pl.Float64,
        share_of_units_high=pl.Float64,
    )
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = 2 * SMALL
    KEYS: ClassVar[Mapping[str, Any]] = {"event": pl.Boolean, "interval": pl.Int64}
    COUNTS: ClassVar[Mapping[str, Any]] = {"units": pl.Int64, "customers": pl.Int64, "lasts": DISTRIBUTION}

    moments: tuple[int, ...] = field(kw_only=True)
    until: int = field(kw_only=True)

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The units of one part."""
        longest, kept = self.moments[-1], ~sequences.direct
        converted, abandoned = sequences.to_goal >= 0, sequences.ends == ABANDONED
        seen = np.where(converted, sequences.to_goal, self.until - sequences.microseconds(sequences.bounds[:-1]))
        seen = np.where(abandoned, longest, np.clip(seen, 0, None))
        event, seen = converted & (seen <= longest), np.minimum(seen, longest)
        event, seen, customer = event[kept], seen[kept], sequences.customer[kept]
        interval = np.searchsorted(self.moments, seen, side="left")
        one = {"units": np.ones(len(seen))}
        tables = []
        for keys, groups in sequences.groupings():
            group = groups[kept]
            kinds = group * 2 + event
            sums = sums_by_customer(kinds, customer, one, 2 * len(keys))
            spread = distributions(kinds, seen, 2 * len(keys), exact=self.exact)
            reached = group[event] * len(self.moments) + interval[event]
            cells, cell = densely(reached, len(keys) * len(self.moments))
            inside = sums_by_customer(cell, customer[event], {"units": np.ones(len(cell))}, len(cells))
            tables += [
                keys[np.arange(2 * len(keys)) // 2].with_columns(
                    *sums, spread.alias("lasts"), (pl.int_range(pl.len()) % 2 == 1).alias("event")
                ),
                keys[cells // len(self.moments)].with_columns(
                    *inside, pl.Series("interval", cells % len(self.moments)), pl.lit(True).alias("event")
                ),
            ]
        table = pl.concat([pl.DataFrame(schema=self.schema), *tables], how="diagonal")
        return table.with_columns(pl.col("lasts").fill_null([])).filter(pl.col("units") > 0)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `goal_incidence`."""
        keys, inside = self.view.keys, pl.col("interval").is_not_null()
        moments = pl.DataFrame({"time": self.moments}).with_row_index("interval").cast(pl.Int64)
        people = merged.filter(inside).select(*keys, "interval", "customers", pl.col("units").alias("reached"))
        groups = (
            merged.filter(~inside)
            .group_by(keys, maintain_order=True)
            .agg(
                pl.col("units").sum(),
                pl.col("customers").filter("event").sum().alias("customers_reached"),
                pl.col("customers").filter(~pl.col("event")).sum().alias("customers_others"),
            )
        )
        groups = groups.with_row_index(" group")
        waits = merged.filter(~inside).join(groups.select(*keys, " group"), on=keys, nulls_equal=True)
        waits = waits.explode("lasts", empty_as_null=False).select(
            " group",
            "event",
            pl.col("lasts").struct.field("value").alias("time"),
            pl.col("lasts").struct.field("count").alias("people"),
        )
        curves = kaplan_meier_by(waits, [" group"]).drop("events", "censored", "standard_error").sort("time")
        table = groups.join(moments, how="cross").join(people, on=[*keys, "interval"], how="left", nulls_equal=True)
        reached = (
            table.sort("time")
            .join_asof(curves, on="time", by=" group", strategy="backward", check_sortedness=False)
            .with_columns(
                pl.col("reached", "customers").fill_null(0),
                pl.col("survival", "low", "high").fill_null(1.0),
                pl.col("at_risk").fill_null(pl.col("units")),
                pl.col("time").cast(pl.Duration("us")),
            )
        )
        answered = reached.with_columns(
            (1 - pl.col("survival")).alias("share_of_units"),
            (1 - pl.col("high")).alias("share_of_units_low"),
            (1 - pl.col("low")).alias("share_of_units_high"),
        )
        return sorted_answer(answered, self.view, "time").select(*self.view.groups, *self.SCHEMA)


@measured_by(GoalIncidence)
def goal_incidence(
    paths: Paths,
    moments: Sequence[str | timedelta] = ("1h", "1d", "7d", "14d", "30d"),
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    among: Selection | None = None,
) -> pl.DataFrame:
    """The share of units that has reached the goal by each of `moments` after their first touch (Kaplan-Meier).

    An abandoned unit counts as never reaching the goal; an open one counts for as long as it has been observed.
    Columns: those of `by` (the value at the unit's first touch); `is_total` Boolean (rows over all groups come first,
    with null in `by`); `time` Duration(us); `units` Int64 (all of the group that are not direct); `at_risk` Int64
    (observed at the last time up to `time` at which anything happens, without the goal until then); `reached`,
    `customers` Int64 (units that reach the goal between the moment before and this one, and their customers);
    `customers_reached`, `customers_others` Int64 (of the group, with a unit that reaches the goal by the last moment,
    and with one that does not); `share_of_units` Float64, the estimated share that has reached the goal, with its
    interval `share_of_units_low`, `share_of_units_high` (95 %, on the log-log scale, of independent units). Of more
    than 1,000 units, times between two moments are right to 1 in 1,000, which moves a share by less than 0.0001. No
    touches give no rows. Raises `DefinitionError` for moments that do not grow, or an unknown unit or column.

    >>> from analytics import Paths
    >>> won = "[outcome=converted]"
    >>> shop = Paths.from_text({"ann": f"visit@0h pay@2h{won}", "bo": f"visit@0h pay@9h{won}"})
    >>> goal_incidence(shop, ["1h", "3h"])["reached", "share_of_units"].rows()
    [(0, 0.0), (1, 0.5)]
    """
    times = tuple(micros(duration(moment)) for moment in moments)
    if not times or sorted(set(times)) != list(times):
        found = ", ".join(str(moment) for moment in moments) or "none"
        raise DefinitionError("There is no curve at these moments.", expected="moments that grow", found=found)
    until = micros(paths.end_of_data) if paths.end_of_data else 0
    analysis = GoalIncidence.of(
        paths,
        unit=unit,
        by=by,
        where=where,
        start=start,
        end=end,
        among=among,
        moments=times,
        until=until,
        exact=tuple(bucket_numbers(times)),
    )
    return run(paths, analysis)
