"""Where are the journeys under way, since when, and which of them are stuck?

A journey stands at the furthest stage that it has reached. How long is usual there is told by those who went on: the
time from the first touch that brought a journey to the stage to the first that brought it further, of all journeys
whatever their outcome. No model: a wait is **fresh** up to the median of these times, **waiting** up to their 90 %
point, and **late** beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import SMALL, answer, measured_by
from analytics.engine.distributions import DISTRIBUTION, distributions, durations, quantiles
from analytics.engine.goals import GoalWords
from analytics.engine.partials import numbered, sums_by_customer
from analytics.engine.run import counted, run
from analytics.engine.units import OPEN
from analytics.goals.stage_funnel import NEVER, NONE, StageMeasure, Times, Touches
from analytics.paths.sequences import UnitSequences, sorted_answer
from analytics.paths.view import By
from analytics.statistics.shares import MIN_DENOMINATOR
from analytics.store.columns import OUTCOME
from analytics.store.frames import micros
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

AGES: Final = ("fresh", "waiting", "late", "unknown")
USUAL: Final = {"usual_wait": 0.5, "late_after": 0.9}
WAIT: Final = " wait"
RANK: Final = " rank"


@dataclass(frozen=True)
class Stays:
    """How long journeys stand at each stage: one column per stage, the first for those that have reached none.

    `since` and `until` are times from the beginning, in microseconds; `NEVER` where a stage, or what follows, is not
    reached. Touches at one instant count as the furthest of them.
    """

    since: Times
    until: Times

    @classmethod
    def of(cls, touches: Touches, rows: int) -> Stays:
        """The stays of the journeys of a part; `rows` is the position of the goal's stage."""
        goal = touches.first(touches.is_goal)
        rank = np.where(touches.is_goal, rows, np.minimum(touches.rank, rows))
        first = [np.zeros(touches.size, np.int64), *(touches.first(rank >= k) for k in range(rows + 1)), goal]
        table = np.column_stack([np.where(each == NONE, NEVER, each) for each in first])
        return cls(table[:, :-1], table[:, 1:])

    @property
    def went_on(self) -> NDArray[np.bool_]:
        """Where a journey stood at a stage, and went on."""
        over: NDArray[np.bool_] = (self.since < self.until) & (self.until != NEVER)
        return over

    @property
    def now(self) -> Times:
        """The column of the stage that each journey stands at, as long as it has no goal."""
        column: Times = np.count_nonzero(self.since != NEVER, axis=1) - 1
        return column


