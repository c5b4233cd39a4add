"""Row conditions that are text select what pandas selects, and no text is run as code."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations import contract
from expectations.audit.audit import check
from expectations.audit.landed import Table
from expectations.compile.compile import compile_own, require_evaluable
from expectations.compile.conditions import where
from expectations.compile.text import read_condition
from expectations.errors import ConfigurationError
from expectations.lake.layout import Lake
from expectations.suites.columns import Columns
from expectations.suites.expectation import Expectation, Suite
from expectations.suites.file import read_suite
from expectations.suites.settings import ExpectationSettings

SCHEMA = pl.Schema({"word": pl.String, "other word": pl.String, "amount": pl.Float64, "count": pl.Int64})
ATOMS = [
    *("amount > 1", "1 <= amount", "0 < amount <= 2", "-1 == count", "count in [1, 2]", "count not in (1, 2)"),
    *(
        "word == 'a'",
        '"b" != word',
        "word in ['a', 'b']",
        "word.isnull()",
        "word.notna()",
        "word.isna()",
        "word.notnull()",
        "`other word` == 'a'",
    ),
]
ATTACKS = [
    "event_name.__init__.__globals__.get('sys').modules.get('os').system('touch {marker}') == 0",
    "@pd.io.common.os.system('touch {marker}') == 0",
    "__import__('os').system('touch {marker}')",
    "event_name.str.len() > 9**9**9",
    "event_name == (lambda: open('{marker}', 'w'))()",
    "[open('{marker}', 'w') for _ in 'a'] == event_name",
    'event_name == f\'{open("{marker}", "w")}\'',
    "(event_name := 1) == 1",
    "event_name[open('{marker}', 'w')] == 1",
    "`event_name`.map(print).isnull()",
    "event_name == channel",
    "event_name",
    "(" * 500 + "event_name == 1" + ")" * 500,
    "not " * 5000 + "event_name.isnull()",
    "event_name == 'a'\x00",
    "event_name == 'a' if 1 else 2",
    "event_name is None",
    "event_name == 1j",
    "event_name.query('1', inplace=True)",
]


def combined(atoms: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (
        atoms.map("not ({})".format)
        | atoms.map("~({})".format)
        | st.tuples(atoms, st.sampled_from(["and", "or"]), atoms).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})")
        | st.tuples(atoms, st.sampled_from("&|"), atoms).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})")
    )


rows = st.lists(
    st.fixed_dictionaries(
        {
            "word": st.none() | st.sampled_from(["a", "b", ""]),
            "other word": st.none() | st.sampled_from(["a", "b"]),
            "amount": st.none() | st.sampled_from([-1.0, 0.0, 1.0, 1.5, 2.0]),
            "count": st.integers(-1, 3),
        }
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(given_rows=rows, text=st.recursive(st.sampled_from(ATOMS), combined, max_leaves=4))
def test_a_text_selects_the_rows_that_pandas_selects(given_rows: list[dict[str, Any]], text: str) -> None:
    frame = pl.DataFrame(given_rows, schema=SCHEMA)
    found = frame.with_row_index().filter(where(text, Columns(SCHEMA)))["index"].to_list()
    pandas = pd.DataFrame({name: frame[name].to_list() for name in SCHEMA})
    assert found == pandas.query(text, engine="python").index.to_list(), text


def suite_of(folder: Path, expectation: dict[str, Any]) -> Path:
    path = folder / "suite.json"
    path.write_text(json.dumps({"name": "s", "expectations": [expectation]}), encoding="utf-8")
    return path


def refused(folder: Path, expectation: dict[str, Any]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        compile_own([read_suite(suite_of(folder, expectation))])
    assert "suite.json, line 1" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_text_that_is_more_than_a_condition_is_refused_with_its_line_and_not_run(tmp_path: Path, attack: str) -> None:
    marker = tmp_path / "ran"
    kwargs = {
        "column": "event_name",
        "condition_parser": "pandas",
        "row_condition": attack.replace("{marker}", str(marker)),
    }
    began = time.monotonic()
    refused(tmp_path, {"type": "expect_column_values_to_not_be_null", "kwargs": kwargs})
    assert not marker.exists() and time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"regex": "(a(?=b))"}, "assert"),
        ({"regex": r"(a)\1"}, "groupref"),
        ({"regex": "((a{1,1000}){1,1000}){1,1000}"}, "too large"),
        ({"regex": "(" * 5000 + ")" * 5000}, "compile"),
    ],
)
def test_a_pattern_without_a_linear_search_is_refused_with_its_line(
    tmp_path: Path, kwargs: dict[str, Any], said: str
) -> None:
    for more in ({}, {"mostly": 0.5}):
        asked = {"column": "event_name", **kwargs, **more}
        assert said in refused(tmp_path, {"type": "expect_column_values_to_match_regex", "kwargs": asked})


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/evil.json"},
        {"properties": {"a": {"items": {"$ref": "file:///etc/passwd"}}}},
        {"$ref": "other.json"},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$dynamicRef": "https://x.example/#a"},
        {"patternProperties": {"(a+)+$": {}}},
        {"properties": {"a": {"pattern": "(?=a)"}}},
    ],
)
def test_a_schema_that_reaches_outside_itself_is_refused_with_its_line(tmp_path: Path, schema: dict[str, Any]) -> None:
    kwargs = {"column": "properties", "json_schema": schema}
    refused(tmp_path, {"type": "expect_column_values_to_match_json_schema", "kwargs": kwargs})


@pytest.mark.parametrize(
    "text",
    [
        '{"expectations":' + "[" * 5000 + "]" * 5000 + "}",
        '{"expectations":' + "[" * 100 + "]" * 100 + "}",
        '{"expectations":[' + "9" * 5000 + "]}",
        '{"expectations":[],"meta":"x"}',
        '{"expectations":[],"meta":{"table":["events"]}}',
        '{"expectations":[],"meta":{"kind":{}}}',
    ],
)
def test_a_suite_of_an_odd_shape_is_refused_in_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "suite.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"suite\.json"):
        read_suite(path)


def test_a_check_ends_soon_whatever_the_texts(tmp_path: Path) -> None:
    """Python's search would take years for the pattern, and the schema visits two to the power of forty parts."""
    definitions = {f"d{n}": {"allOf": [{"$ref": f"#/definitions/d{n + 1}"}] * 2} for n in range(40)} | {"d40": {}}
    asked = [
        Expectation("expect_column_values_to_match_regex", {"column": "event_name", "regex": r"^(\w+\s?)*$"}),
        Expectation(
            "expect_column_values_to_match_regex",
            {"column": "event_name", "regex": r"^(a|aa)+$", "mostly": 0.5, "row_condition": "kind == 'order'"},
            "warn",
        ),
        Expectation(
            "expect_column_values_to_match_json_schema",
            {"column": "properties", "json_schema": {"properties": {"a": {"pattern": "^(a+)+$"}}}},
        ),
        Expectation(
            "expect_column_values_to_match_json_schema",
            {"column": "properties", "json_schema": {"$ref": "#/definitions/d0", "definitions": definitions}},
        ),
    ]
    for each in asked:
        require_evaluable(each, Columns(contract.EVENTS), "events")
    value = "a" * 60 + "!"
    row = dict.fromkeys(contract.EVENTS) | {"event_name": value, "kind": "order"}
    row["properties"] = json.dumps({"a": value})
    events = pl.DataFrame([row, row], schema=contract.EVENTS).lazy()
    suite = Suite("own", "events", tuple(asked))
    began = time.monotonic()
    settings_ = ExpectationSettings.model_validate({"drift": {"enabled": False}})
    summary = check(Lake(str(tmp_path / "lake")), {"events": Table(events)}, [suite], settings_)
    assert time.monotonic() - began < 60
    assert summary.results["passed"].to_list() == [False] * 4


