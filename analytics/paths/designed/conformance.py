"""How closely do real paths follow a designed path, and where do they deviate from it?

The cheapest alignment turns one route through the design into the path by skipping steps of the route, and by inserting
or repeating touches that are not in it; each of these deviations costs 1. Touches that the design allows anywhere
(detours), steps that are optional, and repeats of steps that may repeat cost nothing. For a path of `n` touches and a
design of `m` steps on its shortest route the worst alignment skips and inserts everything, so
`fitness = 1 - cost / (n + m)`. Among equally cheap alignments, the one whose steps are done earliest counts. Source:
van der Aalst, Process Mining (2016), alignments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

import numpy as np
import polars as pl

from analytics.engine.analysis import Cells, answer, measured_by
from analytics.engine.conditions import Words
from analytics.engine.partials import sums_by_customer
from analytics.engine.run import run
from analytics.engine.units import Unit
from analytics.paths.designed.alignment import KINDS, Aligned, alignments
from analytics.paths.designed.design import Design, DesignStep
from analytics.paths.sequences import UnitSequences, sorted_answer, with_total
from analytics.paths.view import By, Selection
from analytics.statistics.intervals import normal_quantile
from analytics.statistics.shares import share_columns, square_columns
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths

DEVIATING: Final = tuple(f"{kind}s" for kind in KINDS)
FITNESS_UNIT: Final = 1 << 40
"""Fitness is summed by customer in integers of this fraction of 1, so that the order of units does not matter."""
LOW: Final = 1 << 20
DIGITS: Final = ("high", "low")
"""These integers are added up in two columns, of their high and their low digits, so that products fit."""
RATES: Final = {
    "exact_share_of_units": ("exact", "units"),
    "goal_rate_exact": ("exact reached", "exact mature"),
    "goal_rate_other": ("other reached", "other mature"),
}
FITNESS: Final = (("high", "units"), ("low", "units"), ("low", "high"))
SHARES: Final = (*RATES.values(), *FITNESS)
"""The answer's shares, and the pairs whose products by customer give the interval of the mean fitness."""
COUNTED: Final = tuple(dict.fromkeys(name for share in SHARES for name in share))


@dataclass(frozen=True, eq=False)
class Conformance(Aligned):
    """Counts units by the cost of their alignment and its worst cost, and all units with their sums by customer.

    A partial has one row per worst cost and cost, and one for all units, where both are null.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        units=pl.Int64,
        exact=pl.Int64,
        exact_share_of_units=pl.Float64,
        exact_share_of_units_low=pl.Float64,
        exact_share_of_units_high=pl.Float64,
        mean_fitness=pl.Float64,
        mean_fitness_low=pl.Float64,
        mean_fitness_high=pl.Float64,
        mean_cost=pl.Float64,
        skips=pl.Int64,
        inserts=pl.Int64,
        repeats=pl.Int64,
        goal_rate_exact=pl.Float64,
        goal_rate_exact_low=pl.Float64,
        goal_rate_exact_high=pl.Float64,
        goal_rate_other=pl.Float64,
        goal_rate_other_low=pl.Float64,
        goal_rate_other_high=pl.Float64,
    )
    CELLS: ClassVar[Cells | None] = Cells(())
    KEYS: ClassVar[Mapping[str, Any]] = {"worst": pl.Int64, "cost": pl.Int64}
    COUNTS: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        (*COUNTED, *DEVIATING, *(name for share in SHARES for name in square_columns(*share))),
        pl.Int64,
    )

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The alignments of one part."""
        units = self._units(sequences)
        counted = units.select(COUNTED).to_dict()
        tables = []
        for keys, group in sequences.groupings():
            sums = sums_by_customer(group, sequences.customer, counted, len(keys), shares=SHARES)
            costs = (
                units.select(*self.KEYS, "units", *DEVIATING, pl.Series(" group", group))
                .group_by(" group", *self.KEYS)
                .agg(pl.all().sum())
            )
            tables += [
                pl.concat([keys, sums.drop("customers")], how="horizontal"),
                pl.concat([keys[costs[" group"]], costs.drop(" group")], how="horizontal"),
            ]
        table = pl.concat([pl.DataFrame(schema=self.schema), *tables], how="diagonal")
        return table.with_columns(pl.col(name).fill_null(0) for name in self.COUNTS)

    def _units(self, sequences: UnitSequences) -> pl.DataFrame:
        """One row per unit: `worst`, `cost`, and what it adds to every count."""
        aligned = alignments(sequences, self.view.names, self.designed)
        path, kind = (aligned.deviations[name].to_numpy() for name in ("path", "kind"))
        size = len(aligned.cost)
        times = {name: np.bincount(path[kind == i], minlength=size) for i, name in enumerate(DEVIATING)}
        fitness = np.round((aligned.worst - aligned.cost) / aligned.worst * FITNESS_UNIT).astype(np.int64)
        per_path = {"worst": aligned.worst, "cost": aligned.cost, **times}
        per_path |= zip(DIGITS, np.divmod(fitness, LOW), strict=True)
        mature, reached = sequences.mature, sequences.reached
        exact = aligned.cost[aligned.path] == 0
        return pl.DataFrame(per_path)[aligned.path].with_columns(
            pl.lit(1, pl.Int64).alias("units"),
            pl.Series("exact", exact),
            pl.Series("exact mature", exact & mature),
            pl.Series("exact reached", exact & reached),
            pl.Series("other mature", ~exact & mature),
            pl.Series("other reached", ~exact & reached),
        )

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Every unit that follows the design exactly; the whole is all units."""
        aligned = alignments(sequences, self.view.names, self.designed)
        exact = np.flatnonzero(aligned.cost[aligned.path] == 0)
        return pl.DataFrame({"unit": exact}), pl.DataFrame({"unit": np.arange(len(sequences))})

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `conformance`."""
        keys, n = self.view.keys, pl.col("units")
        fitness = (1 - pl.col("cost") / pl.col("worst")).fill_nan(None)
        sums = (
            merged.filter(pl.col("cost").is_not_null())
            .sort(*keys, *self.KEYS)
            .group_by(keys, maintain_order=True)
            .agg(
                pl.col(DEVIATING).sum(),
                (pl.col("cost") * n).sum().alias(" costs"),
                *((f * n).sum().alias(name) for name, f in ((" fitness", fitness), (" fitness squared", fitness**2))),
            )
        )
        wholes = with_total(merged.filter(pl.col("cost").is_null()), self.view)
        table = wholes.drop(DEVIATING).join(sums, on=keys, how="left", nulls_equal=True)
        table = table.with_columns(
            *(column for name, share in RATES.items() for column in share_columns(table, name, *share)),
            *(pl.col(name).fill_null(0) for name in DEVIATING),
            (pl.col(" costs") / n).alias("mean_cost"),
            *_mean_fitness(),
        )
        return sorted_answer(table, self.view).select(*self.view.groups, *self.SCHEMA)


