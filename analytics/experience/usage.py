"""Which touchpoints do customers use at each stage?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

import polars as pl

from analytics.engine.analysis import answer, measured_by
from analytics.engine.partials import add_up, counted_by_customer
from analytics.engine.run import run
from analytics.experience.touch_measure import TouchMeasure
from analytics.paths.sequences import sorted_answer
from analytics.paths.view import By, View
from analytics.store.columns import CUSTOMER, STAGE, TOUCHPOINT
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths


@dataclass(frozen=True, eq=False)
class Usage(TouchMeasure):
    """Counts touches and customers by group and touchpoint; a null touchpoint stands for all of the group."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        touchpoint=pl.String,
        touches=pl.Int64,
        customers=pl.Int64,
        customers_of_group=pl.Int64,
        share_of_customers=pl.Float64,
    )
    BOUND: ClassVar[int] = 1 << 20
    OWN: ClassVar[Mapping[str, Any]] = {TOUCHPOINT: pl.String}
    COUNTS: ClassVar[tuple[str, ...]] = ("touches", "customers")

    @classmethod
    def of(cls, paths: Paths, *, by: By = STAGE, **options: Any) -> Self:
        """The measure of the arguments of `usage`."""
        return cls(View("customer", by=by, **options).checked(paths, [*cls.SCHEMA, CUSTOMER]))

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return {**self.view.key_schema, TOUCHPOINT: pl.String, **dict.fromkeys(self.COUNTS, pl.Int64)}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The counts of a part."""
        rows = self.keyed(self.rows(part, words).filter(self.is_in_range(), pl.col(TOUCHPOINT).is_not_null()))
        rows = rows.rename({CUSTOMER: " person"}).with_columns(pl.lit(1, pl.Int64).alias("touches"))
        rows = pl.concat([rows.with_columns(pl.lit(None, pl.String).alias(TOUCHPOINT)), rows])
        counts = counted_by_customer(rows, [*self.view.keys, TOUCHPOINT], ["touches"])
        return pl.concat([pl.DataFrame(schema=self.schema), counts.select(*self.schema)])

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, [*self.view.keys, TOUCHPOINT], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `usage`."""
        keys, is_whole = self.view.keys, pl.col(TOUCHPOINT).is_null()
        wholes = merged.filter(is_whole).select(*keys, pl.col("customers").alias("customers_of_group"))
        table = merged.filter(~is_whole).join(wholes, on=keys, nulls_equal=True)
        table = table.with_columns((pl.col("customers") / pl.col("customers_of_group")).alias("share_of_customers"))
        ordered = sorted_answer(table, self.view, *self.view.groups, "-customers", TOUCHPOINT)
        return ordered.select(*self.view.groups, *self.SCHEMA)


@measured_by(Usage)
def usage(
    paths: Paths,
    *,
    by: By = STAGE,
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> pl.DataFrame:
    """The touchpoints that customers use, by stage, or by any columns of the touch.

    Columns: those of `by` (the value at the touch); `is_total` Boolean (rows over all groups come first, with null in
    `by`); `touchpoint` String; `touches`, `customers` Int64 (distinct); `customers_of_group` Int64 (distinct, with any
    touch of the group); `share_of_customers` Float64 (of the customers of the group: who uses several touchpoints
    counts in each). Most customers first, ties by name. Touches without a value in `by` are a group of their own
    (null). Only touches count that meet `where` and lie from `start` (inclusive) to `end` (exclusive). No touches give
    no rows. Raises `DefinitionError` for an unknown column.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "ad@0h[stage=See] page@1h[stage=See]", "bo": "ad@0h[stage=See]"})
    >>> usage(shop).filter(stage="See")["touchpoint", "customers", "share_of_customers"].rows()
    [('ad', 2, 1.0), ('page', 1, 0.5)]
    """
    return run(paths, Usage.of(paths, by=by, where=where, start=start, end=end))
