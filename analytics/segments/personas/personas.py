"""How many customers are in each persona, how often do their journeys reach the goal, and what do they bring?

A persona says how customers moved in their observation, and its goal rate is over all their journeys: described, not
caused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl

from analytics.engine.analysis import IS_TOTAL, SMALL, Cells, answer, measured_by
from analytics.engine.goals import GoalWords, as_goal, main_goal
from analytics.engine.local.money import Money
from analytics.engine.partials import add_up
from analytics.engine.run import run
from analytics.goals.goal_attainment import GoalAttainment
from analytics.segments.personas.column import PERSONA, REASONS, BoundPersonas, Portfolio, with_personas
from analytics.segments.personas.fitted import PersonaFit
from analytics.statistics.shares import MIN_DENOMINATOR, share_columns
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

CODE: Final = " persona"
"""The column of a partial with the persona, or the reason for none, of counted customers; null in rows of journeys."""
PEOPLE: Final = " people"
_OF_JOURNEYS: Final = (
    *("units", "mature", "open", "reached", "goal_rate", "goal_rate_low", "goal_rate_high", "value"),
    *("value_left_out", "customers_reached", "customers_lost"),
)


@dataclass(frozen=True, eq=False)
class Personas:
    """Counts customers by persona, and by why they are in none; and the journeys of each persona (`goal_attainment`).

    A partial has rows of journeys, with their persona, and rows of customers, with the code of theirs.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        persona=pl.String,
        id=pl.String,
        reason=pl.String,
        customers=pl.Int64,
        share=pl.Float64,
        share_low=pl.Float64,
        share_high=pl.Float64,
        **{name: GoalAttainment.SCHEMA[name] for name in _OF_JOURNEYS},
        share_of_goals=pl.Float64,
        share_of_value=pl.Float64,
        stability=pl.Float64,
        enough=pl.Boolean,
    )
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = SMALL

    bound: BoundPersonas
    stability: tuple[float | None, ...]
    journeys: GoalAttainment

    @classmethod
    def of(
        cls, paths: Paths, personas: Portfolio, goal: GoalWords | None = None, *, money: Sequence[Money] = (), **o: Any
    ) -> Self:
        """The measure of the arguments of its public function."""
        known = paths.definition
        if goal is None and known is None:
            raise DefinitionError("The goal of the personas is not known.", expected="a touchpoint, or a Goal")
        asked = main_goal(known.goal) if goal is None and known is not None else as_goal(goal or ())
        bound = BoundPersonas.of(paths, personas)
        in_persona = pl.col(PERSONA).is_not_null()
        journeys = GoalAttainment.of(
            with_personas(paths, personas), goals=[asked], money=money, by=PERSONA, where=in_persona, **o
        )
        stability = (
            [persona.stability for persona in personas.personas]
            if isinstance(personas, PersonaFit)
            else [None] * len(personas.names)
        )
        return cls(bound, tuple(stability), journeys)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return tuple(name for name in self.journeys.columns if name != PERSONA)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        keys = {**self.journeys.view.key_schema, **self.journeys.KEYS}
        return {CODE: pl.Int64(), **keys, PEOPLE: pl.Int64(), **self.journeys.COUNTS}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """Counts the customers of one part, and their journeys."""
        derived = (*(column for column in part.derived if column.name != PERSONA), self.bound)
        with_column = replace(part.held(), derived=derived)
        journeys = self.journeys.partial(with_column, {**words, PERSONA: self.bound.words})
        codes, counts = np.unique(self.bound.of_customers(part), return_counts=True)
        people = pl.DataFrame({CODE: codes, PEOPLE: counts}, schema={CODE: pl.Int64, PEOPLE: pl.Int64})
        empty = pl.DataFrame(schema=self.schema)
        sums = [name for name in self.schema if name in (PEOPLE, *self.journeys.COUNTS)]
        return pl.concat([empty, people, journeys], how="diagonal").with_columns(pl.col(sums).fill_null(0))

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the rows of parts."""
        keys = [CODE, *self.journeys.view.keys, *self.journeys.KEYS]
        return add_up(partials, keys, self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `personas`."""
        people = dict(merged.filter(pl.col(CODE).is_not_null()).select(CODE, PEOPLE).iter_rows())
        own = merged.filter(pl.col(CODE).is_null()).select(*self.journeys.schema)
        found = self.journeys.finish(own)
        names, size = self.bound.names, len(self.bound.names)
        inside = [people.get(place, 0) for place in range(size)]
        placed = sum(inside) + people.get(-3, 0)
        rows: list[tuple[Any, ...]] = [(True, None, None, None, sum(inside), None)]
        rows += [
            (False, *pair, None, n, how)
            for *pair, n, how in zip(names, self.bound.ids, inside, self.stability, strict=True)
        ]
        rows += [(False, None, None, reason, people.get(-1 - place, 0), None) for place, reason in enumerate(REASONS)]
        kinds = {IS_TOTAL: pl.Boolean, **dict.fromkeys((PERSONA, "id", "reason"), pl.String)}
        schema = {**kinds, "customers": pl.Int64, "stability": pl.Float64}
        table = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
            pl.when(pl.col("reason").is_null()).then(pl.lit(placed)).cast(pl.Int64).alias("placed")
        )
        table = table.with_columns(share_columns(table, "share", "customers", "placed"))
        journeys = found.select(pl.col(PERSONA).cast(pl.String), IS_TOTAL, *_OF_JOURNEYS)
        whole = pl.col("reason").is_null()
        joined = table.join(journeys, on=[PERSONA, IS_TOTAL], how="left", nulls_equal=True, maintain_order="left")
        counts = ("units", "mature", "open", "reached", "customers_reached", "customers_lost")
        totals = found.filter(IS_TOTAL)
        goals, value = (float(totals[name].sum() or 0) for name in ("reached", "value"))
        return joined.with_columns(
            *(pl.when(whole).then(pl.col(name).fill_null(0)).alias(name) for name in counts),
            *_of_whole("reached", goals, "share_of_goals", whole),
            *_of_whole("value", value, "share_of_value", whole),
            pl.when(whole).then(pl.col("customers") >= MIN_DENOMINATOR).alias("enough"),
        ).select(*self.SCHEMA)

    def exactly(self, merged: pl.DataFrame) -> Self:  # noqa: ARG002
        """The same: nothing is a quantile."""
        return self


