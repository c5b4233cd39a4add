"""Great Expectations knows the catalog, takes every default expectation, and no value of the data leaks."""

from __future__ import annotations

import json
import subprocess
import sys

import polars as pl
import pytest

from expectations import suites
from expectations.catalog import AUDITED, ROW_LEVEL, UNSUITED
from expectations.defaults import default_suites
from expectations.errors import ConfigurationError
from expectations.expectation import Expectation

SECRET = "ann@example.org"


def test_the_catalog_names_what_great_expectations_knows() -> None:
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    known = {name for name in list_registered_expectation_implementations() if name.startswith("expect_")}
    listed = {*ROW_LEVEL, *AUDITED, *UNSUITED}
    assert known <= listed
    assert {*ROW_LEVEL, *AUDITED} <= known
    assert not (set(ROW_LEVEL) & AUDITED) and not (AUDITED & UNSUITED) and not (set(ROW_LEVEL) & UNSUITED)


@pytest.mark.parametrize("type_", sorted(ROW_LEVEL))
def test_arguments_of_row_level_expectations_are_those_of_great_expectations(type_: str) -> None:
    from great_expectations.expectations.registry import get_expectation_impl

    fields = get_expectation_impl(type_).__fields__
    allowed, needed = ROW_LEVEL[type_]
    general = {"id", "meta", "notes", "description", "severity", "catch_exceptions", "result_format", "batch_id"}
    known = set(fields) - general - {"rendered_content"}
    assert allowed - {"windows"} <= known | {"windows"}
    assert known <= allowed
    assert {name for name, field in fields.items() if field.required} - general <= needed


def test_every_default_expectation_is_taken_and_told_in_words() -> None:
    for suite in default_suites():
        assert len(suites.as_objects(suite.expectations)) == len(suite.expectations)
        for expectation in suite.expectations:
            prose = suites.in_prose(expectation)
            assert "$" not in prose.replace("$.", "") and any(name in prose for name in expectation.columns)


def test_impossible_arguments_are_told_with_their_place() -> None:
    wrong = Expectation("expect_column_mean_to_be_between", {"columm": "score"}, place="suite.json, line 7")
    with pytest.raises(ConfigurationError) as caught:
        suites.as_objects([wrong])
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
    verdicts = suites.judge(frame, asked)
    assert SECRET not in repr(verdicts)
    assert [verdict.passed for verdict in verdicts] == [False] * 7
    assert verdicts[0][2:4] == (2, 2)
    assert verdicts[5].failure and verdicts[6].observed == 2.0


def test_verdicts_on_parts_add_up_to_the_verdict_on_all() -> None:
    frame = pl.DataFrame({"a": ["x", "y", None, "x", "x", "x"]})
    asked = [Expectation("expect_column_values_to_be_in_set", {"column": "a", "value_set": ["x"], "mostly": 0.8})]
    parts = [suites.judge(part, asked)[0] for part in (frame[:2], frame[2:])]
    assert [part.passed for part in parts] == [False, True]
    assert suites.together(parts) == suites.judge(frame, asked)[0]


def test_only_the_audit_loads_great_expectations() -> None:
    light = ["gate", "rules", "vocabulary", "suitefile", "datadocs", "checks", "drift", "landed", "audit"]
    modules = [f"expectations.{name}" for name in light] + ["ingest.loop", "analytics.stitching", "journeys"]
    program = f"""
import importlib, json, sys
for name in {modules!r}: importlib.import_module(name)
print(json.dumps([name for name in ("great_expectations", "pandas") if name in sys.modules]))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == []
