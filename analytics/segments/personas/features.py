"""How a customer moves in the observation, as numbers: shares, rhythm and movement; never what came of it.

- **channel**, **device**, **touchpoint**, **stage**: the share of the customer's touches with each value; touches
  without one are a share of their own (`no device`).
- **rhythm**: the logarithms of touches per session and of sessions, the share of touches from 17 to 23 h and on
  Saturday and Sunday, in local time.
- **movement**, per touch: *repeats* (of the touchpoint before), *back-tracks* (to an earlier stage than that of the
  staged touch before), *hand-offs* (to another channel than that of the touch before).
- **entry**: the channel of the first touch.

Shares of the first four families and entries enter as their square roots (Hellinger). The columns of rhythm and of
movement are in different units, and are brought to the same variance. Then each family is scaled to the same total
variance, so that ten columns do not outweigh two. Touchpoints are columns where 5 % of the customers or more use them,
other values where 1 % do. Touches of one instant are in the order of the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.matching import with_null_code
from analytics.segments.personas.observation import Ints, ObservedCustomers
from analytics.store.columns import AT, SESSION, STAGE, TOUCHPOINT
from analytics.store.encoding import Dictionaries, as_time
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError, nearest

Floats = NDArray[np.float64]
Feature = tuple[str, str | None]
"""A family and a value of it; None is no value."""

CHANNEL: Final = "channel"
SHARES: Final = (CHANNEL, "device", TOUCHPOINT, STAGE)
ENTRY: Final = "entry"
RHYTHM: Final = "rhythm"
MOVEMENT: Final = "movement"
FAMILIES: Final = (*SHARES, RHYTHM, MOVEMENT, ENTRY)
DEFAULT: Final = (CHANNEL, "device", TOUCHPOINT, RHYTHM, MOVEMENT)
PER_SESSION, SESSIONS = "touches per session", "sessions"
EVENING, WEEKEND = "evening", "weekend"
REPEATS, BACKTRACKS, HANDOFFS = "repeats", "back-tracks", "hand-offs"
LOGARITHMS: Final = (PER_SESSION, SESSIONS)
EVENING_HOURS: Final = (17, 23)
MIN_USE: Final = {TOUCHPOINT: 0.05}
"""The share of placed customers from which on a value is a column; 1 % for other families."""


def known_families(paths: Paths, features: Sequence[str], never: Sequence[str] = ()) -> tuple[str, ...]:
    """The families that are asked for and that the paths have, in order.

    Raises `DefinitionError` for a name that is no family, one that must `never` be a feature, and when the paths have
    none of them.
    """
    asked = tuple(dict.fromkeys(features))
    if refused := [name for name in asked if name in never]:
        raise DefinitionError(
            f"{refused[0]!r} must never be a feature of personas.",
            expected="how customers move",
            found=refused[0],
            do="leave it out of features, or out of never; profiles show it for each persona",
        )
    if unknown := [name for name in asked if name not in FAMILIES]:
        why = "an attribute describes a persona afterwards" if unknown[0] in paths.schema else ""
        raise DefinitionError(
            f"Personas have no family of features {unknown[0]!r}.",
            expected=f"some of {', '.join(FAMILIES)}",
            found=unknown[0],
            do=why or nearest(unknown[0], FAMILIES),
        )
    there = tuple(name for name in asked if name not in (*SHARES, ENTRY) or _column(name) in paths.stored.dictionaries)
    if not there:
        raise DefinitionError("The paths have none of the features.", expected=", ".join(asked) or "a feature")
    return there


def named(feature: Feature) -> str:
    """A feature in words.

    >>> named(("device", None)), named(("entry", "store")), named(("rhythm", "sessions"))
    ('no device', 'entry by store', 'sessions')
    """
    family, value = feature
    if value is None:
        return f"no {_column(family)}" if family != ENTRY else f"entry without {CHANNEL}"
    return f"entry by {value}" if family == ENTRY else value


def _column(family: str) -> str:
    return CHANNEL if family == ENTRY else family


@dataclass(frozen=True, eq=False)
class _Moves:
    """The touches of customers of a part that count: rows, the position of each one's customer, touches of each."""

    part: Part
    rows: Ints
    person: Ints
    touches: Ints

    def share(self, moved: NDArray[np.bool_]) -> Floats:
        """The share of each customer's touches that are marked."""
        return np.bincount(self.person[moved], minlength=len(self.touches)) / self.touches


