"""Loads the rows of a table of Delta Lake: those of its newest version at first, later those that each version added.

The table's own log says which files a version added. Files that only hold rows of others together, as after
`OPTIMIZE`, add nothing. What a version removed stays in the lake. Progress is kept under the table's id, so a load that
is killed goes on where its last commit ended, and a table that is copied or moved is known. In the lake the topic of
the rows is `file:table:<id>`, and their offset says version and row (`_Place`).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import unquote

import orjson
import polars as pl

from expectations import contract
from expectations.errors import InputError
from expectations.gate import Rule
from expectations.lake import files, layout
from expectations.lake.layout import Lake
from ingest.files.batches import Reading, batches
from ingest.files.load import ROWS_AT_ONCE, Advance, FileSummary, chunks_of, in_quarantine, land_rows, landing_of
from ingest.files.places import LOG, local_copy
from ingest.files.rows import Row, unreadable
from ingest.landing.commit import open_table, scan
from ingest.message import Chunk, ColumnBatch, Partition, Record
from ingest.settings.ingest import IngestSettings, Stream

if TYPE_CHECKING:
    from deltalake import DeltaTable

_ROW_BITS: Final = 35
_PLAIN_MODES: Final = (None, "none")
_ONLY_LESS: Final = "DELETE"
"""The operation that writes files again without some of their rows."""


class _Place(NamedTuple):
    """A row of a version: of all its rows, or of those that it added.

    >>> _Place.at(_Place(7, True, 3).offset)
    _Place(version=7, of_all=True, row=3)
    """

    version: int
    of_all: bool
    row: int

    @property
    def offset(self) -> int:
        return (self.version << 1 | self.of_all) << _ROW_BITS | self.row

    @classmethod
    def at(cls, offset: int) -> _Place:
        version = offset >> _ROW_BITS
        return cls(version >> 1, bool(version & 1), offset & ((1 << _ROW_BITS) - 1))


@dataclass(frozen=True, slots=True)
class _DataFile:
    """A file of the table: its address, and the values of the columns by which the table is partitioned, but nulls."""

    address: str
    partition: Mapping[str, Any]


def load_table(
    address: str,
    stream: Stream,
    settings: IngestSettings,
    lake: Lake,
    *,
    skip_changes: bool = False,
    rules: Sequence[Rule] = (),
    on_progress: Advance | None = None,
) -> FileSummary:
    """Land the rows of a table that came after those that have landed before, read as the messages of `stream`.

    Versions that only remove rows are passed over. A version that changes rows, or writes the table anew, is an error:
    which of its rows are new cannot be told; with `skip_changes` it is left out and counted (`FileSummary.left_out`).

    Raises InputError when the table cannot be read, has files with deletion vectors or renamed columns, changes rows,
    or no longer has the log of a version that is needed; StorageError when a store cannot be reached.
    """
    table = _opened(address)
    name = f"table:{table.metadata().id}"
    partition = Partition(f"{contract.FROM_FILE}{name}", 0)
    stream = stream.model_copy(update={"topic": partition.topic})
    landing = landing_of(stream, settings, lake, rules)
    start = landing.begin(partition, name, 0, accept_gap=False)
    load = _Load(address.rstrip("/"), table, stream, settings, skip_changes)
    read, landed, refused = land_rows(landing, load.chunks(start, partition), on_progress)
    if read or not start:
        return FileSummary(address, False, landed, refused, partition.topic, read, load.left_out)
    left = in_quarantine(lake, partition.topic)
    rows = sum(left.values()) + _landed_rows(lake, partition.topic)
    return FileSummary(address, True, 0, left, partition.topic, rows, load.left_out)


@contextmanager
def newest_file(address: str) -> Iterator[Path]:
    """A file of the newest version of a table, with all its columns, named after the table, on this machine while the
    `with` block runs.

    Raises InputError when the table cannot be read or is empty.
    """
    found = _files_of(address.rstrip("/"), _opened(address))
    if not found:
        raise InputError("There is nothing to load.", where=address, expected="a table with rows")
    with _whole(found[-1]) as copy, tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / f"{PurePosixPath(address).name}.parquet"
        named.symlink_to(copy.absolute())
        yield named


class _Load:
    """One load of a table; `left_out` counts the versions that were left out because they change rows."""

    def __init__(
        self, address: str, table: DeltaTable, stream: Stream, settings: IngestSettings, skip_changes: bool
    ) -> None:
        self._address, self._table, self._stream = address, table, stream
        self._settings, self._skip_changes = settings, skip_changes
        self._reading = Reading(time.time_ns() // 1_000_000, settings.limits, ROWS_AT_ONCE)
        self.left_out = 0

    def chunks(self, start: int, partition: Partition) -> Iterator[Chunk]:
        """The rows from an offset on; the last chunk of a version ends where the next one begins."""
        newest = self._table.version()
        place = _Place.at(start) if start else _Place(newest, True, 0)
        if place.version > newest + 1:
            raise InputError(
                "The table is older than what has landed of it.",
                where=self._address,
                expected=f"version {place.version - 1:,} or later",
                found=f"version {newest:,}",
                do="load the table itself, not a copy of an earlier time",
            )
        if place.of_all:
            self._table.load_as_version(place.version)
        for version in range(place.version, newest + 1):
            found = _files_of(self._address, self._table) if place.of_all else self._added(version)
            yield from chunks_of(self._rows(found, place), partition, self._settings.flush_bytes)
            place = _Place(version + 1, False, 0)
            yield Chunk(partition, [], place.offset)

    def _rows(self, found: Iterable[_DataFile], place: _Place) -> Iterator[Row | ColumnBatch]:
        """The rows of files from a place on."""
        before = 0
        for file in found:
            with _whole(file) as copy:
                count = _row_count(copy, file)
                if before + count > place.row:
                    by = place._replace(row=before).offset
                    here = max(place.row - before, 0)
                    for item in batches(copy, here, self._stream, self._reading):
                        yield _moved(item, by)
            before += count

    def _added(self, version: int) -> list[_DataFile]:
        """The files whose rows a version added, by their name."""
        log = f"{self._address}/{LOG}/{version:020}.json"
        written = files.read(log)
        if written is None:
            raise InputError(
                "The table no longer has the log of a version that is needed.",
                where=self._address,
                expected=f"{LOG}/{version:020}.json",
                do="load it more often than its log is cleaned (delta.logRetentionDuration); load the rows in between "
                "from files",
            )
        actions = [orjson.loads(line) for line in written.splitlines() if line.strip()]
        changed = [(kind, each) for one in actions for kind, each in one.items() if kind in ("add", "remove")]
        changed = [(kind, each) for kind, each in changed if each.get("dataChange", True)]
        added = [each for kind, each in changed if kind == "add"]
        operation = next((str(one["commitInfo"].get("operation")) for one in actions if "commitInfo" in one), "unknown")
        if len(added) < len(changed) and added and operation != _ONLY_LESS:
            if not self._skip_changes:
                raise _changes(self._address, version, operation)
            self.left_out += 1
        if len(added) < len(changed):
            return []
        if any(one.get("deletionVector") for one in added):
            raise _not_plain(self._address, "files with deletion vectors")
        types = _types(self._table)
        return sorted(
            (
                _DataFile(
                    _address_of(self._address, one["path"]),
                    {
                        name: _typed(text, types.get(name))
                        for name, text in one.get("partitionValues", {}).items()
                        if text is not None
                    },
                )
                for one in added
            ),
            key=lambda file: file.address,
        )


def _landed_rows(lake: Lake, topic: str) -> int:
    """The events of a topic."""
    here = scan(lake, layout.EVENTS).filter(pl.col(contract.TOPIC) == topic)
    return int(here.select(pl.len()).collect().item())


def _opened(address: str) -> DeltaTable:
    table = open_table(address)
    if table is None:
        raise unreadable(address, FileNotFoundError(LOG))
    if table.metadata().configuration.get("delta.columnMapping.mode") not in _PLAIN_MODES:
        raise _not_plain(address, "renamed columns (delta.columnMapping.mode)")
    return table


def _files_of(address: str, table: DeltaTable) -> list[_DataFile]:
    """The files with all rows of a version of a table, by their name."""
    if "deletionVectors" in (table.protocol().reader_features or ()) and len(pl.DataFrame(table.deletion_vectors())):
        raise _not_plain(address, "files with deletion vectors")
    actions = pl.DataFrame(table.get_add_actions(flatten=False))
    partitions = actions["partition"].to_list() if "partition" in actions.columns else [{}] * actions.height
    found = [
        _DataFile(_address_of(address, path), {name: value for name, value in own.items() if value is not None})
        for path, own in zip(actions["path"], partitions, strict=True)
    ]
    return sorted(found, key=lambda file: file.address)


def _address_of(address: str, path: str) -> str:
    plain = unquote(path)
    return plain if "://" in plain or plain.startswith("/") else f"{address}/{plain}"


@contextmanager
def _whole(file: _DataFile) -> Iterator[Path]:
    """A file on this machine, with the columns by which its table is partitioned."""
    with local_copy(file.address) as copy:
        if not file.partition:
            yield copy
            return
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / PurePosixPath(file.address).name
            columns = [pl.lit(value).alias(name) for name, value in file.partition.items()]
            try:
                files.scan_rows(str(copy)).with_columns(columns).sink_parquet(whole)
            except (OSError, pl.exceptions.PolarsError) as error:
                raise unreadable(file.address, error) from error
            yield whole


def _row_count(copy: Path, file: _DataFile) -> int:
    try:
        return int(files.scan_rows(str(copy)).select(pl.len()).collect().item())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise unreadable(file.address, error) from error


def _types(table: DeltaTable) -> dict[str, Any]:
    """The names of the types of the columns of a table; those that are no plain type are left out."""
    return {field.name: getattr(field.type, "type", None) for field in table.schema().fields}


def _typed(text: str, kind: str | None) -> Any:
    """The value of a partition that the log has as text: numbers and truth values as such, other values as text."""
    if kind in ("byte", "short", "integer", "long"):
        return int(text)
    if kind in ("float", "double"):
        return float(text)
    return text == "true" if kind == "boolean" else text


def _moved(item: Row | ColumnBatch, by: int) -> Row | ColumnBatch:
    """Rows of a file at the offsets that they have in the table."""
    if isinstance(item, Row):
        return item._replace(offset=item.offset + by)
    return replace(item, offsets=item.offsets + by, messages=_moved_messages(item.messages, by))


def _moved_messages(
    messages: Callable[[Sequence[int]], list[Record]], by: int
) -> Callable[[Sequence[int]], list[Record]]:
    def moved(indexes: Sequence[int]) -> list[Record]:
        return [row._replace(offset=row.offset + by) for row in cast(list[Row], messages(indexes))]

    return moved


def _changes(address: str, version: int, operation: str) -> InputError:
    return InputError(
        "A version of the table changes rows; which of its rows are new cannot be told.",
        where=f"{address}, version {version:,}",
        expected="versions that add rows or remove them",
        found=operation,
        do="load its new rows from files, and leave such versions out: --skip-changes",
    )


def _not_plain(address: str, found: str) -> InputError:
    return InputError(
        "The table of Delta Lake cannot be read file by file.",
        where=address,
        expected="plain files of rows",
        found=found,
        do="write its rows to a file with the tool that writes the table, and load that",
    )