@dataclass(frozen=True, eq=False)
class StageStays(StageMeasure):
    """How long journeys stood at each stage before they went on, of all journeys."""

    SCHEMA: ClassVar[pl.Schema] = pl.Schema({})
    BOUND: ClassVar[int] = SMALL
    KEYS: ClassVar[Mapping[str, Any]] = {RANK: pl.Int64}
    COUNTS: ClassVar[Mapping[str, Any]] = {"went_on": pl.Int64, "customers": pl.Int64, WAIT: DISTRIBUTION}

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The stays of one part that are over."""
        stays = Stays.of(Touches.of(sequences, self.stages), self.stages.rows)
        unit, rank = np.nonzero(stays.went_on)
        wait = (stays.until - stays.since)[unit, rank]
        size = stays.since.shape[1]
        sums = sums_by_customer(rank, sequences.customer, {"went_on": np.ones(len(sequences))}, size, units=unit)
        keys = pl.DataFrame({"is_total": [True] * size, RANK: range(size)})
        return (
            pl.concat([keys, sums], how="horizontal")
            .with_columns(distributions(rank, wait, size, exact=self.exact).alias(WAIT))
            .select(*self.schema)
        )

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """One row per stage: how many went on from there, and the usual and the longest usual time."""
        found = quantiles(merged[WAIT], USUAL.values())
        return merged.select(
            RANK,
            "went_on",
            "customers",
            *(each.round().cast(pl.Int64).alias(name) for each, name in zip(found, USUAL, strict=True)),
        ).sort(RANK)


@dataclass(frozen=True, eq=False)
class Standing(StageMeasure):
    """Counts journeys under way by stage and age. `usual` has the two waits of each stage, `NONE` where none is known,
    and how many journeys and customers went on.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        stage=pl.String,
        journeys=pl.Int64,
        customers=pl.Int64,
        share_of_journeys=pl.Float64,
        **dict.fromkeys(AGES, pl.Int64),
        share_late=pl.Float64,
        median_wait=pl.Duration("us"),
        went_on=pl.Int64,
        **dict.fromkeys(USUAL, pl.Duration("us")),
        enough=pl.Boolean,
    )
    BOUND: ClassVar[int] = 1 << 18
    """The waits take up to 20 kB a stage."""
    KEYS: ClassVar[Mapping[str, Any]] = {RANK: pl.Int64}
    COUNTS: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("journeys", "customers", *AGES), pl.Int64),
        WAIT: DISTRIBUTION,
    }

    usual: tuple[tuple[int, int, int, int], ...] = field(default=(), kw_only=True)

    @classmethod
    def of(
        cls,
        paths: Paths,
        *,
        stages: Sequence[str] | None = None,
        goal: GoalWords | None = None,
        where: pl.Expr | None = None,
        **options: Any,
    ) -> Standing:
        """The measure of the arguments of `standing`; what is usual is counted over all journeys first."""
        paths.require(OUTCOME)
        stays = StageStays.of(paths, stages=stages, goal=goal, where=where)
        if len(paths) and not stays.stages.names:
            raise DefinitionError(
                "These paths have no stages to stand at.", do="add [[paths.stages]], and stitch again"
            )
        known = stays.finish(counted(paths, stays))
        usual = {
            row[RANK]: tuple(NONE if row[name] is None else row[name] for name in (*USUAL, "went_on", "customers"))
            for row in known.to_dicts()
        }
        size = stays.stages.rows + 2
        rows = tuple(usual.get(rank, (NONE, NONE, 0, 0)) for rank in range(size))
        return super().of(paths, usual=rows, stages=stages, goal=goal, where=where, **options)

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The journeys under way of one part."""
        stays = Stays.of(Touches.of(sequences, self.stages), self.stages.rows)
        unit = np.flatnonzero(sequences.ends == OPEN)
        rank = stays.now[unit]
        begin = sequences.microseconds(sequences.bounds[:-1])[unit]
        assert self.view.end_of_data is not None, "there are touches"
        wait = np.maximum(micros(self.view.end_of_data) - begin - stays.since[unit, rank], 0)
        usual, late = (np.array([row[place] for row in self.usual])[rank] for place in range(2))
        age = np.where(late == NONE, 3, np.where(wait <= usual, 0, np.where(wait <= late, 1, 2)))
        values = {"journeys": np.ones(len(unit)), **{name: age == place for place, name in enumerate(AGES)}}
        tables = []
        for keys, group in sequences.groupings():
            cells, cell = numbered(keys[group[unit]].with_columns(pl.Series(RANK, rank)))
            sums = sums_by_customer(cell, sequences.customer[unit], values, len(cells))
            waits = distributions(cell, wait, len(cells), exact=self.exact).alias(WAIT)
            tables.append(pl.concat([cells, sums], how="horizontal").with_columns(waits).select(*self.schema))
        return pl.concat(tables)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `standing`."""
        own, rows = self.stages, len(self.usual)
        names = pl.Series([None, *(own.names[: own.rows + 1]), own.goal][:rows], dtype=pl.String)
        columns = dict(zip((*USUAL, "went_on", "behind"), zip(*self.usual, strict=True), strict=True))
        known = pl.DataFrame({RANK: range(rows), "stage": names, **columns}, schema_overrides={RANK: pl.Int64})
        table = merged.join(known, on=RANK, how="left", maintain_order="left").with_columns(
            *durations(merged[WAIT], {"median_wait": 0.5}),
            *(pl.when(pl.col(name) != NONE).then(pl.col(name).cast(pl.Duration("us"))).alias(name) for name in USUAL),
            (pl.col("journeys") / pl.col("journeys").sum().over(self.view.keys)).alias("share_of_journeys"),
            (pl.col("late") / (pl.col("journeys") - pl.col("unknown"))).fill_nan(None).alias("share_late"),
            (pl.col("behind") >= MIN_DENOMINATOR).alias("enough"),
        )
        return sorted_answer(table, self.view, RANK).select(*self.view.groups, *self.SCHEMA)


@measured_by(Standing)
def standing(
    paths: Paths,
    *,
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    stages: Sequence[str] | None = None,
    goal: GoalWords | None = None,
) -> pl.DataFrame:
    """Counts the journeys under way by the stage that they stand at, and how long they have stood there.

    A journey stands at the furthest stage that it has reached, since the first touch that brought it there; its wait
    goes to the end of the data. What is usual is told by the journeys of any outcome that stood there and went on, to a
    later stage or to the goal: a wait is `fresh` up to their median, `waiting` up to their 90 % point, and `late`
    beyond it; `unknown` where nobody went on. Touches at one instant count as the furthest of them, touches of stages
    behind the goal's as of the goal's stage.

    Columns: those of `by` (the value at the journey's first touch); `is_total` Boolean (rows over all groups come
    first, with null in `by`); `stage` String (null: in no stage yet); Int64: `journeys` (under way), `customers`;
    `share_of_journeys` Float64 (of all under way in the group); `fresh`, `waiting`, `late`, `unknown` Int64 (journeys);
    `share_late` Float64 (of those whose age is known); `median_wait` Duration(us); `went_on` Int64 (journeys of all
    groups, any outcome, that stood at the stage and went on), `usual_wait`, `late_after` Duration(us) (their median and
    90 % point), `enough` Boolean (30 customers of them or more). Medians and points of more than 1,000 waits are right
    to 1 in 1,000. Rows for stages at which somebody stands, in their order; nobody under way gives no rows. Only
    journeys count that begin from `start` (inclusive) to `end` (exclusive). `stages` and `goal` are by default those
    that the paths were built with. Raises `DefinitionError` for paths without journeys, goal or stages, and for an
    unknown column.

    >>> from analytics import PathRules, Paths
    >>> stages = [{"name": "Interest", "touchpoints": ["look"]}, {"name": "Desire", "touchpoints": ["cart"]}]
    >>> people = {"ann": "look@0d cart@1d buy@2d", "bo": "look@0d cart@3d buy@4d", "cy": "look@9d"}
    >>> shop = Paths.from_text(people, end="11d", rules=PathRules(stages=stages, goal=["buy"]))
    >>> standing(shop)["stage", "journeys", "fresh", "late", "went_on"].rows()
    [('Interest', 1, 1, 0, 2)]
    """
    return run(paths, Standing.of(paths, by=by, where=where, start=start, end=end, stages=stages, goal=goal))
