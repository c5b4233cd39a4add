"""One message of a stream, as it is produced and as it is polled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """A Kafka record without its position: raw bytes and the record's own time.

    `timestamp` is milliseconds since 1970 UTC. `value` is None for a tombstone.

    >>> Message("orders", b"ann", b"{}", 1_767_225_600_000).topic
    'orders'
    """

    topic: str
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()
