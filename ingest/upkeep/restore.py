"""The lake as it was at a time: rows go back, and with them the offsets, in one commit a table.

After a deployment that landed nonsense, or a mistake in the lake itself, tables are set back to a moment before it.
Delta's own restore keeps the offsets where they are, so that what was rolled back would never be read again. Here each
table's offsets go back with its rows: the lake is then as if every consumer had crashed at that moment, and consumers
read on from there, as far back as the brokers still hold records.
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
from ingest.landing.commit import open_table

TABLES: Final = (layout.EVENTS, layout.PROFILES, layout.QUARANTINE)
"""Events first: quarantine and profiles may be ahead of them, never behind."""
_MOVED: Final = ("ingest/", "generation/")


@dataclass(slots=True)
class RestoreResult:
    """What was done: the version that each table has gone back to, and how many offsets went back with it."""

    versions: dict[str, int] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)


def restore(lake: Lake, to: datetime) -> RestoreResult:
    """Set quarantine, profiles and events back to how they were at a time; a table that was not there yet becomes
    empty, and one that is not there is left out.

    Consumers should be stopped; one that is not lands nothing that it has read before. Raises StorageError when a
    table cannot go back so far, or when something lands meanwhile.
    """
    done = RestoreResult()
    for name in TABLES:
        table = open_table(lake.table(name))
        if table is not None:
            try:
                done.versions[name], done.offsets[name] = _back(table, to)
            except (DeltaError, OSError) as error:
                raise _too_far(table.table_uri, to, error) from error
    return done


def _back(table: DeltaTable, to: datetime) -> tuple[int, int]:
    then = DeltaTable(table.table_uri)
    try:
        then.load_as_version(to)
    except DeltaError:
        then.load_as_version(0)
    if then.version() == table.version():
        return table.version(), 0
    marks = [Transaction(name, offset) for name, offset in _offsets(table, then).items()]
    table.restore(then.version(), commit_properties=CommitProperties(app_transactions=marks))
    return then.version(), len(marks)


def _offsets(table: DeltaTable, then: DeltaTable) -> Mapping[str, int]:
    """The offsets that have moved since, as they were; one that was not there yet is 0, from where all is read."""
    found: dict[str, int] = {}
    for version in range(then.version() + 1, table.version() + 1):
        commit = files.read(f"{table.table_uri.rstrip('/')}/_delta_log/{version:020}.json")
        if commit is None:
            raise FileNotFoundError(f"version {version} of the table's log is gone")
        actions = [orjson.loads(line) for line in commit.splitlines() if line]
        for name in (action["txn"]["appId"] for action in actions if "txn" in action):
            before = then.transaction_version(name)
            if name.startswith(_MOVED) and (before is not None or name.startswith("ingest/")):
                found[name] = before or 0
    return found


def _too_far(address: str, to: datetime, error: Exception) -> StorageError:
    crowded = isinstance(error, CommitFailedError)
    return StorageError(
        "The table cannot be set back.",
        where=address,
        expected=f"its log and files from {to.isoformat()} on, and nobody who writes to it",
        found="something was written meanwhile" if crowded else str(error).splitlines()[0],
        do="stop the consumers and try again" if crowded else "name a later time: old files are removed by maintenance",
    )
