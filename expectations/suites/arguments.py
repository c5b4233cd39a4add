"""Validates the arguments of expectations by type, without loading Great Expectations.

Each check raises ValueError with a reason. Missing and null arguments are not checked here.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

_OPERATORS: Final = ("==", "!=", "<", "<=", ">", ">=", "IN", "NOT_IN")
_QUOTED: Final = re.compile(r"`([^`]+)`")
_REFERENCES: Final = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})


def require(type_: str, name: str, value: Any) -> None:
    """Raise ValueError, with the argument's name and what it expects, when the value is invalid.

    >>> require("share", "mostly", 2)
    Traceback (most recent call last):
    ValueError: mostly: expected a share between 0 and 1, found 2
    """
    if isinstance(value, dict) and "$PARAMETER" in value:
        raise ValueError(f"{name}: parameters of a suite are not supported; write the value")
    expected, holds = TYPES[type_]
    if not holds(value):
        raise ValueError(f"{name}: expected {expected}, found {value!r}")


def columns_of(row_condition: object) -> Iterator[str]:
    """The columns named by a row condition, JSON or text for pandas; may contain duplicates."""
    if isinstance(row_condition, str):
        tree = ast.parse(_QUOTED.sub("_quoted", row_condition.strip()), mode="eval")
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - {"_quoted"}
        yield from sorted({*names, *_QUOTED.findall(row_condition)})
    elif isinstance(row_condition, dict):
        if isinstance(row_condition.get("column"), dict):
            yield str(row_condition["column"].get("name"))
        for inner in row_condition.get("conditions") or []:
            yield from columns_of(inner)


def require_range(low: Any, high: Any) -> None:
    """Raise ValueError when the ends of a range are in the wrong order."""
    both = (_is_number(low) and _is_number(high)) or (isinstance(low, str) and isinstance(high, str))
    if both and low > high:
        raise ValueError(f"min_value {low} is greater than max_value {high}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_bound(value: Any) -> bool:
    if not isinstance(value, str):
        return _is_number(value)
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_pattern(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"the regular expression {value!r} does not compile: {error}") from error
    return True


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_list(is_item: Callable[[Any], bool], min_length: int = 1) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and len(value) >= min_length and all(map(is_item, value))


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_scalar, value))


def is_time_format(value: Any) -> bool:
    """Whether the value is a format of `strptime`.

    >>> is_time_format("%d.%m.%Y"), is_time_format("%H:%M%.f")
    (True, False)
    """
    if not isinstance(value, str):
        return False
    try:
        datetime.strptime(datetime(2026, 1, 31, tzinfo=UTC).strftime(value), value)  # noqa: DTZ007 - the result is discarded
    except ValueError:
        return False
    return True


def _is_schema(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for

    try:
        validator_for(value).check_schema(value)
    except SchemaError as error:
        raise ValueError(f"the JSON schema is invalid: {error.message}") from error
    for inner in _tables(value):
        for key in _REFERENCES & inner.keys():
            if isinstance(inner[key], str) and not inner[key].startswith("#"):
                raise ValueError(f"the JSON schema refers to {inner[key]!r}; only its own parts (#/...) can be read")
        if isinstance(inner.get("patternProperties"), dict):
            raise ValueError("the JSON schema has patternProperties, which are not supported; name the properties")
    return True


def patterns_of(schema: object) -> Iterator[str]:
    """The regular expressions of a JSON schema."""
    yield from (inner["pattern"] for inner in _tables(schema) if isinstance(inner.get("pattern"), str))


def _tables(value: object) -> Iterator[dict[str, Any]]:
    """All objects within a value of JSON."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _tables(inner)


def _is_quantiles(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != {"quantiles", "value_ranges"}:
        return False
    quantiles, ranges = value["quantiles"], value["value_ranges"]
    ends = _is_list(lambda end: end is None or _is_number(end), 2)
    fits = _is_list(_is_share)(quantiles) and _is_list(lambda each: ends(each) and len(each) == 2)(ranges)
    return fits and len(quantiles) == len(ranges)


def _is_partition(value: Any) -> bool:
    if not isinstance(value, dict) or not value.keys() <= {"values", "bins", "weights", "tail_weights"}:
        return False
    weights, values, bins = value.get("weights"), value.get("values"), value.get("bins")
    if not isinstance(weights, list) or not _is_list(_is_share)(weights) or (values is None) is (bins is None):
        return False
    if isinstance(values, list):
        return _is_list(_is_scalar)(values) and len(values) == len(weights)
    if not isinstance(bins, list) or not _is_list(_is_number, 2)(bins):
        return False
    return all(a < b for a, b in pairwise(bins)) and len(bins) == len(weights) + 1


def _is_condition(value: Any) -> bool:
    if isinstance(value, str):
        try:
            return bool(value.strip()) and list(columns_of(value)) != []
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ValueError(f"row_condition: {value[:100]!r} is not a valid expression for pandas") from error
    if not isinstance(value, dict):
        return False
    form, column = value.get("type"), value.get("column")
    if form in ("and", "or"):
        return _is_list(lambda part: isinstance(part, dict) and _is_condition(part))(value.get("conditions"))
    if not isinstance(column, dict) or not _is_name(column.get("name")):
        return False
    if form == "nullity":
        return isinstance(value.get("is_null"), bool)
    if form != "comparison" or value.get("operator") not in _OPERATORS or "parameter" not in value:
        return False
    listed = value["operator"] in ("IN", "NOT_IN")
    return _is_list(_is_scalar)(value["parameter"]) if listed else _is_scalar(value["parameter"])


def _one_of(*words: str) -> tuple[str, Callable[[Any], bool]]:
    return " or ".join(words), lambda value: value in words


TYPES: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "column": ("the name of a column", _is_name),
    "columns": ("a list of columns", _is_list(_is_name)),
    "share": ("a share between 0 and 1", _is_share),
    "number": ("a number", _is_number),
    "positive": ("a number above 0", lambda value: _is_number(value) and value > 0),
    "whole": ("a whole number", _is_whole),
    "bound": ("a number, or a time such as 2026-01-31T12:00:00+00:00", _is_bound),
    "flag": ("true or false", lambda value: isinstance(value, bool)),
    "values": ("a list of values", _is_list(_is_scalar)),
    "pairs": ("a list of pairs of values", _is_list(_is_pair)),
    "pattern": ("a regular expression", _is_pattern),
    "patterns": ("a list of regular expressions", _is_list(_is_pattern)),
    "format": ("a time format such as %Y-%m-%d", is_time_format),
    "schema": ("a JSON schema", _is_schema),
    "quantiles": ('{"quantiles": [shares], "value_ranges": [[min, max], ...]}, one range per share', _is_quantiles),
    "partition": (
        '{"values": [...], "weights": [shares]}, or "bins" in ascending order with one weight fewer',
        _is_partition,
    ),
    "relative error": ("true, false or a word", lambda value: isinstance(value, bool | str)),
    "any or all": _one_of("any", "all"),
    "iqr or std": _one_of("iqr", "std"),
    "parser": _one_of("pandas"),
    "ignored pairs": _one_of("both_values_are_missing", "either_value_is_missing", "neither"),
    "ignored rows": _one_of("all_values_are_missing", "any_value_is_missing", "never"),
    "condition": (f"a comparison ({', '.join(_OPERATORS)}), a nullity, or several joined by and, or", _is_condition),
    "windows": ("a list", lambda value: isinstance(value, list)),
}
"""For each type of argument, what it expects in words, and the check."""
