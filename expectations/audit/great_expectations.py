"""Converts expectations to objects of Great Expectations, and evaluates them on a frame.

The only module that loads Great Expectations and pandas. Loading takes seconds, so the audit imports it only for
expectations that polars cannot evaluate. The audit passes it no row condition, regular expression or JSON schema: it
would run text as code, search without a limit of time, and fetch addresses. No value of a customer leaves it: results
contain counts, shares and numbers measured over many rows, never rows, strings of the data or messages of exceptions.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import polars as pl

from expectations.audit.findings import Outcome
from expectations.errors import ConfigurationError
from expectations.suites.catalog import ROW_LEVEL
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
"""Counts only: every other format writes values of the data into results and pages."""


_SINGLE: Final = ("expect_column_max_to_be_between", "expect_column_min_to_be_between")
"""These observe the value of a single row, so the value is not reported."""


def as_objects(expectations: Sequence[Expectation]) -> list[GxExpectation]:
    """The expectations as objects of Great Expectations, in the same order.

    Raises:
        ConfigurationError: Great Expectations rejects an argument.
    """
    return [_object(expectation) for expectation in expectations]


def evaluate_frame(frame: pl.DataFrame, expectations: Sequence[Expectation]) -> list[Outcome]:
    """Evaluate expectations on a frame whose columns have the form of `columns.Columns.frame`.

    >>> from expectations.suites.expectation import Expectation
    >>> asked = Expectation("expect_column_values_to_not_be_null", {"column": "a"})
    >>> evaluate_frame(pl.DataFrame({"a": ["x", None]}), [asked])[0].failed
    1
    """
    results = evaluate(frame, expectations, _RESULT_FORMAT)
    return [_outcome(*pair) for pair in zip(expectations, results, strict=True)]


def unexpected_rows(frame: pl.DataFrame, expectations: Sequence[Expectation]) -> list[tuple[list[int], str]]:
    """For each expectation about values: the indexes of the unexpected rows, and the exception if any.

    >>> asked = Expectation("expect_column_values_to_not_be_null", {"column": "a"})
    >>> unexpected_rows(pl.DataFrame({"a": ["x", None]}), [asked])
    [([1], '')]
    """
    results = evaluate(frame, expectations, {"result_format": "COMPLETE"})
    return [
        (
            list((result.get("result") or {}).get("unexpected_index_list") or []),
            _failure(result.get("exception_info") or {}),
        )
        for result in results
    ]


def evaluate(
    frame: pl.DataFrame | pd.DataFrame, expectations: Sequence[Expectation], result_format: dict[str, Any]
) -> list[dict[str, Any]]:
    """The results of Great Expectations for the frame, in the order of the expectations.

    With a result format other than that of `judge` they may contain values of the data.
    """
    if not expectations:
        return []
    with _python_strings():
        pandas = frame.to_pandas() if isinstance(frame, pl.DataFrame) else frame
        batch = _whole_frame().get_batch({"dataframe": pandas})
        numbered = [_object(expectation, position) for position, expectation in enumerate(expectations)]
        suite = gx.ExpectationSuite(name="check", expectations=numbered)
        validated = batch.validate(suite, result_format=result_format).results
    results: list[dict[str, Any]] = [result.to_json_dict() for result in validated]
    return sorted(results, key=lambda result: int(result["expectation_config"]["meta"]["position"]))


def in_prose(expectation: Expectation) -> str:
    """The expectation in the wording of Great Expectations, as plain text."""
    described = _object(expectation)
    described.render()
    rendered = next(iter(described.rendered_content or []), None)
    if rendered is None or not rendered.value.template:
        return expectation.name
    return _filled(str(rendered.value.template), rendered.value.to_json_dict().get("params") or {})


def _filled(template: str, params: Any) -> str:
    for name in sorted(params, key=len, reverse=True):
        template = template.replace(f"${name}", str(params[name]["value"]))
    return template


def _object(expectation: Expectation, position: int = 0) -> GxExpectation:
    written = expectation.as_json()
    implementation = get_expectation_impl(expectation.type)
    arguments = {
        **written["kwargs"],
        "severity": written["severity"],
        "meta": {**written["meta"], "position": position},
    }
    try:
        return implementation(**arguments)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"Great Expectations rejects {expectation.type}.",
            where=expectation.location or expectation.name,
            found="; ".join(str(error).splitlines()[1:3]) or str(error),
        ) from error


@cache
def _whole_frame() -> BatchDefinition[Any]:
    """The batch definition for any frame. One context per process, since each creates a folder for unused pages."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all")


@contextmanager
def _python_strings() -> Iterator[None]:
    """Strings as Python objects (Arrow uses another regular expression engine), and no warnings about patterns."""
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
    """The type of the exception; its message is left out because it may quote the data."""
    for each in [info, *(value for value in info.values() if isinstance(value, dict))]:
        if each.get("raised_exception"):
            trace = str(each.get("exception_traceback") or "").strip().splitlines()
            return trace[-1].split(":", 1)[0].rsplit(".", 1)[-1] if trace else "Exception"
    return ""
