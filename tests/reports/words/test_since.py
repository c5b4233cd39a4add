"""What has changed since the last report: differences, causes, and what is not compared."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from reports.words.since import causes, measures_of, not_compared, since, since_headline, since_table
from tests.reports import fixtures

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


def test_a_change_is_clear_where_its_interval_leaves_out_none() -> None:
    def changed(value: float, low: float, high: float) -> Any:
        frame = since(later(measures=[SHARE | {"value": value, "low": low, "high": high}]), BEFORE)
        assert frame is not None
        return frame["clear"][0]

    assert changed(0.36, 0.34, 0.38) and changed(0.24, 0.22, 0.26)
    assert not changed(0.32, 0.30, 0.34) and not changed(0.28, 0.26, 0.30)


def test_a_measure_without_an_interval_or_that_only_one_report_has_is_not_judged() -> None:
    unknown = since(later(measures=[SHARE | {"value": 0.4, "low": None}, SHARE | {"measure": "New"}]), BEFORE)
    assert unknown is not None and unknown.height == 1
    row = unknown.row(0, named=True)
    assert row["difference"] == pytest.approx(0.1)
    assert (row["low"], row["high"], row["clear"]) == (None, None, None)
    then = BEFORE | {"measures": [SHARE | {"high": None}]}
    assert since(later(), then)["clear"].to_list() == [None]  # type: ignore[index]


@pytest.mark.parametrize(("week", "cause"), [("2026-07-23", "late data"), ("2026-07-24", "period")])
def test_a_week_is_over_when_it_began_more_than_37_days_before_the_end(week: str, cause: str) -> None:
    """The earlier data end at the beginning of 30 August, 37 days after 24 July."""
    before = BEFORE | {"counts": {f"week {week}": {"a": 1}, "stages": {"a": 1}}}
    now = later(counts={f"week {week}": {"a": 2}, "stages": {"a": 2}}, end_of_data="2026-09-01T00:00:00+00:00")
    assert causes(now, before)[-1] == cause


def test_a_new_week_is_no_late_data_and_an_earlier_end_no_period() -> None:
    now = later(counts={**BEFORE["counts"], "week 2026-05-04": {"a": 1}}, versions={"links": "1", "profiles": "2"})
    assert causes(now, BEFORE) == ["customers"]
    assert causes(later(end_of_data="2026-08-29T00:00:00+00:00"), BEFORE) == ["late data"]
    assert causes(later(), {**BEFORE, "end_of_data": None}) == ["late data"]


def test_measures_are_those_of_the_answers_and_none_that_is_unknown() -> None:
    answers = fixtures.answers()
    found = {each["measure"]: each for each in measures_of(answers)}
    stages = answers.stages.to_dicts()
    assert found["Mature journeys"]["value"] == stages[0]["entered"]
    reach = found["Reach “Order placed”"]
    ends = [stages[-1][f"share_of_entered{end}"] for end in ("", "_low", "_high")]
    assert [reach["value"], reach["low"], reach["high"]] == ends and reach["kind"] == "share"
    assert "Going on to “Awareness”" not in found
    assert found["Going on to “Interest”"]["value"] == stages[1]["share_of_previous"]
    assert answers.pace is not None
    assert found["Median time to the goal"]["value"] == answers.pace.median / timedelta(days=1)
    assert sum(name.startswith("Satisfied at") for name in found) == fixtures.voice_frame()["satisfied"].count()
    without = fixtures.answers(pace=None, voice=None)
    assert not [each for each in measures_of(without) if each["kind"] == "time" or "Satisfied" in each["measure"]]


def test_the_table_and_the_title_say_changes_with_their_sign() -> None:
    rows = [
        ("Journeys", "count", 1_000.0, 900.0, -100.0, None, None, None, "period"),
        ("Same", "count", 5.0, 5.0, 0.0, None, None, None, ""),
        ("Time", "time", 2.0, 2.5, 0.5, None, None, None, "period"),
        ("Buy", "share", 0.3, 0.36, 0.06, 0.03, 0.09, True, "period"),
        ("Look", "share", 0.9, 0.7, -0.2, -0.25, -0.15, True, "period"),
        ("Cart", "share", 0.5, 0.9, 0.4, -0.1, 0.9, False, "period"),
    ]
    columns = ("measure", "kind", "before", "now", "difference", "low", "high", "clear", "cause")
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    shown = [[cell.replace("\u202f", " ") for cell in row[1:4]] for row in since_table(frame).rows]
    assert shown[0] == ["1,000", "900", "−100"] and shown[1] == ["5", "5", "±0"]
    assert shown[3][:2] == ["30.0 %", "36.0 %"] and shown[4][2].startswith("−20.0")
    assert shown[2][0].startswith("2") and "d" in shown[2][0]
    assert since_headline(frame).replace("\u202f", " ") == "Look: −20.0 pp since the last report"
    assert not_compared(None) == not_compared([]) == "The definition changed: the numbers are not compared."
