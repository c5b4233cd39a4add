"""How closely do real paths follow a designed path, and where do they deviate from it?

The cheapest alignment turns the design into the path by skipping steps of the design, and by inserting or repeating
touches that are not in it; each of these deviations costs 1. Touches that the design allows anywhere (detours) cost
nothing. For a path of `n` touches and a design of `m` steps the worst alignment skips and inserts everything, so
`fitness = 1 - cost / (n + m)`. Among equally cheap alignments, the one whose steps are done earliest counts. Source:
van der Aalst, Process Mining (2016), alignments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import Cells, answer, measured_by
from analytics.engine.conditions import Words, fill, several
from analytics.engine.partials import numbered
from analytics.engine.run import run
from analytics.engine.units import CONVERTED, OPEN, Unit
from analytics.engine.unknown_words import unknown_words, warn_of_unknown
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences, sorted_answer, with_total
from analytics.paths.variants import path_keys, ranks_of
from analytics.paths.view import By, Indices, Selection, codes_of
from analytics.statistics.intervals import normal_quantile
from analytics.statistics.shares import share_columns, square_columns
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths

KINDS: Final = ("skip", "insert", "repeat")
SKIP, INSERT, REPEAT = range(3)
BESIDE: Final = ("of_customer", "exact_of_customer", "fitness_of_customer", "low_of_customer")
FITNESS_UNIT: Final = 1 << 40
"""Fitness is summed by customer in integers of this fraction of 1, so that the order of units does not matter."""
LOW: Final = 1 << 20
"""The integers of a customer are added up in two columns, of their high and low digits, so that they fit."""


@dataclass(frozen=True, eq=False, init=False)
class Design:
    """A designed path: its steps (each one value, or any of several), and the detours that are allowed anywhere.

    >>> Design(["home", ["cart", "basket"], "pay"], detours="help").names
    ('home', 'cart or basket', 'pay')
    """

    steps: tuple[tuple[str, ...], ...]
    detours: tuple[str, ...]

    def __init__(self, steps: Sequence[Words], detours: Words = ()) -> None:
        several("A design", [str(step) for step in steps])
        allowed = (detours,) if isinstance(detours, str) else tuple(detours)
        fill(self, steps=tuple(several("A step", step) for step in steps), detours=allowed)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the steps."""
        return tuple(" or ".join(step) for step in self.steps)


@dataclass(frozen=True)
class Alignments:
    """The alignments of the paths of one part: `path` is the number of every unit's path.

    `cost` and `worst` have one value per distinct path. `deviations` has `path`, `kind` (a position in `KINDS`), `step`
    (the skipped step, or the last step done before the touch, 0 if none), `value` (of the touch: its position among the
    values sorted by name; of a skipped step 0).
    """

    path: Indices
    cost: Indices
    worst: Indices
    deviations: pl.DataFrame


@dataclass(frozen=True, eq=False)
class Aligned(PathMeasure):
    """A measure of the alignments of paths with a design."""

    designed: Design = field(kw_only=True)

    @classmethod
    def of(cls, paths: Paths, *, designed: Design | Sequence[Words] = (), **options: Any) -> Self:
        """The measure of the arguments of its public function. Warns of values of the design that no touch has."""
        design = designed if isinstance(designed, Design) else Design(designed)
        measure = super().of(paths, designed=design, **options)
        values = [word for step in (*design.steps, design.detours) for word in step]
        warn_of_unknown(unknown_words(paths, measure.view.on, values))
        return measure


