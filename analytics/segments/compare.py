"""How do two groups differ, cell by cell, and which differences are statistically significant?

Every measure of paths returns a table of **cells**: counts that are a share of a whole. `compare` counts the cells of
both groups in one go, computes the difference of the shares in every cell with its Newcombe interval and a
two-proportion test (pooled), both judged by customers (`analytics.statistics.shares`), and corrects the p-values over
all cells by Benjamini-Hochberg.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

import numpy as np
import polars as pl

from analytics.engine.analysis import ASKED, MEASURES, Analysis, CellRows, Cells
from analytics.engine.notices.renamed import renamed
from analytics.engine.partials import add_up
from analytics.engine.run import counted
from analytics.funnels.definition import Funnel
from analytics.funnels.scan import bound as bound_scan
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.intervals import newcombe
from analytics.statistics.shares import effective, square_columns
from analytics.statistics.tests import two_proportions_z
from analytics.store.columns import AT
from analytics.store.encoding import Dictionaries
from analytics.store.frames import as_utc
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

GROUP: Final = "group"
IS_WHOLE: Final = "is_whole"
COMPARED: Final = {
    "count": pl.Int64,
    "of": pl.Int64,
    "share": pl.Float64,
    "count_other": pl.Int64,
    "of_other": pl.Int64,
    "share_other": pl.Float64,
    "difference": pl.Float64,
    "difference_low": pl.Float64,
    "difference_high": pl.Float64,
    "p_value": pl.Float64,
    "p_corrected": pl.Float64,
}
SQUARES: Final = square_columns("count", "of")


@renamed(least="min_units")
def compare(
    paths: Paths, analysis: Callable[..., pl.DataFrame] | Funnel, *arguments: Any, group: str | pl.Expr, **options: Any
) -> pl.DataFrame:
    """Compares two groups in every cell of an analysis.

    `analysis` is a `Funnel`, or the function of a measure with cells: transitions, flow, flow_routes, step_matrix,
    variants, match, conformance, deviations, designed_steps, channels, handoffs, effort, time_to_goal, goal_times;
    `arguments` and `options` are passed to it. `group` is a condition on the unit's first touch (units that meet it
    against all others), or a column with two values (the first by name against the other); units without a value are in
    neither group. For a funnel, the condition applies to the values that its `attribution` takes, by default at the
    entry; the cells are the steps after the first, as shares of those who entered, or with `share_of="previous"` of
    those who reached the step before.

    Columns: the keys of the cells (of a funnel `step`, `name`; of effort `stage` and `measure`: repeats, backtracks,
    handoffs, errors, slow, of the touches); `count`, `of` Int64, `share` Float64 of the group; `count_other`,
    `of_other`, `share_other`; `difference` = share - share_other with its interval (Newcombe, 95 %) `difference_low`,
    `difference_high`; `p_value` (two proportions, pooled) and `p_corrected` (Benjamini-Hochberg over the cells), null
    if a group has a whole of 0. A cell that is missing in one group counts as a share of 0. Cells are sorted by the
    count of both groups, largest first; steps keep their order. Units of one customer are alike: intervals and tests
    count them for less, by the design effect. Raises `DefinitionError` for an analysis without cells, for one group or
    more than two, and for a funnel with `by`, or with group counts that do not add up (`attribution="every"`,
    `maturity="survival"`).

    >>> from analytics import Paths, match
    >>> shop = Paths.from_text({"ann": "visit@0m[device=phone] pay@5m[device=phone]", "bo": "visit@0m[device=desk]"})
    >>> compare(shop, match, "visit pay", group=pl.col("device") == "phone")["share", "share_other"].rows()
    [(1.0, 0.0)]
    """
    paths, cells = _bound(paths, analysis, *arguments, group=group, **options)
    return cells.finish(counted(paths, cells))


def compare_periods(
    paths: Paths, definition: Funnel, *, before: tuple[datetime, datetime], after: tuple[datetime, datetime]
) -> pl.DataFrame:
    """Compares those who enter a funnel in one period with those who enter it in another.

    A period is from its start (inclusive) to its end (exclusive); an entrant counts in each period that it enters, as
    in the funnel of that period alone. The group of the answer is `after`, the other one `before`. Columns as those of
    `compare` of a funnel. Entrants whose window is not over are in neither. Customers who enter in both periods make
    the intervals rather too wide, since the two groups are taken as independent. Raises `DefinitionError` for a period
    that ends before it begins, a funnel with a range of its own, and as `compare` does.

    >>> from datetime import UTC
    >>> from analytics import Paths
    >>> first, middle, last = (datetime(2024, 1, day, tzinfo=UTC) for day in (1, 8, 15))
    >>> shop = Paths.from_text({"ann": "look@0d pay@1d", "bo": "look@1d", "cy": "look@8d"}, end="40d")
    >>> found = compare_periods(shop, Funnel(["look", "pay"], "7d"), before=(first, middle), after=(middle, last))
    >>> found["share", "share_other", "of", "of_other"].rows()
    [(0.0, 0.5, 1, 2)]
    """
    if definition.start is not None or definition.end is not None:
        raise DefinitionError("The funnel has a range of its own.", expected="its periods alone", do="leave it out")
    tables = []
    for (start, end), is_later in ((after, True), (before, False)):
        if as_utc(end) <= as_utc(start):
            raise DefinitionError("A period ends before it begins.", found=f"{start} to {end}")
        own, cells = _bound(paths, replace(definition, start=start, end=end), group=pl.lit(is_later) & _IS_TOUCH)
        tables.append(counted(own, cells))
    return cells.finish(pl.concat(tables))


_IS_TOUCH: Final = pl.col(AT).is_not_null()
"""Holds for every touch: a group is an expression of a column."""


def _bound(
    paths: Paths, analysis: Callable[..., pl.DataFrame] | Funnel, *arguments: Any, group: str | pl.Expr, **options: Any
) -> tuple[Paths, CellCounts]:
    """The counts of `compare`, and the paths that they are of."""
    by = (pl.col(group) if isinstance(group, str) else group).alias(GROUP)
    limits = {name: options.pop(name) for name in ("top", "min_units") if name in options}
    if isinstance(analysis, Funnel):
        analysis, arguments = MEASURES["funnel"].function, (analysis, *arguments)
    if arguments and isinstance(arguments[0], Funnel):
        columns = tuple(dict.fromkeys(by.meta.root_names()))
        paths, _ = bound_scan(paths, replace(arguments[0], by=columns))
    measure = next((each for each in MEASURES.values() if each.function is analysis), None)
    if measure is None or measure.analysis.CELLS is None:
        known = ", ".join(["a Funnel", *(name for name, each in MEASURES.items() if each.analysis.CELLS)])
        raise DefinitionError("This analysis has no cells to compare.", expected=f"one of {known}")
    bound = measure.bound(paths, *arguments, by=by, **options)
    return paths, CellCounts(bound, measure.analysis.CELLS, bound.group_type, **limits)


def _together(paths: Paths, *arguments: Any, **options: Any) -> CellCounts:
    """The counts of `compare` beside other questions of the same paths."""
    own, cells = _bound(paths, *arguments, **options)
    if own is not paths:
        raise DefinitionError("Groups of a funnel are not compared together with others.", do="call `compare` alone")
    return cells


ASKED[compare] = _together


class Comparable(Analysis, Protocol):
    """An analysis with cells, with one breakdown column."""

    @property
    def group_type(self) -> pl.DataType:
        """The type of the breakdown column."""

    def compared(self, part: Part, words: Dictionaries) -> CellRows:
        """The rows of a part that are counted."""


@dataclass(frozen=True, eq=False)
class CellCounts:
    """Counts the cells of a measure by group, with the sums by customer that their intervals need.

    A partial has a row per cell (`count`), one per whole (`of`), and one per group; `row` says which it is.
    """

    measure: Comparable
    cells: Cells
    group_type: pl.DataType
    min_units: int = 0
    top: int | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        keys = {name: self.measure.SCHEMA.get(name, pl.String()) for name in self.cells.keys}
        counts = dict.fromkeys(("count", "of", *SQUARES), pl.Int64)
        return {GROUP: self.group_type, "row": pl.String, **keys, **counts}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The cells, wholes and groups of one part."""
        rows, keys, within = self.measure.compared(part, words), self.cells.keys, self.cells.within
        wholes = rows.wholes.group_by(GROUP, "person", *within).agg(pl.len().cast(pl.Int64).alias("n"))
        counts = pl.col("counts").sum() if "counts" in rows.cells.columns else pl.len()
        cells = rows.cells.group_by(GROUP, "person", *keys).agg(counts.cast(pl.Int64).alias("y"))
        cells = cells.join(wholes, on=[GROUP, "person", *within], nulls_equal=True)
        n, y, (nn, ny, yy, customers) = pl.col("n"), pl.col("y"), SQUARES
        tables = {
            "cell": cells.group_by(GROUP, *keys).agg(
                y.sum().alias("count"), (n * y).sum().alias(ny), (y * y).sum().alias(yy)
            ),
            "whole": wholes.group_by(GROUP, *within).agg(
                n.sum().alias("of"), (n * n).sum().alias(nn), pl.len().cast(pl.Int64).alias(customers)
            ),
            "group": rows.groups.unique().alias(GROUP).to_frame(),
        }
        named = [table.with_columns(pl.lit(row).alias("row")) for row, table in tables.items()]
        table = pl.concat([pl.DataFrame(schema=self.schema), *named], how="diagonal")
        return table.with_columns(pl.col("count", "of", *SQUARES).fill_null(0))

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the rows of parts."""
        return add_up(partials, [GROUP, "row", *self.cells.keys], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `compare`."""
        keys = list(self.cells.keys)
        every = pl.DataFrame(height=1)
        if keys:
            every = merged.filter(pl.col("row") == "cell", pl.col(GROUP).is_not_null()).select(keys).unique()
        one, other = (self._side(merged.filter(pl.col(GROUP) == value), every) for value in _two(merged[GROUP]))
        table = _with_differences(one, other).hstack(every)
        order = {"both": True, **dict.fromkeys(keys, False)} if not self.cells.in_order else dict.fromkeys(keys, False)
        ordered = table.with_columns((pl.col("count") + pl.col("count_other")).alias("both"))
        compared = ordered.sort(list(order), descending=list(order.values()), nulls_last=True).select(*keys, *COMPARED)
        common = compared.filter(pl.col("count") + pl.col("count_other") >= self.min_units)
        return common.head(self.top or len(common))

    def _side(self, own: pl.DataFrame, every: pl.DataFrame) -> pl.DataFrame:
        """The counts of one group in every cell, with the sums for its intervals; 0 where it has none."""
        keys, within = list(self.cells.keys), list(self.cells.within)
        nn, ny, yy, customers = SQUARES
        counts = own.filter(pl.col("row") == "cell").select(*keys, "count", ny, yy)
        wholes = own.filter(pl.col("row") == "whole").select(*within, "of", nn, customers)
        side = _joined(_joined(every, counts, keys), wholes, within)
        return side.select(pl.col("count", "of", *SQUARES).fill_null(0))


