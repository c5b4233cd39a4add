"""Stores results and state of the checks in the lake, under `checks`.

- `checks/results`: a Delta table of validation results, one row per expectation, day and check (`RESULTS`). Each check
  adds a file; maintenance compacts them.
- `checks/marks.parquet`: the version of each table that the last check has seen (`SEEN`).
- `checks/measures.parquet`: measures of each day, for drift (`MEASURES`).

None of them contains a customer's values.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl
from polars._typing import SchemaDict

from expectations import contract
from expectations.errors import StorageError
from expectations.lake import files
from expectations.lake.layout import RESULTS as RESULTS_TABLE
from expectations.lake.layout import Lake
from expectations.lake.tables import append, scan

_results: SchemaDict = {
    "checked_at": contract.TIME,
    "suite": pl.String,
    "table": pl.String,
    "day": pl.Date,
    "expectation": pl.String,
    "columns": pl.List(pl.String),
    "belief": pl.String,
    "severity": pl.String,
    "passed": pl.Boolean,
    "judged": pl.Int64,
    "failed": pl.Int64,
    "observed": pl.Float64,
    "failure": pl.String,
    "since": pl.Int64,
    "version": pl.Int64,
}
RESULTS: Final = pl.Schema(_results)
"""`day` is null for a table that is evaluated as a whole. `belief` is the expectation in words. `judged` counts rows
with a value, `failed` the unexpected ones; `failed` is null for an expectation about a day as a whole, whose measured
value is `observed`. `failure` names the exception that prevented the evaluation. The rows are those of `version` that
were added after version `since`, or all rows of the day when `since` is null."""

SEEN: Final = pl.Schema({"table": pl.String, "day": pl.Date, "mark": pl.String})
"""`mark` is the version of the table; without versions, the fingerprint of a day (null: rows without day)."""

MEASURES: Final = pl.Schema({"day": pl.Date, "measure": pl.String, "key": pl.String, "count": pl.Int64})
"""`measure` is rows, name (of events), given (values in a column), hour, or settled (drift of the day was checked)."""

_FOLDER: Final = "checks"
_POSITION: Final = "place"
"""The position of a result in its check; compacted files do not keep the order of rows."""


def results(lake: Lake, until: datetime | None = None) -> pl.DataFrame:
    """The results of all checks so far, or of those up to a time, oldest first (schema `RESULTS`); an empty frame when
    there are none.
    """
    stored = scan(lake, RESULTS_TABLE, pl.Schema({**RESULTS, _POSITION: pl.Int64()}))
    stored = stored if until is None else stored.filter(pl.col("checked_at") <= until)
    return _read(stored.sort("checked_at", _POSITION).select(RESULTS.names()), lake.table(RESULTS_TABLE))


def add_results(lake: Lake, new: pl.DataFrame) -> None:
    """Append the results of one check atomically."""
    append(lake, RESULTS_TABLE, new.with_columns(pl.int_range(pl.len()).alias(_POSITION)))


def seen(lake: Lake) -> pl.DataFrame:
    """What the last check has seen (schema `SEEN`)."""
    return _kept(lake, "marks.parquet", SEEN)


def measures(lake: Lake) -> pl.DataFrame:
    """The measures of the days (schema `MEASURES`)."""
    return _kept(lake, "measures.parquet", MEASURES)


def keep(lake: Lake, seen_now: pl.DataFrame, measured: pl.DataFrame) -> None:
    """Replace marks and measures. Written after the results, so an interrupted check is repeated."""
    _write(lake, "measures.parquet", measured)
    _write(lake, "marks.parquet", seen_now)


def oldest_day(lake: Lake) -> date | None:
    """The first day that results or measures are about, or on which a result was found; None if there are none."""
    oldest = scan(lake, RESULTS_TABLE, RESULTS).select(
        pl.min_horizontal(pl.col("day").min(), pl.col("checked_at").dt.date().min())
    )
    days = [_read(oldest, lake.table(RESULTS_TABLE)).item(), measures(lake)["day"].min()]
    return min((day for day in days if day is not None), default=None)


def drop_before(lake: Lake, first: date) -> None:
    """Remove what the checks have seen and measured of the days before `first`."""
    is_kept = (pl.col("day") >= first).fill_null(True)
    keep(lake, seen(lake).filter(is_kept), measures(lake).filter(is_kept))


def _kept(lake: Lake, name: str, schema: pl.Schema) -> pl.DataFrame:
    address = f"{lake.table(_FOLDER)}/{name}"
    if lake.is_local:
        is_there = Path(address).exists()
        return _read(files.scan_rows(address), address) if is_there else schema.to_frame(eager=True)
    return _read(pl.scan_parquet(f"{address.removesuffix('.parquet')}*.parquet", schema=schema), address)


def _read(frame: pl.LazyFrame, where: str) -> pl.DataFrame:
    try:
        return frame.collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _failed("read", where, error) from error


def _write(lake: Lake, name: str, frame: pl.DataFrame) -> None:
    """Write a file atomically."""
    address = f"{lake.table(_FOLDER)}/{name}"
    target = f"{address}.part" if lake.is_local else address
    try:
        frame.lazy().sink_parquet(target, mkdir=lake.is_local)
        if lake.is_local:
            Path(target).replace(address)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _failed("written", address, error) from error


def _failed(how: str, where: str, error: Exception) -> StorageError:
    return StorageError(f"Results of checks cannot be {how}.", where=where, found=str(error).split("\n")[0])
