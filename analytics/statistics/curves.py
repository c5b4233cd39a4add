"""Kaplan-Meier curves of waits, with censored observations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from analytics.statistics.intervals import normal_quantile


def kaplan_meier(
    durations: ArrayLike, observed: ArrayLike, confidence: float = 0.95, *, counts: ArrayLike | None = None
) -> pl.DataFrame:
    """The share that has not converted yet, by time, with those still under way counted as long as they are seen.

    `counts` is the number of customers that each duration stands for; one by default.
    Columns: `time` Float64 (each duration that occurs), `at_risk`, `events`, `censored` Int64, `survival` Float64,
    `standard_error` (Greenwood), `low`, `high` Float64 (of `survival`, on the log-log
    scale). No durations give no rows.

    >>> kaplan_meier([1, 2, 3], [1, 0, 1])["survival"].round(3).to_list()
    [0.667, 0.667, 0.0]
    """
    time, event = np.asarray(durations, float), np.asarray(observed, bool)
    people = np.ones(len(time), np.int64) if counts is None else np.asarray(counts, np.int64)
    return kaplan_meier_by(pl.DataFrame({"time": time, "event": event, "people": people}), [], confidence)


def kaplan_meier_by(waits: pl.DataFrame, by: Sequence[str], confidence: float = 0.95) -> pl.DataFrame:
    """The same for every group: a row of `waits` is a `time`, whether the `event` came then, and for how many `people`.

    Columns: those of `by`, and those of `kaplan_meier`; sorted by them.
    """

    def within(column: pl.Expr) -> pl.Expr:
        return column.over(by) if by else column

    everyone, d, n = pl.col(" all"), pl.col("events"), pl.col("at_risk")
    table = (
        waits.group_by(*by, "time")
        .agg(pl.col("people").filter("event").sum().alias("events"), pl.col("people").sum().alias(" all"))
        .sort(*by, "time", nulls_last=True)
        .with_columns((within(everyone.sum()) - within(everyone.cum_sum()) + everyone).alias("at_risk"))
        .with_columns(
            within((1 - d / n).cum_prod()).alias("survival"),
            within(pl.when(d < n).then(d / (n * (n - d))).otherwise(0.0).cum_sum()).sqrt().alias(" greenwood"),
            (everyone - d).alias("censored"),
        )
    )
    z, s = normal_quantile(confidence), pl.col("survival")
    theta = z * pl.col(" greenwood") / s.log().abs()
    return table.select(
        *by,
        "time",
        "at_risk",
        "events",
        "censored",
        "survival",
        (s * pl.col(" greenwood")).alias("standard_error"),
        pl.when(s < 1).then(s ** theta.exp()).otherwise(s).alias("low"),
        pl.when(s < 1).then(s ** (-theta).exp()).otherwise(s).alias("high"),
    )
