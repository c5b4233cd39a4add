"""A commit is a compare-and-swap: who read an old offset lands nothing, and what is in doubt is settled by the log."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from expectations import contract, retries
from expectations.errors import StorageError
from expectations.lake import layout
from expectations.lake.layout import Lake
from expectations.lake.lease import Lease
from ingest.decoding.decode import decode
from ingest.landing import commit
from ingest.landing.commit import Table, scan, table_statistics
from ingest.landing.offsets import Claim
from ingest.message import Partition
from ingest.settings.ingest import Limits, Stream
from tests.ingest.streams import Sent, event, places

APP = "ingest/test/topic/0"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def rows(*offsets: int) -> pl.DataFrame:
    sent = [Sent(offset, event(offset)) for offset in offsets]
    return decode(sent, Partition("clicks", 0), Stream(topic="clicks", kind="clickstream"), Limits()).events


def test_rows_and_offset_become_visible_together(lake: Lake) -> None:
    table = Table(lake, layout.EVENTS)
    assert table.decided(APP) is None
    assert table.append(rows(0, 1, 2), [Claim(APP, None, 3)])
    fresh = Table(lake, layout.EVENTS)
    assert fresh.decided(APP) == 3
    assert places(lake) == [("clicks", 0, 0), ("clicks", 0, 1), ("clicks", 0, 2)]


def test_an_offset_moves_without_rows_too(lake: Lake) -> None:
    assert Table(lake, layout.EVENTS).append(rows(), [Claim(APP, None, 9)])
    assert Table(lake, layout.EVENTS).decided(APP) == 9 and places(lake) == []


def test_a_zombie_with_an_old_snapshot_lands_nothing(lake: Lake) -> None:
    zombie, owner = Table(lake, layout.EVENTS), Table(lake, layout.EVENTS)
    assert owner.append(rows(0, 1, 2), [Claim(APP, None, 3)])
    assert zombie.decided(APP) is None  # it has not looked since
    assert not zombie.append(rows(0, 1), [Claim(APP, None, 2)])
    assert places(lake) == places(lake)[:3] and len(places(lake)) == 3


def test_a_claim_on_another_base_is_refused_before_anything_is_written(lake: Lake) -> None:
    table = Table(lake, layout.EVENTS)
    table.append(rows(0), [Claim(APP, None, 1)])
    assert not table.append(rows(5), [Claim(APP, 5, 6)])
    assert not table.append(rows(0), [Claim(APP, None, 1)])
    assert table.version == 1


def test_owners_of_different_partitions_do_not_hinder_each_other(lake: Lake) -> None:
    first, second = Table(lake, layout.EVENTS), Table(lake, layout.EVENTS)
    assert first.append(rows(0), [Claim(APP, None, 1)])
    assert second.append(rows(1), [Claim("ingest/test/topic/1", None, 2)])
    assert len(places(lake)) == 2


def test_one_lost_claim_of_several_loses_the_commit(lake: Lake) -> None:
    first, second = Table(lake, layout.EVENTS), Table(lake, layout.EVENTS)
    assert first.append(rows(0), [Claim(APP, None, 1)])
    assert not second.append(rows(0, 7), [Claim("other", None, 8), Claim(APP, None, 1)])
    assert len(places(lake)) == 1


def test_an_error_after_the_commit_is_settled_by_the_log(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(lake, layout.EVENTS)
    real, calls = write_deltalake, 0

    def lands_and_fails(*given: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        real(*given, **named)
        raise OSError("connection reset")

    monkeypatch.setattr(commit, "write_deltalake", lands_and_fails)
    assert table.append(rows(0, 1), [Claim(APP, None, 2)])
    assert calls == 1 and len(places(lake)) == 2


def test_an_error_before_the_commit_is_tried_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(lake, layout.EVENTS)
    real, calls = write_deltalake, 0

    def fails_once(*given: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise CommitFailedError("no")
        real(*given, **named)

    monkeypatch.setattr(commit, "write_deltalake", fails_once)
    assert table.append(rows(0, 1), [Claim(APP, None, 2)])
    assert calls == 2 and len(places(lake)) == 2


def test_a_commit_is_tried_six_times_with_pauses_that_double(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    table, tried, paused = Table(lake, layout.EVENTS), [], []

    def loses(*given: Any, **named: Any) -> None:
        tried.append(given)
        raise CommitFailedError("somebody else was first")

    monkeypatch.setattr(commit, "write_deltalake", loses)
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=paused.append))
    with pytest.raises(StorageError, match="somebody else was first"):
        table.append(rows(0), [Claim(APP, None, 1)])
    assert len(tried) == 6 and paused == [0.05, 0.1, 0.2, 0.4, 0.8]


def test_a_store_that_keeps_failing_is_one_clear_error(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(lake, layout.EVENTS)

    def is_full(*given: Any, **named: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(commit, "write_deltalake", is_full)
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 0)
    with pytest.raises(StorageError, match="No space left on device"):
        table.append(rows(0), [Claim(APP, None, 1)])


def test_what_a_store_says_is_one_line_without_colours_and_signatures() -> None:
    arrow = "\n   \x1b[31m↳\x1b[0m "
    text = f"Kernel error{arrow}Error performing GET https://store/x?sig=abc%3D in 2 s{arrow}refused\n"
    with pytest.raises(StorageError) as failed, commit.write_errors("lake"):
        raise OSError(text)
    assert failed.value.found == "Kernel error Error performing GET https://store/x?... in 2 s refused"
    with pytest.raises(StorageError) as failed, commit.read_errors("lake"):
        raise DeltaError("Generic error\nof values")
    assert failed.value.found == "Generic error"
    with pytest.raises(StorageError) as failed, commit.read_errors("lake"):
        raise OSError
    assert failed.value.found == "OSError"


def test_negative_control_a_write_by_address_lands_the_zombies_rows_twice(lake: Lake) -> None:
    """Proves that the check sees duplicates, and why the snapshot that was checked must be the one written to."""
    zombie, owner = Table(lake, layout.EVENTS), Table(lake, layout.EVENTS)
    assert zombie.decided(APP) is None
    assert owner.append(rows(0, 1, 2), [Claim(APP, None, 3)])
    marks = CommitProperties(app_transactions=[Transaction(APP, 3)])
    write_deltalake(lake.table(layout.EVENTS), rows(0, 1, 2), mode="append", commit_properties=marks)
    landed = places(lake)
    assert len(landed) == 6 and len(set(landed)) == 3


def test_the_log_is_read_again_right_after_each_checkpoint_whoever_else_commits(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = 4
    monkeypatch.setattr(commit, "_CONFIGURATION", commit._CONFIGURATION | {"delta.checkpointInterval": str(every)})
    table, real = Table(lake, layout.EVENTS, reload_every=every), Table.reload
    again: list[int] = []

    def noted(self: Table) -> None:
        again.append(self.version)
        real(self)

    monkeypatch.setattr(Table, "reload", noted)
    for offset in range(14):
        assert table.append(rows(offset), [Claim(APP, offset or None, offset + 1)])
        if offset == 4:
            assert Table(lake, layout.EVENTS).append(rows(100), [Claim("other", None, 1)])
    assert table.version == 15 and len(places(lake)) == 15
    log = Path(table.address) / "_delta_log"
    assert again == [int(file.name[:20]) for file in sorted(log.glob("*.checkpoint.parquet"))] == [3, 7, 11, 15]


def test_the_table_is_made_once_by_whoever_comes_first(lake: Lake) -> None:
    first, second = Table(lake, layout.QUARANTINE), Table(lake, layout.QUARANTINE)
    assert first.version == second.version == 0
    assert DeltaTable(lake.table(layout.QUARANTINE)).metadata().partition_columns == ["received_date"]


def test_a_lake_without_tables_is_empty(lake: Lake) -> None:
    assert scan(lake, layout.EVENTS).collect().height == 0
    assert table_statistics(lake, layout.EVENTS)["rows"] is None


def test_a_lake_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="cannot be written") as failed:
        Table(Lake(str(tmp_path / "file" / "lake")), layout.EVENTS)
    assert "Traceback" not in failed.value.message and str(tmp_path) in failed.value.where


def test_the_age_of_log_entries_is_looked_at_once_a_checkpoint(lake: Lake) -> None:
    table, log = Table(lake, layout.EVENTS), Path(lake.table(layout.EVENTS)) / "_delta_log"

    def commit_until(version: int) -> None:
        while table.version < version:
            assert table.append(rows(), [Claim(APP, table.version or None, table.version + 1)])

    commit_until(25)
    for entry in log.glob("*.json"):
        os.utime(entry, (1_000_000_000, 1_000_000_000))
    commit_until(49)  # no commit between looks at them, however many there are
    assert len(list(log.glob("*.json"))) == 50
    commit_until(50)
    assert min(int(entry.stem) for entry in log.glob("*.json")) == 24  # where the first checkpoint is
    assert Table(lake, layout.EVENTS).decided(APP) == 50


def test_a_new_table_keeps_a_week_of_versions_and_a_day_of_removed_files(lake: Lake) -> None:
    kept = DeltaTable(Table(lake, layout.EVENTS).address).metadata().configuration
    assert kept == {
        "delta.checkpointInterval": "25",
        "delta.logRetentionDuration": "interval 168 hours",
        "delta.deletedFileRetentionDuration": "interval 25 hours",
    }
    assert commit.retention(timedelta(days=2))["delta.logRetentionDuration"] == "interval 48 hours"
    assert DeltaTable(lake.table(layout.EVENTS)).metadata().partition_columns == ["event_date"]


def test_a_table_is_made_in_a_folder_that_is_there_already_and_in_one_that_is_not(lake: Lake) -> None:
    Path(lake.table(layout.EVENTS)).mkdir(parents=True)
    assert Table(lake, layout.EVENTS).version == Table(lake, layout.PROFILES).version == 0


def test_a_table_that_is_gone_is_not_made_again(lake: Lake) -> None:
    table = Table(lake, layout.EVENTS)
    shutil.rmtree(table.address)
    with pytest.raises(StorageError, match="is gone"):
        table.reload()
    with pytest.raises(StorageError, match="is gone"):
        table.append(rows(0), [Claim(APP, None, 1)])
    assert not Path(table.address).exists()


def test_a_folder_without_permission_is_one_clear_error(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    Table(lake, layout.EVENTS)
    monkeypatch.setattr(commit.os, "access", lambda *_: False)
    with pytest.raises(StorageError) as failed:
        commit.check_writable(lake)
    assert failed.value.found == "no permission to write there"


def test_a_table_of_an_earlier_version_gets_the_columns_that_it_lacks(lake: Lake) -> None:
    earlier = rows(0).drop("session_id", "order_id")
    write_deltalake(lake.table(layout.EVENTS), earlier, partition_by=["event_date"])
    table = Table(lake, layout.EVENTS)
    assert table.append(rows(1), [Claim(APP, None, 2)])
    found = scan(lake, layout.EVENTS).sort("offset").collect()
    assert found["offset"].to_list() == [0, 1] and set(found.columns) == set(contract.EVENTS)
    version = table.version
    assert Table(lake, layout.EVENTS).version == version  # nothing is left to add


def test_columns_of_a_later_version_stay_and_are_null_in_new_rows(lake: Lake) -> None:
    write_deltalake(lake.table(layout.EVENTS), rows(0).with_columns(mood=pl.lit("good")), partition_by=["event_date"])
    assert Table(lake, layout.EVENTS).append(rows(1), [Claim(APP, None, 2)])
    assert scan(lake, layout.EVENTS).sort("offset").collect()["mood"].to_list() == ["good", None]


def test_rows_that_match_are_removed_and_those_committed_meanwhile_stay(lake: Lake) -> None:
    table = Table(lake, layout.EVENTS)
    assert table.append(rows(0, 1), [Claim(APP, None, 2)])
    assert Table(lake, layout.EVENTS).append(rows(2), [Claim("other", None, 3)])
    with Lease(table.address) as maintenance:
        maintenance.table()
        table.remove(["offset = 0"])  # takes the lease: a person waits
    assert [offset for _, _, offset in places(lake)] == [1, 2]
    assert table.scan().collect()["offset"].sort().to_list() == [1, 2]


def test_what_a_table_holds_is_read_from_its_log(lake: Lake) -> None:
    assert table_statistics(lake, layout.EVENTS) == dict.fromkeys(("version", "rows", "files", "bytes"))
    table = Table(lake, layout.EVENTS)
    assert table_statistics(lake, layout.EVENTS) == {"version": 0, "rows": 0, "files": 0, "bytes": 0}
    table.append(rows(0, 1, 2), [Claim(APP, None, 3)])
    table.append(rows(3), [Claim(APP, 3, 4)])
    on_disk = [file.stat().st_size for file in Path(table.address).rglob("*.parquet")]
    expected = {"version": 2, "rows": 4, "files": 2, "bytes": sum(on_disk)}
    assert table_statistics(lake, layout.EVENTS) == expected and len(on_disk) == 2


def test_a_quarantined_message_of_a_time_that_python_does_not_have_was_received_in_1970(lake: Lake) -> None:
    known, edge = datetime(2026, 6, 1, tzinfo=UTC), contract.LAST_TIME
    received = pl.Series([known, edge, known]).dt.cast_time_unit("us")
    beyond = (received.to_physical() + pl.Series([0, 0, 10**18])).cast(pl.Datetime("us", "UTC"))
    frame = pl.DataFrame({name: [None] * 3 for name in contract.QUARANTINE}, schema=contract.QUARANTINE)
    frame = frame.with_columns(received_at=beyond, received_date=pl.lit(known.date()), offset=pl.Series([0, 1, 2]))
    assert Table(lake, layout.QUARANTINE).append(frame, [Claim(APP, None, 3)])
    found = scan(lake, layout.QUARANTINE).sort("offset").select("received_at", "received_date").collect().rows()
    assert found == [
        (known, known.date()),
        (edge, known.date()),
        (datetime(1970, 1, 1, tzinfo=UTC), date(1970, 1, 1)),
    ]
