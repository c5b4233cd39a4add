"""The Kafka side: read records of topics, create topics, produce. The only module that knows the client library.

What it guards against: a client that has raised out of `poll` may never return from the next one, so it is to be thrown
away (`SourceFailed` says so); the rebalance listener runs on the client's own thread, so it only notes what changed;
`end_offsets` is not trusted, the end of a partition is the highwater of what was fetched.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from threading import Lock
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.codec import has_gzip, has_lz4, has_snappy, has_zstd
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    OffsetOutOfRangeError,
    TopicAlreadyExistsError,
)

from expectations.errors import BrokerError, LandingError
from ingest.message import Chunk, Message, Partition
from ingest.reader import Changes, SourceFailed
from ingest.settings import IngestSettings

logging.getLogger("kafka").addHandler(logging.NullHandler())  # the client's own log is shown only where one is set up
log = logging.getLogger(__name__)

_PRODUCER: Final[dict[str, Any]] = {
    "acks": "all",
    "linger_ms": 20,
    "batch_size": 256 << 10,
    "compression_type": "lz4",
    "max_request_size": 64 << 20,
}
_NO_ID: Final = "00000000-0000-0000-0000-000000000000"
_UNKNOWN_TOPIC: Final = 3


class Topic(NamedTuple):
    """A topic as the broker describes it. Brokers before Kafka 2.8 know no ids: there the name stands in."""

    name: str
    id: str
    partitions: int


class Source:
    """A consumer of the streams' topics, at offsets that the caller decides.

    A gained partition gives no record before `begin` has told it where. Raises BrokerError when the broker is not
    reached or does not know a topic.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        names = [stream.topic for stream in settings.streams]
        self._admin = _admin(settings.brokers, settings.connect_timeout)
        try:
            self.topics = _described(self._admin, settings.brokers, names)
            self._consumer = _consumer(settings)
        except BrokerError:
            self._admin.close()
            raise
        self._noted = _Noted(self._consumer)
        if settings.assignment == "all":
            self._assign_all()
        else:
            self._subscribe(names)

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
            if found[name]["error_code"] == 0 and _topic(found[name]).id != topic.id:
                raise _made_anew(name)
            if found[name]["error_code"]:
                raise SourceFailed(f"the broker does not describe the topic {name}")

    def changes(self) -> Changes:
        """What came and went since the last call."""
        return self._noted.take()

    def assigned(self) -> set[Partition]:
        """The partitions that are ours now."""
        return {_ours(theirs) for theirs in self._consumer.assignment()}

    @property
    def joined(self) -> bool:
        """Whether partitions have been handed out at all; none may be among them for us."""
        return self._noted.heard

    def begin(self, partition: Partition, offset: int) -> None:
        """Read a partition from this offset on; also to read again."""
        self._consumer.seek(_theirs(partition), offset)
        self._consumer.resume(_theirs(partition))

    def poll(self, wait: timedelta) -> list[Chunk]:
        """Records that have arrived, waiting at most so long for the first.

        Raises LandingError when an offset is gone from the broker, SourceFailed for all else that goes wrong.
        """
        try:
            found = self._consumer.poll(timeout_ms=int(wait.total_seconds() * 1000))
            return [Chunk(_ours(theirs), records, self._next(theirs, records)) for theirs, records in found.items()]
        except OffsetOutOfRangeError as error:
            raise _out_of_range(error) from error
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

    def _subscribe(self, names: list[str]) -> None:
        """Join the group with the topics' partitions at hand. A member that leads a group before it knows them joins
        again as soon as it does, and the client can lose sight of that second join: it then stays without partitions
        for ever, and no call fails.
        """
        self._consumer.subscribe(topics=names, listener=self._noted)
        try:
            self._consumer.topics()
        except KafkaError as error:
            self.close()
            raise _unreachable(self._settings.brokers, error) from error

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

    def take(self) -> Changes:
        with self._lock:
            changes = Changes([_ours(theirs) for theirs in self._gained], [_ours(theirs) for theirs in self._lost])
            self._gained, self._lost = {}, {}
        return changes


