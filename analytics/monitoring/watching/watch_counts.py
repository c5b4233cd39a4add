"""Counts what is watched, by calendar period and group.

- **pair** A -> B: of journeys with A, by the period of their first A, those in which B follows within the window of the
  pair. Touches of one instant follow each other in either order. Groups are the values at that first A.
- **stage** and **goal**: of journeys, by the period of their beginning, those that have reached the stage before, and
  those that reach this one within the window; the goal rate is over all journeys that are not direct. Groups are the
  values at the beginning.
- **touchpoint** and **channel**: touches; **errors** and **slow pages**: of touches (of pages with a load time), those
  that are an error, or took more than 3 seconds; **survey**: of answers, the low ones.

Counts are those of all cases, whether their window is over or not: `analytics.monitoring.watch` asks only periods that
are over and have arrived. `went` are the cases that went on more than the window of the goal before the end of the
data, `won` those of them that reached the goal within it: what one case that goes on is worth in goals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL, Cells, answer, measured_by
from analytics.engine.conditions import one_of
from analytics.engine.local.calendar import PERIODS, Period, periods_of, zone_named
from analytics.engine.partials import add_up, densely, sums_by_customer, totals_first
from analytics.engine.run import run
from analytics.engine.units import are_followed
from analytics.experience.voice import SCORE, SURVEY
from analytics.goals.stage_funnel import Followed, Stages, Touches
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences, sequences_of
from analytics.paths.view import Indices, words_of
from analytics.statistics.satisfaction import LOW_SCORES
from analytics.statistics.shares import customers_of
from analytics.store.columns import STAGE, TIME, TOUCHPOINT
from analytics.store.encoding import Dictionaries, as_time
from analytics.store.frames import micros
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

CHANNEL: Final = "channel"
LOAD_SECONDS: Final = "load_seconds"
SLOW: Final = 3.0
MAX_VALUES: Final = 100
NEVER: Final = np.iinfo(np.int64).max
Flags = NDArray[np.bool_]


def is_watchable(paths: Paths, column: str) -> bool:
    """Whether shares can be watched by the values of a column: texts, at most `MAX_VALUES` of them."""
    return column in paths.dictionaries and len(paths.dictionaries[column]) <= MAX_VALUES


@dataclass(frozen=True)
class Pair:
    """B follows A within the window; by the names of touchpoints. A `label` is what its counts are named by."""

    source: str
    target: str
    window: timedelta
    label: str = ""

    @property
    def name(self) -> str:
        """The pair as it is shown."""
        return self.label or f"{self.source} -> {self.target}"


@dataclass(frozen=True, eq=False)
class WatchCounts(PathMeasure):
    """Counts by measure, item, column of groups, value and period; a word is its code."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        measure=pl.String,
        name=pl.String,
        by=pl.String,
        group=pl.String,
        period=TIME,
        of=pl.Int64,
        count=pl.Int64,
        customers=pl.Int64,
        customers_counted=pl.Int64,
        customers_not_counted=pl.Int64,
        went=pl.Int64,
        won=pl.Int64,
    )
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = 1 << 22
    """A row per measure, group and period, up to 200 pairs."""
    KEYS: ClassVar[Mapping[str, Any]] = {
        "measure": pl.String,
        "item": pl.Int64,
        "column": pl.Int64,
        "value": pl.Int64,
        "period": TIME,
    }
    COUNTS: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        ("of", "count", "lost", "went", "won", "customers", customers_of("count"), customers_of("lost")), pl.Int64
    )

    pairs: tuple[Pair, ...] = field(kw_only=True)
    groups: tuple[str, ...] = field(kw_only=True)
    touchpoints: tuple[str, ...] = field(default=(), kw_only=True)
    words: dict[str, pl.Series] = field(kw_only=True)
    stages: Stages | None = field(kw_only=True)
    horizon: timedelta = field(kw_only=True)
    period: str = field(default="day", kw_only=True)
    timezone: str = field(default="UTC", kw_only=True)

    @classmethod
    def of(  # type: ignore[override] # the options that all paths have are not its own
        cls,
        paths: Paths,
        *,
        pairs: Sequence[Pair] = (),
        groups: Sequence[str] = (),
        touchpoints: Sequence[str] = (),
        period: str = "day",
        timezone: str = "UTC",
        window: str | timedelta = "7d",
        horizon: str | timedelta | None = None,
        **options: Any,
    ) -> Self:
        """The measure of the arguments of `watch_counts`."""
        one_of("period", period, PERIODS)
        zone_named(timezone)
        columns = (TOUCHPOINT, *(name for name in (STAGE, CHANNEL, SURVEY) if name in paths.dictionaries))
        words = {name: words_of(paths, name) for name in (*columns, *groups)}
        for name in groups:
            if not is_watchable(paths, name):
                expected = f"a text column with at most {MAX_VALUES} values"
                raise DefinitionError(f"Column {name!r} cannot be watched by group.", expected=expected)
        return super().of(
            paths,
            pairs=tuple(pairs),
            groups=tuple(groups),
            touchpoints=tuple(touchpoints),
            words=words,
            stages=Stages.of(paths, None, None) if paths.definition else None,
            period=period,
            timezone=timezone,
            window=duration(window),
            horizon=duration(window if horizon is None else horizon),
            **options,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        others = (name for name in (LOAD_SECONDS, SCORE, "outcome") if name in self.view.schema)
        return tuple(dict.fromkeys([*self.view.columns, *self.words, *others]))

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The counts of one part."""
        touches = _PartTouches(part, self)
        tables = [*touches.counts()]
        sequences = sequences_of(part, self.view, words)
        if len(sequences):
            tables += [*self._pairs(sequences, touches), *self._journeys(sequences, touches)]
        return pl.concat([pl.DataFrame(schema=self.schema), *tables])

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """Not asked: `partial` also reads touches of no journey."""
        raise NotImplementedError

    def _pairs(self, sequences: UnitSequences, touches: _PartTouches) -> Iterator[pl.DataFrame]:
        found = FirstTouches(sequences)
        window, code = micros(self.horizon), {name: n for n, name in enumerate(self.words[TOUCHPOINT])}
        begin = sequences.microseconds(sequences.bounds[:-1])
        goal_at = np.where(sequences.to_goal < 0, NEVER, begin + sequences.to_goal)
        by_source: dict[str, list[tuple[int, Pair]]] = {}
        for number, pair in enumerate(self.pairs):
            by_source.setdefault(pair.source, []).append((number, pair))
        for source, own in by_source.items():
            units, at, places = found.of(code.get(source, -1))
            if not len(units):
                continue
            mature = are_followed(at, window, self.view.end_of_data)
            won = (goal_at[units] >= at) & (goal_at[units] - at <= window)
            placed, people = touches.placed(sequences.rows[places]), sequences.customer[units]
            for number, pair in own:
                wait = found.waits(units, at, code.get(pair.target, -1))
                follows = wait <= micros(pair.window)
                values = {"count": follows, "went": follows & mature, "won": follows & mature & won}
                yield touches.counted("pair", number, placed, people, values)

    def _journeys(self, sequences: UnitSequences, touches: _PartTouches) -> Iterator[pl.DataFrame]:
        if self.stages is None:
            return
        begin = sequences.microseconds(sequences.bounds[:-1])
        mature = are_followed(begin, sequences.window, self.view.end_of_data)
        followed = Followed.of(Touches.of(sequences, self.stages), self.stages, mature, sequences.window)
        first, last = sequences.rows[sequences.bounds[:-1]], len(self.stages.steps)
        goal = None
        for step, counted, _ in followed.rows(with_open=True):
            goal = counted
            if 1 < step < last or (step == last and last > 1):
                kept = np.flatnonzero(counted["previous"])
                yield self._of_journeys(("stage", step - 1), kept, counted, (first, sequences, touches))
        if goal is not None:
            kept = np.flatnonzero(goal["entered"])
            yield self._of_journeys(("goal", 0), kept, goal, (first, sequences, touches))

    def _of_journeys(
        self,
        item: tuple[str, int],
        kept: Indices,
        counted: Mapping[str, Flags],
        at: tuple[Indices, UnitSequences, _PartTouches],
    ) -> pl.DataFrame:
        first, sequences, touches = at
        reached, to_goal, horizon = counted["reached"][kept], sequences.to_goal[kept], micros(self.horizon)
        won = (to_goal >= 0) & (to_goal <= horizon)
        begin = sequences.microseconds(sequences.bounds[:-1][kept])
        went = reached & are_followed(begin, horizon, self.view.end_of_data)
        values = {"count": reached, "went": went, "won": went & won}
        return touches.cells(*item, first[kept], sequences.customer[kept], values)

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, list(self.KEYS), self.schema)

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return {**self.KEYS, **self.COUNTS}

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `watch_counts`."""
        steps = self.stages.steps if self.stages else []
        names = {
            "pair": pl.Series([pair.name for pair in self.pairs], dtype=pl.String),
            "stage": pl.Series([f"{a} -> {b}" for a, b in zip(["", *steps], steps, strict=False)], dtype=pl.String),
            "goal": pl.Series(["goal rate"]),
            "touchpoint": self.words[TOUCHPOINT].cast(pl.String),
            "channel": self.words.get(CHANNEL, pl.Series([], dtype=pl.String)).cast(pl.String),
            "errors": pl.Series(["errors"]),
            "slow pages": pl.Series(["slow pages"]),
            "survey": self.words.get(SURVEY, pl.Series([], dtype=pl.String)).cast(pl.String),
        }
        tables = [merged.clear().with_columns(name=pl.lit(""), by=pl.lit(""), group=pl.lit(""))]
        for (measure, column), rows in merged.partition_by("measure", "column", as_dict=True).items():
            is_total = column < 0
            by = None if is_total else self.groups[int(column)]
            group = (
                pl.lit(None, pl.String)
                if by is None
                else pl.Series(self.words[by].cast(pl.String).gather(rows["value"]), dtype=pl.String)
            )
            tables.append(
                rows.with_columns(
                    pl.Series(names[str(measure)].gather(rows["item"]), dtype=pl.String).alias("name"),
                    pl.lit(by, pl.String).alias("by"),
                    group.alias("group"),
                )
            )
        table = pl.concat(tables, how="vertical_relaxed").with_columns(
            (pl.col("column") < 0).alias(IS_TOTAL),
            pl.col(customers_of("count")).alias("customers_counted"),
            pl.col(customers_of("lost")).alias("customers_not_counted"),
        )
        return totals_first(table, (), "measure", "name", "by", "group", "period").select(*self.SCHEMA)


@dataclass(frozen=True)
class _Placed:
    """Where cases lie: of every cell its column, value and period; of every entry its cell and its case."""

    column: Indices
    value: Indices
    period: Indices
    number: Indices
    case: Indices


class _PartTouches:
    """The touches of a part: their periods, and their groups by column."""

    def __init__(self, part: Part, asked: WatchCounts) -> None:
        wanted = list(dict.fromkeys([*asked.words, *asked.columns, "at"]))
        self.frame = part.read(wanted)
        self.asked = asked
        self.at = as_time(self.frame["at"])
        starts, self.number = periods_of(self.at, asked.period, asked.timezone)
        self.starts = starts.dt.convert_time_zone("UTC")
        bounds = part.bounds()
        self.people = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        self.codes = [self._codes(name) for name in asked.groups]

    def _codes(self, name: str) -> Indices:
        return self.frame[name].cast(pl.Int64).fill_null(-1).to_numpy()

    def cells(
        self, measure: str, item: int, rows: Indices, people: NDArray[Any], values: Mapping[str, Flags]
    ) -> pl.DataFrame:
        """The counts of cases at these rows, in all and by group; `values` are counted of them."""
        return self.counted(measure, item, self.placed(rows), people, values)

    def placed(self, rows: Indices) -> _Placed:
        """The cells that cases at these rows lie in."""
        periods = len(self.starts)
        widths = [1, *(len(self.asked.words[name]) for name in self.asked.groups)]
        begin = np.cumsum([0, *widths])
        code = np.column_stack([np.zeros(len(rows), np.int64), *(codes[rows] for codes in self.codes)])
        place = np.flatnonzero(code >= 0)  # entry by entry, those of a row side by side
        cell = ((begin[:-1] + code) * periods + self.number[rows][:, None]).ravel()[place]
        cells, number = densely(cell, int(begin[-1]) * periods)
        group, period = np.divmod(cells, periods)
        column = np.searchsorted(begin, group, "right") - 1
        return _Placed(column - 1, group - begin[column], period, number, place // code.shape[1])

    def counted(
        self, measure: str, item: int, placed: _Placed, people: NDArray[Any], values: Mapping[str, Flags]
    ) -> pl.DataFrame:
        """The same of cases that are placed already."""
        size = len(placed.period)
        of = {"of": np.ones(len(people), np.bool_), "lost": ~values["count"], **values}
        sums = sums_by_customer(placed.number, people, of, size, people_of=["count", "lost"], units=placed.case)
        keys = {"item": np.full(size, item), "column": placed.column, "value": placed.value}
        return self._named(measure, sums, keys, placed.period)

    def _named(self, measure: str, sums: pl.DataFrame, keys: Mapping[str, Indices], period: Indices) -> pl.DataFrame:
        """The sums of cells with their keys."""
        columns: dict[str, Any] = {**sums.to_dict(), **keys, "period": self.starts[period]}
        columns["measure"] = pl.Series([measure], dtype=pl.String).new_from_index(0, len(sums))
        schema = self.asked.schema
        return pl.DataFrame({name: columns[name] for name in schema}, schema=schema)

    def counts(self) -> Iterator[pl.DataFrame]:
        """Volumes, errors, slow pages and answers."""
        rows = np.arange(len(self.frame))
        for measure, column in (("touchpoint", TOUCHPOINT), ("channel", CHANNEL)):
            if column in self.frame.columns:
                yield self._volumes(measure, self._codes(column))
        number = {name: n for n, name in enumerate(self.asked.words[TOUCHPOINT].cast(pl.String))}
        for name in (name for name in self.asked.touchpoints if name in number):
            own = np.flatnonzero(self._codes(TOUCHPOINT) == number[name])
            every = _counted(np.ones(len(own), np.bool_))
            yield self.cells(TOUCHPOINT, number[name], own, self.people[own], every).filter(pl.col("column") >= 0)
        errors = self.asked.words[TOUCHPOINT].cast(pl.String).str.to_lowercase().str.contains("error")
        if errors.any():
            is_error = np.isin(self._codes(TOUCHPOINT), np.flatnonzero(errors.to_numpy()))
            yield self.cells("errors", 0, rows, self.people, _counted(is_error))
        if LOAD_SECONDS in self.frame.columns:
            seconds = self.frame[LOAD_SECONDS].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            pages = np.flatnonzero(~np.isnan(seconds))
            yield self.cells("slow pages", 0, pages, self.people[pages], _counted(seconds[pages] > SLOW))
        if SURVEY in self.frame.columns and SCORE in self.frame.columns:
            score = self.frame[SCORE].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            for code, name in enumerate(self.asked.words[SURVEY].cast(pl.String)):
                answers = np.flatnonzero((self._codes(SURVEY) == code) & ~np.isnan(score))
                low = score[answers] <= LOW_SCORES.get(name, -np.inf)
                yield self.cells("survey", code, answers, self.people[answers], _counted(low))

    def _volumes(self, measure: str, codes: Indices) -> pl.DataFrame:
        """The touches of every word of a column."""
        rows, periods = np.flatnonzero(codes >= 0), len(self.starts)
        cell = codes[rows] * periods + self.number[rows]
        cells, number = densely(cell, int(codes.max(initial=0) + 1) * periods)
        item, period = np.divmod(cells, periods)
        keys = {"item": item, "column": np.full(len(cells), -1), "value": np.zeros(len(cells), np.int64)}
        there = np.ones(len(rows), np.bool_)
        of = {"of": there, "lost": ~there, **_counted(there)}
        sums = sums_by_customer(number, self.people[rows], of, len(cells), people_of=["count", "lost"])
        return self._named(measure, sums, keys, period)


def _counted(counted: Flags) -> dict[str, Flags]:
    return {"count": counted, "went": np.zeros_like(counted), "won": np.zeros_like(counted)}


class FirstTouches:
    """Where the touches of every touchpoint lie in sequences, and how long another takes to follow the first."""

    def __init__(self, sequences: UnitSequences) -> None:
        self.sequences = sequences
        self.order = np.argsort(sequences.codes, kind="stable")
        self.codes = sequences.codes[self.order]
        self.unit = sequences.sequence_numbers()
        self.at = sequences.microseconds(np.arange(len(sequences.codes)))

    def places(self, code: int) -> Indices:
        """The touches of a code, in order."""
        if code < 0:
            return self.order[:0]
        first, last = np.searchsorted(self.codes, code, "left"), np.searchsorted(self.codes, code, "right")
        return self.order[first:last]

    def of(self, code: int) -> tuple[Indices, Indices, Indices]:
        """The units with a touch of a code; when they have the first one, and where it lies."""
        places = self.places(code)
        unit = self.unit[places]
        first = np.flatnonzero(np.append(True, unit[1:] != unit[:-1])[: len(unit)])
        return unit[first], self.at[places[first]], places[first]

    def waits(self, units: Indices, since: Indices, code: int) -> Indices:
        """The time to the first touch of a code at or after `since` in each of these units; `NEVER` without one."""
        number = np.full(len(self.sequences), -1)
        number[units] = np.arange(len(units))
        places = self.places(code)
        own = number[self.unit[places]]
        places, own = places[own >= 0], own[own >= 0]
        wait = self.at[places] - since[own]
        later = np.flatnonzero(wait >= 0)[::-1]
        found = np.full(len(units), NEVER)
        found[own[later]] = wait[later]  # the first of a unit is written last
        return found


@measured_by(WatchCounts)
def watch_counts(
    paths: Paths,
    pairs: Sequence[Pair] = (),
    *,
    groups: Sequence[str] = (),
    touchpoints: Sequence[str] = (),
    period: Period = "day",
    timezone: str = "UTC",
    window: str | timedelta = "7d",
    horizon: str | timedelta | None = None,
) -> pl.DataFrame:
    """What is watched, by calendar period and group: pairs of touchpoints, stages, the goal, touches, answers.

    `groups` are text columns of at most 100 values; touches are counted by group only of `touchpoints`. The `window` is
    that of stages and of the goal, the `horizon` (by default the same) the time to the goal of what one case that goes
    on is worth. Columns: `is_total` Boolean (in all: these rows come first); `measure` String (pair, stage, goal,
    touchpoint, channel, errors, slow pages, survey), `name` String; `by`, `group` String (the column and its value;
    null in all); `period` Datetime(us, UTC), the start of a period in `timezone`; Int64: `of` cases, `count` of them
    that count, `customers`, `customers_counted`, `customers_not_counted` (distinct, in the period), `went` and `won`
    (see `analytics.monitoring.watching.watch_counts`). Of touchpoints and channels all touches count. A period without
    a case has no row, and a case without a value of a column is in none of its groups. No touches give no rows. Raises
    `DefinitionError` for an unknown period, zone or column, and a window of journeys longer than their gap.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "look@0d buy@1d", "bo": "look@0d"}, end="9d")
    >>> found = watch_counts(shop, [Pair("look", "buy", timedelta(days=7))])
    >>> found.filter(measure="pair")["name", "of", "count"].row(0)
    ('look -> buy', 2, 1)
    """
    asked = WatchCounts.of(
        paths,
        pairs=pairs,
        groups=groups,
        touchpoints=touchpoints,
        period=period,
        timezone=timezone,
        window=window,
        horizon=horizon,
    )
    return run(paths, asked)
