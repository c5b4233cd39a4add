"""The types of the stream: a *message* to produce, a *record* read from a *partition*, and a *chunk* of records.

Formats and landing see records through the `Record` protocol only, so rows of files and quarantined messages can take
the place of Kafka records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, Self

import polars as pl

_EARLIEST_MS: Final = 946_684_800_000  # 2000-01-01
_LATEST_MS: Final = 4_102_444_800_000  # 2100-01-01


@dataclass(frozen=True, slots=True)
class Message:
    """A message to produce: `timestamp` is milliseconds since 1970, UTC."""

    topic: str
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


class Unread(bytes):
    """The bytes of a message that was refused where it was read; they may be a part of it, or what it lay in.

    >>> Unread(b"{...", "too_large", "9 bytes, the limit is 4").reason
    'too_large'
    """

    reason: str
    message: str

    def __new__(cls, content: bytes, reason: str, message: str) -> Self:
        """Keep the content with a stable reason and a sentence without values."""
        unread = super().__new__(cls, content)
        unread.reason, unread.message = reason, message
        return unread


class Record(Protocol):
    """A record of a partition. `timestamp` is what the producer or the broker has set (see `record_times`)."""

    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...  # noqa: D102


def record_times(timestamps: Iterable[int]) -> list[int | None]:
    """The times of records in milliseconds since 1970, UTC; None for a number that is no time of a record.

    A producer may set any number: -1 for unknown, seconds, microseconds or nanoseconds. Only a time in the years 2000
    to 2099 counts, so that every other unit of time is recognised.

    >>> record_times([1_767_225_600_000, 1_767_225_600, 1_767_225_600_000_000, -1])
    [1767225600000, None, None, None]
    """
    return [time if _EARLIEST_MS <= time < _LATEST_MS else None for time in timestamps]


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


@dataclass(frozen=True, slots=True)
class ColumnBatch:
    """Rows of a file in columns, in order of `offsets`.

    `fields` are columns of event fields, null where the message lacks the field or has null; `properties` are the
    other fields as JSON texts, null where the message lacks the field. Rows that are `odd` cannot be read from these.
    `messages` gives the rows with certain indexes as records, and `bytes` is what all of them have together.
    """

    offsets: pl.Series
    fields: Mapping[str, pl.Series]
    properties: Mapping[str, pl.Series]
    odd: pl.Series
    timestamp: int
    bytes: int
    messages: Callable[[Sequence[int]], list[Record]]

    def __len__(self) -> int:
        return self.offsets.len()

    @property
    def next_offset(self) -> int:
        """The offset after the last row."""
        return int(self.offsets[-1]) + 1


class Chunk(NamedTuple):
    """The records of one partition from one poll, in order of offset, and the offset to read next.

    Offsets may have gaps (transaction markers, compaction), so `next_offset` is the consumer's position, not the last
    offset plus one. `columns` are further records, which are in columns already.
    """

    partition: Partition
    records: Sequence[Record]
    next_offset: int
    columns: Sequence[ColumnBatch] = ()
