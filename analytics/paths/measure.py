"""What all measures of whole paths share: they read sequences of units, and add up rows of equal keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, Self

import polars as pl

from analytics.engine.analysis import SMALL, CellRows, Cells
from analytics.engine.distributions import needed_buckets
from analytics.engine.goals import GoalWords
from analytics.engine.partials import add_up
from analytics.engine.units import Unit
from analytics.paths.sequences import UnitSequences, sequences_of
from analytics.paths.view import By, Selection, View
from analytics.store.columns import TOUCHPOINT
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths


@dataclass(frozen=True, eq=False)
class PathMeasure(ABC):
    """An analysis of whole paths (`analytics.engine.analysis`), which a view reads.

    A partial has the keys of the view, then `KEYS`, then `COUNTS` (integers and distributions). `QUANTILES` names the
    quantiles that the answer takes of each distribution. `exact` are the buckets whose values stay exact. `ON` is the
    column that is read by default.
    """

    SCHEMA: ClassVar[pl.Schema]
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = SMALL
    KEYS: ClassVar[Mapping[str, Any]] = {}
    COUNTS: ClassVar[Mapping[str, Any]] = {}
    QUANTILES: ClassVar[Mapping[str, Sequence[float]]] = {}
    ON: ClassVar[str] = TOUCHPOINT

    view: View
    exact: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        paths: Paths,
        *,
        unit: Unit = "journey",
        by: By = (),
        where: pl.Expr | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        on: str | None = None,
        collapse: bool = False,
        among: Selection | None = None,
        window: str | timedelta | None = None,
        goal: GoalWords | None = None,
        aftermath: bool = False,
        **options: Any,
    ) -> Self:
        """The measure of the arguments of its public function; `options` are its own fields."""
        view = View(
            unit,
            on or cls.ON,
            by,
            collapse=collapse,
            among=among,
            where=where,
            start=start,
            end=end,
            window=window,
            goal=goal,
            aftermath=aftermath,
        )
        return cls(view.checked(paths, [*cls.SCHEMA, *cls.KEYS, *cls.COUNTS]), **options)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return self.view.columns

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return {**self.view.key_schema, **self.KEYS, **self.COUNTS}

    @abstractmethod
    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The partial of a part that has sequences."""

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What `compare` counts in a part: one row per thing that counts in a cell, and one per thing in its whole.

        Columns: `CELLS.keys` of the first, `CELLS.within` of the second, by name as in the answer; then `unit`, the
        position of the sequence. A Boolean column `counts` of the first marks those that count, where some do not.
        """
        raise NotImplementedError(f"{type(self).__name__} has no cells")

    def _no_cell_rows(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The same of a part without sequences."""
        cells = self.CELLS or Cells(())
        empty = pl.DataFrame(schema={name: self.SCHEMA.get(name, pl.String()) for name in cells.keys})
        empty = empty.with_columns(pl.lit(None, pl.Int64).alias("unit"))
        return empty, empty.select(*cells.within, "unit")

    @property
    def group_type(self) -> pl.DataType:
        """The type of the first breakdown column."""
        return self.view.key_schema[self.view.groups[0]]

    def compared(self, part: Part, words: Dictionaries) -> CellRows:
        """The rows of a part that `compare` counts."""
        sequences = sequences_of(part, self.view, words)
        units = sequences.groups.with_columns(pl.Series("person", sequences.customer))
        rows = self.cell_rows(sequences) if len(sequences) else self._no_cell_rows()
        cells, wholes = (pl.concat([units[each["unit"]], each.drop("unit")], how="horizontal") for each in rows)
        return CellRows(cells, wholes, sequences.groups.to_series())

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """Counts the sequences of one part."""
        sequences = sequences_of(part.held(), self.view, words)
        rows = [self.counts(sequences)] if len(sequences) else []
        return pl.concat([pl.DataFrame(schema=self.schema), *rows])

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, [*self.view.keys, *self.KEYS], self.schema, self.exact)

    @abstractmethod
    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The answer."""

    def exactly(self, merged: pl.DataFrame) -> Self:
        """The same, with the values around its quantiles kept exact."""
        needed = [needed_buckets(merged[column], shares) for column, shares in self.QUANTILES.items()]
        return replace(self, exact=tuple(sorted(set().union(*needed))))
