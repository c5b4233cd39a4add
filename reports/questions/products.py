"""Asks whether the journeys of `[[journeys]]` are on target, and what moved; all of it safe to publish.

The cohorts are those of all paths, whatever days a report is of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from analytics import (
    JourneyProduct,
    Paths,
    check_product,
    judged_products,
    moved,
    product_changes,
    product_cohorts,
    status_of,
)
from reports.privacy.stages import SHOWN, WITHHELD
from reports.privacy.steps import Steps
from reports.privacy.targets import cohorts_in_steps, publishable_causes, publishable_cohorts
from reports.questions.answers import Targets
from reports.settings import ReportSettings

OPEN: Final = "open"
TOO_EARLY: Final = "too early"


@dataclass(frozen=True)
class Products:
    """What is asked about journeys: their definitions, by which columns what moved is split, what their paths are made
    by (`analytics.product_cohorts`).
    """

    definitions: tuple[JourneyProduct, ...]
    by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    made_by: str = ""


def targets_of(paths: Paths, asked: Products, settings: ReportSettings, steps: Steps) -> Targets | None:
    """The targets with their cohorts, what moved, and what differs after changes; null without a journey.

    Raises `DefinitionError` for a word of a journey that is no word of the data.
    """
    if not asked.definitions or paths.end_of_data is None:
        return None
    for definition in asked.definitions:
        check_product(paths, definition)
    zone = settings.timezone
    counted = product_cohorts(paths, asked.definitions, timezone=zone, made_by=asked.made_by)
    by_name = {each.name: each for each in asked.definitions}
    published = publishable_cohorts(
        counted, lambda one, other: _is_part(by_name[one], by_name[other]), settings.k, settings.least
    )
    cohorts = _judged(cohorts_in_steps(published, steps))
    causes = [_causes(paths, each, asked, settings, cohorts) for each in asked.definitions]
    return Targets(
        targets=_last(judged_products(_as_counted(cohorts, counted), paths.end_of_data, timezone=zone), cohorts),
        cohorts=cohorts,
        causes=pl.concat(causes, how="diagonal_relaxed"),
        changes=product_changes(_as_counted(cohorts, counted), asked.definitions, timezone=zone),
        goals={each.name: each.goal.name for each in asked.definitions},
    )


def _is_part(one: JourneyProduct, other: JourneyProduct) -> bool:
    """Whether the journeys of one may all be among those of the other, or the reverse."""
    members = [None if each.members is None else each.members.hash for each in (one, other)]
    begins = [None if each.begins is None else (each.begins.on, each.begins.any_of) for each in (one, other)]
    return all(None in pair or pair[0] == pair[1] for pair in (members, begins))


def _judged(cohorts: pl.DataFrame) -> pl.DataFrame:
    """The cohorts with the status of what is published of them."""
    status = []
    for row in cohorts.iter_rows(named=True):
        if row["status"] == OPEN or row["state"] != SHOWN:
            status.append(OPEN if row["status"] == OPEN else WITHHELD if row["state"] == WITHHELD else TOO_EARLY)
        else:
            status.append(status_of(row["counted"], row["low"], row["high"], row["target"], row["direction"]))
    return cohorts.with_columns(pl.Series("status", status, pl.String))


def _as_counted(cohorts: pl.DataFrame, counted: pl.DataFrame) -> pl.DataFrame:
    """The published cohorts with the columns of those that were counted; counts that are not published are null."""
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in counted.schema.items() if name not in cohorts.columns]
    hidden = pl.when(pl.col("status").is_in([WITHHELD, TOO_EARLY])).then(pl.lit(TOO_EARLY)).otherwise("status")
    return cohorts.with_columns(*missing, hidden.alias("status")).select(counted.columns)


def _last(judged: pl.DataFrame, cohorts: pl.DataFrame) -> pl.DataFrame:
    """One row per target: its last cohort that is over, the one before, and whether the journey is on course."""
    keys = ["journey", "measure", "period", "direction"]
    over = cohorts.filter(pl.col("status") != OPEN)
    before = over.group_by(keys, maintain_order=True).agg(
        pl.col("value").slice(-2, 1).first().alias("value_before"),
        pl.len().alias("many"),
    )
    own = over.unique(keys, keep="last", maintain_order=True).select(*keys, "status", "state")
    joined = judged.drop("status").join(own, on=keys, how="left", maintain_order="left")
    joined = joined.join(before, on=keys, how="left", maintain_order="left")
    is_withheld = pl.col("status") == WITHHELD
    return joined.with_columns(
        pl.when(pl.col("many") > 1).then("value_before").alias("value_before"),
        pl.when(~is_withheld).then("overdue").alias("overdue"),
    ).select(
        *("journey", "version", "owner", "measure", "unit", "period", "cohort", "cohort_end", "counted"),
        *("value", "low", "high", "value_before", "direction", "target", "by", "status"),
        *("on_course", "expected", "expected_low", "expected_high", "overdue", "hash"),
    )


def _causes(
    paths: Paths, definition: JourneyProduct, asked: Products, settings: ReportSettings, cohorts: pl.DataFrame
) -> pl.DataFrame:
    """What moved in one journey."""
    rows = moved(paths, definition, by=asked.by.get(definition.name, ()), timezone=settings.timezone)
    kinds = [target.period for target in definition.targets if target.measure == "goal_rate"]
    own = cohorts.filter(journey=definition.name, measure="goal_rate", period=kinds[0] if kinds else None)
    return publishable_causes(rows, own.unique("cohort", keep="first", maintain_order=True), settings.k, settings.least)
