"""Which counts can a reader filter without a server? A small cube: two dimensions of customers, by time of entry.

The cube is in the page, so that every cell of it is published. It is as fine as its cells allow: weeks, or else four
weeks, two dimensions or else one, such that less than 2 % of the customers are in cells of fewer than `k`. Those cells
are left out, and every count is rounded to a multiple of `k`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import polars as pl

from reports.entrants import Entrants
from reports.published import NO_VALUE

MOST_VALUES: Final = 6
OTHERS: Final = "All others"
MOST_LEFT_OUT: Final = 0.02
WEEKS: Final = (1, 4)


@dataclass(frozen=True, eq=False)
class Cube:
    """`cells`: `a`, `b` String (groups), `start` Date, `n1`, `n2`, .. Int64, customers who reached each step.

    `columns` are the one or two dimensions; `weeks` is the length of a period; `left_out` is the share of customers
    in cells that are not there. With one dimension `b` is empty.
    """

    cells: pl.DataFrame
    columns: tuple[str, ...]
    steps: tuple[str, ...]
    weeks: int
    left_out: float


def cube(entered: Entrants, columns: Sequence[str], k: int) -> Cube | None:
    """The finest cube over the first two of `columns` that may be published; null where none may be."""
    rows = entered.rows.filter(~pl.col("is_open"))
    if rows.is_empty() or not columns:
        return None
    chosen = tuple(columns[:2])
    for dimensions, weeks in product((chosen, chosen[:1]), WEEKS):
        cells = _cells(rows, dimensions, weeks, len(entered.steps))
        fine = cells.filter(pl.col("n1") >= k)
        left_out = 1 - int(fine["n1"].sum()) / rows.height
        if left_out < MOST_LEFT_OUT and fine["start"].n_unique() > 1:
            counts = pl.col(r"^n\d+$")
            rounded = fine.with_columns(((counts / k).round() * k).cast(pl.Int64)).sort("a", "b", "start")
            return Cube(rounded, dimensions, entered.steps, weeks, round(left_out, 4))
    return None


def _cells(rows: pl.DataFrame, columns: tuple[str, ...], weeks: int, steps: int) -> pl.DataFrame:
    named = rows.with_columns(
        a=_grouped(rows, columns[0]), b=_grouped(rows, columns[1]) if len(columns) > 1 else pl.lit("")
    ).with_columns(start=pl.col("entered_at").dt.truncate(f"{weeks}w").dt.date())
    sums = [(pl.col("depth") >= step).sum().cast(pl.Int64).alias(f"n{step}") for step in range(1, steps + 1)]
    return named.group_by("a", "b", "start").agg(sums)


def _grouped(rows: pl.DataFrame, column: str) -> pl.Expr:
    """The largest groups by name, the rest as one."""
    text = pl.col(column).cast(pl.String).fill_null(NO_VALUE)
    sizes = (
        rows.select(text)
        .to_series()
        .value_counts(sort=True, name="size")
        .sort("size", column, descending=[True, False])
    )
    kept = sizes[column].to_list()
    if len(kept) <= MOST_VALUES:
        return text
    return pl.when(text.is_in(kept[: MOST_VALUES - 1])).then(text).otherwise(pl.lit(OTHERS))