@dataclass(frozen=True, eq=False)
class FeatureReader:
    """Reads features of the customers of a part; `order` are the stages in order."""

    stored: Dictionaries = field(repr=False)
    schema: pl.Schema = field(repr=False)
    order: tuple[str, ...]
    zone: str

    @classmethod
    def of(cls, paths: Paths, zone: str = "UTC") -> Self:
        """A reader for paths."""
        stored = paths.stored
        known = paths.definition.stages if paths.definition else ()
        return cls(stored.dictionaries, stored.schema, tuple(known), zone)

    def fixed(self, families: Sequence[str]) -> list[Feature]:
        """The features whose columns do not depend on what customers use."""
        there = {
            RHYTHM: [*(LOGARITHMS if SESSION in self.schema else ()), EVENING, WEEKEND],
            MOVEMENT: [
                REPEATS,
                *([BACKTRACKS] if STAGE in self.stored and len(self.order) > 1 else []),
                *([HANDOFFS] if CHANNEL in self.stored else []),
            ],
        }
        return [(family, name) for family in families for name in there.get(family, [])]

    def use(self, customers: ObservedCustomers, families: Sequence[str]) -> pl.DataFrame:
        """How many placed customers use each value: `family`, `value` (null: none), `customers`."""
        rows, person = customers.touches()
        tables = [pl.DataFrame(schema={"family": pl.String, "value": pl.String, "customers": pl.Int64})]
        for family in families:
            if family not in (*SHARES, ENTRY):
                continue
            codes, words = self._codes(customers.part, family, rows)
            own, one = (person, codes) if family != ENTRY else (person[_firsts(person)], codes[_firsts(person)])
            pairs = np.unique(own * (len(words) + 1) + one)
            counts = np.bincount(pairs % (len(words) + 1), minlength=len(words) + 1)
            values = pl.Series("value", [*words.cast(pl.String), None], dtype=pl.String)
            table = pl.DataFrame([values, pl.Series("customers", counts, pl.Int64)]).filter(pl.col("customers") > 0)
            tables.append(table.select(pl.lit(family).alias("family"), "value", "customers"))
        return pl.concat(tables)

    def read(
        self, customers: ObservedCustomers, features: Sequence[Feature], wanted: NDArray[np.bool_] | None = None
    ) -> Floats:
        """The features of placed customers, those `wanted` or all: one row each, a column per feature, not yet rooted.

        Shares are shares of touches, logarithms natural ones.
        """
        rows, person = customers.touches(wanted)
        size = len(customers.placed) if wanted is None else int(wanted.sum())
        return self._read(customers.part, rows, person, size, features)

    def halves(
        self, customers: ObservedCustomers, features: Sequence[Feature], wanted: NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        """The features of every other session of each customer, and of the sessions between; without sessions of every
        other touch. NaN for a customer who has one alone. A half counts its sessions twice.
        """
        rows, person = customers.touches(wanted)
        size, odd = int(wanted.sum()), self._turns(customers.part, rows, person) % 2 == 1
        both = np.bincount(person[odd], minlength=size) > 0
        found = []
        for half in (~odd, odd):
            raw = self._read(customers.part, rows[half], person[half], size, features)
            raw[:, [feature == (RHYTHM, SESSIONS) for feature in features]] += np.log(2)
            raw[~both] = np.nan
            found.append(raw)
        return found[0], found[1]

    def _turns(self, part: Part, rows: Ints, person: Ints) -> Ints:
        """The number of each touch's session among those of its customer, from 0; without sessions of the touch."""
        firsts = _firsts(person)
        fresh = np.ones(len(rows), np.bool_)
        if SESSION in self.schema:
            session = part.read([SESSION])[SESSION].fill_null(0).cast(pl.Int64).to_numpy()[rows]
            fresh = firsts | ~_same(session)
        number = np.cumsum(fresh) - 1
        starts = number[firsts]
        return number - np.repeat(starts, np.diff(np.append(np.flatnonzero(firsts), len(rows))))

    def _read(self, part: Part, rows: Ints, person: Ints, size: int, features: Sequence[Feature]) -> Floats:
        moves = _Moves(part, rows, person, np.maximum(np.bincount(person, minlength=size), 1))
        found: dict[Feature, Floats] = {}
        for family in dict.fromkeys(family for family, _ in features):
            values = [value for own, value in features if own == family]
            found |= {(family, value): column for value, column in self._family(moves, family, values)}
        nothing = np.zeros(size)
        return np.column_stack([found.get(feature, nothing) for feature in features]).reshape(size, -1)

    def _family(self, moves: _Moves, family: str, values: Sequence[str | None]) -> Iterator[tuple[str | None, Floats]]:
        if family == RHYTHM:
            yield from self._rhythm(moves)
        elif family == MOVEMENT:
            yield from self._movement(moves)
        elif _column(family) in self.stored:
            yield from self._shares(moves, family, values)

    def _shares(self, moves: _Moves, family: str, values: Sequence[str | None]) -> Iterator[tuple[str | None, Floats]]:
        codes, words = self._codes(moves.part, family, moves.rows)
        person, touches = moves.person, moves.touches
        if family == ENTRY:
            firsts = _firsts(person)
            codes, person = codes[firsts], person[firsts]
            touches = np.ones(len(touches), np.int64)
        number = {word: code for code, word in enumerate(words.cast(pl.String).to_list())}
        places = np.full(len(words) + 1, len(values))
        for place, value in enumerate(values):
            code = len(words) if value is None else number.get(value)
            if code is not None:
                places[code] = place
        width, size = len(values) + 1, len(touches)
        counts = np.bincount(person * width + places[codes], minlength=size * width).reshape(size, width)
        yield from zip(values, (counts[:, :-1] / touches[:, None]).T, strict=True)

    def _rhythm(self, moves: _Moves) -> Iterator[tuple[str, Floats]]:
        size, part, rows = len(moves.touches), moves.part, moves.rows
        if SESSION in self.schema:
            turns = self._turns(part, rows, moves.person)
            sessions = np.ones(size, np.int64)
            np.maximum.at(sessions, moves.person, turns + 1)
            yield PER_SESSION, np.log(moves.touches / sessions)
            yield SESSIONS, np.log(sessions)
        local = as_time(part.read([AT])[AT]).gather(rows).dt.convert_time_zone(self.zone)
        hour, day = local.dt.hour().to_numpy(), local.dt.weekday().to_numpy()
        yield EVENING, moves.share((hour >= EVENING_HOURS[0]) & (hour < EVENING_HOURS[1]))
        yield WEEKEND, moves.share(day > 5)

    def _movement(self, moves: _Moves) -> Iterator[tuple[str, Floats]]:
        follows = ~_firsts(moves.person)
        point, _ = self._codes(moves.part, TOUCHPOINT, moves.rows)
        yield REPEATS, moves.share(follows & _same(point))
        if CHANNEL in self.stored:
            channel, _ = self._codes(moves.part, CHANNEL, moves.rows)
            yield HANDOFFS, moves.share(follows & ~_same(channel))
        if STAGE in self.stored:
            codes, words = self._codes(moves.part, STAGE, moves.rows)
            rank = {name: place for place, name in enumerate(self.order)}
            ranks = np.array([*(rank.get(word, -1) for word in words.cast(pl.String).to_list()), -1], np.int64)[codes]
            staged = np.flatnonzero(ranks >= 0)
            own, level = moves.person[staged], ranks[staged]
            back = np.zeros(len(ranks), np.bool_)
            back[staged[1:]] = (own[1:] == own[:-1]) & (level[1:] < level[:-1])
            yield BACKTRACKS, moves.share(back)

    def _codes(self, part: Part, family: str, rows: Ints) -> tuple[Ints, pl.Series]:
        """The code of each of the rows, of which the last is no value, and the words."""
        column = _column(family)
        words = self.stored[column]
        codes: Ints = with_null_code(part.read([column])[column], len(words))[rows].astype(np.int64)
        return codes, words


def rooted(features: Sequence[Feature], raw: Floats) -> Floats:
    """Features as they enter: shares of values as square roots, rhythm and movement as they are."""
    of_values = np.array([family in (*SHARES, ENTRY) for family, _ in features], np.bool_)
    return np.where(of_values, np.sqrt(np.maximum(raw, 0)), raw)


def family_scales(features: Sequence[Feature], entered: Floats) -> Floats:
    """What each column is divided by, so that every family has a total variance of 1; 0 where nobody varies."""
    variance = entered.var(axis=0) if len(entered) else np.zeros(len(features))
    variance[variance < _NOTHING] = 0
    families = np.array([family for family, _ in features])
    own = [families == family for family in families]
    total = np.array([variance[of].sum() for of in own])
    varying = np.array([np.count_nonzero(variance[of]) for of in own])
    of_values = np.isin(families, (*SHARES, ENTRY))
    return np.where(variance > 0, np.sqrt(np.where(of_values, total, variance * varying)), 0.0)


_NOTHING: Final = 1e-12


def used_features(reader: FeatureReader, use: pl.DataFrame, families: Sequence[str], placed: int) -> list[Feature]:
    """The features of families: values that enough of the placed customers use, then those that are fixed."""
    counts = use.group_by("family", "value").agg(pl.col("customers").sum())
    found: list[Feature] = []
    for family in families:
        least = MIN_USE.get(family, 0.01) * placed
        own = counts.filter(family=family).filter(pl.col("customers") >= least)
        found += [(family, value) for value in own["value"].sort(nulls_last=True)]
        found += reader.fixed([family])
    return found


def _firsts(person: Ints) -> NDArray[np.bool_]:
    return np.append(True, person[1:] != person[:-1])[: len(person)]


def _same(codes: Ints) -> NDArray[np.bool_]:
    return np.append(False, codes[1:] == codes[:-1])[: len(codes)]
