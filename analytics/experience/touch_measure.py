"""What measures of single touches share: they read the touches of a part, by the breakdown of each touch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from analytics.engine.analysis import IS_TOTAL, SMALL, Cells
from analytics.paths.view import View
from analytics.store.columns import AT, CUSTOMER
from analytics.store.encoding import Dictionaries, as_text
from analytics.store.parts import Part, decoded


@dataclass(frozen=True, eq=False)
class TouchMeasure:
    """An analysis of touches (`analytics.engine.analysis`). `OWN` are the columns of touches that it reads, with types.

    `start` and `end` of the view are times of touches.
    """

    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = SMALL
    OWN: ClassVar[Mapping[str, Any]]

    view: View

    @property
    def own(self) -> Mapping[str, Any]:
        """The columns of touches that are read besides those of the view, with types."""
        return self.OWN

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        asked = [*self.view.by, *([] if self.view.where is None else [self.view.where])]
        named = [name for item in asked for name in item.meta.root_names()]
        read = [AT, *named, *(name for name in self.own if name in self.view.schema)]
        return tuple(name for name in dict.fromkeys(read) if name != CUSTOMER)

    def exactly(self, merged: pl.DataFrame) -> Self:  # noqa: ARG002
        """The same: nothing is a quantile."""
        return self

    def rows(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The touches that are not ignored: the number of the customer, time, breakdown, and the columns of `OWN`."""
        touches = as_text(decoded(part, self.columns, words))
        bounds = part.bounds()
        met = pl.lit(True) if self.view.where is None else self.view.where.fill_null(False)
        return (
            touches.with_columns(
                pl.Series(CUSTOMER, np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))),
                *(pl.lit(None, dtype).alias(name) for name, dtype in self.own.items() if name not in touches.columns),
            )
            .filter(met)
            .select(CUSTOMER, AT, *self.view.by, *(name for name in self.own if name not in self.view.groups))
        )

    def keyed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with the keys of the total, and again with those of their group."""
        missing = [pl.lit(None, rows.schema[name]).alias(name) for name in self.view.groups]
        whole = rows.with_columns(*missing, pl.lit(True).alias(IS_TOTAL))
        return pl.concat([whole, rows.with_columns(pl.lit(False).alias(IS_TOTAL))]) if missing else whole

    def is_in_range(self) -> pl.Expr:
        """Whether a touch lies in the range that is counted."""
        begun = pl.lit(True) if self.view.start is None else pl.col(AT) >= self.view.start
        return begun if self.view.end is None else begun & (pl.col(AT) < self.view.end)
