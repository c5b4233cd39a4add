"""Applies the field mapping and the rules of journeys.toml (`ingest.settings.mapping`) to messages.

For the `json` format the mapping builds the event: mapped values become fields, top-level fields of the message that
were moved as a whole are removed, and all others are kept in `properties`. For the other formats the mapping overrides
fields of the event that the format has built. Rules are applied afterwards: an event gets the overrides of the first
rule that lists its name.

A whole number becomes text in an id, text becomes a number in a score or quantity, a currency is written in capital
letters and an event name in lower case words. Other values are moved unchanged and typed like any other field.

Of a field with a `hash`, only the hash is stored; the original value is removed from `properties` wherever it occurs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from fnmatch import translate
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from expectations.hashing import email_hash, phone_hash
from ingest.decoding.columns import type_name
from ingest.decoding.formats import values
from ingest.decoding.formats.envelope import Document, Event, InvalidPart
from ingest.decoding.formats.times import parse_epoch, parse_time
from ingest.message import Record, record_times
from ingest.settings.mapping import MINOR_UNITS, UNITS, Ambiguous, EventRule, Origin

Path = tuple[str, ...]

_KEY: Final = re.compile(r'"([^"]*)"|([^.]+)')
_CONVERTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "event_name": values.name,
    "currency": values.upper_case,
    "score": values.number,
    "schema_version": values.whole,
}
_OPENING: Final = frozenset("{[")
_MERGED: Final = frozenset({"identities", "properties"})
_UNCHANGED: Final = frozenset({"identities", "items", "occurred_at", "properties", "revenue"})


class FieldReader(NamedTuple):
    """A compiled origin: reads one field from a message. `key` is the name in identities or properties, else blank; an
    amount that `is_minor` is in the smallest unit of the event's currency, with other `digits` than usual for some. A
    text that matches `unlike` is no value."""

    name: str
    key: str
    paths: tuple[Path, ...]
    default: Any
    convert: Callable[[Any], Any]
    is_hashed: bool
    is_minor: bool = False
    digits: Mapping[str, int] = MappingProxyType({})
    unlike: re.Pattern[str] | None = None


class CompiledRule(NamedTuple):
    """The kind and fields that a rule sets, and the names of the events that it applies to."""

    events: frozenset[str]
    kind: str | None
    fields: tuple[FieldReader, ...]


def path_keys(path: str) -> Path:
    """The keys of a dotted path.

    >>> path_keys('user."e.mail".0')
    ('user', 'e.mail', '0')
    """
    return tuple(quoted or bare for quoted, bare in _KEY.findall(path))


def compile_fields(origins: Mapping[str, Origin]) -> tuple[FieldReader, ...]:
    """Compile the origins of journeys.toml."""
    return tuple(_field_reader(name, origin) for name, origin in origins.items())


def compile_rules(rules: Iterable[EventRule]) -> tuple[CompiledRule, ...]:
    """Compile the rules of journeys.toml."""
    return tuple(
        CompiledRule(frozenset(map(values.snake, rule.events)), rule.kind, compile_fields(rule.fields))
        for rule in rules
    )


def message_metadata(record: Record) -> Document:
    """The key, time and headers of the Kafka record, under the names that paths use for them."""
    headers = {name: _text(content) for name, content in record.headers}
    [timestamp] = record_times([record.timestamp])
    return {"@key": _text(record.key), "@timestamp": timestamp, "@header": headers}


def apply_fields(event: Event, fields: Iterable[FieldReader], document: Document) -> Event:
    """The event with the mapped fields; a field that has no value in the document keeps that of the event.

    Raises InvalidPart when a time cannot be read, or identities or properties are not objects.
    """
    event = dict(event)
    hashed = set[str]()
    minor = list[FieldReader]()
    for field in fields:
        source = _find(field, document)
        if source is None:
            continue
        value = field.convert(source)
        if field.is_hashed:
            hashed.update(map(_normalised, filter(None, (_at(document, path) for path in field.paths))))
            if value is None:
                continue
        if field.key:
            value = {field.key: value}
        elif field.name in _MERGED and type(value) is str:
            value = _opened(value)
        if field.name in _MERGED and type(value) is dict:
            value = {**_object(event.get(field.name), field.name), **value}
        event[field.name] = value
        if field.is_minor:
            minor.append(field)
    for field in minor:
        event[field.name] = values.from_minor_units(event[field.name], event.get("currency"), field.digits)
    if hashed and event.get("properties"):
        event["properties"] = _without(event["properties"], hashed)
    return event


def apply_rules(event: Event, rules: Iterable[CompiledRule], document: Document) -> Event:
    """The event with the kind and fields of the first rule that lists its name."""
    for rule in rules:
        if values.is_one_of(event.get("event_name"), rule.events):
            kind = {"kind": rule.kind} if rule.kind else {}
            return apply_fields(event | kind, rule.fields, document)
    return event


def moved_fields(fields: Iterable[FieldReader]) -> frozenset[str]:
    """The top-level fields of a message that the mapping moves as a whole."""
    return frozenset(path[0] for field in fields for path in field.paths if len(path) == 1)


def list_at(document: Document, path: str) -> Any:
    """The value at a dotted path, which a text of JSON stands for too; None when there is none.

    >>> list_at({"data": '{"items": "[1]"}'}, "data.items")
    [1]
    """
    value = _at(document, path_keys(path))
    return _opened(value) if type(value) is str else value


def _field_reader(name: str, origin: Origin) -> FieldReader:
    field, _, key = name.partition(".")
    paths = tuple(map(path_keys, origin.path))
    default = origin.default if origin.value is None else origin.value
    convert = _converter(field, key, origin)
    is_minor = origin.scale == MINOR_UNITS
    unlike = re.compile("|".join(map(translate, origin.unlike))) if origin.unlike else None
    return FieldReader(field, key, paths, default, convert, origin.hash is not None, is_minor, origin.digits, unlike)


def _hash_converter(origin: Origin) -> Callable[[Any], Any]:
    code = origin.calling_code
    digest = email_hash if origin.hash == "email" else lambda number: phone_hash(number, code)
    return lambda value: digest(text) if type(text := values.text(value)) is str else None


def _normalised(value: Any) -> str:
    return str(value).strip().lower()


def _without(value: Any, hashed: set[str]) -> Any:
    """A JSON value without the values that were hashed, at any depth."""
    if type(value) is dict:
        return {name: _without(inner, hashed) for name, inner in value.items() if not _is_hashed(inner, hashed)}
    if type(value) is list:
        return [_without(inner, hashed) for inner in value if not _is_hashed(inner, hashed)]
    if type(value) is str and type(inner := _opened(value)) is not str:
        kept = _without(inner, hashed)
        return value if kept == inner else orjson.dumps(kept).decode()
    return value


def _is_hashed(value: Any, hashed: set[str]) -> bool:
    return type(value) in (str, int) and _normalised(value) in hashed


def _converter(name: str, key: str, origin: Origin) -> Callable[[Any], Any]:
    if origin.hash is not None:
        return _hash_converter(origin)
    if name == "occurred_at":
        return _time_converter(origin)
    if isinstance(origin.scale, float):
        return partial(values.scaled, factor=Decimal(str(origin.scale)))
    if name == "items":
        return _items_converter({field: path_keys(path) for field, path in origin.each.items()})
    if name in _UNCHANGED and not (name == "identities" and key):
        return _unchanged
    return _CONVERTERS.get(name, values.text)


def _time_converter(origin: Origin) -> Callable[[Any], Any]:
    """The reader of a time in the first of the forms that it has."""
    zone = ZoneInfo(origin.zone) if origin.zone else None
    if origin.time == ["rfc3339"]:
        return _unchanged
    readers = [_form_reader(form, zone, origin.ambiguous) for form in origin.time]
    return readers[0] if len(readers) == 1 else lambda value: _first_read(readers, value)


def _form_reader(form: str, zone: ZoneInfo | None, ambiguous: Ambiguous) -> Callable[[Any], Any]:
    if form in UNITS:
        return lambda value: parse_epoch(value, form)
    if form == "rfc3339":
        return lambda value: value if type(value) is int else parse_time(value, "iso", None, ambiguous)
    return lambda value: parse_time(value, form, zone, ambiguous)


def _first_read(readers: Sequence[Callable[[Any], Any]], value: Any) -> Any:
    """The time that the first reader that can makes of a value; the last one's fault where none can."""
    for read in readers[:-1]:
        with suppress(InvalidPart):
            return read(value)
    return readers[-1](value)


