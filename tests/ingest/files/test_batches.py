"""Rows that are read in columns land, or are refused, exactly as the messages that they stand for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from expectations import contract
from expectations.compile.compile import compile_own
from expectations.gate import contract_rules
from ingest.files import batches as module
from ingest.files.batches import Reading, batches
from ingest.files.rows import rows
from ingest.landing.prepare import Prepared, Task, prepare
from ingest.message import ColumnBatch, Partition
from ingest.settings.ingest import Limits, Stream

EXAMPLES = 150
NOW = 1_767_225_600_000
PARTITION = Partition("file:0", 0)
STREAM = Stream(topic="file:0", kind="clickstream", channel="web")
RULES = (*contract_rules(), *compile_own(()).rules)
LIMITS = Limits(largest_message=300, largest_refused=400)

WORDS = st.sampled_from(["", "a", "b c", "7", "1767225600000", "ä\U0001f600", 'say "no"', "back\\slash", "two\nlines"])
ANY_TEXT = st.one_of(WORDS, st.text(max_size=4), st.just("x" * 350), st.just("y" * 420))
TIMES = st.sampled_from(
    [
        "2026-01-01T00:00:00Z",
        "2025-12-31 23:00:00.123456+01:00",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "soon",
        "1767225600000",
    ]
)
MONEY = st.sampled_from(["12.50", "12.505", "12,5", "1e3", ""])
NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-3, 12),
    st.just(2**53 + 1),
    st.floats(),
    st.sampled_from([1.0, 2.5, -0.0]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, ANY_TEXT)
NESTED = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2), max_leaves=4
)
GOOD: dict[str, Any] = {
    "event_name": "search",
    "occurred_at": "2026-01-01T00:00:00Z",
    "anonymous_id": "a1",
}


def prepared(found: Iterator[Any]) -> Prepared:
    """What would land of the rows, and be refused."""
    items = list(found)
    records = [item for item in items if not isinstance(item, ColumnBatch)]
    columns = [item for item in items if isinstance(item, ColumnBatch)]
    return prepare(Task(PARTITION, STREAM, LIMITS, RULES, False), records, None, columns)


def assert_the_same(file: Path, start: int = 0) -> None:
    """Both ways land and refuse the same rows of a file, for the same reasons."""
    by_rows = prepared(rows(file, start, NOW, LIMITS))
    by_columns = prepared(batches(file, start, STREAM, Reading(NOW, LIMITS, 3)))
    order = [contract.OFFSET, contract.PART]
    assert_frame_equal(by_columns.events.sort(order), by_rows.events.sort(order))
    assert_frame_equal(by_columns.quarantined, by_rows.quarantined)
    assert by_columns.refused == by_rows.refused
    assert by_columns.warned == by_rows.warned


@contextmanager
def temporary(name: str) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder) / name


NAMES = st.sampled_from(
    [
        "event_id",
        "kind",
        "channel",
        "customer_id",
        "url",
        "revenue",
        "currency",
        "score",
        "survey",
        "items",
        "identities",
        "properties",
        "schema_version",
        "occurred_at",
        "event_name",
        "anonymous_id",
        "query",
        "size",
        "Größe",
        'odd"name',
        "properties.till",
        "properties.query",
        "identities.card",
        "identities.",
        "items.sku",
    ]
)
ITEMS = st.lists(
    st.dictionaries(
        st.sampled_from(["sku", "quantity", "price", "more"]), st.one_of(NUMBERS, WORDS, st.none()), max_size=3
    )
    | SCALARS,
    max_size=2,
)
OBJECTS = st.dictionaries(st.sampled_from(["till", "query", "card", "deep"]), NESTED, max_size=3)
FIELD_VALUES = {
    "occurred_at": st.one_of(TIMES, NUMBERS),
    "revenue": st.one_of(NUMBERS, MONEY),
    "items": ITEMS,
    "identities": st.one_of(
        OBJECTS, st.dictionaries(st.sampled_from(["card", "device"]), st.none() | WORDS, max_size=2)
    ),
    "properties": OBJECTS,
    "kind": st.sampled_from(["order", "feedback", "dream"]),
    "schema_version": st.sampled_from([1, 2, 1.0, "1", 2**40]),
}


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A line: an event with odd fields, in any of the ways that JSON may be written, or something else."""
    event = dict(GOOD)
    for name in draw(st.lists(NAMES, max_size=5)):
        event[name] = draw(st.one_of(FIELD_VALUES.get(name, ANY_TEXT), FIELD_VALUES.get(name, ANY_TEXT), NESTED))
    for name in draw(st.lists(st.sampled_from(list(GOOD)), max_size=1)):
        event.pop(name, None)
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :")]))
    text = json.dumps(event, separators=separators, ensure_ascii=draw(st.booleans()))
    odd = st.sampled_from(
        [
            text[:-3],
            text + text,
            text + " ",
            " " + text,
            "",
            "\r",
            "[1]",
            "5",
            "null",
            "{}",
            text[:-1] + ',"url":"/"}',
            text[:-1] + ',"\\u0071uery":null}',
            text[:-1] + ',"query":1e400}',
            text[:-1] + ',"size":-0}',
            '{"url":"\\ud800"}',
            "[" * 2000,
            '{"query":' + "[" * 150 + "]" * 150 + "}",
            '{"url":"/","query":' + "[" * 90 + "]" * 90 + "}",
            text + "\r",
            text + "\r\r",
            text[:-1] + ',"size":1E2}',
        ]
    )
    line = draw(st.one_of(st.just(text), st.just(text), odd)).replace("\n", " ").encode("utf-8", "surrogatepass")
    return draw(st.sampled_from([line] * 9 + [line + b"\xff", line[:20] + b"\xff" + line[20:]]))


