"""Great Expectations accepts the catalog and every default expectation, and no value of the data leaks."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import polars as pl
import pytest

from expectations.audit import great_expectations
from expectations.errors import ConfigurationError
from expectations.suites.catalog import AUDITED, BY_VALUE, RANGE, ROW_LEVEL, SIGNATURES, UNIQUE, UNSUITED
from expectations.suites.defaults import default_suites
from expectations.suites.expectation import Expectation, absent, both, condition

SECRET = "ann@example.org"


GENERAL = {"id", "meta", "notes", "description", "severity", "catch_exceptions", "result_format", "batch_id"}
OURS = {"partition_object", "threshold", "regex"}
"""Arguments that may be left out there, with which the expectation says nothing."""
SAMPLES: dict[str, Any] = {
    "text": "a",
    "whole": 1,
    "share": 0.5,
    "flag": True,
    "time": "2026-01-31T12:00:00+00:00",
    "texts": ["a", "b"],
    "numbers": [1, 2.5],
    "pairs": [["a", "b"], [None, 1]],
    "format": "%Y-%m-%d",
    "schema": {"type": "object"},
    "quantiles": {"quantiles": [0.5], "value_ranges": [[None, 3]]},
    "partition": {"values": ["a", "b"], "weights": [0.5, 0.5]},
    "bins": {"bins": [0, 1, 2], "weights": [0.5, 0.5]},
    "condition": condition("kind", "==", "order"),
    "nullity": absent("kind"),
    "both": both(absent("kind"), condition("revenue", ">", 1)),
    "word": "any",
    "method": "iqr",
    "pair": "neither",
    "rows": "never",
}
"""One value of every kind, of which each argument takes some."""
NATURAL = {
    **{
        "column": "text",
        "columns": "texts",
        "share": "share",
        "number": "whole",
        "positive": "share",
        "whole": "whole",
    },
    **{"bound": "time", "flag": "flag", "values": "texts", "pairs": "pairs", "pattern": "text", "patterns": "texts"},
    **{"format": "format", "schema": "schema", "quantiles": "quantiles", "partition": "partition", "windows": "texts"},
    **{"relative error": "flag", "any or all": "word", "iqr or std": "method", "ignored pairs": "pair"},
    **{"ignored rows": "rows", "condition": "condition"},
}
"""A value that an argument of each type is meant to have."""


def given_arguments(type_: str) -> dict[str, Any]:
    """The arguments that an expectation cannot do without, each with a value that it is meant to have."""
    signature = SIGNATURES[type_]
    needed = {name: SAMPLES[NATURAL[kind[:-1]]] for name, kind in signature.items() if kind.endswith("!")}
    return needed | ({"min_value": 1} if signature.keys() >= RANGE else {})


def test_the_catalog_agrees_with_great_expectations() -> None:
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    known = {name for name in list_registered_expectation_implementations() if name.startswith("expect_")}
    listed = {*SIGNATURES, *UNSUITED}
    assert known <= listed
    assert SIGNATURES.keys() <= known
    assert not ROW_LEVEL.keys() & AUDITED.keys() and not SIGNATURES.keys() & UNSUITED
    assert AUDITED.keys() >= BY_VALUE and AUDITED.keys() >= UNIQUE


@pytest.mark.parametrize("type_", sorted(SIGNATURES))
def test_arguments_are_those_of_great_expectations(type_: str) -> None:
    from great_expectations.expectations.registry import get_expectation_impl

    fields = get_expectation_impl(type_).__fields__
    known = set(fields) - GENERAL - {"rendered_content", "library_metadata"}
    signature = SIGNATURES[type_]
    assert signature.keys() - {"windows"} == known - {"windows"}
    required = {name for name, field in fields.items() if field.required} - GENERAL
    needed = {name for name, kind in signature.items() if kind.endswith("!")}
    assert required <= needed <= required | OURS


@pytest.mark.parametrize("type_", sorted(SIGNATURES))
def test_arguments_found_valid_are_accepted_by_great_expectations(type_: str) -> None:
    """Otherwise a mistake would be reported only by the check, after the stream has started."""
    base = given_arguments(type_)
    sound = 0
    for name in SIGNATURES[type_]:
        for value in SAMPLES.values():
            asked = Expectation(type_, {**base, name: value})
            try:
                asked.require_valid()
            except ValueError:
                continue
            sound += 1
            if name != "windows":
                great_expectations.as_objects([asked])
    assert sound >= len(SIGNATURES[type_]) - 2  # a parser and windows have no sample


def test_valid_arguments_are_found_valid() -> None:
    for type_, signature in SIGNATURES.items():
        for name, kind in signature.items():
            if kind not in ("windows", "parser"):
                value = SAMPLES[NATURAL[kind.removesuffix("!")]]
                ends = {"max_value": value} if name == "min_value" else {}
                Expectation(type_, {**given_arguments(type_), name: value, **ends}).require_valid()


def test_every_default_expectation_is_accepted_and_described_in_words() -> None:
    for suite in default_suites():
        assert len(great_expectations.as_objects(suite.expectations)) == len(suite.expectations)
        for expectation in suite.expectations:
            prose = great_expectations.in_prose(expectation)
            assert "$" not in prose.replace("$.", "") and any(name in prose for name in expectation.columns)


def test_invalid_arguments_are_reported_with_their_location() -> None:
    wrong = Expectation("expect_column_mean_to_be_between", {"columm": "score"}, location="suite.json, line 7")
    with pytest.raises(ConfigurationError) as caught:
        great_expectations.as_objects([wrong])
    assert "suite.json, line 7" in str(caught.value) and "column" in str(caught.value)


def test_no_value_of_the_data_is_in_a_verdict() -> None:
    frame = pl.DataFrame({"email": [SECRET, SECRET, None], "score": [1.0, 2.0, 3.0]})
    asked = [
        Expectation("expect_column_values_to_be_in_set", {"column": "email", "value_set": ["x"]}),
        Expectation("expect_column_values_to_be_unique", {"column": "email"}),
        Expectation("expect_column_values_to_match_strftime_format", {"column": "email", "strftime_format": "%Y"}),
        Expectation("expect_column_distinct_values_to_be_in_set", {"column": "email", "value_set": ["x"]}),
        Expectation("expect_column_most_common_value_to_be_in_set", {"column": "email", "value_set": ["x"]}),
        Expectation("expect_column_max_to_be_between", {"column": "email", "max_value": 3}),
        Expectation("expect_column_mean_to_be_between", {"column": "score", "max_value": 1}),
    ]
    verdicts = great_expectations.evaluate_frame(frame, asked)
    assert SECRET not in repr(verdicts)
    assert [verdict.passed for verdict in verdicts] == [False] * 7
    assert verdicts[0][2:4] == (2, 2)
    assert verdicts[5].failure and verdicts[6].observed == 2.0


def test_only_the_audit_loads_great_expectations() -> None:
    light = [
        "gate",
        "suites.settings",
        "suites.vocabulary",
        "suites.file",
        "audit.datadocs",
        "audit.results",
        "audit.drift",
    ]
    light += ["audit.landed", "audit.audit"]
    modules = [f"expectations.{name}" for name in light] + [
        "ingest.service.service",
        "analytics.stitching.build",
        "journeys",
    ]
    program = f"""
import importlib, json, sys
for name in {modules!r}: importlib.import_module(name)
print(json.dumps([name for name in ("great_expectations", "pandas") if name in sys.modules]))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == []
