"""Topics as the broker describes them, and making those that are missing."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.codec import has_gzip, has_lz4, has_snappy, has_zstd
from kafka.errors import KafkaError, TopicAlreadyExistsError

from expectations.errors import BrokerError
from ingest.kafka.client import admin_client
from ingest.kafka.failures import unknown_topic, unreachable
from ingest.settings.ingest import IngestSettings
from ingest.settings.security import OPEN, Security

log = logging.getLogger(__name__)

_NO_ID: Final = "00000000-0000-0000-0000-000000000000"
_UNKNOWN_TOPIC: Final = 3


class Topic(NamedTuple):
    """A topic as the broker describes it. Brokers before Kafka 2.8 know no ids: there the name stands in."""

    name: str
    id: str
    partitions: int


def describe(settings: IngestSettings) -> dict[str, Topic]:
    """The configured topics by name. Raises BrokerError when the broker is not reached or does not know one of them."""
    admin = admin_client(settings.brokers, settings.security, settings.connect_timeout)
    try:
        return describe_by_name(admin, settings.brokers, list(settings.by_topic))
    finally:
        admin.close()


def describe_topics(settings: IngestSettings) -> dict[str, int]:
    """The number of partitions of each configured topic. Raises BrokerError as `describe` does."""
    return {name: topic.partitions for name, topic in describe(settings).items()}


def create_topics(brokers: Sequence[str], topics: Mapping[str, int], security: Security = OPEN) -> None:
    """Create the topics that are not there yet, each with so many partitions."""
    admin = admin_client(brokers, security, timedelta(seconds=10))
    try:
        for name, partitions in topics.items():
            try:
                admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}})
            except TopicAlreadyExistsError:
                continue
    except KafkaError as error:
        raise unreachable(brokers, error) from error
    finally:
        admin.close()


def readable_codecs() -> list[str]:
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


def describe_by_name(admin: KafkaAdminClient, brokers: Sequence[str], topics: Sequence[str]) -> dict[str, Topic]:
    """The topics of these names. Raises BrokerError when the broker does not answer or does not know one of them."""
    try:
        found = {topic["name"]: topic for topic in admin.describe_topics(list(topics))}
        unknown = [name for name in topics if found.get(name, {"error_code": _UNKNOWN_TOPIC})["error_code"]]
        if unknown:
            known = sorted(name for name in admin.list_topics() if not name.startswith("__"))
            raise unknown_topic(unknown[0], brokers, known)
    except KafkaError as error:
        raise unreachable(brokers, error) from error
    return {name: parse_topic(found[name]) for name in topics}


def retention_seconds(admin: KafkaAdminClient, topics: Sequence[str]) -> dict[str, float]:
    """Seconds for which records are kept, by topic; without those that keep all, or of which the broker does not
    say."""
    try:
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
        found = admin.describe_configs(asked, config_filter="all").get("topic", {})
    except (KafkaError, ValueError) as error:
        log.info("the broker does not say how long it keeps records: %s", type(error).__name__)
        return {}
    kept = {name: found.get(name, {}).get("retention.ms", {}).get("value") for name in topics}
    return {name: int(milliseconds) / 1000 for name, milliseconds in kept.items() if int(milliseconds or -1) >= 0}


def parse_topic(found: Mapping[str, Any]) -> Topic:
    """A topic from the client's description of it."""
    identity = str(found.get("topic_id") or _NO_ID)
    name: str = found["name"]
    return Topic(name, name if identity == _NO_ID else identity, len(found["partitions"]))
