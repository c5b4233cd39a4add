"""Rows and offsets become visible in one atomic step. The only module that adds rows to the lake's Delta tables.

A commit is a compare-and-swap. The table's log is read into a snapshot; the claims of a commit are compared with the
transaction versions of *that* snapshot; and the write is handed the *same* snapshot, so that the log refuses it when
anyone has moved one of those versions since. Writing to the table's address instead would read a new snapshot in
between and land rows twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

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

from expectations import contract
from expectations.errors import StorageError, said
from expectations.lake import layout
from expectations.lake.layout import Lake
from expectations.retries import retrying
from ingest.landing.offsets import Claim

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
NO_DICTIONARY: Final = {name: ColumnProperties(dictionary_enabled=False) for name in _UNIQUE}
"""A dictionary of values that hardly repeat costs time and space."""
WRITER: Final = WriterProperties(
    compression="ZSTD",
    compression_level=1,
    default_column_properties=ColumnProperties(statistics_enabled="CHUNK"),
    column_properties=NO_DICTIONARY,
)
_STORE: Final = {"retry_timeout": "15s"}
"""How long the store's client repeats a request that had no answer: then we try again, before the watchdog must take us
for stuck."""

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
        self._table = self._open(make=True)

    @property
    def version(self) -> int:
        """The version of the snapshot that is held."""
        return self._table.version()

    def decided(self, application: str) -> int | None:
        """The offset up to which the snapshot holds everything of an application; None when it holds nothing.

        The library looks it up in the log. Where that was begun anew, since a customer was forgotten, it is read anew.
        """
        with read_errors(self.address), suppress(DeltaError):
            return self._table.transaction_version(application)
        self.reload()
        with read_errors(self.address):
            return self._table.transaction_version(application)

    def reload(self) -> None:
        """Read the log anew. Raises StorageError when there is no table any more: a file system that is not mounted
        looks like an empty folder, and a new table in it would take the place of the one that comes back."""
        self._table = self._open()
        self._commits = 0

    def scan(self) -> pl.LazyFrame:
        """The rows of the snapshot that is held."""
        return pl.scan_delta(self._table)

    def remove(self, predicate: str) -> None:
        """Delete the rows that a SQL predicate names; those that come meanwhile stay."""
        with write_errors(self.address):
            retrying(CommitFailedError)(self._remove, predicate)

    def _remove(self, predicate: str) -> None:
        self.reload()
        self._table.delete(predicate, writer_properties=WRITER)

    def append(self, rows: pl.DataFrame, claims: Sequence[Claim]) -> bool:
        """Make rows and claims visible together; no rows are fine. Returns False, with nothing written, when a claim's
        base is not what the table holds: someone else has moved it, and what was read has to be read again.

        An error whose outcome is unknown is settled by reading the log: claims found there were landed by this call.
        """
        try:
            for attempt in retrying(DeltaError, OSError):
                with attempt:
                    is_first = attempt.retry_state.attempt_number == 1
                    return self._append(rows, claims, is_first=is_first)
        except (DeltaError, OSError) as error:
            self.reload()
            raise _unwritable(self.address, error) from error
        raise AssertionError("the last attempt returns or raises")

    def _append(self, rows: pl.DataFrame, claims: Sequence[Claim], *, is_first: bool) -> bool:
        if not is_first:
            self.reload()
        found = [self.decided(claim.application) for claim in claims]
        if not is_first and found == [claim.next for claim in claims]:
            return True
        if found != [claim.base for claim in claims]:
            return False
        self._write(rows, claims)
        return True

    def _write(self, rows: pl.DataFrame, claims: Sequence[Claim]) -> None:
        marks = [Transaction(claim.application, claim.next) for claim in claims]
        # to find expired entries is to ask for the age of every entry, seven days of them: once a checkpoint
        cleans = (self.version + 1) % _CHECKPOINT_EVERY == 0
        write_deltalake(
            self._table,
            rows,
            mode="append",
            writer_properties=WRITER,
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

    def _open(self, *, make: bool = False) -> DeltaTable:
        with write_errors(self.address):
            table = _found(self.address)
            if table is None and not make:
                raise _gone(self.address)
            if table is None:
                self._create()
            table = self._complete(table)
        if "://" not in self.address and not os.access(self.address, os.W_OK):
            raise _unwritable(self.address, None)
        return table

    def _complete(self, table: DeltaTable | None) -> DeltaTable:
        """The table with every column of the contract: one of an earlier version gets the columns that are new."""
        known = iter([table] if table else [])
        return retrying(CommitFailedError)(lambda: self._completed(next(known, None) or _table(self.address)))

    def _completed(self, table: DeltaTable) -> DeltaTable:
        known = {field.name for field in table.schema().fields}
        new = [field for field in Schema.from_arrow(_arrow(self.name)).fields if field.name not in known]
        if not new:
            return table
        table.alter.add_columns(new)
        return _table(self.address)

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


def open_table(address: str) -> DeltaTable | None:
    """The table at an address as it is now; None where there is none yet. Raises StorageError."""
    with read_errors(address):
        return _found(address)


def _found(address: str) -> DeltaTable | None:
    """Asking the library whether there is a table would hold up every other thread, heartbeats and watchdog among them,
    until the store has answered."""
    try:
        return _table(address)
    except TableNotFoundError:
        return None


def _table(address: str) -> DeltaTable:
    return DeltaTable(address, storage_options=_STORE)


def scan(lake: Lake, name: str) -> pl.LazyFrame:
    """A table as it is now; where there is none yet, an empty frame with its columns."""
    table = open_table(lake.table(name))
    return SCHEMAS[name].to_frame(eager=False) if table is None else pl.scan_delta(table)


def table_statistics(lake: Lake, name: str) -> dict[str, int | None]:
    """Version, rows, files and bytes of a table, from its log alone; None where there is no table yet."""
    held = open_table(lake.table(name))
    if held is None:
        return dict.fromkeys(("version", "rows", "files", "bytes"))
    with read_errors(lake.table(name)):
        files = pl.DataFrame(held.get_add_actions(flatten=True))
    return {
        "version": held.version(),
        "rows": int(files["num_records"].sum()),
        "files": files.height,
        "bytes": int(files["size_bytes"].sum()),
    }


def check_writable(lake: Lake) -> None:
    """Open the table of events, making it when it is not there. Raises StorageError when the lake cannot be written."""
    Table(lake, layout.EVENTS)


@contextmanager
def read_errors(address: str) -> Iterator[None]:
    """What goes wrong with the store meanwhile is a StorageError."""
    try:
        yield
    except (DeltaError, OSError) as error:
        raise StorageError(
            "The lake cannot be read.",
            where=address,
            expected="the table that was written there, and a store that answers",
            found=said(error),
            do="mend the permissions, the credentials or the way to the store",
        ) from error


@contextmanager
def write_errors(address: str) -> Iterator[None]:
    """What goes wrong with the store meanwhile is a StorageError."""
    try:
        yield
    except (DeltaError, OSError) as error:
        raise _unwritable(address, error) from error


def _gone(address: str) -> StorageError:
    return StorageError(
        "The lake's table is gone, though it was there when the run began.",
        where=address,
        expected="the table that was written before",
        found="nothing",
        do="mount or restore the lake; to begin with an empty one, start the consumers again",
    )


def _unwritable(address: str, error: Exception | None) -> StorageError:
    return StorageError(
        "The lake cannot be written.",
        where=address,
        expected="a folder or object store that this process may write",
        found=said(error) if error else "no permission to write there",
        do="mend the permissions or the free space, or name another place under [lake] address",
    )
