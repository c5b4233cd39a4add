"""Unwraps messages framed for a Schema Registry: a zero byte, the number of the schema in four bytes, the value; or the
value alone, with the schema in the record's header `__value_schema_id`: a zero byte and its number, or a byte of one
and the sixteen bytes of its GUID.

An Avro value is decoded with its schema and converted to JSON: times as RFC 3339, decimals as text, bytes as base64. A
JSON Schema value already is JSON; it is not validated against its schema. A message whose schema is unknown is refused
as `schema_unknown`, and can be replayed from quarantine once the schema is available.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from ingest.decoding.formats.avro import DEFAULT, AvroSchema, Bounds, NotAvro, TooMuch, parse_schema, to_json
from ingest.decoding.formats.envelope import Fault

MAGIC: Final = b"\0"
_FRAME: Final = 5
_HEADER: Final = "__value_schema_id"
_GUID_MAGIC: Final = b"\1"
_GUID_FRAME: Final = 17


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A JSON schema: its values are read as JSON."""


@dataclass(frozen=True, slots=True)
class UnusableSchema:
    """A schema that exists but cannot be used: `why` completes a sentence that begins with its number."""

    why: str


Schema = JsonSchema | AvroSchema | UnusableSchema
SchemaId = int | str
"""The number of a schema, or its GUID."""
FindSchema = Callable[[SchemaId], Schema | None]
"""Looks up a schema by its number or GUID; None when there is no such schema."""


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
    return unwrap(value[_FRAME:], int.from_bytes(value[1:_FRAME], "big"), find)


def schema_of(headers: Sequence[tuple[str, bytes]]) -> SchemaId | None:
    """The schema that the headers of a record name; None when they name none.

    >>> schema_of([("__value_schema_id", b"\\0\\0\\0\\0\\7")])
    7
    """
    content = next((content for name, content in headers if name == _HEADER), b"")
    if len(content) == _FRAME and content[:1] == MAGIC:
        return int.from_bytes(content[1:], "big")
    if len(content) == _GUID_FRAME and content[:1] == _GUID_MAGIC:
        return str(UUID(bytes=content[1:]))
    return None


def unwrap(value: bytes, number: SchemaId, find: FindSchema | None) -> bytes | Fault:
    """The JSON text of a value of a schema, or the fault if it cannot be read."""
    if find is None:
        return Fault("schema_unknown", None, f"schema {number}: [ingest.schemas] is not configured")
    schema = find(number)
    if schema is None:
        return Fault("schema_unknown", None, f"schema {number} is not in the folder or registry of [ingest.schemas]")
    if isinstance(schema, UnusableSchema):
        return Fault("schema_unknown", None, f"schema {number} {schema.why}")
    if isinstance(schema, JsonSchema):
        return value
    return _from_avro(value, schema, number)


def _from_avro(value: bytes, schema: AvroSchema, number: SchemaId) -> bytes | Fault:
    try:
        return to_json(value, schema)
    except NotAvro as error:
        return Fault("not_avro", None, f"not a value of schema {number} ({error})")
    except TooMuch as error:
        return Fault("too_large", None, f"a value of schema {number} with {error}")
