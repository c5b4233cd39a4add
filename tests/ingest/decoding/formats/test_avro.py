"""Avro values of few bytes that stand for endless ones are refused before they are decoded; others are not changed."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from io import BytesIO
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_many

from ingest.decoding.formats import avro as module
from ingest.decoding.formats.avro import AvroSchema, Bounds, NotAvro, TooMuch, parse_schema, to_json
from ingest.decoding.formats.envelope import Fault
from ingest.decoding.formats.registry import UnusableSchema, avro, unframe

MEGABYTES = 400
LIST = {"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}
EMPTY = {"type": "record", "name": "E", "fields": []}
WIDE = {"type": "record", "name": "W", "fields": [{"name": f"f{n}", "type": "null"} for n in range(500)]}
PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}
FIXED_PRICE = {"type": "fixed", "name": "P", "size": 4_000, "logicalType": "decimal", "precision": 9_000, "scale": 2}


def zigzag(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def tree(depth: int) -> Any:
    """A type that nests to this depth, without containing itself."""
    inner: Any = "int"
    for _ in range(depth):
        inner = {"type": "array", "items": inner}
    return inner


BOMBS: dict[str, tuple[Any, bytes]] = {
    "a list of nulls": ({"type": "array", "items": "null"}, zigzag(300_000_000) + b"\0"),
    "a list of empty records": ({"type": "array", "items": EMPTY}, zigzag(30_000_000) + b"\0"),
    "a list of records of nulls": ({"type": "array", "items": WIDE}, zigzag(90_000) + b"\0"),
    "a list in many blocks": ({"type": "array", "items": "null"}, zigzag(50_000) * 9 + b"\0"),
    "a list whose blocks have sizes": ({"type": "array", "items": "null"}, zigzag(-(10**9)) + b"\0\0"),
    "a map of records of nulls": ({"type": "map", "values": WIDE}, zigzag(900) + b"\0" * 901),
    "a list of records with one byte each": (
        {"type": "array", "items": {**WIDE, "fields": [*WIDE["fields"], {"name": "b", "type": "boolean"}]}},
        zigzag(1_000) + b"\1" * 1_000 + b"\0",
    ),
    "a record in itself": (LIST, zigzag(1) * 500_000 + zigzag(0)),
    "lists in lists": (tree(100), zigzag(1) * 101 + b"\0" * 100),
    "a long decimal": (PRICE, zigzag(400_000) + b"\x7f" * 400_000),
    "a long fixed decimal": (FIXED_PRICE, b"\x7f" * 4_000),
}
ALONE = """
import re, sys
from pathlib import Path
from ingest.decoding.formats.registry import unframe
from tests.ingest.decoding.formats.test_avro import BOMBS, framed
for what in BOMBS:
    print(framed(what).reason)
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1)) // 1024)
"""


def framed(what: str) -> Any:
    schema, value = BOMBS[what]
    return unframe(b"\0\0\0\0\1" + value, lambda _: avro(json.dumps(schema)))


def test_bombs_are_refused_within_little_time_and_memory() -> None:
    process = subprocess.run([sys.executable, "-c", ALONE], check=True, capture_output=True, text=True, timeout=60)
    *found, peak = process.stdout.split()
    assert found == ["too_large"] * len(BOMBS) and int(peak) < MEGABYTES


@pytest.mark.parametrize("what", BOMBS)
def test_the_refusal_says_which_limit_was_exceeded(what: str) -> None:
    found = framed(what)
    assert isinstance(found, Fault) and found.message.startswith("a value of schema 1 with ")
    assert any(limit in found.message for limit in ("100000 values", "deeper than 64", "the limit is 64"))


TRUNCATED = {
    "a text": ("string", zigzag(2**40)),
    "a text of negative length": ("string", zigzag(-5) + b"aaaa"),
    "a fixed value": ({"type": "fixed", "name": "F", "size": 2**40}, b"a"),
    "a list": ({"type": "array", "items": "int"}, zigzag(2**40)),
    "a record in itself": (LIST, zigzag(1)),
    "a branch that does not exist": (LIST, zigzag(7)),
    "an endless number": (LIST, b"\xff" * 40),
    "a time after the calendar": ({"type": "long", "logicalType": "timestamp-micros"}, zigzag(2**61)),
}


@pytest.mark.parametrize("what", TRUNCATED)
def test_bytes_that_are_no_value_are_refused(what: str) -> None:
    schema, value = TRUNCATED[what]
    with pytest.raises(NotAvro):
        to_json(value, parse_schema(json.dumps(schema), Bounds()))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(tree(900)),
        json.dumps([{"type": "enum", "name": f"E{n}", "symbols": []} for n in range(20_000)]),
        '{"type":' * 5_000 + '"int"' + "}" * 5_000,
        '{"type": "record", "name": "R", "fields": 5}',
        '{"type": "record", "name": "R", "fields": [5]}',
        '{"type": 5}',
    ],
)
def test_a_schema_that_is_none_or_too_deep_is_unusable(text: str) -> None:
    assert isinstance(avro(text), UnusableSchema)


def schema_of(draw: random.Random, depth: int, names: list[str]) -> Any:
    if depth == 0 or draw.random() < 0.4:
        kinds = ["null", "boolean", "int", "long", "float", "double", "string", "bytes"]
        return draw.choice([*kinds, *names[:-1]]) if draw.random() < 0.9 else {"type": draw.choice(kinds)}
    kind = draw.choice(["record", "array", "map", "union", "fixed", "enum"])
    if kind == "array":
        return {"type": "array", "items": schema_of(draw, depth - 1, names)}
    if kind == "map":
        return {"type": "map", "values": schema_of(draw, depth - 1, names)}
    if kind == "union":
        return ["null", draw.choice(["int", "string"]), {"type": "array", "items": "boolean"}]
    name = f"T{len(names)}"
    names.append(name)
    if kind == "fixed":
        return {"type": "fixed", "name": name, "size": draw.choice([0, 3])}
    if kind == "enum":
        return {"type": "enum", "name": name, "symbols": ["A", "B"]}
    fields = [{"name": f"f{n}", "type": schema_of(draw, depth - 1, names)} for n in range(draw.randrange(4))]
    return {"type": "record", "name": name, "fields": fields}


def test_a_walk_accepts_every_value_that_the_library_writes() -> None:
    draw, walked = random.Random(3), 0
    for _ in range(200):
        names: list[str] = []
        schema = {"type": "record", "name": "Top", "fields": [{"name": "x", "type": schema_of(draw, 3, names)}]}
        try:
            parsed = parse_schema(json.dumps(schema), Bounds())
            value = next(iter(generate_many(parsed.parsed, 1)))
        except RecursionError:  # a type that contains itself in every value
            continue
        out = BytesIO()
        fastavro.schemaless_writer(out, parsed.parsed, value)
        walk = module._Walk(out.getvalue(), Bounds())
        walk.skip(parsed.root, 0)
        assert walk._position == len(out.getvalue())
        assert parsed.density is None or walk._values <= 1 + parsed.root.values + parsed.density * len(out.getvalue())
        walked += 1
    assert walked > 150


def test_limits_are_settings() -> None:
    numbers = {"type": "array", "items": "int"}
    value = zigzag(9) + b"\2" * 9 + b"\0"
    assert to_json(value, parse_schema(json.dumps(numbers), Bounds(most_values=9))) == b"[1,1,1,1,1,1,1,1,1]"
    with pytest.raises(TooMuch, match="more than 8 values"):
        to_json(value, parse_schema(json.dumps(numbers), Bounds(most_values=8)))
    deep = zigzag(1) * 5 + b"\0"
    assert isinstance(parse_schema(json.dumps(LIST), Bounds()), AvroSchema)
    to_json(deep, parse_schema(json.dumps(LIST), Bounds(deepest=6)))
    with pytest.raises(TooMuch, match="deeper than 5"):
        to_json(deep, parse_schema(json.dumps(LIST), Bounds(deepest=5)))
