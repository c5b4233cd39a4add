"""From the bytes of a partition to events with types, and for every message that is none the reason why.

Decoding is a pure function of the records: the same records give the same rows, whenever and however often they are
read. It answers whether a message can be read at all; whether we believe it is the gate's question
(`expectations.gate`).

| reason        | the message                                                          |
| ------------- | -------------------------------------------------------------------- |
| tombstone     | has no value; it is counted and not kept                             |
| too_large     | is larger than the limit, or nested too deep to be written again     |
| not_utf8      | is not UTF-8 text                                                    |
| not_json      | is not one JSON document (empty, two documents, NaN, half a pair)    |
| not_object    | is JSON, but not an object                                           |
| wrong_type    | has a known field of another type                                    |
| bad_timestamp | has a time that is no time, or has no zone                           |

Records are parsed one by one, so that one bad message costs itself only; the fields are then checked and converted a
column at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import orjson
import polars as pl

from expectations import contract
from ingest.columns import build, name_of
from ingest.formats.plain import FIELDS, plain
from ingest.message import Partition, Record
from ingest.settings import Limits, Stream

TOMBSTONE: Final = "tombstone"
_BLOCK: Final = 8192  # parsed values are made into columns while they are still in the processor's cache


class Refusal(NamedTuple):
    """Why the message at `offset` is no event: a stable reason, the field at fault if there is one, and a sentence."""

    offset: int
    reason: str
    field: str | None
    message: str


class Decoded(NamedTuple):
    """`events` has the columns of the contract, in order of offset; `refused` is every other record."""

    events: pl.DataFrame
    refused: list[Refusal]


def decode(records: Sequence[Record], partition: Partition, stream: Stream, limits: Limits) -> Decoded:
    """Read the records of one partition as events.

    The frame has the columns and dtypes of `contract.EVENTS`. A message without an id gets
    `k:<topic>:<partition>:<offset>` and `id_generated`; kind and channel default to the stream's. No records give an
    empty frame with all columns.

    >>> from ingest.message import Partition
    >>> decode([], Partition("clickstream", 0), Stream(topic="clickstream", kind="clickstream"), Limits()).events.height
    0
    """
    frames = []
    refused: list[Refusal] = []
    for start in range(0, len(records), _BLOCK):
        rows = _parse(records[start : start + _BLOCK], limits.largest_message, refused.append)
        if rows:
            frames.append(_frame(rows, partition, stream, refused))
    refused.sort(key=lambda refusal: refusal.offset)
    return Decoded(pl.concat(frames) if frames else contract.EVENTS.to_frame(eager=True), refused)


def _parse(records: Sequence[Record], largest: int, refuse: Callable[[Refusal], None]) -> list[tuple[Any, ...]]:
    """One pass over the records: a tuple of offset, time and the known fields in the order of FIELDS."""
    rows: list[tuple[Any, ...]] = []
    loads, dumps, sort_keys, keep = orjson.loads, orjson.dumps, orjson.OPT_SORT_KEYS, rows.append
    for record in records:
        value = record.value
        if value is None or len(value) > largest:
            refuse(_unwanted(record, largest))
            continue
        try:
            event = loads(value)
        except orjson.JSONDecodeError as error:
            refuse(_unreadable(record.offset, value, error))
            continue
        if type(event) is not dict:
            refuse(Refusal(record.offset, "not_object", None, f"expected an object, found {name_of(event)}"))
            continue
        event = plain(event)
        properties = event.get("properties")
        if type(properties) is dict:
            try:
                event["properties"] = dumps(properties, option=sort_keys) if properties else None
            except orjson.JSONEncodeError:
                refuse(Refusal(record.offset, "too_large", "properties", "nested too deep"))
                continue
        keep((record.offset, record.timestamp, *map(event.get, FIELDS)))
    return rows


def _unwanted(record: Record, largest: int) -> Refusal:
    if record.value is None:
        return Refusal(record.offset, TOMBSTONE, None, "the message has no value")
    return Refusal(record.offset, "too_large", None, f"{len(record.value)} bytes, the limit is {largest}")


def _unreadable(offset: int, value: bytes, error: orjson.JSONDecodeError) -> Refusal:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError as bad:
        return Refusal(offset, "not_utf8", None, f"byte {bad.start} is not UTF-8")
    return Refusal(offset, "not_json", None, str(error.args[0]).split(":", 1)[0] + f", at character {error.pos}")


def _frame(rows: list[tuple[Any, ...]], partition: Partition, stream: Stream, refused: list[Refusal]) -> pl.DataFrame:
    """The typed events of one block; rows with a faulty field are refused instead."""
    offsets, timestamps, *fields = zip(*rows, strict=True)
    series, wrong = build(dict(zip(FIELDS, fields, strict=True)))
    offset = pl.Series(contract.OFFSET, offsets, pl.Int64)
    received = pl.Series(contract.RECEIVED_AT, timestamps, pl.Int64)
    events = _complete(pl.DataFrame([*series, offset, received]), partition, stream)
    if wrong:
        refused += [Refusal(offsets[row], *fault) for row, fault in wrong.items()]
        events = events.filter(~pl.int_range(pl.len()).is_in(list(wrong)))
    return events


def _complete(fields: pl.DataFrame, partition: Partition, stream: Stream) -> pl.DataFrame:
    """Add what the message does not say: defaults of the stream, the time of receipt, the position."""
    missing_id = pl.col("event_id").is_null()
    offset, received = pl.col(contract.OFFSET), pl.col(contract.RECEIVED_AT)
    generated = pl.concat_str(pl.lit(f"k:{partition.topic}:{partition.number}:"), offset.cast(pl.String))
    received = pl.when(received >= 0).then(received.cast(pl.Datetime("ms", "UTC")).cast(contract.TIME))
    return fields.with_columns(
        pl.when(missing_id).then(generated).otherwise("event_id").alias("event_id"),
        missing_id.alias("id_generated"),
        pl.col("kind").fill_null(stream.kind),
        pl.col("channel").fill_null(stream.channel),
        pl.col("schema_version").fill_null(contract.VERSION),
        received.otherwise(pl.col("occurred_at")).alias(contract.RECEIVED_AT),
        pl.col("occurred_at").dt.date().alias(contract.EVENT_DATE),
        pl.lit(partition.topic).alias(contract.TOPIC),
        pl.lit(partition.number, pl.Int32).alias(contract.PARTITION),
    ).select(list(contract.EVENTS))
