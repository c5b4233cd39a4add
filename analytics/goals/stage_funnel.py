"""How far do journeys get, stage by stage, and what share reaches the goal?

The unit is the journey: each is one attempt, and begins once. It has **reached** a stage when it has, within the window
after its beginning, a touch of the stage or of a later one, or the goal: the furthest stage counts, so that who orders
without a visit to Interest is not lost at Interest. **Mature** journeys began a whole window before the end of the
data; shares are over them, whatever their outcome, and younger ones are **open**. **Direct** journeys, with no staged
touch but the goal, are in no row and no share, and counted beside. **All stages** is the ordered chain: a touch of
every stage before the goal's, in their order, then the goal; at one instant touches may be read in whichever order
helps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, partial
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL, Cells, answer, measured_by
from analytics.engine.conditions import Words, one_of, several
from analytics.engine.distributions import DISTRIBUTION, distributions, durations
from analytics.engine.goals import (
    ENDING,
    Goal,
    GoalTouches,
    GoalWords,
    as_goal,
    is_main,
    main_goal,
    warn_of_unknown_goal,
)
from analytics.engine.local.calendar import PERIODS, Period, periods_of, zone_named
from analytics.engine.local.money import Money
from analytics.engine.partials import densely, sums_by_customer, totals_first
from analytics.engine.run import on_parts, run
from analytics.engine.units import are_followed
from analytics.goals.stage_value import LARGEST, PEOPLE, SUMS, StageValue, sums_of_cells, value_columns
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences
from analytics.paths.view import By, Indices
from analytics.statistics.shares import (
    MIN_DENOMINATOR,
    customer_columns,
    customers_of,
    effective,
    share_columns,
    square_columns,
)
from analytics.store.columns import STAGE, TIME, TOUCHPOINT
from analytics.store.encoding import Dictionaries
from analytics.store.frames import as_utc
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.errors import DefinitionError, nearest

SHARES: Final = (("reached", "entered"), ("reached", "previous"))
PEOPLE_LOST: Final = customers_of("lost")
"""The distinct customers who have a journey that was lost before a row."""
BEHIND: Final = {
    **{f"customers_{name}": name for name in ("entered", "lost", "touched", "skipped", "open", "open_lost", "direct")},
    **{f"customers_{name}": name for name in ("late", "never", "all_stages", "not_all_stages", "backward")},
    "customers_waited": "waited",
}
"""The columns of distinct customers, and the counts that they stand behind."""
MADE_OF: Final[Mapping[str, Sequence[str]]] = {
    **{name: (customers_of(count),) for name, count in BEHIND.items()},
    **{
        f"share_of_{whole}{end}": (part, whole, *square_columns(part, whole))
        for part, whole in SHARES
        for end in ("", "_low", "_high")
    },
    "effective_previous": ("reached", "previous", *square_columns("reached", "previous")),
    "enough": (customers_of("entered"),),
    **dict.fromkeys(("median_wait", "p90_wait", "waits"), ("spread",)),
    **dict.fromkeys(
        (
            *("value", "value_left_out", "value_dominated", "net_value", "net_value_dominated"),
            *("returns", "returns_left_out", *PEOPLE),
        ),
        (*SUMS, *LARGEST, *PEOPLE),
    ),
}
"""The counts of a partial that columns of the answer are made of; others are counts themselves."""
Times = NDArray[np.int64]
NONE: Final = -1
NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Stages:
    """The stages that a funnel has rows for, and what counts as later: the codes of words, and the goal's.

    `rank` has the position of the stage of every code of `stage`, `NONE` for a stage that is not counted, `rows` is the
    number of stages before the goal's. Where no touch has a stage, every touch counts as staged (`staged` is false).
    """

    names: tuple[str, ...]
    goal: str
    rows: int
    rank: tuple[int, ...]
    goal_touches: GoalTouches
    staged: bool

    @classmethod
    def of(cls, paths: Paths, stages: Sequence[str] | None, goal: GoalWords | None) -> Stages:
        """The stages and the goal, by default those that the paths were built with."""
        known = paths.definition
        if known is None and goal is None:
            raise DefinitionError("These paths have no goal.", expected="goal=, as they were not built with one")
        if known is None and stages is None and STAGE in paths.schema:
            raise DefinitionError("These paths have no order of stages.", expected="stages=, in their order")
        names = known.stages if known else ()
        if stages is not None:
            names = several("The order of stages", stages) if stages else ()
            _check_stages(paths, names)
        asked = main_goal(known.goal if known else ()) if goal is None else as_goal(goal)
        words = paths.values_of(STAGE) if STAGE in paths.schema else pl.Series([], dtype=pl.String)
        touches = GoalTouches.of(paths, asked)
        if known and stages is None and is_main(paths, asked):
            place = known.goal_stage
        else:
            of_goal = {*asked.stages, *_stages_of(paths, touches.touchpoints)} & set(names)
            place = max((names.index(stage) for stage in of_goal), default=len(names))
        rank = tuple(names.index(word) if word in names else NONE for word in words)
        name = goal.name if isinstance(goal, Goal) else ENDING
        return cls(names, name, place, rank, touches, staged=bool(len(words)))

    @property
    def steps(self) -> list[str]:
        """The names of the rows: the stages before the goal's, then the goal."""
        return [*self.names[: self.rows], self.goal]