def describe(
    brokers: Sequence[str], topics: Sequence[str], *, timeout: timedelta = timedelta(seconds=10)
) -> dict[str, Topic]:
    """The topics by name. Raises BrokerError when the broker is not reached or does not know one of them."""
    admin = _admin(brokers, timeout)
    try:
        return _described(admin, brokers, topics)
    finally:
        admin.close()


def describe_topics(settings: IngestSettings) -> dict[str, int]:
    """The number of partitions of each configured topic. Raises BrokerError as `describe` does."""
    found = describe(settings.brokers, list(settings.by_topic), timeout=settings.connect_timeout)
    return {name: topic.partitions for name, topic in found.items()}


def codecs() -> list[str]:
    """The compressions of messages that this installation can read.

    Raises BrokerError when one that producers commonly use is missing, since the first such message would stop a
    consumer.
    """
    present = {"gzip": has_gzip(), "lz4": has_lz4(), "zstd": has_zstd(), "snappy": has_snappy()}
    missing = [name for name in ("gzip", "lz4", "zstd") if not present[name]]
    if missing:
        raise BrokerError(
            f"Messages compressed with {' or '.join(missing)} cannot be read.",
            expected="the packages lz4 and zstandard",
            do='pip install "kafka-python[lz4,zstd,crc32c]"',
        )
    return [name for name, here in present.items() if here]


def create_topics(brokers: Sequence[str], topics: Mapping[str, int]) -> None:
    """Create the topics that are not there yet, each with so many partitions."""
    admin = _admin(brokers, timedelta(seconds=10))
    try:
        for name, partitions in topics.items():
            try:
                admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}})
            except TopicAlreadyExistsError:
                continue
    except KafkaError as error:
        raise _unreachable(brokers, error) from error
    finally:
        admin.close()


def produce(
    brokers: Sequence[str], messages: Iterable[Message], on_progress: Callable[[int], None] | None = None
) -> int:
    """Send messages, in order within a key, and wait until the broker has them all. Returns how many.

    `on_progress` is told the number sent so far, now and then. Raises BrokerError when the broker cannot take them.
    """
    sent = 0
    try:
        producer = KafkaProducer(bootstrap_servers=list(brokers), bootstrap_timeout_ms=10_000, **_PRODUCER)
        failures: list[BaseException] = []
        try:
            for message in messages:
                headers = list(message.headers)
                future = producer.send(message.topic, message.value, message.key, headers, None, message.timestamp)
                future.add_errback(failures.append)
                sent += 1
                if on_progress and sent % 5_000 == 0:
                    on_progress(sent)
            producer.flush()
        finally:
            producer.close()
    except KafkaError as error:
        raise _unreachable(brokers, error) from error
    if failures:
        raise _unreachable(brokers, failures[0])
    if on_progress:
        on_progress(sent)
    return sent


def _consumer(settings: IngestSettings) -> KafkaConsumer:
    def milliseconds(span: timedelta) -> int:
        return int(span.total_seconds() * 1000)

    try:
        return KafkaConsumer(
            bootstrap_servers=settings.brokers,
            bootstrap_timeout_ms=milliseconds(settings.connect_timeout),
            group_id=settings.group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            allow_auto_create_topics=False,
            isolation_level="read_committed",
            max_poll_records=settings.poll_records,
            max_poll_interval_ms=milliseconds(settings.max_poll_interval),
            session_timeout_ms=milliseconds(settings.session_timeout),
            heartbeat_interval_ms=milliseconds(settings.heartbeat),
            partition_assignment_strategy=[CooperativeStickyAssignor()],
        )
    except KafkaError as error:
        raise _unreachable(settings.brokers, error) from error


