"""What landed? Reads events and profiles of a lake, and brings frames of callers to the same columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from expectations import contract
from expectations.errors import StorageError, said
from expectations.lake.layout import EVENTS, PROFILES, Lake


def landed(lake: Lake, version: int | None = None) -> pl.LazyFrame:
    """Every row of table `events`, duplicates and all, with the columns of the contract; no rows when none landed."""
    return scan(lake, EVENTS, contract.EVENTS, version)


def profiles(lake: Lake) -> pl.LazyFrame:
    """The customer attributes of a lake, with the columns of `contract.PROFILES`; no rows when there are none."""
    return scan(lake, PROFILES, contract.PROFILES)


def table_version(lake: Lake, name: str) -> int | None:
    """Version of a Delta table, or None when it does not exist."""
    address = lake.table(name)
    try:
        table = _opened(address)
    except (DeltaError, OSError) as error:
        raise StorageError("A table of the lake cannot be read.", where=address, found=said(error)) from error
    return None if table is None else table.version()


def conform(frame: pl.DataFrame | pl.LazyFrame) -> pl.LazyFrame:
    """Any frame of events with every column of the contract: the missing ones are null, others are dropped.

    Times without a zone are taken as UTC. Without an `event_id` each row is an event of its own, named by its number.
    """
    lazy = frame.lazy()
    schema = lazy.collect_schema()
    if contract.EVENT_ID not in schema:
        lazy = lazy.with_row_index("_row").with_columns(pl.format("row-{}", "_row").alias(contract.EVENT_ID))
        schema = lazy.collect_schema()
    return lazy.select(_as_contract(name, dtype, schema) for name, dtype in contract.EVENTS.items())


def scan(lake: Lake, name: str, schema: pl.Schema, version: int | None = None) -> pl.LazyFrame:
    """Every row of a table of the lake, with the columns of `schema`; no rows when the table does not exist.

    The frame stays with one version of the table, the latest unless it is given: what lands later is not in it.
    """
    address = lake.table(name)
    try:
        table = _opened(address, version)
        if table is None:
            return pl.LazyFrame(schema=schema)
        frame = pl.scan_delta(table)
        found = frame.collect_schema()
    except (DeltaError, OSError) as error:
        raise StorageError("A table of the lake cannot be read.", where=address, found=said(error)) from error
    return frame.select(_as_contract(column, dtype, found) for column, dtype in schema.items())


def added(lake: Lake, name: str, schema: pl.Schema, since: int, until: int) -> pl.LazyFrame | None:
    """The rows that a table of the lake got after version `since` and up to version `until`.

    Files that were only written anew, to have fewer of them, bring no rows. None when it cannot be told: rows went as
    well, or a version or a file is no longer kept.
    """
    address = lake.table(name)
    files: list[str] = []
    try:
        table = DeltaTable(address, version=until)
        for begin, end in _runs(table, since, until):
            before, after = (set(DeltaTable(address, version=version).file_uris()) for version in (begin, end))
            if before - after:
                return None
            files += sorted(after - before)
        whole = pl.scan_delta(table).collect_schema()
        partitions = table.metadata().partition_columns
    except (DeltaError, OSError):
        return None
    if not files:
        return pl.LazyFrame(schema=schema)
    if lake.is_local and not all(Path(file).exists() for file in files):
        return None
    frame = pl.scan_parquet(
        files,
        schema={name: dtype for name, dtype in whole.items() if name not in partitions},
        hive_schema={name: whole[name] for name in partitions} or None,
        hive_partitioning=bool(partitions),
        missing_columns="insert",
        extra_columns="ignore",
    )
    return frame.select(_as_contract(column, dtype, whole) for column, dtype in schema.items())


def _runs(table: DeltaTable, since: int, until: int) -> list[tuple[int, int]]:
    """The versions after `since` and up to `until`, without those that only wrote files anew, as pairs of bounds."""
    told = {int(entry["version"]): entry["operation"] for entry in table.history()}
    anew = [version for version in range(since + 1, until + 1) if told.get(version) == "OPTIMIZE"]
    begins, ends = [since, *anew], [*(version - 1 for version in anew), until]
    return [(begin, end) for begin, end in zip(begins, ends, strict=True) if begin < end]


def append(lake: Lake, name: str, rows: pl.DataFrame) -> None:
    """Add rows to a table of the lake, which is made when it does not exist."""
    try:
        rows.write_delta(lake.table(name), mode="append")
    except (DeltaError, OSError) as error:
        raise StorageError(
            "A table of the lake cannot be written.", where=lake.table(name), found=said(error)
        ) from error


def _opened(address: str, version: int | None = None) -> DeltaTable | None:
    """The table at an address; None where there is none. Asking the library first would hold up all other threads."""
    try:
        return DeltaTable(address, version=version)
    except TableNotFoundError:
        return None


def _as_contract(name: str, dtype: pl.DataType, found: Mapping[str, pl.DataType]) -> pl.Expr:
    if name not in found:
        return pl.lit(None, dtype=dtype).alias(name)
    column, has = pl.col(name), found[name]
    if has == dtype or isinstance(dtype, pl.Map):
        return column if has == dtype else _as_map(column, has).alias(name)
    if isinstance(has, pl.Datetime) and has.time_zone is None:
        return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return column.cast(dtype)


def _as_map(column: pl.Expr, found: pl.DataType) -> pl.Expr:
    """A struct of texts, or a list of key and value, as a map."""
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
