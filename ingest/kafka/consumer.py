"""Reads the streams' topics from Kafka, at offsets the caller chooses.

It guards against three properties of the client: after an exception `poll` may never return again, so `SourceFailed`
asks for a new client; the rebalance listener runs on the client's own thread, so it only records changes; `end_offsets`
is not reliable, so the end of a partition is the high watermark of its last fetch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from threading import Lock
from types import TracebackType
from typing import Any, Final, Self

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError, OffsetOutOfRangeError, UnsupportedCodecError

from expectations.errors import BrokerError
from ingest.kafka.batches import bound
from ingest.kafka.client import admin_client, client_options, milliseconds
from ingest.kafka.failures import codec_missing, offset_out_of_range, topic_recreated, unreachable
from ingest.kafka.topics import describe_by_name, parse_topic, retention_seconds
from ingest.message import Chunk, Partition
from ingest.settings.ingest import IngestSettings
from ingest.source_protocol import AssignmentChanges, SourceFailed

log = logging.getLogger(__name__)

_ASSIGNORS: Final = {"cooperative-sticky": CooperativeStickyAssignor, "range": RangePartitionAssignor}


class Source:
    """A consumer of the streams' topics, at offsets the caller chooses.

    A gained partition stays paused until `begin` sets its offset. Raises BrokerError when the broker cannot be reached
    or does not know a topic.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._settings, self._look_again = settings, 0.0
        names = [stream.topic for stream in settings.streams]
        self._admin = admin_client(settings.brokers, settings.security, settings.connect_timeout)
        try:
            self.topics = describe_by_name(self._admin, settings.brokers, names)
            self._consumer = _consumer(settings)
            bound(self._consumer, settings)
        except BrokerError:
            self._admin.close()
            raise
        self._listener = _AssignmentListener(self._consumer)
        if settings.assignment == "all":
            self._assign_all()
        else:
            self._consumer.subscribe(topics=names, listener=self._listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def topic_ids(self) -> dict[str, str]:
        """The id of each topic; its name if the broker knows no ids."""
        return {name: topic.id for name, topic in self.topics.items()}

    def check_topics(self) -> None:
        """Raise LandingError if a topic was recreated since this consumer was created, SourceFailed if the broker does
        not answer. Called before each flush, so no record lands under the offsets of another topic.
        """
        try:
            answer = {topic["name"]: topic for topic in self._admin.describe_topics(list(self.topics))}
        except KafkaError as error:
            raise SourceFailed(f"{type(error).__name__}: {error}") from error
        for name, topic in self.topics.items():
            if answer[name]["error_code"] == 0 and parse_topic(answer[name]).id != topic.id:
                raise topic_recreated(name)
            if answer[name]["error_code"]:
                raise SourceFailed(f"the broker does not describe the topic {name}")

    def retentions(self) -> dict[str, float]:
        """The retention of each topic in seconds, without topics of unlimited or unknown retention."""
        return retention_seconds(self._admin, list(self.topics))

    def changes(self) -> AssignmentChanges:
        """Partitions gained and lost since the previous call."""
        return self._listener.take()

    def assigned(self) -> set[Partition]:
        """The partitions currently assigned to this consumer."""
        return {_from_client(client_partition) for client_partition in self._consumer.assignment()}

    @property
    def joined(self) -> bool:
        """Whether the group has assigned partitions; this consumer may have received none."""
        return self._listener.joined

    @property
    def silence(self) -> float:
        """Seconds since a broker last answered a fetch or, without assigned partitions, any request.

        While the brokers are unreachable the client raises nothing, and polls return empty as on a quiet stream.
        """
        metrics = self._consumer._metrics
        sensor = metrics.get_sensor("fetch-latency" if self._consumer.assignment() else "bytes-received")
        return 0.0 if sensor is None else time.monotonic() - sensor._last_record_time / 1000

    def begin(self, partition: Partition, offset: int) -> None:
        """Start, or restart, reading a partition at `offset`; its end is unknown until the next fetch.

        What an earlier fetch said of the end may be older than `offset`, up to which another consumer may have landed.
        """
        client_partition = _to_client(partition)
        self._consumer.seek(client_partition, offset)
        self._consumer._subscription.assignment[client_partition].highwater = None
        self._consumer._fetcher.stable.pop(client_partition, None)
        self._consumer.resume(client_partition)

    def poll(self, wait: timedelta) -> list[Chunk]:
        """Return fetched records, waiting at most `wait` for the first one.

        Raises LandingError when the broker no longer has an offset, PermanentBrokerError when a compression codec is
        missing, and SourceFailed for any other failure.
        """
        try:
            self._finish_joining()
            if self._settings.assignment == "all" and time.monotonic() >= self._look_again:
                self._assign_all()
            answer = self._consumer.poll(timeout_ms=int(wait.total_seconds() * 1000))
            return [
                Chunk(_from_client(client_partition), records, self._next(client_partition, records))
                for client_partition, records in answer.items()
            ]
        except OffsetOutOfRangeError as error:
            raise offset_out_of_range(error) from error
        except UnsupportedCodecError as error:
            raise codec_missing(error) from error
        except Exception as error:
            raise SourceFailed(f"{type(error).__name__}: {error}") from error

    def position(self, partition: Partition) -> int | None:
        """The offset to be read next."""
        position: int | None = self._consumer.position(_to_client(partition), timeout_ms=0)
        return position

    def highwater(self, partition: Partition) -> int | None:
        """The end offset reported by the last fetch; None before the first fetch."""
        highwater: int | None = self._consumer.highwater(_to_client(partition))
        return highwater

    def last_stable(self, partition: Partition) -> int | None:
        """The offset where the first open transaction begins, or the end, as of the last fetch; None if unknown."""
        stable: int = self._consumer._fetcher.stable.get(_to_client(partition), -1)
        return stable if stable >= 0 else None

    def beginnings(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The offset of the oldest record that the broker still holds."""
        try:
            answer = self._consumer.beginning_offsets([_to_client(partition) for partition in partitions])
        except KafkaError as error:
            raise SourceFailed(f"{type(error).__name__}: {error}") from error
        return {_from_client(client_partition): offset for client_partition, offset in answer.items()}

    def readable_ends(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The end offsets reported by the broker. They stop at an open transaction and are not always exact."""
        try:
            answer = self._consumer.end_offsets([_to_client(partition) for partition in partitions])
        except KafkaError as error:
            raise SourceFailed(f"{type(error).__name__}: {error}") from error
        return {_from_client(client_partition): offset for client_partition, offset in answer.items()}

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit offsets to the broker, for tools that show lag. A failure is only logged: the lake's offsets count."""
        committed = {_to_client(partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
        try:
            self._consumer.commit(committed, timeout_ms=int(self._settings.connect_timeout.total_seconds() * 1000))
        except KafkaError as error:
            log.warning("the broker did not take our offsets: %s", type(error).__name__)

    def close(self) -> None:
        """Leave the group and close the connections."""
        self._admin.close()
        try:
            self._consumer.close(autocommit=False, timeout_ms=2_000)
        except KafkaError as error:
            log.warning("the consumer did not close cleanly: %s", type(error).__name__)

    def _next(self, client_partition: TopicPartition, records: Sequence[Any]) -> int:
        position = self._consumer.position(client_partition, timeout_ms=0) if records else None
        last: int = records[-1].offset + 1
        return last if position is None else max(last, position)

    def _finish_joining(self) -> None:
        """Make the client finish a join that it has lost track of.

        The group leader rejoins when a topic's partitions change. If a poll times out between the two responses of that
        join, the client considers it finished: it learns no partitions, sends no heartbeats, and no call fails.
        Requesting a join makes it wait for the pending response.
        """
        coordinator = self._consumer._coordinator
        if coordinator.rejoining and not coordinator.need_rejoin():
            coordinator.request_rejoin()

    def _assign_all(self) -> None:
        """Assign every partition that the topics have now; those that were assigned before go on where they are."""
        self._look_again = time.monotonic() + self._settings.metadata_max_age.total_seconds()
        topics = describe_by_name(self._admin, self._settings.brokers, list(self.topics))
        every = [TopicPartition(name, number) for name, topic in topics.items() for number in range(topic.partitions)]
        new = [partition for partition in every if partition not in self._consumer.assignment()]
        if new:
            self._consumer.assign(every)
            self._listener.on_partitions_assigned(new)


class _AssignmentListener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Records the client's assignment, on the client's thread, and pauses partitions until their offset is known."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self._lock = Lock()
        self._gained: dict[TopicPartition, None] = {}
        self._lost: dict[TopicPartition, None] = {}
        self.joined = False

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Pause each partition at an arbitrary offset, so that no record and no reset arrives before `begin`."""
        with self._lock:
            for partition in assigned:
                self._consumer.pause(partition)
                self._consumer.seek(partition, 0)
                self._gained[partition] = None
            self.joined = True

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Record partitions that are no longer assigned."""
        with self._lock:
            for partition in revoked:
                self._gained.pop(partition, None)
                self._lost[partition] = None

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        """Treat partitions lost to an expired session like revoked ones."""
        self.on_partitions_revoked(lost)

    def take(self) -> AssignmentChanges:
        with self._lock:
            changes = AssignmentChanges(
                [_from_client(client_partition) for client_partition in self._gained],
                [_from_client(client_partition) for client_partition in self._lost],
            )
            self._gained, self._lost = {}, {}
        return changes


def _consumer(settings: IngestSettings) -> KafkaConsumer:
    try:
        return KafkaConsumer(
            **client_options(settings.brokers, settings.security, settings.connect_timeout),
            group_id=settings.group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            allow_auto_create_topics=False,
            isolation_level="read_committed",
            max_poll_records=settings.poll_records,
            max_poll_interval_ms=milliseconds(settings.max_poll_interval),
            metadata_max_age_ms=milliseconds(settings.metadata_max_age),
            session_timeout_ms=milliseconds(settings.session_timeout),
            heartbeat_interval_ms=milliseconds(settings.heartbeat),
            partition_assignment_strategy=[_ASSIGNORS[settings.assignor]()],
        )
    except KafkaError as error:
        raise unreachable(settings.brokers, error, settings.security) from error


def _from_client(client_partition: TopicPartition) -> Partition:
    return Partition(client_partition.topic, client_partition.partition)


def _to_client(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)
