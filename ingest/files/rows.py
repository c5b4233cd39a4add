"""Reads the rows of a file as records: lines, CSV and TSV (plain, .gz, .zst), a JSON list and Parquet; each row is one
message.

The offset of a record is the number of its row in the file, from 0. Lines become messages unchanged, malformed ones
too; the rows of a table are converted to JSON, so that every file goes through the decoder and the gate of the stream.
The lines of a .tsv of Snowplow are messages; any other .tsv is a table with a header. A .json that begins with a
bracket is one list, whose elements are the rows; other formats than json take a list in a line as one message.

CSV and TSV contain only text: `score` and `schema_version` are read as numbers, an `occurred_at` of digits only as
epoch milliseconds, `identities`, `items` and `properties` as JSON. A header such as `identities.email_hash` names a
field of an object, and a blank cell is an absent value. Parquet times without a zone are read as UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import orjson
import polars as pl
import zstandard

from expectations.errors import InputError
from ingest.decoding.json_values import json_bytes
from ingest.files.lines import Line, chunks, split
from ingest.files.tables import TABLE_ERRORS, Piece, csv_pieces, parquet_pieces
from ingest.message import Unread
from ingest.settings.ingest import Format, Limits

_JSON_COLUMNS: Final = frozenset({"identities", "items", "properties"})
_NUMBERS: Final = {"score": float, "schema_version": int}
_LINES: Final = (".ndjson", ".jsonl", ".json")
_SEPARATORS: Final = {".csv": ",", ".tsv": "\t"}
_SMALL: Final = 1 << 30
_LIST_BYTES: Final = 64 << 20
"""Bytes of a JSON list, which is in memory as a whole."""
T = TypeVar("T")
TEXTS: Final = (*_LINES, *_SEPARATORS)
"""Endings of files of text; they may be followed by .gz or .zst."""
ENDINGS: Final = (*TEXTS, ".parquet")
"""Endings of files that can be read."""


class Row(NamedTuple):
    """One row of a file as a `Record`: `timestamp` is when the file was loaded, in milliseconds."""

    offset: int
    timestamp: int
    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def rows(file: Path, start: int, timestamp: int, limits: Limits, form: Format = "json") -> Iterator[Row]:
    """The rows of a file from row `start` on, as messages of a format. Blank lines are left out but counted; of a row
    that is too long to be kept in quarantine, its beginning is (`ingest.message.Unread`).

    Raises InputError when the file cannot be read in the format of its ending, or expands beyond the limits.
    """
    if not is_lines(file, form):
        found = _table(pieces(file, start, limits), start, limits, text=is_text_table(file))
    elif form == "json" and is_list(file):
        found = _elements(file, limits)
    else:
        found = _lines(file, limits)
    kept = within_expansion(readable(file, found), file, limits.largest_expansion, lambda value: len(value) + 1)
    for offset, value in kept:
        if offset >= start and (value or type(value) is Unread):
            yield Row(offset, timestamp, value)


def pieces(file: Path, start: int, limits: Limits) -> Iterator[Piece]:
    """The rows of a CSV or TSV file (all text) or a Parquet file, from row `start` on or before."""
    separator = _SEPARATORS.get(_ending(file))
    return csv_pieces(file, limits, separator) if separator else parquet_pieces(file, start, limits)


def readable(file: Path, found: Iterable[T]) -> Iterator[T]:
    """Raise InputError for every way in which a file is not in the format of its ending."""
    try:
        yield from found
    except (OSError, EOFError, zstandard.ZstdError, orjson.JSONDecodeError, *TABLE_ERRORS) as error:
        raise unreadable(file, error) from error


def unreadable(file: Path | str, error: Exception) -> InputError:
    """The error for a file that does not exist, or is not in the format of its ending."""
    return InputError(
        "The file cannot be read.",
        where=str(file),
        expected="lines (.ndjson, .jsonl, .json), CSV (.csv) or TSV (.tsv), also .gz or .zst, or Parquet (.parquet)",
        found=_why(error),
        do="check the file and its ending",
    )


def _why(error: Exception) -> str:
    """What is wrong with a file, without its content."""
    if isinstance(error, orjson.JSONDecodeError):
        return f"a list that is no JSON: {error.msg} in line {error.lineno:,}"
    return str(error) if isinstance(error, ValueError) else type(error).__name__


def is_lines(file: Path, form: Format = "json") -> bool:
    """Whether the rows of a file are lines or elements of a list, and no table. Raises InputError when its ending is
    unknown.
    """
    ending = _ending(file)
    return ending in _LINES or (ending == ".tsv" and form == "snowplow")


def is_list(file: Path) -> bool:
    """Whether a file of JSON is one list, as its first letter says."""
    if _ending(file) != ".json":
        return False
    begun = next((rest for piece in readable(file, chunks(file)) if (rest := piece.lstrip())), b"")
    return begun.startswith(b"[")


def is_text_table(file: Path) -> bool:
    """Whether the cells of a table are all text."""
    return _ending(file) in _SEPARATORS


def _ending(file: Path) -> str:
    """The ending of a file's name, without that of its compression."""
    ending = Path(file.stem).suffix if file.suffix in (".gz", ".zst") else file.suffix
    if ending in TEXTS or file.suffix == ".parquet":
        return ending
    raise unreadable(file, ValueError(f"the ending {''.join(file.suffixes[-2:]) or 'of no kind'}"))


