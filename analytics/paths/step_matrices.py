"""Where are paths, position by position?

A step matrix gives the share of units at each value at their first touch, their second touch, and so on. A unit that
ends before a position is counted there at END_converted, END_abandoned or END_open, so that the shares of every
position sum to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analytics.engine.analysis import Cells, answer, measured_by
from analytics.engine.partials import densely, sums_by_customer
from analytics.engine.run import run
from analytics.engine.units import ENDS, Unit
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences, sorted_answer
from analytics.paths.view import By, Indices, Selection, node_names
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths
from expectations.errors import DefinitionError


@dataclass(frozen=True, eq=False)
class StepMatrix(PathMeasure):
    """Counts units by position and the code of their value there."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        position=pl.UInt32, node=pl.String, units=pl.Int64, customers=pl.Int64, share_of_units=pl.Float64
    )
    CELLS: ClassVar[Cells | None] = Cells(("position", "node"), ("position",))
    KEYS: ClassVar[Mapping[str, Any]] = {"position": pl.UInt32, "code": pl.Int64}
    COUNTS: ClassVar[Mapping[str, Any]] = {"units": pl.Int64, "customers": pl.Int64}

    depth: int = 20

    def __post_init__(self) -> None:
        if self.depth < 1:
            found = f"depth {self.depth}"
            raise DefinitionError("A step matrix is too small.", expected="depth of 1 or more", found=found)

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The cells of one part that are not empty."""
        size = len(self.view.names) + len(ENDS)
        unit, position, code = self._places(sequences)
        tables = []
        for keys, group in sequences.groupings():
            every = self.depth * size
            cells, cell = densely(group[unit] * every + position * size + code, len(keys) * every)
            one = {"units": np.ones(len(sequences), np.int64)}
            sums = sums_by_customer(cell, sequences.customer, one, len(cells), units=unit)
            number, place = np.divmod(cells, every)
            own = [pl.Series("position", place // size + 1, pl.UInt32), pl.Series("code", place % size, pl.Int64)]
            tables.append(keys[number].with_columns(*own, *sums))
        return pl.concat(tables).select(*self.schema)

    def _places(self, sequences: UnitSequences) -> tuple[Indices, Indices, Indices]:
        """Every unit at every position (from 0), with the code of its value there, or of how it has ended."""
        unit = np.repeat(np.arange(len(sequences)), self.depth)
        position = np.tile(np.arange(self.depth), len(sequences))
        code = np.repeat(len(self.view.names) + sequences.ends.astype(np.int64), self.depth)
        there = position < sequences.lengths[unit]
        code[there] = sequences.codes[sequences.bounds[:-1][unit[there]] + position[there]]
        return unit, position, code

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The value of every unit at every position; the whole of a position is all units."""
        unit, position, code = self._places(sequences)
        node = node_names(self.view.names, ENDS).gather(code)
        rows = pl.DataFrame({"position": pl.Series(position + 1, dtype=pl.UInt32), "node": node, "unit": unit})
        return rows, rows.drop("node")

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `step_matrix`."""
        names = node_names(self.view.names, ENDS)
        whole = pl.col("units").sum().over([*self.view.keys, "position"])
        table = merged.with_columns(
            pl.Series("node", names.gather(merged["code"]), pl.String),
            (pl.col("units") / whole).alias("share_of_units"),
        )
        ordered = sorted_answer(table, self.view, "position", "-units", "node")
        return ordered.select(*self.view.groups, *self.SCHEMA)


@measured_by(StepMatrix)
def step_matrix(
    paths: Paths,
    depth: int = 20,
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    on: str = TOUCHPOINT,
    collapse: bool = False,
    among: Selection | None = None,
) -> pl.DataFrame:
    """The share of units at every value, at each of the first `depth` positions.

    Columns: those of `by` (the value at the unit's first touch); `is_total` Boolean (rows over all groups come first,
    with null in `by`); `position` UInt32 (from 1); `node` String (a value of `on`, or END_converted, END_abandoned,
    END_open for units that ended earlier; a value with such a name is in quotes); `units`, `customers` Int64 (distinct,
    with such a unit); `share_of_units` Float64 (of all units of the group). Cells without units are left out. Sorted by
    position, largest first. `collapse` joins repeats of one value, `among` selects units; touches without a value are
    skipped. No touches give no rows. Raises `DefinitionError` for an unknown unit or column, or a depth below 1.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0m pay@5m", "bo": "visit@0m"})
    >>> step_matrix(shop, depth=2)["position", "node", "share_of_units"].rows()
    [(1, 'visit', 1.0), (2, 'END_open', 0.5), (2, 'pay', 0.5)]
    """
    return run(
        paths,
        StepMatrix.of(
            paths,
            unit=unit,
            by=by,
            where=where,
            start=start,
            end=end,
            on=on,
            collapse=collapse,
            among=among,
            depth=depth,
        ),
    )
