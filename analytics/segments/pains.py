"""What gets in the way at each stage, and how many goals may it cost?

A **pain** is a kind of trouble that a journey meets at a stage: a touchpoint of trouble (an error, a failed payment), a
slow page, a step back to an earlier stage, the same touchpoint three times in a row. Journeys with it are compared with
journeys otherwise alike: which were at the stage too, had got as far, and began on the same device and channel. What
is **at stake** is a comparison, no proof of a cause: too high where who meets trouble differs in more, too low where
those alike had not come as near the goal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    LOST,
    RANK,
    WHAT,
    WITH,
    WITHOUT,
    ComparedJourneys,
    Entries,
    Flags,
    Ints,
    MetJourneys,
    SeenTouches,
    comparisons,
    with_corrected,
)
from analytics.statistics.shares import MIN_DENOMINATOR, customers_of, share_columns
from analytics.store.paths import Paths

TROUBLE, SLOW, BACK, REPEAT = "trouble", "slow", "back", "repeat"
COSTLY: Final = (TROUBLE, SLOW)
"""Kinds of which goals are at stake: what customers meet. A step back and a repeat are what they do, and who reaches
the goal soon has no time for them.
"""
_AT_STAKE: Final = {
    "at_stake": "difference",
    "at_stake_low": "difference_high",
    "at_stake_high": "difference_low",
}


@dataclass(frozen=True, eq=False)
class Pains(ComparedJourneys):
    """Counts the mature journeys at every stage, those with each pain there, and those that reached the goal.

    Rows of a partial are of a stage (`" rank"`) and a pain (a position in `kinds`; `ALL`: all at the stage), over all
    journeys where `" far"` is `ALL`, else of a stratum of those alike.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        **dict.fromkeys(("stage", "kind", "touchpoint"), pl.String),
        **dict.fromkeys(("journeys", "with_it", "reached"), pl.Int64),
        **dict.fromkeys(("customers", "customers_with_it", "customers_reached", "customers_lost"), pl.Int64),
        share=pl.Float64,
        **dict.fromkeys(("goal_rate", "goal_rate_low", "goal_rate_high", "goal_rate_alike"), pl.Float64),
        **dict.fromkeys(("difference", "difference_low", "difference_high"), pl.Float64),
        **dict.fromkeys(("at_stake", "at_stake_low", "at_stake_high"), pl.Float64),
        **dict.fromkeys(("p_value", "p_corrected"), pl.Float64),
        enough=pl.Boolean,
    )

    @property
    def kinds(self) -> list[tuple[str, str | None]]:
        """Every trouble, slow pages, steps back and repeats."""
        slow = [(SLOW, None)] if self.load_seconds is not None else []
        return [*((TROUBLE, name) for name in self.names), *slow, (BACK, None), (REPEAT, None)]

    def met(self, sequences: UnitSequences) -> MetJourneys:
        """The journeys at every stage, those with each pain there, and those alike."""
        (seen, followed), rows = self.seen(sequences), max(self.stages.rows, 1)
        there = seen.rank != NONE
        at_stage = np.unique(seen.unit[there] * rows + seen.rank[there])
        strata = np.unique((seen.unit[there] * rows + seen.rank[there]) * rows + seen.furthest[there])
        kinds, kind = self.kinds_alike(sequences)
        add = (entries := Entries(kind)).add
        add(WITH, ALL, *np.divmod(at_stage, rows), None)
        for pain, (marked, stage) in enumerate(self._marked(sequences, seen)):
            hits = np.flatnonzero(marked & (stage != NONE))
            met, first = np.unique(seen.unit[hits] * rows + stage[hits], return_index=True)
            own, far = np.divmod(strata[~np.isin(strata // rows, met)], rows)
            add(WITHOUT, pain, *np.divmod(own, rows), far)
            add(WITH, pain, *np.divmod(met, rows), None)
            add(WITH, pain, *np.divmod(met, rows), seen.furthest[hits[first]])
        sizes = (rows, len(self.kinds), rows, len(kinds))
        return MetJourneys(followed.first[:, -1] != NONE, kinds, sizes, entries.joined())

    def _marked(self, sequences: UnitSequences, seen: SeenTouches) -> Iterator[tuple[Flags, Ints]]:
        """Of every pain, which touches meet it, and the stage that it counts at."""
        for marked in self.in_trouble(sequences, seen):
            yield marked, seen.stage
        yield (seen.rank != NONE) & (seen.rank < seen.before), seen.before
        yield seen.repeated, seen.stage

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `pains`."""
        keys = [*self.view.keys, RANK]
        whole = merged.filter(pl.col(WHAT) == ALL).select(
            *keys, pl.col("with").alias("journeys"), pl.col(customers_of("with")).alias("customers")
        )
        met = merged.filter(pl.col(WHAT) != ALL, pl.col(FAR) == ALL, pl.col("with") > 0)
        table = met.join(whole, on=keys, nulls_equal=True, maintain_order="left")
        kinds = pl.DataFrame(
            {
                WHAT: range(len(self.kinds)),
                "kind": [k for k, _ in self.kinds],
                "touchpoint": [t for _, t in self.kinds],
            },
            schema={WHAT: pl.Int64, "kind": pl.String, "touchpoint": pl.String},
        )
        answered = (
            table.with_columns(*share_columns(table, "goal_rate", *WITH))
            .join(kinds, on=WHAT, how="left", maintain_order="left")
            .with_columns(
                pl.Series("stage", self.stages.names, pl.String).gather(table[RANK]),
                pl.col("with").alias("with_it"),
                (pl.col("with") / pl.col("journeys")).alias("share"),
                pl.col("with reached").alias("reached"),
                pl.col(customers_of("with")).alias("customers_with_it"),
                pl.col(customers_of("with reached")).alias("customers_reached"),
                pl.col(customers_of(LOST)).alias("customers_lost"),
                *comparisons(table, merged, [*keys, WHAT]),
            )
            .with_columns(
                (pl.col("customers_with_it") >= MIN_DENOMINATOR)
                .and_(pl.col("others") >= MIN_DENOMINATOR)
                .alias("enough")
            )
        )
        return sorted_answer(_at_stake(with_corrected(answered)), self.view, RANK, WHAT).select(
            *self.view.groups, *self.SCHEMA
        )


def _at_stake(table: pl.DataFrame) -> pl.DataFrame:
    """With the goal rate of those alike, and what is at stake."""
    return table.with_columns(
        (pl.col("goal_rate") - pl.col("difference")).alias("goal_rate_alike"),
        *(
            pl.when(pl.col("kind").is_in(COSTLY)).then(-pl.col(difference) * pl.col("with_it")).alias(name)
            for name, difference in _AT_STAKE.items()
        ),
    )


@measured_by(Pains)
def pains(
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
    """The trouble that journeys meet at each stage, and how many goals it may cost.

    A pain counts once per journey and stage, at most `window` after the journey's first touch, up to the goal's
    instant. Its stage is that of the touch, or the last one before it in the journey; of a step back, the stage that it
    leaves. Kinds: `trouble` (a touch of one of the touchpoints `troubles`, each a pain of its own; by default those
    with `error` or `fail` in their name), `slow` (the column `load_seconds`, by default the one of that name, exceeds
    `slow` seconds), `back` (a step to an earlier stage), `repeat` (the same touchpoint three times in a row). Journeys
    with it are compared with those that were at the stage and did not meet it there, within strata of the furthest
    stage up to then and of the columns `alike` (by default `device` and `channel`, where the paths have them) at the
    first touch, weighted by the journeys with it. Stages, the goal, maturity and days are those of `stage_funnel`.

    Columns: those of `by`; `is_total` Boolean (rows over all groups come first, with null in `by`); `stage`, `kind`,
    `touchpoint` String (of a trouble); Int64: `journeys` (mature, at the stage), `with_it`, `reached` (those of them
    that reached the goal within the window), and the distinct `customers` (at the stage), `customers_with_it`,
    `customers_reached`, `customers_lost` (with a journey that met it and reached the goal, or did not); Float64:
    `share` (with_it / journeys), `goal_rate` (reached / with_it) with its Wilson interval, `goal_rate_alike` (of those
    alike), the `difference` with its interval `_low`, `_high`, `at_stake` (goals: what is missing against those alike,
    with its interval; null of a step back and of a repeat, for which who reaches the goal soon has no time), `p_value`
    (Cochran, Mantel, Haenszel), `p_corrected` (Benjamini-Hochberg); `enough` Boolean: 30 customers with it, and 30
    journeys alike. Intervals and tests are judged by customers. A difference is null where fewer than 9 of 10 journeys
    with it have any alike, a p-value where there are not `enough`. At stake is a comparison, no proof of a cause; pains
    overlap, and do not add up. No pain gives no row, and neither do paths without stages. Raises `DefinitionError` as
    `stage_funnel` does, and for a column that the paths lack; warns of a touchpoint that no touch has
    (`UnknownWordWarning`).

    >>> from analytics import PathRules, Paths
    >>> rules = PathRules(goal=["buy"], stages=[{"name": "Look", "touchpoints": ["look"]}])
    >>> visits = {"ann": "look@0h error@1h", "bo": "look@0h error@1h buy@2h", "cy": "look@0h buy@1h"}
    >>> found = pains(Paths.from_text(visits, end="60d", rules=rules))
    >>> found["stage", "touchpoint", "with_it", "goal_rate", "goal_rate_alike", "at_stake"].row(0)
    ('Look', 'error', 2, 0.5, 1.0, 1.0)
    """
    asked = Pains.of(
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
