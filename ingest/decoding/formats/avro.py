"""Decodes Avro values to JSON within limits of depth, of values and of digits.

A few bytes of Avro can stand for any number of values: a list of nulls has none per item, and a type that contains
itself nests without end, which ends the process. A schema says how many values a byte can stand for at most
(`AvroSchema.density`). Only where that leaves the limits open is a value walked through before it is decoded.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from io import BytesIO
from typing import Any, Final, NamedTuple

import orjson

LONGEST_DECIMAL: Final = 64
"""Bytes of a decimal: 150 digits."""
_DEEPEST_SCHEMA: Final = 128
_MOST_TYPES: Final = 10_000
_JSON: Final = orjson.OPT_UTC_Z
_FIXED_SIZES: Final = {"null": 0, "boolean": 1, "float": 4, "double": 8}
_ERRORS: Final = (
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


class NotAvro(Exception):
    """The bytes are not a value of their schema."""


class TooMuch(Exception):
    """The value exceeds a limit, which the message names."""


class Bounds(NamedTuple):
    """The values that one message may stand for, and how deep they may be nested."""

    most_values: int = 100_000
    deepest: int = 64


DEFAULT: Final = Bounds()


@dataclass(frozen=True, slots=True)
class AvroSchema:
    """An Avro schema, parsed by the Avro library, and how to skip its values.

    `density` is how many values one byte can stand for at most; None if there is no bound.
    """

    parsed: Any
    root: _Type
    density: float | None
    bounds: Bounds


@dataclass(slots=True)
class _Type:
    """How to skip values of a type: fixed bytes, or by its kind. `values` counts itself and the fields in it."""

    kind: str
    size: int = 0
    parts: list[_Type] = field(default_factory=list)
    least: int = 0
    values: int = 1


def parse_schema(text: bytes | str, bounds: Bounds) -> AvroSchema:
    """Parse the JSON text of an Avro schema, which must contain all types that it refers to.

    Raises KeyError for a type that it does not contain, and ValueError for text that is no schema or too large a one.
    """
    import fastavro
    from fastavro.schema import SchemaParseException, UnknownType

    limit_decimals()
    try:
        document = orjson.loads(text)
        types = _Types()
        types.check_size(document)
        parsed = fastavro.parse_schema(document)
        root = types.of(parsed)
    except UnknownType as error:
        raise KeyError(str(error)) from error
    except (SchemaParseException, KeyError, TypeError, RecursionError, AttributeError) as error:
        raise ValueError(type(error).__name__) from error
    return AvroSchema(parsed, root, types.density(root, bounds), bounds)


def to_json(value: bytes, schema: AvroSchema) -> bytes:
    """A value as JSON text: times as RFC 3339, decimals as text, bytes as base64. Raises NotAvro or TooMuch."""
    import fastavro

    source, bounds = BytesIO(value), schema.bounds
    try:
        if schema.density is None or schema.density * len(value) > bounds.most_values:
            _Walk(value, bounds).skip(schema.root, 0)
        decoded = fastavro.schemaless_reader(source, schema.parsed, None)
        if source.tell() != len(value):
            raise NotAvro(f"{len(value) - source.tell()} bytes after the value")
        return orjson.dumps(decoded, default=_as_json, option=_JSON)
    except _ERRORS as error:
        raise NotAvro(type(error).__name__) from error


def limit_decimals() -> None:
    """Make the Avro library refuse decimals with more digits than any amount: converting them takes quadratic time."""
    import fastavro.read

    readers: dict[str, Callable[..., Any]] = fastavro.read.LOGICAL_READERS
    for name in ("bytes-decimal", "fixed-decimal"):
        if getattr(readers[name], "__name__", "") != "read_short_decimal":
            readers[name] = _short(readers[name])


def _short(read: Callable[..., Any]) -> Callable[..., Any]:
    def read_short_decimal(data: bytes, *given: Any) -> Any:
        if len(data) > LONGEST_DECIMAL:
            raise TooMuch(f"a decimal of {len(data)} bytes, the limit is {LONGEST_DECIMAL}")
        return read(data, *given)

    return read_short_decimal


def _as_json(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(type(value).__name__)


class _Types:
    """Compiles the types of one schema; named ones may contain themselves."""

    def __init__(self) -> None:
        self._named: dict[str, _Type] = {}
        self._every: list[_Type] = []

    def check_size(self, document: Any) -> None:
        """Raise ValueError for a schema that is deeper or larger than any that people write."""
        level, count = [document], 0
        for _ in range(_DEEPEST_SCHEMA):
            level = [each for held in level for each in _held(held)]
            count += len(level)
            if count > _MOST_TYPES:
                break
            if not level:
                return
        raise ValueError("too deep or too large")

    def of(self, schema: Any) -> _Type:
        if isinstance(schema, list):
            return self._add(_Type("union"), schema)
        if isinstance(schema, str):
            return self._named.get(schema) or self._add(_Type(schema, _FIXED_SIZES.get(schema, 0)), [])
        kind = schema["type"]
        if kind in ("array", "map"):
            return self._add(_Type(kind), [schema["items" if kind == "array" else "values"]])
        if kind not in ("record", "error", "enum", "fixed"):
            return self.of(kind)
        found = self._named[schema["name"]] = _Type(kind, schema.get("size", 0))
        return self._add(found, [each["type"] for each in schema.get("fields", ())])

    def _add(self, found: _Type, parts: list[Any]) -> _Type:
        found.parts = [self.of(part) for part in parts]
        if found.kind in ("record", "error"):
            found.least = sum(part.least for part in found.parts)
            found.values = 1 + sum(part.values for part in found.parts)
        elif found.kind == "union":
            found.least = 1 + min((part.least for part in found.parts), default=0)
            found.values = max((part.values for part in found.parts), default=1)
        else:
            found.least = found.size if found.kind in ("fixed", *_FIXED_SIZES) else 1
        self._every.append(found)
        return found

    def density(self, root: _Type, bounds: Bounds) -> float | None:
        """The values that a byte can stand for at most; None for types that nest too deep or contain themselves, and
        for lists of values without bytes."""
        if not _is_within(root, bounds.deepest):
            return None
        items = [each.parts[0] for each in self._every if each.kind in ("array", "map")]
        if any(item.least == 0 for item in items):
            return None
        return max((item.values / item.least for item in items), default=0.0)


def _held(part: Any) -> list[Any]:
    held = list(part.values()) if isinstance(part, Mapping) else part if isinstance(part, list) else []
    return [each for each in held if isinstance(each, Mapping | list)]


def _is_within(root: _Type, deepest: int) -> bool:
    """Whether values of a type nest at most so deep; those of a type that contains itself do not."""
    level = {id(root): root}
    for _ in range(deepest):
        level = {id(part): part for held in level.values() for part in held.parts}
        if not level:
            return True
    return False


class _Walk:
    """Goes through the bytes of a value without keeping anything, and counts."""

    def __init__(self, data: bytes, bounds: Bounds) -> None:
        self._data, self._bounds = data, bounds
        self._position = self._values = 0

    def skip(self, found: _Type, depth: int) -> None:
        if depth > self._bounds.deepest:
            raise TooMuch(f"values nested deeper than {self._bounds.deepest}")
        kind = found.kind
        if kind in ("record", "error"):
            self._count(1)
            for part in found.parts:
                self.skip(part, depth + 1)
        elif kind == "union":
            self.skip(found.parts[self._number()], depth)
        elif kind in ("array", "map"):
            self._blocks(found.parts[0], depth, keyed=kind == "map")
        else:
            self._count(1)
            if kind in ("string", "bytes"):
                self._advance(self._number())
            elif found.size or kind in ("null", "fixed"):
                self._advance(found.size)
            else:
                self._number()

    def _blocks(self, item: _Type, depth: int, *, keyed: bool) -> None:
        while count := self._number():
            if count < 0:
                count = -count
                self._number()
            if not item.least:
                self._count(count)  # they have no bytes that would end
            for _ in range(count):
                if keyed:
                    self._advance(self._number())
                self.skip(item, depth + 1)

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > self._bounds.most_values:
            raise TooMuch(f"more than {self._bounds.most_values} values")

    def _advance(self, size: int) -> None:
        if not 0 <= size <= len(self._data) - self._position:
            raise EOFError
        self._position += size

    def _number(self) -> int:
        number = shift = 0
        while shift < 70:
            byte = self._data[self._position]
            self._position += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (number >> 1) ^ -(number & 1)
            shift += 7
        raise OverflowError
