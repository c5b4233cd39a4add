"""What share of units reaches the goal within a window of time?

A unit is **mature** when the whole window after its first touch lies before the end of the data. The **goal rate** is
the share of mature units with a goal touch at most the window after their first touch, which may be it. Younger units
are **open**, whether they have reached the goal or not: among them only the quick could have won. Direct journeys, of
nothing but the goal, are counted apart and in no rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analytics.engine.analysis import Cells, answer, measured_by
from analytics.engine.goals import GoalWords
from analytics.engine.partials import sums_by_customer
from analytics.engine.run import run
from analytics.engine.units import Unit
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences, sorted_answer, with_total
from analytics.paths.view import By, Selection
from analytics.statistics.shares import share_columns, square_columns
from analytics.store.paths import Paths

RATE = ("reached", "mature")


@dataclass(frozen=True, eq=False)
class GoalRate(PathMeasure):
    """Counts units, mature ones, and those that reach the goal."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        units=pl.Int64,
        mature=pl.Int64,
        open=pl.Int64,
        direct=pl.Int64,
        reached=pl.Int64,
        customers=pl.Int64,
        goal_rate=pl.Float64,
        goal_rate_low=pl.Float64,
        goal_rate_high=pl.Float64,
    )
    CELLS: ClassVar[Cells | None] = Cells(())
    COUNTS: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        ("units", "mature", "direct", "reached", "customers", *square_columns(*RATE)), pl.Int64
    )

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The units of one part."""
        values = {
            "mature": sequences.mature,
            "reached": sequences.reached,
            "units": ~sequences.direct,
            "direct": sequences.direct,
        }
        tables = []
        for keys, group in sequences.groupings():
            sums = sums_by_customer(group, sequences.customer, values, len(keys), shares=[RATE])
            tables.append(pl.concat([keys, sums], how="horizontal"))
        return pl.concat(tables).select(*self.schema)

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Every unit that reaches the goal; the whole is all mature units."""
        reached, mature = (np.flatnonzero(each) for each in (sequences.reached, sequences.mature))
        return pl.DataFrame({"unit": reached}), pl.DataFrame({"unit": mature})

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `goal_rate`."""
        table = with_total(merged, self.view)
        answered = table.with_columns(
            (pl.col("units") - pl.col("mature")).alias("open"), *share_columns(table, "goal_rate", *RATE)
        )
        return sorted_answer(answered, self.view).select(*self.view.groups, *self.SCHEMA)


@measured_by(GoalRate)
def goal_rate(
    paths: Paths,
    goal: GoalWords | None = None,
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    among: Selection | None = None,
    window: str | timedelta | None = None,
) -> pl.DataFrame:
    """The share of units that reaches the goal within the `window` after their first touch, over all mature units.

    `goal` is one touchpoint or several, or a `Goal`, by default what ends the journeys. Another goal also counts in the
    aftermath of a journey; of a journey, direct is who has nothing staged but this goal up to it. A unit is mature when
    the whole window after its first touch lies before the end of the data; the window is the horizon of a `Goal`, else
    30 days, or the journey gap where that is shorter. Columns: those of `by` (the value at the unit's first touch);
    `is_total` Boolean (the row over all groups comes first, with null in `by`); `units` Int64 (all but direct
    journeys), `mature`, `open` (the others), `direct`, `reached` Int64 (mature, with a goal touch at most the window
    after the first, which may be it); `customers` Int64 (with such a unit); `goal_rate` Float64 (reached / mature, null
    without a mature unit) with its Wilson interval, judged by customers, `goal_rate_low`, `goal_rate_high`. Only units
    count that begin from `start` (inclusive) to `end` (exclusive), with all their touches. No touches give a row of
    zeros, or no rows with `by`. Raises `DefinitionError` for an unknown unit or column, and for a window of journeys
    longer than their gap; warns of a goal that no touch has (`UnknownWordWarning`).

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "look@50d buy@50d", "bo": "look@50d", "cy": "look@59d buy@59d"}, end="60d")
    >>> goal_rate(shop, "buy", unit="customer", window="7d")["units", "mature", "reached", "goal_rate"].row(0)
    (3, 2, 1, 0.5)
    """
    asked = GoalRate.of(
        paths, goal=goal, unit=unit, by=by, where=where, start=start, end=end, among=among, window=window
    )
    return run(paths, asked)
