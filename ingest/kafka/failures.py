"""Builds the errors for failures at the brokers, each with what to do. They contain no message and no secret."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from kafka.errors import (
    AuthorizationError,
    KafkaConnectionError,
    KafkaTimeoutError,
    OffsetOutOfRangeError,
    SaslAuthenticationFailedError,
    UnsupportedCodecError,
    UnsupportedSaslMechanismError,
)

from expectations.errors import BrokerError, LandingError
from ingest.settings.security import OPEN, Security
from ingest.source_protocol import PermanentBrokerError

_REFUSED: Final = (SaslAuthenticationFailedError, UnsupportedSaslMechanismError)


def unreachable(brokers: Sequence[str], error: BaseException, security: Security = OPEN) -> BrokerError:
    """The error for brokers that do not answer, reject the login, or reject a request."""
    silent = isinstance(error, KafkaTimeoutError | KafkaConnectionError)
    if isinstance(error, (*_REFUSED, AuthorizationError)) or (silent and security.uses_login):
        return _login_rejected(brokers, error)
    return BrokerError(
        "The Kafka broker was not reached." if silent else "The Kafka broker refused what was asked.",
        where=", ".join(brokers),
        expected="a Kafka broker that answers",
        found=(str(error.args[0]) if error.args else "no answer") if silent else type(error).__name__,
        do="start the broker (`journeys broker` starts a small one), or fix its address under [ingest] brokers",
    )


def _login_rejected(brokers: Sequence[str], error: BaseException) -> BrokerError:
    """The error for a rejected login, which the client library reports as a timeout at the start."""
    return BrokerError(
        "We may not do that at the Kafka broker."
        if isinstance(error, AuthorizationError)
        else "The Kafka broker does not let us in.",
        where=", ".join(brokers),
        expected="a login that the broker knows, with the rights to read the topics and to join the group",
        found=type(error).__name__,
        do="fix protocol, mechanism, username and secret under [ingest.security], or the rights at the broker",
    )


def tls_failed(brokers: Sequence[str], found: str) -> BrokerError:
    """The error for a broker whose certificate is not trusted."""
    return BrokerError(
        "No encrypted connection to the Kafka broker.",
        where=", ".join(brokers),
        expected="a certificate for this address from an authority that we trust",
        found=found,
        do="name the authority's PEM file as ca under [ingest.security], or fix protocol and port",
    )


def unknown_topic(topic: str, brokers: Sequence[str], known: Sequence[str]) -> BrokerError:
    """The error for a configured topic that the broker does not know."""
    return BrokerError(
        f"The broker does not know the topic {topic}.",
        where=", ".join(brokers),
        expected=topic,
        found="topics: " + (", ".join(known[:5]) + (", ..." if len(known) > 5 else "") if known else "none"),
        do="create the topic, or fix its name under [[ingest.streams]]",
    )


def topic_recreated(topic: str) -> LandingError:
    """The error for a topic that was deleted and recreated while it was read."""
    return LandingError(
        f"Topic {topic} was deleted and recreated while it was read.",
        where=f"topic {topic}",
        expected="the topic that it was when reading began",
        found="another topic of the same name; its offsets start again",
        do="run once with --new-generation to read the new topic from its beginning; what was landed stays",
    )


def codec_missing(error: UnsupportedCodecError) -> PermanentBrokerError:
    """The error for a compression codec that this installation cannot read."""
    named = re.search(r"\b(gzip|snappy|lz4|zstd)\b", str(error))
    codec = named.group(1) if named else None
    return PermanentBrokerError(
        f"Messages compressed with {codec or 'an unknown codec'} cannot be read.",
        expected="one of gzip, snappy, lz4 and zstd, with its package installed",
        found=f"no package for {codec}" if codec else "a compression that the client library does not know",
        do=f'pip install "kafka-python[{codec}]", and start again: nothing was skipped'
        if codec
        else "have the producers use one of these: nothing was skipped",
    )


def offset_out_of_range(error: OffsetOutOfRangeError) -> LandingError:
    """The error for an offset that the broker no longer holds."""
    gone = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    places = ", ".join(f"{theirs.topic}/{theirs.partition} at {offset}" for theirs, offset in list(gone.items())[:5])
    return LandingError(
        "The broker has no record at the offset where landing goes on.",
        where=places or "one of the assigned partitions",
        expected="records from there on",
        found="they were deleted, or the topic is shorter than what was landed",
        do="run once with --accept-gap to go on with the oldest record that is left",
    )
