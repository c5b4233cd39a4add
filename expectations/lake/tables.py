"""Reads and appends to the Delta tables of a lake, and gives frames of callers the columns of the contract."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from expectations import contract
from expectations.errors import StorageError, said
from expectations.lake import files
from expectations.lake.layout import EVENTS, PROFILES, Lake
from expectations.retries import retrying

UNUSABLE: Final = re.compile(r"[\[\]|^\\\x00-\x1f\x7f\ud800-\udfff]|%[0-9A-Fa-f]{2}")
"""What the library of tables cannot have in a local path: it takes UTF-8 only, makes a host of it, or decodes twice."""
_READ_OTHERWISE: Final = re.compile("[*=]|%3F", re.IGNORECASE)
"""What polars takes for a pattern or a partition, in the address of a folder."""
_FILE: Final = " file"
_STEP: Final = timedelta(milliseconds=1)
_NO_VALUE: Final = "__HIVE_DEFAULT_PARTITION__"
RETENTION: Final = {"journeys.change": "retention"}
"""Marks the commits that remove what is older than the lake keeps it."""


def landed(lake: Lake, version: int | None = None) -> pl.LazyFrame:
    """Every row of table `events`, duplicates included, with the columns of the contract; may be empty."""
    return scan(lake, EVENTS, contract.EVENTS, version)


def landed_near(
    lake: Lake,
    times: pl.Series,
    within: timedelta = timedelta(0),
    *,
    columns: Sequence[str] = (contract.OCCURRED_AT,),
    version: int | None = None,
) -> pl.LazyFrame:
    """The rows of table `events` in those files that can hold one of these times, or one up to `within` later.

    Every row with such a time in one of the `columns` is among them, beside others. Files whose smallest and greatest
    times the table's log does not know are read, too.
    """
    return _landed_in(lake, lambda table: _files_near(table, times, within, columns), version)


def landed_beside(lake: Lake, known: Collection[str]) -> pl.LazyFrame:
    """The rows of table `events` in other files than those `known`, by name (`landed_files`)."""
    return _landed_in(lake, lambda table: [file for file in table.file_uris() if _name(file) not in known])


def landed_files(lake: Lake, version: int) -> frozenset[str]:
    """The names of the files of a version of table `events`; no two files of a table ever have the same."""
    address = lake.table(EVENTS)
    try:
        return frozenset(map(_name, open_delta(address, version).file_uris()))
    except (DeltaError, OSError) as error:
        raise StorageError("A table of the lake cannot be read.", where=address, found=said(error)) from error


def _landed_in(lake: Lake, files_of: Callable[[DeltaTable], Sequence[str]], version: int | None = None) -> pl.LazyFrame:
    """The rows of events in some files of their table."""
    address = lake.table(EVENTS)
    try:
        table = open_delta_if_any(address, version)
        chosen = [] if table is None else files_of(table)
        if table is None or not chosen:
            return pl.LazyFrame(schema=contract.EVENTS)
        whole = scan_table(table).collect_schema()
        frame = _scan_files(chosen, whole, table.metadata().partition_columns)
        return frame.select(_as_contract(column, dtype, whole) for column, dtype in contract.EVENTS.items())
    except (DeltaError, OSError) as error:
        raise StorageError("A table of the lake cannot be read.", where=address, found=said(error)) from error


def _name(file: str) -> str:
    return file.rsplit("/", 1)[-1]


def _files_near(table: DeltaTable, times: pl.Series, within: timedelta, columns: Sequence[str]) -> list[str]:
    """The files that can hold one of these times. The log knows times in milliseconds, cut off."""
    adds, sought = pl.DataFrame(table.get_add_actions(flatten=True)), times.cast(contract.TIME).unique().sort()
    holds = pl.repeat(False, len(adds), dtype=pl.Boolean, eager=True)
    for column in columns:
        if not {f"min.{column}", f"max.{column}"} <= set(adds.columns):
            return table.file_uris()
        first, last = (adds[f"{end}.{column}"].cast(contract.TIME) for end in ("min", "max"))
        next_one = sought.search_sorted(first - within - _STEP, side="left")
        at = sought.gather(next_one.clip(upper_bound=len(sought) - 1)) if len(sought) else first.clear(len(first))
        holds |= ((next_one < len(sought)) & (at <= last + _STEP)).fill_null(True) | first.is_null() | last.is_null()
    names = set(map(_name, adds["path"].filter(holds)))
    return [file for file in table.file_uris() if _name(file) in names]


def profiles(lake: Lake, version: int | None = None) -> pl.LazyFrame:
    """The customer attributes of a lake, with the columns of `contract.PROFILES`; may be empty."""
    return scan(lake, PROFILES, contract.PROFILES, version)


def table_version(lake: Lake, name: str) -> int | None:
    """Version of a Delta table, or None when it does not exist."""
    address = lake.table(name)
    try:
        table = open_delta_if_any(address)
    except (DeltaError, OSError) as error:
        raise StorageError("A table of the lake cannot be read.", where=address, found=said(error)) from error
    return None if table is None else table.version()


def conform(frame: pl.DataFrame | pl.LazyFrame) -> pl.LazyFrame:
    """Give a frame of events the columns of the contract: missing columns are null, others are dropped.

    Times without a zone are read as UTC. Without a column `event_id` each row is one event, named by its number.
    """
    lazy = frame.lazy()
    schema = lazy.collect_schema()
    if contract.EVENT_ID not in schema:
        lazy = lazy.with_row_index("_row").with_columns(pl.concat_str(pl.lit("row-"), "_row").alias(contract.EVENT_ID))
        schema = lazy.collect_schema()
    return lazy.select(_as_contract(name, dtype, schema) for name, dtype in contract.EVENTS.items())


def scan(lake: Lake, name: str, schema: pl.Schema, version: int | None = None) -> pl.LazyFrame:
    """Every row of a table of the lake, with the columns of `schema`; empty when the table does not exist.

    The frame reads one version of the table, by default the latest: rows that land later are not in it.
    """
    address = lake.table(name)
    try:
        table = open_delta_if_any(address, version)
        if table is None:
            return pl.LazyFrame(schema=schema)
        frame = scan_table(table)
        found = frame.collect_schema()
    except (DeltaError, OSError) as error:
        raise StorageError("A table of the lake cannot be read.", where=address, found=said(error)) from error
    return frame.select(_as_contract(column, dtype, found) for column, dtype in schema.items())


def added(
    lake: Lake, name: str, schema: pl.Schema, since: int, until: int, *, after_retention: bool = False
) -> pl.LazyFrame | None:
    """The rows that a table of the lake gained after version `since` and up to version `until`.

    Compacted files add no rows. None when the rows cannot be determined: rows were removed as well, or a version or a
    file is no longer kept. With `after_retention`, rows may be gone because they were older than the lake keeps them.
    """
    address = lake.table(name)
    gained: list[str] = []
    try:
        table = open_delta(address, until)
        for begin, end in _runs(table, since, until, after_retention=after_retention):
            before, after = (set(open_delta(address, version).file_uris()) for version in (begin, end))
            if before - after:
                return None
            gained += sorted(after - before)
        whole = pl.scan_delta(table).collect_schema()
        partitions = table.metadata().partition_columns
    except (DeltaError, OSError):
        return None
    if not gained:
        return pl.LazyFrame(schema=schema)
    if lake.is_local and not all(Path(file).exists() for file in gained):
        return None
    frame = _scan_files(gained, whole, partitions)
    return frame.select(_as_contract(column, dtype, whole) for column, dtype in schema.items())


def scan_table(table: DeltaTable) -> pl.LazyFrame:
    """The rows of one version of a table. Polars would take `a=b` above it for a partition, and `a*` for a pattern."""
    if not table.table_uri.startswith("file://") or not _READ_OTHERWISE.search(table.table_uri):
        return pl.scan_delta(table)
    schema = pl.scan_delta(table).collect_schema()
    if not (own := table.file_uris()):
        return pl.LazyFrame(schema=schema)
    return _scan_files(own, schema, table.metadata().partition_columns).select(*schema)


def _scan_files(own: Sequence[str], schema: Mapping[str, pl.DataType], partitions: Sequence[str]) -> pl.LazyFrame:
    """The rows of files of a table, each with the values of its partition, which only its folder has."""
    rows = pl.scan_parquet(
        list(own),
        schema={name: dtype for name, dtype in schema.items() if name not in partitions},
        hive_partitioning=False,
        missing_columns="insert",
        extra_columns="ignore",
        glob=False,
        include_file_paths=_FILE,
    )
    return rows.with_columns(_partition(name, own, schema[name]) for name in partitions).drop(_FILE)


def _partition(name: str, own: Sequence[str], dtype: pl.DataType) -> pl.Expr:
    """The values of a partition, from the folders of the files. Polars reads the days that Python's calendar lacks."""
    folder = rf".*/{re.escape(name)}=([^/]*)/"
    written = pl.Series(own).str.extract(folder).unique()
    text = pl.Series([None if value == _NO_VALUE else unquote(value) for value in written], dtype=pl.String)
    values = text.str.to_date("%Y-%m-%d") if dtype == pl.Date else text.cast(dtype)
    return pl.col(_FILE).str.extract(folder).replace_strict(written, values).alias(name)


