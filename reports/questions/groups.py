"""Which groups of customers go on to the next stage more or less often than all other customers?

Computed from the counts of a funnel with the statistics of analytics.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics import benjamini_hochberg, newcombe, two_proportions_z, wilson
from reports.privacy import stages
from reports.privacy.stages import NO_VALUE
from reports.settings import ReportSettings

ALL_OTHERS: Final = "All others"
_LEVEL: Final = 0.05


def against_the_rest(by_group: pl.DataFrame, column: str, dimension: str) -> pl.DataFrame:
    """Step conversion of every group of one column against all other customers.

    In: a funnel broken down by `column`. Out: the columns that `reports.privacy.stages.publishable_segments` takes,
    without `verdict`, and `p_value` Float64 of the test that the group goes on as often as the rest.
    """
    before = by_group.select(column, "is_total", pl.col("step") + 1, previous="reached")
    rated = by_group.filter(pl.col("step") > 1).join(
        before, on=[column, "is_total", "step"], nulls_equal=True, how="inner"
    )
    total = rated.filter("is_total").select("step", all_reached="reached", all_previous="previous")
    groups = rated.filter(~pl.col("is_total")).join(total, on="step")
    k, n = groups["reached"].to_numpy(), groups["previous"].to_numpy()
    rest_k, rest_n = groups["all_reached"].to_numpy() - k, groups["all_previous"].to_numpy() - n
    own, gap = wilson(k, n), newcombe(k, n, rest_k, rest_n)
    return groups.select(
        dimension=pl.lit(dimension),
        segment=pl.col(column).cast(pl.String).fill_null(NO_VALUE),
        step="step",
        name="name",
        previous="previous",
        reached="reached",
        share=pl.col("reached") / pl.col("previous"),
        low=pl.Series(own.low),
        high=pl.Series(own.high),
        everyone=pl.col("all_reached") / pl.col("all_previous"),
        difference=pl.col("reached") / pl.col("previous") - pl.Series(rest_k) / pl.Series(rest_n),
        difference_low=pl.Series(gap.low),
        difference_high=pl.Series(gap.high),
        p_value=pl.Series(two_proportions_z(k, n, rest_k, rest_n).p_value),
    ).with_columns(pl.selectors.float().fill_nan(None))


def by_column(counts: pl.DataFrame, column: str) -> pl.DataFrame:
    """The counts of a funnel by several columns, summed to those by one of them; totals stay first.

    In: `funnel` or `funnel_by_range` of analytics. Out: `column` String, and the columns of the counts.
    """
    keys = [name for name in ("is_total", "period", "step", "name") if name in counts.columns]
    sums = counts.group_by(pl.col(column).cast(pl.String), *keys).agg(
        pl.col("entered", "reached", "dropped", "open").sum()
    )
    return sums.sort("is_total", column, *keys[1:], descending=[True, *[False] * len(keys)], nulls_last=True)


def segment_differences(counts: pl.DataFrame, settings: ReportSettings) -> pl.DataFrame | None:
    """Every group of every breakdown against the rest, safe to publish; null without a breakdown.

    `counts` is the funnel by all breakdowns together.
    """
    if not settings.segments:
        return None
    frames = []
    for column in settings.segments:
        largest = _largest(by_column(counts, column), column, settings.values_per_segment)
        frames.append(against_the_rest(largest, column, settings.name_of(column)))
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
