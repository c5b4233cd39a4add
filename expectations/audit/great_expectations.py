"""Suites as Great Expectations' own objects, and its verdict on a frame. The only module that loads it, and pandas.

Loading takes seconds, so nothing but the audit imports this module. No value of a customer leaves it: results carry
counts, shares and numbers that were measured over many rows, never rows, texts or messages of exceptions.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, NamedTuple

import polars as pl

from expectations.compile.conditions import judged
from expectations.errors import ConfigurationError
from expectations.suites.catalog import ROW_LEVEL
from expectations.suites.columns import Columns
from expectations.suites.expectation import Expectation

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when the library is loaded
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import great_expectations as gx
    import pandas as pd
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.expectation import Expectation as GxExpectation
    from great_expectations.expectations.registry import get_expectation_impl

_RESULT_FORMAT: Final = {"result_format": "SUMMARY", "partial_unexpected_count": 0}
"""Counts only. Every other format writes values of the data into results and pages."""


_SINGLE: Final = ("expect_column_max_to_be_between", "expect_column_min_to_be_between")
"""What they observe is the value of one row, so it is not told."""


class Outcome(NamedTuple):
    """The verdict on one expectation over `judged` rows with a value, `failed` of them against it.

    For an expectation about many rows both are null and `observed` is what was measured, where that is a number.
    `failure` names the exception when Great Expectations could not evaluate it; `passed` is False then.
    """

    expectation: Expectation
    passed: bool
    judged: int | None
    failed: int | None
    observed: float | None
    failure: str


def as_objects(expectations: Sequence[Expectation]) -> list[GxExpectation]:
    """The expectations as Great Expectations' objects, in their order.

    Raises:
        ConfigurationError: Great Expectations refuses an argument.
    """
    return [_object(expectation) for expectation in expectations]


def judge(frame: pl.DataFrame, expectations: Sequence[Expectation]) -> list[Outcome]:
    """Let Great Expectations judge a frame, whose columns are in their judged form (`columns.Columns.frame`).

    >>> from expectations.suites.expectation import Expectation
    >>> asked = Expectation("expect_column_values_to_not_be_null", {"column": "a"})
    >>> judge(pl.DataFrame({"a": ["x", None]}), [asked])[0].failed
    1
    """
    results = evaluate(frame, expectations, _RESULT_FORMAT)
    return [_outcome(*pair) for pair in zip(expectations, results, strict=True)]


def unexpected(frame: pl.DataFrame, expectations: Sequence[Expectation]) -> list[tuple[list[int], str]]:
    """For each expectation about values: the places of the rows that Great Expectations reports, and its exception.

    >>> asked = Expectation("expect_column_values_to_not_be_null", {"column": "a"})
    >>> unexpected(pl.DataFrame({"a": ["x", None]}), [asked])
    [([1], '')]
    """
    results = evaluate(frame, expectations, {"result_format": "COMPLETE"})
    return [
        (
            list((each.get("result") or {}).get("unexpected_index_list") or []),
            _failure(each.get("exception_info") or {}),
        )
        for each in results
    ]


def within_ends(numbers: pl.DataFrame) -> list[bool]:
    """Whether each `value` is at least `least` and at most `most`; an end that is null is none."""
    pairs = (("value", "least"), ("most", "value"))
    either = {"or_equal": True, "ignore_row_if": "either_value_is_missing"}
    asked = [
        Expectation("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": a, "column_B": b, **either})
        for a, b in pairs
    ]
    beyond = {place for places, _ in unexpected(numbers.select("value", "least", "most"), asked) for place in places}
    return [place not in beyond for place in range(numbers.height)]


def selected(frame: pl.DataFrame, expectation: Expectation) -> pl.Series:
    """The rows that Great Expectations selects by the row condition of an expectation, and that hold what it needs."""
    row = frame.with_row_index("_row")
    kwargs = {
        key: expectation.kwargs[key] for key in ("row_condition", "condition_parser") if key in expectation.kwargs
    }
    none = Expectation("expect_column_values_to_be_in_set", {"column": "_row", "value_set": [-1], **kwargs})
    places, _ = unexpected(row, [none])[0]
    asked = {key: value for key, value in expectation.kwargs.items() if key != "row_condition"}
    given = row.select(judged(expectation.type, asked, Columns(frame.schema)).alias("given"))["given"]
    return given & row["_row"].is_in(places)


def evaluate(
    frame: pl.DataFrame | pd.DataFrame, expectations: Sequence[Expectation], result_format: dict[str, Any]
) -> list[dict[str, Any]]:
    """Great Expectations' own results for the frame, in the order of the expectations.

    A result format other than that of `judge` may put values of the data into them.
    """
    if not expectations:
        return []
    with _python_strings():
        pandas = frame.to_pandas() if isinstance(frame, pl.DataFrame) else frame
        batch = _whole_frame().get_batch({"dataframe": pandas})
        numbered = [_object(each, place) for place, each in enumerate(expectations)]
        suite = gx.ExpectationSuite(name="asked", expectations=numbered)
        found = batch.validate(suite, result_format=result_format).results
    results: list[dict[str, Any]] = [each.to_json_dict() for each in found]
    return sorted(results, key=lambda result: int(result["expectation_config"]["meta"]["place"]))


def in_prose(expectation: Expectation) -> str:
    """The expectation in Great Expectations' words, as plain text."""
    found = _object(expectation)
    found.render()
    rendered = next(iter(found.rendered_content or []), None)
    if rendered is None or not rendered.value.template:
        return expectation.name
    return _filled(str(rendered.value.template), rendered.value.to_json_dict().get("params") or {})


