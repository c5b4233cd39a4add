"""What share of journeys reaches each of several goals, and what are they worth?

The unit is the journey. It reaches a goal with a touch of it at most the goal's **horizon** after its beginning, in the
journey or in its aftermath. Each goal has its own **mature** journeys, which began a whole horizon before the end of
the data, and its own **direct** ones, with nothing staged up to the goal but touches of it: these are in no rate. The
value of a goal is its amount times the journeys that reach it, or the sum of a column over the goal touches of these
journeys within the horizon.
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
from analytics.engine.goals import Goal, GoalTouches, as_goal, warn_of_unknown_goal
from analytics.engine.local.money import MILLION, Amounts, Money
from analytics.engine.partials import HIGHEST, densely, sums_by_customer, totals_first
from analytics.engine.run import run
from analytics.engine.units import Unit, window_of
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences
from analytics.paths.view import By
from analytics.statistics.shares import MIN_DENOMINATOR, customer_columns, customers_of, share_columns, square_columns
from analytics.store.frames import micros
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

RATE: Final = ("reached", "mature")
BEHIND: Final = {
    **{f"customers_{name}": name for name in ("reached", "lost", "open", "direct", "late", "never")},
    "customers_left_out": "left out",
}
"""The columns of distinct customers, and the counts that they stand behind."""
LARGEST: Final = f"{HIGHEST}millionths"


@dataclass(frozen=True)
class AskedGoal:
    """A goal bound to a store: its touches, its horizon in microseconds, and what it is worth."""

    name: str
    touches: GoalTouches
    horizon: int
    amount: float | None
    amounts: Amounts | None
    for_customer: str

    @classmethod
    def of(
        cls,
        paths: Paths,
        goal: Goal,
        window: str | timedelta | None,
        money: Mapping[str, Money],
        unit: Unit = "journey",
    ) -> AskedGoal:
        """The goal; warns of a step that no touch has. Raises `DefinitionError` for a column that is not numeric."""
        amounts = None
        if isinstance(goal.value, str):
            try:
                amounts = Amounts.of(paths, money.get(goal.value, goal.value))
            except DefinitionError as error:
                where = f"the value of goal {goal.name!r}"
                raise DefinitionError(
                    error.what, where=where, expected=error.expected, found=error.found, do=error.do
                ) from None
        warn_of_unknown_goal(paths, goal)
        horizon = window_of(paths, goal.horizon if goal.horizon is not None else window, unit)
        amount = None if isinstance(goal.value, str) else goal.value
        return cls(goal.name, GoalTouches.of(paths, goal), micros(horizon), amount, amounts, goal.for_customer)


@dataclass(frozen=True, eq=False)
class GoalAttainment(PathMeasure):
    """Counts journeys that reach each goal: a partial has one row per group and goal, by the goal's position."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        goal=pl.String,
        horizon=pl.Duration("us"),
        units=pl.Int64,
        mature=pl.Int64,
        open=pl.Int64,
        direct=pl.Int64,
        reached=pl.Int64,
        late=pl.Int64,
        customers=pl.Int64,
        **dict.fromkeys(BEHIND, pl.Int64),
        goal_rate=pl.Float64,
        goal_rate_low=pl.Float64,
        goal_rate_high=pl.Float64,
        value=pl.Float64,
        largest_value=pl.Float64,
        value_left_out=pl.Int64,
        for_customer=pl.String,
        enough=pl.Boolean,
    )
    CELLS: ClassVar[Cells | None] = Cells(("goal",), ("goal",), in_order=True)
    KEYS: ClassVar[Mapping[str, Any]] = {"position": pl.UInt32}
    COUNTS: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        (
            *("mature", "reached", "units", "direct", "late", "millionths", "left out", "customers"),
            *(*square_columns(*RATE), *map(customers_of, BEHIND.values()), LARGEST),
        ),
        pl.Int64,
    )

    goals: tuple[AskedGoal, ...] = field(kw_only=True)

    @classmethod
    def of(
        cls,
        paths: Paths,
        *,
        goals: Sequence[Goal | str] | Goal | str = (),
        money: Sequence[Money] = (),
        **options: Any,
    ) -> Self:
        """The measure of the arguments of its public function."""
        named = [as_goal(goal) for goal in ([goals] if isinstance(goals, Goal | str) else goals)]
        if not named:
            raise DefinitionError("No goal is named.", expected="at least one goal")
        if twice := sorted({goal.name for goal in named if [one.name for one in named].count(goal.name) > 1}):
            raise DefinitionError(f"Two goals are called {twice[0]!r}.", expected="a name of its own for each")
        columns = {each.column: each for each in money}
        asked = tuple(AskedGoal.of(paths, goal, options.get("window"), columns) for goal in named)
        return super().of(paths, goals=asked, aftermath=True, **options)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        own = [name for goal in self.goals for name in goal.touches.columns]
        summed = [name for goal in self.goals if goal.amounts is not None for name in goal.amounts.columns]
        return tuple(dict.fromkeys([*self.view.columns, *own, *summed]))

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The journeys of one part."""
        tables = []
        for position, goal in enumerate(self.goals):
            toward = sequences.toward(goal.touches, goal.horizon, of_journeys=True)
            values = self._values(toward)
            money, left_out = (np.where(toward.reached, sums, 0) for sums in worth_of_units(toward, goal))
            for keys, group in sequences.groupings():
                sums = sums_by_customer(
                    group,
                    sequences.customer,
                    {**values, "millionths": money, "left out": left_out},
                    len(keys),
                    shares=(RATE,),
                    people_of=list(BEHIND.values()),
                )
                tables.append(
                    pl.concat([keys, sums], how="horizontal").with_columns(
                        pl.lit(position, pl.UInt32).alias("position"),
                        most_of_a_customer(group, sequences.customer, money, len(keys)),
                    )
                )
        return pl.concat(tables).select(*self.schema)

    def _values(self, toward: UnitSequences) -> dict[str, NDArray[np.bool_]]:
        """What is counted of journeys; customers are those of the first."""
        return {
            "mature": toward.mature,
            "reached": toward.reached,
            "units": ~toward.direct,
            "direct": toward.direct,
            "late": toward.mature & (toward.to_goal > toward.window),
            "lost": toward.mature & ~toward.reached,
            "open": ~toward.mature & ~toward.direct,
            "never": toward.mature & (toward.to_goal < 0),
        }

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Every mature journey of each goal, and whether it reaches it."""
        rows = []
        for goal in self.goals:
            toward = sequences.toward(goal.touches, goal.horizon, of_journeys=True)
            unit = np.flatnonzero(toward.mature)
            rows.append(pl.DataFrame({"goal": [goal.name] * len(unit), "counts": toward.reached[unit], "unit": unit}))
        cells = pl.concat(rows)
        return cells, cells.select("goal", "unit")

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `goal_attainment`."""
        table = merged if len(merged) or self.view.groups else self._nothing()
        worth = [goal.amount is not None or goal.amounts is not None for goal in self.goals]
        fixed = {
            "goal": pl.Series([goal.name for goal in self.goals], dtype=pl.String),
            "horizon": pl.Series([goal.horizon for goal in self.goals], dtype=pl.Int64).cast(pl.Duration("us")),
            "for_customer": pl.Series([goal.for_customer for goal in self.goals], dtype=pl.String),
            "worth": pl.Series(worth, dtype=pl.Boolean),
        }
        own = pl.DataFrame(fixed)[table["position"]]
        answered = pl.concat([table, own], how="horizontal").with_columns(
            (pl.col("units") - pl.col("mature")).alias("open"),
            *customer_columns(BEHIND),
            *share_columns(table, "goal_rate", *RATE),
            *(
                pl.when("worth").then(pl.col(name) / MILLION).alias(column)
                for name, column in (("millionths", "value"), (LARGEST, "largest_value"))
            ),
            pl.when("worth").then(pl.col("left out")).alias("value_left_out"),
            (pl.col("customers") >= MIN_DENOMINATOR).alias("enough"),
        )
        return totals_first(answered, self.view.groups, "position").select(*self.view.groups, *self.SCHEMA)

    def _nothing(self) -> pl.DataFrame:
        """The counts of no journeys: a total of zeros for every goal."""
        zeros = pl.DataFrame({name: [0] * len(self.goals) for name in self.COUNTS})
        positions = pl.Series("position", range(len(self.goals)), dtype=pl.UInt32)
        return zeros.with_columns(pl.lit(True).alias(IS_TOTAL), positions).select(*self.schema)


def worth_of_units(toward: UnitSequences, goal: AskedGoal) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What every unit is worth if it reaches the goal, in millionths, and how many amounts are left out."""
    sums, left_out, after = np.zeros(len(toward), np.int64), np.zeros(len(toward), np.int64), toward.aftermath
    if goal.amounts is None:
        return sums + round((goal.amount or 0.0) * MILLION), left_out
    unit = np.append(toward.sequence_numbers(), after.unit)
    at = np.append(toward.microseconds(np.arange(len(toward.codes))), after.at)
    since = at - toward.microseconds(toward.bounds[:-1])[unit]
    is_goal = goal.touches.marked(toward.part)[np.append(toward.rows, after.rows)]
    won = np.flatnonzero(is_goal & (since <= goal.horizon))
    rows = np.append(toward.rows, after.rows)[won]
    found = goal.amounts.at_rows(toward.part.read(list(goal.amounts.columns)), rows)
    for total, own in zip((sums, left_out), found, strict=True):
        np.add.at(total, unit[won], own)
    return sums, left_out


