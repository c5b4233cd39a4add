"""Reads the log of a Delta table, a file per version, and thins it: which versions can be opened, and since when.

Every commit adds an entry, every 25th a checkpoint, and Delta keeps both for days, however many they are. A table that
gets a commit every few seconds then has a log larger than its rows, and each commit lists all files of the log.
`thin_log` bounds their number: the latest versions stay one by one, of older ones about a hundred, evenly spaced in
time, each with a checkpoint from which it is opened.

A version is as old as its entry says. Times of files are not used: a copy of the lake has others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, Final, NamedTuple

import orjson
import polars as pl
from deltalake import DeltaTable

from expectations.lake import files

POINTS: Final = 100
"""How many versions stay, evenly spaced in time, of those that do not stay one by one."""
_DIGITS: Final = 20


class Version(NamedTuple):
    """A version of a table, and when it was committed."""

    number: int
    at: datetime


def version_at(address: str, when: datetime) -> Version | None:
    """The last version that was committed at `when` or before and can be opened; None if there is none.

    Raises StorageError when the log cannot be read.
    """
    return next(
        (version for version in _versions(address, reversed(_openable(_log(address)))) if version.at <= when), None
    )


def oldest_version(address: str) -> Version | None:
    """The oldest version that can be opened; None if there is none."""
    return next(_versions(address, _openable(_log(address))), None)


def transactions(table: DeltaTable) -> list[str]:
    """The names of all transaction versions that a table stores; makes a checkpoint to read them from."""
    table.create_checkpoint()
    checkpoint = files.read(f"{_folder(table.table_uri)}/{table.version():0{_DIGITS}}.checkpoint.parquet")
    if checkpoint is None:
        raise FileNotFoundError(f"the checkpoint of version {table.version()} is gone")
    stored = pl.read_parquet(BytesIO(checkpoint), columns=["txn"])["txn"]
    return stored.struct.field("appId").drop_nulls().to_list()


def actions(address: str, version: int) -> list[dict[str, Any]]:
    """The actions of one commit; empty when its entry is no longer kept."""
    entry = files.read(f"{_folder(address)}/{version:0{_DIGITS}}.json") or b""
    return [orjson.loads(line) for line in entry.splitlines() if line]


def thin_log(address: str, latest: int, keep: timedelta, now: datetime, pinned: int | None = None) -> int:
    """Remove log files until at least the `latest` versions are left, the `pinned` one, and about `POINTS` older ones,
    none older than `keep`; returns the number of files removed. Does nothing until an eighth of `latest` would go.
    """
    log, eighth = _log(address), max(latest // 8, 1)
    newest = max(log, default=0)
    checkpoints = [version for version, names in sorted(log.items()) if _has_checkpoint(names)]
    base = max((version for version in checkpoints if version <= newest - latest), default=0)
    if sum(version < base for version in log.keys() - set(checkpoints)) < eighth:
        return 0
    spaced = {version * 4 // latest: version for version in reversed(checkpoints) if version >= base}
    points = _points(address, [version for version in checkpoints if version < base], keep, now)
    kept = {base, *spaced.values(), *points, *({pinned} & set(_openable(log)))}
    surplus = [
        name
        for version in log.keys() - kept
        for name in log[version]
        if version < base or (_has_checkpoint([name]) and version < newest - eighth)
    ]
    if pinned is not None and pinned in kept and not _has_checkpoint(log[pinned]):
        DeltaTable(address, version=pinned).create_checkpoint()
    files.discard(_folder(address), surplus)
    return len(surplus)


def _points(address: str, versions: Iterable[int], keep: timedelta, now: datetime) -> set[int]:
    """The first of these versions in each hundredth of `keep`."""
    first: dict[int, int] = {}
    for number, at in _versions(address, versions):
        if now - at <= keep:
            first.setdefault(int(at.timestamp() * POINTS / keep.total_seconds()), number)
    return set(first.values())


def _versions(address: str, numbers: Iterable[int]) -> Iterator[Version]:
    """These versions with their times; a version whose entry has no time is left out."""
    for number in numbers:
        info: dict[str, Any] = next(
            (action["commitInfo"] for action in actions(address, number) if "commitInfo" in action), {}
        )
        milliseconds = info.get("inCommitTimestamp", info.get("timestamp"))
        if milliseconds is not None:
            yield Version(number, datetime.fromtimestamp(milliseconds / 1000, UTC))


def _openable(log: dict[int, list[str]]) -> list[int]:
    """The versions that can be opened: those with a checkpoint, and those whose entries follow on such a version."""
    found: list[int] = []
    for version, names in sorted(log.items()):
        follows = version == 0 or (found and found[-1] == version - 1)
        if f"{version:0{_DIGITS}}.json" in names and (follows or _has_checkpoint(names)):
            found.append(version)
    return found


def _has_checkpoint(names: Iterable[str]) -> bool:
    return any("checkpoint" in name for name in names)


def _log(address: str) -> dict[int, list[str]]:
    """The files of a table's log, by version."""
    found: dict[int, list[str]] = {}
    for name in files.names(_folder(address)):
        digits = name[:_DIGITS]
        if len(digits) == _DIGITS and digits.isdecimal():
            found.setdefault(int(digits), []).append(name)
    return found


def _folder(address: str) -> str:
    return f"{address.rstrip('/')}/_delta_log"
