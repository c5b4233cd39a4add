"""Sends messages to topics, for the demo, the simulator and the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaError

from ingest.kafka.client import client_options
from ingest.kafka.failures import unreachable
from ingest.message import Message
from ingest.settings.security import OPEN, Security

_PRODUCER: Final[dict[str, Any]] = {
    "acks": "all",
    "linger_ms": 20,
    "batch_size": 256 << 10,
    "compression_type": "lz4",
    "max_request_size": 64 << 20,
}
_PATIENCE: Final = timedelta(seconds=10)


def produce(
    brokers: Sequence[str],
    messages: Iterable[Message],
    on_progress: Callable[[int], None] | None = None,
    security: Security = OPEN,
) -> int:
    """Send messages, in order within a key, and wait until the broker has acknowledged them all. Returns their number.

    `on_progress` is called with the number sent so far. Raises BrokerError when the broker rejects messages.
    """
    sent = 0
    try:
        producer = KafkaProducer(**client_options(brokers, security, _PATIENCE), **_PRODUCER)
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
        raise unreachable(brokers, error, security) from error
    if failures:
        raise unreachable(brokers, failures[0], security)
    if on_progress:
        on_progress(sent)
    return sent
