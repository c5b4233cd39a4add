"""Unwraps messages framed for a Schema Registry: a zero byte, the number of the schema in four bytes, the value.

An Avro value is decoded with its schema and converted to JSON: times as RFC 3339, decimals as text, bytes as base64. A
JSON Schema value already is JSON; it is not validated against its schema. A message whose schema is unknown is refused
as `schema_unknown`, and can be replayed from quarantine once the schema is available.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from typing import Any, Final

import orjson

from ingest.decoding.formats.envelope import Fault

MAGIC: Final = b"\0"
_FRAME: Final = 5
_JSON: Final = orjson.OPT_UTC_Z
_AVRO_ERRORS: Final = (
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    ArithmeticError,
    struct.error,
)
"""Exceptions of the Avro reader for bytes that do not match the schema (UnicodeDecodeError is a ValueError)."""


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A JSON schema: its values are read as JSON."""


@dataclass(frozen=True, slots=True)
class AvroSchema:
    """An Avro schema, parsed by the Avro library."""

    parsed: Any


@dataclass(frozen=True, slots=True)
class UnusableSchema:
    """A schema that exists but cannot be used: `why` completes a sentence that begins with its number."""

    why: str


Schema = JsonSchema | AvroSchema | UnusableSchema
FindSchema = Callable[[int], Schema | None]
"""Looks up a schema by its number; None when there is no such schema."""


def avro(text: bytes | str) -> AvroSchema | UnusableSchema:
    """Parse the JSON text of an Avro schema, which must contain all types that it refers to."""
    import fastavro
    from fastavro.schema import SchemaParseException, UnknownType

    try:
        return AvroSchema(fastavro.parse_schema(orjson.loads(text)))
    except UnknownType:
        return UnusableSchema("refers to a type that it does not contain")
    except (SchemaParseException, KeyError, TypeError, ValueError, RecursionError):
        return UnusableSchema("is not an Avro schema")


def unframe(value: bytes, find: FindSchema | None) -> bytes | Fault:
    """The JSON text in a framed message, or the fault if it cannot be read."""
    if len(value) < _FRAME:
        return Fault("not_json", None, f"expected a frame of {_FRAME} bytes, found {len(value)}")
    number = int.from_bytes(value[1:_FRAME], "big")
    if find is None:
        return Fault("schema_unknown", None, f"schema {number}: [ingest.schemas] is not configured")
    schema = find(number)
    if schema is None:
        return Fault("schema_unknown", None, f"schema {number} is not in the folder or registry of [ingest.schemas]")
    if isinstance(schema, UnusableSchema):
        return Fault("schema_unknown", None, f"schema {number} {schema.why}")
    if isinstance(schema, JsonSchema):
        return value[_FRAME:]
    return _from_avro(value[_FRAME:], schema, number)


def _from_avro(value: bytes, schema: AvroSchema, number: int) -> bytes | Fault:
    import fastavro

    source = BytesIO(value)
    try:
        decoded = fastavro.schemaless_reader(source, schema.parsed, None)
        if source.tell() != len(value):
            return Fault("not_avro", None, f"{len(value) - source.tell()} bytes after the value of schema {number}")
        return orjson.dumps(decoded, default=_as_json, option=_JSON)
    except _AVRO_ERRORS as error:
        return Fault("not_avro", None, f"not a value of schema {number} ({type(error).__name__})")


def _as_json(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(type(value).__name__)
