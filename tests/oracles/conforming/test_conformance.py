"""Worked cases of other tools give their numbers, as far as the product has words for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import KINDS, judge

FOLDER = Path(__file__).parents[2] / "conformance"
CASES = [case for file in sorted(FOLDER.glob("*.json")) for case in json.loads(file.read_text())["cases"]]


@pytest.mark.parametrize("case", [c for c in CASES if c["params"]["kind"] in KINDS], ids=lambda case: case["id"])
def test_a_worked_case_gives_its_numbers(case: dict[str, Any]) -> None:
    verdict, found = judge(case)
    assert verdict == "passed", f"{case['what']}: expected {case['expected']}, found {found}"


def asked(kind: str, events: list[tuple[str, str, str, str]], **params: Any) -> dict[str, Any]:
    """A case of two steps; an event is its customer, name, time and browser."""
    rows = [
        {"customer": who, "event": name, "ts": at, "props": {"browser": browser} if browser else {}}
        for who, name, at, browser in events
    ]
    steps = [{"any_of": ["one"]}, {"any_of": ["two"]}]
    return {
        "id": "own",
        "params": {"kind": kind, "steps": steps, "window_seconds": 86_400, **params},
        "events": rows,
    }


def test_a_trend_has_the_rates_of_every_group_with_zeros() -> None:
    events = [
        ("ann", "one", "2024-01-01T01:00:00Z", "x"),
        ("ann", "two", "2024-01-01T02:00:00Z", "x"),
        ("bo", "one", "2024-01-02", ""),
    ]
    days = ["2024-01-01", "2024-01-02"]
    case = asked("trend", events, period="day", periods=days, breakdown={"props": ["browser"]})
    groups = {"x": {"rate_percent": [100, 0]}, "": {"reached_from": [0, 1], "rate_percent": [0, 0]}}
    assert judge({**case, "expected": {"groups": groups}})[0] == "passed"


def test_a_histogram_has_as_many_bins_as_are_asked_for() -> None:
    events = [("ann", "one", "2024-01-01", ""), ("ann", "two", "2024-01-01T00:00:10Z", "")]
    events += [("bo", "one", "2024-01-01", ""), ("bo", "two", "2024-01-01T00:01:00Z", "")]
    histogram = {"origin": 10, "width": 10, "counts": [1, 0, 0, 0, 0, 1]}
    assert judge({**asked("funnel", events, bins=5), "expected": {"histogram": histogram}})[0] == "passed"


@pytest.mark.parametrize(
    ("params", "verdict"),
    [
        ({"ties": "random"}, "failed"),
        ({"on_other_row": "perhaps"}, "unsupported"),
        ({"row_reuse": "twice"}, "unsupported"),
        ({"window_seconds": None}, "failed"),
        ({"colour": "red"}, "unsupported"),
    ],
)
def test_a_case_that_is_not_of_the_form_never_passes_and_stops_no_other(params: dict[str, Any], verdict: str) -> None:
    case = asked("funnel", [("ann", "one", "2024-01-01", "")], **params)
    assert judge({**case, "expected": {"counts": [1, 0]}})[0] == verdict
