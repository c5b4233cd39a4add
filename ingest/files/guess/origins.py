"""The first rows of a topic or of a query to a database, as a file that a proposal reads.

A topic is `kafka://host:port/topic`, several brokers with commas between; a database `sqlite:///shop.db` or
`postgresql://host/database`, as in `[[ingest.queries]]`.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import orjson
import polars as pl
from pydantic import ValidationError

from expectations.errors import BrokerError, InputError, said
from ingest.files.guess.sample import MOST_ROWS
from ingest.message import Partition
from ingest.settings.ingest import IngestSettings, Query, Stream
from ingest.source_protocol import SourceFailed

_TOPIC: Final = "kafka://"
_DATABASES: Final = ("sqlite://", "postgres://", "postgresql://")
_LONGEST: Final = 30.0
"""Seconds within which the messages of a topic are read."""
_TABLE: Final = re.compile(r'\bfrom\s+"?([\w.]+)', re.IGNORECASE)


class RowOrigin(NamedTuple):
    """Where rows come from that are no file: the list in `[ingest]` that names it, and what it says there."""

    address: str
    table: str
    keys: Mapping[str, str]
    brokers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The topic, or the name of the query."""
        return self.keys["topic"] if self.table == "streams" else self.keys["name"]

    @property
    def asked(self) -> list[str]:
        """The words with which a proposal is asked for it."""
        return [self.address, *(["--sql", self.keys["query"]] if self.table == "queries" else [])]

    @property
    def command(self) -> str:
        """The command that lands the rows, once the configuration is written."""
        return "journeys ingest" if self.table == "streams" else f"journeys load --sql {self.name}"


def is_topic(address: str) -> bool:
    """Whether an address is that of a topic."""
    return address.startswith(_TOPIC)


def is_database(address: str) -> bool:
    """Whether an address is that of a database."""
    return address.startswith(_DATABASES)


@contextmanager
def topic_rows(address: str) -> Iterator[tuple[Path, RowOrigin]]:
    """The newest messages of a topic as lines, on this machine while the `with` block runs.

    Raises BrokerError when the broker cannot be reached or does not know the topic, InputError when the topic is empty
    or its messages are no JSON.
    """
    brokers, slash, topic = address.removeprefix(_TOPIC).partition("/")
    if not (brokers and slash and topic):
        raise InputError("The address of a topic is incomplete.", where=address, expected="kafka://HOST:PORT/TOPIC")
    try:
        stream = Stream(topic=topic, kind="clickstream", channel="unknown")
        settings = IngestSettings(brokers=brokers.split(","), streams=[stream], assignment="all")
    except ValidationError as error:
        found = str(error.errors()[0]["msg"])
        raise InputError("The address of a topic is wrong.", where=address, found=found) from error
    messages = _messages(settings, topic)
    if not messages:
        raise InputError("The topic has no messages.", where=address, do="propose from it when some have been sent")
    lines = [line for message in messages if (line := _line(message)) is not None]
    if 2 * len(lines) < len(messages):
        framed = sum(message[:1] == b"\0" for message in messages)
        raise InputError(
            "Most messages of the topic are no JSON objects.",
            where=address,
            expected="an object in each message",
            found=f"{len(messages) - len(lines):,} of {len(messages):,} are none, {framed:,} begin as with a registry",
            do="write the stream by hand: journeys init, and docs/formats.md",
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{topic}.ndjson"
        file.write_bytes(b"\n".join(lines))
        yield file, RowOrigin(address, "streams", {"topic": topic}, tuple(settings.brokers))


@contextmanager
def query_rows(address: str, sql: str, cursor: str) -> Iterator[tuple[Path, RowOrigin]]:
    """The first rows of a query as a table, on this machine while the `with` block runs. Without a `cursor` a column is
    taken that has another whole number in every row.

    Raises InputError when the query cannot be answered or no column can be its cursor, StorageError when the database
    cannot be reached.
    """
    from ingest.files.queries import first_rows

    if not sql:
        do = 'say it: --sql "select * from TABLE"'
        raise InputError("Nothing says which rows of the database are events.", where=address, do=do)
    table = _TABLE.search(sql)
    name = table[1].rpartition(".")[2] if table else "rows"
    try:
        query = Query(name=name, address=address, query=sql, cursor=cursor or "-", kind="clickstream")
    except ValidationError as error:
        found = str(error.errors()[0]["msg"])
        raise InputError("The address of the database is wrong.", where=address, found=found) from error
    rows = first_rows(query, MOST_ROWS)
    if rows.is_empty():
        raise InputError("The query has no rows.", where=address, found=sql, do="propose from it when it has some")
    if cursor and cursor not in rows.columns:
        raise InputError("The query has no such column.", where="--cursor", expected=", ".join(rows.columns))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.parquet"
        rows.write_parquet(file)
        keys = {"name": name, "address": address, "query": sql, "cursor": cursor or _cursor(rows, address)}
        yield file, RowOrigin(address, "queries", keys)


def _messages(settings: IngestSettings, topic: str) -> list[bytes]:
    """The newest values of a topic, at most `MOST_ROWS`, of all its partitions alike."""
    from ingest.kafka.consumer import Source

    found: list[bytes] = []
    ends: dict[Partition, int] = {}
    try:
        with Source(settings) as source:
            partitions = source.changes().gained
            begin = source.beginnings(partitions)
            for each in partitions:
                source.begin(each, begin[each])
            share = -(-MOST_ROWS // max(len(partitions), 1))
            unread, until = set(partitions), time.monotonic() + _LONGEST
            while unread and time.monotonic() < until:
                chunks = source.poll(settings.poll_wait)
                for chunk in chunks:
                    if chunk.partition in ends:
                        found += [record.value for record in chunk.records if record.value]
                        if chunk.next_offset >= ends[chunk.partition]:
                            unread.discard(chunk.partition)
                for each in unread - ends.keys():  # only a fetch says where a partition ends
                    if (end := source.highwater(each)) is not None:
                        ends[each] = end
                        source.begin(each, max(begin[each], end - share))
                unread -= {each for each, end in ends.items() if end <= begin[each]}
    except SourceFailed as error:
        raise BrokerError("The topic cannot be read.", where=topic, found=said(error)) from error
    return found[:MOST_ROWS]


def _line(message: bytes) -> bytes | None:
    """A message that is a JSON object, as one line."""
    try:
        value = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    return orjson.dumps(value) if isinstance(value, dict) else None


def _cursor(rows: pl.DataFrame, address: str) -> str:
    """The column that may grow with every row: of whole numbers, no two rows alike; one called id first."""
    numbers = [
        name
        for name, dtype in rows.schema.items()
        if dtype.is_integer() and not rows[name].null_count() and rows[name].n_unique() == rows.height
    ]
    if not numbers:
        raise InputError(
            "No column of the query can be its cursor, which grows with every new row.",
            where=address,
            expected="a column of whole numbers, another in every row",
            found=", ".join(f"{name} ({dtype})" for name, dtype in rows.schema.items()),
            do="name it: --cursor COLUMN",
        )
    return min(numbers, key=lambda name: (name.lower() != "id", not name.lower().endswith("id"), numbers.index(name)))
