"""How does a row leave a Delta table for good? It is deleted, then its files go, then what the log tells of it.

A deletion alone hides rows: files that held them stay for readers of older versions, and the log keeps the condition of
the deletion and the smallest and largest values of each file. Here nothing of that is left: the log begins anew with a
checkpoint of the table as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from expectations.errors import StorageError, said
from expectations.lake import files
from expectations.lake.layout import Lake
from expectations.retries import retrying

_DIGITS: Final = 20
_HOURS: Final = 24
"""A file that no version knows may be one that a writer is about to add, unless it is as old as this."""


@dataclass(frozen=True)
class Erased:
    """What erasing did to one table: rows before and after, data files rewritten, files removed from storage, entries
    removed from the log.
    """

    table: str
    before: int
    after: int
    rewritten: int
    removed: int
    log: int


def erase(lake: Lake, name: str, predicate: str | None) -> Erased:
    """Delete the rows that fulfil `predicate` (SQL; None for no row), and remove files and log that tell of them.

    Events may land meanwhile. Older versions of the table can no longer be read.
    """
    address = lake.table(name)
    try:
        table = DeltaTable(address)
        before, there = table.count(), _data_files(address)
        rewritten = _deleted(table, predicate) if predicate else 0
        table.vacuum(0, dry_run=False, enforce_retention_duration=False)
        table.vacuum(_HOURS, dry_run=False, enforce_retention_duration=False, full=True)
        removed = len(there - _data_files(address))
        return Erased(name, before, table.count(), rewritten, removed, _shorten(address))
    except TableNotFoundError:
        return Erased(name, 0, 0, 0, 0, 0)
    except (DeltaError, OSError) as error:
        raise StorageError("A table of the lake cannot be erased from.", where=address, found=said(error)) from error


def is_settled(lake: Lake, name: str) -> bool:
    """Whether no file of a table waits to be removed, as one does after an erasing that was cut short."""
    address = lake.table(name)
    try:
        gone = DeltaTable(address).vacuum(0, dry_run=True, enforce_retention_duration=False)
    except TableNotFoundError:
        return True
    return not gone or _data_files(address).isdisjoint(gone)


def _data_files(address: str) -> set[str]:
    return {name for name in files.listing(address) if not name.startswith("_")}


def _deleted(table: DeltaTable, predicate: str) -> int:
    """Delete rows, again while others write; returns how many files were rewritten."""
    tries = retrying(CommitFailedError)
    tries.before = lambda state: table.update_incremental() if state.attempt_number > 1 else None
    return int(tries(table.delete, predicate).get("num_removed_files", 0))


def _shorten(address: str) -> int:
    """Let the log begin with the table as it is; returns how many entries went."""
    table = DeltaTable(address)
    table.create_checkpoint()
    log = f"{address}/_delta_log"
    old = [name for name in files.listing(log) if _version(name) < table.version()]
    files.discard(log, old)
    return len(old)


def _version(name: str) -> float:
    """The version that a file of the log is of; without end for one that is of none."""
    digits = name[:_DIGITS]
    return int(digits) if len(digits) == _DIGITS and digits.isdecimal() else float("inf")
