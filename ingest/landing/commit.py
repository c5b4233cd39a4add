"""Commits rows and offsets to a Delta table in one atomic step. The only module that adds rows to the lake's tables.

A commit is a compare-and-swap. `Table` reads the table's log into a snapshot, compares the claims of the commit with
the transaction versions of that snapshot, and writes through the *same* snapshot, so Delta rejects the write if another
process has moved one of those versions since. Writing to the table's address instead would read a newer snapshot
between comparison and write, and land rows twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Schema,
    Transaction,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from expectations import contract
from expectations.errors import StorageError, said
from expectations.lake import layout
from expectations.lake.layout import Lake
from expectations.lake.lease import Lease
from expectations.lake.tables import open_delta, scan_table
from expectations.lake.writing import WRITER
from expectations.retries import retrying
from ingest.landing.offsets import Claim

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CHECKPOINT_EVERY: Final = 25
_REMOVED_FILES_STAY: Final = timedelta(hours=25)
"""How long checkpoints list removed files. `expectations.lake.erase` relies on that list for a day; a longer one makes
every checkpoint larger."""


def retention(keep: timedelta) -> dict[str, str]:
    """The properties of a table that say how long its log keeps versions, and files that are no longer in it."""
    return {
        "delta.logRetentionDuration": f"interval {keep // timedelta(hours=1)} hours",
        "delta.deletedFileRetentionDuration": f"interval {_REMOVED_FILES_STAY // timedelta(hours=1)} hours",
    }


_CONFIGURATION: Final = {"delta.checkpointInterval": str(_CHECKPOINT_EVERY), **retention(timedelta(days=7))}
_STORE: Final = {"retry_timeout": "15s"}
"""How long the object store client retries a request without an answer. Our own retries begin after that, and before
the watchdog considers the process stuck."""

SCHEMAS: Final[dict[str, pl.Schema]] = {
    layout.EVENTS: contract.EVENTS,
    layout.QUARANTINE: contract.QUARANTINE,
    layout.PROFILES: contract.PROFILES,
}


class Table:
    """One Delta table of the lake, appended to by compare-and-swap. The table is created if it does not exist.

    Raises StorageError when the lake cannot be written.
    """

    def __init__(self, lake: Lake, name: str, *, reload_every: int = _CHECKPOINT_EVERY) -> None:
        self.name = name
        self.address = lake.table(name)
        self._reload_every = reload_every
        self._table = self._open(make=True)

    @property
    def version(self) -> int:
        """The version of the current snapshot."""
        return self._table.version()

    def decided(self, application: str) -> int | None:
        """The offset stored for an application (a partition's name); None if there is none.

        When the log was rewritten meanwhile, as forgetting a customer does, it is reloaded.
        """
        with read_errors(self.address), suppress(DeltaError):
            return self._table.transaction_version(application)
        self.reload()
        with read_errors(self.address):
            return self._table.transaction_version(application)

    def reload(self) -> None:
        """Read the log again. Raises StorageError if the table is gone: an unmounted file system looks like an empty
        folder, and a table created there would hide the real one once it is mounted again."""
        self._table = self._open()

    def scan(self) -> pl.LazyFrame:
        """The rows of the current snapshot."""
        return scan_table(self._table)

    def remove(self, conditions: Iterable[str]) -> None:
        """Delete the rows that match one of these SQL conditions. Rows committed meanwhile stay."""
        with write_errors(self.address), Lease(self.address, urgent=True) as lease:
            for condition in conditions:
                lease.table()
                retrying(DeltaError, OSError)(self._remove, condition)

    def _remove(self, condition: str) -> None:
        self.reload()
        self._table.delete(condition, writer_properties=WRITER)

    def append(self, rows: pl.DataFrame, claims: Sequence[Claim]) -> bool:
        """Commit rows (possibly none) and claims together.

        Returns False, with nothing written, if the base of a claim differs from the stored offset: another process has
        moved the partition, and its records must be read again. When an error leaves the outcome unknown, the log
        decides: if it holds the claims, this call has landed them.
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
        stored = [self.decided(claim.application) for claim in claims]
        if not is_first and stored == [claim.next for claim in claims]:
            return True
        if stored != [claim.base for claim in claims]:
            return False
        self._write(rows, claims)
        return True

    def _write(self, rows: pl.DataFrame, claims: Sequence[Claim]) -> None:
        transactions = [Transaction(claim.application, claim.next) for claim in claims]
        before = self._period
        # finding expired log entries asks for the age of each of them, so it is done once per checkpoint
        cleans = (self.version + 1) % _CHECKPOINT_EVERY == 0
        write_deltalake(
            self._table,
            rows,
            mode="append",
            writer_properties=WRITER,
            commit_properties=CommitProperties(app_transactions=transactions),
            post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=cleans),
            schema_mode="merge" if self._is_newer else None,
        )
        if self._period > before:
            self.reload()

    @property
    def _period(self) -> int:
        """The number of checkpoints so far. A snapshot replays, at each commit, all entries since the checkpoint from
        which it was read; one that was read right before the next checkpoint would replay up to twice as many."""
        return (self.version + 1) // self._reload_every

    @property
    def _is_newer(self) -> bool:
        """Whether a later version of the product has added columns; this version leaves them null."""
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
        """Add the columns of the contract that a table of an earlier version lacks."""
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
    """Open the table at an address; None if there is none yet. Raises StorageError."""
    with read_errors(address):
        return _found(address)


