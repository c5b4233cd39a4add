"""Why did a goal rate change from one period to another: in which segment, by mix or by rate, and at which stage?

The rate is that of `goal_rate`: mature journeys with the goal within the window, by any route. The parts of all
segments of a column add up to its change, and so do the parts of all stages; nothing is left over. Intervals are from
replicates of customers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL, answer, measured_by
from analytics.engine.goals import GoalWords
from analytics.engine.local.calendar import zone_named
from analytics.engine.run import run
from analytics.goals.stage_funnel import NONE, StageMeasure
from analytics.monitoring.change import (
    FAMILY_SIGN,
    KEY_NAMES,
    Families,
    Family,
    check_periods,
    families_of,
    spans_given,
)
from analytics.monitoring.change_parts import PART, PERIODS_COMPARED, Level, counted_by_family, counts_of_family
from analytics.paths.sequences import UnitSequences
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.decomposition import known_in_both, worth_of_factors
from analytics.statistics.intervals import Floats
from analytics.statistics.replicates import MIN_FILLED, replicate_error, replicate_of_customers
from analytics.statistics.shares import MIN_DENOMINATOR
from analytics.store.frames import as_utc, micros
from analytics.store.paths import Paths

ENTERED: Final = "entered"


@dataclass(frozen=True, eq=False)
class GoalChange(StageMeasure):
    """Counts the mature journeys of two periods that reach each stage, by replicate: in all, and by each family.

    Family 0 is all journeys; family `n` has the groups of `families[n - 1]`. The first count is of all that entered,
    the last of those that reach the goal.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        family=pl.String,
        stage=pl.String,
        **PART,
    )
    KEYS: ClassVar[Mapping[str, Any]] = dict.fromkeys(KEY_NAMES, pl.UInt32)
    BOUND: ClassVar[int] = 1 << 20

    periods: tuple[tuple[int, int], ...] = field(default=(), kw_only=True)
    families: tuple[Family, ...] = field(default=(), kw_only=True)

    @classmethod
    def of(  # type: ignore[override]
        cls,
        paths: Paths,
        *,
        before: tuple[date, date],
        after: tuple[date, date],
        by: Families = (),
        timezone: str = "UTC",
        **options: Any,
    ) -> Self:
        """The measure of the arguments of its public function."""
        zone = zone_named(timezone)
        periods = [(as_utc(start, zone), as_utc(end, zone)) for start, end in spans_given(before, after)]
        families = families_of(paths, by)
        columns = list(dict.fromkeys(name for family in families for name in family))
        ends = tuple((micros(start), micros(end)) for start, end in periods)
        bound = super().of(paths, by=columns, timezone=timezone, periods=ends, families=families, **options)
        assert isinstance(bound.view.window, timedelta)  # the view is bound
        check_periods(periods, bound.view.window, paths.end_of_data)
        return bound

    @cached_property
    def names(self) -> list[tuple[int, str]]:
        """The steps by number and name: all that entered, the stages before the goal's, the goal."""
        return list(enumerate([ENTERED, *self.stages.steps], 1))

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        counts = [f"{what}_{step}" for what in ("reached", "customers") for step, _ in self.names]
        return {**self.view.key_schema, **self.KEYS, **dict.fromkeys(counts, pl.Int64)}

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The journeys of one part."""
        begin, followed = sequences.microseconds(sequences.bounds[:-1]), self.followed(sequences)
        period = np.full(len(sequences), -1)
        for number, (start, end) in enumerate(self.periods):
            period[(begin >= start) & (begin < end)] = number
        kept = np.flatnonzero((period >= 0) & followed.mature & ~followed.direct)
        people, who = np.unique(sequences.customer[kept], return_inverse=True)
        replicate = replicate_of_customers(sequences.part.keys().gather(pl.Series(people, dtype=pl.UInt32)))[who]
        rows = followed.first.shape[1]
        reached = [np.ones(len(kept), np.bool_), *(followed.furthest[kept] >= k for k in range(rows - 1))]
        reached.append(followed.first[kept, -1] != NONE)
        units = sequences.groups[kept].with_columns(
            pl.Series("period", period[kept], pl.UInt32),
            pl.Series("replicate", replicate, pl.UInt32),
            pl.Series(" person", who),
            *(pl.Series(f"reached_{step}", each) for (step, _), each in zip(self.names, reached, strict=True)),
        )
        sums = [pl.col(f"reached_{step}").sum().cast(pl.Int64) for step, _ in self.names]
        sums += [
            pl.col(" person").filter(f"reached_{step}").n_unique().cast(pl.Int64).alias(f"customers_{step}")
            for step, _ in self.names
        ]
        empty = pl.DataFrame(schema=self.schema)
        return pl.concat([empty, *counted_by_family(units, self.families, sums, self.schema)])

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `goal_change`."""
        whole = self._level(merged, 0)
        nothing = pl.DataFrame(schema={**self.view.key_schema, **self.SCHEMA})
        if not whole.reached.sum(axis=(0, 2))[:, 0].all():
            return nothing
        tables = [nothing, _as_answer(whole.rows())]
        for number in range(1, len(self.families) + 1):
            every = self._level(merged, number)
            tables += [_as_answer(_between_ends(every).rows()), _stages_of_groups(every)]
        return pl.concat(tables, how="diagonal_relaxed").select(*self.view.groups, *self.SCHEMA)

    def _level(self, merged: pl.DataFrame, number: int) -> Level:
        """The counts of a family as arrays by replicate, period and group."""
        family = self.families[number - 1] if number else ()
        counts = [f"{what}_{step}" for what in ("reached", "customers") for step, _ in self.names]
        groups, table = counts_of_family(merged, number, family, counts)
        steps, values = len(self.names), np.zeros((*table.shape[:2], 4))
        name = FAMILY_SIGN.join(family) if number else None
        return Level("rate", name, groups, self.names, table[..., :steps], table[..., steps:].sum(axis=0), values)


