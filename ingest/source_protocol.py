"""What the loop asks of a stream, so that a test can hand it another one than Kafka."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple, Protocol

from expectations.errors import BrokerError
from ingest.message import Chunk, Partition


class SourceFailed(Exception):
    """The client raised: nothing more can be asked of it, a new one is needed."""


class PermanentBrokerError(BrokerError):
    """What the broker holds cannot be read, and trying again does not mend it."""


class AssignmentChanges(NamedTuple):
    """Partitions that came and went since the last time they were asked for."""

    gained: list[Partition]
    lost: list[Partition]


class RecordSource(Protocol):
    """A consumer of topics at offsets that the caller decides (`ingest.kafka.consumer.Source`)."""

    @property
    def joined(self) -> bool:
        """Whether partitions have been handed out at all; none may be among them for us."""

    @property
    def topic_ids(self) -> Mapping[str, str]:
        """The id of each topic when reading began."""

    @property
    def silence(self) -> float:
        """Seconds since a broker last answered."""

    def check_topics(self) -> None:
        """Raise LandingError when a topic is no longer the one that it was when reading began."""

    def changes(self) -> AssignmentChanges:
        """What came and went since the last call."""

    def assigned(self) -> set[Partition]:
        """The partitions that are ours now."""

    def begin(self, partition: Partition, offset: int) -> None:
        """Read a partition from this offset on; also to read again."""

    def poll(self, wait: timedelta) -> list[Chunk]:
        """Records that have arrived, waiting at most so long for the first. Raises SourceFailed."""

    def position(self, partition: Partition) -> int | None:
        """The offset that will be read next."""

    def highwater(self, partition: Partition) -> int | None:
        """The end of the partition when it was last fetched; None before the first fetch."""

    def readable_ends(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The ends as the broker tells them: not behind an open transaction, and not always exact."""

    def beginnings(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The offset of the oldest record that the broker still has."""

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Tell the broker how far we are, for tools that show lag."""
