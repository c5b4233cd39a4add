"""Events for tests of ingest: records, simple numbered events, and the positions of rows in a lake."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.landing.commit import scan
from ingest.message import Message

RECEIVED = 1_767_225_600_000  # 2026-01-01T00:00:00Z
BAD = b'{"event_name": '


class Sent(NamedTuple):
    """A record at an offset."""

    offset: int
    value: bytes | None
    timestamp: int = RECEIVED
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def event(number: int, **fields: object) -> bytes:
    """An event with its number in its id."""
    known = {
        "event_id": f"e{number}",
        "event_name": "search",
        "occurred_at": RECEIVED,
        "anonymous_id": f"a{number % 9}",
    }
    return json.dumps(known | fields).encode()


def messages(topic: str, numbers: Iterable[int], bad_every: int = 10) -> list[Message]:
    """Messages with these numbers; every tenth is invalid, and the key distributes them over partitions."""
    return [
        Message(topic, b"%d" % (number % 97), BAD if number % bad_every == 3 else event(number), RECEIVED + number)
        for number in numbers
    ]


def places(lake: Lake, table: str = layout.EVENTS) -> list[tuple[str, int, int]]:
    """(topic, partition, offset) of every row of a table, sorted; a duplicate row occurs twice."""
    return scan(lake, table).select("topic", "partition", "offset").collect().sort(pl.all()).rows()
