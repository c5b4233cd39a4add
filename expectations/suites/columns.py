"""The columns that rules see: in a form that polars and pandas read alike, with derived columns.

The gate evaluates rules in polars, the audit in pandas. Both take the columns from here, so that they see the same
values: decimals become floating-point numbers, NaN becomes null, dates become timestamps, and of lists and maps only
remains whether they are empty.

| derived column      | what                                                                       |
| ------------------- | -------------------------------------------------------------------------- |
| `seconds_late`      | from `occurred_at` to `received_at`; negative for an event in the future   |
| `from_file`         | whether it was loaded from a file, not read from a stream                  |
| `score_is_finite`   | whether `score` is a number, not infinite and not NaN                      |
| `item_count`        | number of items of an order                                                |
| `properties.<name>` | a field of `properties` as text                                            |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from expectations import contract

Family = Literal["text", "number", "whole", "time", "flag", "present"]
"""The type of values for comparisons. `present`: only whether there is a value (lists, maps, structs)."""

PROPERTY: Final = "properties."
_DERIVED: Final[dict[str, tuple[Callable[[], pl.Expr], Family, frozenset[str]]]] = {
    "seconds_late": (
        lambda: (pl.col(contract.RECEIVED_AT) - pl.col(contract.OCCURRED_AT)).dt.total_microseconds() / 1e6,
        "number",
        frozenset({contract.RECEIVED_AT, contract.OCCURRED_AT}),
    ),
    "from_file": (
        lambda: pl.col(contract.TOPIC).str.starts_with(contract.FROM_FILE),
        "flag",
        frozenset({contract.TOPIC}),
    ),
    "score_is_finite": (lambda: pl.col("score").is_finite(), "flag", frozenset({"score"})),
    "item_count": (pl.col("items").list.len, "whole", frozenset({"items"})),
}


@dataclass(frozen=True)
class Columns:
    """The columns of a frame with this schema, and those derived from them.

    >>> Columns(contract.EVENTS).family("revenue")
    'number'
    """

    schema: pl.Schema

    @property
    def names(self) -> list[str]:
        """Every column that a rule may name, without the fields of `properties`."""
        return [*self.schema, *(name for name, (_, _, needed) in _DERIVED.items() if needed <= self.schema.keys())]

    def __contains__(self, name: str) -> bool:
        return name in self.names or (name.startswith(PROPERTY) and "properties" in self.schema)

    def family(self, name: str) -> Family:
        """What the values of `name` can be compared with; KeyError when there is no such column."""
        if name in self.schema:
            return _family(self.schema[name])
        if name not in self:
            raise KeyError(name)
        return _DERIVED[name][1] if name in _DERIVED else "text"

    def expression(self, name: str) -> pl.Expr:
        """The column in the form that rules see; KeyError when there is none."""
        if name in self.schema:
            return _judged(pl.col(name), self.schema[name])
        if name not in self:
            raise KeyError(name)
        if name in _DERIVED:
            return _DERIVED[name][0]()
        quoted = name.removeprefix(PROPERTY).replace("\\", "\\\\").replace("'", "\\'")
        return pl.col("properties").str.json_path_match(f"$['{quoted}']")

    def frame(self, rows: pl.LazyFrame, names: list[str]) -> pl.DataFrame:
        """The rows with the columns `names`, in the form that rules see."""
        return rows.select(self.expression(name).alias(name) for name in names).collect(engine="streaming")


def _family(dtype: pl.DataType) -> Family:
    if isinstance(dtype, pl.String | pl.Enum | pl.Categorical):
        return "text"
    if dtype.is_integer():
        return "whole"
    if dtype.is_numeric() or isinstance(dtype, pl.Duration):
        return "number"
    if isinstance(dtype, pl.Datetime | pl.Date):
        return "time"
    return "flag" if isinstance(dtype, pl.Boolean) else "present"


def _judged(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.String | pl.Boolean) or dtype.is_integer():
        return column
    if isinstance(dtype, pl.Enum | pl.Categorical):
        return column.cast(pl.String)
    if isinstance(dtype, pl.Duration):
        return column.dt.total_microseconds() / 1e6
    if dtype.is_numeric():
        return column.cast(pl.Float64).fill_nan(None)
    if isinstance(dtype, pl.Datetime | pl.Date):
        return _instant(column, dtype)
    if isinstance(dtype, pl.List | pl.Array | pl.Map):
        length = column.map.len() if isinstance(dtype, pl.Map) else column.list.len()
        return pl.when(length > 0).then(pl.lit(True))
    return pl.when(column.is_not_null()).then(pl.lit(True))


def _instant(column: pl.Expr, dtype: pl.Datetime | pl.Date) -> pl.Expr:
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return column.dt.convert_time_zone("UTC").cast(contract.TIME)
    return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
