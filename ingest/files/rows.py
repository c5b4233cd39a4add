"""Reads the rows of a file as records: lines (plain, .gz, .zst), CSV and Parquet; each row is one message.

The offset of a record is the number of its row in the file, from 0. Lines become messages unchanged, malformed ones
too; the rows of a table are converted to JSON, so that every file goes through the decoder and the gate of the stream.

CSV contains only text: `score` and `schema_version` are read as numbers, an `occurred_at` of digits only as epoch
milliseconds, `identities`, `items` and `properties` as JSON. A header such as `identities.email_hash` names a field of
an object, and a blank cell is an absent value. Parquet times without a zone are read as UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import orjson
import zstandard

from expectations.errors import InputError
from ingest.files.lines import chunks, split
from ingest.files.tables import TABLE_ERRORS, Piece, csv_pieces, parquet_pieces
from ingest.message import Unread
from ingest.settings.ingest import Limits

_JSON_COLUMNS: Final = frozenset({"identities", "items", "properties"})
_NUMBERS: Final = {"score": float, "schema_version": int}
_JSON: Final = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z | orjson.OPT_SERIALIZE_NUMPY
LINES: Final = (".ndjson", ".jsonl", ".json", ".tsv")
_SMALL: Final = 1 << 30
T = TypeVar("T")
ENDINGS: Final = (*LINES, ".csv", ".parquet")
"""Endings of files that can be read; those of lines may be followed by .gz or .zst."""


class Row(NamedTuple):
    """One row of a file as a `Record`: `timestamp` is when the file was loaded, in milliseconds."""

    offset: int
    timestamp: int
    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def rows(file: Path, start: int, timestamp: int, limits: Limits) -> Iterator[Row]:
    """The rows of a file from row `start` on. Blank lines are left out but counted; of a row that is too long to be
    kept in quarantine, its beginning is (`ingest.message.Unread`).

    Raises InputError when the file cannot be read in the format of its ending, or expands beyond the limits.
    """
    if is_lines(file):
        found = _lines(file, limits)
    else:
        found = _table(pieces(file, start, limits), start, limits, text=file.suffix == ".csv")
    for offset, value in _within_expansion(readable(file, found), file, limits.largest_expansion):
        if offset >= start and (value or type(value) is Unread):
            yield Row(offset, timestamp, value)


def pieces(file: Path, start: int, limits: Limits) -> Iterator[Piece]:
    """The rows of a CSV file (all text) or a Parquet file, from row `start` on or before."""
    return csv_pieces(file, limits) if file.suffix == ".csv" else parquet_pieces(file, start, limits)


def readable(file: Path, found: Iterable[T]) -> Iterator[T]:
    """Raise InputError for every way in which a file is not in the format of its ending."""
    try:
        yield from found
    except (OSError, EOFError, zstandard.ZstdError, *TABLE_ERRORS) as error:
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


def is_lines(file: Path) -> bool:
    """Whether a file has lines, and no table. Raises InputError when its ending is unknown."""
    return _ending(file) in LINES


def _ending(file: Path) -> str:
    """The ending of a file's name, without that of its compression."""
    ending = Path(file.stem).suffix if file.suffix in (".gz", ".zst") else file.suffix
    if ending in LINES or file.suffix in (".csv", ".parquet"):
        return ending
    raise unreadable(file, ValueError(file.suffix))


def _within_expansion(found: Iterable[tuple[int, bytes]], file: Path, largest: int) -> Iterator[tuple[int, bytes]]:
    """The rows, as long as what is kept of them is at most `largest` times the size of the file, or 1 GiB.

    Raises InputError for more: a file of a few megabytes could fill any disk.
    """
    size = file.stat().st_size
    allowed, kept = max(_SMALL, largest * size), 0
    for offset, value in found:
        kept += len(value) + 1
        if kept > allowed:
            raise InputError(
                "The file decompresses to too much; it may be made to fill the disk.",
                where=f"{file}, row {offset:,}",
                expected=f"at most {largest} times its size, or 1 GiB",
                found=f"{size:,} bytes that stand for more than {allowed:,}",
                do="if the file is right, raise largest_expansion under [ingest.limits] and load it again: it resumes"
                " after the rows that have landed",
            )
        yield offset, value


def _lines(file: Path, limits: Limits) -> Iterator[tuple[int, bytes]]:
    for offset, line in enumerate(split(chunks(file), limits.kept)):
        value = line.content.rstrip(b"\r\n")
        yield offset, value if line.length <= limits.kept else _cut(value, line.length, limits)


def _cut(value: bytes, length: int, limits: Limits) -> Unread:
    message = f"{length} bytes, the limit is {limits.largest_message}; the first {len(value)} are kept"
    return Unread(value, "too_large", message)


def _table(found: Iterable[Piece], start: int, limits: Limits, *, text: bool) -> Iterator[tuple[int, bytes]]:
    for piece in found:
        if piece.rows is None:
            if piece.first >= start:
                yield piece.first, Unread(piece.raw, piece.reason, piece.message)
            continue
        skipped = max(start - piece.first, 0)
        for offset, row in enumerate(piece.rows[skipped:].iter_rows(named=True), piece.first + skipped):
            message = _nested({name: value for name, value in row.items() if value is not None and value != ""}, text)
            value = orjson.dumps(message, default=_as_text, option=_JSON)
            yield offset, value if len(value) <= limits.kept else _cut(value[: limits.kept], len(value), limits)


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