def _found(address: str) -> DeltaTable | None:
    """Open the table, or return None. `DeltaTable.is_deltatable` is avoided: it blocks every other thread, heartbeats
    and watchdog included, until the store answers."""
    try:
        return _table(address)
    except TableNotFoundError:
        return None


def _table(address: str) -> DeltaTable:
    return open_delta(address, options=_STORE)


def scan(lake: Lake, name: str) -> pl.LazyFrame:
    """The rows of a table; an empty frame with its columns if there is no table yet."""
    table = open_table(lake.table(name))
    if table is None:
        return SCHEMAS[name].to_frame(eager=False)
    return _with_times(scan_table(table)) if name == layout.QUARANTINE else scan_table(table)


def _with_times(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows of a quarantine, received in 1970 if an earlier version stored a time that Python does not have."""
    received = pl.col(contract.RECEIVED_AT)
    known = received.is_between(contract.FIRST_TIME, contract.LAST_TIME)
    return rows.with_columns(
        pl.when(known).then(received).otherwise(_EPOCH),
        pl.when(known).then("received_date").otherwise(_EPOCH.date()),
    )


def table_statistics(lake: Lake, name: str) -> dict[str, int | None]:
    """Version, rows, files and bytes of a table, read from its log alone; all None if there is no table yet."""
    table = open_table(lake.table(name))
    if table is None:
        return dict.fromkeys(("version", "rows", "files", "bytes"))
    with read_errors(lake.table(name)):
        files = pl.DataFrame(table.get_add_actions(flatten=True))
    return {
        "version": table.version(),
        "rows": int(files["num_records"].sum()),
        "files": files.height,
        "bytes": int(files["size_bytes"].sum()),
    }


def check_writable(lake: Lake) -> None:
    """Open the events table, creating it if needed. Raises StorageError when the lake cannot be written."""
    Table(lake, layout.EVENTS)


@contextmanager
def read_errors(address: str) -> Iterator[None]:
    """Turn errors of the store into StorageError while the table at `address` is read."""
    try:
        yield
    except (DeltaError, OSError) as error:
        raise StorageError(
            "The lake cannot be read.",
            where=address,
            expected="the table that was written there, and a store that answers",
            found=said(error),
            do="fix the permissions, the credentials or the way to the store",
        ) from error


@contextmanager
def write_errors(address: str) -> Iterator[None]:
    """Turn errors of the store into StorageError while the table at `address` is written."""
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
        do="fix the permissions or the free space, or name another place under [lake] address",
    )
