"""Restores the lake to an earlier time: rows and offsets go back together, in one commit per table.

Use it after a faulty deployment, or a mistake in the lake itself. Delta's own restore leaves the offsets unchanged, so
records that were rolled back would never be read again. Here each table's offsets go back with its rows: the lake is
then in the state as if every consumer had crashed at that time, and consumers resume from there, as far back as the
brokers still hold records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import orjson
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError

from expectations.errors import StorageError
from expectations.lake import files, layout
from expectations.lake.layout import Lake
from expectations.lake.lease import Lease
from ingest.landing.commit import open_table

TABLES: Final = (layout.EVENTS, layout.PROFILES, layout.QUARANTINE)
"""Events first: quarantine and profiles may be ahead of them, never behind."""
_MOVED: Final = ("ingest/", "generation/")


@dataclass(slots=True)
class RestoreResult:
    """The result: the version that each table was restored to, and the number of offsets restored with it."""

    versions: dict[str, int] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)


def restore(lake: Lake, to: datetime) -> RestoreResult:
    """Restore events, profiles and quarantine to their state at time `to`. A table created later becomes empty; a
    missing table is skipped.

    Stop the consumers first; one that still runs drops its buffers. Raises StorageError when the files of that time are
    gone, or when something lands meanwhile.
    """
    done = RestoreResult()
    for name in TABLES:
        table = open_table(lake.table(name))
        if table is not None:
            try:
                done.versions[name], done.offsets[name] = _restore(table, to)
            except (DeltaError, OSError) as error:
                raise _too_far(table.table_uri, to, error) from error
    return done


def _restore(table: DeltaTable, to: datetime) -> tuple[int, int]:
    then = DeltaTable(table.table_uri)
    try:
        then.load_as_version(to)
    except DeltaError:
        then.load_as_version(0)
    if then.version() == table.version():
        return table.version(), 0
    with Lease(table.table_uri, urgent=True) as lease:
        table = lease.table() or table
        transactions = [Transaction(name, offset) for name, offset in _offsets(table, then).items()]
        table.restore(then.version(), commit_properties=CommitProperties(app_transactions=transactions))
    return then.version(), len(transactions)


def _offsets(table: DeltaTable, then: DeltaTable) -> Mapping[str, int]:
    """The earlier values of offsets that have moved since; 0 for those that did not exist, so all is read again."""
    offsets: dict[str, int] = {}
    for version in range(then.version() + 1, table.version() + 1):
        commit = files.read(f"{table.table_uri.rstrip('/')}/_delta_log/{version:020}.json")
        if commit is None:
            raise FileNotFoundError(f"version {version} of the table's log is gone")
        actions = [orjson.loads(line) for line in commit.splitlines() if line]
        for name in (action["txn"]["appId"] for action in actions if "txn" in action):
            before = then.transaction_version(name)
            if name.startswith(_MOVED) and (before is not None or name.startswith("ingest/")):
                offsets[name] = before or 0
    return offsets


def _too_far(address: str, to: datetime, error: Exception) -> StorageError:
    crowded = isinstance(error, CommitFailedError)
    return StorageError(
        "The table cannot be set back.",
        where=address,
        expected=f"its log and files from {to.isoformat()} on, and nobody who writes to it",
        found="something was written meanwhile" if crowded else str(error).splitlines()[0],
        do="stop the consumers and try again" if crowded else "name a later time: old files are removed by maintenance",
    )
