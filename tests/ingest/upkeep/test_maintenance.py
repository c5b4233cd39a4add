"""Maintenance changes files, never rows: what is ordered, what is compacted, what is removed, and who does it."""

from __future__ import annotations

import itertools
import os
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from expectations.audit import results
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.decoding.decode import decode
from ingest.landing.commit import Table, scan
from ingest.landing.offsets import Claim
from ingest.message import Partition
from ingest.service.counters import Counters
from ingest.settings.ingest import Limits, MaintenanceSettings, Stream
from ingest.upkeep.maintenance import (
    claim_maintenance,
    compact_crowded_days,
    files_per_open_day,
    maintain,
    seconds_overdue,
)
from ingest.upkeep.rewrite import table_state, vacuum
from ingest.upkeep.schedule import MaintenanceScheduler
from tests.ingest.streams import RECEIVED, Sent, event
from tests.ingest.upkeep.steady import EACH, steady

APP = "ingest/test/topic/0"
DAY = 86_400_000
OLD = date(2025, 12, 12)
SETTINGS = MaintenanceSettings(every=timedelta(hours=1), most_files=3)
NOW = RECEIVED / 1000 + 3600
LATER = NOW + 30 * 86_400


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def land(lake: Lake, commits: int, first: int = 0) -> None:
    """So many commits of 40 events each: 20 of a day long past, 20 of the day of receipt."""
    table = Table(lake, layout.EVENTS)
    for number in range(first, first + commits):
        base = table.decided(APP)
        sent = [
            Sent(
                offset,
                event(offset, customer_id=f"c{offset * 7919 % 101:03d}", occurred_at=RECEIVED - offset % 2 * 20 * DAY),
            )
            for offset in range(number * 40, number * 40 + 40)
        ]
        rows = decode(sent, Partition("clicks", 0), Stream(topic="clicks", kind="clickstream"), Limits()).events
        assert table.append(rows, [Claim(APP, base, number * 40 + 40)])


def rows(lake: Lake) -> list[str]:
    return sorted(scan(lake, layout.EVENTS).select("event_id").collect()["event_id"])


def files(lake: Lake) -> dict[str, int]:
    known = table_state(lake, layout.EVENTS)
    assert known is not None
    return {str(day): count for day, count in known.days.select("day", "files").iter_rows()}


def test_open_days_are_compacted_and_closed_ones_ordered(lake: Lake) -> None:
    land(lake, 5)
    before = rows(lake)
    done = maintain(lake, SETTINGS, now=NOW)
    assert (done.compacted, done.ordered) == ({"events": 1}, {OLD: 100})
    assert rows(lake) == before and files(lake) == {"2025-12-12": 1, "2026-01-01": 1}
    assert Table(lake, layout.EVENTS).decided(APP) == 200


def test_a_closed_day_is_ordered_by_customer_in_small_groups_of_rows(lake: Lake) -> None:
    table = Table(lake, layout.EVENTS)
    for number in range(2):
        draw = range(number * 15_000, number * 15_000 + 15_000)
        sent = [Sent(n, event(n, customer_id=f"c{n * 7919 % 10_007:05d}")) for n in draw]
        rows = decode(sent, Partition("clicks", 0), Stream(topic="clicks", kind="clickstream"), Limits()).events
        table.append(rows, [Claim(APP, table.decided(APP), draw.stop)])
    maintain(lake, SETTINGS, now=LATER)
    [file] = (
        path for path in Path(lake.table(layout.EVENTS)).rglob("*.parquet") if path.stat().st_mtime_ns == newest(lake)
    )
    read = pq.ParquetFile(file)
    assert read.metadata.num_row_groups == 2 and read.metadata.num_rows == 30_000
    assert pl.read_parquet(file)["customer_id"].is_sorted()


def newest(lake: Lake) -> int:
    return max(path.stat().st_mtime_ns for path in Path(lake.table(layout.EVENTS)).glob("event_date=*/*.parquet"))


