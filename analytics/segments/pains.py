"""What gets in the way at each stage, and how many goals may it cost?

A **pain** is a kind of trouble that a journey meets at a stage: a touchpoint of trouble (an error, a failed payment), a
slow page, a step back to an earlier stage, the same touchpoint three times in a row. Journeys with it are compared with
journeys otherwise alike: which were at the stage too, had got as far, and began on the same device and channel. What
is **at stake** is a comparison, no proof of a cause: too high where who meets trouble differs in more, too low where
those alike had not come as near the goal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL, answer, measured_by
from analytics.engine.conditions import Step, Words, several
from analytics.engine.goals import GoalWords, step_touches
from analytics.engine.matching import Matcher
from analytics.engine.partials import densely, numbered, sums_by_customer
from analytics.engine.run import run
from analytics.goals.stage_funnel import NEVER, NONE, StageMeasure, Touches
from analytics.paths.sequences import UnitSequences, sorted_answer
from analytics.paths.view import By
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.shares import (
    MIN_DENOMINATOR,
    customers_of,
    effective,
    share_columns,
    square_columns,
)
from analytics.statistics.strata import stratified_difference
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths

TROUBLE, SLOW, BACK, REPEAT = "trouble", "slow", "back", "repeat"
LOAD_SECONDS: Final = "load_seconds"
ALIKE: Final = ("device", "channel")
_HINTS: Final = ("error", "fail")
COSTLY: Final = (TROUBLE, SLOW)
"""Kinds of which goals are at stake: what customers meet. A step back and a repeat are what they do, and who reaches
the goal soon has no time for them.
"""
_AT_STAKE: Final = {
    "at_stake": "difference",
    "at_stake_low": "difference_high",
    "at_stake_high": "difference_low",
}
TIMES: Final = 3
"""So many touches of one touchpoint in a row are a pain."""
_SEPARATOR: Final = "\x1f"
_RANK, _PAIN, _FAR, _ALIKE = " rank", " pain", " far", " alike"
_ALL: Final = -1
"""Any pain, or any stratum."""
_WITH: Final = ("with reached", "with")
_WITHOUT: Final = ("without reached", "without")
_LOST: Final = "with lost"
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class _Seen:
    """The touches of counted journeys up to their goal, in order: the unit, the code, the position of the own stage
    (`NONE` without one), the last stage up to the touch, that before the touch, and the furthest stage so far.
    """

    places: Ints
    unit: Ints
    code: Ints
    rank: Ints
    stage: Ints
    before: Ints
    furthest: Ints

    @classmethod
    def of(cls, sequences: UnitSequences, touches: Touches, rows: int, counted: Flags) -> _Seen:
        """The touches of a part, of the units that are `counted`; stages from the goal's on are one."""
        goal = touches.first(touches.is_goal)
        until = np.minimum(np.where(goal == NONE, NEVER, goal), sequences.window)
        kept = counted[touches.unit] & ~touches.is_goal & (touches.since <= until[touches.unit])
        places = np.flatnonzero(kept[: len(sequences.codes)])
        unit, rank = touches.unit[places].astype(np.int64), np.minimum(touches.rank[places], rows - 1)
        begins = np.searchsorted(unit, unit)
        staged = np.maximum.accumulate(np.where(rank != NONE, np.arange(len(unit)), NONE))
        stage = np.where(staged >= begins, rank[staged], NONE)
        before = np.append(NONE, stage[:-1])
        before[begins] = NONE
        furthest = np.maximum.accumulate(unit * (rows + 1) + rank + 1) - unit * (rows + 1) - 1
        return cls(places, unit, sequences.codes[places].astype(np.int64), rank, stage, before, furthest)

    @property
    def repeated(self) -> Flags:
        """Which touches are the third, or a later one, of a touchpoint in a row."""
        found = np.ones(len(self.unit), np.bool_)
        for back in range(1, TIMES):
            found[:back] = False
            for each in (self.unit, self.code):
                found[back:] &= each[back:] == each[:-back]
        return found