def _admin(brokers: Sequence[str], timeout: timedelta) -> KafkaAdminClient:
    _knock(brokers, timeout)
    try:
        return KafkaAdminClient(
            bootstrap_servers=list(brokers), bootstrap_timeout_ms=int(timeout.total_seconds() * 1000)
        )
    except (KafkaError, ValueError, OSError) as error:
        raise _unreachable(brokers, error) from error


def _described(admin: KafkaAdminClient, brokers: Sequence[str], topics: Sequence[str]) -> dict[str, Topic]:
    try:
        found = {topic["name"]: topic for topic in admin.describe_topics(list(topics))}
        unknown = [name for name in topics if found.get(name, {"error_code": _UNKNOWN_TOPIC})["error_code"]]
        if unknown:
            known = sorted(name for name in admin.list_topics() if not name.startswith("__"))
            raise _unknown_topic(unknown[0], brokers, known)
    except KafkaError as error:
        raise _unreachable(brokers, error) from error
    return {name: _topic(found[name]) for name in topics}


def _knock(brokers: Sequence[str], timeout: timedelta) -> None:
    """See that somebody listens at one of the addresses: the client would go on trying, and not say what is wrong."""
    refusals = []
    for broker in brokers:
        host, colon, port = broker.rpartition(":")
        if not colon:
            host, port = broker, "9092"
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=timeout.total_seconds()).close()
        except (OSError, ValueError, OverflowError) as error:
            refusals.append(f"{broker}: {getattr(error, 'strerror', None) or error}")
        else:
            return
    raise _unreachable(brokers, KafkaConnectionError("; ".join(refusals[:5])))


def _topic(found: Mapping[str, Any]) -> Topic:
    identity = str(found.get("topic_id") or _NO_ID)
    name: str = found["name"]
    return Topic(name, name if identity == _NO_ID else identity, len(found["partitions"]))


def _ours(theirs: TopicPartition) -> Partition:
    return Partition(theirs.topic, theirs.partition)


def _theirs(ours: Partition) -> TopicPartition:
    return TopicPartition(ours.topic, ours.number)


def _unreachable(brokers: Sequence[str], error: BaseException) -> BrokerError:
    silent = isinstance(error, KafkaTimeoutError | KafkaConnectionError)
    return BrokerError(
        "The Kafka broker was not reached." if silent else "The Kafka broker refused what was asked.",
        where=", ".join(brokers),
        expected="a Kafka broker that answers",
        found=(str(error.args[0]) if error.args else "no answer") if silent else type(error).__name__,
        do="start the broker (`journeys broker` starts a small one), or mend its address under [ingest] brokers",
    )


def _unknown_topic(topic: str, brokers: Sequence[str], known: Sequence[str]) -> BrokerError:
    return BrokerError(
        f"The broker does not know the topic {topic}.",
        where=", ".join(brokers),
        expected=topic,
        found="topics: " + (", ".join(known[:5]) + (", ..." if len(known) > 5 else "") if known else "none"),
        do="create the topic, or mend its name under [[ingest.streams]]",
    )


def _made_anew(topic: str) -> LandingError:
    return LandingError(
        f"Topic {topic} was deleted and made anew while it was read.",
        where=f"topic {topic}",
        expected="the topic that it was when reading began",
        found="another topic of the same name; its offsets start again",
        do="run once with --new-generation to read the new topic from its beginning; what was landed stays",
    )


def _out_of_range(error: OffsetOutOfRangeError) -> LandingError:
    gone = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    places = ", ".join(f"{_ours(theirs)} at {offset}" for theirs, offset in list(gone.items())[:5])
    return LandingError(
        "The broker has no record at the offset where landing goes on.",
        where=places or "one of the assigned partitions",
        expected="records from there on",
        found="they were deleted, or the topic is shorter than what was landed",
        do="run once with --accept-gap to go on with the oldest record that is left",
    )