def within_expansion(
    found: Iterable[tuple[int, T]], file: Path, largest: int, size: Callable[[T], int]
) -> Iterator[tuple[int, T]]:
    """The rows, or batches of them, with their offsets, as long as what is kept of them is at most `largest` times the
    size of the file, or 1 GiB.

    Raises InputError for more: a file of a few megabytes could fill any disk.
    """
    length = file.stat().st_size
    allowed, kept = max(_SMALL, largest * length), 0
    for offset, item in found:
        kept += size(item)
        if kept > allowed:
            raise InputError(
                "The file decompresses to too much; it may be made to fill the disk.",
                where=f"{file}, row {offset:,}",
                expected=f"at most {largest} times its size, or 1 GiB",
                found=f"{length:,} bytes that stand for more than {allowed:,}",
                do="if the file is right, raise largest_expansion under [ingest.limits] and load it again: it resumes"
                " after the rows that have landed",
            )
        yield offset, item


def _lines(file: Path, limits: Limits) -> Iterator[tuple[int, bytes]]:
    for offset, line in enumerate(split(chunks(file), limits.kept)):
        yield offset, line_message(line, limits)


def line_message(line: Line, limits: Limits) -> bytes:
    """A line as a message, without the end of the line; blank for a blank line."""
    value = line.content.rstrip(b"\r\n")
    return value if line.length <= limits.kept else _cut(value, line.length, limits)


def _elements(file: Path, limits: Limits) -> Iterator[tuple[int, bytes]]:
    """The elements of a JSON list. Raises InputError for a list too large to be read at once."""
    content = bytearray()
    for piece in chunks(file):
        content += piece
        if len(content) > _LIST_BYTES:
            raise InputError(
                "The JSON list is too large to be read at once.",
                where=str(file),
                expected=f"at most {_LIST_BYTES:,} bytes, or one object a line",
                do=f"write one object a line: jq -c '.[]' {file.name} > {file.stem}.ndjson",
            )
    for offset, element in enumerate(orjson.loads(content)):
        value = orjson.dumps(element)
        yield offset, value if len(value) <= limits.kept else _cut(value[: limits.kept], len(value), limits)


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
        yield from enumerate(table_messages(piece.rows[skipped:], limits, text=text), piece.first + skipped)


def table_messages(table: pl.DataFrame, limits: Limits, *, text: bool) -> Iterator[bytes]:
    """The rows of a table as messages; with `text`, its cells are those of a CSV file."""
    for row in table.iter_rows(named=True):
        value = json_bytes(_nested({name: cell for name, cell in row.items() if cell is not None and cell != ""}, text))
        yield value if len(value) <= limits.kept else _cut(value[: limits.kept], len(value), limits)


def _nested(row: dict[str, Any], text: bool) -> dict[str, Any]:
    """The message of a row: `identities.card` is a field of `identities`, unless that is no object."""
    inner = {name: value for name, value in row.items() if _is_inner(name)}
    message = {name: _typed(name, value) if text else value for name, value in row.items() if name not in inner}
    for name, value in inner.items():
        parent, _, child = name.partition(".")
        fields = message.setdefault(parent, {})
        if type(fields) is dict:
            fields[child] = value
        else:
            message[name] = value
    return message


def _is_inner(name: str) -> bool:
    parent, _, child = name.partition(".")
    return bool(child) and parent in _JSON_COLUMNS


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
