"""Finds rows that a table holds more than once: surplus rows that equal another row of their day in every column.

Landing never writes one. Two processes that compacted files at once did, before the lease (`expectations.lake.lease`);
other tools that compact these tables still could.

The log has the number of rows of each day, so finding out costs little: only days whose number has changed are read,
and of them only the columns of the position.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Final

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from expectations import contract
from expectations.errors import StorageError, said
from expectations.lake.layout import (
    EVENTS,
    JOURNEYS,
    PARTITION_COLUMNS,
    PROFILES,
    QUARANTINE,
    RESTATEMENTS,
    RESULTS,
    RUNS,
    Lake,
)
from expectations.lake.tables import open_delta, scan_table

LANDED: Final = (EVENTS, QUARANTINE, PROFILES)
TABLES: Final = (*LANDED, RESULTS, RUNS, JOURNEYS, RESTATEMENTS)
"""The tables whose files are compacted."""
REPEATS: Final = pl.Schema({"table": pl.String, "day": pl.Date, "rows": pl.Int64, "surplus": pl.Int64})
"""One row per day of a table (null for a table without days): its rows, and how many of them are surplus."""
_KEY: Final = "_key"
_MOST_KEYS: Final = 4_000_000
"""Positions that are compared at once; a day with more is read in pieces."""


def find_repeats(lake: Lake, name: str, known: Mapping[date | None, int] | None = None) -> pl.DataFrame:
    """The days of a table, with their surplus rows (schema `REPEATS`), without those that still have the number of
    rows that is `known`; empty when there is no table. Raises StorageError when the table cannot be read.
    """
    address, known = lake.table(name), known or {}
    try:
        table = open_delta(address)
        changed = {day: rows for day, rows in rows_by_day(table, name).items() if known.get(day) != rows}
        surplus = {day: more for days in _together(changed) for day, more in _surplus(table, name, days).items()}
        found = [(name, day, rows, surplus.get(day, 0)) for day, rows in changed.items()]
    except TableNotFoundError:
        found = []
    except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
        raise StorageError("A table of the lake cannot be read.", where=address, found=said(error)) from error
    return pl.DataFrame(found, schema=REPEATS, orient="row")


def rows_by_day(table: DeltaTable, name: str) -> dict[date | None, int]:
    """The number of rows of each day of a table, from its log alone; of a table without days, of all."""
    adds = pl.DataFrame(table.get_add_actions(flatten=True))
    if adds.is_empty():
        return {}
    column = next(iter(PARTITION_COLUMNS[name]), None)
    day = pl.col(f"partition.{column}").cast(pl.Date) if column else pl.lit(None, pl.Date)
    adds = adds.filter((day <= contract.LAST_TIME.date()).fill_null(True))  # earlier versions stored any record time
    return dict(adds.group_by(day.alias("day")).agg(pl.col("num_records").sum()).sort("day").iter_rows())


def of_day(table: DeltaTable, name: str, day: date | None) -> pl.LazyFrame:
    """The rows of one day of a table, or those without a day; all rows of a table without days."""
    return _of_days(table, name, [day])


def _of_days(table: DeltaTable, name: str, days: Collection[date | None]) -> pl.LazyFrame:
    rows = scan_table(table)
    for column in PARTITION_COLUMNS[name]:
        there = pl.col(column).is_in([day for day in days if day is not None])
        rows = rows.filter(there | pl.col(column).is_null() if None in days else there)
    return rows


def sharing_positions(rows: pl.LazyFrame, count: int) -> pl.LazyFrame:
    """Those of `count` rows whose position another row has, too; for rows without positions, those with an equal."""
    names = rows.collect_schema().names()
    key = pl.struct([name for name in contract.PLACE if name in names] or names).hash().alias(_KEY)
    shared = pl.concat(list(_shared_keys(rows.select(key), count // _MOST_KEYS + 1)))
    return rows.with_columns(key).join(shared.lazy(), on=_KEY, how="semi").drop(_KEY)


def _shared_keys(keys: pl.LazyFrame, pieces: int) -> Iterator[pl.DataFrame]:
    for piece in range(pieces):
        counts = keys.filter(pl.col(_KEY) % pieces == piece).group_by(_KEY).len("n")
        yield counts.filter(pl.col("n") > 1).select(_KEY).collect(engine="streaming")


def _together(days: Mapping[date | None, int]) -> Iterator[dict[date | None, int]]:
    """The days in groups that are read at once: as many as have no more rows than may be compared at once, or one."""
    group: dict[date | None, int] = {}
    for day, rows in days.items():
        if group and sum(group.values()) + rows > _MOST_KEYS:
            yield group
            group = {}
        group[day] = rows
    if group:
        yield group


def _surplus(table: DeltaTable, name: str, days: Mapping[date | None, int]) -> dict[date | None, int]:
    """The surplus rows of days that have some; rows that are equal in every column are of one day."""
    column = next(iter(PARTITION_COLUMNS[name]), None)
    day = pl.col(column).cast(pl.Date) if column else pl.lit(None, pl.Date)
    shared = sharing_positions(_of_days(table, name, days), sum(days.values()))
    found = shared.select(day.alias("day"), pl.struct(pl.all()).hash().alias("row")).collect(engine="streaming")
    return dict(found.group_by("day").agg(pl.len() - pl.col("row").n_unique()).iter_rows())
