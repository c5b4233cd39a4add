"""How has a funnel changed from one period to another?"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from analytics.funnels.definition import Funnel
from analytics.funnels.trends import funnel_by_range
from analytics.statistics.intervals import newcombe
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

WHOLES = ("entered", "previous")


def step_changes(
    paths: Paths, definition: Funnel, earlier: tuple[datetime, datetime], later: tuple[datetime, datetime]
) -> pl.DataFrame:
    """The steps of a funnel for the entrants of two periods, and the change of their shares; one read of each part.

    Each period is from its start (inclusive) to its end (exclusive). The funnel counts customers, without a breakdown.
    Columns: `step` UInt32, `name` String; `entered`, `previous` (reached the step before; null for the first) and
    `reached` Int64 of both periods, as `earlier_entered`, `later_entered` and so on; `entered_difference`: the later
    share of those who entered less the earlier one, with Newcombe's interval `entered_difference_low`,
    `entered_difference_high`; the same of those who reached the step before, `previous_difference`. Differences are
    Float64, null for the first step, or where one period has nobody. No touches give no rows. Raises `DefinitionError`
    for a funnel that counts something else or is broken down.

    >>> from datetime import UTC, datetime
    >>> from analytics import Funnel, Paths
    >>> shop = Paths.from_text({"ann": "look@0d", "bo": "look@9d pay@9d"}, end="20d")
    >>> first, middle, last = (datetime(2024, 1, day, tzinfo=UTC) for day in (1, 8, 15))
    >>> found = step_changes(shop, Funnel(["look", "pay"], window="1d"), (first, middle), (middle, last))
    >>> found["previous_difference"].to_list()
    [None, 1.0]
    """
    if definition.count != "customers" or definition.by:
        found = f"count {definition.count!r}, by {[str(column) for column in definition.by]}"
        raise DefinitionError("Periods cannot be compared.", expected="a funnel of customers, without by", found=found)
    steps = funnel_by_range(paths, definition, [earlier, later]).with_columns(
        pl.col("reached").shift(1).over("period", order_by="step").alias("previous")
    )
    counts = ["entered", "previous", "reached"]
    sides = [
        steps.filter(pl.col("period") == start).select(
            "step", "name", *(pl.col(name).alias(f"{side}_{name}") for name in counts)
        )
        for side, (start, _) in (("earlier", earlier), ("later", later))
    ]
    table = sides[0].join(sides[1], on=["step", "name"], maintain_order="left")
    columns = []
    for whole in WHOLES:
        numbers = [f"{side}_{name}" for side in ("later", "earlier") for name in ("reached", whole)]
        k2, n2, k1, n1 = (table[name].cast(pl.Float64).set(table["step"] == 1, None) for name in numbers)
        known = [series.fill_null(float("nan")).to_numpy() for series in (k2, n2, k1, n1)]
        ends = newcombe(known[0], known[1], known[2], known[3])
        columns += [
            (k2 / n2 - k1 / n1).alias(f"{whole}_difference"),
            *(pl.Series(f"{whole}_difference_{side}", getattr(ends, side), pl.Float64) for side in ("low", "high")),
        ]
    return table.with_columns(column.fill_nan(None) for column in columns)
