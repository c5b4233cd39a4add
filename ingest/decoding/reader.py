"""Builds the reader of a stream: its format, with its mapping and rules applied to the events."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ingest.decoding.columns import name_of
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
"""From a message to its parts, in their order."""

_OBJECTS: Final[dict[str, Callable[[Any], Outcomes]]] = {"segment": segment, "ga4": ga4}


def is_plain(stream: Stream) -> bool:
    """Whether the messages of a stream are events as they stand: plain JSON without mapping or rules."""
    return stream.format == "json" and not stream.fields and not stream.rules and stream.rest == "properties"


def reader(stream: Stream, find: FindSchema | None = None) -> Reader:
    """The reader of a stream's messages; `find` looks up schemas of a registry by their number."""
    wanted, rules = compile_fields(stream.fields), compile_rules(stream.rules)
    read = _format(stream, find, wanted)
    if not wanted and not rules and stream.rest == "properties":
        return read
    made = not (stream.format == "json" and wanted)
    return partial(_overlaid, read=read, overlay=_Overlay(wanted, rules, stream.rest == "properties", made))


def _format(stream: Stream, find: FindSchema | None, wanted: tuple[FieldReader, ...]) -> Reader:
    """The format alone; with a mapping, plain JSON gives nothing but what the mapping leaves over."""
    if stream.format == "cloudevents":
        return partial(_cloudevents, read=partial(parse_document, find=find), mapped=bool(wanted))
    if stream.format == "snowplow":
        return partial(_snowplow, find=find)
    objects = _OBJECTS.get(stream.format) or partial(_json, moved=moved_fields(wanted) if wanted else None)
    return partial(_read, find=find, objects=objects)


def _read(record: Record, *, find: FindSchema | None, objects: Callable[[Any], Outcomes]) -> Outcomes:
    if record.value is None:
        return Fault(TOMBSTONE, None, "the message has no value")
    given = parse_document(record.value, find)
    return given if isinstance(given, Fault) else objects(given)


def _json(given: Any, moved: frozenset[str] | None) -> Outcomes:
    """The event that a message is; with a mapping, what that does not move, as properties."""
    if type(given) is not dict:
        return Fault("not_object", None, f"expected an object, found {name_of(given)}")
    if moved is None:
        return [Part(plain(given), given)]
    return [Part({"properties": {name: held for name, held in given.items() if name not in moved}}, given)]


def _snowplow(record: Record, *, find: FindSchema | None) -> Outcomes:
    if record.value is not None and is_tsv(record.value):
        return from_line(record.value)
    return _read(record, find=find, objects=snowplow)


def _cloudevents(record: Record, *, read: Callable[[bytes], Any], mapped: bool) -> Outcomes:
    return cloudevents(record.value, record.headers, read, mapped=mapped)


class _Overlay(NamedTuple):
    """What journeys.toml lays over the events of a format.

    `keep` says whether what it does not name is kept, `made` whether `properties` of a path are those that the format
    has made, rather than a field of the message.
    """

    wanted: tuple[FieldReader, ...]
    rules: tuple[CompiledRule, ...]
    keep: bool
    made: bool


def _overlaid(record: Record, *, read: Reader, overlay: _Overlay) -> Outcomes:
    parts = read(record)
    if isinstance(parts, Fault):
        return parts
    facts = message_metadata(record)
    return [part if isinstance(part, Fault) else _lay_over(part, overlay, facts) for part in parts]


def _lay_over(part: Part, overlay: _Overlay, facts: Document) -> Outcome:
    given = {**part.given, **facts, **({"properties": part.event.get("properties")} if overlay.made else {})}
    event = part.event if overlay.keep else part.event | {"properties": None}
    try:
        return Part(apply_rules(apply_fields(event, overlay.wanted, given), overlay.rules, given), part.given)
    except InvalidPart as unfit:
        return unfit.fault
