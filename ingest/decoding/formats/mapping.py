"""A mapping: the fields of events taken from where the messages of a stream have them, as journeys.toml says.

For the `json` format the mapping makes the event: what it names becomes a field, a field of the message that it took
whole is gone, and all others are kept in `properties`. For the other formats it is laid over what the format has
made. Rules are laid over both, for the events whose name they hold; the first rule that has the name counts.

An id that is a whole number becomes text, a score or quantity that is text becomes a number, a currency capital
letters, and the name of an event lower case words. Everything else is moved as it is and typed like any other field.

What is taken with a `hash` is kept as that hash alone; `properties` hold it no more, wherever the message had it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from expectations.hashing import email_hash, phone_hash
from ingest.decoding.columns import name_of
from ingest.decoding.formats import values
from ingest.decoding.formats.envelope import Document, Event, InvalidPart
from ingest.decoding.formats.times import parse_epoch, parse_time
from ingest.message import Record
from ingest.settings.mapping import UNITS, EventRule, Origin

Path = tuple[str, ...]

_STEP: Final = re.compile(r'"([^"]*)"|([^.]+)')
_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "event_name": values.name,
    "currency": values.upper_case,
    "score": values.number,
    "schema_version": values.whole,
}
_JOINED: Final = frozenset({"identities", "properties"})
_AS_THEY_ARE: Final = frozenset({"identities", "items", "occurred_at", "properties", "revenue"})


class FieldReader(NamedTuple):
    """One field, ready to be taken; `key` is its name within identities or properties, else blank."""

    name: str
    key: str
    paths: tuple[Path, ...]
    otherwise: Any
    read: Callable[[Any], Any]
    is_secret: bool


class CompiledRule(NamedTuple):
    """What is laid over an event, and the names of the events that it is for."""

    events: frozenset[str]
    kind: str | None
    takes: tuple[FieldReader, ...]


def path_keys(path: str) -> Path:
    """The keys of a dotted path.

    >>> path_keys('user."e.mail".0')
    ('user', 'e.mail', '0')
    """
    return tuple(quoted or bare for quoted, bare in _STEP.findall(path))


def compile_fields(origins: Mapping[str, Origin]) -> tuple[FieldReader, ...]:
    """The origins of journeys.toml, compiled."""
    return tuple(_take(name, origin) for name, origin in origins.items())


def compile_rules(rules: Iterable[EventRule]) -> tuple[CompiledRule, ...]:
    """The rules of journeys.toml, compiled."""
    return tuple(
        CompiledRule(frozenset(map(values.snake, rule.events)), rule.kind, compile_fields(rule.fields))
        for rule in rules
    )


def message_metadata(record: Record) -> Document:
    """What a path finds under `@`: the key, the time and the headers of the message itself."""
    headers = {name: _text(held) for name, held in record.headers}
    return {"@key": _text(record.key), "@timestamp": max(record.timestamp, 0), "@header": headers}


def apply_fields(event: Event, wanted: Iterable[FieldReader], given: Document) -> Event:
    """The event with the fields that are found; one that is not found leaves the event's own.

    Raises Unfit when a time cannot be read, or identities or properties are no objects.
    """
    event = dict(event)
    secrets = set[str]()
    for take in wanted:
        found = _find(take, given)
        if found is None:
            continue
        value = take.read(found)
        if take.is_secret:
            secrets.update(map(_plainly, filter(None, (_walk(given, path) for path in take.paths))))
            if value is None:
                continue
        if take.key:
            value = {take.key: value}
        if take.name in _JOINED and type(value) is dict:
            value = {**_object(event.get(take.name), take.name), **value}
        event[take.name] = value
    if secrets and event.get("properties"):
        event["properties"] = _without(event["properties"], secrets)
    return event


def apply_rules(event: Event, rules: Iterable[CompiledRule], given: Document) -> Event:
    """The event with what the first rule for its name says."""
    for rule in rules:
        if values.is_one_of(event.get("event_name"), rule.events):
            kind = {"kind": rule.kind} if rule.kind else {}
            return apply_fields(event | kind, rule.takes, given)
    return event


def moved_fields(wanted: Iterable[FieldReader]) -> frozenset[str]:
    """The top-level fields of a message that a path takes whole."""
    return frozenset(path[0] for take in wanted for path in take.paths if len(path) == 1)


def _take(name: str, origin: Origin) -> FieldReader:
    within, _, key = name.partition(".")
    paths = tuple(map(path_keys, origin.path))
    otherwise = origin.default if origin.value is None else origin.value
    return FieldReader(within, key, paths, otherwise, _reader(within, key, origin), origin.hash is not None)


def _hash_reader(origin: Origin) -> Callable[[Any], Any]:
    code = origin.calling_code
    digest = email_hash if origin.hash == "email" else lambda number: phone_hash(number, code)
    return lambda value: digest(text) if type(text := values.text(value)) is str else None


def _plainly(held: Any) -> str:
    return str(held).strip().lower()


def _without(held: Any, secrets: set[str]) -> Any:
    """A JSON value without whatever in it says one of the secrets."""
    if type(held) is dict:
        return {name: _without(value, secrets) for name, value in held.items() if not _tells(value, secrets)}
    if type(held) is list:
        return [_without(value, secrets) for value in held if not _tells(value, secrets)]
    return held


def _tells(value: Any, secrets: set[str]) -> bool:
    return type(value) in (str, int) and _plainly(value) in secrets


def _reader(name: str, key: str, origin: Origin) -> Callable[[Any], Any]:
    if origin.hash is not None:
        return _hash_reader(origin)
    if name == "occurred_at":
        return _time_reader(origin)
    if name == "items":
        return _items_reader({field: path_keys(path) for field, path in origin.each.items()})
    if name in _AS_THEY_ARE and not (name == "identities" and key):
        return _unchanged
    return _READERS.get(name, values.text)


def _time_reader(origin: Origin) -> Callable[[Any], Any]:
    zone = ZoneInfo(origin.zone) if origin.zone else None
    if origin.time in UNITS:
        return lambda value: parse_epoch(value, origin.time)
    if origin.time == "rfc3339":
        return _unchanged
    return lambda value: parse_time(value, origin.time, zone, origin.ambiguous)


def _items_reader(each: dict[str, Path]) -> Callable[[Any], Any]:
    paths = {field: each.get(field, (field,)) for field in ("sku", "quantity", "price")}

    def read(held: Any) -> Any:
        if type(held) is not list:
            return held
        return [_item(item, paths) if type(item) is dict else item for item in held]

    return read


def _item(item: dict[str, Any], paths: dict[str, Path]) -> dict[str, Any]:
    found = {field: _walk(item, path) for field, path in paths.items()}
    return {"sku": values.text(found["sku"]), "quantity": values.whole(found["quantity"]), "price": found["price"]}


def _find(take: FieldReader, given: Document) -> Any:
    for path in take.paths:
        found = _walk(given, path)
        if found is not None and found != "":
            return found
    return take.otherwise


def _walk(held: Any, path: Path) -> Any:
    for step in path:
        if type(held) is dict:
            held = held.get(step)
        elif type(held) is list and step.isdecimal() and int(step) < len(held):
            held = held[int(step)]
        else:
            return None
    return held


def _object(held: Any, name: str) -> dict[str, Any]:
    if held is None:
        return {}
    if type(held) is not dict:
        raise InvalidPart("wrong_type", name, f"expected an object, found {name_of(held)}")
    return held


def _unchanged(value: Any) -> Any:
    return value


def _text(held: bytes | None) -> str | None:
    """Bytes as text; None when they are none."""
    try:
        return None if held is None else held.decode("utf-8")
    except UnicodeDecodeError:
        return None
