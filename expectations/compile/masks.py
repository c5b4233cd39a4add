"""Selects the rows that Great Expectations reports as unexpected, with one polars expression per type of expectation.

The pandas engine of Great Expectations defines the meaning of an expectation; a property test compares the two on
random rows. Where polars cannot express that meaning, `NotCompiled` is raised with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import combinations
from operator import add
from typing import Any, Final

import polars as pl

from expectations.compile.conditions import NotCompiled, comparable, considered, instant, is_number, member, where
from expectations.compile.patterns import Untranslatable, translate
from expectations.suites.columns import Columns, Family
from expectations.suites.expectation import Expectation

Builder = Callable[[Mapping[str, Any], Columns], pl.Expr]
_MAX_PAIRS: Final = 200


def unexpected(expectation: Expectation, columns: Columns) -> pl.Expr:
    """The rows that fail the expectation, as a Boolean expression without nulls.

    Raises:
        NotCompiled: the expectation needs many rows at once, or has another meaning in polars.
    """
    if expectation.kwargs.get("mostly", 1) != 1:
        raise NotCompiled("it is about a share of rows (mostly)")
    builder = BUILDERS.get(expectation.type)
    if builder is None:
        raise NotCompiled("it needs many rows at once, or only Python can evaluate it")
    mask = builder(expectation.kwargs, columns)
    condition = expectation.kwargs.get("row_condition")
    return (mask & where(condition, columns)).fill_null(False) if condition else mask.fill_null(False)


def alone(expectation: Expectation) -> Expectation:
    """The expectation about every row, without its row condition and its share of rows."""
    without = ("mostly", "row_condition", "condition_parser")
    return replace(expectation, kwargs={key: arg for key, arg in expectation.kwargs.items() if key not in without})


def _not_null(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    return columns.expression(kwargs["column"]).is_null()


def _null(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    return columns.expression(kwargs["column"]).is_not_null()


def _in_set(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    if kwargs["value_set"] is None:
        return pl.lit(False)
    return ~member(kwargs["column"], kwargs["value_set"], columns)


def _not_in_set(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    return pl.lit(False) if kwargs["value_set"] is None else member(kwargs["column"], kwargs["value_set"], columns)


def _between(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    column = kwargs["column"]
    family = columns.family(column)
    return _outside(columns.expression(column), family, kwargs)


def _lengths_between(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    return _outside(_text(kwargs["column"], columns).str.len_chars(), "number", kwargs)


def _length_equal(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    return _text(kwargs["column"], columns).str.len_chars().ne(_number(kwargs["value"]))


def _regex(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    return ~_matches(kwargs["column"], kwargs["regex"], columns)


def _not_regex(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    return _matches(kwargs["column"], kwargs["regex"], columns)


def _regex_list(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    matches = _each_pattern(kwargs, columns)
    match_on = kwargs.get("match_on") or "any"
    if match_on not in ("any", "all"):
        raise NotCompiled("match_on is neither any nor all")
    return ~(pl.any_horizontal(matches) if match_on == "any" else pl.all_horizontal(matches))


def _not_regex_list(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    return pl.any_horizontal(_each_pattern(kwargs, columns))


def _outside(value: pl.Expr, family: Family, kwargs: Mapping[str, Any]) -> pl.Expr:
    low, high = (_bound(kwargs.get(name), family) for name in ("min_value", "max_value"))
    outside = []
    if low is not None:
        outside.append(value <= low if kwargs.get("strict_min") else value < low)
    if high is not None:
        outside.append(value >= high if kwargs.get("strict_max") else value > high)
    return outside[0] if len(outside) == 1 else outside[0] | outside[1]


def _bound(value: Any, family: Family) -> pl.Expr | None:
    if value is None:
        return None
    if family in ("number", "whole") and is_number(value):
        return pl.lit(value)
    if family == "time" and isinstance(value, str):
        return instant(value)
    raise NotCompiled("the column and its bounds have different types, or are text")


def _number(value: Any) -> pl.Expr:
    if not is_number(value):
        raise NotCompiled("an argument is not a number")
    return pl.lit(value)


def _text(column: str, columns: Columns) -> pl.Expr:
    if columns.family(column) != "text":
        raise NotCompiled("the column is not text")
    return columns.expression(column)


def _matches(column: str, pattern: str, columns: Columns) -> pl.Expr:
    try:
        return _text(column, columns).str.contains(translate(pattern))
    except (Untranslatable, re.error) as why:
        raise NotCompiled(f"the regular expression cannot be matched in linear time: {why}") from why


def _each_pattern(kwargs: Mapping[str, Any], columns: Columns) -> list[pl.Expr]:
    if not kwargs["regex_list"]:
        raise NotCompiled("the list of regular expressions is empty")
    return [_matches(kwargs["column"], pattern, columns) for pattern in kwargs["regex_list"]]


def _pair(kwargs: Mapping[str, Any], columns: Columns) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Both columns, and the rows to evaluate."""
    left, right = (columns.expression(kwargs[name]) for name in ("column_A", "column_B"))
    return left, right, considered(kwargs, columns)


