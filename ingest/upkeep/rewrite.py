"""What there is to maintain of a table, and the steps of doing it: files written anew, files and log entries removed.

Only files change, never rows. When to do what is decided in `ingest.maintenance`.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final, NamedTuple

import polars as pl
from deltalake import ColumnProperties, DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError

from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.landing.commit import NO_DICTIONARY, WRITER, open_table, read_errors, write_errors

_GROUPS: Final = WriterProperties(
    compression="ZSTD",
    max_row_group_size=20_000,  # one customer of an ordered day is read without the rest of the day
    default_column_properties=ColumnProperties(statistics_enabled="CHUNK"),
    column_properties=NO_DICTIONARY,
)
BEGAN: Final = "maintenance/began"
"""Under this name a table notes when maintenance began last, in Unix seconds."""
ORDERED: Final = "ordered/{}"
"""Under this name, with a day in it, a table notes how many rows the day had when it was ordered last."""


class TableState(NamedTuple):
    """The files of a table: one row a day (null where it has no days), with files, rows, and how many rows the day had
    when it was ordered last; `began` is when maintenance began last, or the table was made, in Unix seconds.
    """

    days: pl.DataFrame
    began: float


def table_state(lake: Lake, name: str) -> TableState | None:
    """What there is to maintain of a table, from its log alone; None where there is no table yet."""
    table = open_table(lake.table(name))
    if table is None:
        return None
    column = next(iter(layout.PARTITION_COLUMNS[name]), None)
    with read_errors(lake.table(name)):
        return _days(table, column)


def _days(table: DeltaTable, column: str | None) -> TableState:
    adds = pl.DataFrame(table.get_add_actions(flatten=True))
    day = pl.col(f"partition.{column}").cast(pl.Date) if column and adds.height else pl.lit(None, pl.Date)
    count = (pl.len().alias("files"), pl.col("num_records").sum().cast(pl.Int64).alias("rows"))
    found = adds.group_by(day.alias("day")).agg(count).sort("day")
    ordered = [table.transaction_version(ORDERED.format(day)) for day in found["day"]]
    found = found.with_columns(pl.Series("ordered", ordered, pl.Int64))
    began = table.transaction_version(BEGAN) or (table.metadata().created_time or 0) / 1000
    return TableState(found, began)


def rewrite(lake: Lake, name: str, day: date | None, *, by: str | None = None) -> bool:
    """Write the files of one day, or of a table without days, anew: few large ones, ordered `by` a column if one is
    named. Returns False when somebody else rewrote them first.
    """
    address = lake.table(name)
    column = next(iter(layout.PARTITION_COLUMNS[name]), None)
    where = [(column, "=", str(day))] if column and day else None
    with write_errors(address):
        table = DeltaTable(address)
        try:
            if by is None:
                table.optimize.compact(partition_filters=where, writer_properties=WRITER)
            else:
                table.optimize.z_order([by], partition_filters=where, writer_properties=_GROUPS)
        except CommitFailedError:
            return False
    return True


def vacuum(lake: Lake, name: str, keep: timedelta) -> int:
    """Remove files that have not been part of a table for so long, and its log's old entries; returns how many files.

    A file that is not part of the table may be one that a writer is about to add, so `keep` is at least a day.
    """
    if keep < timedelta(hours=24):
        raise ValueError("files must be kept for 24 hours at least")
    with write_errors(lake.table(name)):
        table = DeltaTable(lake.table(name))
        removed = table.vacuum(
            int(keep.total_seconds() // 3600), dry_run=False, enforce_retention_duration=False, full=True
        )
        table.create_checkpoint()
        table.cleanup_metadata()
    return len(removed)
