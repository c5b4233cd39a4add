"""Keeps what was told of the targets of journeys in the lake's table `journeys`, one row per target and cohort.

A row is added when a cohort that is over is told first, or otherwise than before: late events, or customers who were
joined. Both rows stay. Rows of different digests are not of one series. An erasure removes the rows of every cohort in
which the customer had an event (`analytics.stitching.privacy`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import polars as pl

from analytics.monitoring.products.cohorts import OPEN
from analytics.monitoring.products.products import SAME, SERIES
from analytics.stitching.privacy.journal import erasures
from expectations.config.digest import digest_of
from expectations.lake.erase import erase
from expectations.lake.layout import JOURNEYS, Lake
from expectations.lake.matching import conditions
from expectations.lake.tables import append, scan

_TIME: Final = pl.Datetime("us", "UTC")
HISTORY: Final = pl.Schema(
    {
        "run": pl.String(),
        "at": _TIME,
        "journey": pl.String(),
        "version": pl.Int64(),
        "hash": pl.String(),
        "measure": pl.String(),
        "period": pl.String(),
        "direction": pl.String(),
        "target": pl.Float64(),
        "by": pl.Date(),
        "cohort": _TIME,
        "cohort_end": _TIME,
        "mature": pl.Int64(),
        "counted": pl.Int64(),
        "value": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "status": pl.String(),
        "end_of_data": _TIME,
        "key": pl.String(),
    }
)
"""`run` and `at` say which run told the row, and when; `key` is its name. The others are those of `product_cohorts`."""
_COUNTS: Final = ("mature", "counted", "target", "by", "status")
_NUMBERS: Final = ("value", "low", "high")


def product_history(lake: Lake, journey: str | None = None) -> pl.DataFrame:
    """What was told of the targets of journeys, or of one, in the order in which it was told; no rows if nothing was.

    Columns: those of `HISTORY`.

    >>> product_history(Lake("nowhere")).height
    0
    """
    rows = scan(lake, JOURNEYS, HISTORY)
    chosen = rows if journey is None else rows.filter(pl.col("journey") == journey)
    return chosen.sort("at", "journey", "measure", "period", "direction", "cohort", "key").collect()


def record_products(
    lake: Lake, table: pl.DataFrame, *, run: str, at: datetime, end_of_data: datetime, erased: int
) -> int:
    """Adds what the rows of `product_cohorts` tell otherwise than was told last; returns how many rows were added.

    Only cohorts that are over are told. `run` is the name of the run and `at` its time; `erased` is how many erasures
    the lake had seen when the paths were opened (`erasures`): if a customer was erased meanwhile nothing is added, as
    the rows may count them. Raises `StorageError` if the table cannot be written.
    """
    times = {name: pl.col(name).dt.convert_time_zone("UTC") for name in ("cohort", "cohort_end")}
    told = table.filter(pl.col("status") != OPEN).with_columns(
        pl.lit(run).alias("run"),
        pl.lit(at.astimezone(UTC), _TIME).alias("at"),
        pl.lit(end_of_data.astimezone(UTC), _TIME).alias("end_of_data"),
        **times,
    )
    new = _told_otherwise(told, product_history(lake))
    if new.is_empty() or erasures(lake) != erased:
        return 0
    names = [digest_of([run, at.isoformat(), *map(str, row)]) for row in new.select(*SERIES, "cohort").iter_rows()]
    append(lake, JOURNEYS, new.with_columns(pl.Series("key", names, pl.String)).select(*HISTORY).cast(HISTORY))
    if erasures(lake) != erased:
        erase(lake, JOURNEYS, conditions(pl.DataFrame({"run": [run] * len(names), "key": names}), "key"))
        return 0
    return len(new)


def _told_otherwise(told: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """The rows that are not as they were told last."""
    keys = [*SERIES, "cohort"]
    last = history.unique(keys, keep="last", maintain_order=True).select(*keys, *_COUNTS, *_NUMBERS)
    both = told.join(last, on=keys, how="left", suffix=" told", maintain_order="left", coalesce=True)
    same = [pl.col(name).eq_missing(pl.col(f"{name} told")) for name in _COUNTS]
    for name in _NUMBERS:
        now, then = pl.col(name), pl.col(f"{name} told")
        near = (now - then).abs() <= SAME * pl.max_horizontal(now.abs(), then.abs())
        same.append(pl.when(now.is_null() | then.is_null()).then(now.eq_missing(then)).otherwise(near))
    return both.filter(~pl.all_horizontal(same)).select(told.columns)
