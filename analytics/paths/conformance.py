"""How closely do real paths follow a designed path, and where do they deviate from it?

The cheapest alignment turns the design into the path by skipping steps of the design, and by inserting or repeating
touches that are not in it; each of these deviations costs 1. Touches that the design allows anywhere (detours) cost
nothing. For a path of `n` touches and a design of `m` steps the worst alignment skips and inserts everything, so
`fitness = 1 - cost / (n + m)`. Among equally cheap alignments, the one whose steps are done earliest counts. Source:
van der Aalst, Process Mining (2016), alignments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import Words, fill, several
from analytics.engine.unknown_words import unknown_words, warn_of_unknown
from analytics.paths.variants import distinct_paths, ranks_of, unit_paths
from analytics.paths.view import By, Indices, Selection, View, codes_of, words_of
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.intervals import newcombe, normal_quantile, wilson
from analytics.statistics.tests import two_proportions_z
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths

MEASURED: Final = (
    "units",
    "exact",
    "exact_share",
    "exact_share_low",
    "exact_share_high",
    "mean_fitness",
    "mean_fitness_low",
    "mean_fitness_high",
    "mean_cost",
    "skips",
    "inserts",
    "repeats",
    "goal_rate_exact",
    "goal_rate_other",
)
DEVIATED: Final = (
    "kind",
    "step",
    "name",
    "deviations",
    "units",
    "share",
    "share_low",
    "share_high",
    "goal_rate",
    "goal_rate_without",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_corrected",
)


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
    """The distinct paths (`paths`: groups, counts, `path`, `cost`, `fitness`), and the deviations of each.

    `deviations` has `path` (the row in `paths`), `kind` (skip, insert, repeat), `step` (the skipped step, or the last
    step done before the touch, 0 if none), `name` (of the step, or the touch).
    """

    paths: pl.DataFrame
    deviations: pl.DataFrame


def conformance(
    paths: Paths,
    designed: Design | Sequence[Words],
    *,
    unit: str = "journey",
    by: By = (),
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
) -> pl.DataFrame:
    """How many units follow a designed path exactly, how closely the others follow it, and the goal rate of both.

    Columns: those of `by` (the value at the unit's first touch); `units`, `exact` Int64; `exact_share` Float64 with its
    Wilson interval; `mean_fitness` Float64 (0 to 1, over units) with the normal interval of the mean; `mean_cost`
    Float64; `skips`, `inserts`, `repeats` Int64 (all deviations); `goal_rate_exact`, `goal_rate_other` Float64
    (converted of the units that are over, null without one). Open units count with the touches they have so far; leave
    them out with `among`. One row, or one per group; no touches give a row of zeros, or no rows with `by`.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "home@0m cart@1m pay@2m", "bo": "home@0m help@1m pay@2m"})
    >>> conformance(shop, ["home", "cart", "pay"])["units", "exact", "skips", "inserts"].rows()
    [(2, 1, 1, 1)]
    """
    view = View(unit, on, by, collapse=collapse, among=among)
    aligned = alignments(paths, designed, view, reserved=MEASURED)
    kinds = aligned.deviations.group_by("path").agg(
        (pl.col("kind") == kind).sum().cast(pl.Int64).alias(f"{kind}s") for kind in ("skip", "insert", "repeat")
    )
    rows = aligned.paths.join(kinds, on="path", how="left").with_columns(
        pl.col("skips", "inserts", "repeats").fill_null(0)
    )
    n, exact = pl.col("units"), pl.col("cost") == 0
    mean = (pl.col("fitness") * n).sum() / n.sum()
    spread = ((pl.col("fitness") ** 2 * n).sum() / n.sum() - mean**2).clip(0).sqrt() / n.sum().sqrt()
    sums = [
        n.sum(),
        n.filter(exact).sum().alias("exact"),
        mean.alias("mean_fitness"),
        spread.alias(" error"),
        ((pl.col("cost") * n).sum() / n.sum()).alias("mean_cost"),
        *((pl.col(name) * n).sum() for name in ("skips", "inserts", "repeats")),
        *(_rate(kept).alias(f"goal_rate_{name}") for name, kept in (("exact", exact), ("other", ~exact))),
    ]
    table = rows.group_by(view.groups).agg(sums).sort(view.groups, nulls_last=True) if view.by else rows.select(sums)
    return _with_intervals(table).select(*view.groups, *MEASURED)


def deviations(
    paths: Paths,
    designed: Design | Sequence[Words],
    *,
    unit: str = "journey",
    by: By = (),
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
) -> pl.DataFrame:
    """Where paths deviate from the designed one, how often, and how the goal rate differs with the deviation.

    Columns: those of `by`; `kind` String (skip, insert, repeat); `step` UInt32 (the skipped step, or the last one done
    before the touch, 0 before the first); `name` String (of the skipped step, or the touch); `deviations` Int64 (all),
    `units` Int64 (with at least one), `share` Float64 of the units of the group with its Wilson interval; `goal_rate`,
    `goal_rate_without` Float64 (converted of the units that are over, with and without it); their `difference` with its
    Newcombe interval, `p_value` (two proportions) and `p_corrected` (Benjamini-Hochberg over the rows of the group).
    Most frequent first. No touches, or no deviations, give no rows. Takes the arguments of `conformance`.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"bo": "home@0m home@1m pay@2m"})
    >>> deviations(shop, ["home", "cart", "pay"])["kind", "step", "name"].rows()
    [('repeat', 1, 'home'), ('skip', 2, 'cart')]
    """
    view = View(unit, on, by, collapse=collapse, among=among)
    aligned = alignments(paths, designed, view, reserved=DEVIATED)
    keys = [*view.groups, "kind", "step", "name"]
    whole = aligned.paths.select(*view.groups, *(pl.col(c).alias(f"all_{c}") for c in ("units", "over", "converted")))
    each = aligned.deviations.group_by("path", "kind", "step", "name").agg(pl.len().cast(pl.Int64).alias("times"))
    counted = (
        each.join(aligned.paths, on="path")
        .group_by(keys)
        .agg((pl.col("times") * pl.col("units")).sum().alias("deviations"), pl.col("units", "over", "converted").sum())
    )
    if view.by:
        totals = whole.group_by(view.groups).agg(pl.all().sum())
        counted = counted.join(totals, on=view.groups, nulls_equal=True)
    else:
        counted = counted.join(whole.sum(), how="cross")
    order = [False] * len(view.groups) + [True, False, False, False]
    sorted_ = counted.sort(*view.groups, "units", "kind", "step", "name", descending=order, nulls_last=True)
    return _with_effects(sorted_, view.groups).select(*view.groups, *DEVIATED)


def alignments(paths: Paths, designed: Design | Sequence[Words], view: View, *, reserved: Sequence[str]) -> Alignments:
    """Aligns every distinct path with a design at the lowest cost; a breakdown must not use the `reserved` names."""
    from analytics.engine.kernels.alignment import align

    design = designed if isinstance(designed, Design) else Design(designed)
    view.checked(paths, reserved)
    values = [word for step in (*design.steps, design.detours) for word in step]
    warn_of_unknown(unknown_words(paths, view.on, values))
    words = words_of(paths, view.on)
    distinct = distinct_paths(unit_paths(paths, view, words), view)
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
    cost = worst - 2 * matched
    measured = distinct.drop("key").with_columns(
        pl.Series("path", np.arange(len(distinct))),
        pl.Series("cost", cost),
        pl.Series("fitness", 1 - cost / worst),
    )
    return Alignments(measured, _deviations(path, done, nodes, fits, words=words, design=design))


def _deviations(
    path: Indices, done: Indices, nodes: Indices, fits: NDArray[np.bool_], *, words: pl.Series, design: Design
) -> pl.DataFrame:
    """Every deviation of every distinct path, with the columns of `Alignments.deviations`."""
    steps, paths = len(design.steps), int(path[-1]) + 1 if len(path) else 0
    before = np.maximum.accumulate(path * (steps + 1) + np.maximum(done, 0)) - path * (steps + 1) if len(path) else path
    extra = np.flatnonzero(done == 0)
    after = before[extra]
    repeated = (after > 0) & fits[after - 1, nodes[extra]]
    touches = pl.DataFrame(
        {
            "path": path[extra],
            "kind": pl.Series(np.where(repeated, "repeat", "insert"), dtype=pl.String),
            "step": pl.Series(after, dtype=pl.UInt32),
            "name": words.cast(pl.String).gather(nodes[extra]),
        }
    )
    was_done = np.zeros((paths, steps + 1), np.bool_)
    was_done[path, np.maximum(done, 0)] = True
    skipped, step = np.nonzero(~was_done[:, 1:])
    skips = pl.DataFrame(
        {
            "path": skipped,
            "kind": pl.Series(["skip"] * len(skipped), dtype=pl.String),
            "step": pl.Series(step + 1, dtype=pl.UInt32),
            "name": pl.Series(design.names, dtype=pl.String).gather(step),
        }
    )
    return pl.concat([touches, skips])


def _rate(kept: pl.Expr) -> pl.Expr:
    """The goal rate of the rows `kept`: converted of the units that are over, null without one."""
    won, over = pl.col("converted").filter(kept).sum(), pl.col("over").filter(kept).sum()
    return pl.when(over > 0).then(won / over)


def _with_intervals(table: pl.DataFrame) -> pl.DataFrame:
    low, high = wilson(table["exact"].to_numpy(), table["units"].to_numpy())
    counted, reach = pl.col("units") > 0, normal_quantile(0.95) * pl.col(" error")
    mean = pl.col("mean_fitness")
    return table.with_columns(
        pl.when(counted).then(pl.col("exact") / pl.col("units")).alias("exact_share"),
        *(pl.when(counted).then(pl.Series(b)).alias(f"exact_share_{n}") for n, b in (("low", low), ("high", high))),
        pl.when(counted).then(mean).alias("mean_fitness"),
        pl.when(counted).then((mean - reach).clip(0, 1)).alias("mean_fitness_low"),
        pl.when(counted).then((mean + reach).clip(0, 1)).alias("mean_fitness_high"),
        pl.when(counted).then("mean_cost").alias("mean_cost"),
    )


def _with_effects(table: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    """Adds the shares of units, the goal rates with and without a deviation, and their difference."""
    won, over = table["converted"].to_numpy(), table["over"].to_numpy()
    won_without, over_without = table["all_converted"].to_numpy() - won, table["all_over"].to_numpy() - over
    low, high = wilson(table["units"].to_numpy(), table["all_units"].to_numpy())
    interval = newcombe(won, over, won_without, over_without)
    columns = {
        "share_low": low,
        "share_high": high,
        "difference_low": interval.low,
        "difference_high": interval.high,
        "p_value": two_proportions_z(won, over, won_without, over_without).p_value,
        "goal_rate": _over(won, over),
        "goal_rate_without": _over(won_without, over_without),
    }
    table = table.with_columns(pl.Series(name, values).fill_nan(None) for name, values in columns.items())
    corrected = [benjamini_hochberg(part["p_value"].fill_null(np.nan).to_numpy()) for part in _parts(table, groups)]
    return table.with_columns(
        (pl.col("units") / pl.col("all_units")).alias("share"),
        (pl.col("goal_rate") - pl.col("goal_rate_without")).alias("difference"),
        pl.Series("p_corrected", np.concatenate(corrected) if corrected else [], pl.Float64).fill_nan(None),
    )


def _parts(table: pl.DataFrame, groups: list[str]) -> list[pl.DataFrame]:
    return table.partition_by(groups, maintain_order=True) if groups else [table]


def _over(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(part / whole, np.float64)
