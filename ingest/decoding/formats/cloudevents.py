"""The `cloudevents` format: CloudEvents 1.0, structured (alone or as a batch) and in the binary mode of Kafka.

In structured mode the message is a JSON object with the event's attributes and its `data`; in binary mode the
attributes are headers, `ce_id`, `ce_source`, `ce_type`, `ce_time`, and the message is the data. A header `content-type`
that begins with `application/cloudevents` says structured; else the headers decide; a message with neither is read as
structured.

The data speaks for itself, with the fields of the plain format; the envelope fills in what it does not say: the id
(source and id together, as only both are unique), the name (the type in lower case words), the time. Attributes are
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
"""From bytes to a JSON value, or a Fault."""
Headers = Sequence[tuple[str, bytes]]

_STRUCTURED: Final = "application/cloudevents"
_NEEDED: Final = ("specversion", "id", "source", "type")
_DATA: Final = ("data", "data_base64")


def cloudevents(value: bytes | None, headers: Headers, read: Read, *, mapped: bool = False) -> Outcomes:
    """The events of one message; a message of no bytes is a tombstone unless its headers are an event.

    With `mapped`, the data is kept as it is in `properties`, for a mapping to take from.
    """
    names = {header.lower(): held for header, held in headers}
    content = _utf8(names.get("content-type", b"")).lower()
    if content.startswith(_STRUCTURED) or "ce_id" not in names:
        return _structured(value, content, read, mapped)
    attributes: dict[str, Any] = {header[3:]: _utf8(held) for header, held in names.items() if header.startswith("ce_")}
    if value:
        data = read(value)
        if isinstance(data, Fault):
            return data
        attributes["data"] = data
    return read_parts([attributes], partial(_event, read=read, mapped=mapped))


def _utf8(held: bytes | None) -> str:
    return (held or b"").decode("utf-8", errors="replace")


def _structured(value: bytes | None, content: str, read: Read, mapped: bool) -> Outcomes:
    if value is None:
        return Fault(TOMBSTONE, None, "the message has no value")
    if content.startswith(_STRUCTURED) and "json" not in content:
        return Fault("not_json", "content-type", "expected application/cloudevents+json")
    document = read(value)
    if isinstance(document, Fault):
        return document
    events = document if type(document) is list else [document]
    return read_parts(events, partial(_event, read=read, mapped=mapped))


def _event(given: dict[str, Any], *, read: Read, mapped: bool) -> Event:
    _require(given)
    event = _said(_data(given, read), mapped)
    properties = event.get("properties")
    attributes = {f"ce_{field}": held for field, held in given.items() if field not in _DATA and held is not None}
    if properties is None or type(properties) is dict:
        event["properties"] = attributes | (properties or {})
    for field, held in _envelope(given).items():
        if event.get(field) is None:
            event[field] = held
    return event


def _require(given: dict[str, Any]) -> None:
    for field in _NEEDED:
        held = given.get(field)
        if held is None or held == "":
            raise InvalidPart("missing_field", field, f"{field} is needed in a CloudEvent")
        if type(held) is not str:
            raise InvalidPart("wrong_type", field, "expected text")
    if not given["specversion"].startswith("1."):
        raise InvalidPart("unsupported_version", "specversion", "expected 1.0")


def _envelope(given: dict[str, Any]) -> Event:
    return {
        "event_id": f"{given['source']} {given['id']}",
        "event_name": name(given["type"]),
        "occurred_at": given.get("time"),
    }


def _data(given: dict[str, Any], read: Read) -> Any:
    """The data of an event; what is in base64 is read when it is JSON (a mapping finds it as `data`), and else left."""
    encoded = given.get("data_base64")
    if encoded is None or "data" in given:
        return given.get("data")
    try:
        raw = b64decode(encoded, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise InvalidPart("wrong_type", "data_base64", "expected base64 text") from None
    data = read(raw)
    given["data"] = encoded if isinstance(data, Fault) else data
    return given["data"]


def _said(data: Any, mapped: bool) -> Event:
    if type(data) is dict and not mapped:
        return dict(plain(data))
    return {} if data is None else {"properties": data if type(data) is dict else {"data": data}}
