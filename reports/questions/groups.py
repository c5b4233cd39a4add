"""Which groups of customers go on to the next stage more or less often than all other customers?

Computed from the counts of a funnel with the statistics of analytics.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics import against_the_rest, benjamini_hochberg, counts_by
from reports.privacy import stages
from reports.privacy.stages import NO_VALUE
from reports.settings import ReportSettings

ALL_OTHERS: Final = "All others"
NAMES: Final = {"": "share", "_low": "low", "_high": "high", "_total": "everyone"}
_LEVEL: Final = 0.05


def segment_differences(counts: pl.DataFrame, settings: ReportSettings) -> pl.DataFrame | None:
    """Every group of every breakdown against the rest, safe to publish; null without a breakdown.

    `counts` is the funnel by all breakdowns together.
    """
    if not settings.segments:
        return None
    frames = []
    for column in settings.segments:
        largest = _largest(counts_by(counts, column), column, settings.values_per_segment)
        frames.append(
            against_the_rest(largest, column).select(
                pl.lit(settings.name_of(column)).alias("dimension"),
                pl.col(column).fill_null(NO_VALUE).alias("segment"),
                *("step", "name", "previous", "reached"),
                *(pl.col(f"share_of_previous{of}").alias(name) for of, name in NAMES.items()),
                *("difference", "difference_low", "difference_high", "p_value"),
            )
        )
    rows = pl.concat(frames)
    few = pl.col("previous") < settings.least
    tested = rows.with_columns(p_value=pl.when(~few).then("p_value"))
    adjusted = pl.Series(benjamini_hochberg(floats(tested["p_value"])))
    is_same = (adjusted >= _LEVEL) | pl.col("p_value").is_null()  # no p-value: everybody goes on, or nobody
    verdict = (
        (pl.when(few).then(None).when(is_same).then(pl.lit("same")))
        .when(pl.col("difference") < 0)
        .then(pl.lit("below"))
        .otherwise(pl.lit("above"))
    )
    return stages.publishable_segments(rows.with_columns(verdict=verdict).drop("p_value"), settings.k, settings.least)


def _largest(by_group: pl.DataFrame, column: str, max_groups: int) -> pl.DataFrame:
    """The groups with the most entrants in order of size, all others summed as one group."""
    text = by_group.with_columns(pl.col(column).cast(pl.String)).with_columns(
        pl.when("is_total").then(None).otherwise(pl.col(column).fill_null(NO_VALUE)).alias(column)
    )
    groups = text.filter(~pl.col("is_total"))
    sizes = groups.filter(pl.col("step") == 1).sort("entered", column, descending=[True, False])[column].to_list()
    kept = sizes if len(sizes) <= max_groups else sizes[: max_groups - 1]
    named = groups.with_columns(
        pl.when(pl.col(column).is_in(kept)).then(pl.col(column)).otherwise(pl.lit(ALL_OTHERS)).alias(column)
    )
    order = pl.Enum(list(dict.fromkeys([*(n for n in kept if n != NO_VALUE), ALL_OTHERS, *kept])))
    counts = ["entered", "reached", "dropped", "open"]
    summed = named.group_by(column, "is_total", "step", "name").agg(pl.col(counts).sum())
    summed = summed.sort(pl.col(column).cast(order), "step")
    return pl.concat([text.filter("is_total").select(summed.columns), summed])


def floats(series: pl.Series) -> NDArray[np.float64]:
    """The numbers as an array; NaN for null."""
    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
