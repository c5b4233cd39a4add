"""Expectations about rows and duplicates in plain English, as results and data docs show them.

Great Expectations has words for all types, but loading it takes seconds; `in_words` has those that need no library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from expectations.suites.expectation import Expectation

_MOST: Final = 20
"""Values of a set that are listed."""
_COMPARED: Final[Mapping[str, str]] = {
    "==": "is",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
    "IN": "is one of",
    "NOT_IN": "is none of",
}


def in_words(expectation: Expectation) -> str:
    """The expectation as a sentence; empty for a type that needs the words of Great Expectations.

    >>> in_words(Expectation("expect_column_values_to_be_in_set", {"column": "kind", "value_set": ["order"]}))
    'kind is one of: order.'
    >>> where = {"type": "nullity", "column": {"name": "revenue"}, "is_null": False}
    >>> asked = {"column": "currency", "row_condition": where, "mostly": 0.995}
    >>> in_words(Expectation("expect_column_values_to_not_be_null", asked))
    'Where revenue has a value: currency has a value, in at least 99.5 % of rows.'
    """
    sentence = _SENTENCES.get(expectation.type)
    if sentence is None:
        return ""
    condition, share = expectation.kwargs.get("row_condition"), expectation.kwargs.get("mostly", 1)
    where = f"Where {_condition(condition)}: " if condition else ""
    mostly = f", in at least {100 * share:.12g} % of rows" if share != 1 else ""
    return f"{where}{sentence(expectation.kwargs)}{mostly}."


def _condition(written: Any) -> str:
    """A row condition in words; one that is text stays as it is."""
    if isinstance(written, str):
        return written
    if written["type"] in ("and", "or"):
        parts = map(_condition, written["conditions"])
        return f" {written['type']} ".join(f"({part})" if " and " in part or " or " in part else part for part in parts)
    name = written["column"]["name"]
    if written["type"] == "nullity":
        return f"{name} has {'no' if written['is_null'] else 'a'} value"
    return f"{name} {_COMPARED[written['operator']]} {_listed(written['parameter'])}"


def _listed(values: Any) -> str:
    if not isinstance(values, list | tuple | set | frozenset):
        return str(values)
    shown = [str(value) for value in list(values)[:_MOST]]
    return ", ".join(shown) + (f" and {len(values) - _MOST} more" if len(values) > _MOST else "")


def _range(kwargs: Mapping[str, Any]) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    ends = []
    if low is not None:
        ends.append(f"{'more than' if kwargs.get('strict_min') else 'at least'} {_number(low)}")
    if high is not None:
        ends.append(f"{'less than' if kwargs.get('strict_max') else 'at most'} {_number(high)}")
    return " and ".join(ends)


def _number(value: Any) -> str:
    return f"{value:,.12g}" if isinstance(value, float) else str(value)


def _column(words: str, argument: str = "") -> Callable[[Mapping[str, Any]], str]:
    """A sentence about a column, with an argument at its end."""
    return lambda kwargs: f"{kwargs['column']} {words}" + (f" {_listed(kwargs[argument])}" if argument else "")


def _pair(words: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda kwargs: f"{kwargs['column_A']} {words} {kwargs['column_B']}"


def _many(words: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda kwargs: f"{_all(kwargs['column_list'])} {words}"


def _all(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _in_pairs(kwargs: Mapping[str, Any]) -> str:
    pairs = [f"({a}, {b})" for a, b in kwargs["value_pairs_set"] or []]
    return f"({kwargs['column_A']}, {kwargs['column_B']}) is one of: {_listed(pairs)}"


_SENTENCES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "expect_column_values_to_not_be_null": _column("has a value"),
    "expect_column_values_to_be_null": _column("has no value"),
    "expect_column_values_to_be_in_set": _column("is one of:", "value_set"),
    "expect_column_values_to_not_be_in_set": _column("is none of:", "value_set"),
    "expect_column_values_to_be_between": lambda kwargs: f"{kwargs['column']} is {_range(kwargs)}",
    "expect_column_value_lengths_to_be_between": lambda kwargs: f"{kwargs['column']} has {_range(kwargs)} characters",
    "expect_column_value_lengths_to_equal": lambda kwargs: f"{kwargs['column']} has {kwargs['value']} characters",
    "expect_column_values_to_match_regex": _column("matches", "regex"),
    "expect_column_values_to_not_match_regex": _column("does not match", "regex"),
    "expect_column_values_to_match_regex_list": lambda kwargs: (
        f"{kwargs['column']} matches {kwargs.get('match_on') or 'any'} of: {_listed(kwargs['regex_list'])}"
    ),
    "expect_column_values_to_not_match_regex_list": _column("matches none of:", "regex_list"),
    "expect_column_pair_values_to_be_equal": _pair("equals"),
    "expect_column_pair_values_a_to_be_greater_than_b": lambda kwargs: _pair(
        "is at least" if kwargs.get("or_equal") else "is more than"
    )(kwargs),
    "expect_column_pair_values_to_be_in_set": _in_pairs,
    "expect_multicolumn_sum_to_equal": lambda kwargs: f"{_many('add up to')(kwargs)} {kwargs['sum_total']}",
    "expect_multicolumn_values_to_be_equal": _many("are equal"),
    "expect_select_column_values_to_be_unique_within_record": _many("are all different"),
    "expect_column_values_to_be_unique": _column("is in no other row of the day"),
    "expect_compound_columns_to_be_unique": _many("together are in no other row of the day"),
}
