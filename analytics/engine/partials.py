"""Adds up partials: rows of equal keys become one, with the sums of their counts and joined distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL
from analytics.engine.distributions import DISTRIBUTION, condensed, distributions
from analytics.statistics.shares import square_sums

LOWEST: Final = "lowest "
HIGHEST: Final = "highest "
"""How columns begin of which the lowest or highest value is kept, not the sum."""


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


def counted_by_customer(
    rows: pl.DataFrame,
    keys: Sequence[str],
    counts: Sequence[pl.Expr],
    *,
    spread: Sequence[str] = (),
    share: tuple[str, str] | None = None,
    exact: Sequence[int] = (),
) -> pl.DataFrame:
    """One row per combination of `keys` in a part: `customers`, `counts`, and the distributions of columns `spread`.

    `rows` has the number of the customer as `" person"`: no breakdown has a name with a blank before it. `counts` are
    computed of each customer's rows, and added up; with `share` (part, whole) so are the sums that the interval of
    this share needs.
    """
    groups, number = numbered(rows.select(keys))
    own = rows.with_columns(pl.Series(" number", number)).group_by(" number", " person").agg(counts)
    sums = own.group_by(" number").agg(
        pl.len().cast(pl.Int64).alias("customers"),
        pl.exclude(" number", " person").sum(),
        *(square_sums(*share) if share else []),
    )
    joined = [distributions(number, rows[name].to_numpy(), len(groups), exact=exact).alias(name) for name in spread]
    return pl.concat([groups, sums.sort(" number").drop(" number")], how="horizontal").with_columns(joined)
