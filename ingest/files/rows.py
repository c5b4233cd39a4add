"""Reads the rows of a file as records: lines (plain, .gz, .zst), CSV and Parquet; each row is one message.

The offset of a record is the number of its row in the file, from 0. Lines become messages unchanged, malformed ones
too; the rows of a table are converted to JSON, so that every file goes through the decoder and the gate of the stream.

CSV contains only text: `score` and `schema_version` are read as numbers, an `occurred_at` of digits only as epoch
milliseconds, `identities`, `items` and `properties` as JSON. A header such as `identities.email_hash` names a field of
an object, and a blank cell is an absent value. Parquet times without a zone are read as UTC.
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
"""Endings of files that can be read; those of lines may be followed by .gz or .zst."""


class Row(NamedTuple):
    """One row of a file as a `Record`: `timestamp` is when the file was loaded, in milliseconds."""

    offset: int
    timestamp: int
    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def rows(file: Path, start: int, timestamp: int) -> Iterator[Row]:
    """The rows of a file from row `start` on. Blank lines are left out but counted.

    Raises InputError when the file cannot be read in the format of its ending.
    """
    ending = _ending(file)
    try:
        if ending in LINES:
            yield from _lines(file, start, timestamp)
        else:
            yield from _table(table(file), start, timestamp, text=ending == ".csv")
    except (OSError, EOFError, zstandard.ZstdError, pl.exceptions.PolarsError) as error:
        raise unreadable(file, error) from error


def table(file: Path) -> pl.DataFrame:
    """A CSV file (all text) or a Parquet file as a frame. Raises InputError when it is neither."""
    try:
        if _ending(file) == ".csv":
            return pl.read_csv(file, infer_schema=False)
        return pl.read_parquet(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise unreadable(file, error) from error


def unreadable(file: Path | str, error: Exception) -> InputError:
    """The error for a file that does not exist, or is not in the format of its ending."""
    return InputError(
        "The file cannot be read.",
        where=str(file),
        expected="lines (.ndjson, .jsonl, .tsv, also .gz or .zst), CSV (.csv) or Parquet (.parquet)",
        found=f"{type(error).__name__}",
        do="check the file and its ending",
    )


def _ending(file: Path) -> str:
    """The ending of a file's name, without that of its compression."""
    ending = Path(file.stem).suffix if file.suffix in (".gz", ".zst") else file.suffix
    if ending in LINES or file.suffix in (".csv", ".parquet"):
        return ending
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
    """The value of a CSV cell; a cell that does not fit its column stays text, and is refused for its type."""
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
