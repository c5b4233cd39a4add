"""Worked cases of other tools give their numbers, as far as the product has words for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import KINDS, alike, judge

FOLDER = Path(__file__).parent / "published"
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


def walked(params: dict[str, Any], expected: dict[str, Any], **case: Any) -> tuple[str, Any]:
    """The verdict on a case of paths through a shop; a touch is its customer, page and minute."""
    touches = [
        ("ann", "/home/", 0, "page"),
        ("ann", "tap", 1, "app"),
        ("ann", "/cart", 2, "page"),
        ("bo", "/cart", 0, "page"),
    ]
    touches += [("bo", "/help/", 1, "page"), ("bo", "/pay", 2, "page")]
    events = [
        {"customer": who, "event": page, "ts": 60 * at, "props": {"type": kind}} for who, page, at, kind in touches
    ]
    events.append({"customer": "bo", "event": "/late", "ts": None})
    usual = {"kind": "paths", "session_gap_seconds": 1800, "trim_trailing_slash": True}
    return judge({"id": "own", "params": {**usual, **params}, "events": events, "expected": expected, **case})


@pytest.mark.parametrize(
    ("params", "edges"),
    [
        ({"types": ["page"]}, ["1_/home -> 2_/cart", "1_/cart -> 2_/help", "2_/help -> 3_/pay"]),
        ({"step_limit": 1}, []),
        ({"exclude": ["/h*", "/c*t"]}, []),
        ({"types": ["page"], "exclude": ["/help/"]}, ["1_/home -> 2_/cart", "1_/cart -> 2_/pay"]),
        ({"start": "/help/"}, ["1_/help -> 2_/pay"]),
        ({"event_filter": [{"prop": "type", "op": "neq", "value": "page"}]}, []),
        (
            {"customer_filter": [{"prop": "plan", "op": "eq", "value": "pro"}]},
            ["1_/cart -> 2_/help", "2_/help -> 3_/pay"],
        ),
    ],
)
def test_paths_are_of_the_touches_that_are_asked_for(params: dict[str, Any], edges: list[str]) -> None:
    of_customers = {"ann": {"plan": "free"}, "bo": {"plan": "pro"}}
    expected = {"edges": dict.fromkeys(edges, 1)}
    verdict, found = walked(params, expected, customer_props=of_customers)
    assert (verdict, found["edges"]) == ("passed", expected["edges"])


def test_a_return_may_take_several_touches_of_customers_of_a_kind() -> None:
    days = ["2024-01-01", "2024-01-02", "2024-01-03"]
    events = [("ann", 0), ("ann", 1), ("ann", 1.2), ("ann", 2), ("bo", 0), ("bo", 1), ("cy", 0), ("cy", 1), ("cy", 1.5)]
    case = {
        "id": "own",
        "params": {
            **{"kind": "retention", "period": "day", "periods": days, "columns": 3, "type": "first_time"},
            **{"target": {"any_of": ["*"]}, "returning": {"any_of": ["*"]}, "min_occurrences": 2},
            "customer_filter": [{"prop": "plan", "op": "neq", "value": "free"}],
            "customer_props": {"cy": {"plan": "free"}},
        },
        "events": [{"customer": who, "event": "open", "ts": 86_400 * day} for who, day in events],
        "expected": {"matrix": [[2, 1, 0], [0, 0, 0], [0, 0, 0]]},
    }
    assert judge(case)[0] == "passed", judge(case)


def test_what_comes_after_the_last_period_counts_for_no_cell() -> None:
    events = [
        {"customer": who, "event": "open", "ts": 86_400 * day} for who, day in (("ann", 0), ("ann", 2.5), ("bo", 0))
    ]
    of = {"target": {"any_of": ["*"]}, "returning": {"any_of": ["*"]}, "type": "first_time", "cumulative": True}
    params = {"kind": "retention", "period": "day", "periods": ["2024-01-01", "2024-01-02"], "columns": 2, **of}
    found = judge({"id": "own", "params": params, "events": events, "expected": {"matrix": [[2, 0], [0, 0]]}})
    assert found[0] == "passed", found


def test_funnels_are_of_customers_and_events_of_a_kind() -> None:
    events = [(who, name, f"2024-01-0{day}", "") for who in ("ann", "bo") for name, day in (("one", 1), ("two", 2))]
    case = asked("funnel", events, customer_filter=[{"prop": "plan", "op": "is_set"}], exclude=["other"])
    found = judge({**case, "customer_props": {"bo": {"plan": "pro"}}, "expected": {"counts": [1, 1]}})
    assert found[0] == "passed", found


def test_two_readings_of_a_window_hold_together() -> None:
    events = [("ann", "one", "2024-01-01", ""), ("ann", "two", "2024-01-01", ""), ("bo", "one", "2024-01-01", "")]
    events += [("bo", "x", "2024-01-01T01", ""), ("bo", "two", "2024-01-01T02", "")]
    strict = {"on_other_row": "stop", "time_between_steps": "strictly_increasing"}
    case = asked("window_funnel", events, **strict)
    assert judge({**case, "expected": {"levels": {"ann": 1, "bo": 1}}})[0] == "passed"


def test_sessions_are_listed_and_an_event_without_a_time_is_in_none() -> None:
    events = [{"customer": "ann", "event": "a", "ts": at} for at in (0, None, 60, 7200)]
    sessions = [
        {"customer": "ann", "number": 1, "begin": 0, "end": 60, "events": 2},
        {"customer": "ann", "number": 2, "begin": 7200, "end": 7200, "events": 1},
    ]
    expected = {"session_number": [1, None, 1, 2], "sessions": sessions}
    case = {"id": "own", "params": {"kind": "sessions", "gap_seconds": 1800}, "events": events, "expected": expected}
    assert judge(case)[0] == "passed", judge(case)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"method": "wilson", "successes": 18, "trials": 20, "alternative": "larger"}, {"interval": [0.7383370, 1.0]}),
        ({"method": "z_one_proportion", "successes": 60, "trials": 100, "null": 0.5}, {"z": 2.0, "p_value": 0.0455003}),
        ({"method": "chi2_equal", "successes": [5, 12, 20], "trials": [83, 99, 90]}, {"df": 2, "chi2": 9.9306735}),
        (
            {"method": "pairwise", "successes": [5, 12, 20], "trials": [83, 99, 90], "correction": "holm"},
            {"p_values": [0.1591813, 0.0024680, 0.0644130], "rejected": [False, True, False]},
        ),
        ({"method": "kaplan_meier", "times": [1, 2], "observed": [1, 1]}, {"standard_error": [0.3535534, None]}),
    ],
)
def test_statistics_of_one_side_one_sample_and_many_pairs(params: dict[str, Any], expected: dict[str, Any]) -> None:
    case = {"id": "own", "params": {"kind": "statistics", **params}, "events": [], "tolerance": 1e-6}
    verdict, found = judge({**case, "expected": expected})
    assert verdict == "passed", found


RULES = {"stages": [{"name": "Look", "events": ["look"]}], "goal": {"any_of": ["buy"]}, "gap": "9d", "end": 864_000}
COUNTS = {"units": 0, "mature": 0, "open": 0, "direct": 0, "reached": 0, "goal_rate": None, "groups": {}}
COHORT = {"start": {"any_of": ["a"]}, "returning": {"any_of": ["b"]}, "after": [1], "end": 90_000}
CELL = {"after": 1, "size": 1, "eligible": 1, "returned": 1, "value": 0}
HOURS = {"period": "hour", "timezone": "Asia/Tokyo", "end": 7200}


@pytest.mark.parametrize(
    ("params", "touches", "expected"),
    [
        ({"kind": "goal_rate", "unit": "journey", "horizon": "1d", "by": "device", **RULES}, [], COUNTS),
        (
            {"kind": "stage_funnel", "window": "1d", "by": "device", **RULES},
            [],
            {"rows": [{"name": "Look", "entered": 0}, {"name": "goal", "entered": 0}], "direct": 0, "groups": {}},
        ),
        (
            {"kind": "cohort_retention", "period": "hour", "timezone": "Asia/Tokyo", "value": "price", **COHORT},
            [("ann", "a", 0), ("ann", "b", 3600)],
            {"cells": [{"cohort": 0, **CELL}]},
        ),
        (
            {"kind": "lifecycle", "active": {"any_of": ["*"]}, **HOURS},
            [("ann", "a", 0)],
            {"rows": [{"period": 0, "new": 1, "dormant": 0}, {"period": 3600, "new": 0, "dormant": 1}]},
        ),
        (
            {"kind": "lapse", "active": {"any_of": ["*"]}, "gap": "30d", "end": 864_000},
            [("ann", "a", 0)],
            {"rows": [], "customers": 0, "left_out": 1},
        ),
        (
            {"kind": "goal_routes", "horizon": "1d", "families": [{"name": "Web", "entered": ["web"]}], **RULES},
            [],
            {"families": {}, "units": 0, "goals": 0},
        ),
        (
            {"kind": "response_rate", "asked": "ask", "answered": "tell", "within": "5d", "end": 864_000},
            [],
            {"invitations": 0, "answered": 0, "uninvited": 0, "response_rate": None},
        ),
    ],
)
def test_newer_measures_of_few_or_no_touches(
    params: dict[str, Any], touches: list[tuple[str, str, float]], expected: dict[str, Any]
) -> None:
    events = [{"customer": who, "event": name, "ts": at} for who, name, at in touches]
    verdict, found = judge({"id": "own", "params": params, "events": events, "expected": expected})
    assert verdict == "passed", found


def test_an_average_is_not_cut_to_microseconds() -> None:
    events = [(who, "one", "2024-01-01", "") for who in "abc"]
    events += [(who, "two", f"2024-01-01T00:00:0{n}Z", "") for who, n in zip("abc", (1, 1, 2), strict=True)]
    case = {**asked("funnel", events), "expected": {"average": 4 / 3}}
    assert judge(case)[0] == "passed", judge(case)


def test_an_average_of_an_edge_is_not_cut_to_microseconds() -> None:
    events = [{"customer": who, "event": "one", "ts": 0} for who in "abc"]
    events += [{"customer": who, "event": "two", "ts": at} for who, at in zip("abc", (1, 1, 2), strict=True)]
    expected = {"avg_seconds": {"1_one -> 2_two": 4 / 3}}
    assert judge({"id": "own", "params": {"kind": "paths"}, "events": events, "expected": expected})[0] == "passed"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [({"credit": {"a": 1.0, "b": 0.0}}, True), ({"credit": {"a": 1.0, "b": 0.1}}, False)],
)
def test_what_more_is_in_credit_is_0(found: dict[str, Any], verdict: bool) -> None:
    assert alike(found, {"credit": {"a": 1}}, 1e-9) is verdict
    assert not alike({"removal": {"a": 1, "b": 0}}, {"removal": {"a": 1}}, 1e-9)


def test_what_is_no_zone_or_no_path_fails_no_other_case() -> None:
    zone = asked("funnel", [("ann", "one", "2024-01-01", "")], timezone="Mars", date_from="2024-01-01")
    assert judge({**zone, "expected": {"error": True}})[0] == "passed"
    ready = {"id": "own", "params": {"kind": "attribution", "model": "linear", "paths": []}, "events": []}
    assert judge({**ready, "expected": {"credit": {}}})[0] == "passed"


ONE, TWO = {"any_of": ["one"]}, {"any_of": ["two"]}
STATISTICS = {"kind": "statistics", "successes": [1, 2], "trials": [3, 4]}


@pytest.mark.parametrize(
    "params",
    [
        {"ties": "random"},
        {"on_other_row": "perhaps"},
        {"row_reuse": "twice"},
        {"window_seconds": None},
        {"date_from": "2024-13-01"},
        {"breakdown": {"props": ["browser"], "attribution": "middle"}},
        {"breakdown": {"props": ["browser"], "attribution": "step"}},
        {"steps": [ONE, {**TWO, "first_time": "ever"}]},
        {"steps": [ONE, {**TWO, "where": [{"prop": "browser", "op": "gt", "value": 1}]}]},
        {"steps": [ONE, {"where": []}]},
        {"kind": "paths", "step_limit": 0},
        {"kind": "stitch", "mode": "magic"},
        {"kind": "stitch"},
        {"kind": "sessions", "gap_seconds": 60, "gap_edge": "sharp"},
        {"kind": "retention", "period": "eon", "periods": [], "columns": 2, "type": "recurring"},
        {"kind": "sequence", "conditions": [ONE], "pattern": [{"cond": 1}]},
        {"kind": "sequence", "conditions": [ONE], "pattern": [{"cond": 0}, {"leap": 1}]},
        {"kind": "segments", "segment": {"did_not": ONE, "at_least": 2}, "end": 9},
        {"kind": "segments", "segment": {"total": "browser"}, "end": 9},
        {"kind": "segments", "segment": {"dreamt": ONE}, "end": 9},
        {"kind": "statistics", "method": "magic"},
        {**STATISTICS, "method": "newcombe", "trials": [3, 4, 5]},
        {**STATISTICS, "method": "z_two_proportions", "successes": [4, 2]},
        {**STATISTICS, "method": "pairwise", "correction": "magic"},
        {"kind": "statistics", "method": "wilson", "successes": 5, "trials": 3},
        {"kind": "statistics", "method": "wilson", "successes": 1, "trials": 3, "alternative": "sideways"},
        {"kind": "statistics", "method": "holm", "p_values": [0.1, 1.5]},
        {"kind": "statistics", "method": "chi2_table", "table": [[1, 2], [3]]},
        {"kind": "statistics", "method": "kaplan_meier", "times": [1, 2], "observed": [1]},
        {"kind": "binomial", "count": 5, "of": 3, "share": 0.5},
        {"kind": "interaction", "both": [5, 3], "first": [1, 2], "second": [1, 2], "neither": [1, 2]},
        {"kind": "change", "before": [{"segment": "a", "reached": [5, 6]}], "after": []},
        {"kind": "voice_score", "survey": "nps", "scores": {"nine": 1}},
    ],
)
def test_unknown_words_and_impossible_numbers_are_refused(params: dict[str, Any]) -> None:
    case = asked("funnel", [("ann", "one", "2024-01-01", "")])
    params = params if "kind" in params else {**case["params"], **params}
    verdict, found = judge({**case, "params": params, "expected": {"error": True}})
    assert verdict == "passed", found


def test_a_parameter_of_another_form_never_passes() -> None:
    case = asked("funnel", [("ann", "one", "2024-01-01", "")], colour="red")
    assert judge({**case, "expected": {"counts": [1, 0]}})[0] == "unsupported"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"kind": "binomial", "count": 0, "of": 0, "share": 0.5}, {"p_value": None}),
        ({"kind": "change", "before": [], "after": []}, {"before": None, "difference": None, "segments": []}),
        ({"kind": "stratified_difference", "strata": []}, {"difference": None, "adjusted": None, "overlap": None}),
    ],
)
def test_of_nothing_there_is_no_number(params: dict[str, Any], expected: dict[str, Any]) -> None:
    verdict, found = judge({"id": "own", "params": params, "events": [], "expected": expected})
    assert verdict == "passed", found
