"""Finds the reported chain of each customer: a funnel bound to a store, ready to read any part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import polars as pl

from analytics.engine.conditions import STAGE_PREFIX
from analytics.engine.local.money import Amounts
from analytics.engine.matching import Condition, Matcher, scale_of
from analytics.engine.notices.outcome import warn_of_outcome
from analytics.engine.notices.unknown_words import unknown_steps, warn_of_unknown
from analytics.engine.sequences import Ints
from analytics.funnels.definition import COUNTABLE, Funnel
from analytics.funnels.dispatch import ReportedChains, best_of_ranges, best_of_unit, by_attempts, no_chains, scanned
from analytics.funnels.sequences import (
    StepSequences,
    combination_keys,
    entries_of,
    entry_bits,
    sequences_of_customers,
    sequences_of_runs,
    sequences_per_value,
    subset,
)
from analytics.store.columns import AT, CUSTOMER, STAGE, TOUCHPOINT
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from analytics.store.regroup import regrouped
from expectations.errors import DefinitionError

FOREVER: Final = 2**61
Range = tuple[datetime, datetime]
RUN_COLUMNS: Final = {"sessions": "session", "journeys": "journey"}
RESERVED_COLUMNS: Final = (
    *("is_total", "step", "name", "entered", "reached", "dropped", "open", "median_wait", "p90_wait", "enough"),
    *("tie_sensitive", "at_risk", "value_left_out", "previous", "tied", "place", "depth", "mature", "first", "is_open"),
    *(
        "entered_at",
        "first_at",
        "reached_at",
        "period",
        "customers",
        "average_wait",
        "origin",
        "width",
        "counts",
        "wait",
        "event",
    ),
    *("people", "time", "events", "censored", "survival", "converted", "standard_error", "low", "high"),
    *(f"share_of_{of}{bound}" for of in ("entered", "previous") for bound in ("", "_low", "_high")),
)
"""Columns of answers and of intermediate tables, which no breakdown may have."""
_PREFIXES: Final = {TOUCHPOINT: "", STAGE: STAGE_PREFIX}
NUMBERED_COLUMNS: Final = ("at", "reached", "open", "waits", "value", "left_out")


def _warn_of_outcome(paths: Paths, definition: Funnel) -> None:
    """Warns of segments that are taken later than at the entry, and count touches of a later step."""
    later = definition.steps[1:]
    outcome = [f"{_PREFIXES[step.on]}{word}" for step in later if step.on in _PREFIXES for word in step.any_of]
    conditions = [definition.only, *(step.where for step in later)]
    named = [name for condition in conditions if condition is not None for name in condition.meta.root_names()]
    by = () if definition.attribution == "at_entry" else definition.by
    warn_of_outcome(paths, (*by, *named), outcome)


@dataclass(frozen=True)
class Reading:
    """One part as a funnel reads it: its columns, the units that are counted, the sequences scanned, their chains."""

    part: Part
    frame: pl.DataFrame
    words: Dictionaries
    units: StepSequences
    sequences: StepSequences
    found: ReportedChains

    @property
    def times(self) -> Ints:
        """The times of the part's touches, in units of `scale` microseconds."""
        return self.units.times

    @property
    def scale(self) -> int:
        """Microseconds in one unit of the part's times."""
        return self.units.scale


