"""Finds rows that tables hold more than once, and removes the surplus ones; of equal rows one stays.

A table's log keeps the number of rows that each day without repeats had, so that it is not read again.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import Final

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from expectations import contract
from expectations.lake.layout import PARTITION_COLUMNS, Lake
from expectations.lake.lease import Lease
from expectations.lake.repeats import REPEATS, TABLES, find_repeats, of_day, rows_by_day, sharing_positions
from expectations.lake.writing import WRITER
from expectations.retries import retrying
from ingest.landing.commit import open_table, read_errors, write_errors

_DISTINCT: Final = "distinct/{}"
"""The name under which a table stores the rows of a day without repeats."""


def repeats(lake: Lake) -> pl.DataFrame:
    """The days with surplus rows, of all tables (schema `REPEATS`). Raises StorageError when a table cannot be read."""
    found = [_repeats(lake, name) for name in TABLES]
    return pl.concat([REPEATS.to_frame(eager=True), *found])


def _repeats(lake: Lake, name: str) -> pl.DataFrame:
    table = open_table(lake.table(name))
    if table is None:
        return REPEATS.to_frame(eager=True)
    with read_errors(lake.table(name)):
        known = {day: table.transaction_version(_DISTINCT.format(day)) or 0 for day in rows_by_day(table, name)}
    found = find_repeats(lake, name, known)
    clean = found.filter(pl.col("surplus") == 0)
    if clean.height:
        with suppress(DeltaError, OSError):  # another process was faster, or this one may only read
            _store(table, name, dict(clean.select("day", "rows").iter_rows()))
    return found.filter(pl.col("surplus") > 0)


def _store(table: DeltaTable, name: str, distinct: dict[date | None, int]) -> None:
    stored = CommitProperties(app_transactions=[Transaction(_DISTINCT.format(day), n) for day, n in distinct.items()])
    table.create_write_transaction([], "append", table.schema(), PARTITION_COLUMNS[name], commit_properties=stored)


def repair(lake: Lake, found: pl.DataFrame) -> int:
    """Remove the surplus rows of these days (schema `REPEATS`), one commit per day; returns how many were removed.

    Only rows between the offsets of repeated ones are rewritten, so events may land meanwhile. Raises StorageError when
    the lake cannot be written.
    """
    removed = 0
    for name, day in found.select("table", "day").iter_rows():
        with write_errors(lake.table(name)), Lease(lake.table(name), urgent=True) as lease:
            removed += retrying(CommitFailedError)(_repair, lease, name, day)
    return removed


def _repair(lease: Lease, name: str, day: date | None) -> int:
    table = lease.table()
    if table is None:
        raise CommitFailedError("another process holds the lease of the table")
    rows = of_day(table, name, day)
    around, predicate = _around(sharing_positions(rows, rows_by_day(table, name).get(day, 0)), name, day)
    before = rows.filter(around).collect(engine="streaming")
    after = before.unique(maintain_order=True)
    if after.height < before.height:
        write_deltalake(table, after, mode="overwrite", predicate=predicate, writer_properties=WRITER)
    return before.height - after.height


def _around(shared: pl.LazyFrame, name: str, day: date | None) -> tuple[pl.Expr, str | None]:
    """The rows of a day between the first and the last of these offsets of each partition, as expression and as SQL."""
    if contract.OFFSET not in shared.collect_schema():
        return pl.lit(True), None
    offset = pl.col(contract.OFFSET)
    spans = shared.group_by(contract.TOPIC, contract.PARTITION).agg(first=offset.min(), last=offset.max())
    expressions, texts = [pl.lit(False)], ["false"]
    for topic, partition, first, last in spans.collect(engine="streaming").iter_rows():
        here = (pl.col(contract.TOPIC) == topic) & (pl.col(contract.PARTITION) == partition)
        expressions.append(here & offset.is_between(first, last))
        quoted = topic.replace("'", "''")
        texts.append(
            f"({contract.TOPIC} = '{quoted}' AND {contract.PARTITION} = {partition}"
            f' AND "{contract.OFFSET}" BETWEEN {first} AND {last})'
        )
    days = [f"{column} = '{day}'" if day else f"{column} IS NULL" for column in PARTITION_COLUMNS[name]]
    return pl.any_horizontal(expressions), " AND ".join([*days, f"({' OR '.join(texts)})"])
