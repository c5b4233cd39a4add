"""Removes what is kept of earlier times and of predictions: snapshots hold features of customers, and whose events are.

A customer may have had any key then, and their events may have been counted as those of another. So all of it goes; the
next prediction makes it from the events that are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from analytics.store.columns import CUSTOMER
from expectations.lake import files
from expectations.lake.erase import Erased
from expectations.lake.layout import SNAPSHOTS, Lake


def snapshot_files(lake: Lake) -> list[str]:
    """The names of the files of snapshots and predictions.

    >>> snapshot_files(Lake("nowhere"))
    []
    """
    return sorted(files.listing(lake.table(SNAPSHOTS)))


def forget_snapshots(lake: Lake) -> Erased:
    """Removes all snapshots and predictions; counts the rows about single customers."""
    names = snapshot_files(lake)
    before = sum(len(rows) for rows in _rows(lake, pl.lit(True)))
    files.discard(lake.table(SNAPSHOTS), names)
    return Erased(SNAPSHOTS, before, 0, 0, len(names), 0)


def snapshots_named(lake: Lake, keys: Iterable[str]) -> pl.DataFrame:
    """The rows of these customers, by the keys that they have or had: `file`, `customer`, and what is known of them."""
    rows = _rows(lake, pl.col(CUSTOMER).is_in(list(keys)))
    none = pl.DataFrame(schema={"file": pl.String, CUSTOMER: pl.String})
    return pl.concat([none, *(each for each in rows if len(each))], how="diagonal_relaxed")


def _rows(lake: Lake, condition: pl.Expr) -> Iterator[pl.DataFrame]:
    """The rows about single customers that meet a condition, file by file."""
    for name in snapshot_files(lake):
        if not name.endswith(".parquet"):
            continue
        rows = files.scan_rows(f"{lake.table(SNAPSHOTS)}/{name}")
        if CUSTOMER in rows.collect_schema():
            yield rows.filter(condition).select(pl.lit(name).alias("file"), CUSTOMER, pl.exclude(CUSTOMER)).collect()
