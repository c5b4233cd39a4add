"""A toy measure, as somebody would write a new one: how many units come back to a touchpoint they have left?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analytics.engine.analysis import Cells, answer, measured_by
from analytics.engine.partials import numbered
from analytics.engine.run import run
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences, sorted_answer
from analytics.paths.view import By
from analytics.store.paths import Paths


@dataclass(frozen=True, eq=False)
class Loops(PathMeasure):
    """Counts units, and those that come back."""

    SCHEMA: ClassVar[pl.Schema] = answer(units=pl.Int64, loops=pl.Int64, share_of_units=pl.Float64)
    CELLS: ClassVar[Cells | None] = Cells(())
    COUNTS: ClassVar[Mapping[str, Any]] = {"units": pl.Int64, "loops": pl.Int64}

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The counts of one part."""
        rows = sequences.with_keys(pl.DataFrame({"loops": self._loops(sequences)}))
        return rows.group_by(self.view.keys).agg(
            pl.len().cast(pl.Int64).alias("units"), pl.col("loops").sum().cast(pl.Int64)
        )

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The units that come back; the whole is all units."""
        return (
            pl.DataFrame({"unit": np.flatnonzero(self._loops(sequences))}),
            pl.DataFrame({"unit": np.arange(len(sequences))}),
        )

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The share of units that come back."""
        table = merged.with_columns((pl.col("loops") / pl.col("units")).alias("share_of_units"))
        return sorted_answer(table, self.view).select(*self.view.groups, *self.SCHEMA)

    def _loops(self, sequences: UnitSequences) -> Any:
        visits = pl.DataFrame({"unit": sequences.sequence_numbers(), "code": sequences.codes})
        runs = visits.filter(pl.struct(pl.all()).rle_id().diff().fill_null(1) != 0)
        _, unit = numbered(runs.select("unit"))
        return np.bincount(unit, runs.is_duplicated().to_numpy(), len(sequences)) > 0


@measured_by(Loops)
def loops(
    paths: Paths, *, unit: str = "journey", by: By = (), on: str = "touchpoint", collapse: bool = False
) -> pl.DataFrame:
    """How many units come back to a touchpoint that they have left."""
    return run(paths, Loops.of(paths, unit=unit, by=by, on=on, collapse=collapse))
