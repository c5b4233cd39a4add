"""Reads the rows of a file as records: lines (plain, .gz, .zst), CSV and Parquet; each row is one message.

A record's offset is its row in the file, from 0. Lines are taken as they are, bad ones too; the rows of a
table are written as JSON, so that every file goes through the decoder and the gate of the stream.

CSV has only text: `score` and `schema_version` are read as numbers, `occurred_at` of digits alone as epoch
milliseconds, `identities`, `items` and `properties` as JSON; a header such as `identities.email_hash` names a field
of an object, and a blank cell is no value. Parquet times without a zone are read as UTC.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import polars as pl
import zstandard

from expectations.errors import InputError

_JSON_COLUMNS: Final = frozenset({"identities", "items", "properties"})
_NUMBERS: Final = {"score": float, "schema_version": int}
_JSON: Final = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z | orjson.OPT_SERIALIZE_NUMPY
_ROWS_AT_ONCE: Final = 20_000
LINES: Final = (".ndjson", ".jsonl", ".json", ".tsv")
ENDINGS: Final = (*LINES, ".csv", ".parquet")
"""How the names of files end that can be read; those of lines may end in .gz or .zst after that."""


class Row(NamedTuple):
    """One row of a file as a `Record`: `timestamp` is when the file was loaded, in milliseconds."""

    offset: int
    timestamp: int
    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def rows(file: Path, start: int, timestamp: int) -> Iterator[Row]:
    """The rows of a file from row `start` on. Blank lines are left out and keep their number.

    Raises InputError when the file cannot be read as what its name says.
    """
    kind = _kind(file)
    try:
        if kind in LINES:
            yield from _lines(file, start, timestamp)
        else:
            yield from _table(table(file), start, timestamp, text=kind == ".csv")
    except (OSError, EOFError, zstandard.ZstdError, pl.exceptions.PolarsError) as error:
        raise unreadable(file, error) from error


def table(file: Path) -> pl.DataFrame:
    """A CSV file (all text) or a Parquet file as a frame. Raises InputError when it is neither."""
    try:
        if _kind(file) == ".csv":
            return pl.read_csv(file, infer_schema=False)
        return pl.read_parquet(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise unreadable(file, error) from error


def unreadable(file: Path | str, error: Exception) -> InputError:
    """The error for a file that is not there or not what its name says."""
    return InputError(
        "The file cannot be read.",
        where=str(file),
        expected="lines (.ndjson, .jsonl, .tsv, also .gz or .zst), CSV (.csv) or Parquet (.parquet)",
        found=f"{type(error).__name__}",
        do="check the file and its ending",
    )


def _kind(file: Path) -> str:
    kind = Path(file.stem).suffix if file.suffix in (".gz", ".zst") else file.suffix
    if kind in LINES or file.suffix in (".csv", ".parquet"):
        return kind
    raise unreadable(file, ValueError(file.suffix))


def _lines(file: Path, start: int, timestamp: int) -> Iterator[Row]:
    with file.open("rb") as raw:
        if file.suffix == ".gz":
            lines: Iterator[bytes] = iter(gzip.GzipFile(fileobj=raw))
        elif file.suffix == ".zst":
            lines = _split(zstandard.ZstdDecompressor().read_to_iter(raw))
        else:
            lines = iter(raw)
        for offset, line in enumerate(lines):
            value = line.rstrip(b"\r\n")
            if offset >= start and value:
                yield Row(offset, timestamp, value)


def _split(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _table(frame: pl.DataFrame, start: int, timestamp: int, *, text: bool) -> Iterator[Row]:
    for first in range(start, frame.height, _ROWS_AT_ONCE):
        for offset, row in enumerate(frame[first : first + _ROWS_AT_ONCE].iter_rows(named=True), first):
            message = _nested({name: value for name, value in row.items() if value is not None and value != ""}, text)
            yield Row(offset, timestamp, orjson.dumps(message, default=_as_text, option=_JSON))


def _nested(row: dict[str, Any], text: bool) -> dict[str, Any]:
    message: dict[str, Any] = {}
    for name, value in row.items():
        parent, _, child = name.partition(".")
        if child and parent in _JSON_COLUMNS:
            message.setdefault(parent, {})[child] = value
        else:
            message[name] = _typed(name, value) if text else value
    return message


def _typed(name: str, value: str) -> Any:
    """What a CSV cell means; a cell that does not mean what its column asks stays text, to be refused by its type."""
    if name == "occurred_at" and value.isdecimal():
        return int(value)
    with suppress(ValueError):
        if name in _NUMBERS:
            return _NUMBERS[name](value)
        if name in _JSON_COLUMNS:
            return orjson.loads(value)
    return value


def _as_text(value: object) -> str:
    if isinstance(value, Decimal | timedelta):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value).__name__)
