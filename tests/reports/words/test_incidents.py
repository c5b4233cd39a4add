"""An incident is told in one sentence, the costliest first; data that are missing are told as that."""

from __future__ import annotations

from datetime import date

import polars as pl

from reports.privacy.watches import Incidents
from reports.words import incidents as words
from tests.reports import fixtures


def plain(text: str) -> str:
    return text.replace("\u202f", " ")


def test_an_incident_is_said_with_its_pair_group_days_and_goals() -> None:
    (notice,) = words.notices(fixtures.incidents_of())
    what = "“Action” → “Order placed”, device “Mobile web”"
    said = f"{what}: 37 % instead of 60 %, 21 Jul to 1 Aug; 43 goals at stake (28–58)"
    assert plain(notice) == f"◆ {said}. See Change."
    told = words.told(fixtures.incidents_of())
    assert plain(told["sentence"][1]) == said
    assert plain(told["rose_with"][1]) == "With it rose errors (3.0 % instead of 0.4 %)"
    assert words.notices(None) == words.notices(Incidents()) == ()


def test_missing_data_are_told_as_that_and_are_no_notice() -> None:
    told = words.told(fixtures.incidents_of())
    assert told["sentence"][0] == (
        "Data of channel “Awareness” are missing or late since 27 Aug: 10 touches instead of 140"
    )
    assert words.log_headline(told) == "2 alerts, 1 of them open"


def test_three_incidents_are_said_and_the_others_counted() -> None:
    found = fixtures.incidents_of()
    row = found.alerts.row(1, named=True)
    rows = [row | {"alert": str(low), "low": float(low)} for low in (5, 9, 7, 3, 1)]
    many = Incidents(pl.DataFrame(rows, schema=found.alerts.schema, orient="row"))
    lines = words.notices(many)
    assert len(lines) == 4 and lines[-1] == "◆ And 2 more. See Change."
    assert [f"({low}–58)" in line for low, line in zip((9, 7, 5), lines, strict=False)] == [True] * 3


def test_what_lasts_is_usual_now_and_few_are_not_counted() -> None:
    row = fixtures.incidents_of().alerts.row(1, named=True)
    lasting = words.sentence(row | {"is_new_usual": True, "share": None, "low": 0.0})
    assert plain(lasting).endswith("few instead of 60 %, since 21 Jul, which is usual now")
    new = row | {"rule": "unheard", "measure": "touchpoint", "name": "Crash", "source": None, "dimension": None}
    one_day = new | {"last": row["first"], "seen": 30}
    assert words.sentence(one_day) == "“Crash” is new: 30 touches on 21 Jul"
    assert words.days_of(row | {"first": date(2026, 8, 1)}) == "1 Aug"