def _check_stages(paths: Paths, names: Sequence[str]) -> None:
    """Raises `DefinitionError` for a stage that no touch has, and by which the paths were not made either."""
    there = paths.values_of(STAGE).to_list() if STAGE in paths.schema else []
    known = dict.fromkeys([*(paths.definition.stages if paths.definition else ()), *map(str, there)])
    for name in names if known else ():
        if name not in known:
            raise DefinitionError(
                f"There is no stage {name!r}.", expected=f"stages among {', '.join(known)}", do=nearest(name, known)
            )


def _stages_of(paths: Paths, codes: Sequence[int]) -> set[str]:
    """The stages that touches of the goal have."""
    if STAGE not in paths.schema:
        return set()
    return {stage for found in on_parts(paths, partial(_stages_in, codes)) for stage in found.drop_nulls()}


def _stages_in(codes: Sequence[int], part: Part, words: Dictionaries) -> pl.Series:
    """The stages that touches of the goal have in a part."""
    frame = decoded(part, [TOUCHPOINT, STAGE], words)
    return frame.filter(frame[TOUCHPOINT].to_physical().is_in(list(codes)))[STAGE].cast(pl.String).unique()


@dataclass(frozen=True)
class Touches:
    """The touches of journeys in order: the number of each one's journey, when it came after the journey began, the
    position of its stage (`NONE` without one), and whether it is a goal. `size` is the number of journeys.
    """

    unit: Indices
    since: Times
    rank: Times
    is_goal: NDArray[np.bool_]
    size: int

    @classmethod
    def of(cls, sequences: UnitSequences, stages: Stages) -> Touches:
        """The touches of a part."""
        after, places = sequences.aftermath, np.arange(len(sequences.codes))
        unit = np.append(sequences.sequence_numbers(), after.unit)
        times = np.append(sequences.microseconds(places), after.at)
        since = times - sequences.microseconds(sequences.bounds[:-1])[unit]
        is_goal = stages.goal_touches.marked(sequences.part)[np.append(sequences.rows, after.rows)]
        rank = np.full(len(unit), NONE)  # the aftermath is of no stage
        if stages.rank:
            words = sequences.part.read([STAGE])[STAGE][sequences.rows]
            codes = words.cast(pl.Int64).fill_null(len(stages.rank)).to_numpy()
            rank[places] = np.array([*stages.rank, NONE])[codes]
            behind = np.isin(sequences.codes, stages.goal_touches.main) & (rank[places] == NONE)
            rank[places[behind]] = len(stages.names)  # a main goal that no rule names has a stage behind all others
        return cls(unit, since, rank, is_goal, len(sequences))

    def first(self, marked: NDArray[np.bool_]) -> Times:
        """When each journey first has a marked touch; `NONE` without one."""
        hits = np.flatnonzero(marked)[::-1]
        first = np.full(self.size, NONE)
        first[self.unit[hits]] = self.since[hits]
        return first

    def has(self, marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which journeys have a marked touch."""
        there = np.zeros(self.size, np.bool_)
        there[self.unit[marked]] = True
        return there


@dataclass(frozen=True)
class Followed:
    """How far the journeys of a part get, in microseconds from their beginning.

    `first` has when a journey first touches the stage of every row of the funnel, and last the goal, within the window;
    `NONE` where it does not. `furthest` is the last row that it reaches.
    """

    first: Times
    furthest: Times
    mature: NDArray[np.bool_]
    direct: NDArray[np.bool_]
    late: NDArray[np.bool_]
    all_stages: NDArray[np.bool_]

    @classmethod
    def of(cls, touches: Touches, stages: Stages, mature: NDArray[np.bool_], window: int) -> Followed:
        """Follows journeys."""
        rank, rows = touches.rank, stages.rows
        goal = touches.first(touches.is_goal)
        until = np.where(goal == NONE, NEVER, goal)[touches.unit]
        staged = ~touches.is_goal & ((rank != NONE) | (not stages.staged))
        soon = (touches.since <= window) & ~touches.is_goal
        won = np.where(goal <= window, goal, NONE)
        first = [*(touches.first(soon & (rank == k)) for k in range(rows)), won]
        furthest = np.full(touches.size, NONE)
        np.maximum.at(furthest, touches.unit[soon], rank[soon])
        reached = np.zeros(touches.size, np.int64)
        for k in range(rows):  # each stage as early as it can follow the one before
            then = touches.first(soon & (rank == k) & (touches.since >= reached[touches.unit]))
            reached = np.where(then == NONE, NEVER, then)
        return cls(
            first=np.column_stack(first),
            furthest=np.where(won != NONE, rows, np.minimum(furthest, rows - 1)),
            mature=mature,
            direct=(goal != NONE) & ~touches.has(staged & (touches.since <= until)),
            late=goal > window,
            all_stages=(won != NONE) & (reached <= won),
        )

    def rows(self, *, with_open: bool = False) -> Iterator[tuple[int, dict[str, NDArray[np.bool_]], Times]]:
        """The number, the journeys counted, and the waits (`NONE` without one) of every row of the funnel.

        `with_open` counts journeys that are not mature among the others.
        """
        mature = self.mature | with_open
        entered, young, last = mature & ~self.direct, ~mature & ~self.direct, self.first.shape[1] - 1
        for k in range(self.first.shape[1]):
            there, wait = self.furthest >= k, self._wait(k)
            before = (self.furthest >= k - 1) if k else np.ones_like(there)
            touched = self.first[:, k] != NONE
            counted = {
                "reached": entered & there,
                "entered": entered,
                "previous": entered & before,
                "lost": entered & ~there & before,
                "touched": entered & touched,
                "skipped": entered & there & ~touched,
                "open": young & there,
                "open_lost": young & ~there & before,
                "direct": self.direct,
                "late": entered & self.late,
                "never": entered & ~self.late & (self.first[:, last] == NONE),
                "all_stages": entered & self.all_stages,
                "not_all_stages": entered & (self.first[:, last] != NONE) & ~self.all_stages,
                "waited": entered & (wait >= 0) & (wait != NEVER),
                "backward": entered & (wait < 0),
            }
            yield k + 1, counted, np.where(counted["waited"], wait, NONE)

    def _wait(self, k: int) -> Times:
        """The time from the first touch of the nearest earlier touched stage to row `k`; `NEVER` without both."""
        since = np.full(len(self.first), NONE)
        for j in range(k):
            since = np.where(self.first[:, j] != NONE, self.first[:, j], since)
        wait: Times = np.where((since != NONE) & (self.first[:, k] != NONE), self.first[:, k] - since, NEVER)
        return wait


@dataclass(frozen=True, eq=False)
class StageMeasure(PathMeasure):
    """A measure of how far journeys get."""

    stages: Stages = field(kw_only=True)
    timezone: str = field(default="UTC", kw_only=True)

    @classmethod
    def of(
        cls,
        paths: Paths,
        *,
        stages: Sequence[str] | None = None,
        goal: GoalWords | None = None,
        start: date | None = None,
        end: date | None = None,
        timezone: str = "UTC",
        **options: Any,
    ) -> Self:
        """The measure of the arguments of its public function; `options` are those of all measures, and its own.

        Dates, and times without a zone, are those of `timezone`.
        """
        zone = zone_named(timezone)
        options["start"], options["end"] = (None if time is None else as_utc(time, zone) for time in (start, end))
        if isinstance(goal, Goal) and options.get("window") is None:
            options["window"] = goal.horizon
        found, is_other = Stages.of(paths, stages, goal), goal is not None and not is_main(paths, as_goal(goal))
        if goal is not None:
            warn_of_unknown_goal(paths, as_goal(goal))
        return super().of(paths, stages=found, aftermath=is_other, timezone=timezone, **options)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return tuple(dict.fromkeys([*self.view.columns, *([STAGE] if STAGE in self.view.schema else [])]))

    def followed(self, sequences: UnitSequences) -> Followed:
        """How far the journeys of a part get."""

        def follow() -> Followed:
            begin, touches = sequences.microseconds(sequences.bounds[:-1]), Touches.of(sequences, self.stages)
            mature = are_followed(begin, sequences.window, self.view.end_of_data)
            return Followed.of(touches, self.stages, mature, sequences.window)

        return sequences.part.once(("followed", self.stages, self.view.reading), follow)


@dataclass(frozen=True, eq=False)
class StageFunnel(StageMeasure):
    """Counts journeys by how far they get: a partial has one row per group, period and row of the funnel."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        period=TIME,
        step=pl.UInt32,
        name=pl.String,
        kind=pl.String,
        entered=pl.Int64,
        reached=pl.Int64,
        touched=pl.Int64,
        skipped=pl.Int64,
        open=pl.Int64,
        direct=pl.Int64,
        late=pl.Int64,
        all_stages=pl.Int64,
        customers=pl.Int64,
        **dict.fromkeys(BEHIND, pl.Int64),
        share_of_entered=pl.Float64,
        share_of_entered_low=pl.Float64,
        share_of_entered_high=pl.Float64,
        share_of_previous=pl.Float64,
        share_of_previous_low=pl.Float64,
        share_of_previous_high=pl.Float64,
        effective_previous=pl.Float64,
        median_wait=pl.Duration("us"),
        p90_wait=pl.Duration("us"),
        waits=pl.Int64,
        backward=pl.Int64,
        value=pl.Float64,
        value_left_out=pl.Int64,
        value_dominated=pl.Boolean,
        net_value=pl.Float64,
        net_value_dominated=pl.Boolean,
        returns=pl.Int64,
        returns_left_out=pl.Int64,
        **dict.fromkeys(PEOPLE, pl.Int64),
        enough=pl.Boolean,
    )
    CELLS: ClassVar[Cells | None] = Cells(("step", "name"), ("step",), in_order=True)
    BOUND: ClassVar[int] = 1 << 20
    """The waits of every stage and period take up to 40 kB."""
    KEYS: ClassVar[Mapping[str, Any]] = {"period": TIME, "step": pl.UInt32}
    COUNTS: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(
            (
                *("reached", "entered", "previous", "touched", "skipped", "open", "direct", "late", "all_stages"),
                *("backward", "customers", *map(customers_of, BEHIND.values()), *SUMS, *LARGEST, *PEOPLE),
                *(name for share in SHARES for name in square_columns(*share)),
            ),
            pl.Int64,
        ),
        "spread": DISTRIBUTION,
    }
    QUANTILES: ClassVar[Mapping[str, Sequence[float]]] = {"spread": (0.5, 0.9)}

    begin: str | None = None
    value: StageValue | None = None
    period: str | None = None
    share_of: str = "entered"
    with_open: bool = False
    answered: tuple[str, ...] = ()
    """The columns of the answer after its keys that are counted; without any all of them."""

    @classmethod
    def of(
        cls,
        paths: Paths,
        *,
        value: str | Money | None = None,
        returns: Words | None = None,
        columns: Sequence[str] | None = None,
        **options: Any,
    ) -> Self:
        """The measure of the arguments of `stage_funnel`."""
        found = None if value is None else StageValue.of(paths, value, returns)
        return super().of(paths, value=found, answered=tuple(columns or ()), **options)

    def __post_init__(self) -> None:
        if self.begin is not None and self.begin not in self.stages.names:
            expected = f"one of {', '.join(self.stages.names)}"
            raise DefinitionError(f"There is no stage {self.begin!r}.", expected=expected)
        if self.period is not None:
            one_of("period", self.period, PERIODS)
        one_of("share_of", self.share_of, ("entered", "previous"))
        for name in self.answered:
            one_of("column", name, tuple(self.SCHEMA))

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return tuple(dict.fromkeys([*super().columns, *(self.value.columns if self.value else ())]))

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        if not self.answered:
            return super().schema
        needed = {count for name in self.answered for count in MADE_OF.get(name, (name,))}
        return {name: dtype for name, dtype in super().schema.items() if name not in self.COUNTS or name in needed}

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The journeys of one part."""
        (whole, everyone), *groups = sequences.groupings()
        asked = (self.stages, self.view.reading, self.begin, self.value, self.period, self.timezone, self.with_open)
        totals = sequences.part.once(
            ("stage totals", *asked, self.answered, self.exact), lambda: self._cells(sequences, everyone, 1)
        )
        cells = [(whole, totals), *((keys, self._cells(sequences, group, len(keys))) for keys, group in groups)]
        return pl.concat(
            pl.concat([keys[counts[" group"]], counts], how="horizontal").select(*self.schema) for keys, counts in cells
        )

    def _cells(self, sequences: UnitSequences, group: Indices, size: int) -> pl.DataFrame:
        """The counts of every group, period and step that has journeys; `" group"` is the number of the group."""
        kept, periods, period = self._begins(sequences), *self._periods(sequences)
        cells, cell = densely(group[kept] * len(periods) + period[kept], size * len(periods))
        number, of_period = np.divmod(cells, len(periods))
        marked, waits = self._followed_steps(sequences)
        steps, needed = np.arange(len(waits)), self.schema.keys()
        each, rows = (steps[:, np.newaxis] * len(cells) + cell).ravel(), len(steps) * len(cells)
        customer = np.tile(sequences.customer[kept], len(steps))
        shares = [share for share in SHARES if square_columns(*share)[0] in needed]
        people = [name for name in BEHIND.values() if customers_of(name) in needed]
        counted = {"reached", *needed, *people, *(name for share in shares for name in share)}
        values = {name: is_so[:, kept].ravel() for name, is_so in marked.items() if name in counted}
        columns = [
            pl.Series(" group", np.tile(number, len(steps))),
            periods.gather(np.tile(of_period, len(steps))).alias("period"),
            pl.Series("step", np.repeat(steps + 1, len(cells)), pl.UInt32),
        ]
        if "spread" in needed:
            wait = waits[:, kept].ravel()
            columns.append(distributions(each[wait >= 0], wait[wait >= 0], rows, exact=self.exact).alias("spread"))
        if needed & {*SUMS, *LARGEST, *PEOPLE}:
            worth = {
                name: np.where(marked["reached"][-1], sums, 0)[kept] for name, sums in self._money(sequences).items()
            }
            columns += sums_of_cells(worth, steps[-1] * len(cells) + cell, sequences.customer[kept], rows)
        return sums_by_customer(each, customer, values, rows, shares=shares, people_of=people).with_columns(columns)

    def _followed_steps(self, sequences: UnitSequences) -> tuple[dict[str, NDArray[np.bool_]], Times]:
        """What `Followed.rows` has: one row of each array per row of the funnel."""

        def stacked() -> tuple[dict[str, NDArray[np.bool_]], Times]:
            rows = list(self.followed(sequences).rows(with_open=self.with_open))
            marked = {name: np.stack([counted[name] for _, counted, _ in rows]) for name in rows[0][1]}
            return marked, np.stack([waits for *_, waits in rows])

        key = ("followed steps", self.stages, self.view.reading, self.with_open)
        return sequences.part.once(key, stacked)

    def _money(self, sequences: UnitSequences) -> dict[str, Indices]:
        """What the goal touches within the window bring, and returns take off, by journey; nothing without a value."""
        if self.value is None:
            return {}
        touches = Touches.of(sequences, self.stages)
        won = np.flatnonzero(touches.is_goal & (touches.since <= sequences.window))
        rows = np.append(sequences.rows, sequences.aftermath.rows)[won]
        return self.value.sums(sequences, rows, touches.unit[won])

    def _begins(self, sequences: UnitSequences) -> Indices:
        """The journeys that have a touch of the stage `begin` at their first instant; all without one."""
        if self.begin is None:
            return np.arange(len(sequences))
        touches, place = Touches.of(sequences, self.stages), self.stages.names.index(self.begin)
        of_stage = (touches.rank == place) | (touches.is_goal & (place == self.stages.rows))
        return np.flatnonzero(touches.has(of_stage & (touches.since == 0)))

    def _periods(self, sequences: UnitSequences) -> tuple[pl.Series, Indices]:
        """The periods in which journeys begin, and the number among them of each journey's."""
        if self.period is None:
            return pl.Series([None], dtype=TIME), np.zeros(len(sequences), np.int64)
        begin = pl.Series("at", sequences.microseconds(sequences.bounds[:-1])).cast(TIME)
        starts, number = periods_of(begin, self.period, self.timezone)
        return starts.dt.convert_time_zone("UTC"), number

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Every journey that entered (by `share_of`: reached the row before), and whether it has reached a row."""
        begins, rows = self._begins(sequences), []
        for step, counted, _ in self.followed(sequences).rows():
            unit = begins[counted[self.share_of][begins]]
            name = [pl.lit(step, pl.UInt32).alias("step"), pl.lit(self.stages.steps[step - 1]).alias("name")]
            rows.append(pl.DataFrame({"counts": counted["reached"][unit], "unit": unit}).with_columns(name))
        cells = pl.concat(rows[1:] or rows).select("step", "name", "counts", "unit")
        return cells, cells.select("step", "unit")

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `stage_funnel`."""
        names, last = self.stages.steps, pl.col("step") == len(self.stages.steps)
        table = merged if len(merged) or self.view.groups or self.period else self._nothing(names)
        uncounted = ((name, dtype) for name, dtype in self.COUNTS.items() if name not in table.columns)
        table = table.with_columns(
            pl.lit(None if dtype == DISTRIBUTION else 0, dtype).alias(name) for name, dtype in uncounted
        )
        table = table.with_columns(
            *share_columns(table, "share_of_entered", *SHARES[0]),
            *share_columns(table, "share_of_previous", *SHARES[1]),
        ).with_columns(
            pl.when(pl.col("step") > 1).then(pl.col(name)).alias(name)
            for name in ("share_of_previous", "share_of_previous_low", "share_of_previous_high")
        )
        answered = table.with_columns(
            pl.Series("name", names).gather(table["step"] - 1),
            pl.when(last).then(pl.lit("goal")).otherwise(pl.lit("stage")).alias("kind"),
            pl.col("period").dt.convert_time_zone(self.timezone),
            *customer_columns(BEHIND),
            pl.Series("effective_previous", effective(table, *SHARES[1])[1], pl.Float64).fill_nan(None),
            pl.when(last).then("all_stages").alias("all_stages"),
            *durations(table["spread"], {"median_wait": 0.5, "p90_wait": 0.9}),
            pl.col("spread").list.eval(pl.element().struct.field("count")).list.sum().cast(pl.Int64).alias("waits"),
            *value_columns(last & pl.lit(self.value is not None), known=bool(self.value and self.value.returns_known)),
            (pl.col(customers_of("entered")) >= MIN_DENOMINATOR).alias("enough"),
        )
        columns = dict.fromkeys([IS_TOTAL, "period", "step", *self.answered]) if self.answered else self.SCHEMA
        return totals_first(answered, self.view.groups, "period", "step").select(*self.view.groups, *columns)

    def _nothing(self, names: Sequence[str]) -> pl.DataFrame:
        """The counts of no journeys: a total of zeros."""
        zeros = [pl.lit(0, dtype).alias(n) for n, dtype in self.COUNTS.items() if n != "spread"]
        steps = pl.DataFrame({"step": range(1, len(names) + 1)}, schema={"step": pl.UInt32})
        rows = steps.with_columns(
            pl.lit(True).alias(IS_TOTAL),
            pl.lit(None, TIME).alias("period"),
            *zeros,
            pl.lit([], DISTRIBUTION).alias("spread"),
        )
        return rows.select(*self.schema)


