"""[expectations] of journeys.toml becomes rules of the gate, or is rejected with file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from expectations import contract
from expectations.compile.compile import compile_own, compile_suites
from expectations.config.file import ConfigFile
from expectations.errors import ConfigurationError
from expectations.gate import judge
from expectations.suites.defaults import default_suites
from expectations.suites.file import read_suite
from expectations.suites.settings import ExpectationSettings
from tests.expectations.events import event, frame

BETWEEN = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "revenue", "max_value": 10}}


def settings(tmp_path: Path, text: str) -> ExpectationSettings:
    path = tmp_path / "journeys.toml"
    path.write_text(text, encoding="utf-8")
    return ConfigFile.open(path, ("expectations",)).section("expectations", ExpectationSettings)


def suite_file(tmp_path: Path, *expectations: Any, **more: Any) -> Path:
    path = tmp_path / "suite.json"
    path.write_text(json.dumps({"name": "prices", "expectations": expectations, **more}, indent=1), encoding="utf-8")
    return path


def test_a_plan_a_rule_and_a_suite_file_are_judged_in_the_stream(tmp_path: Path) -> None:
    suite_file(tmp_path, BETWEEN | {"severity": "critical"}, meta={"kind": "order"})
    text = """
    [expectations]
    suites = ["suite.json"]
    [expectations.plan]
    channels = ["web", "app"]
    severity = "refuse"
    [expectations.plan.events.product_viewed]
    required = ["properties.sku"]
    [expectations.plan.events.order_placed]
    [[expectations.rules]]
    column = "score"
    events = ["feedback_given"]
    least = 5
    """
    compiled = compile_own(settings(tmp_path, text).own_suites(tmp_path))
    rows = frame(
        [
            event(0, 0, 0, event_name="product_viewed", properties='{"sku":"a"}'),
            event(1, 0, 0, event_name="product_viewed", properties='{"sku":null}'),
            event(2, 0, 0, event_name="order_placed"),
            event(3, 0, 0, event_name="order_placed", revenue="9.00"),
            event(4, 0, 0, event_name="order_placed", channel="fax", revenue=None),
            event(5, 0, 0, event_name="dreamt"),
        ]
    )
    verdict = judge(rows, compiled.rules)
    assert verdict.accepted["offset"].to_list() == [0, 3]
    assert verdict.refused.select("offset", "field", "reason").rows() == [
        (1, "properties.sku", "missing_field"),
        (2, "revenue", "out_of_range"),
        (4, "channel", "not_allowed"),
        (5, "event_name", "not_allowed"),
    ]


def test_a_warning_is_counted_under_a_name_of_its_own(tmp_path: Path) -> None:
    text = '[expectations]\n[[expectations.rules]]\ncolumn = "score"\nleast = 5\nkind = "feedback"\n'
    compiled = compile_own(settings(tmp_path, text).own_suites(tmp_path))
    verdict = judge(frame([event(4, 0, 0, score=1.0), event(9, 0, 0, score=6.0)]), compiled.rules)
    assert verdict.refused.is_empty()
    assert verdict.warned == {"score: at least 5.0": 1}
    names = [rule.name for rule in (*compile_suites(default_suites()[:1], contract.EVENTS).rules, *compiled.rules)]
    assert len(set(names)) == len(names)


def test_what_the_gate_cannot_evaluate_is_listed_for_the_audit(tmp_path: Path) -> None:
    text = """
    [expectations]
    [[expectations.rules]]
    column = "order_id"
    unique = true
    [[expectations.rules]]
    column = "campaign"
    required = true
    share = 0.5
    [[expectations.rules]]
    column = "url"
    pattern = "(?i)^https"
    """
    audited = compile_own(settings(tmp_path, text).own_suites(tmp_path)).audited
    assert [(expectation.field, why.split(" ")[0]) for expectation, why in audited] == [
        ("revenue", "it"),
        ("order_id", "it"),
        ("campaign", "it"),
    ]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('column = "revenu"\nleast = 1', "is not a column of events"),
        ('column = "url"\npattern = "("', "does not compile"),
        ('column = "url"', "requires nothing"),
        ('column = "revenue"\nleast = 9\nmost = 1', "greater than"),
        ('column = "value"\ntable = "profiles"\nkind = "order"\nrequired = true', "only for the table events"),
    ],
)
def test_an_invalid_rule_is_reported_with_its_line(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(tmp_path, f"[expectations]\nfreshness = '2h'\n[[expectations.rules]]\n{lines}\n")
    assert said in str(caught.value) and "journeys.toml, line 3" in str(caught.value)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"type": "expect_column_values_to_be_betwen", "kwargs": {"column": "revenue"}}, "did you mean"),
        ({"type": "expect_column_values_to_match_regex", "kwargs": {"column": "url", "regex": "("}}, "not compile"),
        ({"type": "expect_column_values_to_be_between", "kwargs": {"column": "revenue", "min": 1}}, "min_value"),
        ({"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "kind"}}, "value_set"),
        ({"type": "expect_column_values_to_be_between", "kwargs": {"column": "revenue"}}, "needs min_value"),
        ({"type": "expect_table_columns_to_match_set", "kwargs": {}}, "contract"),
        ({**BETWEEN, "severity": "grave"}, "critical"),
        ({**BETWEEN, "kwargs": {"column": "revenue", "max_value": 1, "mostly": 2}}, "share"),
        ("revenue", '"type" and "kwargs"'),
    ],
)
def test_an_invalid_expectation_of_a_suite_is_reported_with_its_line(tmp_path: Path, bad: Any, said: str) -> None:
    path = suite_file(tmp_path, BETWEEN, bad)
    with pytest.raises(ConfigurationError) as caught:
        read_suite(path)
    line = path.read_text(encoding="utf-8").splitlines().index("  },") + 2
    assert f"suite.json, line {line}" in str(caught.value) and said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not a suite"),
        ('{"expectations": [], "meta": {"table": "orders"}}', "table of the suite is unknown"),
        ('{"expectations": [], "meta": {"kind": "dream"}}', "kind of event of the suite is unknown"),
    ],
)
def test_a_file_that_is_not_a_suite_is_rejected(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=said):
        read_suite(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_suite(tmp_path / "absent.json")


def test_an_unknown_column_is_reported_before_the_stream_starts(tmp_path: Path) -> None:
    kwargs = {"column": "price", "max_value": 1}
    path = suite_file(tmp_path, {"type": "expect_column_values_to_be_between", "kwargs": kwargs})
    with pytest.raises(ConfigurationError) as caught:
        compile_own(ExpectationSettings(suites=[path.name]).own_suites(tmp_path))
    assert "price" in str(caught.value) and "suite.json, line 4" in str(caught.value)


def test_an_expectation_round_trips_through_json() -> None:
    from expectations.suites.expectation import Expectation

    for suite in default_suites():
        for expectation in suite.expectations:
            assert Expectation.from_json(json.loads(json.dumps(expectation.as_json()))) == expectation
