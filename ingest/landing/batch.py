"""Buffers the records of each partition between commits and decides when a flush is due.

Pure decisions: no storage and no clock, time is an argument.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import timedelta
from operator import attrgetter

from ingest.landing.marks import DEATHS, Mark
from ingest.message import Chunk, ColumnBatch, Partition, Record, Unread


@dataclass(frozen=True, slots=True)
class FlushLimits:
    """A flush is due when the buffers reach `rows`, `bytes` of messages, or when the oldest record reaches `age`."""

    rows: int
    bytes: int
    age: timedelta


@dataclass(slots=True)
class Buffer:
    """The records of one partition since its last commit.

    `base` is the offset stored in the lake (None: none yet), `start` the offset where reading began, and `next_offset`
    the offset after the last buffered record. `died` is known if processes died at
    `start`, or at an earlier offset while they worked on these records; those below `tried` ended no process. If
    `is_cut`, the records from `next_offset` on must be read again.
    """

    partition: Partition
    application: str
    base: int | None
    start: int
    died: Mark | None = None
    tried: int = 0
    is_cut: bool = False
    next_offset: int = field(init=False)
    records: list[Record] = field(default_factory=list)
    columns: list[ColumnBatch] = field(default_factory=list)
    bytes: int = 0

    def __post_init__(self) -> None:
        self.next_offset = self.start

    def add(self, chunk: Chunk) -> int:
        """Buffer new records and drop redelivered ones, which lie below `next_offset`.

        Returns the number of records kept.
        """
        first = bisect_left(chunk.records, self.next_offset, key=attrgetter("offset"))
        fresh = chunk.records[first:] if first else chunk.records
        self.records += fresh
        self.columns += chunk.columns
        self.bytes += sum(map(_size, fresh)) + sum(batch.bytes for batch in chunk.columns)
        self.next_offset = max(self.next_offset, chunk.next_offset)
        return len(fresh) + sum(map(len, chunk.columns))

    @property
    def rows(self) -> int:
        """The number of buffered records."""
        return len(self.records) + sum(map(len, self.columns))

    @property
    def has_moved(self) -> bool:
        """Whether there is anything to land: records, or offsets passed without a record."""
        return self.rows > 0 or self.next_offset > self.start

    def mark(self) -> Mark:
        """The mark of the work on all records of the buffer."""
        last, deaths = (self.died.last, self.died.deaths) if self.died else (0, 0)
        return Mark(start=self.start, last=max(self.next_offset, last), deaths=deaths)

    def suspects(self, decided: int) -> list[Record]:
        """The records from `decided` on that processes may have died of, if enough died."""
        if self.died is None or self.died.deaths < DEATHS:
            return []
        first, last = max(decided, self.tried), self.died.last
        return [each for each in self.records if first <= each.offset < last and not isinstance(each.value, Unread)]

    def cut(self, offset: int) -> None:
        """Drop the records from an offset on, to be read again."""
        self.records = [record for record in self.records if record.offset < offset]
        self.bytes = sum(map(_size, self.records))
        self.next_offset = offset
        self.is_cut = True

    def settle(self) -> None:
        """Empty the buffer after a successful commit."""
        self.base = self.start = self.next_offset
        if self.died is not None and self.start >= self.died.last:
            self.died = None
        self.records, self.columns = [], []
        self.bytes = 0


def _size(record: Record) -> int:
    """The bytes of a record: value, key and headers."""
    size = len(record.value or b"") + len(record.key or b"")
    if record.headers:
        size += sum(len(name) + len(held or b"") for name, held in record.headers)
    return size


def is_due(rows: int, size: int, oldest: float | None, now: float, limits: FlushLimits) -> bool:
    """Whether to flush. `oldest` is when the first buffered record was read (None: the buffer is empty), `now` the
    current time, both in seconds of the same clock.

    >>> is_due(10, 900, 100.0, 105.0, FlushLimits(50_000, 1 << 24, timedelta(seconds=5)))
    True
    """
    if oldest is None:
        return False
    return rows >= limits.rows or size >= limits.bytes or now - oldest >= limits.age.total_seconds()