@given(st.lists(messages(), max_size=8), st.integers(0, 4), st.sampled_from([b"\n", b""]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_lines_are_read_in_columns_as_one_by_one(lines: list[bytes], start: int, end: bytes) -> None:
    with temporary("r.ndjson") as file:
        file.write_bytes(b"\n".join(lines) + end)
        assert_the_same(file, start)


@given(st.lists(messages(), min_size=1, max_size=40), st.sampled_from([60, 400, 2_000]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_blocks_of_lines_may_end_anywhere(lines: list[bytes], size: int) -> None:
    with temporary("r.ndjson") as file, pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_BLOCK_BYTES", size)
        patched.setattr(module, "_FEWEST", 1)
        file.write_bytes(b"\n".join(lines))
        assert_the_same(file)


INSTANTS = st.integers(-(10**12), 2 * 10**12).map(
    lambda milliseconds: datetime(1970, 1, 1) + timedelta(milliseconds=milliseconds, microseconds=7)  # noqa: DTZ001
)
TYPES: list[tuple[pl.DataType, st.SearchStrategy[Any]]] = [
    (pl.String(), ANY_TEXT),
    (pl.String(), TIMES),
    (pl.String(), MONEY),
    (pl.Int64(), st.integers(-(2**62), 2**62)),
    (pl.UInt64(), st.integers(0, 2**64 - 1)),
    (pl.Int8(), st.integers(-3, 12)),
    (pl.Float64(), st.floats()),
    (pl.Float32(), st.floats(width=32)),
    (pl.Boolean(), st.booleans()),
    (pl.Null(), st.none()),
    (pl.Date(), st.dates(date(2025, 1, 1), date(2026, 1, 2))),
    (pl.Datetime("us"), INSTANTS),
    (pl.Datetime("ms"), INSTANTS),
    (pl.Datetime("ns"), INSTANTS),
    (pl.Datetime("us", "UTC"), INSTANTS.map(lambda time: time.replace(tzinfo=UTC))),
    (pl.Datetime("us", "Europe/Berlin"), INSTANTS.map(lambda time: time.replace(tzinfo=UTC))),
    (pl.Duration("us"), st.timedeltas(timedelta(0), timedelta(days=2))),
    (pl.Decimal(18, 2), st.integers(-(10**6), 10**6).map(lambda cents: Decimal(cents) / 100)),
    (pl.Decimal(18, 8), st.integers(-(10**6), 10**6).map(lambda cents: Decimal(cents) / 10**8)),
    (pl.Binary(), st.binary(max_size=4)),
    (pl.Categorical(), st.sampled_from(["order", "a", ""])),
    (pl.List(pl.Int64()), st.lists(st.none() | st.integers(-3, 3), max_size=2)),
    (
        pl.List(pl.Struct({"sku": pl.String(), "quantity": pl.Int64(), "price": pl.Float64()})),
        st.lists(
            st.fixed_dictionaries({"sku": WORDS, "quantity": st.integers(-1, 2**33), "price": st.floats(-1, 99)}),
            max_size=2,
        ),
    ),
    (
        pl.Struct({"card": pl.String(), "till": pl.String()}),
        st.fixed_dictionaries({"card": st.none() | WORDS, "till": st.none() | WORDS}),
    ),
    (
        pl.Struct({"till": pl.Int64(), "query": pl.List(pl.Float64())}),
        st.fixed_dictionaries(
            {"till": st.none() | st.integers(0, 9), "query": st.none() | st.lists(st.floats(), max_size=2)}
        ),
    ),
]


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    """A table of events with columns of odd types and names."""
    count = draw(st.integers(0, 7))
    good = {name: [value] * count for name, value in GOOD.items()}
    frame = pl.DataFrame(good, schema=dict.fromkeys(good, pl.String))
    columns = list(frame)
    for name in draw(st.lists(NAMES, unique=True, max_size=5)):
        dtype, values = draw(st.sampled_from(TYPES))
        held = draw(st.lists(st.none() | values, min_size=count, max_size=count))
        columns = [column for column in columns if column.name != name]
        columns.append(pl.Series(name, held, dtype, strict=False))
    others = columns[len(GOOD) :] or columns
    return pl.DataFrame(draw(st.permutations(columns) | st.permutations(others)))


@given(tables(), st.integers(0, 4))
@settings(max_examples=EXAMPLES, deadline=None)
def test_parquet_is_read_in_columns_as_row_by_row(table: pl.DataFrame, start: int) -> None:
    with temporary("r.parquet") as file:
        table.write_parquet(file, row_group_size=2)
        assert_the_same(file, start)


CELLS = st.one_of(
    ANY_TEXT,
    TIMES,
    MONEY,
    NUMBERS.map(str),
    st.sampled_from(['{"till":4}', '{"card":"c"}', "[]", " 7", "1_0", "inf", "٣", "-0", "007"]),
)


@st.composite
def cells(draw: st.DrawFn) -> pl.DataFrame:
    """A table of texts."""
    count = draw(st.integers(0, 7))
    names = [*GOOD, *draw(st.lists(NAMES, unique=True, max_size=5))]
    columns = {}
    for name in dict.fromkeys(names):
        values = st.just(GOOD[name]) | CELLS if name in GOOD else st.none() | CELLS
        columns[name] = draw(st.lists(values, min_size=count, max_size=count))
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


@given(cells(), st.integers(0, 4), st.sampled_from([b"", b"one,two\n", b'"\n']))
@settings(max_examples=EXAMPLES, deadline=None)
def test_csv_is_read_in_columns_as_row_by_row(table: pl.DataFrame, start: int, more: bytes) -> None:
    with temporary("r.csv") as file:
        table.write_csv(file)
        file.write_bytes(file.read_bytes() + more)
        assert_the_same(file, start)


def test_plain_rows_of_every_format_are_read_in_columns(tmp_path: Path) -> None:
    """No row of a usual file takes the long way."""
    count = 9
    frame = pl.DataFrame(
        {**{name: [value] * count for name, value in GOOD.items()}, "revenue": [12.5] * count}
    ).with_columns(
        url=pl.when(pl.int_range(count) > 3).then(pl.lit("/a")),
        query=pl.when(pl.int_range(count) > 3).then(pl.lit("say “no”")),
        position=pl.int_range(count),
    )
    for kind in ("parquet", "csv", "ndjson"):
        file = tmp_path / f"r.{kind}"
        getattr(frame, f"write_{kind}")(file)
        found = list(batches(file, 0, STREAM, Reading(NOW, Limits(), 100)))
        assert [type(item) for item in found] == [ColumnBatch], kind
        assert not any(item.odd.any() for item in found if isinstance(item, ColumnBatch)), kind
        assert_the_same(file)


@pytest.mark.parametrize("start", [0, 1, 2, 3])
def test_a_line_that_fills_blocks_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: int) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 40)
    monkeypatch.setattr("ingest.files.lines._AT_ONCE", 50)
    good = json.dumps(GOOD).encode()
    (tmp_path / "r.ndjson").write_bytes(b"\n".join([good, b"x" * 900, good, good[:-1] + b"y" * 600]))
    assert_the_same(tmp_path / "r.ndjson", start)


def test_a_field_may_be_within_properties_in_one_row_and_beside_them_in_another(tmp_path: Path) -> None:
    rows = [
        GOOD | {"query": "a"},
        GOOD | {"properties": {"query": "b"}},
        GOOD | {"query": 1, "properties": {"query": 2}},
    ]
    (tmp_path / "r.ndjson").write_text("\n".join(map(json.dumps, rows[:2])))
    assert_the_same(tmp_path / "r.ndjson")
    (tmp_path / "all.ndjson").write_text("\n".join(map(json.dumps, rows)))
    assert_the_same(tmp_path / "all.ndjson")
    beside = {name: [value] * 3 for name, value in GOOD.items()} | {"query": ["a", None, "c"]}
    pl.DataFrame(beside | {"properties.query": [None, "b", "d"]}).write_csv(tmp_path / "r.csv")
    assert_the_same(tmp_path / "r.csv")
    within = pl.Series([None, {"query": "b"}, {"query": None}], dtype=pl.Struct({"query": pl.String}))
    pl.DataFrame(beside | {"properties": within}).write_parquet(tmp_path / "r.parquet")
    assert_the_same(tmp_path / "r.parquet")


def test_a_table_without_any_text_is_read(tmp_path: Path) -> None:
    pl.DataFrame({"occurred_at": [1_767_225_600_000], "size": [1]}).write_parquet(tmp_path / "r.parquet")
    assert_the_same(tmp_path / "r.parquet")