def most_of_a_customer(
    group: NDArray[np.int64], people: NDArray[Any], money: NDArray[np.int64], size: int
) -> pl.Series:
    """The most that one customer brings, or takes, in every group of 0 to `size` - 1, in millionths."""
    count = int(people.max(initial=0)) + 1
    pairs, pair = densely(group * count + people, size * count)
    own = np.zeros(len(pairs), np.int64)
    np.add.at(own, pair, money)
    largest = np.zeros(size, np.int64)
    np.maximum.at(largest, pairs // count, np.abs(own))
    return pl.Series(LARGEST, largest)


@measured_by(GoalAttainment)
def goal_attainment(
    paths: Paths,
    goals: Sequence[Goal | str] | Goal | str,
    *,
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    window: str | timedelta | None = None,
    money: Sequence[Money] = (),
) -> pl.DataFrame:
    """How many journeys reach each of the `goals` within its horizon, and what these are worth.

    A goal is a `Goal`, or a touchpoint. A goal that does not end journeys also counts in their aftermath. Its horizon
    is its own, else the `window`, else 30 days or the shorter journey gap. Columns: those of `by` (the value at the
    journey's first touch); `is_total` Boolean (rows over all groups come first, with null in `by`); `goal` String and
    `horizon` Duration(us), one row per goal in the order given; Int64: `units` (journeys that are not direct),
    `mature`, `open` (the others), `direct` (with nothing staged up to the goal but touches of it), `reached` (mature,
    with the goal at most the horizon after the first touch, which may be it), `late` (mature, with the goal after it),
    `customers` (distinct, with a mature journey), `customers_reached`, `customers_lost` (with one that does not reach
    it), `customers_open`, `customers_direct`, `customers_late`, `customers_never` (with one that has the goal neither
    in time nor late); `goal_rate` Float64 (reached / mature, null without a mature one) with its Wilson interval,
    judged by customers, `goal_rate_low`, `goal_rate_high`; `value` Float64 (the amount of the goal times `reached`, or
    the sum of its column over the goal touches of these journeys within the horizon; null for a goal without a value),
    `largest_value` Float64 (the most of it that one customer brings, or takes), `value_left_out` Int64 (goal touches
    with an amount that cannot be converted) of `customers_left_out` Int64; `for_customer` String (as the goal says);
    `enough` Boolean: 30 customers or more have a mature journey. Only journeys count that begin from `start`
    (inclusive) to `end` (exclusive), with all their touches; touches that do not meet `where` are ignored. A column
    that one of `money` names is added up in its currency; an amount that cannot be converted is left out and counted
    (`amounts_left_out` lists them), and a missing one adds 0.

    No touches give rows of zeros, or no rows with `by`. Raises `DefinitionError` for no goal, two goals of one name, an
    unknown column, a value that cannot be added up, and a horizon longer than the journey gap; warns of a step that no
    touch has (`UnknownWordWarning`).

    >>> from analytics import Goal, PathRules, Paths
    >>> rules = PathRules(goal=["buy"], stages=[{"name": "Look", "touchpoints": ["look"]}])
    >>> visits = {"ann": "look@0d buy@1d review@3d", "bo": "look@0d buy@9d", "cy": "look@0d"}
    >>> shop = Paths.from_text(visits, end="60d", rules=rules)
    >>> goals = [Goal(name="Order", steps=["buy"], value=20, horizon="7d"), Goal(name="Review", steps=["review"])]
    >>> goal_attainment(shop, goals)["goal", "mature", "reached", "late", "value"].rows()
    [('Order', 3, 1, 1, 20.0), ('Review', 3, 1, 0, None)]
    """
    return run(
        paths,
        GoalAttainment.of(paths, goals=goals, money=money, by=by, where=where, start=start, end=end, window=window),
    )