@dataclass(frozen=True, eq=False)
class Conformance(Aligned):
    """Counts units by the cost of their alignment and its worst cost.

    For intervals by customers, every unit adds what all units of its customer come to: `of_customer` (their number),
    `exact_of_customer`, and their summed fitness (`fitness_of_customer`, `low_of_customer`).
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        units=pl.Int64,
        exact=pl.Int64,
        exact_share=pl.Float64,
        exact_share_low=pl.Float64,
        exact_share_high=pl.Float64,
        mean_fitness=pl.Float64,
        mean_fitness_low=pl.Float64,
        mean_fitness_high=pl.Float64,
        mean_cost=pl.Float64,
        skips=pl.Int64,
        inserts=pl.Int64,
        repeats=pl.Int64,
        goal_rate_exact=pl.Float64,
        goal_rate_other=pl.Float64,
    )
    CELLS: ClassVar[Cells | None] = Cells(())
    KEYS: ClassVar[Mapping[str, Any]] = {"worst": pl.Int64, "cost": pl.Int64}
    COUNTS: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        ("units", "over", "converted", *(f"{kind}s" for kind in KINDS), "customers", *BESIDE),
        pl.Int64,
    )

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The alignments of one part."""
        rows = sequences.with_keys(self._units(sequences))
        customer = [*self.view.keys, " person"]
        fitness = _fitness().sum()
        beside = (pl.len(), (pl.col("cost") == 0).sum(), fitness // LOW, fitness % LOW)
        rows = rows.with_columns(
            (pl.int_range(pl.len()).over(customer) == 0).alias("customers"),
            *(sums.over(customer).cast(pl.Int64).alias(name) for name, sums in zip(BESIDE, beside, strict=True)),
        )
        sums = [pl.len().alias("units"), *(pl.col(name).sum() for name in self.COUNTS if name != "units")]
        return rows.group_by(*self.view.keys, *self.KEYS).agg(each.cast(pl.Int64) for each in sums)

    def _units(self, sequences: UnitSequences) -> pl.DataFrame:
        """One row per unit: ` person`, `over`, `converted`, `worst`, `cost`, and the number of each kind."""
        aligned = alignments(sequences, self.view.names, self.designed)
        path, kind = (aligned.deviations[name].to_numpy() for name in ("path", "kind"))
        size = len(aligned.cost)
        times = {f"{name}s": np.bincount(path[kind == i], minlength=size) for i, name in enumerate(KINDS)}
        per_path = pl.DataFrame({"worst": aligned.worst, "cost": aligned.cost, **times})
        return per_path[aligned.path].with_columns(
            pl.Series(" person", sequences.customer),
            pl.Series("over", sequences.ends != OPEN),
            pl.Series("converted", sequences.ends == CONVERTED),
        )

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Every unit that follows the design exactly; the whole is all units."""
        aligned = alignments(sequences, self.view.names, self.designed)
        exact = np.flatnonzero(aligned.cost[aligned.path] == 0)
        return pl.DataFrame({"unit": exact}), pl.DataFrame({"unit": np.arange(len(sequences))})

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `conformance`."""
        n, exact = pl.col("units"), pl.col("cost") == 0
        fitness = _fitness() / FITNESS_UNIT
        of_customer = (pl.col("fitness_of_customer") + pl.col("low_of_customer") / LOW) * LOW / FITNESS_UNIT
        nn, ny, yy, customers = square_columns("exact", "units")
        sums = [
            n.sum(),
            n.filter(exact).sum().alias("exact"),
            pl.col("of_customer").sum().alias(nn),
            pl.col("of_customer").filter(exact).sum().alias(ny),
            pl.col("exact_of_customer").filter(exact).sum().alias(yy),
            pl.col("customers").sum().alias(customers),
            pl.col("skips", "inserts", "repeats").sum(),
            (pl.col("cost") * n).sum().alias(" costs"),
            *((f * n).sum().alias(name) for name, f in ((" fitness", fitness), (" fitness squared", fitness**2))),
            (fitness * pl.col("of_customer")).sum().alias(" units x fitness"),
            (fitness * of_customer).sum().alias(" fitness x fitness"),
            *(_rate(kept).alias(f"goal_rate_{name}") for name, kept in (("exact", exact), ("other", ~exact))),
        ]
        ordered = merged.sort(*self.view.keys, *self.KEYS)
        table = with_total(ordered.group_by(self.view.keys, maintain_order=True).agg(sums), self.view)
        table = table.with_columns(share_columns(table, "exact_share", "exact", "units")).with_columns(
            (pl.col(" costs") / n).fill_nan(None).alias("mean_cost"), *_mean_fitness(nn)
        )
        return sorted_answer(table, self.view).select(*self.view.groups, *self.SCHEMA)


@measured_by(Conformance)
def conformance(
    paths: Paths,
    designed: Design | Sequence[Words],
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
) -> pl.DataFrame:
    """How many units follow a designed path exactly, how closely the others follow it, and the goal rate of both.

    Columns: those of `by` (the value at the unit's first touch); `is_total` Boolean (the row over all groups comes
    first, with null in `by`); `units`, `exact` Int64; `exact_share` Float64 (of all units) with its Wilson interval;
    `mean_fitness` Float64 (0 to 1, over units) with the normal interval of the mean; both intervals are judged by
    customers; `mean_cost` Float64; `skips`, `inserts`, `repeats` Int64 (all deviations); `goal_rate_exact`,
    `goal_rate_other` Float64 (converted of the units that are over, null without one). Open units count with the
    touches they have so far; leave them out with `among`. Only units count that begin from `start` (inclusive) to `end`
    (exclusive). One row, and with `by` one per group; no touches give a row of zeros, or no rows with `by`. Warns of
    values of the design that no touch has. Raises `DefinitionError` for an unknown unit or column, or a design without
    steps.

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
        ),
    )


def alignments(sequences: UnitSequences, words: pl.Series, design: Design) -> Alignments:
    """Aligns every distinct path of a part with a design at the lowest cost."""
    from analytics.engine.kernels.alignment import align

    distinct, path_of_unit = numbered(path_keys(sequences, words).to_frame())
    words = words.cast(pl.String).sort()
    nodes, bounds = ranks_of(distinct["key"], words)
    fits = np.zeros((len(design.steps), len(words)), np.bool_)
    for row, step in enumerate(design.steps):
        fits[row, codes_of(words, step)] = True
    allowed = np.zeros(len(words), np.bool_)
    allowed[codes_of(words, design.detours)] = True
    done = np.zeros(len(nodes), np.int64)
    align(nodes, bounds, fits, allowed, done)
    path = np.repeat(np.arange(len(distinct)), np.diff(bounds))
    size = np.bincount(path[done >= 0], minlength=len(distinct))
    matched = np.bincount(path[done > 0], minlength=len(distinct))
    worst = size + len(design.steps)
    every = _deviations(path, done, nodes, fits)
    return Alignments(path_of_unit, worst - 2 * matched, worst, every)


def _deviations(path: Indices, done: Indices, nodes: Indices, fits: NDArray[np.bool_]) -> pl.DataFrame:
    """Every deviation of every distinct path, with the columns of `Alignments.deviations`."""
    steps, paths = len(fits), int(path[-1]) + 1 if len(path) else 0
    before = np.maximum.accumulate(path * (steps + 1) + np.maximum(done, 0)) - path * (steps + 1) if len(path) else path
    extra = np.flatnonzero(done == 0)
    after = before[extra]
    repeated = (after > 0) & fits[after - 1, nodes[extra]]
    was_done = np.zeros((paths, steps + 1), np.bool_)
    was_done[path, np.maximum(done, 0)] = True
    skipped, step = np.nonzero(~was_done[:, 1:])
    kind = np.append(np.where(repeated, REPEAT, INSERT), np.full(len(skipped), SKIP))
    return pl.DataFrame(
        {
            "path": np.append(path[extra], skipped),
            "kind": pl.Series(kind, dtype=pl.UInt8),
            "step": pl.Series(np.append(after, step + 1), dtype=pl.UInt32),
            "value": np.append(nodes[extra], np.zeros_like(skipped)),
        }
    )


def _rate(kept: pl.Expr) -> pl.Expr:
    """The goal rate of the rows `kept`: converted of the units that are over, null without one."""
    won, over = pl.col("converted").filter(kept).sum(), pl.col("over").filter(kept).sum()
    return pl.when(over > 0).then(won / over)


def _fitness() -> pl.Expr:
    """The fitness of a row's units, in integers."""
    return ((pl.col("worst") - pl.col("cost")) * FITNESS_UNIT / pl.col("worst")).round().cast(pl.Int64)


def _mean_fitness(squared_units: str) -> list[pl.Expr]:
    """The mean fitness with its interval, of sums over units and over customers.

    The units of a customer are alike: the variance of the mean is that of the customers' sums around it, and never less
    than if units were independent.
    """
    n, mean = pl.col("units"), pl.col(" fitness") / pl.col("units")
    by_unit = pl.col(" fitness squared") - n * mean**2
    by_customer = pl.col(" fitness x fitness") - 2 * mean * pl.col(" units x fitness") + mean**2 * pl.col(squared_units)
    reach = normal_quantile(0.95) * pl.max_horizontal(by_unit, by_customer, 0.0).sqrt() / n
    return [
        mean.alias("mean_fitness"),
        (mean - reach).clip(0, 1).alias("mean_fitness_low"),
        (mean + reach).clip(0, 1).alias("mean_fitness_high"),
    ]
