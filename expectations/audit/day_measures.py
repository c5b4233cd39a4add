"""Measures each day for drift (rows, event names, values in columns, events by hour), and finds the settled days.

A day is settled when it has been over, in the time of the data, for long enough that late events are included.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import polars as pl

from expectations import contract
from expectations.audit.results import MEASURES

_COLUMNS_PER_PASS: Final = 4
"""Columns that are read in one pass: a row group is in memory with all the columns that are read."""


def measure(events: pl.LazyFrame) -> pl.DataFrame:
    """Measure every day of the events (schema `MEASURES`)."""
    names = [name for name in events.collect_schema() if name in contract.EVENTS and name != contract.EVENT_DATE]
    passes = [names[start : start + _COLUMNS_PER_PASS] for start in range(0, len(names), _COLUMNS_PER_PASS)]
    present = [_count_present(events, columns) for columns in passes]
    rows = events.group_by(contract.EVENT_DATE).agg(pl.len().alias("count")).collect(engine="streaming")
    hour = pl.col(contract.OCCURRED_AT).dt.hour().cast(pl.String)
    parts = [
        rows.with_columns(pl.lit("rows").alias("measure"), pl.lit("").alias("key")),
        *present,
        _count(events, pl.col(contract.EVENT_NAME).fill_null(""), "name"),
        _count(events, hour, "hour"),
    ]
    measures = [
        part.rename({contract.EVENT_DATE: "day"}).select(pl.col(name).cast(dtype) for name, dtype in MEASURES.items())
        for part in parts
    ]
    return pl.concat(measures).sort("day", "measure", "key")


def settled(days: list[date], end_of_data: datetime | None, settle: timedelta) -> list[date]:
    """The days that had been over for `settle` at the end of the data."""
    if end_of_data is None:
        return []
    midnight = time(tzinfo=UTC)
    return [day for day in days if datetime.combine(day, midnight) + timedelta(days=1) + settle <= end_of_data]


def _count_present(events: pl.LazyFrame, names: list[str]) -> pl.DataFrame:
    """The number of values per day and column."""
    wide = events.group_by(contract.EVENT_DATE).agg(pl.col(name).count() for name in names).collect(engine="streaming")
    tall = wide.unpivot(names, index=contract.EVENT_DATE, variable_name="key", value_name="count")
    return tall.with_columns(pl.lit("given").alias("measure"))


def _count(events: pl.LazyFrame, key: pl.Expr, name: str) -> pl.DataFrame:
    """The number of events per day and key."""
    counted = events.group_by(contract.EVENT_DATE, key.alias("key")).agg(pl.len().alias("count"))
    return counted.with_columns(pl.lit(name).alias("measure")).collect(engine="streaming")