def _pair_equal(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    _same_family([kwargs["column_A"], kwargs["column_B"]], columns)
    left, right, judged = _pair(kwargs, columns)
    return judged & ~(left == right).fill_null(False)


def _pair_greater(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    if _same_family([kwargs["column_A"], kwargs["column_B"]], columns) not in ("number", "whole", "time"):
        raise NotCompiled("the columns are neither numbers nor times")
    left, right, judged = _pair(kwargs, columns)
    greater = left >= right if kwargs.get("or_equal") else left > right
    return judged & ~greater.fill_null(False)


def _pair_in_set(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    pairs = kwargs["value_pairs_set"]
    if pairs is None:
        return pl.lit(False)
    if not 0 < len(pairs) <= _MAX_PAIRS or kwargs.get("row_condition"):
        raise NotCompiled(
            f"it has no pair, more than {_MAX_PAIRS} pairs, or a row condition, which it does not support"
        )
    families = [columns.family(kwargs[name]) for name in ("column_A", "column_B")]
    left, right, judged = _pair(kwargs, columns)
    equal = [_is(left, a, families[0]) & _is(right, b, families[1]) for a, b in pairs]
    return judged & ~pl.any_horizontal(equal)


def _is(value: pl.Expr, item: Any, family: Family) -> pl.Expr:
    return value.is_null() if item is None else (value == comparable(item, family)).fill_null(False)


def _many(kwargs: Mapping[str, Any], columns: Columns) -> tuple[list[pl.Expr], pl.Expr]:
    """All columns, and the rows to evaluate."""
    return [columns.expression(name) for name in kwargs["column_list"]], considered(kwargs, columns)


def _sum_equal(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    if _same_family(kwargs["column_list"], columns) != "whole":
        raise NotCompiled("only sums of whole numbers are compared; others depend on the order of addition")
    values, judged = _many(kwargs, columns)
    total = reduce(add, (value.cast(pl.Int64) for value in values))
    return judged & ~(total == _number(kwargs["sum_total"])).fill_null(False)


def _all_equal(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    _same_family(kwargs["column_list"], columns)
    values, judged = _many(kwargs, columns)
    return judged & pl.any_horizontal(values[0].ne_missing(value) for value in values)


def _all_different(kwargs: Mapping[str, Any], columns: Columns) -> pl.Expr:
    if len(kwargs["column_list"]) < 2:
        raise NotCompiled("it names fewer than two columns")
    _same_family(kwargs["column_list"], columns)
    values, judged = _many(kwargs, columns)
    return judged & pl.any_horizontal(a.eq_missing(b) for a, b in combinations(values, 2))


def _same_family(names: Sequence[str], columns: Columns) -> Family:
    families = {columns.family(name) for name in names}
    if len(families) != 1 or families == {"present"}:
        raise NotCompiled("the columns have different types")
    return families.pop()


BUILDERS: Final[dict[str, Builder]] = {
    "expect_column_values_to_not_be_null": _not_null,
    "expect_column_values_to_be_null": _null,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_not_be_in_set": _not_in_set,
    "expect_column_values_to_be_between": _between,
    "expect_column_value_lengths_to_be_between": _lengths_between,
    "expect_column_value_lengths_to_equal": _length_equal,
    "expect_column_values_to_match_regex": _regex,
    "expect_column_values_to_not_match_regex": _not_regex,
    "expect_column_values_to_match_regex_list": _regex_list,
    "expect_column_values_to_not_match_regex_list": _not_regex_list,
    "expect_column_pair_values_to_be_equal": _pair_equal,
    "expect_column_pair_values_a_to_be_greater_than_b": _pair_greater,
    "expect_column_pair_values_to_be_in_set": _pair_in_set,
    "expect_multicolumn_sum_to_equal": _sum_equal,
    "expect_multicolumn_values_to_be_equal": _all_equal,
    "expect_select_column_values_to_be_unique_within_record": _all_different,
}

PATTERNS: Final = frozenset(type_ for type_ in BUILDERS if "regex" in type_)
"""Expectations with regular expressions: polars evaluates them, also those that the gate cannot enforce."""
