"""Erases rows from a Delta table for good: deletes them, then removes their files, then the log entries about them.

A deletion alone only hides rows: files with the rows stay for readers of older versions, and the log keeps the
condition of the deletion and the minimum and maximum of each file. After `erase` none of this remains: the log begins
with a checkpoint of the current table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from deltalake.exceptions import DeltaError, TableNotFoundError

from expectations.errors import StorageError, said
from expectations.lake import files
from expectations.lake.layout import Lake
from expectations.lake.lease import Lease
from expectations.lake.tables import open_delta
from expectations.retries import retrying

_DIGITS: Final = 20
_HOURS: Final = 24
"""A younger file that belongs to no version may be one that a writer is about to commit."""


@dataclass(frozen=True)
class Erased:
    """The effect of `erase` on one table: rows before and after, files rewritten and removed, log entries removed."""

    table: str
    before: int
    after: int
    rewritten: int
    removed: int
    log: int


def erase(lake: Lake, name: str, conditions: Iterable[str]) -> Erased:
    """Delete the rows that match one of the conditions (SQL), and remove the files and log entries about them.

    Events may land meanwhile. Older versions of the table can no longer be read.
    """
    address = lake.table(name)
    try:
        before, files_before = open_delta(address).count(), _data_files(address)
        rewritten = _deleted(address, conditions)
        after = retrying(DeltaError, OSError)(_remove_unused, address)
        removed = len(files_before - _data_files(address))
        return Erased(name, before, after, rewritten, removed, retrying(DeltaError)(_shorten, address))
    except TableNotFoundError:
        return Erased(name, 0, 0, 0, 0, 0)
    except (DeltaError, OSError) as error:
        raise StorageError("Rows of a table cannot be erased.", where=address, found=said(error)) from error


def _data_files(address: str) -> set[str]:
    return {name for name in files.listing(address) if not name.startswith("_")}


def _deleted(address: str, conditions: Iterable[str]) -> int:
    """Delete rows, with retries while others write or remove files; return how many files were rewritten."""
    rewritten = 0
    with Lease(address, urgent=True) as lease:
        for condition in conditions:
            lease.table()
            removed = retrying(DeltaError, OSError)(lambda each: open_delta(address).delete(each), condition)
            rewritten += int(removed.get("num_removed_files", 0))
    return rewritten


def _remove_unused(address: str) -> int:
    """Remove the files that the table no longer needs; return how many rows it has."""
    table = open_delta(address)
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    table.vacuum(_HOURS, dry_run=False, enforce_retention_duration=False, full=True)
    return table.count()


def _shorten(address: str) -> int:
    """Start the log with the current table; return how many entries were removed."""
    table = open_delta(address)
    table.create_checkpoint()
    log = f"{address}/_delta_log"
    old = [name for name in files.listing(log) if _version(name) < table.version()]
    files.discard(log, old)
    return len(old)


def _version(name: str) -> float:
    """The version that a log file belongs to; infinity for a file of no version."""
    digits = name[:_DIGITS]
    return int(digits) if len(digits) == _DIGITS and digits.isdecimal() else float("inf")