def test_a_text_condition_is_enforced_by_the_gate() -> None:
    text = {"row_condition": "revenue > 10 and kind == 'order'", "condition_parser": "pandas"}
    asked = Expectation("expect_column_values_to_not_be_null", {"column": "order_id", **text})
    compiled = compile_own([Suite("own", "events", (asked,))])
    assert not [each for each, _ in compiled.audited if each is asked]
    assert read_condition(text["row_condition"])["type"] == "and"


@pytest.mark.parametrize(
    ("text", "value"), [("count == -1", -1), ("count == +1", 1), ("-2.5 == count", -2.5), ("word == 'a'", "a")]
)
def test_a_value_keeps_its_sign(text: str, value: object) -> None:
    assert read_condition(text)["parameter"] == value


@pytest.mark.parametrize("text", ["flag == -True", "word == -'a'", "count == --1", "count == ~1", "count in []"])
def test_a_sign_before_what_is_no_number_and_an_empty_list_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        read_condition(text)


def test_a_condition_has_at_most_ten_thousand_characters() -> None:
    longest = "word == '" + "a" * 9_990 + "'"
    assert len(longest) == 10_000 and read_condition(longest)["parameter"] == "a" * 9_990
    with pytest.raises(ValueError, match="10,000"):
        read_condition(longest + " ")


ROWS = pl.DataFrame({"count": [0, 1, 2, None], "word": ["a", "b", None, "a"]}, schema_overrides={"count": pl.Int64})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("count < 1", [0]),
        ("count <= 1", [0, 1]),
        ("count > 1", [2]),
        ("count >= 1", [1, 2]),
        ("1 < count", [2]),
        ("1 >= count", [0, 1]),
        ("1 <= count < 2", [1]),
        ("count == 1", [1]),
        ("count != 1", [0, 2, 3]),
        ("count in [0, 1]", [0, 1]),
        ("count not in [0, 1]", [2, 3]),
        ("not count < 1", [1, 2, 3]),
        ("not count >= 1", [0, 3]),
        ("~(count == 1)", [0, 2, 3]),
        ("~(count in [0, 1])", [2, 3]),
        ("not (count < 2 and word == 'a')", [1, 2, 3]),
        ("not (count < 2 or word == 'a')", [2]),
        ("not word.isnull()", [0, 1, 3]),
        ("word.isnull() | (count == 0)", [0, 2]),
        ("word.notna() & (count == 0)", [0]),
    ],
)
def test_each_comparison_and_its_opposite_select_these_rows(text: str, found: list[int]) -> None:
    assert ROWS.with_row_index().filter(where(text, Columns(ROWS.schema)))["index"].to_list() == found
