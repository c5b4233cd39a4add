"""How do two groups differ, cell by cell, and which differences are statistically significant?

Every analysis of paths returns a table of **cells**: counts that are a share of a total. `compare` runs an analysis
once for both groups, computes the difference of the shares in every cell with its Newcombe interval and a
two-proportion test (pooled), and corrects the p-values over all cells by Benjamini-Hochberg.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl

from analytics.engine.conditions import one_of
from analytics.experience.channels import channels, handoffs
from analytics.experience.effort import effort
from analytics.funnels.definition import Funnel
from analytics.funnels.funnel import funnel
from analytics.paths.conformance import conformance, deviations
from analytics.paths.flow import flow, flow_routes
from analytics.paths.patterns import match
from analytics.paths.step_matrices import step_matrix
from analytics.paths.transitions import transitions
from analytics.paths.variants import variants
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.intervals import newcombe
from analytics.statistics.tests import two_proportions_z
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

Analysis = Callable[..., pl.DataFrame]
GROUP: Final = "group"
COMPARED: Final = (
    "count",
    "of",
    "share",
    "count_other",
    "of_other",
    "share_other",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_corrected",
)
FRICTION: Final = ("repeats", "backtracks", "handoffs", "errors", "slow")


@dataclass(frozen=True)
class Cells:
    """The cells of an analysis: the key columns, the count column, and the total of which it is a share.

    `of` names the column of the total. If it is empty, the total is the sum of the counts with equal `within` columns.
    """

    keys: tuple[str, ...]
    count: str
    within: tuple[str, ...] = ()
    of: str = ""


CELLS: Final[dict[Analysis, Cells]] = {
    transitions: Cells(("source", "target"), "transitions", ("source",)),
    flow: Cells(("position", "source", "target"), "units", ("position", "source")),
    flow_routes: Cells(("route", "ended"), "units"),
    step_matrix: Cells(("position", "node"), "units", ("position",)),
    variants: Cells(("path",), "units"),
    match: Cells((), "matching", of="units"),
    conformance: Cells((), "exact", of="units"),
    deviations: Cells(("kind", "step", "name"), "units"),
    channels: Cells(("reach", "channel"), "units", of="all units"),
    handoffs: Cells(("source", "target"), "handoffs", ("source",)),
    effort: Cells(("stage", "measure"), "touches with it", of="touches"),
}


def compare(
    paths: Paths, analysis: Analysis | Funnel, *arguments: Any, group: str | pl.Expr, **options: Any
) -> pl.DataFrame:
    """Compares two groups in every cell of an analysis.

    `analysis` is a `Funnel`, or one of transitions, flow, flow_routes, step_matrix, variants, match, conformance,
    deviations, channels, handoffs, effort; `arguments` and `options` are passed to it. `group` is a condition on the
    unit's first touch (units that meet it against all others), or a column with two values (the first by name against
    the other); units without a value are in neither group. For a funnel, the condition applies to the values that its
    `attribution` takes, by default at the entry; the cells are the steps after the first, as shares of those who
    entered, or with `share_of="previous"` of those who reached the step before.

    Columns: the keys of the cells (of a funnel `step`, `name`; of effort `stage` and `measure`: repeats, backtracks,
    handoffs, errors, slow, of the touches); `count`, `of` Int64, `share` Float64 of the group; `count_other`,
    `of_other`, `share_other`; `difference` = share - share_other with its interval (Newcombe, 95 %) `difference_low`,
    `difference_high`; `p_value` (two proportions, pooled) and `p_corrected` (Benjamini-Hochberg over the cells), null
    if a group has a total of 0. A cell that is missing in one group counts as a share of 0. Cells are sorted by the
    count of both groups, largest first; steps keep their order. Shares of transitions and hand-offs treat every one as
    independent. Raises `DefinitionError` for an analysis without cells, for one group or more than two, and for a
    funnel with `by`, or with group counts that do not add up (`attribution="every"`, `maturity="survival"`).

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0m[device=phone] pay@5m[device=phone]", "bo": "visit@0m[device=desk]"})
    >>> compare(shop, match, "visit pay", group=pl.col("device") == "phone")["share", "share_other"].rows()
    [(1.0, 0.0)]
    """
    by = pl.col(group) if isinstance(group, str) else group
    if analysis is funnel and arguments:
        analysis, *arguments = arguments  # type: ignore[assignment]
    if isinstance(analysis, Funnel):
        return _steps(paths, analysis, by, **options)
    if analysis not in CELLS:
        known = ", ".join(["a Funnel", *(getattr(each, "__name__", "") for each in CELLS)])
        raise DefinitionError("This analysis has no cells to compare.", expected=f"one of {known}")
    cells = CELLS[analysis]
    limits = {name: options.pop(name) for name in ("top", "least") if name in options and analysis is variants}
    table = analysis(paths, *arguments, by=by.alias(GROUP), **options)
    table = _long(table) if analysis is effort else table
    if analysis is channels:
        table = table.filter((pl.col("reach") == "several") | pl.col("channel").is_not_null())
    if cells.of == "all units":
        units = (pl.col("units") / pl.col("share")).round().cast(pl.Int64)
        table = table.with_columns(units.alias(cells.of))
    table = table.filter(pl.col(GROUP).is_not_null())
    selection = {name: options[name] for name in ("unit", "among") if name in options}
    first, other = _two(step_matrix(paths, 1, by=by.alias(GROUP), **selection)[GROUP])
    if analysis is deviations:
        wholes = conformance(paths, *arguments, by=by.alias(GROUP), **options).select(GROUP, of="units")
        one, two = (_side(table, cells, value, wholes) for value in (first, other))
    else:
        one, two = (_side(table, cells, value) for value in (first, other))
    compared = _compared(one, two, cells)
    common = compared.filter(pl.col("count") + pl.col("count_other") >= limits.get("least", 1)) if limits else compared
    return common.head(limits.get("top") or len(common))


def _steps(paths: Paths, asked: Funnel, by: pl.Expr, share_of: str = "entered") -> pl.DataFrame:
    """Compares the steps of a funnel after the first."""
    one_of("share_of", share_of, ("entered", "previous"))
    if asked.by or asked.attribution.startswith("every") or asked.maturity == "survival":
        raise DefinitionError(
            "The group counts of this funnel cannot be added up.",
            expected="a funnel without `by`, of maturity mature or clip, and one value per customer",
            found=f"by {list(asked.by)}, maturity {asked.maturity}, attribution {asked.attribution}",
        )
    table = funnel(paths, replace(asked, by=tuple(dict.fromkeys(by.meta.root_names()))))
    counts = (
        table.filter(~pl.col("is_total"))
        .with_columns(by.alias(GROUP))
        .filter(pl.col(GROUP).is_not_null())
        .group_by(GROUP, "step", "name")
        .agg(pl.col("reached", "entered").sum())
    )
    first, other = _two(counts[GROUP])
    before = [asked.previous(step) for step in range(1, len(asked.steps) + 1)]
    reached = counts.select(GROUP, pl.col("step").alias("before"), pl.col("reached").alias("previous"))
    counts = counts.with_columns(
        pl.col("step").replace_strict(range(1, len(before) + 1), before, return_dtype=pl.UInt32).alias("before")
    ).join(reached, on=[GROUP, "before"])
    cells = Cells(("step", "name"), "reached", of=share_of)
    one, two = (_side(counts.filter(pl.col("step") > 1), cells, value) for value in (first, other))
    return _compared(one, two, cells).sort("step")


def _two(groups: pl.Series) -> tuple[Any, Any]:
    """The values of the two groups."""
    values = groups.drop_nulls().unique().sort().to_list()
    if groups.dtype == pl.Boolean:
        return True, False
    if len(values) != 2:
        raise DefinitionError(
            "Two groups can be compared.", expected="a column with two values", found=str(len(values))
        )
    return values[0], values[1]


def _side(
    table: pl.DataFrame, cells: Cells, value: Any, wholes: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The counts of one group by cell, and the totals of which they are shares."""
    own = table.filter(pl.col(GROUP) == value)
    counts = own.select(*cells.keys, pl.col(cells.count).alias("count"))
    if not cells.keys and own.is_empty():
        return pl.DataFrame({"count": [0]}), pl.DataFrame({"of": [0]})
    if wholes is not None:
        return counts, wholes.filter(pl.col(GROUP) == value).select("of")
    if cells.of:
        keys = [name for name in ("stage", "step") if name in cells.keys]
        return counts, own.select(*keys, pl.col(cells.of).alias("of")).unique()
    if not cells.within:
        return counts, counts.select(pl.col("count").sum().alias("of"))
    return counts, counts.group_by(cells.within).agg(pl.col("count").sum().alias("of"))


