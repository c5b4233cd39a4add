"""A topic, or a query to a database, is proposed from its rows, and the proposal lands them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import polars as pl
import pytest

from expectations.errors import InputError
from expectations.lake import layout
from ingest.files.guess.origins import MOST_ROWS, query_rows, topic_rows
from ingest.files.queries import load_query
from ingest.kafka.producer import produce
from ingest.kafka.topics import create_topics
from ingest.landing.commit import scan
from ingest.message import Message
from ingest.samples.broker import EmbeddedBroker
from ingest.service.service import run
from journeys import start
from journeys.settings import Settings

BEGIN_MS = 1_780_272_000_000


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database in the current folder."""
    pytest.importorskip("adbc_driver_sqlite")
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("our shop.db") as base:
        base.execute("create table sales (id integer, buyer text, at text, item text, total real)")
        base.executemany(
            "insert into sales values (?, ?, ?, ?, ?)",
            [(n, f"k{n % 9}", f"2026-06-01T10:{n:02}:00Z", "Sofa", n / 2) for n in range(50)],
        )
    return "sqlite:///our shop.db"


def propose(address: str, **more: str) -> tuple[Settings, list[str]]:
    columns = start.named("buyer", "at", "item")
    commands = start.propose_configuration([address], Path("journeys.toml"), columns, force=False, **more)
    return Settings(Path("journeys.toml")), commands


def test_a_query_is_proposed_and_lands(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings, commands = propose(shop, sql='select * from "sales" where total > 0')
    assert commands == ["journeys load --sql sales"] and "buyer" in capsys.readouterr().out
    (query,) = settings.ingest.queries
    assert (query.name, query.cursor) == ("sales", "id")
    text = Path("journeys.toml").read_text()
    assert text.count("# REVIEW: this column must grow with every new row") == 1
    assert load_query(query, settings.ingest, settings.lake).landed == 49
    assert scan(settings.lake, layout.EVENTS).collect()["customer_id"].n_unique() == 9


def test_a_column_whose_numbers_get_fractions_later_is_read(shop: str) -> None:
    with sqlite3.connect("our shop.db") as base:
        base.execute("create table worth (id integer, total)")
        base.executemany("insert into worth values (?, ?)", [(n, n if n < 2_000 else n + 0.5) for n in range(4_000)])
    with query_rows(shop, "select * from worth", "") as (file, origin):
        assert pl.read_parquet(file)["total"].sum() == sum(range(4_000)) + 1_000 and origin.name == "worth"


@pytest.mark.parametrize(
    ("address", "sql", "cursor", "told"),
    [
        ("sqlite:///our shop.db", "", "", "which rows of the database"),
        ("sqlite:///our shop.db", "select * from nowhere", "", "cannot be answered"),
        ("sqlite:///our shop.db", "select * from sales where id < 0", "", "has no rows"),
        ("sqlite:///our shop.db", "select buyer, at from sales", "", "(?s)can be its cursor.*buyer.*--cursor"),
        ("sqlite:///our shop.db", "select * from sales", "number", "(?s)no such column.*buyer"),
        ("postgresql://ann:secret@host/db", "select 1", "", "(?s)address of the database is wrong.*PGPASSWORD"),
    ],
)
def test_a_query_that_says_too_little_is_one_clear_error(
    shop: str, address: str, sql: str, cursor: str, told: str
) -> None:
    with pytest.raises(InputError, match=told) as error, query_rows(address, sql, cursor):
        pass
    assert "secret" not in str(error.value)


def test_a_query_needs_a_database(shop: str) -> None:
    with pytest.raises(InputError, match="--sql is asked of a database"):
        propose("sales.csv", sql="select 1")


@pytest.mark.parametrize("address", ["kafka://here:9092", "kafka:///clicks", "kafka://ann:secret@here/clicks"])
def test_an_incomplete_address_of_a_topic_is_one_clear_error(address: str) -> None:
    with pytest.raises(InputError, match="address of a topic"), topic_rows(address):
        pass


@pytest.mark.broker
def test_a_topic_is_proposed_from_its_newest_messages_and_lands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ingest.files.guess.origins.MOST_ROWS", 40)
    assert MOST_ROWS > 40
    with EmbeddedBroker() as broker:
        address = f"kafka://{broker.address}/"
        create_topics([broker.address], {"clicks": 2, "empty": 1, "framed": 1})
        old = [Message("clicks", b"k", b"not json", BEGIN_MS) for _ in range(100)]
        new = [
            {"buyer": f"k{n % 9}", "at": f"2026-06-01T10:{n:02}:00Z", "item": "Sofa page", "more": {"size": n}}
            for n in range(50)
        ]
        newest = [
            Message("clicks", bytes([n]), json.dumps(one, indent=1).encode(), BEGIN_MS) for n, one in enumerate(new)
        ]
        produce([broker.address], [*old, *newest, Message("framed", b"k", b"\0\0\0\0\1abc", BEGIN_MS)])
        settings, commands = propose(f"{address}clicks")
        assert commands == ["journeys ingest"]
        (stream,) = settings.ingest.streams
        assert (stream.topic, settings.ingest.brokers) == ("clicks", [broker.address])
        assert run(settings.ingest, settings.lake, until_caught_up=True).landed == 50
        with pytest.raises(InputError, match="no messages"), topic_rows(f"{address}empty"):
            pass
        with (
            pytest.raises(InputError, match=r"(?s)no JSON objects.*1 of 1 are none, 1 begin"),
            topic_rows(f"{address}framed"),
        ):
            pass
