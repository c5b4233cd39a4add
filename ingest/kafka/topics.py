"""Describes topics, creates missing ones, and lists the compression codecs that can be read."""

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
    """A topic as described by the broker. Brokers before Kafka 2.8 know no ids; the name replaces it there."""

    name: str
    id: str
    partitions: int


def describe(settings: IngestSettings) -> dict[str, Topic]:
    """Describe the configured topics. Raises BrokerError when the broker cannot be reached or does not know a topic."""
    admin = admin_client(settings.brokers, settings.security, settings.connect_timeout)
    try:
        return describe_by_name(admin, settings.brokers, list(settings.by_topic))
    finally:
        admin.close()


def describe_topics(settings: IngestSettings) -> dict[str, int]:
    """The number of partitions of each configured topic. Raises BrokerError as `describe` does."""
    return {name: topic.partitions for name, topic in describe(settings).items()}


def create_topics(brokers: Sequence[str], topics: Mapping[str, int], security: Security = OPEN) -> None:
    """Create the missing ones of these topics, with their numbers of partitions."""
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
    """The compression codecs that this installation can read.

    Raises BrokerError when a codec that producers commonly use is missing: the first such message would stop a
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
    """Describe topics by name. Raises BrokerError when the broker does not answer or does not know one of them."""
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
    """The retention of each topic in seconds, without topics of unlimited or unknown retention."""
    try:
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
        found = admin.describe_configs(asked, config_filter="all").get("topic", {})
    except (KafkaError, ValueError) as error:
        log.info("the broker does not say how long it keeps records: %s", type(error).__name__)
        return {}
    kept = {name: found.get(name, {}).get("retention.ms", {}).get("value") for name in topics}
    return {name: int(milliseconds) / 1000 for name, milliseconds in kept.items() if int(milliseconds or -1) >= 0}


def parse_topic(found: Mapping[str, Any]) -> Topic:
    """Parse a topic from the client's description."""
    identity = str(found.get("topic_id") or _NO_ID)
    name: str = found["name"]
    return Topic(name, name if identity == _NO_ID else identity, len(found["partitions"]))
