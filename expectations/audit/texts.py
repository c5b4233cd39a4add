"""Evaluates expectations about JSON schemas, in bounded time and without the network.

Great Expectations would search with Python's `re`, without a limit of time, and fetch the addresses of a schema. Here
polars searches, and a schema refers only to its own parts, at most `MAX_REFERENCES` times for one value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

import polars as pl
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from expectations.compile.patterns import translate
from expectations.suites.expectation import Expectation

MAX_REFERENCES: Final = 10_000
"""References of a schema that are followed for one value."""
SCHEMA: Final = "expect_column_values_to_match_json_schema"


def misfits(values: pl.DataFrame, expectation: Expectation) -> tuple[list[int], str]:
    """The indexes of the rows that do not fit a schema, and the name of the exception if any; no row condition.

    >>> asked = Expectation(SCHEMA, {"column": "a", "json_schema": {"type": "array"}})
    >>> misfits(pl.DataFrame({"a": ["[]", "{}", None]}), asked)
    ([1], '')
    """
    fits = _validity(expectation.kwargs["json_schema"])
    texts = values[expectation.kwargs["column"]]
    try:
        return [row for row, text in enumerate(texts) if text is not None and not fits(json.loads(text))], ""
    except (ValueError, TypeError, RecursionError, Unresolvable) as error:
        return [], type(error).__name__


def _validity(schema: dict[str, Any]) -> Callable[[object], bool]:
    """A function that says whether a value fits the schema."""
    known = validator_for(schema)
    left = [0]

    def counted(keyword: str) -> Callable[..., Iterator[ValidationError]]:
        def follow(validator: Any, ref: Any, instance: Any, inside: Any) -> Iterator[ValidationError]:
            left[0] -= 1
            if left[0] < 0:
                raise RecursionError
            yield from known.VALIDATORS[keyword](validator, ref, instance, inside) or ()

        return follow

    following = {word: counted(word) for word in ("$ref", "$dynamicRef", "$recursiveRef") if word in known.VALIDATORS}
    validator = extend(known, {"pattern": _pattern, **following})(schema, registry=Registry())

    def fits(value: object) -> bool:
        left[0] = MAX_REFERENCES
        return bool(validator.is_valid(value))

    return fits


def _pattern(validator: Any, pattern: str, instance: Any, inside: Any) -> Iterator[ValidationError]:  # noqa: ARG001
    if isinstance(instance, str) and not pl.Series([instance]).str.contains(_translated(pattern)).item():
        yield ValidationError("another text")


@cache
def _translated(pattern: str) -> str:
    return translate(pattern)
