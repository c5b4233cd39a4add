"""The `cloudevents` format: CloudEvents 1.0 in structured mode (alone or as a batch) and in Kafka's binary mode.

In structured mode the message is a JSON object with the event's attributes and its `data`. In binary mode the
attributes are headers (`ce_id`, `ce_source`, `ce_type`, `ce_time`), and the message is the data. A message is
structured if its header `content-type` begins with `application/cloudevents`, or if it has no header `ce_id`.

The data has the fields of the plain format. The envelope fills in the fields that the data does not have: the id
(source and id, which are unique only together), the name (the type in lower case words) and the time. Attributes are
kept in `properties` under their header names, such as `ce_source`.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from ingest.decoding.formats.envelope import TOMBSTONE, Event, Fault, InvalidPart, Outcomes, read_parts
from ingest.decoding.formats.plain import plain
from ingest.decoding.formats.values import name

Read = Callable[[bytes], Any]
"""Parses bytes to a JSON value, or returns a Fault."""
Headers = Sequence[tuple[str, bytes]]

_STRUCTURED: Final = "application/cloudevents"
_REQUIRED: Final = ("specversion", "id", "source", "type")
_DATA: Final = ("data", "data_base64")


def cloudevents(value: bytes | None, headers: Headers, read: Read, *, mapped: bool = False) -> Outcomes:
    """The events of one message. A message without a value is a tombstone, unless its headers contain an event.

    With `mapped`, the data is kept unchanged in `properties`; the mapping then takes the fields from it.
    """
    named = {header.lower(): content for header, content in headers}
    content_type = _utf8(named.get("content-type", b"")).lower()
    if content_type.startswith(_STRUCTURED) or "ce_id" not in named:
        return _structured(value, content_type, read, mapped)
    attributes: dict[str, Any] = {
        header[3:]: _utf8(content) for header, content in named.items() if header.startswith("ce_")
    }
    if value:
        data = read(value)
        if isinstance(data, Fault):
            return data
        attributes["data"] = data
    return read_parts([attributes], partial(_event, read=read, mapped=mapped))


def _utf8(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", errors="replace")


def _structured(value: bytes | None, content_type: str, read: Read, mapped: bool) -> Outcomes:
    if value is None:
        return Fault(TOMBSTONE, None, "the message has no value")
    if content_type.startswith(_STRUCTURED) and "json" not in content_type:
        return Fault("not_json", "content-type", "expected application/cloudevents+json")
    document = read(value)
    if isinstance(document, Fault):
        return document
    events = document if type(document) is list else [document]
    return read_parts(events, partial(_event, read=read, mapped=mapped))


def _event(envelope: dict[str, Any], *, read: Read, mapped: bool) -> Event:
    _require_attributes(envelope)
    event = _from_data(_data(envelope, read), mapped)
    properties = event.get("properties")
    attributes = {f"ce_{key}": value for key, value in envelope.items() if key not in _DATA and value is not None}
    if properties is None or type(properties) is dict:
        event["properties"] = attributes | (properties or {})
    for field, value in _from_attributes(envelope).items():
        if event.get(field) is None:
            event[field] = value
    return event


def _require_attributes(envelope: dict[str, Any]) -> None:
    for attribute in _REQUIRED:
        value = envelope.get(attribute)
        if value is None or value == "":
            raise InvalidPart("missing_field", attribute, f"a CloudEvent requires {attribute}")
        if type(value) is not str:
            raise InvalidPart("wrong_type", attribute, "expected text")
    if not envelope["specversion"].startswith("1."):
        raise InvalidPart("unsupported_version", "specversion", "expected 1.0")


def _from_attributes(envelope: dict[str, Any]) -> Event:
    return {
        "event_id": f"{envelope['source']} {envelope['id']}",
        "event_name": name(envelope["type"]),
        "occurred_at": envelope.get("time"),
    }


def _data(envelope: dict[str, Any], read: Read) -> Any:
    """The data of an event. Base64 is decoded; it is parsed if it contains JSON, and otherwise kept as text.

    Decoded data replaces the field `data` of the envelope, where a mapping finds it.
    """
    encoded = envelope.get("data_base64")
    if encoded is None or "data" in envelope:
        return envelope.get("data")
    try:
        raw = b64decode(encoded, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise InvalidPart("wrong_type", "data_base64", "expected base64 text") from None
    data = read(raw)
    envelope["data"] = encoded if isinstance(data, Fault) else data
    return envelope["data"]


def _from_data(data: Any, mapped: bool) -> Event:
    if type(data) is dict and not mapped:
        return dict(plain(data))
    return {} if data is None else {"properties": data if type(data) is dict else {"data": data}}
