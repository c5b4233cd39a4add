"""Decodes the messages of a partition into typed events, and gives a reason for every message it refuses.

Decoding is a pure function of the records: the same records give the same rows, whenever and however often they are
read. It decides whether a message can be read; the gate (`expectations.gate`) decides whether it is plausible.

| reason        | the message                                                          |
| ------------- | -------------------------------------------------------------------- |
| tombstone     | has no value: no event and no fault; it is counted and not kept      |
| too_large     | is larger than the limit, or nested too deep to be written again     |
| not_utf8      | is not UTF-8 text                                                    |
| not_json      | is not one JSON document (empty, two documents, NaN, lone surrogate) |
| not_object    | is JSON, but not an object                                           |
| wrong_type    | has a value of the wrong type in a known field                       |
| bad_timestamp | has an invalid time, or a time without a zone                        |

A format (`ingest.decoding.formats`) may have more reasons. A message may contain several events: its *parts*, numbered
from 0. An invalid part is refused alone, and the others land.

Records are parsed one by one, so a malformed message is refused alone; fields are then checked and converted one
column at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple

import orjson
import polars as pl

from expectations import contract
from ingest.decoding.columns import build_columns, type_name
from ingest.decoding.formats.document import is_truncated, parse_document, parse_fault
from ingest.decoding.formats.envelope import TOMBSTONE, Event, Fault
from ingest.decoding.formats.plain import plain
from ingest.decoding.formats.registry import MAGIC, FindSchema
from ingest.decoding.reader import Reader, is_plain, reader
from ingest.message import Partition, Record, Unread, record_times
from ingest.settings.ingest import Limits, Stream
from ingest.settings.mapping import FIELDS

__all__ = ["TOMBSTONE", "Decoded", "Refusal", "complete", "decode"]

_OPEN: Final = b"{"
_CLOSE: Final = b"}"
_TRUNCATED: Final = Fault("not_json", None, "an object that is not closed")
_TOO_DEEP: Final = Fault("too_large", "properties", "nested too deep")
_MOST_REFUSALS: Final = 20
_BLOCK: Final = 4096  # small enough that parsed values become columns while they are in the processor's cache

_Shapes = dict[tuple[str, ...], list[tuple[Any, ...]]]
"""Rows of values by their shape: the names of the fields, in order."""
_Refuse = Callable[["Refusal"], None]


class Refusal(NamedTuple):
    """Why the message at `offset` was refused: a stable reason, the invalid field (if any), and a sentence.

    `part` is the number of the event within the message; None if the whole message was refused.
    """

    offset: int
    reason: str
    field: str | None
    message: str
    part: int | None = None


class Decoded(NamedTuple):
    """`events` has the columns of the contract, in no particular order; `refused` is sorted by offset and part."""

    events: pl.DataFrame
    refused: list[Refusal]


def decode(
    records: Sequence[Record], partition: Partition, stream: Stream, limits: Limits, find: FindSchema | None = None
) -> Decoded:
    """Decode the records of one partition. `find` looks up the schemas of a registry by their number.

    The frame has the columns and dtypes of `contract.EVENTS`. An event without an id gets the id
    `k:<topic>:<partition>:<offset>`, followed by `:<part>` if it is not the first of its message, and the flag
    `id_generated`; kind and channel default to the stream's. No records give an empty frame with all columns.

    >>> from ingest.message import Partition
    >>> decode([], Partition("clickstream", 0), Stream(topic="clickstream", kind="clickstream"), Limits()).events.height
    0
    """
    frames = []
    refused: list[Refusal] = []
    read = None if is_plain(stream) else reader(stream, find)
    for start in range(0, len(records), _BLOCK):
        block = records[start : start + _BLOCK]
        if read is None:
            shapes = _parse(block, limits.largest_message, refused.append, find)
        else:
            shapes = _parse_parts(block, limits, refused.append, read)
        if shapes:
            frames.append(_frame(_as_columns(shapes), refused))
    refused.sort(key=lambda refusal: (refusal.offset, refusal.part or 0))
    if not frames:
        return Decoded(contract.EVENTS.to_frame(eager=True), refused)
    return Decoded(complete(pl.concat(frames, how="diagonal"), partition, stream), refused)


def _parse(records: Sequence[Record], largest: int, refuse: _Refuse, find_schema: FindSchema | None) -> _Shapes:
    """One pass over plain records, each of which is one event. Messages of one shape (the same fields in the same
    order) are collected as tuples of offset, time and values, at half the cost of looking up every known field in every
    message.
    """
    shapes: _Shapes = {}
    loads, dumps, sort_keys, find = orjson.loads, orjson.dumps, orjson.OPT_SORT_KEYS, shapes.get
    for record in records:
        value = record.value
        if value is None or len(value) > largest or type(value) is Unread:
            refuse(_unreadable(record, largest))
            continue
        if value[-1:] != _CLOSE and value[:1] == _OPEN and not record.headers and is_truncated(value):
            refuse(Refusal(record.offset, *_TRUNCATED))  # at half the cost of an exception of the parser
            continue
        try:
            event = loads(value)
        except orjson.JSONDecodeError as error:
            if value[:1] == MAGIC or record.headers:
                event = parse_document(value, find_schema, record.headers)
            else:
                event = parse_fault(value, error)
            if isinstance(event, Fault):
                refuse(Refusal(record.offset, *event))
                continue
        if type(event) is not dict:
            refuse(Refusal(record.offset, "not_object", None, f"expected an object, found {type_name(event)}"))
            continue
        rows = find(tuple(event))
        if rows is None:
            event = plain(event)
            rows = shapes.setdefault(tuple(event), [])
        properties = event.get("properties")
        if type(properties) is dict:
            try:
                event["properties"] = dumps(properties, option=sort_keys) if properties else None
            except orjson.JSONEncodeError:
                refuse(Refusal(record.offset, *_TOO_DEEP, 0))
                continue
        rows.append((record.offset, record.timestamp, *event.values()))
    return shapes


def _parse_parts(records: Sequence[Record], limits: Limits, refuse: _Refuse, read: Reader) -> _Shapes:
    """One pass over records in any format, each of which may contain several events."""
    shapes: _Shapes = {}
    largest = limits.largest_message
    for record in records:
        if record.value is not None and (len(record.value) > largest or type(record.value) is Unread):
            refuse(_unreadable(record, largest))
            continue
        outcomes = read(record)
        if isinstance(outcomes, Fault):
            refuse(Refusal(record.offset, *outcomes))
            continue
        if len(outcomes) > limits.most_parts:
            found = f"{len(outcomes)} events, the limit is {limits.most_parts}"
            refuse(Refusal(record.offset, "too_large", None, found))
            continue
        refused: list[Refusal] = []
        for part, outcome in enumerate(outcomes):
            event = outcome if isinstance(outcome, Fault) else _with_json_properties(outcome.event)
            if isinstance(event, Fault):
                refused.append(Refusal(record.offset, *event, part))
                continue
            shape = (contract.PART, *event)
            shapes.setdefault(shape, []).append((record.offset, record.timestamp, part, *event.values()))
        for refusal in few(refused):
            refuse(refusal)
    return shapes


def few(refusals: list[Refusal]) -> list[Refusal]:
    """The refusals, in order of offset; where a message has more than 20, one of the whole message in their place.

    Quarantine keeps the message with each of them: a message of 1 MB has room for 300,000 events that are none.
    """
    if len(refusals) <= _MOST_REFUSALS:
        return refusals
    counts = Counter(refusal.offset for refusal in refusals)
    if max(counts.values()) <= _MOST_REFUSALS:
        return refusals
    kept: dict[tuple[int, int | None], Refusal] = {}
    for refusal in refusals:
        offset, count = refusal.offset, counts[refusal.offset]
        if count <= _MOST_REFUSALS:
            kept[offset, refusal.part] = refusal
        elif (offset, None) not in kept:
            found = f"{count} events of the message are refused; the first: {refusal.message}"
            kept[offset, None] = refusal._replace(message=found, part=None)
    return list(kept.values())


def _with_json_properties(event: Event) -> Event | Fault:
    """The event with its properties as canonical JSON."""
    properties = event.get("properties")
    if type(properties) is not dict:
        return event
    try:
        text = orjson.dumps(properties, option=orjson.OPT_SORT_KEYS) if properties else None
    except orjson.JSONEncodeError:
        return _TOO_DEEP
    return event | {"properties": text}


def _as_columns(shapes: _Shapes) -> dict[str, list[Any]]:
    """The fields of all messages as columns, with None for an absent field; a field that no message has is left out."""
    present = {name for shape, rows in shapes.items() if rows for name in shape}
    names = (contract.OFFSET, contract.RECEIVED_AT, *(name for name in (contract.PART, *FIELDS) if name in present))
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for shape, rows in shapes.items():
        values = dict(zip((contract.OFFSET, contract.RECEIVED_AT, *shape), zip(*rows, strict=True), strict=False))
        for name, column in columns.items():
            column.extend(values.get(name) or repeat(None, len(rows)))
    return columns


def _unreadable(record: Record, largest: int) -> Refusal:
    """The refusal of a record that has no value, or a value that is too large or was refused where it was read."""
    if isinstance(record.value, Unread):
        return Refusal(record.offset, record.value.reason, None, record.value.message)
    if record.value is None:
        return Refusal(record.offset, TOMBSTONE, None, "the message has no value")
    return Refusal(record.offset, "too_large", None, f"{len(record.value)} bytes, the limit is {largest}")


def _frame(columns: dict[str, list[Any]], refused: list[Refusal]) -> pl.DataFrame:
    """The typed fields of one block with the positions of its messages; rows with an invalid field are refused."""
    offsets, timestamps = columns.pop(contract.OFFSET), columns.pop(contract.RECEIVED_AT)
    parts = columns.pop(contract.PART, None) or [0] * len(offsets)
    series, faults = build_columns(columns)
    position = [pl.Series(contract.OFFSET, offsets, pl.Int64), pl.Series(contract.PART, parts, pl.Int32)]
    received = pl.Series(contract.RECEIVED_AT, record_times(timestamps), pl.Int64)
    events = pl.DataFrame([*series, *position, received])
    if faults:
        refused += [Refusal(offsets[row], *fault, parts[row]) for row, fault in faults.items()]
        events = events.filter(~pl.int_range(pl.len()).is_in(list(faults)))
    return events


def complete(fields: pl.DataFrame, partition: Partition, stream: Stream) -> pl.DataFrame:
    """Add absent fields, the stream's defaults, the time of receipt, and the position. An event whose record has no
    usable time was received when it occurred."""
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in contract.EVENTS.items() if name not in fields.columns]
    missing_id = pl.col("event_id").is_null()
    offset, received = pl.col(contract.OFFSET), pl.col(contract.RECEIVED_AT)
    part = pl.when(pl.col(contract.PART) > 0).then(pl.concat_str(pl.lit(":"), contract.PART)).otherwise(pl.lit(""))
    generated = pl.concat_str(pl.lit(f"k:{partition.topic}:{partition.number}:"), offset.cast(pl.String), part)
    received = received.cast(pl.Datetime("ms", "UTC")).cast(contract.TIME)
    return (
        fields.with_columns(absent)
        .with_columns(
            pl.when(missing_id).then(generated).otherwise("event_id").alias("event_id"),
            missing_id.alias("id_generated"),
            pl.col("kind").fill_null(stream.kind),
            pl.col("channel").fill_null(stream.channel),
            pl.col("schema_version").fill_null(contract.VERSION),
            pl.coalesce(received, "occurred_at").alias(contract.RECEIVED_AT),
            pl.col("occurred_at").dt.date().alias(contract.EVENT_DATE),
            pl.lit(partition.topic).alias(contract.TOPIC),
            pl.lit(partition.number, pl.Int32).alias(contract.PARTITION),
        )
        .select(list(contract.EVENTS))
    )