def _filled(template: str, params: Any) -> str:
    for name in sorted(params, key=len, reverse=True):
        template = template.replace(f"${name}", str(params[name]["value"]))
    return template


def _object(expectation: Expectation, place: int = 0) -> GxExpectation:
    written = expectation.as_json()
    implementation = get_expectation_impl(expectation.type)
    arguments = {**written["kwargs"], "severity": written["severity"], "meta": {**written["meta"], "place": place}}
    try:
        return implementation(**arguments)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"Great Expectations refuses {expectation.type}.",
            where=expectation.place or expectation.name,
            found="; ".join(str(error).splitlines()[1:3]) or str(error),
        ) from error


@cache
def _whole_frame() -> BatchDefinition[Any]:
    """Any frame as a batch. One context a process: each makes a folder of its own for pages that nobody asked for."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all")


@contextmanager
def _python_strings() -> Iterator[None]:
    """Texts as Python objects (Arrow's are matched by another regular expression engine), and no hints on patterns."""
    with pd.option_context("mode.string_storage", "python"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _outcome(expectation: Expectation, result: dict[str, Any]) -> Outcome:
    measured = result.get("result") or {}
    observed = measured.get("observed_value")
    number = float(observed) if isinstance(observed, int | float) and not isinstance(observed, bool) else None
    rows = expectation.type in ROW_LEVEL or "unexpected_count" in measured
    return Outcome(
        expectation,
        passed=bool(result["success"]),
        judged=measured.get("element_count", 0) - (measured.get("missing_count") or 0) if rows else None,
        failed=measured.get("unexpected_count", 0) if rows else None,
        observed=None if expectation.type in _SINGLE else number,
        failure=_failure(result.get("exception_info") or {}),
    )


def _failure(info: dict[str, Any]) -> str:
    """The type of the exception; its message may quote the data."""
    for each in [info, *(value for value in info.values() if isinstance(value, dict))]:
        if each.get("raised_exception"):
            trace = str(each.get("exception_traceback") or "").strip().splitlines()
            return trace[-1].split(":", 1)[0].rsplit(".", 1)[-1] if trace else "Exception"
    return ""
