"""Rows of a Delta table land once each, whenever a load is killed, and whatever is done to the table between two."""

from __future__ import annotations

import json
import random
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

from expectations.errors import InputError
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.files import delta_table
from ingest.files.delta_table import load_table, newest_file
from ingest.files.load import FileSummary
from ingest.landing.commit import Table, scan
from ingest.settings.ingest import IngestSettings, Limits, Stream

SETTINGS = IngestSettings(flush_rows=10, limits=Limits(oldest=None))
FIELDS = {
    "event_id": "id",
    "event_name": "what",
    "occurred_at": {"path": "at", "time": "seconds"},
    "customer_id": "who",
}


def sales(first: int, count: int, **more: Any) -> pl.DataFrame:
    numbers = range(first, first + count)
    columns = {"id": [f"s{number}" for number in numbers], "at": [1_767_225_600 + number for number in numbers]}
    frame = pl.DataFrame(columns).with_columns(what=pl.lit("Sale"), who=pl.lit("ann"))
    return frame.with_columns(*(pl.lit(value).alias(name) for name, value in more.items()))


class Shop:
    """A table, the lake that it is loaded into, and how its rows are read."""

    def __init__(self, folder: Path, **stream: Any) -> None:
        self.table, self.lake = folder / "our sales", Lake(str(folder / "lake"))
        given = {"topic": "file", "kind": "order", "channel": "store", "fields": FIELDS} | stream
        self.stream = Stream.model_validate(given)

    def add(self, frame: pl.DataFrame, **options: Any) -> None:
        frame.write_delta(self.table, mode="append", delta_write_options=options)

    def load(self, **options: Any) -> FileSummary:
        return load_table(str(self.table), self.stream, SETTINGS, self.lake, **options)

    @property
    def ids(self) -> list[str]:
        return sorted(scan(self.lake, layout.EVENTS).collect()["event_id"].to_list(), key=lambda name: int(name[1:]))


def names(count: int) -> list[str]:
    return [f"s{number}" for number in range(count)]


def test_what_each_version_added_lands_once(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.add(sales(0, 25))
    shop.add(sales(25, 5))
    assert shop.load().landed == 30
    again = shop.load()
    assert again.known and again.landed == 0 and again.rows == 30
    shop.add(sales(30, 7))
    shop.add(sales(37, 1))
    assert shop.load().landed == 8 and shop.ids == names(38)
    events = scan(shop.lake, layout.EVENTS).collect()
    assert events["topic"].unique().to_list() == [f"file:table:{DeltaTable(shop.table).metadata().id}"]
    assert events.select("topic", "partition", "offset").n_unique() == 38


def test_files_that_are_put_together_add_nothing_and_rows_that_are_removed_stay(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    for first in range(0, 12, 3):
        shop.add(sales(first, 3))
    DeltaTable(shop.table).optimize.compact()
    assert shop.load().landed == 12
    shop.add(sales(12, 3))
    DeltaTable(shop.table).optimize.compact()
    DeltaTable(shop.table).delete("id = 's3'")
    shop.add(sales(15, 1))
    assert shop.load().landed == 4 and shop.ids == names(16)


def test_a_version_that_changes_rows_ends_the_load_or_is_left_out(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.add(sales(0, 3))
    shop.load()
    shop.add(sales(3, 1))
    DeltaTable(shop.table).update(updates={"who": "'bob'"}, predicate="id = 's1'")
    shop.add(sales(4, 1))
    with pytest.raises(InputError, match=r"(?s)changes rows.*version 2.*UPDATE.*--skip-changes"):
        shop.load()
    done = shop.load(skip_changes=True)
    assert done.left_out == 1 and shop.ids == names(5)
    assert shop.load().known


@pytest.mark.parametrize("seed", range(3))
def test_a_load_that_is_killed_goes_on_where_it_was(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is done to the table meanwhile: appended, put together, vacuumed only of what was read."""
    draw, count = random.Random(seed), 0
    shop = Shop(tmp_path)
    append = Table.append

    def killed(self: Table, *given: Any, **more: Any) -> Any:
        if draw.random() < 0.4:
            raise KeyboardInterrupt
        return append(self, *given, **more)

    for _ in range(4):
        for _ in range(draw.randint(1, 3)):
            size = draw.randint(1, 30)
            shop.add(sales(count, size))
            count += size
        if draw.random() < 0.5:
            DeltaTable(shop.table).optimize.compact()
        with monkeypatch.context() as patched:
            patched.setattr(Table, "append", killed)
            try:
                shop.load()
            except KeyboardInterrupt:
                continue
    shop.load()
    assert shop.ids == names(count)


def test_columns_of_partitions_are_columns_of_the_rows(tmp_path: Path) -> None:
    shop = Shop(tmp_path, fields=FIELDS | {"channel": "shop name"})
    for first, name in ((0, "a/b %ü"), (2, None)):
        frame = sales(first, 2, day=date(2026, 1, first + 1), size=first, **{"shop name": name})
        shop.add(frame.with_columns(pl.col("shop name").cast(pl.String)), partition_by=["day", "shop name", "size"])
        shop.load()
    found = scan(shop.lake, layout.EVENTS).sort("event_id").select("event_id", "channel", "properties").collect()
    assert found["channel"].to_list() == ["a/b %ü", "a/b %ü", "store", "store"]
    properties = [json.loads(each) for each in found["properties"]]
    assert [each["day"] for each in properties] == ["2026-01-01"] * 2 + ["2026-01-03"] * 2
    assert [each["size"] for each in properties] == [0, 0, 2, 2]
    with newest_file(str(shop.table)) as file:
        assert {"day", "size"} <= set(pl.read_parquet(file).columns) and file.name == "our sales.parquet"


def test_an_empty_table_is_known_from_its_first_version_on(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.add(sales(0, 1).clear())
    assert shop.load().landed == 0
    with pytest.raises(InputError, match="nothing to load"), newest_file(str(shop.table)):
        pass
    shop.add(sales(0, 2))
    assert shop.load().landed == 2


def test_a_table_that_lacks_what_is_needed_is_one_clear_error(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        shop.load()
    for first in range(3):
        shop.add(sales(first, 1))
        shop.load() if not first else None
    log = shop.table / "_delta_log" / f"{1:020}.json"
    kept = log.read_bytes()
    DeltaTable(shop.table).create_checkpoint()
    log.unlink()
    with pytest.raises(InputError, match=r"(?s)no longer has the log.*00001\.json"):
        shop.load()
    log.write_bytes(kept.replace(b'"dataChange":true', b'"dataChange":true,"deletionVector":{"storageType":"u"}'))
    with pytest.raises(InputError, match="deletion vectors"):
        shop.load()
    log.write_bytes(kept)
    (added,) = (file for file in shop.table.glob("*.parquet") if file.name in kept.decode())
    added.unlink()
    with pytest.raises(InputError, match=rf"(?s)cannot be read.*{added.name}"):
        shop.load()


def test_an_older_copy_of_a_table_is_told(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.add(sales(0, 1))
    shop.add(sales(1, 1))
    shop.load()
    (shop.table / "_delta_log" / f"{1:020}.json").unlink()
    with pytest.raises(InputError, match=r"(?s)older than what has landed.*version 0"):
        shop.load()


def test_an_offset_says_version_and_row() -> None:
    for place in (
        delta_table._Place(0, True, 0),
        delta_table._Place(9, False, 5),
        delta_table._Place(1 << 26, True, 1),
    ):
        assert delta_table._Place.at(place.offset) == place
        assert 0 < place.offset < 1 << 63
