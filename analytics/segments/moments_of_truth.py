"""Which touchpoints decide whether a journey reaches the goal?

At a **moment of truth** journeys whose experience was bad reach the goal clearly more, or less, often than journeys
otherwise alike whose experience was good. An experience of a touchpoint is **bad** where a page of it was slow, or
where the next touch of the journey is one of trouble; else it is good. A comparison, no proof of a cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar, Final

import numpy as np
import polars as pl

from analytics.engine.analysis import answer, measured_by
from analytics.engine.conditions import Words
from analytics.engine.goals import GoalWords
from analytics.engine.run import run
from analytics.goals.stage_funnel import NONE
from analytics.paths.sequences import UnitSequences, sorted_answer
from analytics.paths.view import By
from analytics.segments.comparable import (
    ALL,
    FAR,
    RANK,
    WHAT,
    WITH,
    WITHOUT,
    ComparedJourneys,
    Entries,
    Flags,
    MetJourneys,
    SeenTouches,
    comparisons,
    with_corrected,
)
from analytics.statistics.shares import MIN_DENOMINATOR, customers_of, share_columns
from analytics.store.paths import Paths

MIN_SHARE: Final = 0.05
"""A touchpoint that fewer of all journeys meet is no moment of truth."""
CLEAR: Final = 0.05
"""A corrected p-value below it is a clear difference."""


@dataclass(frozen=True, eq=False)
class MomentsOfTruth(ComparedJourneys):
    """Counts the mature journeys, and those with a bad or a good experience of a touchpoint at a stage.

    What is met is a touchpoint (its code); `ALL`, at the stage `ALL`: all journeys.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        **dict.fromkeys(("stage", "touchpoint"), pl.String),
        **dict.fromkeys(("journeys", "with_it", "bad", "good", "reached_bad", "reached_good"), pl.Int64),
        **dict.fromkeys(("customers", "customers_bad", "customers_good"), pl.Int64),
        share=pl.Float64,
        **{f"goal_rate_{kind}{end}": pl.Float64 for kind in ("bad", "good") for end in ("", "_low", "_high")},
        **dict.fromkeys(("difference", "difference_low", "difference_high"), pl.Float64),
        **dict.fromkeys(("p_value", "p_corrected", "weight"), pl.Float64),
        **dict.fromkeys(("enough", "is_moment"), pl.Boolean),
    )

    @property
    def kinds(self) -> pl.Series:
        """Every touchpoint, in the order of its codes."""
        return self.view.names

    def met(self, sequences: UnitSequences) -> MetJourneys:
        """All journeys, and those with a bad and a good experience of each touchpoint at each stage."""
        (seen, followed), rows, size = self.seen(sequences), max(self.stages.rows, 1), len(self.kinds)
        kinds, kind = self.kinds_alike(sequences)
        trouble, hurt = self._hurt(sequences, seen)
        touched = np.flatnonzero((seen.stage != NONE) & ~trouble)
        key = (seen.unit[touched] * rows + seen.stage[touched]) * size + seen.code[touched]
        own, first, number = np.unique(key, return_index=True, return_inverse=True)
        bad = np.bincount(number, hurt[touched], len(own)) > 0
        staged, code = np.divmod(own, max(size, 1))
        unit, rank = np.divmod(staged, rows)
        far, entries = seen.furthest[touched[first]], Entries(kind)
        counted = np.flatnonzero(followed.mature & ~followed.direct)
        entries.add(WITH, ALL, counted, np.full(len(counted), ALL), None)
        for of, those in ((WITH, bad), (WITHOUT, ~bad)):
            entries.add(of, code[those], unit[those], rank[those], None)
            entries.add(of, code[those], unit[those], rank[those], far[those])
        reached = followed.first[:, -1] != NONE
        return MetJourneys(reached, kinds, (rows, size, rows, len(kinds)), entries.joined())

    def _hurt(self, sequences: UnitSequences, seen: SeenTouches) -> tuple[Flags, Flags]:
        """Which touches are of trouble, and which are slow or have trouble next in their journey."""
        trouble, slow = np.zeros((2, len(seen.unit)), np.bool_)
        for number, marked in enumerate(self.in_trouble(sequences, seen)):
            if number < len(self.troubles):
                trouble = trouble | marked
            else:
                slow = marked
        following = np.append(trouble[1:] & (seen.unit[1:] == seen.unit[:-1]), False)[: len(trouble)]
        return trouble, slow | following

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `moments_of_truth`."""
        keys = [*self.view.keys, RANK, WHAT]
        whole = merged.filter(pl.col(WHAT) == ALL).select(
            *self.view.keys, pl.col("with").alias("journeys"), pl.col(customers_of("with")).alias("customers")
        )
        met = merged.filter(pl.col(WHAT) != ALL, pl.col(FAR) == ALL)
        table = met.join(whole, on=self.view.keys, nulls_equal=True, maintain_order="left")
        names = self.kinds.cast(pl.String)
        answered = table.with_columns(
            *share_columns(table, "goal_rate_bad", *WITH),
            *share_columns(table, "goal_rate_good", *WITHOUT),
            pl.Series("stage", self.stages.names, pl.String).gather(table[RANK]),
            names.gather(table[WHAT]).alias("touchpoint"),
            (pl.col("with") + pl.col("without")).alias("with_it"),
            pl.col("with").alias("bad"),
            pl.col("without").alias("good"),
            pl.col("with reached").alias("reached_bad"),
            pl.col("without reached").alias("reached_good"),
            pl.col(customers_of("with")).alias("customers_bad"),
            pl.col(customers_of("without")).alias("customers_good"),
            *comparisons(table, merged, keys),
        ).with_columns(
            (pl.col("with_it") / pl.col("journeys")).alias("share"),
            (pl.min_horizontal("customers_bad", "customers_good") >= MIN_DENOMINATOR).alias("enough"),
        )
        answered = with_corrected(answered).with_columns(
            (pl.col("difference").abs() * pl.col("share")).alias("weight"),
            ((pl.col("share") >= MIN_SHARE) & (pl.col("p_corrected") < CLEAR)).fill_null(False).alias("is_moment"),
        )
        return sorted_answer(answered, self.view, RANK, WHAT).select(*self.view.groups, *self.SCHEMA)


@measured_by(MomentsOfTruth)
def moments_of_truth(
    paths: Paths,
    troubles: Words | None = None,
    *,
    stages: Sequence[str] | None = None,
    goal: GoalWords | None = None,
    by: By = (),
    where: pl.Expr | None = None,
    start: date | None = None,
    end: date | None = None,
    window: str | timedelta | None = None,
    timezone: str = "UTC",
    alike: Sequence[str] | None = None,
    load_seconds: str | None = None,
    slow: float = 3.0,
) -> pl.DataFrame:
    """How the goal rate differs between a bad and a good experience of each touchpoint, at each stage.

    A journey has met a touchpoint at a stage with a touch of it at most `window` after the journey's first touch, up to
    the goal's instant; the stage is that of the touch, or the last one before it. Its experience is bad where one of
    these touches took more than `slow` seconds (the column `load_seconds`, by default the one of that name), or where
    the next touch of the journey is of one of the touchpoints `troubles` (by default those with `error` or `fail` in
    their name; they have no rows of their own); else it is good. The two are compared within strata of the furthest
    stage up to the first of these touches and of the columns `alike` (by default `device` and `channel`, where the
    paths have them) at the journey's first touch, weighted by the journeys with a bad one. Stages, the goal, maturity
    and days are those of `stage_funnel`.

    Columns: those of `by`; `is_total` Boolean (rows over all groups come first, with null in `by`); `stage`,
    `touchpoint` String; Int64: `journeys` (all mature ones that are not direct), `with_it` (that met it there), `bad`
    and `good` (of these), `reached_bad`, `reached_good` (that reached the goal within the window), and the distinct
    `customers`, `customers_bad`, `customers_good`; Float64: `share` (with_it / journeys), `goal_rate_bad` and
    `goal_rate_good` with their Wilson intervals `_low`, `_high`, the `difference` (bad less good, within strata) with
    its interval, `p_value` (Cochran, Mantel, Haenszel), `p_corrected` (Benjamini-Hochberg), `weight` (the size of the
    difference times `share`, to rank by); Boolean: `enough` (30 customers with a bad one, and 30 with a good one),
    `is_moment` (a share of 5 % or more, and a corrected p below 0.05). Intervals and tests are judged by customers. A
    difference is null where fewer than 9 of 10 journeys with a bad experience have any alike, a p-value where there are
    not `enough`. Paths without stages give no rows. Raises `DefinitionError` and warns as `pains` does.

    >>> from analytics import PathRules, Paths
    >>> rules = PathRules(goal=["buy"], stages=[{"name": "Look", "touchpoints": ["look"]}])
    >>> visits = {"ann": "look@0h error@1h", "bo": "look@0h error@1h buy@2h", "cy": "look@0h buy@1h"}
    >>> found = moments_of_truth(Paths.from_text(visits, end="60d", rules=rules))
    >>> found["stage", "touchpoint", "bad", "good", "goal_rate_bad", "goal_rate_good", "difference"].rows()
    [('Look', 'look', 2, 1, 0.5, 1.0, -0.5)]
    """
    asked = MomentsOfTruth.of(
        paths,
        troubles,
        stages=stages,
        goal=goal,
        by=by,
        where=where,
        start=start,
        end=end,
        window=window,
        timezone=timezone,
        alike=alike,
        load_seconds=load_seconds,
        slow=slow,
    )
    return run(paths, asked)
