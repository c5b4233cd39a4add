"""Loads the rows of a query to a database over ADBC, each row once, however often the load is killed and run again.

The query has a *cursor*: a column that grows with every new row, a whole number or a time. Rows are read in its order,
and the lake keeps, in the commit that lands them, up to which value it has them. So a later run reads only what came
after, and one that was killed goes on after its last commit. The topic of the rows is `file:query:<name>`, and the
offset is a thousand times the cursor (microseconds for a time), plus the number of the row among those of one value.

All rows of one value land in one commit: a row that is written later with a value that has landed is not seen. Where
rows become visible out of order, `wait` leaves the newest to the next run.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib import import_module
from itertools import groupby
from typing import Any, Final
from urllib.parse import quote

import polars as pl

from expectations.errors import InputError, StorageError, said
from expectations.gate import Rule
from expectations.lake.layout import Lake
from ingest.files.load import Advance, FileSummary, in_quarantine, land_rows, landing_of
from ingest.files.rows import Row, table_messages
from ingest.message import Chunk, Partition
from ingest.settings.ingest import IngestSettings, Limits, Query

_DRIVERS: Final = {
    "sqlite": "adbc_driver_sqlite.dbapi",
    "postgresql": "adbc_driver_postgresql.dbapi",
    "postgres": "adbc_driver_postgresql.dbapi",
}
_TIES: Final = 1_000
"""Rows of one cursor value at most."""
_LARGEST: Final = (1 << 63) // _TIES - 1
_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PAGE: Final = 50_000
_BATCH: Final = {"adbc.sqlite.query.batch_rows": f"{_PAGE}"}
"""SQLite's columns get their type from the rows of a batch."""


def load_query(
    query: Query,
    settings: IngestSettings,
    lake: Lake,
    *,
    rules: Sequence[Rule] = (),
    on_progress: Advance | None = None,
) -> FileSummary:
    """Land the rows of a query that came after those that have landed before.

    Raises InputError when the query fails, or its cursor is null, negative, of another type or too often the same;
    StorageError when the database cannot be reached or the lake cannot be written.
    """
    partition = Partition(query.topic, 0)
    stream = query.as_stream(query.topic)
    landing = landing_of(stream, settings, lake, rules)
    start = landing.begin(partition, partition.topic, 0, accept_gap=False)
    chunks = _chunks(query, start, partition, settings)
    read, landed, refused = land_rows(landing, chunks, on_progress)
    name = f"query {query.name}"
    if not read:
        return FileSummary(name, start > 0, 0, in_quarantine(lake, partition.topic), partition.topic, 0)
    return FileSummary(name, False, landed, refused, partition.topic, read)


def first_rows(query: Query, most: int) -> pl.DataFrame:
    """The first rows that a query gives, in any order. Raises as `load_query` does."""
    with _cursor(query) as cursor:
        cursor.execute(f"select * from ({_inner(query)}) as landed limit {most}")
        return pl.DataFrame(cursor.fetch_arrow_table())


