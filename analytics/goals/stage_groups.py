"""Which groups of journeys go on to the next stage more or less often than all others?

The others of a group are the journeys of all other known groups: who is unknown at the beginning is often who did not
go on, so the unknown are a group of their own, which is not compared. Units of one customer are alike, and a customer
may have journeys in several groups; the sums by customer of the others follow from those of all and of the group,
`sum (N - n)^2 = sum N^2 - 2 sum N n + sum n^2`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import Cells, answer, measured_by
from analytics.engine.goals import GoalWords
from analytics.engine.partials import densely, numbered, sums_by_customer
from analytics.engine.run import run
from analytics.goals.stage_funnel import PEOPLE_LOST, StageMeasure
from analytics.paths.sequences import UnitSequences
from analytics.statistics.intervals import newcombe
from analytics.statistics.shares import (
    MIN_DENOMINATOR,
    effective,
    effective_size,
    share_columns,
    square_columns,
)
from analytics.statistics.tests import two_proportions_z
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

SHARE: Final = ("reached", "previous")
CROSS: Final = ("whole beside whole", "whole beside part", "part beside whole", "part beside part")
"""Sums over the journeys of a group: what its customer has in all known groups, times what the journey adds."""
ONLY: Final = "customers of this group only"


@dataclass(frozen=True, eq=False)
class StageGroups(StageMeasure):
    """Counts the journeys of every group of one column, of all known groups together (`known`), and of all."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        step=pl.UInt32,
        name=pl.String,
        previous=pl.Int64,
        reached=pl.Int64,
        customers_previous=pl.Int64,
        customers=pl.Int64,
        customers_lost=pl.Int64,
        share_of_previous=pl.Float64,
        share_of_previous_low=pl.Float64,
        share_of_previous_high=pl.Float64,
        difference=pl.Float64,
        difference_low=pl.Float64,
        difference_high=pl.Float64,
        p_value=pl.Float64,
        enough=pl.Boolean,
    )
    CELLS: ClassVar[Cells | None] = None
    KEYS: ClassVar[Mapping[str, Any]] = {"known": pl.Boolean, "step": pl.UInt32}
    COUNTS: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        ("reached", "previous", "customers", "lost", PEOPLE_LOST, *square_columns(*SHARE), *CROSS, ONLY), pl.Int64
    )

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The journeys of one part."""
        groups, group = numbered(sequences.groups)
        is_known = sequences.groups.to_series().is_not_null().to_numpy()
        nothing = sequences.groups.clear(1)
        scopes = [
            (_keys(nothing, is_total=True, known=False), np.zeros_like(group), np.ones_like(is_known)),
            (_keys(nothing, is_total=True, known=True), np.zeros_like(group), is_known),
            (_keys(groups, is_total=False, known=False), group, np.ones_like(is_known)),
        ]
        tables = []
        for step, counted, _ in self.followed(sequences).rows():
            if step == 1:
                continue
            reached, previous = counted["reached"].astype(np.int64), counted["previous"].astype(np.int64)
            cross = _beside(sequences.customer, reached * is_known, previous * is_known)
            for keys, cell, kept in scopes:
                values = {name: counted[name][kept] for name in ("reached", "previous", "lost")}
                sums = sums_by_customer(
                    cell[kept], sequences.customer[kept], values, len(keys), shares=(SHARE,), people_of=["lost"]
                )
                terms = zip(CROSS, _products(cross, reached, previous), strict=True)
                tables.append(
                    pl.concat([keys, sums], how="horizontal").with_columns(
                        pl.lit(step, pl.UInt32).alias("step"),
                        *(_summed(name, cell[kept], term[kept], len(keys)) for name, term in terms),
                        _only(cell[kept], sequences.customer[kept], previous[kept], cross[0][kept], len(keys)),
                    )
                )
        empty = pl.DataFrame(schema=self.schema)  # there is no row after the first where no stage is before the goal's
        return pl.concat([empty, *(table.select(*self.schema) for table in tables)])

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `stage_groups`."""
        column, counts = self.view.groups[0], list(self.COUNTS)
        known = merged.filter("is_total", "known").select("step", *(pl.col(n).alias(f"all {n}") for n in counts))
        rows = merged.filter(~pl.col("known")).join(known, on="step", how="left")
        table = rows.with_columns(*share_columns(rows, "share_of_previous", *SHARE))
        own, others = effective(table, *SHARE), _of_others(table)
        gap = newcombe(*own, *others)
        with np.errstate(divide="ignore", invalid="ignore"):
            difference = own[0] / own[1] - others[0] / others[1]
        compared = {
            "difference": difference,
            "difference_low": gap.low,
            "difference_high": gap.high,
            "p_value": two_proportions_z(*own, *others).p_value,
        }
        is_compared = ~pl.col("is_total") & pl.col(column).is_not_null()
        return (
            table.with_columns(
                pl.Series("name", self.stages.steps).gather(table["step"] - 1),
                *(pl.Series(name, values, pl.Float64).fill_nan(None) for name, values in compared.items()),
                pl.col(PEOPLE_LOST).alias("customers_lost"),
                pl.col(square_columns(*SHARE)[3]).alias("customers_previous"),
                (pl.col(square_columns(*SHARE)[3]) >= MIN_DENOMINATOR).alias("enough"),
            )
            .with_columns(pl.when(is_compared).then(pl.col(name)).alias(name) for name in compared)
            .sort("is_total", column, "step", descending=[True, False, False], nulls_last=True)
            .select(column, *self.SCHEMA)
        )


