"""Rows and offsets become visible in one atomic step. The only module that writes the lake's Delta tables.

A commit is a compare-and-swap. The table's log is read into a snapshot; the claims of a commit are compared with the
transaction versions of *that* snapshot; and the write is handed the *same* snapshot, so that the log refuses it when
anyone has moved one of those versions since. Writing to the table's address instead would read a new snapshot in
between and land rows twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl
import pyarrow as pa
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Schema,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from expectations import contract, layout
from expectations.errors import StorageError
from expectations.layout import Lake
from ingest.offsets import Claim

_CHECKPOINT_EVERY: Final = 25
_CONFIGURATION: Final = {
    "delta.checkpointInterval": str(_CHECKPOINT_EVERY),
    "delta.logRetentionDuration": "interval 7 days",
}
_UNIQUE: Final = (
    "event_id",
    "session_id",
    "order_id",
    "occurred_at",
    "received_at",
    "url",
    "properties",
    "offset",
    "raw",
)
_WRITER: Final = WriterProperties(
    compression="ZSTD",
    compression_level=1,
    default_column_properties=ColumnProperties(statistics_enabled="CHUNK"),
    # a dictionary of values that hardly repeat costs time and space
    column_properties={name: ColumnProperties(dictionary_enabled=False) for name in _UNIQUE},
)
_GROUPS: Final = WriterProperties(
    compression="ZSTD",
    max_row_group_size=20_000,  # one customer of an ordered day is read without the rest of the day
    default_column_properties=ColumnProperties(statistics_enabled="CHUNK"),
    column_properties={name: ColumnProperties(dictionary_enabled=False) for name in _UNIQUE},
)
_TRIES: Final = 6
_PAUSE_SECONDS: Final = 0.05

SCHEMAS: Final[dict[str, pl.Schema]] = {
    layout.EVENTS: contract.EVENTS,
    layout.QUARANTINE: contract.QUARANTINE,
    layout.PROFILES: contract.PROFILES,
}


class Table:
    """One Delta table of the lake, made when it is not there, and grown by compare-and-swap.

    Raises StorageError when the lake cannot be written.
    """

    def __init__(self, lake: Lake, name: str, *, reload_every: int = 25) -> None:
        self.name = name
        self.address = lake.table(name)
        self._reload_every = reload_every
        self._commits = 0
        self._table = self._open()

    @property
    def version(self) -> int:
        """The version of the snapshot that is held."""
        return self._table.version()

    def decided(self, application: str) -> int | None:
        """The offset up to which the snapshot holds everything of an application; None when it holds nothing."""
        return self._table.transaction_version(application)

    def reload(self) -> None:
        """Read the log anew."""
        self._table = self._open()
        self._commits = 0

    def scan(self) -> pl.LazyFrame:
        """The rows of the snapshot that is held."""
        return pl.scan_delta(self._table)

    def remove(self, predicate: str) -> None:
        """Delete the rows that a SQL predicate names; those that come meanwhile stay."""
        for attempt in range(_TRIES):
            self.reload()
            try:
                self._table.delete(predicate, writer_properties=_WRITER)
            except CommitFailedError as error:
                if attempt == _TRIES - 1:
                    raise _unwritable(self.address, error) from error
                time.sleep(_PAUSE_SECONDS * 2**attempt)
            except (DeltaError, OSError) as error:
                raise _unwritable(self.address, error) from error
            else:
                return

    def append(self, rows: pl.DataFrame, claims: Sequence[Claim]) -> bool:
        """Make rows and claims visible together; no rows are fine. Returns False, with nothing written, when a claim's
        base is not what the table holds: someone else has moved it, and what was read has to be read again.

        An error whose outcome is unknown is settled by reading the log: claims found there were landed by this call.
        """
        error: Exception | None = None
        for attempt in range(_TRIES):
            found = [self.decided(claim.application) for claim in claims]
            if attempt and found == [claim.next for claim in claims]:
                return True
            if found != [claim.base for claim in claims]:
                return False
            try:
                self._write(rows, claims)
            except (DeltaError, OSError) as failed:
                error = failed
                time.sleep(_PAUSE_SECONDS * 2**attempt)
                self.reload()
            else:
                return True
        raise _unwritable(self.address, error)

    def _write(self, rows: pl.DataFrame, claims: Sequence[Claim]) -> None:
        marks = [Transaction(claim.application, claim.next) for claim in claims]
        # to find expired entries is to ask for the age of every entry, seven days of them: once a checkpoint
        cleans = (self.version + 1) % _CHECKPOINT_EVERY == 0
        write_deltalake(
            self._table,
            rows,
            mode="append",
            writer_properties=_WRITER,
            commit_properties=CommitProperties(app_transactions=marks),
            post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=cleans),
            schema_mode="merge" if self._is_newer else None,
        )
        self._commits += 1
        if self._commits >= self._reload_every:
            self.reload()

    @property
    def _is_newer(self) -> bool:
        """Whether a later version of the product has added columns: they stay null in what we write."""
        return len(self._table.schema().fields) > len(SCHEMAS[self.name])

    def _open(self) -> DeltaTable:
        try:
            table = opened(self.address)
            if table is None:
                self._create()
            table = self._complete(table)
        except (DeltaError, OSError) as error:
            raise _unwritable(self.address, error) from error
        if "://" not in self.address and not os.access(self.address, os.W_OK):
            raise _unwritable(self.address, None)
        return table

    def _complete(self, table: DeltaTable | None) -> DeltaTable:
        """The table with every column of the contract: one of an earlier version gets the columns that are new."""
        for attempt in range(_TRIES):
            table = table or DeltaTable(self.address)
            known = {field.name for field in table.schema().fields}
            new = [field for field in Schema.from_arrow(_arrow(self.name)).fields if field.name not in known]
            if not new:
                break
            try:
                table.alter.add_columns(new)
            except CommitFailedError:
                if attempt == _TRIES - 1:
                    raise
                time.sleep(_PAUSE_SECONDS * 2**attempt)
            table = None
        return table or DeltaTable(self.address)

    def _create(self) -> None:
        if "://" not in self.address:
            Path(self.address).mkdir(parents=True, exist_ok=True)
        DeltaTable.create(
            self.address,
            schema=_arrow(self.name),
            mode="ignore",
            partition_by=layout.PARTITION_COLUMNS[self.name],
            configuration=_CONFIGURATION,
        )


def _arrow(name: str) -> pa.Schema:
    return pa.schema(SCHEMAS[name].to_frame(eager=True).to_arrow().schema)


def opened(address: str) -> DeltaTable | None:
    """The table at an address as it is now; None where there is none yet.

    Asking the library whether there is one would hold up every other thread, heartbeats and watchdog among them, until
    the store has answered.
    """
    try:
        return DeltaTable(address)
    except TableNotFoundError:
        return None


def scan(lake: Lake, name: str) -> pl.LazyFrame:
    """A table as it is now; where there is none yet, an empty frame with its columns."""
    table = opened(lake.table(name))
    return SCHEMAS[name].to_frame(eager=False) if table is None else pl.scan_delta(table)


def facts(lake: Lake, name: str) -> dict[str, int | None]:
    """Version, rows, files and bytes of a table, from its log alone; None where there is no table yet."""
    held = opened(lake.table(name))
    if held is None:
        return dict.fromkeys(("version", "rows", "files", "bytes"))
    files = pl.DataFrame(held.get_add_actions(flatten=True))
    return {
        "version": held.version(),
        "rows": int(files["num_records"].sum()),
        "files": files.height,
        "bytes": int(files["size_bytes"].sum()),
    }


BEGAN: Final = "maintenance/began"
"""Under this name a table notes when maintenance began last, in Unix seconds."""
ORDERED: Final = "ordered/{}"
"""Under this name, with a day in it, a table notes how many rows the day had when it was ordered last."""


class Days(NamedTuple):
    """The files of a table: one row a day (null where it has no days), with files, rows, and how many rows the day had
    when it was ordered last; `began` is when maintenance began last, or the table was made, in Unix seconds.
    """

    days: pl.DataFrame
    began: float


def days(lake: Lake, name: str) -> Days | None:
    """What there is to maintain of a table, from its log alone; None where there is no table yet."""
    table = opened(lake.table(name))
    if table is None:
        return None
    adds = pl.DataFrame(table.get_add_actions(flatten=True))
    column = next(iter(layout.PARTITION_COLUMNS[name]), None)
    day = pl.col(f"partition.{column}").cast(pl.Date) if column and adds.height else pl.lit(None, pl.Date)
    count = (pl.len().alias("files"), pl.col("num_records").sum().cast(pl.Int64).alias("rows"))
    found = adds.group_by(day.alias("day")).agg(count).sort("day")
    ordered = [table.transaction_version(ORDERED.format(day)) for day in found["day"]]
    found = found.with_columns(pl.Series("ordered", ordered, pl.Int64))
    began = table.transaction_version(BEGAN) or (table.metadata().created_time or 0) / 1000
    return Days(found, began)


def tidy(lake: Lake, name: str, day: date | None, *, by: str | None = None) -> bool:
    """Write the files of one day, or of a table without days, anew: few large ones, ordered `by` a column if one is
    named. Returns False when somebody else rewrote them first.
    """
    table = DeltaTable(lake.table(name))
    column = next(iter(layout.PARTITION_COLUMNS[name]), None)
    where = [(column, "=", str(day))] if column and day else None
    try:
        if by is None:
            table.optimize.compact(partition_filters=where, writer_properties=_WRITER)
        else:
            table.optimize.z_order([by], partition_filters=where, writer_properties=_GROUPS)
    except CommitFailedError:
        return False
    except (DeltaError, OSError) as error:
        raise _unwritable(table.table_uri, error) from error
    return True


def vacuum(lake: Lake, name: str, keep: timedelta) -> int:
    """Remove files that have not been part of a table for so long, and its log's old entries; returns how many files.

    A file that is not part of the table may be one that a writer is about to add, so `keep` is at least a day.
    """
    if keep < timedelta(hours=24):
        raise ValueError("files must be kept for 24 hours at least")
    table = DeltaTable(lake.table(name))
    try:
        removed = table.vacuum(
            int(keep.total_seconds() // 3600), dry_run=False, enforce_retention_duration=False, full=True
        )
        table.create_checkpoint()
        table.cleanup_metadata()
    except (DeltaError, OSError) as error:
        raise _unwritable(table.table_uri, error) from error
    return len(removed)


def probe(lake: Lake) -> None:
    """Open the table of events, making it when it is not there. Raises StorageError when the lake cannot be written."""
    Table(lake, layout.EVENTS)


def _unwritable(address: str, error: Exception | None) -> StorageError:
    return StorageError(
        "The lake cannot be written.",
        where=address,
        expected="a folder or object store that this process may write",
        found=str(error).splitlines()[0] if error else "no permission to write there",
        do="mend the permissions or the free space, or name another place under [lake] address",
    )
