"""When to flush, and that a record delivered twice is kept once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ingest.landing.batch import Buffer, FlushLimits, is_due
from ingest.message import Chunk, Partition
from tests.ingest.streams import Sent

LIMITS = FlushLimits(rows=100, bytes=1_000, age=timedelta(seconds=5))
HERE = Partition("clicks", 0)


@pytest.mark.parametrize(
    ("rows", "size", "oldest", "now", "due"),
    [
        (0, 0, None, 1e9, False),
        (99, 999, 10.0, 14.9, False),
        (100, 0, 10.0, 10.0, True),
        (1, 1_000, 10.0, 10.0, True),
        (1, 1, 10.0, 15.0, True),
    ],
)
def test_a_flush_is_due_by_rows_by_bytes_or_by_age(
    rows: int, size: int, oldest: float | None, now: float, due: bool
) -> None:
    assert is_due(rows, size, oldest, now, LIMITS) is due


def chunk(*offsets: int, next_offset: int | None = None) -> Chunk:
    return Chunk(HERE, [Sent(offset, b"x") for offset in offsets], next_offset or offsets[-1] + 1)


def held(buffer: Buffer) -> list[int]:
    return [record.offset for record in buffer.records]


def test_offsets_read_again_are_dropped() -> None:
    buffer = Buffer(HERE, "app", None, 5)
    assert buffer.add(chunk(3, 4, 5, 6)) == 2
    assert buffer.add(chunk(4, 5, 6, 7)) == 1
    assert buffer.add(chunk(5, 6)) == 0
    assert held(buffer) == [5, 6, 7] and buffer.next_offset == 8 and buffer.bytes == 3


def test_gaps_are_normal_and_the_readers_position_counts() -> None:
    buffer = Buffer(HERE, "app", 10, 10)
    buffer.add(chunk(12, 20, next_offset=22))
    assert held(buffer) == [12, 20] and buffer.next_offset == 22


def test_a_settled_buffer_goes_on_where_it_was() -> None:
    buffer = Buffer(HERE, "app", None, 0)
    buffer.add(chunk(0, 1))
    buffer.settle()
    assert (buffer.base, buffer.start, buffer.next_offset, buffer.records, buffer.bytes) == (2, 2, 2, [], 0)
