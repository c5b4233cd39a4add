"""Adds up partials: rows of equal keys become one, with the sums of their counts and joined distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from analytics.engine.analysis import IS_TOTAL
from analytics.engine.distributions import DISTRIBUTION, condensed, distributions
from analytics.statistics.shares import customers_of, square_columns

LOWEST: Final = "lowest "
HIGHEST: Final = "highest "
"""How columns begin of which the lowest or highest value is kept, not the sum."""


MAX_TABLE: Final = 1 << 20
"""Numbers below this are looked up in a table, however few there are."""


def add_up(
    partials: Sequence[pl.DataFrame], keys: Sequence[str], schema: Mapping[str, Any], exact: Sequence[int] = ()
) -> pl.DataFrame:
    """One row per combination of `keys`, with the sums of all other columns; without keys one row, of zeros at least.

    Columns that begin with `LOWEST` or `HIGHEST` keep the lowest or highest value.

    `schema` has the columns of a partial. Values of distributions in the buckets `exact` stay as they are.

    >>> one, two = pl.DataFrame({"node": ["a"], "units": [1]}), pl.DataFrame({"node": ["a"], "units": [2]})
    >>> add_up([one, two], ["node"], one.schema).rows()
    [('a', 3)]
    """
    filled = [partial for partial in partials if len(partial)]
    table = pl.concat(filled) if filled else pl.DataFrame(schema=schema)
    sums = {name: _joined(name, dtype) for name, dtype in table.schema.items() if name not in keys}
    if keys:
        merged = table.group_by(keys, maintain_order=True).agg(**sums)
    else:
        merged = table.select(e.implode() if table.schema[name] == DISTRIBUTION else e for name, e in sums.items())
    spread = [name for name, dtype in merged.schema.items() if dtype == DISTRIBUTION]
    return merged.with_columns(condensed(merged[name], exact) for name in spread) if spread else merged


def _joined(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column of counts over several parts."""
    column = pl.col(name)
    if dtype == DISTRIBUTION:
        return column.explode(empty_as_null=False)
    return column.min() if name.startswith(LOWEST) else column.max() if name.startswith(HIGHEST) else column.sum()


def totals_first(table: pl.DataFrame, by: Sequence[str], *columns: str) -> pl.DataFrame:
    """Sorts an answer: the total first, then group by group, within each by `columns`; `-units` is largest first."""
    order = {IS_TOTAL: True, **dict.fromkeys(by, False)}
    order |= {column.removeprefix("-"): column.startswith("-") for column in columns}
    return table.sort(list(order), descending=list(order.values()), nulls_last=True)


def numbered(keys: pl.DataFrame) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """The distinct rows of a table, and the number among them of every row; without columns all rows are alike."""
    if not keys.width:
        return pl.DataFrame(height=1), np.zeros(keys.height, np.int64)
    distinct = keys.unique(maintain_order=True)
    found = distinct.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(" number"))
    joined = keys.join(found, on=keys.columns, how="left", nulls_equal=True, maintain_order="left")
    return distinct, joined[" number"].to_numpy()


def densely(numbers: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct numbers, sorted, and the position among them of every number; all are below `size`.

    >>> densely(np.array([7, 2, 7]), 10)
    (array([2, 7]), array([1, 0, 1]))
    """
    if size > 4 * len(numbers) + MAX_TABLE:
        return np.unique(numbers, return_inverse=True)
    there = np.zeros(size, np.bool_)
    there[numbers] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[numbers]


def sums_by_customer(
    cells: NDArray[np.int64],
    people: ArrayLike,
    values: Mapping[str, ArrayLike],
    size: int,
    *,
    shares: Sequence[tuple[str, str]] = (),
    people_of: Sequence[str] = (),
    units: NDArray[np.int64] | None = None,
    before: Mapping[str, ArrayLike] | None = None,
) -> pl.DataFrame:
    """One row per cell, of cells 0 to `size` - 1: the sums of `values`, and of their products by customer.

    `people` and `values` have one number per unit: its customer, and what it adds. `cells` has the cell of every unit,
    or, with `units`, that of every entry, which is of the unit `units[entry]`; a unit counts once in a cell. The units
    of a customer lie side by side, and so do the entries of a unit. `before` has, per unit, what its customer has in a
    cell besides.

    Columns: those of `values`; `customers`, who have more than nothing of the first of them; for each share (part,
    whole) its `square_columns`; and for each of `people_of` the customers who have more than nothing of it
    (`customers_of`). All are Int64.

    >>> cells, people = np.array([0, 0, 1]), np.array([7, 7, 8])
    >>> sums_by_customer(cells, people, {"units": np.ones(3), "won": np.array([1, 0, 1])}, 2).rows()
    [(2, 1, 1), (1, 1, 1)]
    """
    from analytics.engine.kernels.counts import add_by_customer

    names, empty = list(values), np.empty((0, len(values)), np.int64)
    sums, customers = np.zeros((2, size, len(names)), np.int64)
    squares = np.zeros((size, len(shares), 3), np.int64)
    add_by_customer(
        cells,
        np.arange(len(cells)) if units is None else units,
        np.asarray(people),
        _table(values, names),
        empty if before is None else _table(before, names),
        np.array([[names.index(name) for name in share] for share in shares], np.int64).reshape(-1, 2),
        sums,
        customers,
        squares,
    )
    columns = {**dict(zip(names, sums.T, strict=True)), "customers": customers[:, 0]}
    for i, (part, whole) in enumerate(shares):
        found = (*squares[:, i].T, customers[:, names.index(whole)])
        columns |= zip(square_columns(part, whole), found, strict=True)
    columns |= {customers_of(name): customers[:, names.index(name)] for name in people_of}
    return pl.DataFrame(columns)


def _table(values: Mapping[str, ArrayLike], names: Sequence[str]) -> NDArray[np.int64]:
    """One row per unit, one column per name."""
    return np.column_stack([np.asarray(values[name], np.int64) for name in names])


def counted_by_customer(
    rows: pl.DataFrame,
    keys: Sequence[str],
    counts: Sequence[str],
    *,
    distinct: Mapping[str, str] | None = None,
    spread: Sequence[str] = (),
    shares: Sequence[tuple[str, str]] = (),
    people_of: Sequence[str] = (),
    exact: Sequence[int] = (),
) -> pl.DataFrame:
    """One row per combination of `keys` in a part: the sums of `counts`, `customers`, and distributions of `spread`.

    `rows` has the number of the customer as `" person"`: no breakdown has a name with a blank before it. In every
    combination the rows of a customer lie side by side. `customers` are those with any of the first of `counts`.
    `distinct` counts the different values of a column, whose equal values lie side by side, under another name. With
    `shares` (part, whole) come the sums that their intervals need, with `people_of` the customers of these counts.
    """
    from analytics.engine.kernels.counts import count_distinct

    groups, number = numbered(rows.select(keys))
    values = {name: rows[name].to_numpy() for name in counts}
    people = rows[" person"].to_numpy()
    sums = sums_by_customer(number, people, values, len(groups), shares=shares, people_of=people_of)
    columns = [distributions(number, rows[name].to_numpy(), len(groups), exact=exact).alias(name) for name in spread]
    for name, things in (distinct or {}).items():
        found = np.zeros(len(groups), np.int64)
        count_distinct(number, rows[things].to_numpy(), found)
        columns.append(pl.Series(name, found))
    return pl.concat([groups, sums], how="horizontal").with_columns(columns)
