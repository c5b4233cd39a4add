"""Journeys with something that they met at a stage, against journeys otherwise alike.

Alike are journeys that were at the stage too, had got as far, and began on the same device and channel.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL
from analytics.engine.conditions import Step, Words, several
from analytics.engine.goals import step_touches
from analytics.engine.matching import Matcher
from analytics.engine.partials import densely, numbered, sums_by_customer
from analytics.goals.stage_funnel import NEVER, NONE, Followed, StageMeasure, Touches
from analytics.paths.sequences import UnitSequences
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.shares import customers_of, effective, square_columns
from analytics.statistics.strata import stratified_difference
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths

LOAD_SECONDS: Final = "load_seconds"
ALIKE: Final = ("device", "channel")
_HINTS: Final = ("error", "fail")
TIMES: Final = 3
"""So many touches of one touchpoint in a row are a pain."""
_SEPARATOR: Final = "\x1f"
RANK, WHAT, FAR, KIND = " rank", " what", " far", " alike"
ALL: Final = -1
"""Any stage, anything, or any stratum."""
WITH: Final = ("with reached", "with")
WITHOUT: Final = ("without reached", "without")
LOST: Final = "with lost"
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class SeenTouches:
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
    def of(cls, sequences: UnitSequences, touches: Touches, rows: int, counted: Flags) -> SeenTouches:
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
class MetJourneys:
    """The journeys of a part at every stage, those that met something there, and those alike that did not.

    `entries` has, for those with and those without, an entry per journey, stage, thing met and stratum: the
    journey, the position of the stage, that of what was met, the furthest stage so far, and a position in `kinds`: what
    it has in common with others. Over anything met, and over all strata, the positions are `ALL`; `kinds` is null
    there. `sizes` are how many positions there are of each.
    """

    reached: Flags
    kinds: pl.Series
    sizes: tuple[int, ...]
    entries: dict[tuple[str, str], tuple[Ints, ...]]


class Entries:
    """Collects the entries of `MetJourneys`; `kind` is what each journey of the part has in common with others."""

    def __init__(self, kind: Ints) -> None:
        self.kind = kind
        self.found: dict[tuple[str, str], list[tuple[Ints, ...]]] = {WITH: [], WITHOUT: []}

    def add(self, of: tuple[str, str], what: int | Ints, unit: Ints, rank: Ints, far: Ints | None) -> None:
        """Adds an entry per journey: of its stratum with `far`, else over all strata."""
        every = np.full(len(unit), ALL)
        stratum = (every, every) if far is None else (far, self.kind[unit])
        self.found[of].append((unit, rank, np.broadcast_to(what, len(unit)), *stratum))

    def joined(self) -> dict[tuple[str, str], tuple[Ints, ...]]:
        """All entries."""
        return {
            of: tuple(np.concatenate(each) for each in zip(*own, strict=True)) for of, own in self.found.items() if own
        }


@dataclass(frozen=True, eq=False)
class ComparedJourneys(StageMeasure):
    """Counts the mature journeys at every stage, those that met something there, and those that reached the goal.

    Rows of a partial are of a stage (`" rank"`) and of what was met (`" what"`: a position in `kinds`; `ALL`:
    anything), over all journeys where `" far"` is `ALL`, else of a stratum of those alike.
    """

    BOUND: ClassVar[int] = 1 << 20
    """A row per stage, thing met, and stratum of those alike."""
    KEYS: ClassVar[Mapping[str, Any]] = {RANK: pl.Int64, WHAT: pl.Int64, FAR: pl.Int64, KIND: pl.String}
    COUNTS: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        (
            *(*WITH, *square_columns(*WITH), customers_of(WITH[0]), customers_of(LOST)),
            *(*WITHOUT, *square_columns(*WITHOUT)),
        ),
        pl.Int64,
    )

    troubles: tuple[Matcher, ...] = field(kw_only=True)
    names: tuple[str, ...] = field(kw_only=True)
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
        """The question for these arguments of its public function."""
        words = paths.values_of(TOUCHPOINT).to_list() if troubles is None else several("Troubles", troubles)
        names = [name for name in words if troubles is not None or any(hint in name.lower() for hint in _HINTS)]
        load = LOAD_SECONDS if load_seconds is None and LOAD_SECONDS in paths.schema else load_seconds
        beside = tuple(name for name in ALIKE if name in paths.schema) if alike is None else tuple(alike)
        paths.require(*beside, *([load] if load else []))
        return super().of(
            paths,
            troubles=tuple(step_touches(paths, Step(name)) for name in names),
            names=tuple(names),
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

    @property
    @abstractmethod
    def kinds(self) -> Sequence[object] | pl.Series:
        """What journeys may meet, by its position."""

    @abstractmethod
    def met(self, sequences: UnitSequences) -> MetJourneys:
        """The journeys at every stage, those that met something there, and those alike that did not."""

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The journeys of one part."""
        asked = (self.stages, self.view.reading, self.names, self.load_seconds, self.slow, self.alike)
        (whole, everyone), *groups = sequences.groupings()
        met = sequences.part.once((type(self), "met", *asked), lambda: self.met(sequences))
        totals = sequences.part.once((type(self), "totals", *asked), lambda: self._cells(sequences, met, everyone, 1))
        cells = [(whole, totals), *((keys, self._cells(sequences, met, group, len(keys))) for keys, group in groups)]
        return pl.concat(
            pl.concat([keys[counts[" group"]], counts], how="horizontal").select(*self.schema) for keys, counts in cells
        )

    def seen(self, sequences: UnitSequences) -> tuple[SeenTouches, Followed]:
        """The touches of the counted journeys of a part, and how far its journeys get."""
        followed, rows = self.followed(sequences), max(self.stages.rows, 1)
        touches, counted = Touches.of(sequences, self.stages), followed.mature & ~followed.direct
        return SeenTouches.of(sequences, touches, rows, counted), followed

    def in_trouble(self, sequences: UnitSequences, seen: SeenTouches) -> Iterator[Flags]:
        """Of every trouble, and of slow pages where their seconds are known, which touches meet it."""
        for matcher in self.troubles:
            yield matcher.marked(sequences.part, sequences.words)[sequences.rows[seen.places]]
        if self.load_seconds is not None:
            load = sequences.read([self.load_seconds], seen.places)[self.load_seconds].cast(pl.Float64, strict=False)
            yield (load > self.slow).fill_null(False).to_numpy()

    def _cells(self, sequences: UnitSequences, met: MetJourneys, group: Ints, groups: int) -> pl.DataFrame:
        """The counts of every group, stage, thing met and stratum with journeys; `" group"` has the group's number."""
        schema = {" group": pl.Int64, **self.KEYS}
        tables = [pl.DataFrame(schema={**schema, **self.COUNTS})]
        for of, (unit, *stratum) in met.entries.items():
            values, people = {of[1]: np.ones(len(sequences), np.int64), of[0]: met.reached}, []
            if of is WITH:
                values[LOST], people = ~met.reached, [WITH[0], LOST]
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

    def kinds_alike(self, sequences: UnitSequences) -> tuple[pl.Series, Ints]:
        """What units may have in common at their first touch, with null at the end, and which of it each unit has."""
        if not self.alike:
            return pl.Series(["", None]), np.zeros(len(sequences), np.int64)
        kinds, number = numbered(sequences.read(self.alike, sequences.bounds[:-1]))
        texts = [pl.col(name).cast(pl.String).fill_null("") for name in self.alike]
        found = kinds.select(pl.concat_str(texts, separator=_SEPARATOR)).to_series()
        return pl.concat([found, pl.Series([None], dtype=pl.String)]), number


