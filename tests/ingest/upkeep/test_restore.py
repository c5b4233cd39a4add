"""Tables set back to a time have their offsets set back too: what landed since is read again, and lands once."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from expectations.errors import StorageError
from expectations.gate import contract_rules
from expectations.lake import layout
from expectations.lake.layout import Lake
from expectations.lake.log import thin_log
from ingest.files.load import file_stream, load_events
from ingest.landing.commit import Table
from ingest.landing.landing import Landing
from ingest.message import Chunk, Partition
from ingest.quarantine.replay import replay
from ingest.settings.ingest import IngestSettings, MaintenanceSettings
from ingest.upkeep import restore as restoring
from ingest.upkeep.maintenance import compact_crowded_days
from ingest.upkeep.restore import preview, restore
from tests.ingest.files.test_load import ndjson
from tests.ingest.quarantine.test_replay import NEW, OLD, other
from tests.ingest.streams import BAD, Sent, event, places

CLICKS, ORDERS = Partition("clicks", 0), Partition("clicks", 1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def record(offset: int) -> Sent:
    return Sent(offset, [event(offset), other(offset), BAD][offset % 3])


def land(lake: Lake, upto: int, partition: Partition = CLICKS, given: IngestSettings = OLD) -> int:
    """Read a partition on from where the lake says, to an offset, in flushes of ten; returns where it began."""
    landing = Landing(Table(lake, layout.EVENTS), Table(lake, layout.QUARANTINE), given, contract_rules())
    began = landing.begin(partition, "id", 0, accept_gap=False)
    for first in range(began, upto, 10):
        last = min(first + 10, upto)
        landing.take(Chunk(partition, [record(offset) for offset in range(first, last)], last), 0.0)
        landing.flush()
    return began


def moment() -> datetime:
    time.sleep(0.02)
    now = datetime.now(UTC)
    time.sleep(0.02)
    return now


def everything(lake: Lake) -> list[tuple[str, int, int]]:
    return sorted(places(lake) + places(lake, layout.QUARANTINE))


def test_what_landed_since_is_read_again_and_lands_once(lake: Lake) -> None:
    land(lake, 60)
    then, before = moment(), everything(lake)
    land(lake, 100)
    land(lake, 30, ORDERS)
    done = restore(lake, then)
    assert everything(lake) == before and done.offsets == {layout.QUARANTINE: 2, layout.EVENTS: 2}
    assert (land(lake, 110), land(lake, 30, ORDERS)) == (60, 0)
    assert everything(lake) == [("clicks", 0, n) for n in range(110)] + [("clicks", 1, n) for n in range(30)]


def test_negative_control_the_tables_own_restore_loses_what_landed_since(lake: Lake) -> None:
    land(lake, 60)
    version = DeltaTable(lake.table(layout.EVENTS)).version()
    land(lake, 100)
    DeltaTable(lake.table(layout.EVENTS)).restore(version)
    assert land(lake, 110) == 100
    assert len(everything(lake)) < 110


def test_a_consumer_that_was_not_stopped_lands_nothing_of_what_it_holds(lake: Lake) -> None:
    land(lake, 30)
    then = moment()
    land(lake, 60)
    landing = Landing(Table(lake, layout.EVENTS), Table(lake, layout.QUARANTINE), OLD, contract_rules())
    assert landing.begin(CLICKS, "id", 0, accept_gap=False) == 60
    landing.take(Chunk(CLICKS, [record(offset) for offset in range(60, 70)], 70), 0.0)
    restore(lake, then)
    assert landing.flush().rewound == {CLICKS: 30}
    assert land(lake, 70) == 30 and everything(lake) == [("clicks", 0, n) for n in range(70)]


def test_replayed_messages_are_in_quarantine_again_and_can_be_replayed(lake: Lake) -> None:
    land(lake, 30)
    then = moment()
    assert replay(NEW, lake).landed == 10
    restore(lake, then)
    assert len(places(lake, layout.QUARANTINE)) == 20
    assert replay(NEW, lake).landed == 10 and len(set(everything(lake))) == len(everything(lake)) == 30


def test_files_loaded_since_can_be_loaded_again(tmp_path: Path, lake: Lake) -> None:
    land(lake, 10)
    then, given = moment(), IngestSettings()
    (tmp_path / "a.ndjson").write_bytes(ndjson(event(1), event(2), BAD))
    for _ in range(2):
        load_events(tmp_path / "a.ndjson", file_stream(given), given, lake)
        restore(lake, then)
        assert everything(lake) == [("clicks", 0, n) for n in range(10)]
    assert load_events(tmp_path / "a.ndjson", file_stream(given), given, lake).landed == 2


def test_before_the_tables_were_made_they_are_empty_and_now_they_are_as_they_are(lake: Lake) -> None:
    assert restore(lake, datetime.now(UTC)).versions == {}
    land(lake, 30)
    assert restore(lake, moment()).offsets == {layout.QUARANTINE: 0, layout.EVENTS: 0}
    restore(lake, datetime.now(UTC) - timedelta(days=1))
    assert everything(lake) == [] and land(lake, 30) == 0 and len(everything(lake)) == 30


def test_a_copied_lake_goes_by_the_times_in_its_log_whatever_those_of_its_files(tmp_path: Path, lake: Lake) -> None:
    land(lake, 60)
    then, before = moment(), everything(lake)
    land(lake, 100)
    copied = Lake(shutil.copytree(lake.address, str(tmp_path / "copy"), copy_function=shutil.copyfile))
    for number, file in enumerate(sorted(Path(copied.address).rglob("*"), reverse=True)):
        os.utime(file, (number * 86_400, number * 86_400))
    assert set(preview(copied, then)["rows_then"]) == {20, 40}
    assert restore(copied, then).offsets == {layout.QUARANTINE: 1, layout.EVENTS: 1}
    assert everything(copied) == before and land(copied, 110) == 60
    assert everything(copied) == [("clicks", 0, n) for n in range(110)]


def test_the_preview_says_what_comes_and_goes_and_changes_nothing(lake: Lake) -> None:
    land(lake, 60)
    then = moment()
    land(lake, 100)
    compact_crowded_days(lake, MaintenanceSettings(crowded_files=2))
    before = everything(lake)
    found = preview(lake, then)
    assert found.select(pl.exclude("committed_at")).rows() == [
        ("events", 6, 34, 20, 1, 6),
        ("quarantine", 6, 66, 40, 1, 6),
    ]
    assert (found["committed_at"] < then).all() and everything(lake) == before
    assert preview(lake, moment()).is_empty()


def test_a_thinned_log_is_restored_to_the_last_version_that_is_kept_and_nothing_is_lost(lake: Lake) -> None:
    land(lake, 300)
    then, now = moment(), datetime.now(UTC)
    land(lake, 900)
    for name in (layout.EVENTS, layout.QUARANTINE):
        assert thin_log(lake.table(name), 20, timedelta(days=7), now) > 40
    assert restore(lake, then).versions == {layout.EVENTS: 24, layout.QUARANTINE: 24}
    assert land(lake, 900) == 240 and everything(lake) == [("clicks", 0, n) for n in range(900)]


def test_without_the_files_of_that_time_no_table_is_changed(lake: Lake) -> None:
    land(lake, 30)
    then = moment()
    land(lake, 60)
    compact_crowded_days(lake, MaintenanceSettings(crowded_files=2))
    before = everything(lake)
    gone = set(DeltaTable(lake.table(layout.QUARANTINE), version=2).file_uris())
    for file in gone:
        Path(file.removeprefix("file://")).unlink()
    with pytest.raises(StorageError, match="cannot be restored") as failed:
        restore(lake, then)
    assert "files are gone" in failed.value.found and everything(lake) == before


def test_what_lands_meanwhile_is_not_lost(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    land(lake, 30)
    then = moment()
    land(lake, 60)
    real = restoring._offsets

    def slow(table: DeltaTable, then: DeltaTable) -> object:
        found = real(table, then)
        land(lake, 90)
        return found

    monkeypatch.setattr(restoring, "_offsets", slow)
    monkeypatch.setattr(restoring, "TABLES", (layout.EVENTS,))
    with pytest.raises(StorageError, match="written meanwhile"):
        restore(lake, then)
    assert everything(lake) == [("clicks", 0, n) for n in range(90)]