def test_what_is_in_order_is_left_alone_until_events_come(lake: Lake) -> None:
    land(lake, 5)
    maintain(lake, SETTINGS, now=NOW)
    again = maintain(lake, SETTINGS, now=NOW + 60)
    assert (again.compacted, again.ordered) == ({}, {})
    land(lake, 1, first=5)
    assert maintain(lake, SETTINGS, now=NOW + 120).ordered == {OLD: 120}
    assert len(rows(lake)) == 240


def test_files_of_no_table_go_after_their_time(lake: Lake) -> None:
    land(lake, 5)
    maintain(lake, SETTINGS, now=NOW)
    folder = Path(lake.table(layout.EVENTS))
    held = len(list(folder.glob("event_date=*/*.parquet")))
    assert vacuum(lake, layout.EVENTS, timedelta(hours=24)) == 0 and held == 12
    old = time.time() - 8 * 86_400
    for file in folder.rglob("*.parquet"):
        os.utime(file, (old, old))
    orphan = folder / "event_date=2026-01-01" / "part-orphan.parquet"
    orphan.write_bytes(b"never committed")
    os.utime(orphan, (old, old))
    before = rows(lake)
    removed = vacuum(lake, layout.EVENTS, timedelta(days=7))
    assert removed >= 1 and not orphan.exists() and rows(lake) == before


def test_results_of_checks_and_runs_become_few_files_and_all_of_them_are_kept(lake: Lake) -> None:
    land(lake, 1)
    for number in range(6):
        when = datetime.fromtimestamp(NOW + number, UTC)
        found = [{"checked_at": when, "suite": f"s{place}", "passed": place > 0, "columns": []} for place in range(5)]
        results.add_results(lake, pl.DataFrame(found, schema=results.RESULTS))
        pl.DataFrame({"run": [str(number)]}).write_delta(lake.table(layout.RUNS), mode="append")
    before = results.results(lake)
    done = maintain(lake, SETTINGS, now=NOW)
    assert done.compacted == {layout.RESULTS: 1, layout.RUNS: 1}
    for name in (layout.RESULTS, layout.RUNS):
        known = table_state(lake, name)
        assert known is not None and known.days["files"].to_list() == [1]
    assert results.results(lake).equals(before) and before.height == 30
    assert before["suite"].to_list() == ["s0", "s1", "s2", "s3", "s4"] * 6
    assert sorted(pl.read_delta(lake.table(layout.RUNS))["run"]) == list("012345")


def test_files_are_never_removed_within_a_day() -> None:
    with pytest.raises(ValidationError):
        MaintenanceSettings.model_validate({"keep": "23h"})
    with pytest.raises(ValueError, match="24 hours"):
        vacuum(Lake("nowhere"), layout.EVENTS, timedelta(hours=23))


def test_it_is_due_once_an_interval_and_for_one_process(lake: Lake) -> None:
    assert seconds_overdue(lake, SETTINGS, NOW) is None and not claim_maintenance(lake, SETTINGS, NOW)
    land(lake, 1)
    soon, then = time.time(), time.time() + 2 * 3600
    assert not claim_maintenance(lake, SETTINGS, soon)
    assert claim_maintenance(lake, SETTINGS, then)
    assert not claim_maintenance(lake, SETTINGS, then + 60)
    assert claim_maintenance(lake, SETTINGS, then + 3700)


def test_a_lake_without_tables_needs_none(lake: Lake) -> None:
    assert maintain(lake, SETTINGS, now=NOW).removed == {}
    assert files_per_open_day(lake, datetime.now(UTC).date()) == 0


def test_events_land_once_while_it_is_at_work(lake: Lake) -> None:
    land(lake, 2)
    stop = threading.Event()

    def tend() -> None:
        while not stop.is_set():
            maintain(lake, SETTINGS, now=NOW)

    tending = threading.Thread(target=tend)
    tending.start()
    try:
        for number in range(2, 22):
            land(lake, 1, first=number)
    finally:
        stop.set()
        tending.join()
    landed = rows(lake)
    assert len(landed) == len(set(landed)) == 22 * 40


