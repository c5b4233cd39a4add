"""Makes what the lake keeps of earlier reports tell nothing of a removed customer.

Cells told before and after an erasure differ by exactly the customer. So the counts of all cells of weeks in which the
customer had an event, and of all totals, are rounded to multiples of the least count that is published, and those that
become 0 go; restatements of such weeks go, and so do the published frames of the reports, which are withdrawn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import polars as pl

from analytics.stitching.privacy.kept.told_cohorts import hold_one
from expectations.lake import files
from expectations.lake.erase import Erased, erase
from expectations.lake.layout import REPORTED, RESTATEMENTS, Lake
from expectations.lake.matching import conditions
from expectations.lake.tables import scan

_TIME: Final = pl.Datetime("us", "UTC")
_ROW: Final = pl.Schema({"run": pl.String(), "key": pl.String(), "week": _TIME, "week_end": _TIME})
_COUNTS: Final = ("value", "customers")


def forget_cells(lake: Lake, times: pl.Series) -> Erased:
    """Rounds the cells of weeks in which one of these times of events lies; removes their restatements."""
    folder = lake.table(REPORTED)
    listed = files.listing(folder)
    files.discard(folder, [name for name in listed if name.endswith("/site.json.gz")])
    for name in (name for name in listed if name.endswith("/cells.parquet")):
        _round(f"{folder}/{name}", f"{folder}/{name.partition('/')[0]}/run.json", times)
    return erase(lake, RESTATEMENTS, _restated(lake, times))


def _round(cells: str, facts: str, times: pl.Series) -> None:
    """Rounds the counts of one run; without its facts it is of a run that was not finished, and goes."""
    content = files.read(facts)
    if content is None:
        files.remove(cells)
        return
    k = int(json.loads(content)["k"])
    rows = files.read_rows(cells)
    counted = hold_one(rows["week"], rows["week_end"], times) | rows["week"].is_null()
    rounded = rows.with_columns(
        pl.when(counted).then(((pl.col(name) / k + 0.5).floor() * k).cast(pl.Int64)).otherwise(pl.col(name)).alias(name)
        for name in _COUNTS
    )
    files.write_rows(cells, rounded.filter(pl.col("value") > 0))


def _restated(lake: Lake, times: pl.Series) -> Iterator[str]:
    """SQL conditions for the restatements of these weeks."""
    rows = scan(lake, RESTATEMENTS, _ROW).collect()
    counted = rows.filter(hold_one(rows["week"], rows["week_end"], times))
    return conditions(counted.select("run", "key"), "key") if len(counted) else iter(())
