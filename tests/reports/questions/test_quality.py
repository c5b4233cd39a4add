"""The lake's records of its data quality, as the report reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from expectations import contract
from expectations.lake.layout import EVENTS, Lake
from reports.questions.quality import evidence

CAME = datetime(2026, 6, 1, tzinfo=UTC)


def landed(lake: Lake, *events: tuple[str, int]) -> None:
    """Lands one event per topic, received the given number of hours after it occurred."""
    rows = [
        {"event_id": f"e{place}", "occurred_at": CAME - timedelta(hours=hours), "received_at": CAME, "topic": topic}
        for place, (topic, hours) in enumerate(events)
    ]
    frame = pl.DataFrame([{name: row.get(name) for name in contract.EVENTS} for row in rows], schema=contract.EVENTS)
    frame.write_delta(lake.table(EVENTS))


def test_rows_of_files_are_not_late(tmp_path: Path) -> None:
    landed(Lake(str(tmp_path)), *[("clicks", 1)] * 10, *[("clicks", 30)] * 10, ("file:0123", 9000))
    found = evidence(Lake(str(tmp_path)), 10)
    assert (found.arrived_at, found.late, found.events) == (CAME, 0.5, 21)


def test_the_share_of_few_late_events_is_withheld(tmp_path: Path) -> None:
    landed(Lake(str(tmp_path)), *[("clicks", 1)] * 90, *[("clicks", 30)] * 9)
    assert evidence(Lake(str(tmp_path)), 10).late is None
    assert evidence(Lake(str(tmp_path)), 9).late == 0.0909


def test_the_share_of_late_events_is_null_where_all_came_from_files(tmp_path: Path) -> None:
    landed(Lake(str(tmp_path)), ("file:0123", 9000))
    assert evidence(Lake(str(tmp_path)), 10).late is None
