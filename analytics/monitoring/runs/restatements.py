"""Keeps in the lake's table `restatements` which final cells a later report told otherwise, and why.

One row per cell and pair of reports; running the same report again adds none. An erasure removes the rows of weeks in
which the customer had an event (`analytics.stitching.privacy`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from analytics.monitoring.runs.cells import KEY, TIME
from analytics.monitoring.runs.diff import DIFF, DIFF_CAUSES, RESTATED
from analytics.monitoring.runs.kept import KeptRun
from analytics.stitching.privacy.journal import erasures
from expectations.config.digest import digest_of
from expectations.lake.layout import RESTATEMENTS, Lake
from expectations.lake.tables import append, scan

_NOT_KEPT: Final = ("state", "final", "restated")
RESTATED_ROWS: Final = pl.Schema(
    {
        "run": pl.String(),
        "before": pl.String(),
        "at": TIME,
        "cause": pl.String(),
        "week_end": TIME,
        "key": pl.String(),
        **{name: dtype for name, dtype in DIFF.items() if name not in _NOT_KEPT},
    }
)
"""`run` is the report that tells a cell otherwise than `before` did, `at` its time, `cause` the largest of its causes;
`key` names the row. The others are those of `diff`."""


def restatements(lake: Lake) -> pl.DataFrame:
    """All restated cells, in the order in which they were told (`RESTATED_ROWS`); no rows if there are none.

    >>> restatements(Lake("nowhere")).height
    0
    """
    return scan(lake, RESTATEMENTS, RESTATED_ROWS).sort("at", "run", "part", "name", "week", "measure").collect()


def has_restated(before: KeptRun, now: KeptRun) -> bool:
    """Whether a cell that was final moved by more than 0.5 %: cheap to ask, as no cause is worked out."""
    final = before.cells.filter(pl.col("over_at") + before.waited <= before.end_of_data)
    both = final.join(now.cells, on=KEY, how="left", nulls_equal=True, suffix=" now")
    new = now.cells.filter(pl.col("over_at") + before.waited <= before.end_of_data)
    moved = (pl.col("value now").fill_null(0) - pl.col("value")).abs() > RESTATED * pl.col("value")
    return bool(both.select(moved.any()).item()) or not new.join(final, on=KEY, how="anti", nulls_equal=True).is_empty()


def record_restatements(lake: Lake, found: pl.DataFrame, before: KeptRun, now: KeptRun) -> int:
    """Adds the restated rows of `run_difference` of two runs; returns how many were added.

    None are where this pair is recorded already, or a customer was erased since the later run. Raises `StorageError`
    if the table cannot be written.
    """
    told = scan(lake, RESTATEMENTS, RESTATED_ROWS).filter(pl.col("run") == now.run, pl.col("before") == before.run)
    rows = found.filter("restated")
    if rows.is_empty() or erasures(lake) != now.erasures or not told.head(1).collect().is_empty():
        return 0
    ends = pl.concat([now.cells, before.cells]).unique(KEY, keep="last").select(*KEY, "week_end")
    sizes = pl.concat_list(pl.col(cause).abs() for cause in DIFF_CAUSES)
    largest = sizes.list.arg_max().replace_strict(range(len(DIFF_CAUSES)), DIFF_CAUSES, return_dtype=pl.String)
    keys = [digest_of([before.run, now.run, *map(str, row)]) for row in rows.select(KEY).iter_rows()]
    kept = rows.join(ends, on=KEY, how="left", nulls_equal=True, maintain_order="left").with_columns(
        pl.lit(now.run).alias("run"),
        pl.lit(before.run).alias("before"),
        pl.lit(now.at, TIME).alias("at"),
        largest.alias("cause"),
        pl.Series("key", keys, pl.String),
    )
    append(lake, RESTATEMENTS, kept.select(*RESTATED_ROWS).cast(RESTATED_ROWS))
    return len(kept)
