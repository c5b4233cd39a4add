"""Reads the rows of CSV and Parquet files in pieces whose size is bounded, whatever the file claims to hold.

A piece holds a limited number of cells and of bytes. Repeated values of Parquet are counted as often as they occur,
since a file of 1 MB can repeat one text a million times; so is the length of lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
import pyarrow.parquet as pq

from expectations.errors import InputError
from ingest.files.lines import Line, chunks, in_blocks, split
from ingest.files.pages import page_sizes
from ingest.settings.ingest import Limits

TABLE_ERRORS: Final = (pl.exceptions.PolarsError, pa.ArrowException, MemoryError)
"""Exceptions for a file that is no table, or none that can be read."""
_SEPARATORS: Final = (";", "\t", "|", ",")
_ROWS: Final = 50_000
_CELLS: Final = 1_000_000
_BYTES: Final = 16 << 20
_SMALL: Final = 1 << 20
"""Bytes of a column of a batch that need not be counted exactly."""
_COLUMNS: Final = 10_000
_LIST_VALUES: Final = 16_000_000
_CHUNK_BYTES: Final = 256 << 20
"""Bytes of one column in one row group of Parquet above which its compression is checked."""
_INFERRED_BYTES: Final = 512 << 10
"""Bytes of lines of JSON in which new fields are looked for."""
_MOST_FIELDS: Final = 1_000


class Piece(NamedTuple):
    """Rows of a table from row `first` on; if `rows` is None, one row that cannot be read."""

    first: int
    rows: pl.DataFrame | None
    raw: bytes = b""
    reason: str = ""
    message: str = ""


def csv_pieces(file: Path, limits: Limits, separator: str = ",") -> Iterator[Piece]:
    """The rows of a CSV file, or of one with another separator, all columns as text. A row that is no CSV, or too long,
    is a piece of its own. A header without the separator, but with semicolons, tabs or bars, says that one of these is
    it.

    Raises InputError when it has no header or too many columns, and OSError.
    """
    records = split(chunks(file), limits.kept, quote=b'"')
    header = next((line for line in records if line.content.strip()), None)
    if header is None or header.length > limits.largest_message:
        raise _no_header(file, 0 if header is None else header.length)
    separator = _separator(header.content, separator)
    first, columns = 0, _column_count(file, header.content, separator)
    most = max(1, min(_ROWS, _CELLS // columns))
    for block in in_blocks(records, lambda line: len(line.content), most, _BYTES):
        yield from _parsed(header.content, block, first, limits, separator)
        first += len(block)


def _separator(header: bytes, usual: str) -> str:
    """What separates the names of a header: the usual letter, or the commonest of others where that is not there."""
    counts = {letter: header.count(letter.encode()) for letter in (usual, *_SEPARATORS)}
    return usual if counts[usual] else max(counts, key=lambda letter: counts[letter])


def _column_count(file: Path, header: bytes, separator: str) -> int:
    return _check_columns(file, pl.read_csv(BytesIO(header), infer_schema=False, separator=separator).width)


def _check_columns(file: Path, count: int) -> int:
    if count > _COLUMNS:
        raise InputError(
            "The file has too many columns.", where=str(file), expected=f"at most {_COLUMNS:,}", found=f"{count:,}"
        )
    return max(count, 1)


def _no_header(file: Path, length: int) -> InputError:
    found = f"a first line of {length:,} bytes" if length else "an empty file"
    return InputError("The file has no header.", where=str(file), expected="the names of the columns", found=found)


def _parsed(header: bytes, records: list[Line], first: int, limits: Limits, separator: str) -> Iterator[Piece]:
    """The records as frames; those that polars cannot parse are found by halving the block."""
    if len(records) == 1 and records[0].length > limits.kept:
        found = f"{records[0].length} bytes, the limit is {limits.largest_message}; the beginning is kept"
        yield Piece(first, None, records[0].content, "too_large", found)
        return
    try:
        text = b"\n".join((header.rstrip(b"\r"), *(record.content for record in records), b""))
        frame = pl.read_csv(BytesIO(text), infer_schema=False, separator=separator)
        if frame.height == len(records) and all(record.length <= limits.kept for record in records):
            yield Piece(first, frame)
            return
    except pl.exceptions.PolarsError:
        pass
    if len(records) == 1:
        yield Piece(first, None, records[0].content, "not_csv", "not a row with the columns of the header")
        return
    middle = len(records) // 2
    yield from _parsed(header, records[:middle], first, limits, separator)
    yield from _parsed(header, records[middle:], first + middle, limits, separator)


def parquet_pieces(file: Path, start: int, limits: Limits) -> Iterator[Piece]:
    """The rows of a Parquet file; row groups that end before row `start` are not read. A row that is too large is a
    piece of its own.

    Raises InputError when it has too many columns or a column that expands beyond any data, ArrowException and OSError.
    """
    with pq.ParquetFile(file) as plain:
        metadata = plain.metadata
    columns = _check_columns(file, metadata.num_columns)
    groups, first, repeated = list[int](), 0, set[str]()
    with file.open("rb") as content:
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            if not groups and first + group.num_rows <= start:
                first += group.num_rows
                continue
            repeated |= _check_group(content, group, metadata.schema, limits)
            groups.append(number)
    if not groups:
        return
    texts = [name for name in _texts(metadata) if name in repeated]
    with pq.ParquetFile(file, read_dictionary=texts, buffer_size=1 << 20, pre_buffer=False) as table:
        for batch in table.iter_batches(max(1, min(_ROWS, _CELLS // columns)), row_groups=groups):
            yield from _bounded(batch, first, limits)
            first += batch.num_rows


def _texts(metadata: Any) -> list[str]:
    """The columns whose values, if they are repeated, are read as one value and its positions."""
    columns = (metadata.schema.column(number) for number in range(metadata.num_columns))
    return [column.path for column in columns if column.logical_type.type == "STRING" or _is_binary(column)]


def _is_binary(column: Any) -> bool:
    plain = column.physical_type == "BYTE_ARRAY" and column.logical_type.type == "NONE"
    return plain and "." not in column.path


def _check_group(content: BinaryIO, group: Any, schema: Any, limits: Limits) -> set[str]:
    """The columns with repeated values. Raises InputError for one that expands beyond any data, or has more values in
    lists than fit in memory. The footer is not believed: the pages say what is allocated for them."""
    repeated = set()
    for number in range(group.num_columns):
        column = group.column(number)
        compressed = column.total_compressed_size
        try:
            size, values, has_dictionary = page_sizes(content, _first_page(column), compressed)
        except ValueError as error:
            raise pa.ArrowInvalid(str(error)) from error
        too_dense = size > max(_CHUNK_BYTES, limits.largest_expansion * compressed)
        if too_dense or (schema.column(number).max_repetition_level and values > _LIST_VALUES):
            raise InputError(
                "A column of the file expands to too much; it may be made to fill the memory.",
                where=f"{content.name}, column {column.path_in_schema}",
                expected=f"at most {limits.largest_expansion} times its size, and {_LIST_VALUES:,} values in lists"
                " of one row group",
                found=f"{compressed:,} bytes that stand for {size:,}, with {values:,} values",
                do="if the file is right, write it with smaller row groups",
            )
        if has_dictionary:
            repeated.add(column.path_in_schema)
    return repeated


def _first_page(column: Any) -> int:
    """Where the reader looks for the first page: its dictionary, if that lies before the data."""
    data, dictionary = column.data_page_offset, column.dictionary_page_offset or 0
    return int(dictionary if 0 < dictionary < data else data)


def _bounded(batch: pa.RecordBatch, first: int, limits: Limits) -> Iterator[Piece]:
    """The batch in pieces of a limited size; a single row above the limits is not converted."""
    size = sum(map(_size, batch.columns))
    if batch.num_rows == 1 and size > limits.kept:
        yield Piece(first, None, b"", "too_large", f"{size} bytes, the limit is {limits.largest_message}; none is kept")
    elif batch.num_rows == 1 or size <= _BYTES:
        yield Piece(first, _frame(batch))
    else:
        middle = batch.num_rows // 2
        yield from _bounded(batch.slice(0, middle), first, limits)
        yield from _bounded(batch.slice(middle), first + middle, limits)


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    columns = [each.dictionary_decode() if pa.types.is_dictionary(each.type) else each for each in batch.columns]
    return pl.DataFrame(pl.from_arrow(pa.table(columns, names=batch.schema.names)))


def _size(values: pa.Array) -> int:
    """The bytes of the values, at most; those of a repeated one as often as it occurs."""
    if pa.types.is_dictionary(values.type):
        lengths = pc.binary_length(values.dictionary)
        most = len(values) * (1 + (pc.max(lengths).as_py() or 0))
        return most if most <= _SMALL else len(values) + (pc.sum(lengths.take(values.indices)).as_py() or 0)
    if pa.types.is_nested(values.type):
        inner = [values.keys, values.items] if pa.types.is_map(values.type) else values.flatten()
        return len(values) + sum(map(_size, inner if isinstance(inner, list) else [inner]))
    return int(values.nbytes)


class JsonFrames:
    """Reads lines with one JSON object each as frames, and remembers the fields and their types.

    Fields that are new are looked for in a few lines only: each is a column, and lines may all have other ones.
    """

    def __init__(self) -> None:
        self._known = pa.schema([])

    def read(self, text: bytes, count: int) -> pl.DataFrame | None:
        """The objects of all lines, each a row; None if there are not `count` of them, if one has a field twice or of
        another type, or if it has a new one and the text is long. Every line must begin and end with a brace, and must
        not be nested deep.
        """
        for parse in (self._parsed, self._inferred):
            with suppress(pa.ArrowInvalid):
                table = parse(text)
                table.validate(full=True)
                return pl.DataFrame(pl.from_arrow(table)) if table.num_rows == count and table.num_columns else None
        return None

    def _parsed(self, text: bytes) -> pa.Table:
        return _parse_lines(text, self._known, "error")

    def _inferred(self, text: bytes) -> pa.Table:
        if len(text) > _INFERRED_BYTES:
            raise pa.ArrowInvalid("too long")
        table = _parse_lines(text, pa.schema([]), "infer")
        schema = pa.schema([(field.name, _with_texts(field.type)) for field in table.schema])
        if schema != table.schema:
            table = _parse_lines(text, schema, "error")  # Arrow had taken texts for times
        try:
            merged = pa.unify_schemas([self._known, schema])
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            merged = schema
        self._known = merged if _width(merged) <= _MOST_FIELDS else pa.schema([])
        return table


def _parse_lines(text: bytes, known: pa.Schema, new_fields: str) -> pa.Table:
    reading = pj.ReadOptions(use_threads=False, block_size=len(text) + 1)
    parsing = pj.ParseOptions(explicit_schema=known, unexpected_field_behavior=new_fields)
    return pj.read_json(pa.BufferReader(text), read_options=reading, parse_options=parsing)


def _with_texts(kind: pa.DataType) -> pa.DataType:
    """The type, with text in place of times."""
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _with_texts(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(_with_texts(kind.value_type))
    return pa.string() if pa.types.is_timestamp(kind) else kind


def _width(fields: Iterable[pa.Field]) -> int:
    """The number of fields, those within fields included."""
    return sum(1 + _width(kind if pa.types.is_struct(kind := field.type) else ()) for field in fields)
