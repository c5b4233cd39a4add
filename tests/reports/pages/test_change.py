"""Change marks the days of releases on its charts over time, and lists them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from functools import cache

import polars as pl
import pytest

from reports.charts import lint
from reports.charts.time.marks import release_days
from reports.pages.cards import Part
from reports.pages.change import incident_card, releases_card, weeks_card
from reports.privacy.trends import RELEASES
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from tests.reports import fixtures


def cards(*rows: tuple[date, str, str | None]) -> dict[str, Part]:
    releases = pl.DataFrame(rows, schema=RELEASES, orient="row") if rows else None
    asked = replace(plain(), releases=releases)
    found = (incident_card(asked), weeks_card(asked, ReportSettings()), releases_card(asked))
    return {part.id: part for part in found if part is not None}


@cache
def plain() -> Answers:
    return fixtures.answers()


@pytest.fixture(scope="module")
def days() -> list[date]:
    frame = plain().weeks
    assert frame is not None
    return sorted(frame["week"].unique())


def test_without_releases_there_is_no_card_and_no_mark() -> None:
    found = cards()
    assert "releases" not in found
    for card in ("trend", "incident"):
        assert "release" not in found[card].subtitle and "Released" not in json.dumps(found[card].spec)


def test_days_of_releases_are_marked_on_every_chart_and_can_be_read(days: list[date]) -> None:
    many = [(day, f"a rather long name of release {number}", None) for number, day in enumerate(days)]
    found = cards(*many, (days[1], "4.2", "App version"), (days[2], '"&<b>', "App version"))
    for card in ("trend", "incident"):
        part = found[card]
        assert part.subtitle.endswith("▽ release.")
        assert part.spec is not None and part.narrow is not None
        assert "release day" in part.spec["description"]
        found_in = lint.findings(part.spec, "light", lint.CARD_WIDTH[part.span])
        found_in += lint.findings(part.narrow, "dark", lint.PHONE_WIDTH)
        assert [fault for fault in found_in if not fault.startswith("cut off: a rather long name")] == []
    assert "App version 4.2" in json.dumps(found["trend"].spec)
    table = found["releases"].table
    assert table is not None and len(table.rows) == len(many) + 2
    assert found["releases"].title == f"{len(many) + 2} releases in the days of this report"


def test_releases_of_one_day_are_one_mark_and_others_are_left_to_their_chart() -> None:
    day = date(2026, 2, 26)
    frame = pl.DataFrame(
        [(day, "a", None), (day, "4.2", "App version"), (date(2026, 3, 9), "b", None)], schema=RELEASES, orient="row"
    )
    assert release_days(frame, day, date(2026, 3, 8)) == [{"day": day, "label": "a, App version 4.2"}]
    assert release_days(None, day, day) == []
