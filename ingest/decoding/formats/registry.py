"""Messages framed for a Schema Registry: a zero byte, the number of the schema in four bytes, then the value.

A value of Avro is read with its schema and becomes JSON: times RFC 3339, decimals text, bytes base64. A value of JSON
Schema is JSON already; whether it keeps its schema is for the gate to say. A message whose schema is not at hand is
refused as `schema_unknown`, and can be replayed from quarantine once it is.
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
_BROKEN: Final = (
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
"""What the Avro reader raises on bytes that are not of the schema (UnicodeDecodeError is a ValueError)."""


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A schema of JSON: its values are read as JSON."""


@dataclass(frozen=True, slots=True)
class AvroSchema:
    """A schema of Avro, parsed by the Avro library."""

    parsed: Any


@dataclass(frozen=True, slots=True)
class UnusableSchema:
    """A schema that is there and cannot be used: `why` completes a sentence that begins with its number."""

    why: str


Schema = JsonSchema | AvroSchema | UnusableSchema
FindSchema = Callable[[int], Schema | None]
"""From the number of a schema to the schema; None when there is none of that number."""


def avro(text: bytes | str) -> AvroSchema | UnusableSchema:
    """Parse the JSON text of an Avro schema; the types it refers to have to be written into it."""
    import fastavro
    from fastavro.schema import SchemaParseException, UnknownType

    try:
        return AvroSchema(fastavro.parse_schema(orjson.loads(text)))
    except UnknownType:
        return UnusableSchema("refers to a type that is not written into it")
    except (SchemaParseException, KeyError, TypeError, ValueError, RecursionError):
        return UnusableSchema("is no Avro schema")


def unframe(value: bytes, find: FindSchema | None) -> bytes | Fault:
    """The JSON text inside a framed message, or why there is none."""
    if len(value) < _FRAME:
        return Fault("not_json", None, f"expected a frame of {_FRAME} bytes, found {len(value)}")
    number = int.from_bytes(value[1:_FRAME], "big")
    if find is None:
        return Fault("schema_unknown", None, f"schema {number}: no [ingest.schemas] are configured")
    schema = find(number)
    if schema is None:
        return Fault("schema_unknown", None, f"schema {number} is not among [ingest.schemas]")
    if isinstance(schema, UnusableSchema):
        return Fault("schema_unknown", None, f"schema {number} {schema.why}")
    if isinstance(schema, JsonSchema):
        return value[_FRAME:]
    return _from_avro(value[_FRAME:], schema, number)


def _from_avro(value: bytes, schema: AvroSchema, number: int) -> bytes | Fault:
    import fastavro

    source = BytesIO(value)
    try:
        held = fastavro.schemaless_reader(source, schema.parsed, None)
        if source.tell() != len(value):
            return Fault("not_avro", None, f"{len(value) - source.tell()} bytes after the value of schema {number}")
        return orjson.dumps(held, default=_as_json, option=_JSON)
    except _BROKEN as error:
        return Fault("not_avro", None, f"not a value of schema {number} ({type(error).__name__})")


def _as_json(held: object) -> object:
    if isinstance(held, Decimal):
        return str(held)
    if isinstance(held, bytes):
        return b64encode(held).decode()
    raise TypeError(type(held).__name__)
