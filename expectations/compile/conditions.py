"""Compiles Great Expectations' row conditions to polars, and compares values as Great Expectations does.

A row condition, in JSON or as text (`text`), selects the rows that pandas' `query` selects: `!=` and `NOT_IN` hold for
null, others do not. Only polars evaluates it: Great Expectations never receives one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from expectations.compile.text import read_condition
from expectations.suites.columns import Columns, Family

_EXACT: Final = 2**53


class NotCompiled(ValueError):
    """The expectation is valid, but polars cannot evaluate it on a row with the same meaning."""


_COMPARISONS: Final[dict[str, Callable[[pl.Expr, Any], pl.Expr]]] = {
    "==": lambda value, item: value == item,
    "!=": lambda value, item: value.ne_missing(item if isinstance(item, pl.Expr) else pl.lit(item)),
    "<": lambda value, item: value < item,
    "<=": lambda value, item: value <= item,
    ">": lambda value, item: value > item,
    ">=": lambda value, item: value >= item,
}


def where(condition: Any, columns: Columns) -> pl.Expr:
    """The rows that the row condition selects, as pandas' `query` does. Raises NotCompiled for one that is invalid."""
    if isinstance(condition, str):
        try:
            condition = read_condition(condition)
        except ValueError as why:
            raise NotCompiled(str(why)) from why
    form = condition.get("type")
    if form in ("and", "or") and condition.get("conditions"):
        inner = [where(part, columns) for part in condition["conditions"]]
        return pl.all_horizontal(inner) if form == "and" else pl.any_horizontal(inner)
    if form == "nullity":
        value = columns.expression(condition["column"]["name"])
        return value.is_null() if condition["is_null"] else value.is_not_null()
    if form == "comparison":
        parts = condition["column"]["name"], condition["operator"], condition["parameter"]
        return _comparison(*parts, columns).fill_null(False)
    raise NotCompiled("its row condition is of an unknown type")


def judged(type_: str, kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    """The rows that an expectation about values evaluates: selected by its condition, with the values that it needs.

    A Boolean expression of the frame's height, without nulls.
    """
    name = kwargs.get("column") or kwargs.get("column_A") or kwargs["column_list"][0]
    given = columns.expression(name).is_not_null()
    rows = given.is_not_null()
    condition = kwargs.get("row_condition")
    if condition is not None:
        rows &= where(condition, columns)
    if "column" in kwargs:
        return rows if type_.endswith("be_null") else rows & given
    return rows & considered(kwargs, columns)


def considered(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    """For an expectation about several columns, the rows that `ignore_row_if` keeps."""
    pair = "column_A" in kwargs
    names = [kwargs["column_A"], kwargs["column_B"]] if pair else kwargs["column_list"]
    present = [columns.expression(name).is_not_null() for name in names]
    ignore = kwargs.get("ignore_row_if") or ("both_values_are_missing" if pair else "all_values_are_missing")
    if ignore in ("both_values_are_missing", "all_values_are_missing"):
        return pl.any_horizontal(present)
    if ignore in ("either_value_is_missing", "any_value_is_missing"):
        return pl.all_horizontal(present)
    if ignore not in ("neither", "never"):
        raise NotCompiled("unknown ignore_row_if")
    return pl.lit(True)


def _comparison(column: str, operator: str, parameter: Any, columns: Columns) -> pl.Expr:
    if operator in ("IN", "NOT_IN"):
        if not parameter:
            raise NotCompiled("its row condition has an empty set")
        is_member = member(column, parameter, columns).fill_null(False)
        return is_member if operator == "IN" else ~is_member
    family = columns.family(column)
    if operator not in ("==", "!=") and family not in ("number", "whole", "text", "time"):
        raise NotCompiled("its row condition orders values that have no order")
    return _COMPARISONS[operator](columns.expression(column), comparable(parameter, family))


def member(column: str, values: Iterable[Any], columns: Columns) -> pl.Expr:
    """Whether the value is in the set; null where there is no value."""
    family, value = columns.family(column), columns.expression(column)
    if family == "time":
        raise NotCompiled("a set of times")
    known = [comparable(item, family) for item in values if item is not None]
    if family in ("number", "whole"):
        value, known = value.cast(pl.Float64), [float(item) for item in known]
    dtype = {"text": pl.String, "flag": pl.Boolean}.get(family, pl.Float64)
    return value.is_in(pl.Series(known, dtype=dtype).implode())


def comparable(item: Any, family: Family) -> Any:
    """The item, when Python, pandas and polars agree on what it equals in a column of the family; else NotCompiled."""
    numeric = family in ("number", "whole") and is_number(item)
    if numeric or (family == "text" and isinstance(item, str)) or (family == "flag" and isinstance(item, bool)):
        return item
    if family == "time" and isinstance(item, str):
        return instant(item)
    raise NotCompiled("the column and a value compared with it are of different types")


def instant(text: str) -> pl.Expr:
    """A time with its zone. Raises NotCompiled for another text."""
    try:
        read = datetime.fromisoformat(text)
        moment = read.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise NotCompiled("a bound is not a time such as 2026-01-31T12:00:00+00:00") from error
    if read.tzinfo is None or "T" not in text:
        raise NotCompiled("a bound has no time zone")
    return pl.lit(moment, dtype=pl.Datetime("us", "UTC"))


def is_number(value: Any) -> bool:
    """Whether the value is a finite number that a float represents exactly."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < _EXACT
    return isinstance(value, float) and math.isfinite(value)
