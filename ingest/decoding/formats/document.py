"""Parses the bytes of a message as a JSON value, with or without a Schema Registry frame."""

from __future__ import annotations

from typing import Any

import orjson

from ingest.decoding.formats.envelope import Fault
from ingest.decoding.formats.registry import MAGIC, FindSchema, unframe


def parse_document(value: bytes, find: FindSchema | None = None) -> Any:
    """The JSON value of a message, or the Fault if it cannot be read. `find` looks up schemas by number.

    >>> parse_document(b'{"a": 1}'), parse_document(b"").reason
    ({'a': 1}, 'not_json')
    """
    text = value
    if value[:1] == MAGIC:
        unframed = unframe(value, find)
        if isinstance(unframed, Fault):
            return unframed
        text = unframed
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return parse_fault(text, error)


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
