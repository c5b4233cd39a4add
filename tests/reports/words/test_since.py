"""What has changed since the last report: differences, causes, and what is not compared."""

from __future__ import annotations

from typing import Any

import pytest

from reports.words.since import since, since_headline, since_table

SHARE = {"measure": "Reach “Order”", "kind": "share", "value": 0.30, "low": 0.28, "high": 0.32}
COUNT = {"measure": "Mature journeys", "kind": "count", "value": 1000, "low": None, "high": None}
BEFORE: dict[str, Any] = {
    "definition": {"goal": "a"},
    "versions": {"events": "3", "links": "1"},
    "end_of_data": "2026-08-30T00:00:00+00:00",
    "measures": [COUNT, SHARE],
    "counts": {"week 2026-06-01": {"a": 50}, "week 2026-08-24": {"a": 40}},
}


def later(**changes: Any) -> dict[str, Any]:
    return (
        BEFORE | {"measures": [COUNT | {"value": 1200}, SHARE | {"value": 0.36, "low": 0.34, "high": 0.38}]} | changes
    )


def test_differences_have_an_interval_where_both_shares_have_one() -> None:
    frame = since(later(), BEFORE)
    assert frame is not None
    count, share = frame.to_dicts()
    assert (count["difference"], count["low"], count["clear"]) == (200, None, None)
    assert share["difference"] == pytest.approx(0.06)
    assert (share["low"], share["high"]) == (pytest.approx(0.06 - 0.0282843), pytest.approx(0.06 + 0.0282843))
    assert share["clear"] and since_headline(frame).startswith("Reach “Order”: +6.0")
    assert since_table(frame).rows[0][:4] == ("Mature journeys", "1,000", "1,200", "+200")


def test_small_changes_are_not_called_clear() -> None:
    frame = since(later(measures=[SHARE | {"value": 0.31, "low": 0.29, "high": 0.33}]), BEFORE)
    assert frame is not None and not frame["clear"][0]
    assert since_headline(frame) == "Nothing has clearly changed since the last report"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"end_of_data": "2026-08-31T00:00:00+00:00"}, "period"),
        ({"counts": {"week 2026-06-01": {"a": 60}}}, "late data"),
        ({"counts": {"week 2026-08-24": {"a": 60}}, "end_of_data": "2026-08-31T00:00:00+00:00"}, "period"),
        ({"versions": {"events": "4", "links": "2"}}, "customers"),
        (
            {"counts": {"week 2026-06-01": {"a": 60}}, "end_of_data": "2026-08-31T00:00:00+00:00"},
            "period, late data",
        ),
    ],
)
def test_causes_are_named(changes: dict[str, Any], cause: str) -> None:
    frame = since(later(**changes), BEFORE)
    assert frame is not None and frame["cause"].to_list() == [cause, cause]


def test_equal_reports_have_no_difference_and_no_cause() -> None:
    frame = since(BEFORE, BEFORE)
    assert frame is not None and frame["difference"].to_list() == [0, 0] and frame["cause"].to_list() == ["", ""]


@pytest.mark.parametrize("before", [BEFORE | {"definition": {"goal": "b"}}, {"built_at": "x"}])
def test_reports_of_different_or_unknown_definitions_are_not_compared(before: dict[str, Any]) -> None:
    assert since(later(), before) is None