def _runs(table: DeltaTable, since: int, until: int, *, after_retention: bool) -> list[tuple[int, int]]:
    """The versions after `since` and up to `until`, without those that added no rows, as pairs of bounds."""
    without_rows = {
        int(entry["version"])
        for entry in table.history()
        if entry["operation"] == "OPTIMIZE" or (after_retention and RETENTION.items() <= entry.items())
    }
    left_out = [version for version in range(since + 1, until + 1) if version in without_rows]
    begins, ends = [since, *left_out], [*(version - 1 for version in left_out), until]
    return [(begin, end) for begin, end in zip(begins, ends, strict=True) if begin < end]


def append(lake: Lake, name: str, rows: pl.DataFrame) -> None:
    """Append rows to a table of the lake; create the table when it does not exist."""
    _check_name(lake.table(name))
    try:
        retrying(CommitFailedError)(rows.write_delta, lake.table(name), mode="append")
    except (DeltaError, OSError) as error:
        raise StorageError(
            "A table of the lake cannot be written.", where=lake.table(name), found=said(error)
        ) from error


class FolderTable(DeltaTable):
    """A Delta table in a folder, with its files under the names that they have there.

    The library gives the folder as part of an address: a blank in it as %20, which no reader of files understands.
    What follows is the name of the file already, where a % belongs to the value of a partition.
    """

    def file_uris(self, *filters: Any, **options: Any) -> list[str]:
        """The files of the current version."""
        folder = urlsplit(self.table_uri).path
        return [unquote(folder) + file.removeprefix(folder) for file in super().file_uris(*filters, **options)]


