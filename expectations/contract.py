"""The event contract: names and polars types of the columns of all tables, and the version.

One table holds clickstream, orders and feedback. `(topic, partition, offset, part)` identifies an event: it says where
the event came from and is unique in the lake. `part` is the event's index in its message, 0 for the first; most
messages contain one event. Times are UTC in microseconds. `received_at` is the time of the Kafka record, so
landing a message again gives the same row. Money is decimal, never float.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal, TypeGuard

import polars as pl
from polars._typing import SchemaDict

VERSION: Final = 1

Kind = Literal["clickstream", "order", "feedback"]
KINDS: Final[tuple[str, ...]] = ("clickstream", "order", "feedback")

# who, what, when, where
EVENT_ID: Final = "event_id"
EVENT_NAME: Final = "event_name"
KIND: Final = "kind"
CHANNEL: Final = "channel"
OCCURRED_AT: Final = "occurred_at"
RECEIVED_AT: Final = "received_at"
EVENT_DATE: Final = "event_date"
CUSTOMER_ID: Final = "customer_id"
ANONYMOUS_ID: Final = "anonymous_id"
SESSION_ID: Final = "session_id"
IDENTITIES: Final = "identities"
# provenance
TOPIC: Final = "topic"
PARTITION: Final = "partition"
OFFSET: Final = "offset"
PART: Final = "part"
FROM_FILE: Final = "file:"
"""Prefix of the topic of events that were loaded from a file."""
POSITION: Final[tuple[str, str, str]] = (TOPIC, PARTITION, OFFSET)
"""Identifies a message."""
PLACE: Final[tuple[str, str, str, str]] = (*POSITION, PART)
"""Identifies an event: its message, and its index in the message."""

TIME: Final = pl.Datetime("us", "UTC")
FIRST_TIME: Final = datetime(1, 1, 1, tzinfo=UTC)
LAST_TIME: Final = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
"""The times that Python has too; polars reads and stores many more."""
MONEY: Final = pl.Decimal(18, 2)

_events: SchemaDict = {
    EVENT_ID: pl.String,
    EVENT_NAME: pl.String,
    KIND: pl.String,
    CHANNEL: pl.String,
    OCCURRED_AT: TIME,
    RECEIVED_AT: TIME,
    EVENT_DATE: pl.Date,
    CUSTOMER_ID: pl.String,
    ANONYMOUS_ID: pl.String,
    SESSION_ID: pl.String,
    IDENTITIES: pl.Map(pl.String, pl.String),
    "order_id": pl.String,
    "revenue": MONEY,
    "currency": pl.String,
    "items": pl.List(pl.Struct({"sku": pl.String, "quantity": pl.Int32, "price": MONEY})),
    "survey": pl.String,
    "score": pl.Float64,
    "feedback_text": pl.String,
    "url": pl.String,
    "referrer": pl.String,
    "campaign": pl.String,
    "source": pl.String,
    "medium": pl.String,
    "device": pl.String,
    "country": pl.String,
    "properties": pl.String,
    "schema_version": pl.Int32,
    "id_generated": pl.Boolean,
    TOPIC: pl.String,
    PARTITION: pl.Int32,
    OFFSET: pl.Int64,
    PART: pl.Int32,
}
EVENTS: Final = pl.Schema(_events)
"""`properties` is canonical JSON text with every field that has no column. `survey` is nps, csat or ces."""

REQUIRED: Final[tuple[str, ...]] = (
    EVENT_ID,
    EVENT_NAME,
    KIND,
    CHANNEL,
    OCCURRED_AT,
    RECEIVED_AT,
    EVENT_DATE,
    TOPIC,
    PARTITION,
    OFFSET,
)

_quarantine: SchemaDict = {
    "received_date": pl.Date,
    RECEIVED_AT: TIME,
    "key": pl.Binary,
    "raw": pl.Binary,
    "headers": pl.List(pl.Struct({"name": pl.String, "value": pl.Binary})),
    "reason": pl.String,
    "field": pl.String,
    "message": pl.String,
    "schema_version": pl.Int32,
    TOPIC: pl.String,
    PARTITION: pl.Int32,
    OFFSET: pl.Int64,
    PART: pl.Int32,
}
QUARANTINE: Final = pl.Schema(_quarantine)
"""`raw` is the whole message. `part` is the index of the invalid event, whose neighbours may have landed; null when the
whole message is unreadable."""

_profiles: SchemaDict = {
    "identity_kind": pl.String,
    "identity": pl.String,
    "attribute": pl.String,
    "value": pl.String,
    "valid_from": TIME,
    TOPIC: pl.String,
    PARTITION: pl.Int32,
    OFFSET: pl.Int64,
}
PROFILES: Final = pl.Schema(_profiles)
"""One row per changed attribute: identity, attribute, value, and the time from which it holds."""

PAIR: Final = ("kind", "value", "other_kind", "other_value")
"""Two identities, each by its kind and value."""

_links: SchemaDict = {**dict.fromkeys(PAIR, pl.String), "removed": pl.Boolean, "decided_at": TIME, "reason": pl.String}
LINKS: Final = pl.Schema(_links)
"""One row per decision about the link between two identities: the link is `removed` or restored, and when."""

_touches: SchemaDict = {
    "customer": pl.String,
    "at": TIME,
    "touchpoint": pl.String,
    "stage": pl.String,
    "channel": pl.String,
    "session": pl.UInt32,
    "journey": pl.UInt32,
    "outcome": pl.String,
    "after_goal": pl.Boolean,
    "direct": pl.Boolean,
    "linked": pl.String,
}
TOUCHES: Final = pl.Schema(_touches)
"""One row per touch, an event on its customer's path. The columns that `[paths]` keeps are added to these."""


def is_kind(word: str) -> TypeGuard[Kind]:
    """Whether a word is a kind of event: clickstream, order or feedback."""
    return word in KINDS
