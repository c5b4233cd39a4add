"""Which chain does each customer report? A funnel bound to a store, ready to be asked of any part.

The result of a part is a table of entrants: one row a customer (or session, journey, attempt), with the depth, the
time of every step, whether the window was over at the end of the data, and the values of the breakdown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.definitions import Funnel
from analytics.engine import Condition, Matcher, unit_of
from analytics.parts import AT, CUSTOMER, Part, decoded
from analytics.store import Paths
from analytics.streams import Streams, keys_of, one_per_value, runs_of, whole_customers
from expectations.errors import DefinitionError

FOREVER: Final = 2**61
RUNS: Final = {"sessions": "session", "journeys": "journey"}
Ints = NDArray[Any]


@dataclass(frozen=True)
class Found:
    """Rows of reported chains: the touch (a row of the part, or -1) of every step, the first entry, and more."""

    chains: Ints
    firsts: Ints
    least: Ints
    stream: Ints


@dataclass(frozen=True)
class ChainScan:
    """A funnel bound to one store. `entry_from` and `entry_to` narrow the entries further, in microseconds."""

    paths: Paths
    definition: Funnel
    matcher: Matcher
    entry_from: int = -FOREVER
    entry_to: int = FOREVER

    @classmethod
    def of(cls, paths: Paths, definition: Funnel) -> ChainScan:
        """Bind a funnel to a store; raises `DefinitionError` for a column that is not there."""
        counted = definition.count
        if counted not in ("customers", "entries", *RUNS):
            paths = paths_by(paths, counted)
        value = [] if definition.value is None else [definition.value]
        runs = [RUNS[counted]] if counted in RUNS else []
        paths.require(*definition.by, *definition.same, *value, *runs)
        conditions: tuple[Condition, ...] = (*definition.steps, *definition.exclude)
        universe = definition.universe
        if universe is None and (definition.order == "strict" or "other" in definition.stop):
            universe = pl.lit(True)
        matcher = Matcher(paths, conditions, only=definition.only, universe=universe)
        return cls(paths, definition, matcher)

    def within(self, start: datetime, end: datetime) -> ChainScan:
        """The same for entries of `start <= t < end`."""
        return replace(self, entry_from=micros(start), entry_to=micros(end))

    @property
    def columns(self) -> list[str]:
        """Columns of a part that are read."""
        asked = self.definition
        value = [] if asked.value is None else [asked.value]
        runs = [RUNS[asked.count]] if asked.count in RUNS else []
        every = dict.fromkeys([*self.matcher.columns, AT, *asked.by, *asked.same, *value, *runs])
        return [name for name in every if name != CUSTOMER]

    def entrants(self, part: Part) -> pl.DataFrame:
        """One row an entrant.

        Columns: those of `by`; `place` (the customer's place in the part); `depth`; `mature`; `tied` (the depth depends
        on the order of touches of one instant); `first` (the first entry in range, in microseconds); `at_1`..
        (microseconds, null where not reached); `value_1`.. with `value`.
        """
        frame = part.read(self.columns)
        codes, bits = self.matcher.match(part, frame)
        customers = whole_customers(codes, bits, frame[AT].to_numpy(), part.bounds())
        units = customers
        if self.definition.count in RUNS:
            units = runs_of(customers, frame[RUNS[self.definition.count]])
        streams = self._streams(part, units, frame)
        found = self._scan(streams, unit_of(frame[AT]))
        if self.definition.same:
            found = _best_of_unit(found, streams, customers.times)
        return self._table(part, frame, units, streams, found)

    def entries(self, part: Part) -> pl.Series:
        """Times of the touches that could be an entry, in microseconds."""
        frame = part.read(self.columns)
        codes, bits = self.matcher.match(part, frame)
        steps = (1 << len(self.definition.steps)) - 1 if self.definition.order == "unordered" else 1
        unit = unit_of(frame[AT])
        times, rules = frame[AT].to_numpy().astype(np.int64), self.rules(unit)[0]
        entry = (bits[codes] & np.uint64(steps)) > 0
        return pl.Series("entry", times[entry & (times >= rules["entry_from"]) & (times < rules["entry_to"])] * unit)

    def _streams(self, part: Part, units: Streams, frame: pl.DataFrame) -> Streams:
        """Touches laid out as the funnel reads them."""
        asked, masks = self.definition, units.bits[units.codes]
        everything = np.ones(len(masks), np.bool_)
        if asked.attribution == "every" and asked.by:
            keys = keys_of(self._values(part, frame, asked.by), with_null=True)
            units = one_per_value(units, keys, everything, ~everything, 0)
        elif asked.attribution.startswith("every step") and asked.by:
            own = np.uint64(1 << (int(asked.attribution[11:]) - 1))
            keys = keys_of(self._values(part, frame, asked.by), with_null=True)
            units = one_per_value(units, keys, (masks & own) > 0, masks > 0, int(own))
        if asked.same:
            steps = (1 << len(asked.steps)) - 1
            rows = units.row_of(np.arange(len(units.codes)))
            keys = keys_of([s.gather(rows) for s in self._values(part, frame, asked.same)], with_null=False)
            masks = units.bits[units.codes]
            inner = one_per_value(
                replace(units, unit=np.arange(len(units.bounds) - 1), rows=None),
                keys,
                np.ones(len(masks), np.bool_),
                (masks & ~np.uint64(steps)) > 0,
                steps,
            )
            assert inner.rows is not None
            units = replace(inner, rows=rows[inner.rows], unit=units.unit[inner.unit])
        return units

    def _values(self, part: Part, frame: pl.DataFrame, names: Sequence[str]) -> list[pl.Series]:
        """Columns of the breakdown or of `same`, decoded; physical codes would do, but the customer is not stored."""
        return [
            decoded(part, [name], self.paths.dictionaries).to_series() if name == CUSTOMER else frame[name]
            for name in names
        ]

    def _scan(self, streams: Streams, unit: int) -> Found:
        rules, streams = self.rules(unit), streams.steady()
        capacity = len(streams.bounds) - 1
        if self.definition.count == "entries":
            from analytics.kernels.rules import count_entries, step_bits

            entry = np.uint64(1) if self.definition.order != "unordered" else step_bits(rules[0])
            capacity = count_entries(streams.codes, streams.bits, streams.times, rules, entry)
        chains = np.full((capacity, len(self.definition.steps)), -1, np.int32)
        firsts, least = np.full(capacity, -1, np.int32), np.zeros(capacity, np.int32)
        owners = np.zeros(capacity, np.int32)
        count = self._kernel()(
            streams.codes, streams.bits, streams.times, streams.bounds, rules, chains, firsts, least, owners
        )
        entered = np.flatnonzero((firsts[:count] >= 0) & (chains[:count, 0] >= 0))
        return Found(streams.row_of(chains[entered]), streams.row_of(firsts[entered]), least[entered], owners[entered])

    def _kernel(self) -> Any:
        """The scan that this funnel asks for."""
        if self.definition.order == "unordered":
            from analytics.kernels.unordered import scan_unordered

            return scan_unordered
        if self.definition.is_special:
            from analytics.kernels.thorough import scan_entries

            return scan_entries
        if self.definition.stop:
            from analytics.kernels.stopping import scan_until_stopped

            return scan_until_stopped
        from analytics.kernels.ordered import scan

        return scan

    def _table(self, part: Part, frame: pl.DataFrame, units: Streams, streams: Streams, found: Found) -> pl.DataFrame:
        unit, asked = unit_of(frame[AT]), self.definition
        depth = np.zeros(len(found.firsts), np.int64)
        for step, touch in zip(asked.steps, found.chains.T, strict=True):
            if asked.order == "unordered" or not step.optional:
                depth += touch >= 0
        first = frame[AT].to_numpy()[found.firsts].astype(np.int64) * unit
        end = micros(self.paths.end_of_data) if self.paths.end_of_data else -FOREVER
        over = first + micros(asked.window) <= end
        mature = np.full(len(over), True) if asked.maturity == "clip" else over
        owner = streams.unit[found.stream]
        columns = self._breakdown(part, frame, units, streams, found)
        columns += [
            pl.Series("place", units.customer[owner]),
            pl.Series("depth", depth, pl.UInt32),
            pl.Series("mature", mature),
            pl.Series("tied", found.least != depth),
            pl.Series("first", first),
        ]
        for k, touch in enumerate(found.chains.T):
            columns.append((_at(frame[AT], touch).cast(pl.Int64) * unit).alias(f"at_{k + 1}"))
        if asked.value is not None:
            columns += [
                _at(frame[asked.value], touch).alias(f"value_{k + 1}") for k, touch in enumerate(found.chains.T)
            ]
        return pl.DataFrame(columns)

    def _breakdown(
        self, part: Part, frame: pl.DataFrame, units: Streams, streams: Streams, found: Found
    ) -> list[pl.Series]:
        """The values of `by` for every entrant, from the touch that the attribution names."""
        asked = self.definition
        if not asked.by:
            return []
        values = [decoded(part, [name], self.paths.dictionaries).to_series() for name in asked.by]
        if asked.attribution == "at_entry":
            touch = found.chains[:, 0]
        elif asked.attributed_step is not None:
            touch = found.chains[:, asked.attributed_step - 1]
        elif asked.attribution in ("first", "last"):
            touch = self._valued_touch(frame, units, streams, found, values)
        else:
            touch = self._touch_of_stream(streams, found)
        return [_at(series, touch) for series in values]

    def _valued_touch(
        self, frame: pl.DataFrame, units: Streams, streams: Streams, found: Found, values: list[pl.Series]
    ) -> Ints:
        """The first, or the last touch of the unit that matches a step and has any of the values; -1 without one."""
        rules = self.rules(unit_of(frame[AT]))[0]
        steps = np.uint64((1 << len(self.definition.steps)) - 1)
        has = pl.DataFrame(values).select(pl.any_horizontal(pl.all().is_not_null())).to_series().to_numpy()
        ours = has & ((units.bits[units.codes] & steps) > 0) & (units.times >= max(rules["entry_from"], 0))
        rows, unit = np.arange(len(ours)), streams.unit[found.stream]
        low, high = units.bounds[:-1][unit], units.bounds[1:][unit]
        if self.definition.attribution == "first":
            following = np.minimum.accumulate(np.where(ours, rows, len(rows))[::-1])[::-1]
            touch = following[low]
            return np.where(touch < high, touch, -1)
        before = np.maximum.accumulate(np.where(ours, rows, -1))
        touch = before[found.chains.max(axis=1)]
        return np.where(touch >= low, touch, -1)

    def _touch_of_stream(self, streams: Streams, found: Found) -> Ints:
        """A touch whose value the stream stands for: that of the step it was laid out for, or any."""
        starts = streams.row_of(streams.bounds[:-1])
        if self.definition.attribution == "every":
            return starts[found.stream]
        own = np.uint64(1 << (int(self.definition.attribution[11:]) - 1))
        marked = (streams.bits[streams.codes] & own) > 0
        first = np.minimum.accumulate(np.where(marked, np.arange(len(marked)), len(marked))[::-1])[::-1]
        return streams.row_of(first[streams.bounds[:-1]])[found.stream]

    def rules(self, unit: int) -> Any:
        """The funnel in the terms of the scans, times in `unit` microseconds."""
        from analytics.kernels import rules as terms

        asked = self.definition
        start = -FOREVER if asked.start is None else -(-micros(asked.start) // unit)
        end = FOREVER if asked.end is None else -(-micros(asked.end) // unit)
        clip = asked.maturity == "clip"
        return terms.rules_of(
            steps=len(asked.steps),
            window=micros(asked.window) // unit,
            entry_from=max(start, -(-self.entry_from // unit)),
            entry_to=min(end, -(-self.entry_to // unit)),
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
            within=[FOREVER if s.within is None else micros(s.within) // unit for s in asked.steps],
            required=[not step.optional for step in asked.steps],
            offers=len(asked.steps) << sum(step.optional for step in asked.steps),
            attempts=asked.count == "entries",
        )


def _at(values: pl.Series, touch: Ints) -> pl.Series:
    """Values at rows; null for row -1."""
    rows = pl.Series(touch).cast(pl.Int64)
    return values.gather(rows.set(rows < 0, None))


def _best_of_unit(found: Found, streams: Streams, times: Ints) -> Found:
    """Of the chains of one unit the deepest; then the first complete; then the newest entry."""
    last = found.chains.max(axis=1)
    ranked = pl.DataFrame(
        {
            "row": np.arange(len(last)),
            "unit": streams.unit[found.stream],
            "depth": (found.chains >= 0).sum(axis=1),
            "done": times[last].astype(np.int64),
            "entry": times[found.chains[:, 0]].astype(np.int64),
            "first": found.firsts,
            "least": found.least,
        }
    )
    order = ["unit", "depth", "done", "entry"]
    best = (
        ranked.sort(order, descending=[False, True, False, True], maintain_order=True)
        .group_by("unit", maintain_order=True)
        .agg(pl.col("row").first(), pl.col("first").min(), pl.col("least").max())
    )
    rows = best["row"].to_numpy()
    return Found(found.chains[rows], best["first"].to_numpy(), best["least"].to_numpy(), found.stream[rows])


def paths_by(paths: Paths, column: str) -> Paths:
    """The same touches with the values of a column in the place of customers; touches without a value are left out."""
    if column not in paths.schema or column in (CUSTOMER, AT):
        paths.require(column)
        raise DefinitionError(f"Column {column!r} cannot be counted.", expected="another column, or customers")
    touches = paths.touches.filter(pl.col(column).is_not_null()).with_columns(pl.col(column).alias(CUSTOMER))
    return Paths.from_frame(touches, end_of_data=paths.end_of_data)


def micros(time: datetime | timedelta) -> int:
    """A time as microseconds since 1970, or a length of time in microseconds."""
    length = time - datetime.fromtimestamp(0, UTC) if isinstance(time, datetime) else time
    return length // timedelta(microseconds=1)