def _joined(table: pl.DataFrame, counts: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Adds counts with equal keys to a table, or without keys the one row of counts there is at most."""
    if keys:
        return table.join(counts, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return table.hstack(pl.concat([counts, counts.clear(1)])[:1][[0] * len(table)])


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


def _with_differences(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """The columns of a comparison, of the counts of both groups."""
    (k1, n1), (k2, n2) = (effective(side, "count", "of") for side in (one, other))
    interval, p_value = newcombe(k1, n1, k2, n2), two_proportions_z(k1, n1, k2, n2).p_value
    alike = (k1 + k2 == 0) | (k1 + k2 == n1 + n2)
    p_value = np.where(alike, np.where((n1 > 0) & (n2 > 0), 1.0, np.nan), p_value)
    shares = [pl.when(side["of"] > 0).then(side["count"] / side["of"]) for side in (one, other)]
    computed = {
        "difference_low": interval.low,
        "difference_high": interval.high,
        "p_value": p_value,
        "p_corrected": benjamini_hochberg(p_value),
    }
    return one.select("count", "of").with_columns(
        other["count"].alias("count_other"),
        other["of"].alias("of_other"),
        shares[0].alias("share"),
        shares[1].alias("share_other"),
        (shares[0] - shares[1]).alias("difference"),
        *(pl.Series(name, values, pl.Float64).fill_nan(None) for name, values in computed.items()),
    )
