"""A report is recorded once per site, with the last offset of every partition that it has read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from analytics.monitoring.runs.published import SCHEMA, landed_offsets, published_runs, record_run
from expectations import contract
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.landing.commit import Table

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def landed(lake: Lake, places: list[tuple[str | None, int | None, int | None]]) -> None:
    rows = [
        {"event_date": NOON.date(), "occurred_at": NOON, "topic": topic, "partition": partition, "offset": offset}
        for topic, partition, offset in places
    ]
    events = pl.DataFrame([{name: row.get(name) for name in contract.EVENTS} for row in rows], schema=contract.EVENTS)
    assert Table(lake, layout.EVENTS).append(events, [])


def run(name: str, site: str, day: int) -> dict[str, Any]:
    values = {"run": name, "built_at": datetime(2026, 6, day, tzinfo=UTC), "site": site}
    return {column: values.get(column) for column in SCHEMA}


def test_the_last_offset_of_each_partition_is_named_and_files_have_none(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    assert landed_offsets(lake).is_empty()
    landed(lake, [("clicks", 1, 4), ("clicks", 1, 9), ("clicks", 0, 2), ("orders", 0, 7)])
    landed(lake, [("file:ab12", 0, 99), (None, None, None), ("clicks", 0, 3)])
    assert landed_offsets(lake).rows() == [("clicks", 0, 3), ("clicks", 1, 9), ("orders", 0, 7)]
    assert landed_offsets(lake, 1).rows() == [("clicks", 0, 2), ("clicks", 1, 9), ("orders", 0, 7)]


def test_a_report_is_recorded_once_at_each_site_and_listed_by_its_time(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    assert published_runs(lake).is_empty() and published_runs(lake).schema == SCHEMA
    for each in (run("b", "shop", 2), run("a", "shop", 3), run("b", "shop", 4), run("b", "test", 1)):
        record_run(lake, each)
    found = published_runs(lake).select("run", "site", pl.col("built_at").dt.day())
    assert found.rows() == [("b", "test", 1), ("b", "shop", 2), ("a", "shop", 3)]