def test_a_service_does_it_when_it_is_due(lake: Lake) -> None:
    land(lake, 5)
    began = Claim("maintenance/began", None, int(time.time()) - 7200)
    Table(lake, layout.EVENTS).append(rows_of_none(lake), [began])
    counters, deadline = Counters(), time.monotonic() + 20
    with MaintenanceScheduler(lake, SETTINGS, counters, pause_seconds=0.01):
        while not (counters.maintained and counters.removed_files == 0) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert counters.maintained == 1 and max(files(lake).values()) == 1


def test_a_service_relieves_a_crowded_day_at_once_and_keeps_its_rows(lake: Lake) -> None:
    land(lake, 6)
    before, counters = rows(lake), Counters()
    crowded = MaintenanceSettings(crowded_files=5)
    assert compact_crowded_days(lake, MaintenanceSettings(crowded_files=6)) == 0
    with MaintenanceScheduler(lake, crowded, counters, pause_seconds=0.05):
        deadline = time.monotonic() + 20
        while counters.relieved < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
    known = table_state(lake, layout.EVENTS)
    assert known is not None and known.days["files"].to_list() == [1, 1] and counters.relieved == 2
    assert rows(lake) == before and compact_crowded_days(lake, crowded) == 0
    land(lake, 1, first=6)
    assert len(rows(lake)) == len(before) + 40


def test_a_run_that_is_stopped_is_continued_by_the_next_one(lake: Lake) -> None:
    days = 7
    table = Table(lake, layout.EVENTS)
    for day in range(days):
        sent = [Sent(n, event(n, occurred_at=RECEIVED - (20 + day) * DAY)) for n in range(day * 5, day * 5 + 5)]
        batch = decode(sent, Partition("clicks", 0), Stream(topic="clicks", kind="clickstream"), Limits()).events
        assert table.append(batch, [Claim(APP, table.decided(APP), day * 5 + 5)])
    done = list[int]()
    while not done or done[-1]:
        steps = itertools.count()
        done.append(len(maintain(lake, SETTINGS, now=NOW, go_on=lambda steps=steps: next(steps) < 3).ordered))  # type: ignore[misc]
        assert len(done) < days
    assert done == [3, 3, 1, 0] and len(rows(lake)) == days * 5


def test_a_run_that_is_killed_is_not_begun_anew(lake: Lake) -> None:
    land(lake, 3)

    def killed(done: int, _: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        maintain(lake, SETTINGS, now=NOW, on_progress=killed)
    assert maintain(lake, SETTINGS, now=NOW).ordered == {}


def test_few_late_events_do_not_order_a_closed_day_again(lake: Lake) -> None:
    land(lake, 20)
    maintain(lake, SETTINGS, now=NOW)
    land(lake, 1, first=20)
    assert maintain(lake, SETTINGS, now=NOW).ordered == {}
    land(lake, 3, first=21)
    assert maintain(lake, SETTINGS, now=NOW).ordered == {OLD: 480}


def test_a_service_maintains_by_default_and_only_when_the_last_run_is_old(lake: Lake) -> None:
    land(lake, 5)
    counters = Counters()
    scheduler = MaintenanceScheduler(lake, MaintenanceSettings(), counters)
    scheduler.run_once()
    assert counters.maintained == 0
    table = Table(lake, layout.EVENTS)
    table.append(rows_of_none(lake), [Claim("maintenance/began", None, int(time.time()) - 7200)])
    scheduler.run_once(), scheduler.run_once()
    assert counters.maintained == 1
    never = MaintenanceSettings.model_validate({"every": "never"})
    assert not claim_maintenance(lake, never, time.time() + 1e6)


def test_the_log_of_a_steady_stream_is_bounded_and_events_land_once(tmp_path: Path) -> None:
    settings = MaintenanceSettings(versions=50, crowded_files=20)
    found = steady(tmp_path, 160, settings)
    assert found.files < 110
    landed = rows(Lake(str(tmp_path)))
    assert len(landed) == len(set(landed)) == 160 * EACH


def rows_of_none(lake: Lake) -> pl.DataFrame:
    return scan(lake, layout.EVENTS).head(0).collect()