def _strata_of(table: pl.DataFrame, strata: pl.DataFrame, keys: list[str]) -> Iterator[pl.DataFrame]:
    """The strata of every row, in order."""
    found = strata.partition_by(keys, as_dict=True, maintain_order=True)
    for key in table.select(keys).iter_rows():
        yield found.get(key, strata.clear())


def _compared(strata: pl.DataFrame) -> dict[str, float]:
    """The difference of the goal rates of journeys that met something and of those alike that did not."""
    counts = [strata[name].to_numpy() for name in (*WITH, *WITHOUT)]
    judged = (*effective(strata, *WITH), *effective(strata, *WITHOUT))
    k1, n1, k0, n0 = counts
    found = stratified_difference(k1, n1, k0, n0, judged=tuple(np.nan_to_num(each) for each in judged))  # type: ignore[arg-type]
    return {
        "difference": float(found.adjusted),
        "difference_low": float(found.adjusted_low),
        "difference_high": float(found.adjusted_high),
        "p_value": float(found.p_value),
        "others": float(n0[n1 > 0].sum()),
    }


def comparisons(table: pl.DataFrame, merged: pl.DataFrame, keys: list[str]) -> list[pl.Series]:
    """The columns `difference`, `difference_low`, `difference_high`, `p_value` and `others` of every row of a table."""
    strata = merged.filter(pl.col(WHAT) != ALL, pl.col(FAR) != ALL).sort(*keys, FAR, KIND)
    rows = [_compared(own) for own in _strata_of(table, strata, keys)]
    names = ("difference", "difference_low", "difference_high", "p_value", "others")
    return [pl.Series(name, [row[name] for row in rows], pl.Float64).fill_nan(None) for name in names]


def with_corrected(table: pl.DataFrame) -> pl.DataFrame:
    """With `p_value` null where there are not enough, and `p_corrected`, of the total and of groups apart."""
    known = pl.col("enough") & pl.col("difference").is_not_null()
    table = table.with_columns(pl.when(known).then(pl.col("p_value")).alias("p_value"))
    found = pl.Series("p_corrected", [None] * len(table), pl.Float64)
    for is_total in (True, False):
        rows = table[IS_TOTAL].eq(is_total) & table["p_value"].is_not_null()
        found = found.scatter(rows.arg_true(), benjamini_hochberg(table["p_value"].filter(rows).to_numpy()))
    return table.with_columns(found)