def _keys(groups: pl.DataFrame, *, is_total: bool, known: bool) -> pl.DataFrame:
    return groups.with_columns(pl.lit(is_total).alias("is_total"), pl.lit(known).alias("known"))


def _beside(people: NDArray[Any], reached: NDArray[np.int64], previous: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """What the customer of every journey has in all: whole and part."""
    return [np.bincount(people, each).astype(np.int64)[people] for each in (previous, reached)]


def _products(
    customer: Sequence[NDArray[np.int64]], reached: NDArray[np.int64], previous: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    whole, part = customer
    return [whole * previous, whole * reached, part * previous, part * reached]


def _summed(name: str, cell: NDArray[np.int64], values: NDArray[np.int64], size: int) -> pl.Series:
    return pl.Series(name, np.bincount(cell, values, size).astype(np.int64))


def _only(
    cell: NDArray[np.int64], people: NDArray[Any], previous: NDArray[np.int64], all_: NDArray[np.int64], size: int
) -> pl.Series:
    """How many customers of every group have nothing in another known group."""
    count = int(people.max(initial=0)) + 1
    pairs, pair = densely(cell * count + people, size * count)
    own = np.bincount(pair, previous, len(pairs))
    whole = np.zeros(len(pairs))
    whole[pair] = all_
    return _summed(ONLY, pairs // count, ((own > 0) & (own == whole)).astype(np.int64), size)


def _of_others(table: pl.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The counts of the others of every group, scaled to as many independent journeys as they are worth."""
    names = (*SHARE, *square_columns(*SHARE))
    y, n, nn, ny, yy, _ = (table[f"all {name}"].to_numpy() - table[name].to_numpy() for name in names)
    people = table[f"all {names[-1]}"].to_numpy() - table[ONLY].to_numpy()
    cross = [table[name].to_numpy() for name in CROSS]
    own_nn, own_ny, own_yy = (table[name].to_numpy() for name in square_columns(*SHARE)[:3])
    squares = (
        nn + 2 * own_nn - 2 * cross[0],
        ny + 2 * own_ny - cross[1] - cross[2],
        yy + 2 * own_yy - 2 * cross[3],
    )
    size = effective_size(y, n, squares, people)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n > 0, y / n * size, 0.0), np.where(n > 0, size, 0.0)


@measured_by(StageGroups)
def stage_groups(
    paths: Paths,
    by: str | pl.Expr,
    stages: Sequence[str] | None = None,
    goal: GoalWords | None = None,
    *,
    window: str | timedelta | None = None,
    start: date | None = None,
    end: date | None = None,
    timezone: str = "UTC",
) -> pl.DataFrame:
    """How many journeys of every group go on to each stage, against those of all other known groups.

    Journeys, stages, the goal and days of `timezone` are those of `stage_funnel`; a group is the value of `by` at
    the journey's first touch. Columns: that of `by`; `is_total` Boolean (rows over all journeys come first, with
    null in `by`); `step` UInt32 (from 2), `name` String; `previous`, `reached` Int64 (mature journeys that reach
    the stage before, and this one); `customers_previous`, `customers` Int64 (distinct, with one that reaches the
    stage before, and this one), `customers_lost` (with one that only reaches the stage before); `share_of_previous`
    Float64 with its Wilson interval `_low`, `_high`; the `difference` to the share of all other known groups, with
    Newcombe's interval `difference_low`, `difference_high`; `p_value` of the test that both are equal (two
    proportions); `enough` Boolean: 30 customers or more have reached the stage before. Differences are null for the
    total, for journeys without a value (they are a group of their own, last, and nobody's others), and where there
    are no others. Intervals and tests are judged by customers. Raises `DefinitionError` for more than one column,
    and as `stage_funnel` does.

    >>> from analytics import PathRules, Paths
    >>> rules = PathRules(goal=["buy"], stages=[{"name": "Look", "touchpoints": ["look"]}])
    >>> visits = {"ann": "look@0d[device=phone] buy@1d", "bo": "look@0d[device=desk]"}
    >>> found = stage_groups(Paths.from_text(visits, end="60d", rules=rules), "device")
    >>> found["device", "previous", "reached", "difference"].rows()
    [(None, 2, 1, None), ('desk', 1, 0, -1.0), ('phone', 1, 1, 1.0)]
    """
    if not isinstance(by, str | pl.Expr):
        raise DefinitionError("Groups are of one column.", expected="a name, or an expression", found=str(by))
    asked = StageGroups.of(
        paths, stages=stages, goal=goal, by=by, start=start, end=end, window=window, timezone=timezone
    )
    return run(paths, asked)