def _compared(
    one: tuple[pl.DataFrame, pl.DataFrame], two: tuple[pl.DataFrame, pl.DataFrame], cells: Cells
) -> pl.DataFrame:
    """Joins the cells of both groups and adds their differences."""
    keys = list(cells.keys)
    two = (two[0].rename({"count": "count_other"}), two[1].rename({"of": "of_other"}))
    if keys:
        both = one[0].join(two[0], on=keys, how="full", coalesce=True, nulls_equal=True)
    else:
        both = pl.concat([one[0], two[0]], how="horizontal")
    for _, whole in (one, two):
        on = [name for name in whole.columns if name in keys]
        both = both.join(whole, on=on, how="left", nulls_equal=True) if on else _beside(both, whole)
    both = both.with_columns(pl.col("count", "count_other", "of", "of_other").fill_null(0))
    k1, n1, k2, n2 = (both[name].to_numpy() for name in ("count", "of", "count_other", "of_other"))
    interval, p_value = newcombe(k1, n1, k2, n2), two_proportions_z(k1, n1, k2, n2).p_value
    p_value = np.where((k1 + k2 == 0) | (k1 + k2 == n1 + n2), np.where((n1 > 0) & (n2 > 0), 1.0, np.nan), p_value)
    columns = {"difference_low": interval.low, "difference_high": interval.high, "p_value": p_value}
    columns["p_corrected"] = benjamini_hochberg(p_value)
    return (
        both.with_columns(pl.Series(name, values, pl.Float64).fill_nan(None) for name, values in columns.items())
        .with_columns(
            pl.when(pl.col("of") > 0).then(pl.col("count") / pl.col("of")).alias("share"),
            pl.when(pl.col("of_other") > 0).then(pl.col("count_other") / pl.col("of_other")).alias("share_other"),
        )
        .with_columns((pl.col("share") - pl.col("share_other")).alias("difference"))
        .sort(pl.col("count") + pl.col("count_other"), *keys, descending=[True, *[False] * len(keys)])
        .select(*keys, *COMPARED)
    )


def _beside(table: pl.DataFrame, whole: pl.DataFrame) -> pl.DataFrame:
    """Adds the one total of a group as a column to every row."""
    name = whole.columns[0]
    return table.with_columns(pl.lit(whole[name].max() or 0, pl.Int64).alias(name))


def _long(table: pl.DataFrame) -> pl.DataFrame:
    """Friction as one row per stage and measure."""
    return table.unpivot(
        FRICTION, index=[GROUP, "stage", "touches"], variable_name="measure", value_name="touches with it"
    )