def _between_ends(level: Level) -> Level:
    """The same counts as one step, from all that entered to the goal."""
    ends = [0, -1]
    steps = [level.steps[end] for end in ends]
    return replace(level, steps=steps, reached=level.reached[..., ends], customers=level.customers[..., ends])


def _stages_of_groups(level: Level) -> pl.DataFrame:
    """How the own rate of each group that is there in both periods changed, by stage."""
    size, each = level.reached.shape[1:], (len(level.groups), len(level.steps) - 1)

    def parts(total: NDArray[Any]) -> Floats:
        before, after = known_in_both(*_shares(total.reshape(size)))
        return (worth_of_factors(before, after) * (after - before)).ravel()

    error = replicate_error(level.reached.reshape(len(level.reached), -1), parts)
    counts, people = level.reached.sum(axis=0), level.customers[..., :-1]
    held = np.count_nonzero(level.reached.any(axis=1), axis=0)[:, :-1]
    enough = (people.min(axis=0) >= MIN_DENOMINATOR) & (held >= MIN_FILLED)
    shares, number = _shares(counts), error.number.reshape(each)
    low, high, p_value = (
        np.where(enough, ends.reshape(each), np.nan)
        for ends in (
            np.maximum(error.number - error.reach(), -1.0),
            np.minimum(error.number + error.reach(), 1.0),
            error.p_value,
        )
    )
    change = number.sum(axis=1, keepdims=True)
    columns = {
        "before": shares[0],
        "after": shares[1],
        "contribution": number,
        "contribution_low": low,
        "contribution_high": high,
        "share_of_change": number / np.where(change == 0, np.nan, change),
        "p_value": p_value,
        "p_corrected": np.stack([benjamini_hochberg(row) for row in p_value]),
    }
    rows = level.groups[np.repeat(np.arange(each[0]), each[1])].with_columns(
        pl.lit(value=False).alias(IS_TOTAL),
        pl.lit(level.family).alias("family"),
        pl.Series("stage", [name for _, name in level.steps[1:]] * each[0], pl.String),
        pl.lit("stage").alias("effect"),
        *(pl.Series(name, values.ravel(), pl.Float64).fill_nan(None) for name, values in columns.items()),
        *(pl.Series(f"customers_{name}", people[n].ravel()) for n, name in enumerate(PERIODS_COMPARED)),
        pl.Series("enough", enough.ravel()),
    )
    return rows.filter(pl.Series(np.repeat((counts[..., 0] > 0).all(axis=0), each[1])))