def _of_whole(name: str, whole: float, share: str, where: pl.Expr) -> list[pl.Expr]:
    """The share of a total; null where the total is 0."""
    part = pl.col(name).fill_null(0) / whole if whole else pl.lit(None, pl.Float64)
    return [pl.when(where).then(part).alias(share)]


@measured_by(Personas)
def personas(
    paths: Paths,
    portfolio: Portfolio,
    goal: GoalWords | None = None,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    window: str | timedelta | None = None,
    money: Sequence[Money] = (),
) -> pl.DataFrame:
    """The size of every persona, with the goal rate and the value of its customers' journeys.

    `portfolio` is a fit (`fit_personas`) or rules (`PersonaRules`); `goal` one touchpoint or several, or a `Goal`, by
    default what ends the journeys. Rows: the total (of customers in a persona), the personas in order, then the
    customers in none, by `reason`: `observed still`, `too few touches`, `no rule fits`. Customers who object to
    profiling are in no row.

    Columns: `is_total` Boolean; `persona`, `id`, `reason` String; `customers` Int64; `share` Float64 of the placed
    customers with its Wilson interval `share_low`, `share_high`; of the journeys of the persona's customers, as
    `goal_attainment` has them: `units`, `mature`, `open`, `reached` Int64, `goal_rate` Float64 with `goal_rate_low`,
    `goal_rate_high`, `value` Float64, `value_left_out`, `customers_reached`, `customers_lost` Int64; `share_of_goals`
    and `share_of_value` Float64: of those of all personas (null where there are none); `stability` Float64: the
    resampled Jaccard of the fit (null by rules); `enough` Boolean: 30 customers or more. Only journeys count that begin
    from `start` (inclusive) to `end` (exclusive); customers are all of them. In rows with a reason all but `customers`
    is null. No touches give zeros. Raises `DefinitionError` for paths without a goal, a fit made from other features,
    stages or touchpoint rules, and as `goal_attainment` does.

    >>> from analytics import PersonaRule, PersonaRules, TouchShare
    >>> rules = PersonaRules([PersonaRule("App", TouchShare("channel", "app", at_least=0.5)), PersonaRule("Others")])
    >>> visits = {"ann": "a@0d[channel=app] a@1d[channel=app] a@2d[channel=app] buy@3d[channel=app]",
    ...           "bo": "a@0d[channel=web] a@1d[channel=web] a@2d[channel=web]", "cy": "a@0d[channel=web]"}
    >>> personas(Paths.from_text(visits, end="60d"), rules, "buy")["persona", "reason", "customers", "goal_rate"].rows()
    [(None, None, 2, 0.5), ('App', None, 1, 1.0), ('Others', None, 1, 0.0), (None, 'observed still', 0, None), \
(None, 'too few touches', 1, None), (None, 'no rule fits', 0, None)]
    """
    asked = Personas.of(paths, portfolio, goal, start=start, end=end, window=window, money=money)
    return run(paths, asked)