def _chunks(query: Query, start: int, partition: Partition, settings: IngestSettings) -> Iterator[Chunk]:
    """The rows after a place, in blocks that end with the last row of a cursor value."""
    block: list[Row] = []
    size, now = 0, time.time_ns() // 1_000_000
    for value, messages in _values(query, start // _TIES, settings.limits):
        rows = [Row(value * _TIES + number, now, message) for number, message in enumerate(sorted(messages))]
        block += rows
        size += sum(len(row.value) for row in rows)
        if len(block) >= settings.flush_rows or size >= settings.flush_bytes:
            yield Chunk(partition, block, (value + 1) * _TIES)
            block, size = [], 0
    if block:
        yield Chunk(partition, block, (block[-1].offset // _TIES + 1) * _TIES)


def _values(query: Query, begin: int, limits: Limits) -> Iterator[tuple[int, list[bytes]]]:
    """The cursor values from `begin` on, each with its rows as messages."""
    for value, pairs in groupby(_rows(query, begin, limits), lambda pair: pair[0]):
        messages = [message for _, message in pairs]
        if len(messages) > _TIES:
            raise _wrong(query, f"at most {_TIES:,} rows of one value", f"{len(messages):,} rows of {value}")
        yield value, messages


def _rows(query: Query, begin: int, limits: Limits) -> Iterator[tuple[int, bytes]]:
    last = begin
    for frame in _frames(query, begin):
        if query.cursor not in frame.columns:
            raise _wrong(query, "a column of the query", ", ".join(frame.columns))
        values = _numbers(query, frame[query.cursor])
        for value, message in zip(values, table_messages(frame, limits, text=False), strict=True):
            if value < last:
                raise _wrong(query, "values in the order of the database", f"{value} after {last}")
            last = value
            yield value, message


def _numbers(query: Query, series: pl.Series) -> list[int]:
    """The values of a cursor as whole numbers."""
    if isinstance(series.dtype, pl.Datetime):
        zoned = series.dt.replace_time_zone("UTC") if series.dtype.time_zone is None else series
        series = zoned.dt.epoch("us")
    elif not series.dtype.is_integer():
        raise _wrong(query, "a whole number or a time", str(series.dtype))
    if series.null_count():
        raise _wrong(query, "a value in every row", "null")
    values: list[int] = series.to_list()
    if values and not 0 <= min(values) <= max(values) <= _LARGEST:
        raise _wrong(query, f"values from 0 to {_LARGEST:,}", f"{min(values)} to {max(values)}")
    return values


def _frames(query: Query, begin: int) -> Iterator[pl.DataFrame]:
    """The rows of the query from a cursor value on, in its order, as the database sends them."""
    with _cursor(query) as cursor:
        is_time = _is_time(query, cursor)
        if query.address.startswith("sqlite"):
            yield from _pages(query, cursor, begin)
            return
        cursor.execute(_statement(query, begin, is_time=is_time))
        for batch in cursor.fetch_record_batch():
            yield pl.DataFrame(batch)


@contextmanager
def _cursor(query: Query) -> Iterator[Any]:
    """A cursor of the database; its failures, and those of the query, are errors of ours."""
    errors = import_module("adbc_driver_manager")
    try:
        with closing(_connected(query)) as connection, closing(connection.cursor()) as cursor:
            if query.address.startswith("sqlite"):
                cursor.adbc_statement.set_options(**_BATCH)
            yield cursor
    except (errors.OperationalError, errors.InternalError) as error:
        raise StorageError("The database cannot be read.", where=_where(query), found=said(error)) from error
    except (errors.Error, OSError, ValueError) as error:
        raise InputError(
            "The query cannot be answered.",
            where=_where(query),
            found=said(error),
            do="run it in the database itself; a column of several types needs cast(... as text)",
        ) from error


def _pages(query: Query, cursor: Any, begin: int) -> Iterator[pl.DataFrame]:
    """The rows of SQLite in pages, as a column has the type of the rows that are read together. The last value of a
    page may go on in the next one, so it is read again.
    """
    while True:
        cursor.execute(f"{_statement(query, begin, is_time=False)} limit {_PAGE}")
        page = pl.DataFrame(cursor.fetch_arrow_table())
        if page.height < _PAGE or query.cursor not in page.columns:
            yield page
            return
        values = _numbers(query, page[query.cursor])
        whole = sum(value < values[-1] for value in values)
        if not whole:
            raise _wrong(query, f"at most {_TIES:,} rows of one value", f"{len(values):,} rows of {values[-1]}")
        yield page[:whole]
        begin = values[-1]


def _is_time(query: Query, cursor: Any) -> bool:
    """Whether the cursor of a query is a time, as one row says."""
    cursor.execute(f"select {_quoted(query.cursor)} from ({_inner(query)}) as landed limit 1")
    found = pl.DataFrame(cursor.fetch_arrow_table())
    return isinstance(found.dtypes[0], pl.Datetime)


def _connected(query: Query) -> Any:
    scheme, _, rest = query.address.partition("://")
    driver = import_module(_DRIVERS[scheme])
    return driver.connect(f"file:{quote(rest.removeprefix('/'))}?mode=ro" if scheme == "sqlite" else query.address)


def _statement(query: Query, begin: int, *, is_time: bool) -> str:
    """The query for the rows from a cursor value on, in order."""
    column = f"landed.{_quoted(query.cursor)}"
    conditions = [f"{column} >= {_literal(begin, is_time=is_time)}"] if begin else []
    if is_time and query.wait:
        newest = round((datetime.now(UTC) - query.wait - _EPOCH).total_seconds() * 1_000_000)
        conditions.append(f"{column} <= {_literal(newest, is_time=True)}")
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"select * from ({_inner(query)}) as landed{where} order by {column}"


def _literal(value: int, *, is_time: bool) -> str:
    if not is_time:
        return str(value)
    return f"'{pl.Series([value], dtype=pl.Int64).cast(pl.Datetime('us', 'UTC'))[0].isoformat()}'"


def _inner(query: Query) -> str:
    return query.query.strip().rstrip(";")


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _where(query: Query) -> str:
    return f"[[ingest.queries]] {query.name}"


def _wrong(query: Query, expected: str, found: str) -> InputError:
    return InputError(
        "The cursor of the query cannot be used.",
        where=f"{_where(query)}, cursor {query.cursor}",
        expected=expected,
        found=found,
        do="name another column that grows with every row",
    )
