"""Which groups are always below all others, compared with journeys that are otherwise alike?

Every group that is clearly below all other known groups at a step is compared again within the groups of each other
breakdown (`analytics.stratified_difference`); the adjusted difference nearest to 0 counts, with the breakdown that made
it so. Counts of journeys are taken as worth as many independent ones as the step's are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import polars as pl

from analytics import Asking, Goal, benjamini_hochberg, stage_funnel, stratified_difference
from reports.privacy.stages import NO_VALUE
from reports.questions.people.groups import ALL_OTHERS, told_apart
from reports.settings import ReportSettings

LEVEL: Final = 0.05
NORMAL: Final = NormalDist()
DRIVERS: Final = pl.Schema(
    {
        "dimension": pl.String,
        "segment": pl.String,
        "step": pl.UInt32,
        "name": pl.String,
        "journeys": pl.Int64,
        "share": pl.Float64,
        "adjusted": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "explained_by": pl.String,
        "p_corrected": pl.Float64,
    }
)


PairCounts = Mapping[tuple[str, ...], pl.DataFrame]
"""By two columns, or one: the answer of `analytics.stage_funnel`."""


def group_drivers(
    settings: ReportSettings, goal: Goal, segments: pl.DataFrame | None
) -> Asking[tuple[pl.DataFrame, PairCounts]]:
    """The groups of `segments` (`reports.privacy.stages.publishable_segments`) that stay below the others: `DRIVERS`.

    `journeys` at the stage before, `share` of them that goes on, `adjusted` the difference with its interval, both
    below 0, `explained_by` the name of the breakdown that left least of it (null where no other one could be asked),
    `p_corrected` by Benjamini-Hochberg over all groups and steps. With the counts of journeys by two columns.
    """
    if segments is None:
        return pl.DataFrame(schema=DRIVERS), {}
    tested = segments.filter(pl.col("verdict").is_not_null()).height
    is_known = ~pl.col("segment").is_in([NO_VALUE, ALL_OTHERS])
    below = segments.filter(is_known, pl.col("verdict") == "below").drop_nulls(["difference", "previous"]).to_dicts()
    columns = {settings.name_of(column): column for column in settings.segments}
    pairs = {
        tuple(sorted((columns[row["dimension"]], other)))
        for row in below
        for other in settings.segments
        if other != columns[row["dimension"]]
    }
    asked = partial(stage_funnel, goal=goal, window=settings.window, columns=("reached", "effective_previous"))
    counts = yield {pair: partial(asked, by=pair) for pair in pairs}
    rows = []
    for row in below:
        column = columns[row["dimension"]]
        compared = [
            (settings.name_of(other), _within(counts[tuple(sorted((column, other)))], column, other, row))
            for other in settings.segments
            if other != column
        ]
        rows.append(_nearest(row, [(name, each) for name, each in compared if not np.isnan(each["adjusted"])]))
    corrected = benjamini_hochberg([row["p_value"] for row in rows]) * max(1.0, tested / max(len(rows), 1))
    table = [{**row, "p_corrected": min(float(p), 1.0)} for row, p in zip(rows, corrected, strict=True)]
    found = pl.DataFrame([{name: row[name] for name in DRIVERS} for row in table], schema=DRIVERS, orient="row")
    return found.filter(pl.col("p_corrected") < LEVEL, pl.col("high") < 0), counts


def with_previous(counts: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The counts with the journeys at the stage before, `previous`, where there are any."""
    before = pl.col("reached").shift(1).over([*keys, "is_total"], order_by="step")
    return counts.with_columns(before.alias("previous")).filter(pl.col("previous") > 0)


def _within(counts: pl.DataFrame, column: str, other: str, row: dict[str, Any]) -> dict[str, float]:
    """The difference of a group from all other known ones, within the groups of another column."""
    here = with_previous(counts, [column, other]).filter(pl.col("step") == row["step"])
    whole = here.filter("is_total").row(0, named=True)
    worth = min(1.0, whole["effective_previous"] / whole["previous"])
    known = here.filter(~pl.col("is_total"), pl.col(column).is_not_null())
    is_own = told_apart(pl.col(column)) == row["segment"]
    sums = [pl.col(name).filter(side).sum().alias(f"{name}{of}")
            for of, side in (("1", is_own), ("0", ~is_own)) for name in ("reached", "previous")]  # fmt: skip
    strata = known.group_by(other).agg(sums).sort(other)
    found = stratified_difference(
        *(strata[f"{name}{of}"].to_numpy() * worth for of in ("1", "0") for name in ("reached", "previous"))
    )
    names = ("adjusted", "adjusted_low", "adjusted_high", "p_value")
    return {name: float(getattr(found, name)) for name in names}


def _nearest(row: dict[str, Any], compared: list[tuple[str, dict[str, float]]]) -> dict[str, Any]:
    """A group with its adjusted difference that is nearest to 0; as it is, where nothing adjusts it."""
    named = {**row, "journeys": row["previous"]}
    if not compared:
        ends = {"low": row["difference_low"], "high": row["difference_high"]}
        error = (ends["high"] - ends["low"]) / (2 * NORMAL.inv_cdf(0.975))
        p = 2 * NORMAL.cdf(-abs(row["difference"]) / error) if error > 0 else 1.0
        return {**named, **ends, "adjusted": row["difference"], "explained_by": None, "p_value": p}
    name, found = min(compared, key=lambda one: abs(one[1]["adjusted"]))
    ends = {"low": found["adjusted_low"], "high": found["adjusted_high"]}
    return {**named, **ends, "adjusted": found["adjusted"], "explained_by": name, "p_value": found["p_value"]}
