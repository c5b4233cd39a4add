"""A consumer of the streams' topics, at offsets that the caller decides.

What it guards against: a client that has raised out of `poll` may never return from the next one, so it is to be thrown
away (`SourceFailed` says so); the rebalance listener runs on the client's own thread, so it only notes what changed;
`end_offsets` is not trusted, the end of a partition is the highwater of what was fetched.
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
from ingest.kafka.client import admin_client, client_options, milliseconds
from ingest.kafka.failures import codec_missing, offset_out_of_range, topic_recreated, unreachable
from ingest.kafka.topics import describe_by_name, parse_topic, retention_seconds
from ingest.message import Chunk, Partition
from ingest.settings.ingest import IngestSettings
from ingest.source_protocol import AssignmentChanges, SourceFailed

log = logging.getLogger(__name__)

_ASSIGNORS: Final = {"cooperative-sticky": CooperativeStickyAssignor, "range": RangePartitionAssignor}


class Source:
    """A consumer of the streams' topics, at offsets that the caller decides.

    A gained partition gives no record before `begin` has told it where. Raises BrokerError when the broker is not
    reached or does not know a topic.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        names = [stream.topic for stream in settings.streams]
        self._admin = admin_client(settings.brokers, settings.security, settings.connect_timeout)
        try:
            self.topics = describe_by_name(self._admin, settings.brokers, names)
            self._consumer = _consumer(settings)
        except BrokerError:
            self._admin.close()
            raise
        self._noted = _Noted(self._consumer)
        if settings.assignment == "all":
            self._assign_all()
        else:
            self._consumer.subscribe(topics=names, listener=self._noted)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def topic_ids(self) -> dict[str, str]:
        """The id of each topic; where the broker knows none, its name."""
        return {name: topic.id for name, topic in self.topics.items()}

    def check_topics(self) -> None:
        """Raise LandingError when a topic is no longer the one that it was when reading began, SourceFailed when the
        broker does not say. Called before what was read is landed: then all of it came from the topic it seems to.
        """
        try:
            found = {topic["name"]: topic for topic in self._admin.describe_topics(list(self.topics))}
        except KafkaError as error:
            raise SourceFailed(f"{type(error).__name__}: {error}") from error
        for name, topic in self.topics.items():
            if found[name]["error_code"] == 0 and parse_topic(found[name]).id != topic.id:
                raise topic_recreated(name)
            if found[name]["error_code"]:
                raise SourceFailed(f"the broker does not describe the topic {name}")

    def retentions(self) -> dict[str, float]:
        """For how many seconds the broker keeps records of each topic; a topic that keeps all, or of which the broker
        does not say, is left out.
        """
        return retention_seconds(self._admin, list(self.topics))

    def changes(self) -> AssignmentChanges:
        """What came and went since the last call."""
        return self._noted.take()

    def assigned(self) -> set[Partition]:
        """The partitions that are ours now."""
        return {_ours(theirs) for theirs in self._consumer.assignment()}

    @property
    def joined(self) -> bool:
        """Whether partitions have been handed out at all; none may be among them for us."""
        return self._noted.heard

    @property
    def silence(self) -> float:
        """Seconds since a broker last answered a fetch or, where no partition is ours to fetch, anything.

        The client raises nothing while the brokers are away, and a poll comes back empty as on a quiet night.
        """
        metrics = self._consumer._metrics
        sensor = metrics.get_sensor("fetch-latency" if self._consumer.assignment() else "bytes-received")
        return 0.0 if sensor is None else time.monotonic() - sensor._last_record_time / 1000

    def begin(self, partition: Partition, offset: int) -> None:
        """Read a partition from this offset on; also to read again."""
        self._consumer.seek(_theirs(partition), offset)
        self._consumer.resume(_theirs(partition))

    def poll(self, wait: timedelta) -> list[Chunk]:
        """Records that have arrived, waiting at most so long for the first.

        Raises LandingError when an offset is gone from the broker, Lasting when a compression cannot be read,
        SourceFailed for all else that goes wrong.
        """
        try:
            self._finish_joining()
            found = self._consumer.poll(timeout_ms=int(wait.total_seconds() * 1000))
            return [Chunk(_ours(theirs), records, self._next(theirs, records)) for theirs, records in found.items()]
        except OffsetOutOfRangeError as error:
            raise offset_out_of_range(error) from error
        except UnsupportedCodecError as error:
            raise codec_missing(error) from error
        except Exception as error:
            raise SourceFailed(f"{type(error).__name__}: {error}") from error

    def position(self, partition: Partition) -> int | None:
        """The offset that will be read next."""
        position: int | None = self._consumer.position(_theirs(partition), timeout_ms=0)
        return position

    def highwater(self, partition: Partition) -> int | None:
        """The end of the partition when it was last fetched; None before the first fetch."""
        highwater: int | None = self._consumer.highwater(_theirs(partition))
        return highwater

    def beginnings(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The offset of the oldest record that the broker still has."""
        try:
            found = self._consumer.beginning_offsets([_theirs(partition) for partition in partitions])
        except KafkaError as error:
            raise SourceFailed(f"{type(error).__name__}: {error}") from error
        return {_ours(theirs): offset for theirs, offset in found.items()}

    def readable_ends(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The ends as the broker tells them: not behind an open transaction, and not always exact."""
        try:
            found = self._consumer.end_offsets([_theirs(partition) for partition in partitions])
        except KafkaError as error:
            raise SourceFailed(f"{type(error).__name__}: {error}") from error
        return {_ours(theirs): offset for theirs, offset in found.items()}

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Tell the broker how far we are, for tools that show lag. The lake decides, so a failure is only logged."""
        told = {_theirs(partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
        try:
            self._consumer.commit(told, timeout_ms=int(self._settings.connect_timeout.total_seconds() * 1000))
        except KafkaError as error:
            log.warning("the broker did not take our offsets: %s", type(error).__name__)

    def close(self) -> None:
        """Leave the group and close the connections."""
        self._admin.close()
        try:
            self._consumer.close(autocommit=False, timeout_ms=2_000)
        except KafkaError as error:
            log.warning("the consumer did not close cleanly: %s", type(error).__name__)

    def _next(self, theirs: TopicPartition, records: Sequence[Any]) -> int:
        position = self._consumer.position(theirs, timeout_ms=0) if records else None
        last: int = records[-1].offset + 1
        return last if position is None else max(last, position)

    def _finish_joining(self) -> None:
        """Have the client go on with a join that it has lost sight of.

        A member that leads the group joins again when a topic's partitions change. Where a poll's time is over between
        the two answers of that join, the client takes it for done: it never hears of its partitions, sends no
        heartbeat, and no call fails. Asking for a join makes it wait for the answer that is under way.
        """
        coordinator = self._consumer._coordinator
        if coordinator.rejoining and not coordinator.need_rejoin():
            coordinator.request_rejoin()

    def _assign_all(self) -> None:
        every = [Partition(topic.name, n) for topic in self.topics.values() for n in range(topic.partitions)]
        self._consumer.assign([_theirs(partition) for partition in every])
        self._noted.on_partitions_assigned([_theirs(partition) for partition in every])


class _Noted(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes what the client was assigned, on the client's thread, and holds it still until we know where to read."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self._lock = Lock()
        self._gained: dict[TopicPartition, None] = {}
        self._lost: dict[TopicPartition, None] = {}
        self.heard = False

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Pause each partition at a place of no meaning, so that neither a record nor a reset comes before `begin`."""
        with self._lock:
            for partition in assigned:
                self._consumer.pause(partition)
                self._consumer.seek(partition, 0)
                self._gained[partition] = None
            self.heard = True

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Note that these are no longer ours."""
        with self._lock:
            for partition in revoked:
                self._gained.pop(partition, None)
                self._lost[partition] = None

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        """The group went on without us: the same to us as revoked."""
        self.on_partitions_revoked(lost)

    def take(self) -> AssignmentChanges:
        with self._lock:
            changes = AssignmentChanges(
                [_ours(theirs) for theirs in self._gained], [_ours(theirs) for theirs in self._lost]
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
            session_timeout_ms=milliseconds(settings.session_timeout),
            heartbeat_interval_ms=milliseconds(settings.heartbeat),
            partition_assignment_strategy=[_ASSIGNORS[settings.assignor]()],
        )
    except KafkaError as error:
        raise unreachable(settings.brokers, error, settings.security) from error


def _ours(theirs: TopicPartition) -> Partition:
    return Partition(theirs.topic, theirs.partition)


def _theirs(ours: Partition) -> TopicPartition:
    return TopicPartition(ours.topic, ours.number)
