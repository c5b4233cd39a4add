"""Which groups of journeys go on to the next stage more or less often than all others?"""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics import Asking, Goal, benjamini_hochberg, stage_groups, together
from reports.privacy import stages
from reports.privacy.stages import NO_VALUE
from reports.settings import ReportSettings

ALL_OTHERS: Final = "All others"
NAMES: Final = {"": "share", "_low": "low", "_high": "high"}
_LEVEL: Final = 0.05


def segment_differences(settings: ReportSettings, goal: Goal) -> Asking[pl.DataFrame | None]:
    """Every group of every breakdown against all other known groups, safe to publish; null without a breakdown."""
    if not settings.segments:
        return None
    tables = yield from together(*(_largest_groups(column, settings, goal) for column in settings.segments))
    frames = []
    for column, found in zip(settings.segments, tables, strict=True):
        everyone = found.filter("is_total").select("step", pl.col("share_of_previous").alias("everyone"))
        frames.append(
            found.filter(~pl.col("is_total"))
            .join(everyone, on="step", maintain_order="left")
            .select(
                pl.lit(settings.name_of(column)).alias("dimension"),
                pl.col(column).fill_null(NO_VALUE).alias("segment"),
                "step",
                "name",
                *("previous", "reached", "customers_previous", "customers", "customers_lost"),
                *(pl.col(f"share_of_previous{of}").alias(name) for of, name in NAMES.items()),
                *("everyone", "difference", "difference_low", "difference_high", "p_value"),
            )
        )
    rows = pl.concat(frames)
    few = pl.col("customers_previous") < settings.least
    tested = rows.with_columns(p_value=pl.when(~few).then("p_value"))
    adjusted = pl.Series(benjamini_hochberg(floats(tested["p_value"])))
    is_same = (adjusted >= _LEVEL) | pl.col("p_value").is_null()  # no p-value: everybody goes on, or nobody
    verdict = (
        (pl.when(few | (pl.col("segment") == NO_VALUE)).then(None).when(is_same).then(pl.lit("same")))
        .when(pl.col("difference") < 0)
        .then(pl.lit("below"))
        .otherwise(pl.lit("above"))
    )
    return stages.publishable_segments(rows.with_columns(verdict=verdict).drop("p_value"), settings.k, settings.least)


def told_apart(column: pl.Expr) -> pl.Expr:
    """The values of a column as text; one that is called like the group of those without a value, or of all others,
    stands in quotes.
    """
    text = column.cast(pl.String)
    own = ~text.is_in([NO_VALUE, ALL_OTHERS])
    return pl.when(own).then(text).otherwise(pl.concat_str(pl.lit("'"), text, pl.lit("'")))


def _largest_groups(column: str, settings: ReportSettings, goal: Goal) -> Asking[pl.DataFrame]:
    """The groups with the most journeys in order of size, all others together as one group, then the unknown."""
    most, asked = settings.values_per_segment, partial(stage_groups, goal=goal, window=settings.window)
    answers = yield {"all": partial(asked, by=column)}
    found = answers["all"].with_columns(told_apart(pl.col(column)).alias(column))
    groups = found.filter(~pl.col("is_total"), pl.col("step") == 2, pl.col(column).is_not_null())
    order = groups.sort("previous", column, descending=[True, False])[column].to_list()
    if len(order) > most:
        kept, text = order[: most - 1], told_apart(pl.col(column))
        known = pl.when(text.is_in(kept)).then(text).when(text.is_not_null()).then(pl.lit(ALL_OTHERS)).alias(column)
        answers = yield {"largest": partial(asked, by=known)}
        found, order = answers["largest"], [*kept, ALL_OTHERS]
    places = pl.col(column).replace_strict(order, range(len(order)), default=len(order), return_dtype=pl.Int64)
    return found.sort(pl.col("is_total").not_(), places, "step", maintain_order=True)


def floats(series: pl.Series) -> NDArray[np.float64]:
    """The numbers as an array; NaN for null."""
    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
