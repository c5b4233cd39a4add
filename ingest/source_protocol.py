"""The interface between the consumer loop and Kafka. Tests implement `RecordSource` without a broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple, Protocol

from expectations.errors import BrokerError
from ingest.message import Chunk, Partition


class SourceFailed(Exception):
    """The Kafka client failed and must be replaced: it may never return from another call."""


class PermanentBrokerError(BrokerError):
    """A broker failure that a retry cannot fix, such as a compression codec that is not installed."""


class AssignmentChanges(NamedTuple):
    """Partitions gained and lost since the previous call."""

    gained: list[Partition]
    lost: list[Partition]


class RecordSource(Protocol):
    """A consumer that reads at offsets the caller chooses; `ingest.kafka.consumer.Source` implements it."""

    @property
    def joined(self) -> bool:
        """Whether the group has assigned partitions; this consumer may have received none."""

    @property
    def topic_ids(self) -> Mapping[str, str]:
        """The id that each topic had when the consumer was created."""

    @property
    def silence(self) -> float:
        """Seconds since a broker last answered."""

    def check_topics(self) -> None:
        """Raise LandingError when a topic was deleted and recreated since the consumer was created."""

    def changes(self) -> AssignmentChanges:
        """Partitions gained and lost since the previous call."""

    def assigned(self) -> set[Partition]:
        """The partitions currently assigned to this consumer."""

    def begin(self, partition: Partition, offset: int) -> None:
        """Start, or restart, reading a partition at `offset`."""

    def poll(self, wait: timedelta) -> list[Chunk]:
        """Return fetched records, waiting at most `wait` for the first one. Raises SourceFailed."""

    def position(self, partition: Partition) -> int | None:
        """The offset to be read next."""

    def highwater(self, partition: Partition) -> int | None:
        """The end offset reported by the last fetch; None before the first fetch."""

    def last_stable(self, partition: Partition) -> int | None:
        """The offset where the first open transaction begins, or the end; None before the first fetch."""

    def readable_ends(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The end offsets reported by the broker. They stop at an open transaction and are not always exact."""

    def beginnings(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The offset of the oldest record that the broker still holds."""

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit offsets to the broker, for tools that show lag. Landing never reads them."""