@dataclass(frozen=True)
class _Met:
    """The journeys of a part at every stage, those with a pain there, and those alike without it.

    `entries` has, for those with and those without, an entry per journey, stage, pain and stratum: the journey, the
    position of the stage, that of the pain, the furthest stage so far, and a position in `kinds`: what it has in common
    with others. Over all pains, and over all strata, the positions are `_ALL`; `kinds` is null there. `sizes` are how
    many positions there are of each.
    """

    reached: Flags
    kinds: pl.Series
    sizes: tuple[int, ...]
    entries: dict[tuple[str, str], tuple[Ints, ...]]


@dataclass(frozen=True, eq=False)
class Pains(StageMeasure):
    """Counts the mature journeys at every stage, those with each pain there, and those that reached the goal.

    Rows of a partial are of a stage (`" rank"`) and a pain (a position in `kinds`; `_ALL`: all at the stage), over all
    journeys where `" far"` is `_ALL`, else of a stratum of those alike.
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
    BOUND: ClassVar[int] = 1 << 20
    """A row per stage, pain, and stratum of those alike."""
    KEYS: ClassVar[Mapping[str, Any]] = {_RANK: pl.Int64, _PAIN: pl.Int64, _FAR: pl.Int64, _ALIKE: pl.String}
    COUNTS: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        (
            *(*_WITH, *square_columns(*_WITH), customers_of(_WITH[0]), customers_of(_LOST)),
            *(*_WITHOUT, *square_columns(*_WITHOUT)),
        ),
        pl.Int64,
    )

    troubles: tuple[Matcher, ...] = field(kw_only=True)
    kinds: tuple[tuple[str, str | None], ...] = field(kw_only=True)
    load_seconds: str | None = field(kw_only=True)
    slow: float = field(kw_only=True)
    alike: tuple[str, ...] = field(kw_only=True)

    @classmethod
    def of(
        cls,
        paths: Paths,
        troubles: Words | None = None,
        *,
        alike: Sequence[str] | None = None,
        load_seconds: str | None = None,
        slow: float = 3.0,
        **options: Any,
    ) -> Self:
        """The question for these arguments of `pains`."""
        words = paths.values_of(TOUCHPOINT).to_list() if troubles is None else several("Troubles", troubles)
        names = [name for name in words if troubles is not None or any(hint in name.lower() for hint in _HINTS)]
        load = LOAD_SECONDS if load_seconds is None and LOAD_SECONDS in paths.schema else load_seconds
        beside = tuple(name for name in ALIKE if name in paths.schema) if alike is None else tuple(alike)
        paths.require(*beside, *([load] if load else []))
        kinds = [*((TROUBLE, name) for name in names), *([(SLOW, None)] if load else []), (BACK, None), (REPEAT, None)]
        return super().of(
            paths,
            troubles=tuple(step_touches(paths, Step(name)) for name in names),
            kinds=tuple(kinds),
            load_seconds=load,
            slow=slow,
            alike=beside,
            **options,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        load = [self.load_seconds] if self.load_seconds else []
        own = [name for each in self.troubles for name in each.columns]
        return tuple(dict.fromkeys([*super().columns, *own, *load, *self.alike]))

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The journeys of one part."""
        asked = (self.stages, self.view.reading, self.kinds, self.load_seconds, self.slow, self.alike)
        (whole, everyone), *groups = sequences.groupings()
        met = sequences.part.once(("pains", *asked), lambda: self._met(sequences))
        totals = sequences.part.once(("pain totals", *asked), lambda: self._cells(sequences, met, everyone, 1))
        cells = [(whole, totals), *((keys, self._cells(sequences, met, group, len(keys))) for keys, group in groups)]
        return pl.concat(
            pl.concat([keys[counts[" group"]], counts], how="horizontal").select(*self.schema) for keys, counts in cells
        )

    def _met(self, sequences: UnitSequences) -> _Met:
        """The journeys at every stage, those with each pain there, and those alike."""
        followed, rows = self.followed(sequences), max(self.stages.rows, 1)
        seen = _Seen.of(sequences, Touches.of(sequences, self.stages), rows, followed.mature & ~followed.direct)
        there = seen.rank != NONE
        at_stage = np.unique(seen.unit[there] * rows + seen.rank[there])
        strata = np.unique((seen.unit[there] * rows + seen.rank[there]) * rows + seen.furthest[there])
        kinds, kind = self._alike(sequences)
        found: dict[tuple[str, str], list[tuple[Ints, ...]]] = {_WITH: [], _WITHOUT: []}

        def add(of: tuple[str, str], pain: int, unit: Ints, rank: Ints, far: Ints | None) -> None:
            every = np.full(len(unit), _ALL)
            stratum = (every, every) if far is None else (far, kind[unit])
            found[of].append((unit, rank, np.full(len(unit), pain), *stratum))

        add(_WITH, _ALL, *np.divmod(at_stage, rows), None)
        for pain, (marked, stage) in enumerate(self._marked(sequences, seen)):
            hits = np.flatnonzero(marked & (stage != NONE))
            met, first = np.unique(seen.unit[hits] * rows + stage[hits], return_index=True)
            own, far = np.divmod(strata[~np.isin(strata // rows, met)], rows)
            add(_WITHOUT, pain, *np.divmod(own, rows), far)
            add(_WITH, pain, *np.divmod(met, rows), None)
            add(_WITH, pain, *np.divmod(met, rows), seen.furthest[hits[first]])
        entries = {
            of: tuple(np.concatenate(each) for each in zip(*own, strict=True)) for of, own in found.items() if own
        }
        return _Met(followed.first[:, -1] != NONE, kinds, (rows, len(self.kinds), rows, len(kinds)), entries)

    def _marked(self, sequences: UnitSequences, seen: _Seen) -> Iterator[tuple[Flags, Ints]]:
        """Of every pain, which touches meet it, and the stage that it counts at."""
        for matcher in self.troubles:
            yield matcher.marked(sequences.part, sequences.words)[sequences.rows[seen.places]], seen.stage
        if self.load_seconds is not None:
            load = sequences.read([self.load_seconds], seen.places)[self.load_seconds].cast(pl.Float64, strict=False)
            yield (load > self.slow).fill_null(False).to_numpy(), seen.stage
        yield (seen.rank != NONE) & (seen.rank < seen.before), seen.before
        yield seen.repeated, seen.stage

    def _cells(self, sequences: UnitSequences, met: _Met, group: Ints, groups: int) -> pl.DataFrame:
        """The counts of every group, stage, pain and stratum with journeys; `" group"` is the number of the group."""
        schema = {" group": pl.Int64, **self.KEYS}
        tables = [pl.DataFrame(schema={**schema, **self.COUNTS})]
        for of, (unit, *stratum) in met.entries.items():
            values, people = {of[1]: np.ones(len(sequences), np.int64), of[0]: met.reached}, []
            if of is _WITH:
                values[_LOST], people = ~met.reached, [_WITH[0], _LOST]
            cell, size = group[unit], groups
            for number, most in zip(stratum, met.sizes, strict=True):
                cell, size = cell * (most + 1) + number + 1, size * (most + 1)
            cells, number = densely(cell, size)
            sums = sums_by_customer(
                number, sequences.customer, values, len(cells), shares=[of], units=unit, people_of=people
            )
            one = np.zeros(len(cells), np.int64)
            one[number] = np.arange(len(number))  # an entry of each cell
            *places, kind = (each[one] for each in stratum)
            keys = pl.DataFrame([group[unit[one]], *places, met.kinds[kind]], schema=schema)
            tables.append(pl.concat([keys, sums], how="horizontal"))
        return (
            pl.concat(tables, how="diagonal")
            .select(*tables[0].columns)
            .with_columns(pl.col(list(self.COUNTS)).fill_null(0))
        )

    def _alike(self, sequences: UnitSequences) -> tuple[pl.Series, Ints]:
        """What units may have in common at their first touch, with null at the end, and which of it each unit has."""
        if not self.alike:
            return pl.Series(["", None]), np.zeros(len(sequences), np.int64)
        kinds, number = numbered(sequences.read(self.alike, sequences.bounds[:-1]))
        texts = [pl.col(name).cast(pl.String).fill_null("") for name in self.alike]
        found = kinds.select(pl.concat_str(texts, separator=_SEPARATOR)).to_series()
        return pl.concat([found, pl.Series([None], dtype=pl.String)]), number

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `pains`."""
        keys = [*self.view.keys, _RANK]
        whole = merged.filter(pl.col(_PAIN) == _ALL).select(
            *keys, pl.col("with").alias("journeys"), pl.col(customers_of("with")).alias("customers")
        )
        met = merged.filter(pl.col(_PAIN) != _ALL, pl.col(_FAR) == _ALL, pl.col("with") > 0)
        table = met.join(whole, on=keys, nulls_equal=True, maintain_order="left")
        strata = merged.filter(pl.col(_PAIN) != _ALL, pl.col(_FAR) != _ALL).sort(*keys, _PAIN, _FAR, _ALIKE)
        compared = [_compared(own) for own in _strata_of(table, strata, [*keys, _PAIN])]
        kinds = pl.DataFrame(
            {
                _PAIN: range(len(self.kinds)),
                "kind": [k for k, _ in self.kinds],
                "touchpoint": [t for _, t in self.kinds],
            },
            schema={_PAIN: pl.Int64, "kind": pl.String, "touchpoint": pl.String},
        )
        answered = (
            table.with_columns(*share_columns(table, "goal_rate", *_WITH))
            .join(kinds, on=_PAIN, how="left", maintain_order="left")
            .with_columns(
                pl.Series("stage", self.stages.names, pl.String).gather(table[_RANK]),
                pl.col("with").alias("with_it"),
                (pl.col("with") / pl.col("journeys")).alias("share"),
                pl.col("with reached").alias("reached"),
                pl.col(customers_of("with")).alias("customers_with_it"),
                pl.col(customers_of("with reached")).alias("customers_reached"),
                pl.col(customers_of(_LOST)).alias("customers_lost"),
                *_columns(compared),
            )
            .with_columns(
                (pl.col("customers_with_it") >= MIN_DENOMINATOR)
                .and_(pl.col("others") >= MIN_DENOMINATOR)
                .alias("enough")
            )
        )
        return sorted_answer(_corrected(answered), self.view, _RANK, _PAIN).select(*self.view.groups, *self.SCHEMA)


def _strata_of(table: pl.DataFrame, strata: pl.DataFrame, keys: list[str]) -> Iterator[pl.DataFrame]:
    """The strata of every row, in order."""
    found = strata.partition_by(keys, as_dict=True, maintain_order=True)
    for key in table.select(keys).iter_rows():
        yield found.get(key, strata.clear())


def _compared(strata: pl.DataFrame) -> dict[str, float]:
    """The difference of the goal rates of journeys with a pain and of those alike without it."""
    counts = [strata[name].to_numpy() for name in (*_WITH, *_WITHOUT)]
    judged = (*effective(strata, *_WITH), *effective(strata, *_WITHOUT))
    k1, n1, k0, n0 = counts
    found = stratified_difference(k1, n1, k0, n0, judged=tuple(np.nan_to_num(each) for each in judged))  # type: ignore[arg-type]
    return {
        "difference": float(found.adjusted),
        "difference_low": float(found.adjusted_low),
        "difference_high": float(found.adjusted_high),
        "p_value": float(found.p_value),
        "others": float(n0[n1 > 0].sum()),
    }


def _columns(compared: list[dict[str, float]]) -> list[pl.Series]:
    names = ("difference", "difference_low", "difference_high", "p_value", "others")
    return [pl.Series(name, [row[name] for row in compared], pl.Float64).fill_nan(None) for name in names]


def _corrected(table: pl.DataFrame) -> pl.DataFrame:
    """With what is at stake, and p corrected over all rows that are told, of the total and of groups apart."""
    known = pl.col("enough") & pl.col("difference").is_not_null()
    table = table.with_columns(pl.when(known).then(pl.col("p_value")).alias("p_value"))
    corrected = pl.Series("p_corrected", [None] * len(table), pl.Float64)
    for is_total in (True, False):
        rows = table[IS_TOTAL].eq(is_total) & table["p_value"].is_not_null()
        corrected = corrected.scatter(rows.arg_true(), benjamini_hochberg(table["p_value"].filter(rows).to_numpy()))
    return table.with_columns(
        corrected,
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
