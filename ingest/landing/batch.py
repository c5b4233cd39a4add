"""What was read and is not landed yet, and whether it is time to land it. Decisions only: time is an argument."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import timedelta
from operator import attrgetter

from ingest.message import Chunk, Partition, Record


@dataclass(frozen=True, slots=True)
class FlushLimits:
    """A flush is due at so many rows, so many bytes of messages, or when the oldest has waited this long."""

    rows: int
    bytes: int
    age: timedelta


@dataclass(slots=True)
class Buffer:
    """The records of one partition since its last commit.

    `base` is what the lake says is decided (None: nothing yet), `start` the offset we were told to read from, and
    `next_offset` the place to read after what is held.
    """

    partition: Partition
    application: str
    base: int | None
    start: int
    next_offset: int = field(init=False)
    records: list[Record] = field(default_factory=list)
    bytes: int = 0

    def __post_init__(self) -> None:
        self.next_offset = self.start

    def add(self, chunk: Chunk) -> int:
        """Keep the records that are new here; those below `next_offset` were delivered before and are dropped.

        Returns how many were kept.
        """
        first = bisect_left(chunk.records, self.next_offset, key=attrgetter("offset"))
        fresh = chunk.records[first:] if first else chunk.records
        self.records += fresh
        self.bytes += sum(len(record.value or b"") for record in fresh)
        self.next_offset = max(self.next_offset, chunk.next_offset)
        return len(fresh)

    @property
    def has_moved(self) -> bool:
        """Whether there is anything to land: records, or places passed that hold none."""
        return bool(self.records) or self.next_offset > self.start

    def settle(self) -> None:
        """All that was held is decided: forget it."""
        self.base = self.start = self.next_offset
        self.records = []
        self.bytes = 0


def is_due(rows: int, size: int, oldest: float | None, now: float, limits: FlushLimits) -> bool:
    """Whether to flush: `oldest` is when the first record held was read, None when nothing is held (seconds of a
    clock).

    >>> is_due(10, 900, 100.0, 105.0, FlushLimits(50_000, 1 << 24, timedelta(seconds=5)))
    True
    """
    if oldest is None:
        return False
    return rows >= limits.rows or size >= limits.bytes or now - oldest >= limits.age.total_seconds()
