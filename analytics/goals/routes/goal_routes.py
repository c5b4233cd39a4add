"""By which routes do journeys reach the goal, how often, and at what cost to the customer?

The families of routes add up to all journeys, and to all goals. A rate does not say that a route is good: a family of
what only happens late is full of journeys that were nearly there, and `late_share` says how many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL, Cells, answer, measured_by
from analytics.engine.distributions import DISTRIBUTION, distributions, durations, quantiles
from analytics.engine.goals import GoalWords, Route, as_goal, main_goal
from analytics.engine.local.money import MILLION, Money
from analytics.engine.partials import sums_by_customer, totals_first
from analytics.engine.run import run
from analytics.engine.units import Unit, are_followed
from analytics.goals.goal_attainment import LARGEST, AskedGoal, most_of_a_customer, worth_of_units
from analytics.goals.routes.families import RouteFamilies
from analytics.goals.routes.felt import FELT, columns_of_feeling, effort_of, feeling_of
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences
from analytics.paths.view import By
from analytics.statistics.shares import customer_columns, customers_of, share_columns, square_columns
from analytics.store.columns import SESSION, STAGE
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

RATE: Final = ("reached", "mature")
MIN_CUSTOMERS: Final = 30
LATE: Final = 0.9
"""From this share on, the journeys of a family were nearly there."""
RANKS: Final = {"median": 0.5, "p90": 0.9}
_ENDS: Final = ("goal_rate_low", "goal_rate_high")
_SPREAD: Final = ("touches", "sessions", "time")
_BEHIND: Final = {f"customers_{name}": name for name in ("mature", "reached")} | {"customers_csat": "csat_n"}
"""The columns of distinct customers, and the counts that they stand behind."""


@dataclass(frozen=True, eq=False)
class GoalRoutes(PathMeasure):
    """Counts the units of each family: a partial has one row per group and family, by the family's position."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        family=pl.String,
        units=pl.Int64,
        mature=pl.Int64,
        open=pl.Int64,
        reached=pl.Int64,
        customers=pl.Int64,
        **dict.fromkeys(_BEHIND, pl.Int64),
        goal_rate=pl.Float64,
        goal_rate_low=pl.Float64,
        goal_rate_high=pl.Float64,
        share_of_units=pl.Float64,
        share_of_goals=pl.Float64,
        value=pl.Float64,
        largest_value=pl.Float64,
        value_left_out=pl.Int64,
        median_touches=pl.Float64,
        p90_touches=pl.Float64,
        median_sessions=pl.Float64,
        p90_sessions=pl.Float64,
        median_time=pl.Duration("us"),
        p90_time=pl.Duration("us"),
        handoffs=pl.Float64,
        effort=pl.Float64,
        csat_n=pl.Int64,
        csat=pl.Float64,
        csat_low=pl.Float64,
        csat_high=pl.Float64,
        late_share=pl.Float64,
        nearly_there=pl.Boolean,
        enough=pl.Boolean,
    )
    CELLS: ClassVar[Cells | None] = Cells(("family",), in_order=True)
    BOUND: ClassVar[int] = 1 << 19
    """What a route takes is told by distributions, of up to 40 kB each."""
    KEYS: ClassVar[Mapping[str, Any]] = {"position": pl.UInt32}
    COUNTS: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(
            (
                *("units", "mature", "reached", "late", "handoffs", "effort", "csat_n", "satisfied"),
                *("millionths", "left out", "customers", LARGEST),
                *dict.fromkeys((*square_columns(*RATE), *square_columns(*FELT), *map(customers_of, _BEHIND.values()))),
            ),
            pl.Int64,
        ),
        **dict.fromkeys(_SPREAD, DISTRIBUTION),
    }
    QUANTILES: ClassVar[Mapping[str, Sequence[float]]] = dict.fromkeys(_SPREAD, tuple(RANKS.values()))

    asked: AskedGoal = field(kw_only=True)
    routes: RouteFamilies = field(kw_only=True)
    named: bool = field(kw_only=True)
    """Whether the families were named, so that one without a unit is told, too."""
    stages: tuple[str, ...] = field(kw_only=True)
    """The names of the stages, in order."""
    last_stage: str | None = field(kw_only=True)
    """The last stage before that of the goal."""

    @classmethod
    def of(
        cls,
        paths: Paths,
        *,
        goal: GoalWords | None = None,
        routes: Sequence[Route] | None = None,
        money: Sequence[Money] = (),
        unit: Unit = "journey",
        window: str | timedelta | None = None,
        **options: Any,
    ) -> Self:
        """The measure of the arguments of its public function."""
        known = paths.definition
        if goal is None and known is None:
            raise DefinitionError("No goal is named.", expected="a goal, since these paths end with none")
        wanted = main_goal(known.goal) if goal is None and known is not None else as_goal(goal or "")
        routes = list(wanted.routes) or None if routes is None else routes
        bound = AskedGoal.of(paths, wanted, window, {each.column: each for each in money}, unit)
        last = known.stages[known.goal_stage - 1] if known and 0 < known.goal_stage <= len(known.stages) else None
        return super().of(
            paths,
            asked=bound,
            routes=RouteFamilies.of(paths, wanted, routes),
            named=routes is not None,
            stages=() if known is None else known.stages,
            last_stage=last if STAGE in paths.dictionaries else None,
            unit=unit,
            aftermath=True,
            **options,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        amounts = () if self.asked.amounts is None else self.asked.amounts.columns
        felt = columns_of_feeling(self.view.schema)
        own = (*self.asked.touches.columns, *self.routes.columns, *self._beside, *felt, *amounts)
        return tuple(dict.fromkeys([*self.view.columns, *own]))

    @property
    def _beside(self) -> tuple[str, ...]:
        """The columns that are read to tell what a route takes."""
        return tuple(name for name in (SESSION, STAGE) if name in self.view.schema)

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The units of one part."""
        toward, found = self._found(sequences)
        worth, left_out = (np.where(found["reached"], sums, 0) for sums in worth_of_units(toward, self.asked))
        values = {name: found[name] for name in ("units", "mature", "reached", "late")}
        values |= {"millionths": worth, "left out": left_out}
        values |= {name: np.where(found["reached"], own, 0) for name, own in self._felt(toward).items()}
        won, families, tables = np.flatnonzero(found["reached"]), len(self.routes.names), []
        for keys, group in sequences.groupings():
            cell, size = group * families + found["family"], len(keys) * families
            behind = [name for name in _BEHIND.values() if name not in (RATE[1], FELT[1])]
            sums = sums_by_customer(cell, sequences.customer, values, size, shares=(RATE, FELT), people_of=behind)
            sums = sums.with_columns(most_of_a_customer(cell, sequences.customer, worth, size))
            spread = [
                distributions(cell[won], found[name][won], size, exact=self.exact).alias(name) for name in _SPREAD
            ]
            place = np.arange(size)
            position = pl.Series("position", place % families, pl.UInt32)
            table = pl.concat([keys[place // families], sums.with_columns(position, *spread)], how="horizontal")
            tables.append(table.filter(pl.col("units") > 0))
        return pl.concat(tables).select(*self.schema)

    def _felt(self, toward: UnitSequences) -> dict[str, NDArray[np.int64]]:
        """The effort and the answers of each unit with the goal."""
        names = columns_of_feeling(self.view.schema)
        unit = toward.sequence_numbers()
        since = toward.microseconds(np.arange(len(unit))) - toward.microseconds(toward.bounds[:-1])[unit]
        up_to = np.flatnonzero(since <= toward.to_goal[unit])
        return effort_of(toward, up_to, names, self.stages) | feeling_of(toward, names)

    def _found(self, sequences: UnitSequences) -> tuple[UnitSequences, dict[str, NDArray[Any]]]:
        """The units on their way to the goal, with the family of each, what it counts for, and what it took."""
        of_journeys = self.view.unit == "journey"
        toward = sequences.toward(self.asked.touches, self.asked.horizon, of_journeys=of_journeys)
        unit, begin = toward.sequence_numbers(), toward.microseconds(toward.bounds[:-1])
        since = toward.microseconds(np.arange(len(toward.codes))) - begin[unit]
        is_goal = self.asked.touches.marked(toward.part)[toward.rows]
        there = toward.to_goal >= 0
        before = np.flatnonzero(~is_goal & (~there[unit] | (since <= toward.to_goal[unit])))
        touches = toward.read([*self.routes.columns, *self._beside], before)
        family = self.routes.numbers(touches, unit[before], since[before], toward.direct)
        late = np.zeros(len(toward), np.bool_)
        if self.last_stage is not None:
            late[unit[before][(touches[STAGE] == self.last_stage).fill_null(False).to_numpy()]] = True
        mature = are_followed(begin, self.asked.horizon, toward.end_of_data)
        reached = mature & there & (toward.to_goal <= self.asked.horizon)
        sessions = np.zeros(len(toward), np.int64)
        if SESSION in self._beside:
            up_to = np.flatnonzero(since <= np.where(there, toward.to_goal, 0)[unit])
            visits = toward.read([SESSION], up_to).with_columns(pl.Series("unit", unit[up_to])).unique()
            sessions = np.bincount(visits.drop_nulls()["unit"].to_numpy(), minlength=len(toward))
        return toward, {
            "family": family,
            "units": np.ones(len(toward), np.int64),
            "mature": mature,
            "reached": reached,
            "late": late,
            "touches": np.bincount(unit[before], minlength=len(toward)) + 1,
            "sessions": sessions,
            "time": toward.to_goal,
        }

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The family of every unit; the whole is all units."""
        _, found = self._found(sequences)
        names = pl.Series("family", self.routes.names, pl.String)
        rows = pl.DataFrame({"family": names.gather(found["family"]), "unit": np.arange(len(sequences))})
        return rows, rows.drop("family")

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `goal_routes`."""
        table = pl.concat([merged, self._missing(merged)]) if self.named else merged
        has_value = self.asked.amount is not None or self.asked.amounts is not None
        is_direct = pl.col("position") == len(self.routes.names) - 1
        names = pl.Series("family", self.routes.names, pl.String)
        spread = [
            values.alias(f"{rank}_{name}")
            for name in ("touches", "sessions")
            for rank, values in zip(RANKS, quantiles(table[name], RANKS.values()), strict=True)
        ]
        times = durations(table["time"], {f"{rank}_time": share for rank, share in RANKS.items()})
        late = pl.col("late") / pl.col("units") if self.last_stage is not None else pl.lit(None, pl.Float64)
        answered = table.with_columns(
            names.gather(table["position"]),
            (pl.col("units") - pl.col("mature")).alias("open"),
            *share_columns(table, "goal_rate", *RATE),
            *(
                (pl.col(name) / pl.col(name).sum().over(self.view.keys)).fill_nan(None).alias(column)
                for name, column in (("units", "share_of_units"), ("reached", "share_of_goals"))
            ),
            pl.when(has_value).then(pl.col("millionths") / MILLION).alias("value"),
            pl.when(has_value).then(pl.col(LARGEST) / MILLION).alias("largest_value"),
            pl.when(has_value).then(pl.col("left out")).alias("value_left_out"),
            *((pl.col(name) / pl.col("reached")).fill_nan(None).alias(name) for name in ("handoffs", "effort")),
            *share_columns(table, "csat", *FELT),
            *customer_columns(_BEHIND),
            *spread,
            *times,
            late.fill_nan(None).alias("late_share"),
            (pl.col("customers") >= MIN_CUSTOMERS).alias("enough"),
        ).with_columns(
            *(
                pl.when(~is_direct).then(pl.col(f"goal_rate{end}")).alias(f"goal_rate{end}")
                for end in ("", "_low", "_high")
            ),
            ((pl.col("late_share") >= LATE) & pl.col("enough")).alias("nearly_there"),
        )
        return totals_first(answered, self.view.groups, "position").select(*self.view.groups, *self.SCHEMA)

    def _missing(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The families of the total that have no unit, with zeros."""
        there = set(merged.filter(IS_TOTAL)["position"])
        absent = [place for place in range(len(self.routes.families)) if place not in there]
        empty: dict[str, list[Any]] = {}
        for name in self.COUNTS:
            empty[name] = [[] if name in _SPREAD else 0] * len(absent)
        keys = {**dict.fromkeys(self.view.groups), IS_TOTAL: True}
        rows = pl.DataFrame(empty, schema={name: self.schema[name] for name in self.COUNTS})
        position = pl.Series("position", absent, pl.UInt32)
        named = [pl.lit(value, self.schema[name]).alias(name) for name, value in keys.items()]
        return rows.with_columns(position, *named).select(*self.schema)


@measured_by(GoalRoutes)
def goal_routes(
    paths: Paths,
    goal: GoalWords | None = None,
    routes: Sequence[Route] | None = None,
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    window: str | timedelta | None = None,
    money: Sequence[Money] = (),
) -> pl.DataFrame:
    """The families of routes to a goal: how many units take each, how many reach the goal, and what it takes.

    `goal` is one touchpoint or several, or a `Goal`, by default what ends the journeys. A unit belongs to the first of
    the `routes` (`Route`) that its touches before the goal fit, of a unit without the goal all its touches; touches of
    the goal's very instant are before it. What fits none is `other`; journeys of nothing but the goal are `direct`.
    Without `routes` they are those of the `Goal`; without any, by a person's help or alone, in one visit or several,
    through one channel or several, as far as the paths can tell, and families without a unit are left out.

    Columns: those of `by` (the value at the unit's first touch); `is_total` Boolean (rows over all groups come first,
    with null in `by`); `family` String, in the order of the routes, then `other`, then `direct`; Int64: `units`,
    `mature` (begun a whole horizon before the end of the data), `open` (the others), `reached` (mature, with the goal
    at most the horizon after the first touch), `customers` (distinct, with such a unit); `goal_rate` Float64 (reached /
    mature, null without a mature unit and for `direct`) with its Wilson interval, judged by customers, `goal_rate_low`,
    `goal_rate_high`; `share_of_units` Float64 (of all units, also direct ones), `share_of_goals` (of all `reached`);
    `value` Float64 (of the goals reached; null for a goal without a value), `largest_value` Float64 (the most of it
    that one customer brings, or takes), `value_left_out` Int64 (amounts that cannot be converted). `customers_mature`,
    `customers_reached` and `customers_csat` Int64 are the distinct customers behind these counts. Of units that
    reached: `median_touches`, `p90_touches` Float64 (with the goal), `median_sessions`, `p90_sessions` (up to the goal,
    with its own), `median_time`, `p90_time` Duration(us); `handoffs`, `effort` Float64 (hand-offs a unit up to the
    goal; and these with repeats, back-tracks and errors, as `effort` tells them); `csat_n` Int64 (CSAT answers of the
    unit up to seven days after its goal, also in its aftermath), `csat` Float64 (the share of 4 and 5, null without an
    answer) with its Wilson interval, judged by customers, `csat_low`, `csat_high`. `late_share` Float64: the share of
    the units that had been in the last stage before the goal's (null without stages); `nearly_there` Boolean: that is
    90 % or more of 30 customers, so the rate of the family says little. `enough` Boolean: 30 customers or more.

    The horizon is that of the `Goal`, else the `window`, else 30 days or the shorter journey gap. Only units count that
    begin from `start` (inclusive) to `end` (exclusive). Families differ in more than their route: a rate is no reason.

    No touches give no rows, or zeros for routes that are named. Raises `DefinitionError` for two routes of one name, a
    route that names the goal, a pattern that cannot be parsed, visits or channels that the paths lack, no goal, and an
    unknown column or unit; warns of a word that no touch has (`UnknownWordWarning`).

    >>> from analytics import Paths, Route
    >>> visits = {"ann": "look@0d call@1d buy@2d", "bo": "look@0d buy@1d", "cy": "look@0d"}
    >>> shop = Paths.from_text(visits, end="60d")
    >>> found = goal_routes(shop, "buy", [Route(name="Helped", through=["call"])], unit="customer")
    >>> found["family", "units", "reached", "share_of_goals"].rows()
    [('Helped', 1, 1, 0.5), ('other', 2, 1, 0.5)]
    """
    asked = GoalRoutes.of(
        paths,
        goal=goal,
        routes=routes,
        money=money,
        unit=unit,
        by=by,
        where=where,
        start=start,
        end=end,
        window=window,
    )
    return run(paths, asked)
