"""Where do paths leave a designed path: who goes on from each of its steps (fall-through), and who does not (fall-out)?

The steps that a path does are those of its cheapest alignment with the design (`analytics.paths.designed.conformance`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

import numpy as np
import polars as pl

from analytics.engine.analysis import Cells, answer, measured_by
from analytics.engine.conditions import Words
from analytics.engine.partials import sums_by_customer
from analytics.engine.run import run
from analytics.engine.units import Unit
from analytics.paths.designed.alignment import SKIP, Aligned, alignments
from analytics.paths.designed.design import Design, DesignStep
from analytics.paths.sequences import UnitSequences, sorted_answer
from analytics.paths.view import By, Selection
from analytics.statistics.shares import share_columns, square_columns
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths

RATES: Final = {
    "share_of_units": ("done", "mature"),
    "fall_through": ("went_on", "done"),
    "fall_out": ("fell_out", "done"),
    "goal_rate": ("reached", "done"),
}
COUNTED: Final = ("mature", "done", "skipped", "went_on", "fell_out", "reached")


@dataclass(frozen=True, eq=False)
class DesignedSteps(Aligned):
    """Counts the mature units that do each step of a design, by what they do afterwards: one row per step."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        step=pl.UInt32,
        name=pl.String,
        **dict.fromkeys(COUNTED, pl.Int64),
        **{f"{rate}{end}": pl.Float64 for rate in RATES for end in ("", "_low", "_high")},
    )
    CELLS: ClassVar[Cells | None] = Cells(("step", "name"))
    KEYS: ClassVar[Mapping[str, Any]] = {"step": pl.UInt32}
    COUNTS: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        (*COUNTED, *(name for pair in RATES.values() for name in square_columns(*pair))), pl.Int64
    )

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The steps of one part."""
        aligned = alignments(sequences, self.view.names, self.designed)
        skips = aligned.deviations.filter(pl.col("kind") == SKIP)
        skipped = np.zeros_like(aligned.done)
        skipped[skips["path"].to_numpy(), skips["step"].to_numpy() - 1] = True
        mature, reached, tables = sequences.mature, sequences.reached, []
        for number in range(1, len(self.designed.steps) + 1):
            done = aligned.done[:, number - 1][aligned.path] & mature
            later = np.count_nonzero(aligned.done[:, number:], axis=1)[aligned.path] > 0
            found = {
                "mature": mature,
                "done": done,
                "skipped": skipped[:, number - 1][aligned.path] & mature,
                "went_on": done & (later | reached),
                "fell_out": done & ~later & ~reached,
                "reached": done & reached,
            }
            own = {name: values.astype(np.int64) for name, values in found.items()}
            for keys, group in sequences.groupings():
                sums = sums_by_customer(group, sequences.customer, own, len(keys), shares=list(RATES.values()))
                step = pl.lit(number, pl.UInt32).alias("step")
                tables.append(pl.concat([keys, sums], how="horizontal").with_columns(step))
        return pl.concat(tables).select(list(self.schema))

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Every step of every mature unit that does it; the whole is all mature units."""
        aligned = alignments(sequences, self.view.names, self.designed)
        unit, step = np.nonzero(aligned.done[aligned.path])
        unit, step = (each[sequences.mature[unit]] for each in (unit, step))
        names = pl.Series("name", self.designed.names, dtype=pl.String)
        rows = pl.DataFrame({"step": pl.Series(step + 1, dtype=pl.UInt32), "name": names.gather(step), "unit": unit})
        return rows, pl.DataFrame({"unit": np.flatnonzero(sequences.mature)})

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `designed_steps`."""
        names = pl.Series("name", self.designed.names, dtype=pl.String)
        table = merged.with_columns(names.gather(merged["step"].cast(pl.Int64) - 1))
        table = table.with_columns(
            *(column for name, share in RATES.items() for column in share_columns(table, name, *share))
        )
        return sorted_answer(table, self.view, "step").select(*self.view.groups, *self.SCHEMA)


@measured_by(DesignedSteps)
def designed_steps(
    paths: Paths,
    designed: Design | Sequence[Words | DesignStep],
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
    window: str | timedelta | None = None,
) -> pl.DataFrame:
    """Who does each step of a designed path, and who goes on from it: one row per step, over mature units.

    Columns: those of `by`; `is_total` Boolean (rows over all groups come first, with null in `by`); `step` UInt32 and
    `name` String; Int64: `mature` (units), `done` (of those that do the step), `skipped` (whose best route leads over
    the step, which they leave out), `went_on` (that do a later step of the design, or reach the goal within the
    `window`), `fell_out` (that do neither), `reached` (the goal); Float64: `share_of_units` of mature units,
    `fall_through`, `fall_out` and `goal_rate` of those that do the step, each with its Wilson interval, judged by
    customers; null of none. A unit whose route does not lead over a step neither does nor skips it. No touches give no
    rows. Takes the arguments of `conformance`, and raises as it does.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "home@0m cart@1m pay@2m", "bo": "home@0m call@1m"}, end="60d")
    >>> branches = [DesignStep("cart"), DesignStep("call", after="home"), DesignStep("pay", after=["cart", "call"])]
    >>> designed_steps(shop, ["home", *branches])["name", "done", "skipped", "went_on", "fell_out"].rows()
    [('home', 2, 0, 2, 0), ('cart', 1, 0, 1, 0), ('call', 1, 0, 0, 1), ('pay', 1, 1, 0, 1)]
    """
    return run(
        paths,
        DesignedSteps.of(
            paths,
            designed=designed,
            unit=unit,
            by=by,
            where=where,
            start=start,
            end=end,
            on=on,
            collapse=collapse,
            among=among,
            window=window,
        ),
    )
