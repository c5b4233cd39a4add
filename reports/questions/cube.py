"""Builds the cube behind the Explore page: mature journeys by up to two dimensions and by the period they begin in.

The page has the whole cube, so every cell is published. The cube is as fine as privacy allows: weeks, otherwise four
weeks; two dimensions, otherwise one; such that less than 2 % of the journeys fall into cells of fewer than `k`
customers. Those cells are left out and every count is rounded to a multiple of `k`. Where a sum is published elsewhere
(all customers, or a group of one dimension), extra rows correct the rounding, so that these sums equal the other pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import polars as pl

from reports.privacy.stages import NO_VALUE
from reports.questions.people.groups import told_apart

MAX_GROUPS: Final = 6
OTHERS: Final = "All others"
MAX_LEFT_OUT: Final = 0.02
WEEKS: Final = (1, 4)
PublishedCounts = Mapping[tuple[str | None, str | None], Sequence[int | None]]
"""Counts by step, keyed by the group of the first and of the second dimension (null: all). Withheld counts are null."""


@dataclass(frozen=True, eq=False)
class Cube:
    """`cells`: `a`, `b` String (groups), `start` Date, `n1`, `n2`, .. Int64, journeys that reached each step.

    `columns` are the one or two dimensions; `weeks` is the length of a period; `left_out` is the share of journeys
    in cells that were left out. With one dimension `b` is empty. Rows without a `start` are corrections: the difference
    between the published sum of group `a`, of group `b`, or of all, and the sum of its cells. They may be negative.
    """

    cells: pl.DataFrame
    columns: tuple[str, ...]
    steps: tuple[str, ...]
    weeks: int
    left_out: float


def build_cube(
    counts_of: Callable[[tuple[str, ...]], pl.DataFrame],
    steps: Sequence[str],
    columns: Sequence[str],
    k: int,
    published: PublishedCounts | None = None,
) -> Cube | None:
    """The finest cube over the first two of `columns` that may be published; null where none may be.

    `counts_of` gives a stage funnel by columns and by week: the columns, `period`, `step`, `reached`, `customers`.
    `published` comes from `published_counts`.
    """
    chosen = tuple(columns[:2])
    for dimensions, weeks in product(dict.fromkeys((chosen, chosen[:1])), WEEKS if chosen else ()):
        rows = counts_of(dimensions).filter(pl.col("reached") > 0)
        whole = int(rows.filter(pl.col("step") == 1)["reached"].sum())
        if not whole:
            return None
        cells = _cells(rows, dimensions, weeks, len(steps))
        fine = cells.filter(pl.col("customers") >= k).drop("customers")
        left_out = 1 - int(fine["n1"].sum()) / whole
        if left_out < MAX_LEFT_OUT and fine["start"].n_unique() > 1:
            numbers = pl.col(r"^n\d+$")
            rounded = fine.with_columns(((numbers / k).round() * k).cast(pl.Int64)).sort("a", "b", "start")
            table = pl.concat([rounded, _corrections(rounded, published or {})])
            return Cube(table, dimensions, tuple(steps), weeks, round(left_out, 4))
    return None


def published_counts(stages: pl.DataFrame, segments: pl.DataFrame | None, names: Sequence[str]) -> PublishedCounts:
    """The counts by step that the report publishes for all customers and for the groups of the dimensions `names`.

    In: the published frames of `reports.privacy.stages`.
    """
    counts_of: dict[tuple[str | None, str | None], list[int | None]] = {}
    if segments is not None:
        for position, name in enumerate(names[:2]):
            of_one = segments.filter(pl.col("dimension") == name).sort("step")
            for (group,), rows in of_one.filter(pl.col("segment") != OTHERS).group_by("segment", maintain_order=True):
                counts = [rows["previous"][0], *rows["reached"]]
                counts_of[(str(group), None) if position == 0 else (None, str(group))] = counts
    return counts_of | {(None, None): stages.sort("step")["reached"].to_list()}


def _corrections(cells: pl.DataFrame, published: PublishedCounts) -> pl.DataFrame:
    """Rows that make the sums of the cells equal the published counts; groups first, since they are part of all."""
    rows: list[dict[str, Any]] = []
    counts = [name for name in cells.columns if name.startswith("n")]
    for (a, b), totals in sorted(published.items(), key=lambda item: item[0] == (None, None)):
        inside = cells.filter(*(pl.col(name) == group for name, group in (("a", a), ("b", b)) if group is not None))
        if inside.is_empty():
            continue
        before = rows if a is None and b is None else []
        summed = {name: int(inside[name].sum()) + sum(row[name] for row in before) for name in counts}
        differences = {n: 0 if count is None else count - summed[n] for n, count in zip(counts, totals, strict=True)}
        rows.append({"a": a, "b": b, "start": None, **differences})
    return pl.DataFrame(rows, schema=cells.schema, orient="row")


def _cells(rows: pl.DataFrame, columns: tuple[str, ...], weeks: int, steps: int) -> pl.DataFrame:
    """Journeys by cell, and a number of distinct customers that each has at least: those of its largest part."""
    named = rows.with_columns(
        a=_grouped(rows, columns[0]), b=_grouped(rows, columns[1]) if len(columns) > 1 else pl.lit("")
    ).with_columns(start=pl.col("period").dt.date().dt.truncate(f"{weeks}w"))
    is_first = pl.col("step") == 1
    sums = [
        pl.col("reached").filter(pl.col("step") == step).sum().cast(pl.Int64).alias(f"n{step}")
        for step in range(1, steps + 1)
    ]
    most = pl.col("customers").filter(is_first).max().fill_null(0).alias("customers")
    return named.group_by("a", "b", "start").agg(*sums, most)


def _grouped(rows: pl.DataFrame, column: str) -> pl.Expr:
    """The name of each row's group; all but the largest groups are one."""
    text = told_apart(pl.col(column)).fill_null(NO_VALUE)
    sizes = rows.filter(pl.col("step") == 1).group_by(text).agg(pl.col("reached").sum())
    kept = sizes.sort("reached", column, descending=[True, False])[column].to_list()
    if len(kept) <= MAX_GROUPS:
        return text
    return pl.when(text.is_in(kept[: MAX_GROUPS - 1])).then(text).otherwise(pl.lit(OTHERS))
