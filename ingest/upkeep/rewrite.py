"""The steps of maintenance: read the state of a table's files, rewrite them, remove unused files and log entries.

`ingest.upkeep.maintenance` decides which step is due.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple, TypeVar

import polars as pl
from deltalake import ColumnProperties, DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError

from expectations import contract
from expectations.lake import layout
from expectations.lake.layout import Lake
from expectations.lake.lease import Lease
from expectations.lake.log import oldest_version, thin_log
from expectations.lake.manifest import newest_manifest
from expectations.lake.tables import open_delta
from expectations.lake.writing import NO_DICTIONARY, WRITER
from expectations.retries import retrying
from ingest.landing.commit import (
    SCHEMAS,
    Table,
    open_table,
    read_errors,
    retention,
    write_errors,
)
from ingest.landing.offsets import Claim
from ingest.settings.ingest import MaintenanceSettings

T = TypeVar("T")

GROUPS: Final = WriterProperties(
    compression="ZSTD",
    max_row_group_size=20_000,
    default_column_properties=ColumnProperties(statistics_enabled="CHUNK"),
    column_properties=NO_DICTIONARY,
)
"""Small row groups: one customer of an ordered day is read without the rest of the day."""
_SORT_BYTES: Final = 200 << 20
"""Memory for ordering a day; what needs more goes to temporary files, since consumers do this beside their work."""
BEGAN: Final = "maintenance/began"
"""The name under which a table stores when maintenance last began, in Unix seconds."""
ORDERED: Final = "ordered/{}"
"""The name under which a table stores the rows that a day had when it was last ordered."""


class TableState(NamedTuple):
    """The state of a table's files.

    `days` has one row per day (null for a table without days): day, files, rows, and ordered, the rows that the day had
    when it was last ordered. `began` is when maintenance last began, else when the table was created, in Unix seconds.
    """

    days: pl.DataFrame
    began: float


def table_state(lake: Lake, name: str) -> TableState | None:
    """Read the state of a table from its log alone; None if there is no table yet."""
    address, column = lake.table(name), next(iter(layout.PARTITION_COLUMNS[name]), None)
    table = open_table(address)
    if table is None:
        return None
    with suppress(DeltaError):
        return _state(table, column)
    with read_errors(address):  # entries of the log were removed meanwhile, as forgetting a customer does
        return _state(open_delta(address), column)


def _state(table: DeltaTable, column: str | None) -> TableState:
    adds = pl.DataFrame(table.get_add_actions(flatten=True))
    day = pl.col(f"partition.{column}").cast(pl.Date) if column and adds.height else pl.lit(None, pl.Date)
    count = (pl.len().alias("files"), pl.col("num_records").sum().cast(pl.Int64).alias("rows"))
    adds = adds.filter((day <= contract.LAST_TIME.date()).fill_null(True))  # earlier versions stored any record time
    days = adds.group_by(day.alias("day")).agg(count).sort("day")
    ordered = [table.transaction_version(ORDERED.format(day)) for day in days["day"]]
    days = days.with_columns(pl.Series("ordered", ordered, pl.Int64))
    began = table.transaction_version(BEGAN) or (table.metadata().created_time or 0) / 1000
    return TableState(days, began)


def rewrite(lease: Lease, name: str, day: date | None, *, by: str | None = None) -> bool:
    """Rewrite the files of one day, or of a table without days, as few large ones, ordered `by` a column if given.

    Returns False, with nothing changed, if another process holds the lease of the table or takes it meanwhile.
    """
    column = next(iter(layout.PARTITION_COLUMNS[name]), None)
    where = [(column, "=", str(day))] if column and day else None

    def written(table: DeltaTable) -> bool:
        if by is None:
            table.optimize.compact(partition_filters=where, writer_properties=WRITER)
        else:
            table.optimize.z_order([by], partition_filters=where, writer_properties=GROUPS, max_spill_size=_SORT_BYTES)
        return True

    return bool(under_lease(lease, written))


def under_lease(lease: Lease, change: Callable[[DeltaTable], T]) -> T | None:
    """Change a table, and return what `change` returns.

    Returns None, with no commit half done, if another process holds the lease of the table or takes it meanwhile.
    """
    with write_errors(lease.address):
        table = lease.table()
        if table is None:
            return None
        try:
            return change(table)
        except CommitFailedError:
            return None
        except (DeltaError, OSError):
            if lease.is_held:
                raise
            return None  # whoever took the lease may have removed the files that were being read


def note(lake: Lake, name: str, key: str, value: int) -> bool:
    """Store a number in the log of a table; returns False if another process has changed it meanwhile."""
    table = Table(lake, name)
    return table.append(SCHEMAS[name].to_frame(eager=True), [Claim(key, table.decided(key), value)])


def vacuum(lake: Lake, name: str, keep: timedelta) -> int:
    """Remove expired log entries, and files unused for longer than `keep`; returns the number of files.

    A file outside the table may belong to a commit in progress, so `keep` must be at least a day.
    """
    if keep < timedelta(hours=24):
        raise ValueError("files must be kept for 24 hours at least")
    with write_errors(lake.table(name)):
        return retrying(DeltaError, OSError)(_vacuum, lake.table(name), int(keep.total_seconds() // 3600))


def _vacuum(address: str, hours: int) -> int:
    """What any version that can still be opened reads was in the oldest of them, or was written since: so vacuum needs
    no record of removed files, and checkpoints may drop these records after `REMOVED_FILES_STAY`."""
    table = open_delta(address)
    _set_retention(table, hours)
    table.create_checkpoint()
    table.cleanup_metadata()
    oldest = oldest_version(address)
    removed = table.vacuum(
        hours,
        dry_run=False,
        enforce_retention_duration=False,
        full=True,
        keep_versions=[oldest.number] if oldest else None,
    )
    return len(removed)


def _set_retention(table: DeltaTable, hours: int) -> None:
    wanted = retention(timedelta(hours=hours))
    if not wanted.items() <= table.metadata().configuration.items():
        table.alter.set_table_properties(wanted)


def bound_log(lake: Lake, name: str, settings: MaintenanceSettings) -> int:
    """Remove surplus entries of a table's log (`expectations.lake.log`); returns how many files were removed."""
    address, now = lake.table(name), datetime.now(UTC)
    with write_errors(address):
        return thin_log(address, settings.versions, settings.keep, now, _stitched(lake, name))


def _stitched(lake: Lake, name: str) -> int | None:
    """The version of a table that the path store was built from: reports look it up."""
    with suppress(ValueError):  # a damaged store: reports cannot read it either
        manifest = newest_manifest(lake.paths) or {}
        version = manifest.get("built_from", {}).get(name)
        return version if isinstance(version, int) else None
    return None
