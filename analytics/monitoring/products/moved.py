"""What moved between the last two cohorts of a journey that are over, and which of it is worth a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import polars as pl

from analytics.engine.conditions import one_of
from analytics.engine.local.calendar import Period
from analytics.monitoring.change import FAMILY_SIGN, Families, Family, families_of
from analytics.monitoring.products.cohorts import CohortPeriods, with_horizon
from analytics.monitoring.products.columns import journeys_of
from analytics.monitoring.products.definition import COHORT_PERIODS, JourneyProduct
from analytics.monitoring.products.goal_change import goal_change
from analytics.statistics.corrections import benjamini_hochberg
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

LEVEL: Final = 0.05
"""Corrected p-values below it are clear."""


def moved(
    paths: Paths,
    product: JourneyProduct,
    *,
    by: Families = (),
    period: Period | None = None,
    against: int = 1,
    timezone: str = "UTC",
) -> pl.DataFrame:
    """Why the goal rate of the last cohort of a journey that is over differs from that `against` it.

    `period` is the length of cohorts, by default that of the first target of the goal rate, else of the first target.
    `against` is how many cohorts before it, taken together, it is compared with: more of them show smaller changes.
    The rows are those of `goal_change` over the journeys of the product, with `by`, after `journey` String and
    `cohort`, `cohort_end`, `cohort_before` Datetime(us, timezone): when it begins and
    ends, and when those before begin. The last column, `told` UInt32, numbers what is
    worth a sentence, at most three rows: the change itself, if its interval leaves out 0; the mix or the rate of a
    segment that adds most, of those with a corrected p-value below 0.05; and the stage that adds most, of those with
    one: of this segment, or, without one, of the segments that pulled the rate most its way (one per column), or else
    of all journeys. *Unknown at the beginning* is told of no segment. Raises
    `DefinitionError` for no cohort to compare with, and as `goal_change` does.

    >>> from analytics import Goal, JourneyProduct, Paths, Target
    >>> visits = {f"c{n}": f"look@{n % 60}d" + " buy@59d" * (n % 60 >= 31) for n in range(600)}
    >>> order = JourneyProduct("First", owner="Mara", goal=Goal(name="Order", steps=["buy"]),
    ...                        targets=[Target("goal_rate", at_least=0.5)])
    >>> moved(Paths.from_text(visits, end="100d"), order)["effect", "before", "after", "told"].rows()
    [('total', 0.0, 1.0, 1), ('stage', 0.0, 1.0, None)]
    """
    if paths.end_of_data is None:
        raise DefinitionError("Paths without touches have no cohort.", expected="an end of data")
    first = next((each for each in product.targets if each.measure == "goal_rate"), product.targets[0])
    kind = one_of("period of cohorts", period or first.period, COHORT_PERIODS)
    goal, horizon = with_horizon(paths, product)
    if against < 1:
        raise DefinitionError("A cohort is compared with others.", expected="against 1 or more", found=str(against))
    found = CohortPeriods.of(paths.end_of_data, horizon, kind, timezone, against + 1)
    earlier, later, end = (found.starts[n].astimezone(UTC) for n in (0, found.over - 1, found.over))
    chosen = journeys_of(paths, product)
    rows = goal_change(chosen, goal, before=(earlier, later), after=(later, end), by=by, stages=product.stages)
    families = {FAMILY_SIGN.join(family): family for family in families_of(chosen, by)}
    times = {"cohort": later, "cohort_end": end, "cohort_before": earlier}
    columns = [_constant(rows, name, at, timezone) for name, at in times.items()]
    named = rows.select(pl.lit(product.name).alias("journey"), *columns, pl.all())
    return named.with_columns(pl.Series("told", told_of(rows.to_dicts(), families), pl.UInt32))


def _constant(rows: pl.DataFrame, name: str, at: datetime, timezone: str) -> pl.Series:
    return pl.Series(name, [at] * len(rows), pl.Datetime("us", "UTC")).dt.convert_time_zone(timezone)


def told_of(rows: list[dict[str, Any]], families: Mapping[str, Family]) -> list[int | None]:
    """The number of the sentence of each row of `goal_change`, as `moved` says; None for those not worth one."""
    if not rows:
        return []

    def is_known(row: dict[str, Any]) -> bool:
        return all(row[name] is not None for name in families[row["family"]])

    def of(*effects: str) -> list[int]:
        return [n for n, row in enumerate(rows) if row["effect"] in effects and row["family"] and is_known(row)]

    whole = rows[0]["contribution"]
    chosen = [0] if _leaves_out_0(rows[0]) else []
    segment = _largest(rows, of("mix", "rate"))
    chosen += [] if segment is None else [segment]
    if segment is not None:
        candidates = [n for n in of("stage") if _group(rows[n], families) == _group(rows[segment], families)]
    else:
        pulled: dict[str, int] = {}
        for n in of("rate"):
            best = pulled.get(rows[n]["family"])
            if best is None or _pull(rows[n], whole) > _pull(rows[best], whole):
                pulled[rows[n]["family"]] = n
        groups = [_group(rows[n], families) for n in pulled.values()]
        candidates = [n for n in of("stage") if _group(rows[n], families) in groups]
    of_stages = of("mix") if candidates else []
    shares = {_group(rows[n], families): (rows[n]["before"] + rows[n]["after"]) / 2 for n in of_stages}
    stage = _largest(rows, candidates, [shares[_group(rows[n], families)] for n in candidates])
    if stage is None:
        stage = _largest(rows, [n for n, row in enumerate(rows) if row["effect"] == "stage" and row["is_total"]])
    chosen += [] if stage is None else [stage]
    return [chosen.index(n) + 1 if n in chosen else None for n in range(len(rows))]


def _largest(rows: list[dict[str, Any]], candidates: list[int], weights: Sequence[float] = ()) -> int | None:
    """The row that adds most, of those whose corrected p-value is below `LEVEL`; None where there is none.

    `weights` are the shares of journeys of the candidates, where what they add is to the rate of their segment.
    """
    p_values = [rows[n]["p_value"] for n in candidates]
    corrected = benjamini_hochberg(np.array([math.nan if p is None else p for p in p_values], np.float64))
    clear = [n for n, p in zip(candidates, corrected, strict=True) if p < LEVEL and _leaves_out_0(rows[n])]
    weight = dict(zip(candidates, weights, strict=True)) if weights else {}
    return max(clear, key=lambda n: abs(rows[n]["contribution"]) * weight.get(n, 1.0), default=None)


def _leaves_out_0(row: dict[str, Any]) -> bool:
    """Whether the interval of a contribution leaves out 0."""
    low, high = row["contribution_low"], row["contribution_high"]
    return low is not None and (low > 0 or high < 0)


def _pull(row: dict[str, Any], whole: float) -> float:
    """How far a row pulls the change its own way; a change of 0 is looked at for what fell."""
    pulled: float = row["contribution"] * (1 if whole > 0 else -1)
    return pulled


def _group(row: dict[str, Any], families: Mapping[str, Family]) -> tuple[Any, ...]:
    """The segment of a row."""
    return (row["family"], *(row[name] for name in families[row["family"]]))
