"""Rows of a database land once each, whenever a load is killed, and whatever is written between two loads."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from expectations.errors import InputError, StorageError
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.files import queries
from ingest.files.queries import load_query
from ingest.landing.commit import Table, scan
from ingest.quarantine.replay import replay
from ingest.settings.ingest import IngestSettings, Limits, Query

pytest.importorskip("adbc_driver_sqlite")

SETTINGS = IngestSettings(flush_rows=100, limits=Limits(oldest=None))
FIELDS = {
    "event_id": "id",
    "event_name": "what",
    "occurred_at": {"path": "at", "time": "seconds"},
    "customer_id": "who",
    "revenue": "amount",
}
Rows = Sequence[tuple[Any, ...]]


def row(number: int, version: int | None = None, who: str | None = "ann") -> tuple[Any, ...]:
    return (number, number if version is None else version, "Sale", 1_767_225_600 + number, who, number / 4)


class Shop:
    """A database with one table, the lake that it is loaded into, and the query."""

    def __init__(self, folder: Path, cursor: str = "id", **query: Any) -> None:
        self.file, self.lake = folder / "our shop.db", Lake(str(folder / "lake"))
        with sqlite3.connect(self.file) as base:
            base.execute(
                "create table sales (id integer, version integer, what text, at integer, who text, amount real)"
            )
        table = {
            "name": "sales",
            "address": f"sqlite:///{self.file}",
            "query": "select * from sales;",
            "cursor": cursor,
        }
        self.query = Query.model_validate(table | {"kind": "order", "fields": FIELDS} | query)

    def write(self, rows: Rows) -> None:
        with sqlite3.connect(self.file) as base:
            base.executemany("insert into sales values (?, ?, ?, ?, ?, ?)", rows)
        base.close()

    def load(self) -> int:
        return load_query(self.query, SETTINGS, self.lake).landed

    def ids(self) -> list[int]:
        return (
            scan(self.lake, layout.EVENTS)
            .select(pl.col("event_id").cast(pl.Int64))
            .collect()["event_id"]
            .sort()
            .to_list()
        )


def test_a_later_load_reads_what_came_after(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    assert shop.load() == 0
    shop.write([row(number) for number in range(250)])
    assert shop.load() == 250 and shop.load() == 0
    shop.write([row(number) for number in range(250, 260)])
    assert shop.load() == 10
    assert shop.ids() == list(range(260))
    landed = scan(shop.lake, layout.EVENTS).sort("offset").collect()
    assert landed["topic"].unique().to_list() == ["file:query:sales"]
    assert landed["offset"].to_list() == [number * 1000 for number in range(260)]
    assert float(landed["revenue"].sum()) == pytest.approx(sum(number / 4 for number in range(260)), abs=0.005 * 260)


@pytest.mark.parametrize("killed_at", range(1, 8))
def test_a_load_that_is_killed_at_any_commit_is_exact_after_the_next(
    killed_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path, cursor="version")
    shop.write([row(number, number // 7, None if number % 50 == 3 else "ann") for number in range(320)])
    append, calls = Table.append, 0

    def killed(self: Table, *arguments: Any) -> bool:
        nonlocal calls
        calls += 1
        if calls == killed_at:
            raise KeyboardInterrupt
        return append(self, *arguments)

    monkeypatch.setattr(Table, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        shop.load()
    monkeypatch.setattr(Table, "append", append)
    shop.load()
    assert shop.ids() == [number for number in range(320) if number % 50 != 3]
    refused = scan(shop.lake, layout.QUARANTINE).collect()
    assert refused.height == 7 and refused.select("offset", "part").is_duplicated().sum() == 0


def test_a_column_whose_type_shows_late_is_read_page_by_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "_PAGE", 50)
    monkeypatch.setattr(queries, "_BATCH", {"adbc.sqlite.query.batch_rows": "50"})
    shop = Shop(tmp_path, cursor="version", fields=FIELDS | {"channel": {"path": "note", "default": "web"}})
    with sqlite3.connect(shop.file) as base:
        base.execute("alter table sales add column note text")
        rows = [(*row(number, number // 3), "app" if number > 120 else None) for number in range(200)]
        base.executemany("insert into sales values (?, ?, ?, ?, ?, ?, ?)", rows)
    base.close()
    assert shop.load() == 200
    assert shop.ids() == list(range(200))
    assert scan(shop.lake, layout.EVENTS).filter(channel="app").collect().height == 79


def test_rows_of_one_value_are_never_parted(tmp_path: Path) -> None:
    shop = Shop(tmp_path, cursor="version")
    shop.write([row(number, 5) for number in range(400)] + [row(number, 6) for number in range(400, 410)])
    assert shop.load() == 410
    assert scan(shop.lake, layout.EVENTS).select(pl.col("offset").n_unique()).collect().item() == 410
    shop.write([row(2_000 + number, 7) for number in range(1_001)])
    with pytest.raises(InputError, match=r"at most 1,000 rows of one value"):
        shop.load()


def test_refused_rows_are_read_again_with_the_mapping_of_now(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.write([row(1), row(2, who=None)])
    assert load_query(shop.query, SETTINGS, shop.lake).quarantined == {"no_identity": 1}
    fields = FIELDS | {"customer_id": {"path": "who", "default": "till"}}
    mended = Query.model_validate(shop.query.model_dump(exclude={"fields"}) | {"fields": fields})
    assert replay(SETTINGS.model_copy(update={"queries": [mended]}), shop.lake).landed == 1
    assert shop.ids() == [1, 2]


@pytest.mark.parametrize(
    ("query", "rows", "found"),
    [
        ({"cursor": "who"}, [row(1)], "String"),
        ({"cursor": "version"}, [(1, None, "Sale", 1, "ann", 1.0), row(2)], "null"),
        ({"cursor": "id"}, [row(-1)], "-1 to -1"),
        (
            {"cursor": "at", "query": "select id, version as at from sales where 1 = 0 union all select 1, 1.5"},
            [],
            "Float64",
        ),
    ],
)
def test_a_cursor_that_cannot_be_used_is_explained(
    query: dict[str, Any], rows: Rows, found: str, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, **query)
    shop.write(rows)
    with pytest.raises(InputError, match="The cursor of the query cannot be used") as error:
        shop.load()
    assert error.value.found == found


@pytest.mark.parametrize("query", [{"query": "select * from sale"}, {"query": "selec"}, {"cursor": "nothing"}])
def test_a_query_that_fails_is_explained(query: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises((InputError, StorageError)) as error:
        Shop(tmp_path, **query).load()
    assert "[[ingest.queries]] sales" in error.value.where


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.file.unlink()
    with pytest.raises((InputError, StorageError)):
        shop.load()
    assert not shop.file.exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [("postgresql://ann:secret@db/shop", "PGPASSWORD"), ("mysql://db/shop", "pattern")],
)
def test_an_address_has_no_password_and_a_known_driver(address: str, message: str) -> None:
    table = {"name": "sales", "address": address, "query": "select 1", "cursor": "id", "kind": "order"}
    with pytest.raises(ValidationError, match=message):
        Query.model_validate(table)
    Query.model_validate(table | {"address": "postgresql://ann@db/shop"})
