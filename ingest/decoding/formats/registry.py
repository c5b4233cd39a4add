"""Unwraps messages framed for a Schema Registry: a zero byte, the number of the schema in four bytes, the value.

An Avro value is decoded with its schema and converted to JSON: times as RFC 3339, decimals as text, bytes as base64. A
JSON Schema value already is JSON; it is not validated against its schema. A message whose schema is unknown is refused
as `schema_unknown`, and can be replayed from quarantine once the schema is available.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ingest.decoding.formats.avro import DEFAULT, AvroSchema, Bounds, NotAvro, TooMuch, parse_schema, to_json
from ingest.decoding.formats.envelope import Fault

MAGIC: Final = b"\0"
_FRAME: Final = 5


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A JSON schema: its values are read as JSON."""


@dataclass(frozen=True, slots=True)
class UnusableSchema:
    """A schema that exists but cannot be used: `why` completes a sentence that begins with its number."""

    why: str


Schema = JsonSchema | AvroSchema | UnusableSchema
FindSchema = Callable[[int], Schema | None]
"""Looks up a schema by its number; None when there is no such schema."""


def avro(text: bytes | str, bounds: Bounds = DEFAULT) -> AvroSchema | UnusableSchema:
    """Parse the JSON text of an Avro schema, which must contain all types that it refers to."""
    try:
        return parse_schema(text, bounds)
    except KeyError:
        return UnusableSchema("refers to a type that it does not contain")
    except ValueError:
        return UnusableSchema("is not an Avro schema, or too large or too deep a one")


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
    try:
        return to_json(value, schema)
    except NotAvro as error:
        return Fault("not_avro", None, f"not a value of schema {number} ({error})")
    except TooMuch as error:
        return Fault("too_large", None, f"a value of schema {number} with {error}")
