"""Erases rows from a Delta table for good: deletes them, then removes their files, then the log entries about them.

A deletion alone only hides rows: files with the rows stay for readers of older versions, and the log keeps the
condition of the deletion and the minimum and maximum of each file. After `erase` none of this remains: the log begins
with a checkpoint of the table without them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from deltalake.exceptions import DeltaError, TableNotFoundError

from expectations.errors import StorageError, said
from expectations.lake import files
from expectations.lake.layout import Lake
from expectations.lake.lease import Lease
from expectations.lake.tables import open_delta
from expectations.lake.writing import WRITER
from expectations.retries import retrying

_DIGITS: Final = 20
_HOURS: Final = 24
"""A younger file that belongs to no version may be one that a writer is about to commit."""
_MOVES_NO_ROW: Final = ("OPTIMIZE", "SET TBLPROPERTIES", "VACUUM START", "VACUUM END")
"""Commits after which the table has the rows that it had."""


@dataclass(frozen=True)
class Erased:
    """The effect of `erase` on one table: rows before and after, files rewritten and removed, log entries removed.

    `since` and `until` are the versions of the table before and after. `alone` is whether nothing but these rows went
    or came between them, as when nothing landed meanwhile.
    """

    table: str
    before: int
    after: int
    rewritten: int
    removed: int
    log: int
    since: int | None = None
    until: int | None = None
    alone: bool = True


def erase(lake: Lake, name: str, conditions: Iterable[str]) -> Erased:
    """Delete the rows that match one of the conditions (SQL), and remove the files and log entries about them.

    Events may land meanwhile. Older versions of the table can no longer be read.
    """
    address = lake.table(name)
    try:
        table, files_before = open_delta(address), _data_files(address)
        before, since = table.count(), table.version()
        rewritten, own = _deleted(address, conditions)
        after = retrying(DeltaError, OSError)(_remove_unused, address)
        removed = len(files_before - _data_files(address))
        until, alone = retrying(DeltaError)(_changed_alone, address, since, own)
        log = retrying(DeltaError)(_shorten, address, until)
        return Erased(name, before, after, rewritten, removed, log, since, until, alone)
    except TableNotFoundError:
        return Erased(name, 0, 0, 0, 0, 0)
    except (DeltaError, OSError) as error:
        raise StorageError("Rows of a table cannot be erased.", where=address, found=said(error)) from error


def _data_files(address: str) -> set[str]:
    return {name for name in files.listing(address) if not name.startswith("_")}


def _deleted(address: str, conditions: Iterable[str]) -> tuple[int, set[int]]:
    """Delete rows, with retries while others write or remove files; return how many files were rewritten, and the
    versions of the table that came of it.
    """
    rewritten, own = 0, set[int]()
    with Lease(address, urgent=True) as lease:
        for condition in conditions:
            lease.table()
            removed, version = retrying(DeltaError, OSError)(_delete, address, condition)
            if removed:
                rewritten += removed
                own.add(version)
    return rewritten, own


def _delete(address: str, condition: str) -> tuple[int, int]:
    """Delete rows in one commit; return how many files were removed, and the version of the table then."""
    table = open_delta(address)
    found: dict[str, Any] = table.delete(condition, writer_properties=WRITER)
    return int(found.get("num_removed_files", 0)), table.version()


def _changed_alone(address: str, since: int, own: set[int]) -> tuple[int, bool]:
    """The version of a table, and whether since an older one no commit but one's own has added or removed rows."""
    table = open_delta(address)
    later = {int(each["version"]): each["operation"] for each in table.history() if int(each["version"]) > since}
    others = [version for version, operation in later.items() if operation not in _MOVES_NO_ROW and version not in own]
    return table.version(), len(later) == table.version() - since and not others


def _remove_unused(address: str) -> int:
    """Remove the files that the table no longer needs; return how many rows it has."""
    table = open_delta(address)
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    table.vacuum(_HOURS, dry_run=False, enforce_retention_duration=False, full=True)
    return table.count()


def _shorten(address: str, version: int) -> int:
    """Start the log with a version of the table; return how many entries were removed."""
    try:
        table = open_delta(address, version)
    except DeltaError:
        table = open_delta(address)  # another erasure has started the log with a later one
    table.create_checkpoint()
    log = f"{address}/_delta_log"
    old = [name for name in files.listing(log) if _version(name) < table.version()]
    files.discard(log, old)
    return len(old)


def _version(name: str) -> float:
    """The version that a log file belongs to; infinity for a file of no version."""
    digits = name[:_DIGITS]
    return int(digits) if len(digits) == _DIGITS and digits.isdecimal() else float("inf")
