"""Rows that a table holds more than once are found from little, and removed; everything else stays."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from expectations.audit import results
from expectations.lake import layout, repeats
from expectations.lake.layout import Lake
from ingest.landing.commit import Table, scan
from ingest.landing.offsets import Claim
from ingest.service.counters import Counters
from ingest.settings.ingest import MaintenanceSettings
from ingest.upkeep import repair as repairing
from ingest.upkeep.repair import repair
from ingest.upkeep.schedule import MaintenanceScheduler
from tests.ingest.streams import places
from tests.ingest.upkeep.overlaps import EACH, land

DAY = date(2026, 1, 1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def double(lake: Lake, name: str = layout.EVENTS) -> None:
    """Compact a table twice from one snapshot, as two processes without a lease did."""
    one, other = DeltaTable(lake.table(name)), DeltaTable(lake.table(name))
    one.optimize.compact()
    other.optimize.compact()


def found(lake: Lake) -> list[tuple[str, date | None, int, int]]:
    return repairing.repeats(lake).rows()


def test_a_doubled_day_is_found_and_repaired_and_later_events_stay(lake: Lake) -> None:
    total = land(lake, 3)
    before = scan(lake, layout.EVENTS).sort("offset").collect()
    double(lake)
    double(lake)
    assert found(lake) == [(layout.EVENTS, DAY, 4 * total, 3 * total)]
    land(lake, 1)
    assert repair(lake, repairing.repeats(lake)) == 3 * total
    assert places(lake) == [("clicks", 0, offset) for offset in range(total + EACH)]
    assert scan(lake, layout.EVENTS).sort("offset").collect().head(total).equals(before)
    assert found(lake) == [] and land(lake, 1) == total + 2 * EACH


def test_rows_at_one_position_that_differ_are_no_repeats(lake: Lake) -> None:
    """A topic that was deleted and created again counts its offsets from the beginning."""
    land(lake, 2)
    again = scan(lake, layout.EVENTS).with_columns(event_id=pl.lit("new-") + pl.col("event_id")).collect()
    assert Table(lake, layout.EVENTS).append(again, [Claim("ingest/test/again/0", None, 80)])
    assert found(lake) == []
    double(lake)
    assert found(lake) == [(layout.EVENTS, DAY, 320, 160)]
    assert repair(lake, repairing.repeats(lake)) == 160
    assert len(set(scan(lake, layout.EVENTS).select("event_id").collect()["event_id"])) == len(places(lake)) == 160


def test_a_table_without_rows_has_no_day(lake: Lake) -> None:
    for name in repeats.LANDED:
        Table(lake, name)
        assert repeats.find_repeats(lake, name).is_empty()
    land(lake, 1)
    DeltaTable(lake.table(layout.EVENTS)).delete()
    assert found(lake) == []


def test_rows_without_a_day_are_found_and_repaired_and_those_of_other_days_stay(lake: Lake) -> None:
    """Landing writes none; another tool may."""
    land(lake, 2)
    dateless = scan(lake, layout.EVENTS).head(9).with_columns(event_date=pl.lit(None, pl.Date)).collect()
    for _ in range(2):
        dateless.write_delta(lake.table(layout.EVENTS), mode="append")
    assert found(lake) == [(layout.EVENTS, None, 18, 9)]
    assert repair(lake, repairing.repeats(lake)) == 9
    days = scan(lake, layout.EVENTS).group_by("event_date").len().sort("event_date").collect()
    assert days.rows() == [(None, 9), (DAY, 2 * EACH)]


def test_days_that_have_not_changed_are_not_read_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    land(lake, 2)
    assert found(lake) == []
    read: list[int] = []

    def count(_: DeltaTable, __: str, days: dict[date | None, int]) -> dict[date | None, int]:
        read.extend(days.values())
        return {}

    monkeypatch.setattr(repeats, "_surplus", count)
    assert found(lake) == [] and read == []
    DeltaTable(lake.table(layout.EVENTS)).optimize.compact()
    assert found(lake) == [] and read == []
    double(lake)
    land(lake, 1)
    assert found(lake) == [] and read == [3 * EACH]


@pytest.mark.parametrize("at_once", [4_000_000, 40, 20])
def test_days_that_are_read_together_have_their_own_repeats(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    land(lake, 2)
    few = scan(lake, layout.EVENTS).head(9).collect()
    for number in (1, 2, 3):
        for _ in range(number):
            few.with_columns(event_date=DAY + timedelta(number)).write_delta(lake.table(layout.EVENTS), mode="append")
    monkeypatch.setattr(repeats, "_MOST_KEYS", at_once)
    counted = repeats.find_repeats(lake, layout.EVENTS)["day", "rows", "surplus"].rows()
    assert counted == [(DAY, 2 * EACH, 0), *((DAY + timedelta(n), 9 * n, 9 * (n - 1)) for n in (1, 2, 3))]


def test_a_day_that_is_read_in_pieces_has_the_same_repeats(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    total = land(lake, 5)
    double(lake)
    monkeypatch.setattr(repeats, "_MOST_KEYS", 30)
    assert found(lake) == [(layout.EVENTS, DAY, 2 * total, total)]


def test_tables_without_days_or_positions_are_repaired_as_well(lake: Lake) -> None:
    for number in range(2):
        when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
        rows = [{"checked_at": when, "suite": f"s{place}", "passed": True, "columns": ["a"]} for place in range(3)]
        results.add_results(lake, pl.DataFrame(rows, schema=results.RESULTS))
        pl.DataFrame({"run": [str(number)]}).write_delta(lake.table(layout.RUNS), mode="append")
    profile = {"identity_kind": "login", "identity": "ann", "topic": "crm", "partition": 0}
    for offset in range(2):
        rows = pl.DataFrame(
            [{**profile, "attribute": "tier", "offset": offset}],
            schema=Table(lake, layout.PROFILES).scan().collect_schema(),
        )
        Table(lake, layout.PROFILES).append(rows, [Claim("ingest/test/crm/0", offset or None, offset + 1)])
    before = results.results(lake)
    names = (layout.PROFILES, layout.RESULTS, layout.RUNS)
    for name in names:
        double(lake, name)
    assert [(name, surplus) for name, _, _, surplus in found(lake)] == list(zip(names, (2, 6, 2), strict=True))
    assert repair(lake, repairing.repeats(lake)) == 10 and found(lake) == []
    assert results.results(lake).equals(before)


def test_nothing_lost_while_events_land_between_reading_and_writing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = land(lake, 3)
    double(lake)
    real = repairing._around

    def slow(*given: object) -> object:
        nonlocal total
        total = land(lake, 1)
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(repairing, "_around", slow)
    assert repair(lake, repairing.repeats(lake)) == total - EACH
    assert places(lake) == [("clicks", 0, offset) for offset in range(total)]


def test_a_service_counts_them_and_says_what_to_do(lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    total, counters, deadline = land(lake, 2), Counters(), time.monotonic() + 20
    double(lake)
    with MaintenanceScheduler(lake, MaintenanceSettings(), counters, pause_seconds=0.01):
        while not counters.surplus_rows and time.monotonic() < deadline:
            time.sleep(0.02)
    assert counters.surplus_rows == total
    [record] = caplog.records
    assert record.message == "tables hold rows more than once" and record.levelname == "ERROR"


def test_a_lake_without_tables_has_none(lake: Lake) -> None:
    assert found(lake) == []
