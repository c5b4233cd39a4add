"""A suite becomes rules of the gate, and what the gate cannot judge is left to the audit with the reason."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from expectations import contract
from expectations.compile.compile import compile_own, compile_suites, narrowed, require_evaluable
from expectations.errors import ConfigurationError
from expectations.gate import judge
from expectations.suites.columns import Columns
from expectations.suites.expectation import Expectation, Suite, condition

SCHEMA = pl.Schema({"kind": pl.String, "amount": pl.Int64})
FRAME = pl.DataFrame({"kind": ["order", "order", "click", None], "amount": [None, 5, None, None]}, schema=SCHEMA)
NOT_NULL = "expect_column_values_to_not_be_null"


def present(column: str, **arguments: Any) -> Expectation:
    return Expectation(NOT_NULL, {"column": column, **arguments})


def refused(expectation: Expectation, kind: str | None = None) -> list[int]:
    compiled = compile_suites([Suite("own", "events", (expectation,), kind)], SCHEMA)
    return judge(FRAME.with_row_index(), compiled.rules).refused["index"].to_list()


def test_a_suite_of_a_kind_judges_the_events_of_this_kind_alone() -> None:
    assert refused(present("amount")) == [0, 2, 3]
    assert refused(present("amount"), "order") == [0]
    assert refused(present("amount"), "dream") == []


@pytest.mark.parametrize("own", [condition("amount", "==", 5), "amount == 5"])
def test_a_condition_of_its_own_holds_beside_the_kind(own: Any) -> None:
    assert refused(Expectation(NOT_NULL, {"column": "kind", "row_condition": own})) == []
    smaller = {"column": "amount", "max_value": 4, "row_condition": own}
    between = "expect_column_values_to_be_between"
    assert refused(Expectation(between, smaller), "order") == [1]
    assert refused(Expectation(between, smaller), "click") == []


def test_a_narrowed_expectation_has_its_condition_in_json_and_no_parser() -> None:
    parsed = present("amount", row_condition="amount == 5", condition_parser="pandas")
    own, kind = condition("amount", "==", 5), condition("kind", "==", "order")
    assert narrowed(parsed, None).kwargs == {"column": "amount", "row_condition": own}
    assert narrowed(parsed, "order").kwargs["row_condition"] == {"type": "and", "conditions": [kind, own]}
    assert narrowed(present("amount"), None).kwargs == {"column": "amount"}
    without = Expectation("expect_column_to_exist", {"column": "amount"})
    assert narrowed(without, "order") is without


def test_a_rule_names_the_kind_its_column_and_why_it_refuses() -> None:
    expectation = present("amount", row_condition=condition("amount", "<", 3))
    of_kind, of_all = (
        compile_suites([Suite("own", "events", (expectation,), kind)], SCHEMA).rules for kind in ("order", None)
    )
    assert [rule.name for rule in of_kind] == [f"{expectation.name} (order events)"]
    assert [(rule.name, rule.field, rule.reason) for rule in of_all] == [(expectation.name, "amount", "missing_field")]


def test_an_expectation_about_many_rows_is_audited_and_the_others_keep_their_order() -> None:
    first, many, share, last = (
        present("kind"),
        Expectation("expect_column_values_to_be_unique", {"column": "kind"}),
        present("amount", mostly=0.5),
        present("amount", mostly=1),
    )
    compiled = compile_suites([Suite("own", "events", (first, many, share, last))], SCHEMA)
    assert [rule.field for rule in compiled.rules] == ["kind", "amount"]
    assert [each for each, _ in compiled.audited] == [many, share]
    assert "many rows" in compiled.audited[0][1] and "mostly" in compiled.audited[1][1]


def test_own_suites_of_events_reach_the_gate_and_those_of_other_tables_the_audit() -> None:
    events, profiles = present("order_id"), present("attribute")
    nothing = compile_own([])
    compiled = compile_own([Suite("a", "profiles", (profiles,)), Suite("b", "events", (events,))])
    assert {rule.severity for rule in nothing.rules} == {
        "warn"
    }  # the suites of the kinds; the contract is judged apart
    assert all(rule.name.endswith(" events)") for rule in nothing.rules)
    assert [rule.name for rule in compiled.rules[:-1]] == [rule.name for rule in nothing.rules]
    assert (compiled.rules[-1].field, compiled.rules[-1].severity) == ("order_id", "refuse")
    assert compiled.audited == (*nothing.audited, (profiles, "it is about profiles, which are not in the stream"))


def test_a_suite_of_touches_may_name_the_columns_that_the_settings_add() -> None:
    suite = Suite("own", "touches", (present("campaign"),))
    with pytest.raises(ConfigurationError):
        compile_own([suite])
    assert (
        compile_own([suite], pl.Schema({**contract.TOUCHES, "campaign": pl.String})).audited[-1][0].field == "campaign"
    )


@pytest.mark.parametrize(
    ("schema", "expectation", "parts"),
    [
        (SCHEMA, present("amuont"), ("found: amuont", "expected: kind, amount", "amount")),
        (SCHEMA, present("kind", row_condition=condition("knid", "==", "a")), ("found: knid",)),
        (contract.EVENTS, present("sku"), ("found: sku", "properties.<field>")),
    ],
)
def test_a_column_that_the_table_does_not_have_is_refused_with_the_nearest(
    schema: pl.Schema, expectation: Expectation, parts: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        require_evaluable(expectation, Columns(schema), "events")
    assert all(part in str(caught.value) for part in parts)
    assert ("properties" in schema) == ("properties.<field>" in str(caught.value))


@pytest.mark.parametrize(
    ("type_", "arguments"),
    [
        (NOT_NULL, {"column": "kind", "row_condition": "kind.strip() == 'a'"}),
        ("expect_column_values_to_match_regex", {"column": "kind", "regex": "(?=a)", "mostly": 0.5}),
        ("expect_column_values_to_match_regex", {"column": "kind", "regex": "("}),
        ("expect_column_values_to_match_json_schema", {"column": "kind", "json_schema": {"pattern": r"(a)\1"}}),
    ],
)
def test_what_only_python_could_evaluate_is_refused_whether_gate_or_audit_would(
    type_: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="evaluated safely"):
        require_evaluable(Expectation(type_, arguments), Columns(SCHEMA), "events")
