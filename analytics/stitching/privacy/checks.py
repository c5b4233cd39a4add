"""Removes event names that only a removed customer had from the state and the results of the checks.

Checks count each day's events by name, and judge the most frequent names one by one. After an erasure the counts of
the days it touched are made again, and results about a name that no event has are removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import polars as pl

from expectations import contract
from expectations.audit import results
from expectations.lake.erase import Erased, erase
from expectations.lake.layout import RESULTS, Lake
from expectations.lake.matching import conditions
from expectations.lake.tables import landed


def forget_names(lake: Lake, days: Sequence[date]) -> Erased:
    """Counts the names of some days again, and removes results about names that are gone."""
    measures = results.measures(lake)
    outdated = (pl.col("measure") == "name") & pl.col("day").is_in(list(days))
    if days and not measures.filter(outdated).is_empty():
        counted = (
            landed(lake)
            .filter(pl.col(contract.EVENT_DATE).is_in(list(days)))
            .group_by(contract.EVENT_DATE, pl.col(contract.EVENT_NAME).fill_null("").alias("key"))
            .agg(pl.len().cast(pl.Int64).alias("count"))
            .select(pl.col(contract.EVENT_DATE).alias("day"), pl.lit("name").alias("measure"), "key", "count")
            .collect(engine="streaming")
        )
        known = measures.filter(outdated).select("day").unique()
        kept = pl.concat([measures.filter(~outdated), counted.join(known, on="day", how="semi")])
        results.keep(lake, results.seen(lake), kept.sort("day", "measure", "key"))
    return erase(lake, RESULTS, _without_events(lake))


def _without_events(lake: Lake) -> Iterator[str]:
    """SQL conditions for results about a name that no event has."""
    number = pl.col("columns").list.first()
    name = number.str.strip_suffix(".share").str.strip_suffix(".weekly")
    judged = results.results(lake).filter(pl.col("suite") == "drift", number.str.contains(r"\.(share|weekly)$"))
    if judged.is_empty():
        return iter(())
    names = landed(lake).select(pl.col(contract.EVENT_NAME).unique()).collect(engine="streaming").to_series()
    beliefs = judged.filter(~name.is_in(names.drop_nulls().implode()))["belief"].unique().sort()
    return conditions(pl.DataFrame({"suite": "drift", "belief": beliefs}), "belief")
