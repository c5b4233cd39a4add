"""The types of the stream: a *message* to produce, a *record* read from a *partition*, and a *chunk* of records.

Formats and landing see records through the `Record` protocol only, so rows of files and quarantined messages can take
the place of Kafka records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """A message to produce: `timestamp` is milliseconds since 1970, UTC."""

    topic: str
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


class Record(Protocol):
    """A record of a partition. `timestamp` is milliseconds since 1970, UTC; negative when unknown."""

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


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


class Chunk(NamedTuple):
    """The records of one partition from one poll, in order of offset, and the offset to read next.

    Offsets may have gaps (transaction markers, compaction), so `next_offset` is the consumer's position, not the last
    offset plus one.
    """

    partition: Partition
    records: Sequence[Record]
    next_offset: int
