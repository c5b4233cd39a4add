"""Counts of another tool beside ours: planted differences are found, and named by what made them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from expectations.errors import InputError
from expectations.lake.layout import Lake
from ingest.files.load import load_events
from ingest.files.reconcile import reconcile
from ingest.settings.ingest import IngestSettings, Limits, Stream

SETTINGS = IngestSettings(limits=Limits(oldest=None))
STREAM = Stream(topic="file", kind="clickstream", channel="web")
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1)"


def planted() -> list[dict[str, Any]]:
    """Six days of events of two names, more in some hours than in others."""
    minutes = [minute for minute in range(6 * 24 * 60) if minute % (7 + minute * minute // 3600 % 41) == 0]
    return [
        {
            "event_id": f"e{number}",
            "event_name": "order_completed" if number % 3 == 0 else "page_viewed",
            "occurred_at": (BEGIN + timedelta(minutes=minute)).isoformat(),
            "customer_id": f"c{number % 7}",
        }
        for number, minute in enumerate(minutes)
    ]


def landed(folder: Path, events: list[dict[str, Any]]) -> Lake:
    lake = Lake(str(folder / "lake"))
    (folder / "events.ndjson").write_text("".join(json.dumps(event) + "\n" for event in events))
    load_events(folder / "events.ndjson", STREAM, SETTINGS, lake)
    return lake


def counted(events: list[dict[str, Any]], zone: str = "UTC") -> Counter[tuple[str, str]]:
    days = (datetime.fromisoformat(event["occurred_at"]).astimezone(ZoneInfo(zone)).date() for event in events)
    return Counter((day.isoformat(), str(event["event_name"])) for day, event in zip(days, events, strict=True))


def their_file(folder: Path, counts: Counter[tuple[str, str]]) -> Path:
    file = folder / "theirs.csv"
    rows = [{"Date": day, "Event Name": name, "Total": f"{count:,}"} for (day, name), count in counts.items()]
    pl.DataFrame(rows).write_csv(file)
    return file


def causes(lake: Lake, file: Path) -> dict[str, int]:
    return dict(reconcile(lake, file).causes.select("cause", "events").iter_rows())


def test_equal_counts_have_no_difference_and_names_are_compared_as_words(tmp_path: Path) -> None:
    events = planted()
    lake = landed(tmp_path, events)
    spoken = Counter({(day, name.replace("_", " ").title()): n for (day, name), n in counted(events).items()})
    found = reconcile(lake, their_file(tmp_path, spoken))
    assert found.differing.is_empty() and found.causes.rows() == [("not explained", 0, "")]
    assert found.cells["ours"].sum() == len(events)


def test_another_time_zone_is_found_and_leaves_nothing(tmp_path: Path) -> None:
    events = planted()
    lake = landed(tmp_path, events)
    theirs = counted(events, "America/New_York")
    for day in (min(theirs)[0], max(theirs)[0]):
        theirs = Counter({cell: n for cell, n in theirs.items() if cell[0] != day})
    found = reconcile(lake, their_file(tmp_path, theirs))
    assert found.causes["cause"].to_list() == ["time zone", "not explained"]
    assert found.causes["about"][0] == "their days are those of UTC−5"
    assert found.causes["events"].to_list() == [found.cells["difference"].abs().sum(), 0]
    assert reconcile(lake, tmp_path / "theirs.csv", "America/New_York").differing.is_empty()


def test_each_planted_cause_explains_what_was_planted(tmp_path: Path) -> None:
    events = planted()
    twice = [dict(event) for event in events[::11]]
    bots = [
        {**event, "event_id": f"bot-{event['event_id']}", "properties": {"user_agent": BOT}} for event in events[::13]
    ]
    bots = [bot for bot in bots if bot["event_name"] == "page_viewed"]
    orders = [event for event in events if event["event_name"] == "order_completed"]
    refused = [dict(event, event_id=f"r{n}", customer_id=None) for n, event in enumerate(orders[:9])]
    lake = landed(tmp_path, events + twice + bots + refused)
    theirs = counted(events + [event for event in twice if event["event_name"] == "order_completed"])
    lost = sum(n for (day, _), n in theirs.items() if day == "2026-01-07")
    theirs = Counter({cell: n for cell, n in theirs.items() if cell[0] != "2026-01-07"}) + counted(refused)
    theirs[("2026-01-06", "Newsletter opened")] = 40
    theirs[("2026-01-20", "page_viewed")] = 6
    repeated = sum(event["event_name"] == "order_completed" and "01-07" not in event["occurred_at"] for event in twice)
    on_other_days = sum("01-07" not in bot["occurred_at"] for bot in bots)
    assert lost > 0
    assert causes(lake, their_file(tmp_path, theirs)) == {
        "missing name": 40,
        "missing day": 6,
        "duplicates": repeated,
        "bots": on_other_days,
        "refused": 9,
        "not explained": 0,
    }


def test_a_column_for_each_event_is_read_too_and_what_stays_open_is_said(tmp_path: Path) -> None:
    lake = landed(tmp_path, planted()[:10])
    (tmp_path / "wide.csv").write_text("Date,Page viewed,Order completed\n2026-01-05,8,4\n")
    found = reconcile(lake, tmp_path / "wide.csv")
    assert found.cells.rows() == [
        (BEGIN.date(), "Order completed", 4, 4, 0, ""),
        (BEGIN.date(), "Page viewed", 8, 6, -2, ""),
    ]
    assert found.causes.rows() == [("not explained", 2, "")]


def test_an_empty_lake_has_none_of_their_events(tmp_path: Path) -> None:
    (tmp_path / "theirs.csv").write_text("day,event,count\n2026-01-05,open,3\n")
    assert causes(Lake(str(tmp_path / "none")), tmp_path / "theirs.csv") == {"missing name": 3, "not explained": 0}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("when,what,n\n2026-01-05,open,3\n", "when, what, n"),
        ("day,event,count\n05.01.2026,open,3\n", "05.01.2026"),
        ("day,event,count\n2026-01-05,open,many\n", "many"),
        ("day\n2026-01-05\n", "day"),
    ],
)
def test_what_cannot_be_read_is_explained(content: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "theirs.csv").write_text(content)
    with pytest.raises(InputError) as error:
        reconcile(Lake(str(tmp_path / "lake")), tmp_path / "theirs.csv")
    assert error.value.found == found