@dataclass(frozen=True)
class ChainScan:
    """A funnel with what it needs of a store. `entry_from` and `entry_to` narrow the entries, in microseconds."""

    definition: Funnel
    matcher: Matcher
    end_of_data: datetime | None
    group_types: Mapping[str, pl.DataType]
    entry_from: int = -FOREVER
    entry_to: int = FOREVER
    amounts: Amounts | None = None

    @classmethod
    def of(cls, paths: Paths, definition: Funnel) -> ChainScan:
        """Binds a funnel to a store; raises `DefinitionError` for a column that is not there, warns of unknown words.

        The parts to read are those of `bound`.
        """
        _check_kinds(paths, definition)
        check_names(definition)
        conditions: tuple[Condition, ...] = (*definition.steps, *definition.exclude)
        warn_of_unknown(unknown_steps(paths, conditions))
        counted = definition.count
        runs = [RUN_COLUMNS[counted]] if counted in RUN_COLUMNS else []
        paths.require(*definition.by, *definition.same, *runs)
        _warn_of_outcome(paths, definition)
        amounts = None if definition.value is None else Amounts.of(paths, definition.value)
        universe = definition.universe
        if universe is None and (definition.order == "strict" or "other" in definition.stop):
            universe = pl.lit(True)
        matcher = Matcher(conditions, only=definition.only, universe=universe)
        paths.require(*matcher.columns)
        groups = {name: paths.schema[name] for name in definition.by}
        return cls(definition, matcher, paths.end_of_data, groups, amounts=amounts)

    def within(self, start: datetime, end: datetime) -> ChainScan:
        """The same for entries of `start <= t < end`."""
        return replace(self, entry_from=micros(start), entry_to=micros(end))

    @property
    def columns(self) -> list[str]:
        """Columns of a part that are read."""
        asked = self.definition
        value = () if self.amounts is None else self.amounts.columns
        runs = [RUN_COLUMNS[asked.count]] if asked.count in RUN_COLUMNS else []
        every = dict.fromkeys([*self.matcher.columns, AT, *asked.by, *asked.same, *value, *runs])
        return [name for name in every if name != CUSTOMER]

    def read(self, part: Part, words: Dictionaries) -> Reading:
        """Reads one part."""
        laid = self._laid(part, words)
        return replace(laid, found=self._found(laid.sequences, laid.times))

    def read_chosen(
        self, part: Part, words: Dictionaries, choose: Callable[[StepSequences], Ints]
    ) -> tuple[Ints, Reading]:
        """Reads one part for some of its sequences alone; also the numbers of these."""
        laid = self._laid(part, words)
        numbers = choose(laid.sequences)
        some = subset(laid.sequences, numbers)
        return numbers, replace(laid, sequences=some, found=self._found(some, laid.times))

    def _laid(self, part: Part, words: Dictionaries) -> Reading:
        """One part as it is scanned, without a chain."""
        frame = part.read(self.columns)
        codes, bits = self.matcher.match(part, frame, words)
        times, scale = frame[AT].to_numpy(), scale_of(frame[AT])
        units = sequences_of_customers(codes, bits, times, scale, part.bounds()).read_only()
        if self.definition.count in RUN_COLUMNS:
            units = sequences_of_runs(units, frame[RUN_COLUMNS[self.definition.count]])
        sequences = self._sequences(part, units, frame, words)
        return Reading(part, frame, words, units, sequences, no_chains(self.definition))

    def by_range(self, part: Part, words: Dictionaries, ranges: Sequence[Range]) -> Iterator[RangeReading]:
        """Reads one part for the entries of several ranges of time.

        One pass reads all ranges, unless they overlap or the value of the breakdown depends on the range; sequences
        that it leaves are read once for each range in which they have an entry.
        """
        laid = self._laid(part, words)
        asked, sequences, scale = self.definition, laid.sequences, laid.scale
        starts, ends = (np.array([-(-micros(each[k]) // scale) for each in ranges], np.int64) for k in (0, 1))
        left = np.arange(len(sequences))
        if not asked.same and asked.attribution not in ("first", "last") and bool((starts[1:] >= ends[:-1]).all()):
            found, of, left = best_of_ranges(sequences, asked, self.rules(scale), starts, ends)
            yield RangeReading(self, replace(laid, found=found), of)
        if not len(left):
            return
        rest = subset(sequences, left)
        entries, owners = entries_of(rest, asked)
        for number in range(len(ranges)):
            span = slice(*np.searchsorted(entries, (starts[number], ends[number])))
            own = np.unique(owners[span])
            if len(own):
                some, scan = subset(rest, own), self.within(*ranges[number])
                found = scan._found(some, laid.times)
                yield RangeReading(scan, replace(laid, sequences=some, found=found), np.full(len(found.firsts), number))

    def _found(self, sequences: StepSequences, times: Ints) -> ReportedChains:
        found = scanned(sequences, self.definition, self.rules(sequences.scale))
        return best_of_unit(found, sequences, times) if self.definition.same else found

    def entries(self, part: Part, words: Dictionaries) -> pl.Series:
        """Times of the touches that could be an entry, in microseconds."""
        frame = part.read(self.columns)
        codes, bits = self.matcher.match(part, frame, words)
        scale = scale_of(frame[AT])
        times, rules = frame[AT].to_numpy().astype(np.int64), self.rules(scale)[0]
        entry = (bits[codes] & entry_bits(self.definition)) > 0
        return pl.Series("entry", times[entry & (times >= rules["entry_from"]) & (times < rules["entry_to"])] * scale)

    def _sequences(self, part: Part, units: StepSequences, frame: pl.DataFrame, words: Dictionaries) -> StepSequences:
        """The sequences that the funnel scans: the units, or one per value and unit."""
        asked, sequences = self.definition, units
        if not asked.same and not (asked.by and asked.attribution.startswith("every")):
            return units

        def values(names: Sequence[str]) -> list[pl.Series]:  # codes do, but the customer is not stored
            return [decoded(part, [n], words).to_series() if n == CUSTOMER else frame[n] for n in names]

        masks = units.bits[units.codes]
        everything = np.ones(len(masks), np.bool_)
        if asked.attribution == "every" and asked.by:
            keys = combination_keys(values(asked.by), with_null=True)
            sequences = sequences_per_value(units, keys, everything, ~everything, 0)
        elif asked.attribution.startswith("every step") and asked.by:
            own = np.uint64(1 << (int(asked.attribution[11:]) - 1))
            keys = combination_keys(values(asked.by), with_null=True)
            sequences = sequences_per_value(units, keys, (masks & own) > 0, masks > 0, int(own))
        if asked.same:
            steps = (1 << len(asked.steps)) - 1
            rows = sequences.row_of(np.arange(len(sequences.codes)))
            columns = [_sortable(column, words) for column in values(asked.same)]
            keys = combination_keys([column.gather(rows) for column in columns], with_null=False)
            masks = sequences.bits[sequences.codes]
            valued, kept = np.ones(len(masks), np.bool_), (masks & ~np.uint64(steps)) > 0
            sequences = sequences_per_value(sequences, keys, valued, kept, steps)
        return sequences

    def rules(self, scale: int) -> Any:
        """The funnel in the terms of the scans, with times in units of `scale` microseconds."""
        from analytics.engine.kernels import parameters as terms

        asked = self.definition
        start = -FOREVER if asked.start is None else -(-micros(asked.start) // scale)
        end = FOREVER if asked.end is None else -(-micros(asked.end) // scale)
        clip = asked.maturity == "clip"
        return terms.rules_of(
            steps=len(asked.steps),
            window=micros(asked.window) // scale,
            entry_from=max(start, -(-self.entry_from // scale)),
            entry_to=min(end, -(-self.entry_to // scale)),
            touch_from=start if clip else -FOREVER,
            touch_to=end if clip else FOREVER,
            exclusions=len(asked.exclude),
            exclude_after=[e.after for e in asked.exclude],
            exclude_before=[e.ends_before(len(asked.steps)) for e in asked.exclude],
            effect=("end_attempt", "drop_customer", "void_attempt").index(asked.exclude_effect),
            ties=("favourable", "adverse", "sequence").index(asked.ties),
            strict=asked.order == "strict",
            reuse=asked.reuse,
            later=asked.later,
            stop_repeat="repeat" in asked.stop,
            stop_other="other" in asked.stop,
            restart="entry" in asked.stop,
            within=[FOREVER if s.within is None else micros(s.within) // scale for s in asked.steps],
            required=[not step.optional for step in asked.steps],
            offers=len(asked.steps) << sum(step.optional for step in asked.steps),
            attempts=by_attempts(asked),
        )


def check_names(definition: Funnel) -> None:
    """Raise `DefinitionError` for a breakdown by a column that has the name of a column of the answer."""
    numbered = [f"{name}_{k + 1}" for name in NUMBERED_COLUMNS for k in range(len(definition.steps))]
    for column in definition.by:
        if column in (*RESERVED_COLUMNS, *numbered):
            raise DefinitionError(f"Column {column!r} cannot be a breakdown.", do="rename it, as the answer has one")


def bound(paths: Paths, definition: Funnel) -> tuple[Paths, ChainScan]:
    """A funnel bound to a store, and the paths whose parts it reads: of customers, journeys, or values of a column."""
    scan = ChainScan.of(paths, definition)
    column = definition.count
    if column in COUNTABLE:
        return paths.of_journeys() if column == "journeys" else paths, scan
    if column not in paths.schema or column in (CUSTOMER, AT):
        paths.require(column)
        raise DefinitionError(f"Column {column!r} cannot be counted.", expected="another column, or customers")
    if f"{column}s" in RUN_COLUMNS and paths.schema[column].is_integer():
        raise DefinitionError(
            f"Column {column!r} numbers the {column}s of each customer: one value is of many customers.",
            expected=f"count={f'{column}s'!r}",
            found=f"count={column!r}",
        )
    values = regrouped(paths, column, scan.columns)
    return values, replace(scan, group_types={name: values.schema[name] for name in definition.by})


def _sortable(column: pl.Series, words: Dictionaries) -> pl.Series:
    """Replaces codes of words, which are numbered in the order of the source, by ranks of the sorted words."""
    if column.name not in words:
        return column
    return words[column.name].cast(pl.String).rank("ordinal").gather(column.cast(pl.UInt32))


def _check_kinds(paths: object, definition: object) -> None:
    """Raise `DefinitionError` for a frame in the place of paths, or a list of steps in the place of a funnel."""
    if not isinstance(paths, Paths):
        do = "make them with Paths.from_frame(frame, customer=..., at=..., touchpoint=...)"
        raise DefinitionError("A funnel is asked of paths.", expected="Paths", found=type(paths).__name__, do=do)
    if not isinstance(definition, Funnel):
        do = "write Funnel(steps, window=...)"
        raise DefinitionError("The definition is no funnel.", expected="Funnel", found=type(definition).__name__, do=do)


@dataclass(frozen=True)
class RangeReading:
    """Chains of some ranges of time, in one part: the scan that found them, and the number of the range of each."""

    scan: ChainScan
    reading: Reading
    ranges: Ints