def _items_converter(each: dict[str, Path]) -> Callable[[Any], Any]:
    paths = {field: each.get(field, (field,)) for field in ("sku", "quantity", "price")}

    def convert(items: Any) -> Any:
        if type(items) is not list:
            return items
        return [_item(item, paths) if type(item) is dict else item for item in items]

    return convert


def _item(item: dict[str, Any], paths: dict[str, Path]) -> dict[str, Any]:
    sku, quantity, price = (_at(item, paths[field]) for field in ("sku", "quantity", "price"))
    return {"sku": values.text(sku), "quantity": values.whole(quantity), "price": price}


def _find(field: FieldReader, document: Document) -> Any:
    """The value of the first path that has one, else the default."""
    for path in field.paths:
        value = _at(document, path)
        if value is not None and value != "" and not _is_unlike(value, field.unlike):
            return value
    return field.default


def _is_unlike(value: Any, unlike: re.Pattern[str] | None) -> bool:
    return unlike is not None and type(value) is str and unlike.match(value) is not None


def _at(value: Any, path: Path) -> Any:
    """The value at a path; None when there is none."""
    for key in path:
        if type(value) is str:
            value = _opened(value)
        if type(value) is dict:
            value = value.get(key)
        elif type(value) is list and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _opened(text: str) -> Any:
    """The object or list that a text stands for; the text itself where it is none."""
    if text.lstrip()[:1] not in _OPENING:
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _object(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if type(value) is not dict:
        raise InvalidPart("wrong_type", name, f"expected an object, found {type_name(value)}")
    return value


def _unchanged(value: Any) -> Any:
    return value


def _text(content: bytes | None) -> str | None:
    """Bytes as text; None when they are not UTF-8."""
    try:
        return None if content is None else content.decode("utf-8")
    except UnicodeDecodeError:
        return None
