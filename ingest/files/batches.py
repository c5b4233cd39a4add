"""Reads the rows of a file in columns where their shape allows it, and as messages where it does not.

Columns are for streams of plain `json`: tables, and lines with one object each (`ingest.decoding.column_batch` reads
them); tables also with a mapping of whole columns (`ingest.files.mapped`). What a library would read in another way
than a message is *odd*, and becomes a message again: a row that may be too long, a line that is no object or nested too
deep, a whole number in a column with fractions, a null of which a line does not say whether the field is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial, reduce
from io import BytesIO
from operator import add, or_
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from expectations import contract
from ingest.decoding.column_batch import PROPERTIES, epoch_times, rfc3339_times
from ingest.decoding.json_values import json_bytes, json_texts
from ingest.decoding.reader import is_plain
from ingest.files.lines import Line, chunks, line_blocks
from ingest.files.mapped import TableMapping, mapped_columns, table_mapping
from ingest.files.rows import (
    Row,
    is_lines,
    is_list,
    is_text_table,
    line_message,
    pieces,
    readable,
    rows,
    table_messages,
    within_expansion,
)
from ingest.files.tables import JsonFrames
from ingest.message import ColumnBatch, Record, Unread
from ingest.settings.ingest import Limits, Stream
from ingest.settings.mapping import FIELDS

_BLOCK_BYTES: Final = 8 << 20
_FEWEST: Final = 1_000
"""Rows of a block that are not divided further to find the one that cannot be read in columns."""
_DIVIDED: Final = 16
_MOST_OPEN: Final = 100
"""Objects and lists in a line: a parser may exhaust its stack in a deeper one."""
_EXACT: Final = 1 << 53
"""Below this, a whole number is exact in a column of numbers with fractions."""
_ESCAPES: Final = 6
"""Bytes of JSON that stand for one byte of text, at most."""
_CELL_BYTES: Final = 64
"""Bytes of JSON that stand for any value but a text, at most."""
_ESCAPED_ASCII: Final = r"\\u00[0-7]"
_KNOWN: Final = frozenset(FIELDS)
_NESTED: Final = (contract.IDENTITIES, "items", PROPERTIES)
_NUMBER: Final = r"^-?[0-9]{1,300}(\.[0-9]{1,300})?$"
_WHOLE: Final = r"^-?[0-9]{1,9}$"
_EPOCH: Final = r"^[0-9]{1,18}$"


class Reading(NamedTuple):
    """When the rows are loaded, the limits of a row, and how many of them are a batch at most."""

    timestamp: int
    limits: Limits
    most: int


def batches(file: Path, start: int, stream: Stream, reading: Reading) -> Iterator[Row | ColumnBatch]:
    """The rows of a file from row `start` on, in order, in columns where these can be read. They are the rows that
    `ingest.files.rows.rows` reads, which raises the same errors.
    """
    limits = reading.limits
    mapping = table_mapping(stream)
    is_table = not is_lines(file, stream.format)
    if not (is_plain(stream) or (mapping and is_table)) or is_list(file):
        yield from rows(file, start, reading.timestamp, limits, stream.format)
        return
    read = partial(_tables, mapping=mapping) if is_table else _lines
    for _, item in within_expansion(readable(file, read(file, start, reading)), file, limits.largest_expansion, _size):
        if not isinstance(item, int):
            yield item


_Items = Iterator[tuple[int, Row | ColumnBatch | int]]
"""Rows with the number of the first; an integer stands for the bytes of rows that are not read again."""


def _size(item: Row | ColumnBatch | int) -> int:
    if isinstance(item, int):
        return item
    return item.bytes if isinstance(item, ColumnBatch) else len(item.value) + 1


def _tables(file: Path, start: int, reading: Reading, mapping: TableMapping | None = None) -> _Items:
    is_text = is_text_table(file)
    for piece in pieces(file, start, reading.limits):
        if piece.rows is None:
            if piece.first >= start:
                yield piece.first, Row(piece.first, reading.timestamp, Unread(piece.raw, piece.reason, piece.message))
            continue
        begin = max(start - piece.first, 0)
        for first in range(begin, piece.rows.height, reading.most):
            part, number = piece.rows[first : first + reading.most], piece.first + first
            columns = _columns(part, mapping, is_text)
            if columns is None:
                records = _table_records(part, number, reading, is_text, range(part.height))
                yield from ((record.offset, record) for record in records)
            else:
                yield number, _table_batch(part, columns, number, reading, is_text)


def _columns(table: pl.DataFrame, mapping: TableMapping | None, is_text: bool) -> _Columns | None:
    """The columns of a table as a stream reads them; None if they are to be read as messages."""
    if mapping is None:
        return _table_columns(table, is_text)
    return mapped_columns(_without_blanks(table), mapping, is_text=is_text)


def _table_batch(table: pl.DataFrame, columns: _Columns, first: int, reading: Reading, is_text: bool) -> ColumnBatch:
    length = _lengths(table)
    fields, properties, is_odd = columns
    return ColumnBatch(
        pl.int_range(first, first + table.height, eager=True),
        fields,
        properties,
        is_odd | (length * _ESCAPES + table.width * _CELL_BYTES > reading.limits.largest_message),
        reading.timestamp,
        int(length.sum()),
        lambda indexes: [*_table_records(table, first, reading, is_text, indexes)],
    )


def _table_records(
    table: pl.DataFrame, first: int, reading: Reading, is_text: bool, indexes: Sequence[int]
) -> list[Row]:
    found = table_messages(table[list(indexes)], reading.limits, text=is_text)
    return [Row(first + index, reading.timestamp, value) for index, value in zip(indexes, found, strict=True)]


def _lengths(table: pl.DataFrame) -> pl.Series:
    """About the bytes of each row, those of its texts and lists exactly."""
    names = sum(len(name.encode()) + 16 for name in table.columns)
    nested = [json_texts(series).str.len_bytes() for series in table if _is_long(series.dtype)]
    names_of_row = pl.repeat(names, pl.len(), dtype=pl.Int64)
    total = pl.sum_horizontal(names_of_row, pl.col(pl.String).str.len_bytes(), *map(pl.lit, nested))
    return table.select(total.alias("bytes")).to_series()


def _is_long(dtype: pl.DataType) -> bool:
    """Whether a value of the type may have any number of bytes, and is no text."""
    return dtype.is_nested() or dtype in (pl.Binary, pl.Categorical, pl.Enum)


_Columns = tuple[dict[str, pl.Series], dict[str, pl.Series], pl.Series]
"""Fields, properties and odd rows of a batch."""


def _table_columns(table: pl.DataFrame, is_text: bool) -> _Columns:
    """The columns of a table; a blank cell is an absent value, and `identities.card` a field of an object."""
    fields, properties = dict[str, pl.Series](), dict[str, pl.Series]()
    inner: dict[str, dict[str, pl.Series]] = {name: {} for name in _NESTED}
    for series in _without_blanks(table):
        parent, _, child = series.name.partition(".")
        if child and parent in inner:
            inner[parent][child] = series
        elif series.name in _KNOWN:
            fields[series.name] = series
        else:
            properties[series.name] = json_texts(series)
    nobody = pl.repeat(False, table.height, dtype=pl.Boolean, eager=True)
    odd = [nobody]
    for name, children in inner.items():
        if name in fields or name == "items":
            odd += [series.is_not_null() for series in children.values()]
        elif name == PROPERTIES:
            odd += _add_new(properties, {child: json_texts(series) for child, series in children.items()})
        elif children:
            fields[name] = _struct(children)
    whole = fields.pop(PROPERTIES, None)
    if whole is not None and isinstance(whole.dtype, pl.Struct) and not is_text:
        within = whole.struct.unnest()
        odd += _add_new(properties, {child.name: _kept_null(json_texts(child), whole) for child in within})
    elif whole is not None:
        odd.append(whole.is_not_null())
    if is_text:
        odd += _read_cells(fields)
    return fields, properties, reduce(or_, odd)


def _without_blanks(table: pl.DataFrame) -> pl.DataFrame:
    blank = table.select((pl.col(pl.String) == "").any())
    found = [series.name for series in blank if series.any()]
    return table.with_columns(pl.col(found).replace("", None)) if found else table


def _add_new(properties: dict[str, pl.Series], more: Mapping[str, pl.Series]) -> list[pl.Series]:
    """Add fields of `properties`; a row that also has a field of its own with that name is odd."""
    odd = [properties[name].is_not_null() & more[name].is_not_null() for name in more.keys() & properties.keys()]
    for name, texts in more.items():
        own = properties.get(name)
        properties[name] = texts if own is None else pl.select(pl.coalesce(texts, own)).to_series()
    return odd


def _kept_null(texts: pl.Series, within: pl.Series) -> pl.Series:
    """The JSON of a field of an object, where the object is not null itself."""
    return pl.select(pl.when(within.is_not_null()).then(texts.fill_null("null"))).to_series()


def _struct(children: Mapping[str, pl.Series]) -> pl.Series:
    """The fields of an object; null where it has none."""
    frame = pl.DataFrame([series.alias(name) for name, series in children.items()])
    present = pl.any_horizontal(pl.all().is_not_null())
    return frame.select(pl.when(present).then(pl.struct(pl.all()))).to_series()


def _read_cells(fields: dict[str, pl.Series]) -> list[pl.Series]:
    """Read the cells of a file of text that are no text; returns the rows of those that cannot be read."""
    odd = []
    for name, form, dtype in (("score", _NUMBER, pl.Float64), ("schema_version", _WHOLE, pl.Int64)):
        if name in fields:
            series = fields[name]
            odd.append((~series.str.contains(form)).fill_null(False))
            fields[name] = series.cast(dtype, strict=False)
    if contract.OCCURRED_AT in fields:
        series = fields[contract.OCCURRED_AT]
        if (is_epoch := series.str.contains(_EPOCH)).any():
            epoch = epoch_times(series.cast(pl.Int64, strict=False))
            fields[contract.OCCURRED_AT] = pl.select(
                pl.when(is_epoch).then(epoch).otherwise(rfc3339_times(series))
            ).to_series()
            odd.append(series.is_not_null() & fields[contract.OCCURRED_AT].is_null())
    for name in (contract.IDENTITIES, "items"):
        if name in fields and fields[name].dtype == pl.String:
            odd.append(fields.pop(name).is_not_null())
    return odd


def _lines(file: Path, start: int, reading: Reading) -> _Items:
    first, frames = 0, JsonFrames()
    for block in line_blocks(chunks(file), _BLOCK_BYTES, reading.limits.kept):
        if isinstance(block, Line):
            row = Row(first, reading.timestamp, line_message(block, reading.limits))
            yield first, row if first >= start else len(row.value)
            first += 1
            continue
        count = block.count(b"\n")
        if first + count <= start:
            yield first, len(block)
        else:
            yield from _block(block, first, max(start - first, 0), reading, frames)
        first += count


def _block(block: bytes, first: int, begin: int, reading: Reading, frames: JsonFrames) -> _Items:
    """The lines of a block from line `begin` on."""
    count = block.count(b"\n")
    lines = _texts(block, count, reading.limits)
    if lines is None:
        for index, content in enumerate(block.split(b"\n")[begin:count], first + begin):
            line = Line(content[: reading.limits.kept], len(content))
            if value := line_message(line, reading.limits):
                yield index, Row(index, reading.timestamp, value)
        return
    offsets = pl.int_range(first, first + count, eager=True)
    kept = (lines != "") & (offsets >= first + begin)
    if not kept.all():
        offsets, lines = offsets.filter(kept), lines.filter(kept)
    elif count <= reading.most:
        yield from _line_batches(offsets, lines, reading, frames, block)
        return
    for part in range(0, lines.len(), reading.most):
        yield from _line_batches(
            offsets[part : part + reading.most], lines[part : part + reading.most], reading, frames
        )


def _texts(block: bytes, count: int, limits: Limits) -> pl.Series | None:
    """The lines of a block as text, without the ends of lines; None if they cannot be read so."""
    try:
        lines = pl.read_lines(BytesIO(block)).to_series()
    except pl.exceptions.ComputeError:
        return None
    if lines.len() != count or (lines.str.len_bytes() + 2 > limits.kept).any():
        return None
    return lines.str.strip_chars_end("\r") if b"\r\r" in block else lines


def _line_batches(
    offsets: pl.Series, lines: pl.Series, reading: Reading, frames: JsonFrames, text: bytes = b""
) -> _Items:
    """The lines in columns; where a few have one that cannot be read so, as rows. `text` is all of them together."""
    text = text or _joined(lines)
    is_object = lines.str.starts_with("{") & lines.str.ends_with("}")
    if lines.str.len_bytes().max() > reading.limits.largest_message:  # type: ignore[operator]
        is_object &= lines.str.len_bytes() <= reading.limits.largest_message
    if text.count(b"{") + text.count(b"[") > lines.len() + _MOST_OPEN:
        opened = (lines.str.count_matches(letter, literal=True) for letter in "{[")
        is_object &= reduce(add, opened) <= _MOST_OPEN
    objects = lines
    if not is_object.all():
        objects = lines.filter(is_object)
        text = _joined(objects)
    frame = frames.read(text, objects.len()) if objects.len() else None
    if frame is not None:
        columns = _line_columns(frame, objects)
        yield int(offsets[0]), _line_batch(offsets, lines, is_object, columns, reading)
    elif lines.len() <= _FEWEST:
        yield from ((row.offset, row) for row in _line_rows(offsets, lines, reading))
    else:
        size = -(-lines.len() // _DIVIDED)
        for begin in range(0, lines.len(), size):
            yield from _line_batches(offsets[begin : begin + size], lines[begin : begin + size], reading, frames)


def _joined(lines: pl.Series) -> bytes:
    return str(lines.str.join("\n").item()).encode()


def _line_batch(
    offsets: pl.Series, lines: pl.Series, is_object: pl.Series, columns: _Columns, reading: Reading
) -> ColumnBatch:
    fields, properties, odd = columns
    if not is_object.all():
        place = pl.select(pl.when(is_object).then(is_object.cast(pl.Int64).cum_sum() - 1)).to_series()
        fields, properties = (
            {name: each.gather(place) for name, each in some.items()} for some in (fields, properties)
        )
        odd = odd.gather(place).fill_null(True)
    size = int(lines.str.len_bytes().sum()) + lines.len()
    messages = partial(_records_of_lines, offsets, lines, reading)
    return ColumnBatch(offsets, fields, properties, odd, reading.timestamp, size, messages)


def _records_of_lines(offsets: pl.Series, lines: pl.Series, reading: Reading, indexes: Sequence[int]) -> list[Record]:
    return list(_line_rows(offsets[list(indexes)], lines[list(indexes)], reading))


def _line_rows(offsets: pl.Series, lines: pl.Series, reading: Reading) -> Iterator[Row]:
    for offset, text in zip(offsets.to_list(), lines.to_list(), strict=True):
        yield Row(offset, reading.timestamp, text.encode())


def _line_columns(frame: pl.DataFrame, lines: pl.Series) -> _Columns:
    """The columns of lines that are objects, and the rows that Arrow has not read as a message would be read."""
    fields, properties = dict[str, pl.Series](), dict[str, pl.Series]()
    keys = Counter(_keys(frame.schema))
    nobody = pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
    odd = [nobody]
    if any(dtype.is_float() for dtype in _leaves(frame.schema.dtypes())):
        odd.append(lines.str.contains("NaN|Inf"))  # which Arrow takes for numbers
    for series in frame:
        if series.name == PROPERTIES:
            continue
        if series.name in _KNOWN:
            fields[series.name] = series
            odd += _inexact(series)
        else:
            properties[series.name], left = _line_texts(series, lines, is_alone=keys[series.name] == 1)
            odd += left
    if PROPERTIES in frame.columns:
        whole, inner = frame[PROPERTIES], dict[str, pl.Series]()
        if not isinstance(whole.dtype, pl.Struct):
            odd.append(whole.is_not_null())
        else:
            for child in whole.struct.unnest() if whole.dtype.fields else ():
                texts, left = _line_texts(child, lines, is_alone=keys[child.name] == 1)
                odd += [whole.is_not_null() & rows for rows in left]
                inner[child.name] = pl.select(pl.when(whole.is_not_null()).then(texts)).to_series()
            odd += _add_new(properties, inner)
    return fields, properties, reduce(or_, odd)


def _line_texts(series: pl.Series, lines: pl.Series, *, is_alone: bool) -> tuple[pl.Series, list[pl.Series]]:
    """The JSON of a field of lines, and the rows in which it may be another.

    A null may stand in the line or not: it does if the line has the name in quotes and a colon, unless another object
    may have it, or letters of it may be escaped.
    """
    if series.dtype.is_nested():
        odd = [series.is_not_null()]
        texts = pl.repeat(None, series.len(), dtype=pl.String, eager=True)
    else:
        odd = [(series == series.floor()).fill_null(False)] if series.dtype.is_float() else []
        texts = json_texts(series)
    absent = series.is_null()
    if not absent.any():
        return texts, odd
    if not is_alone or not series.name.isprintable() or set(series.name) & set('"\\/'):
        return texts, [*odd, absent]
    key = json_bytes(series.name).decode()
    has_key, is_named = (lines.str.contains(text, literal=True) for text in (key + ":", key))
    is_escaped = lines.str.contains(_ESCAPED_ASCII if series.name.isascii() else r"\\u")
    unsure = (is_named & ~has_key) | is_escaped | (has_key & lines.str.contains('\\"', literal=True))
    return pl.select(pl.when(absent & has_key).then(pl.lit("null")).otherwise(texts)).to_series(), [
        *odd,
        absent & unsure,
    ]


def _inexact(series: pl.Series) -> list[pl.Series]:
    """The rows of a field of lines in which a whole number may have lost digits among numbers with fractions."""
    if series.dtype.is_float():
        return [(series.abs() >= _EXACT).fill_null(False)]
    price = dict(_fields(series.dtype.inner)).get("price") if isinstance(series.dtype, pl.List) else None
    if price is not None and price.is_float():
        large = pl.element().struct.field("price").abs() >= _EXACT
        return [series.list.eval(large).list.any().fill_null(False)]
    return []


def _keys(fields: Mapping[str, Any]) -> Iterator[str]:
    """The names of fields and of those within them, at any depth."""
    for name, dtype in fields.items():
        yield name
        yield from _inner_keys(dtype)


def _inner_keys(dtype: Any) -> Iterator[str]:
    yield from _keys(dict(_fields(dtype.inner if isinstance(dtype, pl.List) else dtype)))


def _fields(dtype: Any) -> list[tuple[str, Any]]:
    """The fields of an object with their types; none of another value."""
    return [(field.name, field.dtype) for field in dtype.fields] if isinstance(dtype, pl.Struct) else []


def _leaves(dtypes: Iterable[Any]) -> Iterator[Any]:
    """The types of values that have no values within them."""
    for dtype in dtypes:
        if isinstance(dtype, pl.Struct):
            yield from _leaves(field.dtype for field in dtype.fields)
        elif isinstance(dtype, pl.List):
            yield from _leaves([dtype.inner])
        else:
            yield dtype
