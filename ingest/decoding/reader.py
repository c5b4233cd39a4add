"""Builds the reader of a stream: its format, followed by the field mapping and the rules of journeys.toml."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ingest.decoding.columns import type_name
from ingest.decoding.formats.cloudevents import cloudevents
from ingest.decoding.formats.document import parse_document
from ingest.decoding.formats.envelope import TOMBSTONE, Document, Fault, InvalidPart, Outcome, Outcomes, Part
from ingest.decoding.formats.ga4 import ga4
from ingest.decoding.formats.mapping import (
    CompiledRule,
    FieldReader,
    apply_fields,
    apply_rules,
    compile_fields,
    compile_rules,
    list_at,
    message_metadata,
    moved_fields,
)
from ingest.decoding.formats.plain import plain
from ingest.decoding.formats.registry import FindSchema
from ingest.decoding.formats.segment import segment
from ingest.decoding.formats.snowplow import from_line, is_tsv, snowplow
from ingest.message import Record

if TYPE_CHECKING:
    from ingest.settings.ingest import Stream

Reader = Callable[[Record], Outcomes]
"""Reads a message as its parts, in order."""

_OBJECTS: Final[dict[str, Callable[[Any], Outcomes]]] = {"segment": segment, "ga4": ga4}


def is_plain(stream: Stream) -> bool:
    """Whether each message of a stream is one event: plain JSON without mapping or rules."""
    return stream.format == "json" and not stream.fields and not stream.rules and stream.rest == "properties"


def reader(stream: Stream, find: FindSchema | None = None) -> Reader:
    """The reader of a stream's messages; `find` looks up schemas of a registry by their number."""
    fields, rules = compile_fields(stream.fields), compile_rules(stream.rules)
    read = _format_reader(stream, find, fields)
    if not fields and not rules and stream.rest == "properties":
        return read
    built = not (stream.format == "json" and fields)
    return partial(_read_mapped, read=read, overlay=_Overlay(fields, rules, stream.rest == "properties", built))


def _format_reader(stream: Stream, find: FindSchema | None, fields: tuple[FieldReader, ...]) -> Reader:
    """The reader of the format alone; with a mapping, that of plain JSON only gives the unmapped fields."""
    if stream.format == "cloudevents":
        return partial(_cloudevents, read=partial(parse_document, find=find), mapped=bool(fields))
    if stream.format == "snowplow":
        return partial(_snowplow, find=find)
    if stream.elements:
        convert: Callable[[Any], Outcomes] = partial(_elements, path=stream.elements, moved=moved_fields(fields))
    else:
        convert = _OBJECTS.get(stream.format) or partial(_json, moved=moved_fields(fields) if fields else None)
    return partial(_read, find=find, convert=convert)


def _read(record: Record, *, find: FindSchema | None, convert: Callable[[Any], Outcomes]) -> Outcomes:
    if record.value is None:
        return Fault(TOMBSTONE, None, "the message has no value")
    document = parse_document(record.value, find, record.headers)
    return document if isinstance(document, Fault) else convert(document)


def _json(document: Any, moved: frozenset[str] | None) -> Outcomes:
    """The message as one event; with a mapping, only the fields that it does not move, as properties."""
    if type(document) is not dict:
        return Fault("not_object", None, f"expected an object, found {type_name(document)}")
    if moved is None:
        return [Part(plain(document), document)]
    return [Part({"properties": {name: value for name, value in document.items() if name not in moved}}, document)]


def _elements(document: Any, path: str, moved: frozenset[str]) -> Outcomes:
    """The elements of a list in the message, each as one event: the fields that the mapping does not move."""
    if type(document) is not dict:
        return Fault("not_object", None, f"expected an object, found {type_name(document)}")
    found = list_at(document, path)
    if type(found) is not list:
        reason = "missing_field" if found is None else "wrong_type"
        return Fault(reason, path, f"expected a list of events, found {type_name(found)}")
    return [_element(element, document, moved) for element in found]


def _element(element: Any, message: dict[str, Any], moved: frozenset[str]) -> Outcome:
    if type(element) is not dict:
        return Fault("not_object", None, f"expected an object in the list, found {type_name(element)}")
    rest = {name: value for name, value in element.items() if name not in moved}
    return Part({"properties": rest}, {**element, "@message": message})


def _snowplow(record: Record, *, find: FindSchema | None) -> Outcomes:
    if record.value is not None and is_tsv(record.value):
        return from_line(record.value)
    return _read(record, find=find, convert=snowplow)


def _cloudevents(record: Record, *, read: Callable[[bytes], Any], mapped: bool) -> Outcomes:
    return cloudevents(record.value, record.headers, read, mapped=mapped)


class _Overlay(NamedTuple):
    """The mapping and rules of journeys.toml, applied to the events of a format.

    `keep_rest` says whether unmapped fields are kept in `properties`; `built_properties` whether `properties` in a path
    means those that the format has built, and not a field of the message.
    """

    fields: tuple[FieldReader, ...]
    rules: tuple[CompiledRule, ...]
    keep_rest: bool
    built_properties: bool


def _read_mapped(record: Record, *, read: Reader, overlay: _Overlay) -> Outcomes:
    parts = read(record)
    if isinstance(parts, Fault):
        return parts
    metadata = message_metadata(record)
    return [part if isinstance(part, Fault) else _apply(overlay, part, metadata) for part in parts]


def _apply(overlay: _Overlay, part: Part, metadata: Document) -> Outcome:
    document = {**part.document, **metadata}
    if overlay.built_properties:
        document["properties"] = part.event.get("properties")
    event = part.event if overlay.keep_rest else part.event | {"properties": None}
    try:
        event = apply_rules(apply_fields(event, overlay.fields, document), overlay.rules, document)
    except InvalidPart as error:
        return error.fault
    return Part(event, part.document)
