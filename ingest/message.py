"""What travels on the stream: a message on its way in, a record in its partition, and the place it came from."""

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
    """A message as it lies in a partition, at its offset. `timestamp` is milliseconds, negative when unknown."""

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
    """Records of one partition from one poll, ascending, and the offset to read next.

    Offsets may have gaps (transaction markers, compaction), so `next_offset` is the reader's position, not last + 1.
    """

    partition: Partition
    records: Sequence[Record]
    next_offset: int
