"""Restores the lake to an earlier time: rows and offsets go back together, in one commit per table.

Use it after a faulty deployment, or a mistake in the lake itself. Delta's own restore leaves the offsets unchanged, so
records that were rolled back would never be read again. Here each table's offsets go back with its rows: the lake is
then in the state as if every consumer had crashed at that time, and consumers resume from there, as far back as the
brokers still hold records. Which version a table had at a time is read from the entries of its log, so a copy of the
lake, whose files have other times, is restored to the same state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError

from expectations.errors import StorageError
from expectations.lake import files, layout
from expectations.lake.layout import Lake
from expectations.lake.lease import Lease
from expectations.lake.log import Version, oldest_version, transactions, version_at
from ingest.landing.commit import open_table

TABLES: Final = (layout.EVENTS, layout.PROFILES, layout.QUARANTINE)
"""Events first: quarantine and profiles may be ahead of them, never behind."""
PREVIEW: Final = pl.Schema(
    {
        "table": pl.String(),
        "version": pl.Int64(),
        "committed_at": pl.Datetime("us", "UTC"),
        "rows_now": pl.Int64(),
        "rows_then": pl.Int64(),
        "files_removed": pl.Int64(),
        "files_returned": pl.Int64(),
    }
)
"""One row per table: the version to restore and when it was committed, its rows now and then, and the files that leave
and return. A compacted file counts as removed where the smaller ones of before return."""
_MOVED: Final = ("ingest/", "generation/")


@dataclass(slots=True)
class RestoreResult:
    """The result: the version that each table was restored to, and the number of offsets restored with it."""

    versions: dict[str, int] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)


def preview(lake: Lake, to: datetime) -> pl.DataFrame:
    """What `restore` would change: one row per table that it sets back (schema `PREVIEW`).

    Raises StorageError when a table, its log or the files of that time cannot be read.
    """
    rows: list[tuple[object, ...]] = []
    for name in TABLES:
        table = open_table(lake.table(name))
        if table is not None and (then := _version(table, to)).number != table.version():
            now, back = _files(table), _files(DeltaTable(table.table_uri, version=then.number))
            returned = back.join(now, on="path", how="anti")
            _check_files(table.table_uri, returned["path"], to)
            removed = now.join(back, on="path", how="anti").height
            rows.append((name, then.number, then.at, now["rows"].sum(), back["rows"].sum(), removed, returned.height))
    return pl.DataFrame(rows, schema=PREVIEW, orient="row")


def restore(lake: Lake, to: datetime) -> RestoreResult:
    """Restore events, profiles and quarantine to their state at time `to`. A table created later becomes empty; a
    missing table is skipped.

    Stop the consumers first; one that still runs drops its buffers. Raises StorageError when versions or files of that
    time are gone (with no table changed), or when something lands meanwhile.
    """
    preview(lake, to)
    done = RestoreResult()
    for name in TABLES:
        table = open_table(lake.table(name))
        if table is not None:
            try:
                done.versions[name], done.offsets[name] = _restore(table, _version(table, to).number)
            except (DeltaError, OSError) as error:
                raise _too_far(table.table_uri, to, error) from error
    return done


def _version(table: DeltaTable, to: datetime) -> Version:
    """The last version committed at `to` or before, by the times in the log; the first of a table created later."""
    found = version_at(table.table_uri, to) or oldest_version(table.table_uri)
    if found is None or (found.at > to and found.number > 0):
        known = f"its oldest version is of {found.at.isoformat()}" if found else "its log names no times"
        raise _too_far(table.table_uri, to, FileNotFoundError(known))
    return found


def _files(table: DeltaTable) -> pl.DataFrame:
    """The files of a table and their rows, from its log."""
    adds = pl.DataFrame(table.get_add_actions(flatten=True))
    return adds.select("path", rows=pl.col("num_records").cast(pl.Int64))


def _check_files(address: str, names: pl.Series, to: datetime) -> None:
    gone = set(names) - set(files.listing(address)) if len(names) else set()
    if gone:
        raise _too_far(address, to, FileNotFoundError(f"{len(gone)} of its files are gone"))


def _restore(table: DeltaTable, version: int) -> tuple[int, int]:
    if version == table.version():
        return version, 0
    with Lease(table.table_uri, urgent=True) as lease:
        table = lease.table() or table
        offsets = _offsets(table, DeltaTable(table.table_uri, version=version))
        moved = [Transaction(name, offset) for name, offset in offsets.items()]
        table.restore(version, commit_properties=CommitProperties(app_transactions=moved))
    return version, len(moved)


def _offsets(table: DeltaTable, then: DeltaTable) -> Mapping[str, int]:
    """The earlier values of offsets that have moved since; 0 for those that did not exist, so all is read again."""
    offsets: dict[str, int] = {}
    for name in transactions(table):
        before = then.transaction_version(name)
        is_offset = name.startswith(_MOVED) and (before is not None or name.startswith("ingest/"))
        if is_offset and before != table.transaction_version(name):
            offsets[name] = before or 0
    return offsets


def _too_far(address: str, to: datetime, error: Exception) -> StorageError:
    crowded = isinstance(error, CommitFailedError)
    return StorageError(
        "The table cannot be restored.",
        where=address,
        expected=f"its versions and files from {to.isoformat()} on, and no process that writes to it",
        found="something was written meanwhile" if crowded else str(error).splitlines()[0],
        do="stop the consumers and try again"
        if crowded
        else "name a later time: old versions are removed by maintenance",
    )