def open_delta(address: str, version: int | None = None, options: dict[str, str] | None = None) -> DeltaTable:
    """Open a Delta table; once more if entries of its log are removed meanwhile, as forgetting a customer does.

    Raises StorageError for a folder whose name the libraries would read as an address or as a pattern.
    """
    _check_name(address)
    kind = DeltaTable if files.local(address) is None else FolderTable
    try:
        return kind(address, version=version, storage_options=options)
    except TableNotFoundError:
        raise
    except DeltaError as error:
        if "not found" not in str(error):
            raise
    return kind(address, version=version, storage_options=options)


def _check_name(address: str) -> None:
    folder = files.local(address)
    real = "" if folder is None else Path(os.path.realpath(folder)).as_posix()
    if found := UNUSABLE.search(real):
        raise StorageError(
            "Tables cannot lie in a folder of this name.",
            where=real,
            expected="a path in UTF-8 without [ ] | ^ \\ and control characters, and without % before two hex digits",
            found=repr(found[0]),
            do="rename the folder, or set another address in [lake]",
        )


def open_delta_if_any(address: str, version: int | None = None) -> DeltaTable | None:
    """The table at an address; None when there is none. (`DeltaTable.is_deltatable` would block all other threads.)"""
    try:
        return open_delta(address, version)
    except TableNotFoundError:
        return None


def _as_contract(name: str, dtype: pl.DataType, found: Mapping[str, pl.DataType]) -> pl.Expr:
    if name not in found:
        return pl.lit(None, dtype=dtype).alias(name)
    column, stored = pl.col(name), found[name]
    if stored == dtype or isinstance(dtype, pl.Map):
        return column if stored == dtype else _as_map(column, stored).alias(name)
    if isinstance(stored, pl.Datetime) and stored.time_zone is None:
        return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return column.cast(dtype)


def _as_map(column: pl.Expr, found: pl.DataType) -> pl.Expr:
    """Convert a struct of strings, or a list of keys and values, to a map."""
    text = pl.Map(pl.String, pl.String)
    if not isinstance(found, pl.Struct):
        return column.cast(text)
    pairs = [
        pl.struct(pl.lit(field.name).alias("key"), column.struct.field(field.name).cast(pl.String).alias("value"))
        for field in found.fields
    ]
    if not pairs:
        return pl.lit(None, dtype=text)
    return pl.concat_list(pairs).list.filter(pl.element().struct.field("value").is_not_null()).list.to_map()
