"""The gate splits a batch as a plain reading of the contract does, row by row."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from expectations import contract
from expectations.gate import Rule, contract_rules, judge

RECEIVED = datetime(2026, 6, 1, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "event_id": "e1",
    "event_name": "search",
    "kind": "clickstream",
    "channel": "web",
    "occurred_at": RECEIVED,
    "received_at": RECEIVED,
    "event_date": RECEIVED.date(),
    "customer_id": "c1",
    "schema_version": 1,
    "topic": "clicks",
    "partition": 0,
    "offset": 0,
}
SURVEYS = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
CHOICES: dict[str, list[Any]] = {
    "event_name": ["search", "view", None],
    "kind": ["clickstream", "order", "feedback", "dream", None],
    "channel": ["web", None],
    "occurred_at": [
        None,
        *(RECEIVED + timedelta(days=days) for days in (-14_601, -14_600, -401, -400, 0, 1, 2)),
    ],
    "topic": ["clicks", "file:0123"],
    "customer_id": ["c1", None],
    "anonymous_id": ["a1", None],
    "identities": [None, {}, {"card": "k1"}],
    "currency": [None, "EUR", "eur", "EURO", "E1R"],
    "survey": [None, "nps", "csat", "ces", "mood"],
    "score": [None, -1.0, 0.0, 1.0, 5.0, 7.0, 10.0, 11.0, float("nan"), float("inf")],
    "schema_version": [1, 2, 0],
}


def batch(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in contract.EVENTS} for row in rows], schema=contract.EVENTS)


def reason(row: dict[str, Any]) -> tuple[str, str] | None:
    """Why a row is refused and for which field, read from the contract in the order in which it is written."""
    occurred = row.get("occurred_at")
    score, survey, currency = row.get("score"), row.get("survey"), row.get("currency")
    if row["schema_version"] != 1:
        return "unsupported_version", "schema_version"
    for field in contract.REQUIRED:
        if row.get(field) is None:
            return "missing_field", field
    if row.get("customer_id") is None and row.get("anonymous_id") is None and not row.get("identities"):
        return "no_identity", "customer_id"
    oldest = timedelta(days=40 * 365 if (row.get("topic") or "").startswith("file:") else 400)
    if not RECEIVED - oldest <= occurred <= RECEIVED + timedelta(days=1):
        return "time_out_of_range", "occurred_at"
    if row["kind"] not in contract.KINDS:
        return "not_allowed", "kind"
    if currency is not None and not (len(currency) == 3 and all("A" <= letter <= "Z" for letter in currency)):
        return "bad", "currency"
    if survey is not None and survey not in SURVEYS:
        return "not_allowed", "survey"
    if score is not None and not float("-inf") < score < float("inf"):
        return "bad", "score"
    if score is not None and survey is not None and not SURVEYS[survey][0] <= score <= SURVEYS[survey][1]:
        return "bad", "score"
    return None


@pytest.mark.parametrize("seed", range(5))
def test_the_gate_agrees_with_a_plain_reading_of_the_contract(seed: int) -> None:
    draw = random.Random(seed)
    rows = []
    for offset in range(2_000):
        changed = {name: draw.choice(values) for name, values in CHOICES.items() if draw.random() < 0.25}
        rows.append(GOOD | {"offset": offset} | changed)
    verdict = judge(batch(rows), contract_rules())
    expected = {row["offset"]: reason(row) for row in rows}
    assert verdict.accepted["offset"].to_list() == [offset for offset, why in expected.items() if why is None]
    found = {row["offset"]: (row["reason"], row["field"]) for row in verdict.refused.iter_rows(named=True)}
    for offset, why in expected.items():
        assert (why is None) == (offset not in found)
        if why is not None:
            assert found[offset][1] == why[1]
            assert why[0] in ("bad", found[offset][0])


def test_a_clean_batch_is_handed_back_without_a_copy() -> None:
    given = batch([GOOD])
    verdict = judge(given, contract_rules())
    assert verdict.accepted is given
    assert verdict.refused.height == 0 and {"rule", "field", "reason", "expected"} <= set(verdict.refused.columns)


def test_an_empty_batch_and_no_rules_are_no_trouble() -> None:
    empty = contract.EVENTS.to_frame(eager=True)
    assert judge(empty, contract_rules()).accepted.height == 0
    assert judge(batch([GOOD]), []).accepted.height == 1
    assert judge(empty, []).refused.height == 0


def test_the_first_failed_rule_is_reported() -> None:
    rules = [
        Rule("short", "a", "one", pl.col("a").str.len_chars() < 3, "short"),
        Rule("low", "b", "two", pl.col("b") < 5, "low"),
    ]
    verdict = judge(pl.DataFrame({"a": ["long", "ok", "ok", None], "b": [9, 9, 1, None]}), rules)
    assert verdict.refused.select("rule", "field", "reason").rows() == [("short", "a", "one"), ("low", "b", "two")]
    assert verdict.accepted.rows() == [("ok", 1), (None, None)]


def test_a_warning_lets_the_row_in_and_counts_it() -> None:
    rules = [
        Rule("low", "b", "two", pl.col("b") < 5, "low"),
        Rule("even", "b", "odd", pl.col("b") % 2 == 0, "even", "warn"),
        Rule("small", "b", "big", pl.col("b") < 100, "small", "warn"),
    ]
    verdict = judge(pl.DataFrame({"b": [1, 2, 3, 7, None]}), rules)
    assert verdict.accepted["b"].to_list() == [1, 2, 3, None]
    assert verdict.warned == {"even": 2}


def test_without_limits_any_time_is_believed() -> None:
    rows = [
        GOOD | {"occurred_at": datetime(1999, 1, 1, tzinfo=UTC)},
        GOOD | {"occurred_at": datetime(2099, 1, 1, tzinfo=UTC)},
    ]
    assert judge(batch(rows), contract_rules(oldest=None, newest=None)).accepted.height == 2
