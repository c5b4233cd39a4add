"""A check evaluates what has landed since the last one, day by day, and stores the results in the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from expectations import contract
from expectations.audit import results, table
from expectations.audit.audit import CheckSummary, check
from expectations.audit.landed import Table
from expectations.errors import ConfigurationError
from expectations.lake.layout import Lake
from expectations.suites.defaults import default_suites
from expectations.suites.expectation import Expectation, Suite
from expectations.suites.settings import ExpectationSettings
from tests.expectations.events import START, days_of, event, frame

NOW = START + timedelta(days=30)
QUIET = ExpectationSettings.model_validate({"drift": {"enabled": False}})
SMALL = Suite(
    "small",
    "events",
    (
        Expectation("expect_column_values_to_not_be_null", {"column": "session_id"}),
        Expectation("expect_column_values_to_be_between", {"column": "revenue", "min_value": 0}, "warn"),
        Expectation("expect_column_values_to_be_unique", {"column": "event_id"}, "warn"),
        Expectation("expect_compound_columns_to_be_unique", {"column_list": list(contract.POSITION)}),
        Expectation("expect_table_row_count_to_be_between", {"min_value": 5}),
    ),
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def run(
    lake: Lake,
    rows: list[dict[str, Any]] | Mapping[str, Table],
    suites: Sequence[Suite] = (SMALL,),
    settings: ExpectationSettings = QUIET,
    now: datetime = NOW,
) -> CheckSummary:
    tables = {"events": events_of(rows)} if isinstance(rows, list) else rows
    return check(lake, tables, suites, settings, now=now)


def events_of(rows: list[dict[str, Any]]) -> Table:
    """A table whose version is the number of its rows: later rows are those that came since."""
    return Table(frame(rows).lazy(), len(rows), lambda since: frame(rows[since:]).lazy())


def missed(summary: CheckSummary) -> list[tuple[Any, ...]]:
    return summary.results.filter(~pl.col("passed")).select("day", "columns", "failed").rows()


def test_a_sound_lake_passes_the_default_suites(lake: Lake) -> None:
    summary = run(lake, days_of(3, 2), default_suites())
    assert summary.passed and (summary.days, summary.rows) == (3, 144)
    assert missed(summary) == []
    assert [suite.name for suite in summary.suites] == ["events", "clickstream", "order", "feedback"]
    assert summary.results.schema == results.RESULTS
    assert results.results(lake).equals(summary.results)


def test_a_day_that_fails_fails_the_check_and_a_warning_does_not(lake: Lake) -> None:
    rows = days_of(2, 2)
    rows[50] |= {"session_id": None}
    rows[53] |= {"revenue": "-1.00"}
    summary = run(lake, rows)
    assert not summary.passed
    assert missed(summary) == [(date(2026, 1, 6), ["session_id"], 1), (date(2026, 1, 6), ["revenue"], 1)]
    assert (summary.suites[0].failed, summary.suites[0].warned) == (1, 1)
    rows[50] |= {"session_id": "s"}
    assert run(Lake(lake.address + "2"), rows).passed


def test_few_duplicate_events_pass_and_many_are_reported(lake: Lake) -> None:
    def again(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
        return rows + [row | {"partition": 1} for row in rows[:count]]

    [asked] = [each for each in default_suites()[0].expectations if each.type == "expect_column_values_to_be_unique"]
    only = [Suite("events", "events", (asked,))]
    sound, looped = again(days_of(1, 10), 6), again(days_of(1, 10), 7)  # 12 of 246, 14 of 247
    assert missed(run(lake, sound, only)) == []
    summary = run(Lake(lake.address + "2"), looped, only)
    assert summary.passed and missed(summary) == [(date(2026, 1, 5), ["event_id"], 14)]
    assert "at most 5% of a day's events share their id" in summary.results["belief"][0]


def test_only_rows_landed_since_the_last_check_are_evaluated(lake: Lake) -> None:
    rows = days_of(3, 2)
    run(lake, rows)
    assert run(lake, rows).days == 0
    late = [event(1000, 0, 3), event(1001, 2, 3, session_id=None), event(0, 2, 4, partition=1)]
    summary = run(lake, rows + late)
    assert (summary.days, summary.rows) == (2, 3)
    assert missed(summary) == [(date(2026, 1, 7), ["session_id"], 1)]
    counts = summary.results.filter(pl.col("expectation") == "expect_column_values_to_be_unique")["judged"]
    assert counts.to_list() == [49, 50]  # of the whole day
    assert run(lake, rows + late).days == 0


def test_a_table_with_incomplete_history_is_checked_as_a_whole_with_a_note(lake: Lake) -> None:
    rows = days_of(2, 2)
    run(lake, rows)
    forgotten = Table(frame(rows[1:]).lazy(), len(rows) + 1, lambda _: None)
    summary = run(lake, {"events": forgotten})
    assert (summary.days, summary.rows) == (2, 95)
    assert summary.notes == ("events: the rows added after version 96 are unknown, so all of version 97 is checked",)
    assert summary.results["since"].unique().to_list() == [None]
    assert run(lake, {"events": forgotten}).notes == ()


def test_a_version_that_only_compacted_files_adds_no_rows(lake: Lake) -> None:
    rows = days_of(2, 2)
    run(lake, rows)
    compacted = Table(frame(rows).lazy(), len(rows) + 1, lambda _: frame([]).lazy())
    assert run(lake, {"events": compacted}).rows == 0
    assert results.seen(lake)["mark"].to_list() == ["97"]


@pytest.mark.parametrize("batch", [40, 10_000])
def test_the_size_of_a_batch_changes_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    rows = days_of(4, 2)
    rows[60] |= {"session_id": None, "event_id": "e1"}
    rows[70] |= {"offset": 71}
    rows[100] |= {"event_id": "e101"}
    settings = ExpectationSettings.model_validate(
        {
            "drift": {"enabled": False},
            "references": [{"column": "customer_id", "share": 0.5}],
            "rules": [{"column": "score", "kind": "feedback", "least": 9.5}],
        }
    )
    profiles = pl.LazyFrame({"identity_kind": ["customer_id"] * 3, "identity": ["c1", "c2", "c3"]})
    tables = {
        "events": Table(frame(rows).lazy()),
        "profiles": Table(profiles.match_to_schema(contract.PROFILES, missing_columns="insert")),
    }
    suites = [SMALL, *default_suites()[:4], *settings.own_suites(Path())]
    monkeypatch.setattr(table, "CHUNK", batch)
    found = run(lake, tables, suites, settings).results
    monkeypatch.setattr(table, "CHUNK", 10**6)
    alone = [
        run(
            Lake(f"{lake.address}-{day}"),
            {"events": Table(frame(part).lazy()), "profiles": tables["profiles"]},
            suites,
            settings,
        )
        for day, part in by_day(rows).items()
    ]
    expected = pl.concat(each.results for each in alone)
    assert found.filter(pl.col("table") == "events").equals(expected)
    assert not expected["passed"].all()


def by_day(rows: list[dict[str, Any]]) -> dict[date, list[dict[str, Any]]]:
    return {day: [row for row in rows if row["event_date"] == day] for day in sorted({r["event_date"] for r in rows})}


def test_a_customer_without_a_profile_is_counted(lake: Lake) -> None:
    profiles = pl.DataFrame(
        [
            {"identity_kind": "customer_id", "identity": f"c{n}", "attribute": "region", "valid_from": START}
            for n in range(4)
        ]
    )
    tables = {"events": Table(frame(days_of(1, 1)).lazy()), "profiles": Table(profiles.lazy())}
    strict = {
        "drift": {"enabled": False},
        "references": [{"column": "customer_id", "severity": "refuse", "share": 0.9}],
    }
    summary = run(lake, tables, [], ExpectationSettings.model_validate(strict))
    result = summary.results.row(0, named=True)
    assert not summary.passed
    assert (result["suite"], result["judged"], result["failed"]) == ("references", 24, 9)
    assert result["belief"] == "customer_id has a profile"


def test_freshness_is_evaluated_even_when_nothing_has_landed(lake: Lake) -> None:
    settings = ExpectationSettings.model_validate({"freshness": "2h", "drift": {"enabled": False}})
    end = START + timedelta(days=1)
    assert run(lake, days_of(1, 1), (), settings, end).passed
    assert not run(lake, days_of(1, 1), (), settings, end + timedelta(hours=3)).passed


def test_an_unknown_column_is_reported_before_anything_is_evaluated(lake: Lake) -> None:
    suite = Suite("own", "events", (Expectation("expect_column_mean_to_be_between", {"column": "price"}),))
    with pytest.raises(ConfigurationError, match="price"):
        run(lake, days_of(1, 1), [suite])


def test_an_empty_lake_and_a_lake_of_one_event_pass(lake: Lake) -> None:
    empty = run(lake, [], default_suites())
    assert empty.passed and empty.results.is_empty() and results.results(lake).is_empty()
    assert run(lake, [event(0, 0, 0)], default_suites()).rows == 1


def test_touches_are_judged_without_positions(lake: Lake) -> None:
    touch = {
        **{"customer": "c1", "at": START, "touchpoint": "Cart", "stage": None, "channel": "web", "linked": "login"},
        **{"session": 1, "journey": 1, "outcome": "open"},
    }
    touches = pl.DataFrame([touch, touch | {"outcome": "lost", "at": START + timedelta(days=1)}])
    summary = run(lake, {"touches": Table(touches.lazy())}, default_suites())
    assert (summary.rows, missed(summary)) == (2, [(date(2026, 1, 6), ["outcome"], 1)])
    assert run(lake, {"touches": Table(touches.lazy())}, default_suites()).days == 0
    mended = touches.with_columns(outcome=pl.lit("open"))
    again = run(lake, {"touches": Table(mended.lazy())}, default_suites())
    assert (again.days, again.rows, again.passed) == (1, 1, True)  # the other day is as it was


def test_a_touch_of_no_journey_is_sound_and_a_journey_needs_an_outcome(lake: Lake) -> None:
    touch = {
        **{"customer": "c1", "at": START, "touchpoint": "Login", "stage": None, "channel": "web", "linked": "login"},
        **{"session": 1, "journey": None, "outcome": None},
    }
    incomplete = [{"journey": 1, "outcome": None}, {"journey": None, "outcome": "open"}]
    days = [touch, *(touch | each | {"at": START + timedelta(days=n)} for n, each in enumerate(incomplete, start=1))]
    summary = run(lake, {"touches": Table(pl.DataFrame(days, infer_schema_length=None).lazy())}, default_suites())
    first = START.date()
    assert missed(summary) == [
        (first + timedelta(days=1), ["outcome"], 1),
        (first + timedelta(days=2), ["journey"], 1),
    ]


def test_profiles_and_links_are_evaluated_as_a_whole_and_later_rows_alone(lake: Lake) -> None:
    row = {"kind": "device_id", "value": "d1", "other_kind": "customer_id", "other_value": "c1", "removed": True}
    first = pl.DataFrame([row | {"decided_at": START, "reason": "asked"}], schema=contract.LINKS)
    later = pl.DataFrame([row | {"decided_at": None, "reason": None, "value": ""}], schema=contract.LINKS)
    assert run(lake, {"links": Table(first.lazy(), 0)}, default_suites()).passed
    both = Table(pl.concat([first, later]).lazy(), 1, lambda _: later.lazy())
    summary = run(lake, {"links": both}, default_suites())
    assert summary.rows == 1
    assert missed(summary) == [(None, ["decided_at"], 1), (None, ["value"], 1)]


def test_an_interrupted_check_is_repeated(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(results, "keep", killed)
        with pytest.raises(KeyboardInterrupt):
            run(lake, days_of(1, 1))
    assert run(lake, days_of(1, 1), now=NOW.astimezone(UTC) + timedelta(seconds=1)).days == 1
