from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics.touches.deduplication import events
from expectations import contract
from expectations.errors import StorageError
from expectations.lake.layout import Lake
from expectations.lake.tables import (
    added,
    append,
    conform,
    landed,
    landed_beside,
    landed_files,
    landed_near,
    open_delta,
    profiles,
    scan_table,
    table_version,
)
from tests.services.object_store import BUCKET, object_store
from tests.written import START, at


def event(event_id: str, time: str = "0m", **columns: Any) -> dict[str, Any]:
    moment = at(time)
    received = columns.pop("received", moment)
    position = {"topic": "t", "partition": 0, "offset": 0}
    return (
        {"event_id": event_id, "event_name": "visit", "occurred_at": moment, "received_at": received}
        | position
        | columns
    )


def frame(*rows: dict[str, Any]) -> pl.LazyFrame:
    return conform(pl.DataFrame(list(rows), infer_schema_length=None))


def test_a_frame_gets_every_column_of_the_contract() -> None:
    found = frame({"event_name": "a", "occurred_at": datetime(2024, 1, 1), "other": 3}).collect()  # noqa: DTZ001
    assert found.schema == contract.EVENTS
    assert found["occurred_at"].to_list() == [START]
    assert found["event_id"].to_list() == ["row-0"]


def test_a_lake_without_tables_is_empty(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    assert landed(lake).collect().schema == contract.EVENTS
    assert events(lake).collect().is_empty()
    assert profiles(lake).collect().schema == contract.PROFILES
    assert table_version(lake, "events") is None


def test_landed_events_are_read_back_with_their_types(tmp_path: Path) -> None:
    rows = frame(event("e", identities={"device_id": "d"}, revenue="9.90"), event("e", offset=5)).collect()
    rows.write_delta(f"{tmp_path}/events")
    assert landed(Lake(str(tmp_path))).collect().equals(rows)


def test_a_damaged_table_is_a_storage_error(tmp_path: Path) -> None:
    log = tmp_path / "events" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("no json")
    with pytest.raises(StorageError, match="cannot be read"):
        landed(Lake(str(tmp_path)))


@pytest.mark.parametrize("name", ["plain", "a=b", "My Projecté #1", "100%", "x*?"])
def test_values_of_partitions_are_read_in_a_folder_of_any_name(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name / "odd"
    folder.mkdir(parents=True)
    days = pl.Series([2_932_897, 20_000, None, -721_354, 20_001, 20_002]).cast(pl.Date)
    words = ["+1", "a/b", "é z", None, "%41", "k=v"]
    rows = pl.DataFrame({"row": range(6), "word": words, "day": days})
    rows[:3].write_delta(str(folder), delta_write_options={"partition_by": ["word", "day"]})
    rows[3:].write_delta(str(folder), mode="append")
    assert scan_table(open_delta(str(folder))).collect().sort("row").equals(rows)
    assert all(Path(file).exists() for file in open_delta(str(folder)).file_uris())
    found = added(Lake(str(folder.parent)), "odd", rows.schema, 0, 1)
    assert found is not None and found.collect().sort("row").equals(rows[3:])


def test_values_of_partitions_are_read_in_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    with object_store() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        lake = Lake(f"s3://{BUCKET}/lake")
        rows = pl.DataFrame({"row": range(4), "word": ["a/b +%41", None, "é z", "k=v"], "day": [at("0m").date()] * 4})
        rows[:2].write_delta(lake.table("odd"), delta_write_options={"partition_by": ["word", "day"]})
        rows[2:].write_delta(lake.table("odd"), mode="append")
        found = added(lake, "odd", rows.schema, 0, 1)
        assert found is not None and found.collect().sort("row").equals(rows[2:])


@pytest.mark.parametrize("name", ["My Projecté #1", "日本", "a+b&c;d:e", "{x} 'y' ~z", "100 % sure", "x*", "what?"])
@pytest.mark.parametrize("as_address", [False, True])
def test_a_lake_lies_in_a_folder_of_any_name(name: str, as_address: bool, tmp_path: Path) -> None:
    folder = tmp_path / name
    lake = Lake(folder.as_uri() if as_address else str(folder))
    append(lake, "events", frame(event("a")).collect())
    append(lake, "events", frame(event("b")).collect())
    assert folder.is_dir() and landed(lake).collect().height == 2
    gained = added(lake, "events", contract.EVENTS, 0, 1)
    assert gained is not None and gained.collect()["event_id"].to_list() == ["b"]


@pytest.mark.parametrize("name", ["[2026]", "a|b", "a^b", "a%20b", "a\\b", "two\nlines", "a\x7f", "\udcff"])
def test_a_folder_that_no_table_can_lie_in_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / name)
    for folder in (tmp_path / name, tmp_path / "link"):
        with pytest.raises(StorageError, match="Tables cannot lie in a folder of this name"):
            landed(Lake(str(folder)))
        with pytest.raises(StorageError, match="Tables cannot lie in a folder of this name"):
            append(Lake(str(folder)), "events", frame(event("a")).collect())


def test_rows_near_a_time_are_read_from_the_files_that_can_hold_them(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for number, time in enumerate(["0m", "10m", "20m"]):
        moment = at(time) + timedelta(microseconds=999)  # the log says less: it knows milliseconds
        row = event(f"e{number}", received=at("30m")) | {"occurred_at": moment}
        append(lake, "events", frame(row).collect())

    def near(*times: datetime, **how: Any) -> list[str]:
        found = landed_near(lake, pl.Series(times, dtype=contract.TIME), **how)
        return sorted(found.collect()["event_id"])

    assert near(at("10m") + timedelta(microseconds=999)) == ["e1"]
    assert near(at("0m"), at("25m")) == ["e0"] and near(at("5m")) == near() == []
    assert near(at("5m"), within=timedelta(minutes=6)) == ["e1"]
    assert near(at("5m"), within=timedelta(minutes=16)) == ["e1", "e2"]
    assert near(at("30m"), columns=["occurred_at", "received_at"]) == ["e0", "e1", "e2"]
    assert near(at("10m"), version=0) == []
    names = landed_files(lake, 1)
    assert len(names) == 2 and landed_beside(lake, names).collect()["event_id"].to_list() == ["e2"]
    nowhere = Lake(str(tmp_path / "nowhere"))
    assert landed_near(nowhere, pl.Series([at("0m")])).collect().is_empty()
    assert landed_beside(nowhere, names).collect().is_empty()


def test_files_whose_times_the_log_does_not_know_are_read(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    without = {"configuration": {"delta.dataSkippingNumIndexedCols": "0"}}
    frame(event("e0")).collect().write_delta(lake.table("events"), delta_write_options=without)
    assert landed_near(lake, pl.Series([at("9d")])).collect()["event_id"].to_list() == ["e0"]