@measured_by(Conformance)
def conformance(
    paths: Paths,
    designed: Design | Sequence[Words | DesignStep],
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
    window: str | timedelta | None = None,
) -> pl.DataFrame:
    """How many units follow a designed path exactly, how closely the others follow it, and the goal rate of both.

    The path is a list of steps or a graph (`Design`, `DesignStep`): a unit follows the route that fits it best.

    Columns: those of `by` (the value at the unit's first touch); `is_total` Boolean (the row over all groups comes
    first, with null in `by`); `units`, `exact` Int64; `exact_share_of_units` Float64 with its Wilson interval;
    `mean_fitness` Float64 (0 to 1, over units) with the normal interval of the mean; `mean_cost` Float64; `skips`,
    `inserts`, `repeats` Int64 (all deviations); `goal_rate_exact`, `goal_rate_other` Float64 (units with the goal
    within the `window`, of the mature ones, null without one), each with its Wilson interval. All intervals are judged
    by customers. Open units count with the touches they have so far; leave them out with `among`. Only units count that
    begin from `start` (inclusive) to `end` (exclusive). One row, and with `by` one per group; no touches give a row of
    zeros, or no rows with `by`. Warns of values of the design that no touch has. Raises `DefinitionError` for an
    unknown unit or column, or a design without steps.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "home@0m cart@1m pay@2m", "bo": "home@0m help@1m pay@2m"})
    >>> conformance(shop, ["home", "cart", "pay"])["units", "exact", "skips", "inserts"].rows()
    [(2, 1, 1, 1)]
    """
    return run(
        paths,
        Conformance.of(
            paths,
            designed=designed,
            unit=unit,
            by=by,
            where=where,
            start=start,
            end=end,
            on=on,
            collapse=collapse,
            among=among,
            window=window,
        ),
    )


def _mean_fitness() -> list[pl.Expr]:
    """The mean fitness with its interval, of sums over units and over customers.

    The units of a customer are alike: the variance of the mean is that of the customers' sums around it, and never less
    than if units were independent.
    """
    n, mean = pl.col("units"), pl.col(" fitness") / pl.col("units")
    (nn, nh, hh, _), (_, nl, ll, _), (_, hl, *_) = (square_columns(*share) for share in FITNESS)
    one = float(FITNESS_UNIT)
    squared = pl.col(hh) * (LOW / one) ** 2 + pl.col(hl) * (2 * LOW / one**2) + pl.col(ll) / one**2
    with_units = pl.col(nh) * (LOW / one) + pl.col(nl) / one
    by_unit = pl.col(" fitness squared") - n * mean**2
    by_customer = squared - 2 * mean * with_units + mean**2 * pl.col(nn)
    reach = normal_quantile(0.95) * pl.max_horizontal(by_unit, by_customer, 0.0).sqrt() / n
    return [
        mean.alias("mean_fitness"),
        (mean - reach).clip(0, 1).alias("mean_fitness_low"),
        (mean + reach).clip(0, 1).alias("mean_fitness_high"),
    ]