def _shares(counts: NDArray[Any]) -> Floats:
    """The share of each step in the step before; NaN where nobody is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(counts[..., 1:] / counts[..., :-1], np.float64)


def _as_answer(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of a level with the columns of `goal_change`."""
    stage = pl.when(pl.col("effect") == "step").then("name").alias("stage")
    named = rows.with_columns(stage, pl.col("effect").replace({"step": "stage"}))
    return named.drop("step", "name", "of", "share_cut", "value_left_out", strict=False)


@measured_by(GoalChange)
def goal_change(
    paths: Paths,
    goal: GoalWords | None = None,
    *,
    before: tuple[date, date],
    after: tuple[date, date],
    by: Families = (),
    stages: Sequence[str] | None = None,
    window: str | timedelta | None = None,
    timezone: str = "UTC",
) -> pl.DataFrame:
    """Why a goal rate changed between two periods of beginning: by which segment, mix or rate, at which stage.

    The rate is that of `goal_rate`: mature journeys that reach the goal within the window, by any route, over all
    mature ones. A segment adds to its change by **mix** (its share of journeys changes) and by **rate** (its own goal
    rate changes); the mix and the rate of all segments of a column add up to the change. The rate is also the product
    of the shares that go on from stage to stage, the furthest stage counting (`stage_funnel`), and each **stage** has
    its Shapley value of the change: of all journeys, and of those of a segment for the change of its own rate.

    A period is from its start (inclusive) to its end (exclusive); dates, and times without a zone, are those of
    `timezone`. `goal`, `stages` and `window` are those of `stage_funnel`. `by` names columns (the value at the
    journey's first touch), each a *family* of its own; a pair in it is a family of their combinations; `"*"` is every
    attribute and context column of at most 50 values.

    Columns: those of `by` (null where a row is of another family); `is_total` Boolean (rows of all journeys, which come
    first); `family` String (the columns of the family; null in totals); `stage` String (of a stage's row; the last is
    the goal); `effect` String: `total`, `mix`, `rate`, `stage`; `before`, `after` Float64: of the total the goal rate,
    of a mix the segment's share of journeys, of a rate its goal rate, of a stage the share that went on to it;
    `contribution` Float64 with its 95 % interval `contribution_low`, `contribution_high`: what it adds to the change,
    of a segment's stage to the change of the segment's own rate; `share_of_change` Float64; `p_value`, `p_corrected`
    Float64, `customers_before`, `customers_after` Int64 and `enough` Boolean as in `change`.

    Intervals are from 200 replicates of customers. No mature journey in one of the periods gives no rows. Raises
    `DefinitionError` for periods that overlap, end before they begin, or whose windows are not over at the end of the
    data, for an unknown column, and as `stage_funnel` does.

    >>> from datetime import date
    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "look@0d buy@1d", "bo": "look@1d", "cy": "look@8d"}, end="60d")
    >>> january = [date(2024, 1, day) for day in (1, 8, 15)]
    >>> found = goal_change(shop, "buy", before=(january[0], january[1]), after=(january[1], january[2]))
    >>> found["effect", "before", "after", "contribution"].rows()
    [('total', 0.5, 0.0, -0.5), ('stage', 0.5, 0.0, -0.5)]
    """
    return run(
        paths,
        GoalChange.of(
            paths, goal=goal, before=before, after=after, by=by, stages=stages, window=window, timezone=timezone
        ),
    )