@measured_by(StageFunnel)
def stage_funnel(
    paths: Paths,
    stages: Sequence[str] | None = None,
    goal: GoalWords | None = None,
    *,
    window: str | timedelta | None = None,
    by: By = (),
    start: date | None = None,
    end: date | None = None,
    period: Period | None = None,
    begin: str | None = None,
    with_open: bool = False,
    value: str | Money | None = None,
    returns: Words | None = None,
    timezone: str = "UTC",
    exact: bool = False,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """How many journeys reach each stage, and the goal, within the window after they begin.

    `stages` are names of stages in their order, `goal` one touchpoint or several, or a `Goal`; by default what the
    paths were built with. The name of a `Goal` is that of its row, else it is `goal`. A goal that does not end journeys
    also counts in their aftermath. The window is the horizon of a `Goal`, else 30 days, or the journey gap where that
    is shorter. Only journeys count that begin from `start` (inclusive) to `end` (exclusive), with all their later
    touches, and with `begin` only those with a touch of that stage at their first instant. `with_open` counts journeys
    that are not mature among the others, as far as they have come, and none as `open`: their shares may still rise.
    Dates, and times without a zone, are those of `timezone`: a date is the beginning of its day there. With `columns`
    only these are counted, which is quicker: the answer has those of `by`, `is_total`, `period`, `step`, and these.

    Columns: those of `by` (the value at the journey's first touch); `is_total` Boolean (rows over all groups come
    first, with null in `by`); `period` Datetime(us, timezone) (the start of the calendar period in which journeys
    begin; null without `period`); `step` UInt32, `name` String, `kind` String: a row `stage` for every stage before the
    goal's, in order, then a row `goal` of that name. Int64: `entered` (mature journeys, not direct), `reached`,
    `touched` (a touch of the stage itself), `skipped` (reached - touched), `open` (not mature, reached so far),
    `direct`, `late` (mature, with the goal after the window; both as in every row), `all_stages` (only in the goal's
    row: in order through all stages). Distinct customers, Int64: `customers` with a journey that reached it, and with
    one behind the other counts: `customers_entered`, `customers_lost` (it only reached the row before),
    `customers_touched`, `customers_skipped`, `customers_open`, `customers_open_lost` (it is open, and has only reached
    the row before), `customers_direct`, `customers_late`, `customers_never` (mature, and has no goal, late or not),
    `customers_all_stages`, `customers_not_all_stages` (it reached the goal another way), `customers_waited`,
    `customers_backward`. `share_of_entered`, `share_of_previous` (null in the first row) Float64, each with its Wilson
    interval, judged by customers, `_low`, `_high`; `effective_previous` Float64: as many independent journeys as those
    that reached the row before are worth (in the first row those that entered). `median_wait`, `p90_wait` Duration(us):
    from the first touch of the nearest earlier stage that is touched to that of this one, of `waits` Int64 mature
    journeys; those in which it came earlier are left out and counted in `backward` Int64. Of more than 1,000 waits
    quantiles are right to 1 in 1,000, or with `exact` exact. `enough` Boolean: 30 customers or more have entered.

    Columns of the goal's row where a `value` is asked for, else null: `value` Float64, the sum of that column over the
    goal touches of the journeys that reach it, a missing one as 0; of money in several currencies ask for `Money`.
    `value_left_out` Int64: goal touches with an amount that cannot be converted. `net_value` Float64: less the amounts,
    whatever their sign, of the returns in the aftermath of these journeys: touches of `returns` (touchpoints), by
    default all of kind order. `returns` Int64 counts them, `returns_left_out` those that take nothing off (no amount,
    or none that can be converted), `customers_returned` their customers (`customers_left_out`,
    `customers_returns_left_out`: those of what is left out); all null where the paths have no aftermath, or no `kind`
    and no `returns` are given. `value_dominated`, `net_value_dominated` Boolean: one customer brings more than half of
    the sum (or of what returns take off), so that it would tell about this customer.

    No touches give a total of zeros, or no rows with `by` or `period`. Raises `DefinitionError` for paths without a
    goal or an order of stages where none is given, an unknown column, and a window longer than the journey gap.

    >>> from analytics import PathRules, Paths
    >>> stages = [{"name": name, "touchpoints": [name.lower()]} for name in ("Ad", "Look", "Buy")]
    >>> rules = PathRules(goal=["buy"], stages=stages)
    >>> visits = {"ann": "ad@0d look@1d buy@2d", "bo": "ad@0d buy@3d", "cy": "ad@0d"}
    >>> stage_funnel(Paths.from_text(visits, end="60d", rules=rules))["name", "reached", "touched", "all_stages"].rows()
    [('Ad', 3, 3, None), ('Look', 2, 1, None), ('goal', 2, 2, 1)]
    """
    asked = StageFunnel.of(
        paths,
        stages=stages,
        goal=goal,
        begin=begin,
        with_open=with_open,
        value=value,
        returns=returns,
        period=period,
        timezone=timezone,
        by=by,
        start=start,
        end=end,
        window=window,
        columns=columns,
    )
    return run(paths, asked, exact=exact)
