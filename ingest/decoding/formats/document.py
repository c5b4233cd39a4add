"""Parses the bytes of a message as a JSON value, with or without a Schema Registry frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from ingest.decoding.formats.envelope import Fault
from ingest.decoding.formats.registry import MAGIC, FindSchema, schema_of, unframe, unwrap


def parse_document(value: bytes, find: FindSchema | None = None, headers: Sequence[tuple[str, bytes]] = ()) -> Any:
    """The JSON value of a message, or the Fault if it cannot be read. `find` looks up schemas, of which the headers may
    name that of the value; a value that is JSON needs none.

    >>> parse_document(b'{"a": 1}'), parse_document(b"").reason
    ({'a': 1}, 'not_json')
    """
    schema = schema_of(headers) if headers else None
    text: bytes | Fault = value
    if schema is None and value[:1] == MAGIC:
        text = unframe(value, find)
    elif schema is not None and value.lstrip()[:1] not in (b"{", b"["):
        text = unwrap(value, schema, find)
    if isinstance(text, Fault):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        fault = parse_fault(text, error)
    if schema is None or text is not value:
        return fault
    unwrapped = unwrap(value, schema, find)  # a value of Avro that begins like JSON
    return unwrapped if isinstance(unwrapped, Fault) else orjson.loads(unwrapped)


def parse_fault(text: bytes, error: orjson.JSONDecodeError) -> Fault:
    """The fault for bytes that are not JSON, without their content."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as not_utf8:
        return Fault("not_utf8", None, f"byte {not_utf8.start} is not UTF-8")
    return Fault("not_json", None, str(error.args[0]).split(":", 1)[0] + f", at character {error.pos}")


def is_truncated(text: bytes) -> bool:
    """Whether text that begins an object is UTF-8 and lacks the closing brace, so that it cannot be JSON.

    >>> is_truncated(b'{"a": 1'), is_truncated(b'{"a": 1}\\n'), is_truncated(b'{"a": "\\xff')
    (True, False, False)
    """
    if text.rstrip(b" \t\r\n")[-1:] == b"}":
        return False
    if text.isascii():
        return True
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
