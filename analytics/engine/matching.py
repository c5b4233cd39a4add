"""Finds which conditions each touch meets: one code per touch, and a table with the bits of every code.

A scan then looks up `bits[codes[i]]`, whatever the conditions are. Where all conditions name words of one column, the
stored codes of that column are used as they are, and no touch is evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import ANY, Exclude, Step
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part, decoded
from expectations.errors import DefinitionError

Condition = Step | Exclude
UNIVERSE: Final = 63
"""The bit of a touch that matters to strict order, whether or not it is a step."""


@dataclass(frozen=True)
class Matcher:
    """Which conditions does each touch meet? Bit `i` for condition `i`, `UNIVERSE` for a touch of the universe.

    `only` drops touches that the analysis does not see at all. `universe` is None where strictness does not matter.
    """

    conditions: tuple[Condition, ...]
    only: pl.Expr | None = None
    universe: pl.Expr | None = None

    @property
    def expressions(self) -> list[pl.Expr]:
        """The conditions that polars evaluates."""
        given = [*(c.where for c in self.conditions), self.only, self.universe]
        return [expression for expression in given if expression is not None]

    @property
    def columns(self) -> list[str]:
        """The columns that must be read."""
        asked = [c.on for c in self.conditions if ANY not in c.any_of]
        named = [name for expression in self.expressions for name in expression.meta.root_names()]
        return list(dict.fromkeys([*asked, *named])) or ["touchpoint"]

    def match(self, part: Part, frame: pl.DataFrame, words: Dictionaries) -> tuple[NDArray[Any], NDArray[np.uint64]]:
        """Codes of the touches and the bits of every code, from the physical columns of a part."""
        on = {c.on for c in self.conditions if ANY not in c.any_of} or {"touchpoint"}
        plain = self.universe is None or self.universe.meta.is_literal()
        extra = [e for e in self.expressions if e is not self.universe or not plain]
        column = next(iter(on))
        first_times = any(isinstance(c, Step) and c.first_time for c in self.conditions)
        if len(on) == 1 and not extra and not first_times and column in words:
            bits = self._bits_of_words(words[column])
            return with_null_code(frame[column], len(bits) - 1), bits
        return self._by_touch(part, frame, words)

    def marked(self, part: Part, words: Dictionaries) -> NDArray[np.bool_]:
        """Which touches of a part meet the first condition."""
        codes, bits = self.match(part, part.read(self.columns), words)
        return np.asarray((bits[codes] & np.uint64(1)) > 0)

    def _bits_of_words(self, words: pl.Series) -> NDArray[np.uint64]:
        """The bits of every word of the one column that is asked for, and of null after them."""
        bits = np.zeros(len(words) + 1, np.uint64)
        if self.universe is not None:
            bits |= np.uint64(1) << np.uint64(UNIVERSE)
        for place, condition in enumerate(self.conditions):
            meant = slice(None) if ANY in condition.any_of else _table(condition, words)
            bits[meant] |= np.uint64(1) << np.uint64(place)
        return bits

    def _by_touch(
        self, part: Part, frame: pl.DataFrame, words: Dictionaries
    ) -> tuple[NDArray[Any], NDArray[np.uint64]]:
        seen = decoded(part, self.columns, words) if self.expressions else frame
        places = [*range(len(self.conditions)), *([UNIVERSE] if self.universe is not None else [])]
        visible = np.ones(len(frame), np.bool_) if self.only is None else _holds(self.only, seen)
        named = [_named(condition, frame, words) & visible for condition in self.conditions]
        meant = [_met(condition, hits, seen, part) for condition, hits in zip(self.conditions, named, strict=True)]
        if self.universe is not None:
            meant.append(_holds(self.universe, seen) & visible)
        return packed_codes(meant, places, len(frame))


def matcher_of(steps: Mapping[str, Step | None]) -> tuple[Matcher, dict[str, int]]:
    """What finds the touches of several steps by their names, and the bit of each (`has_bit`); -1 for none."""
    given = {name: step for name, step in steps.items() if step is not None}
    places = {name: place for place, name in enumerate(given)}
    return Matcher(tuple(given.values())), {name: places.get(name, -1) for name in steps}


def has_bit(bits: NDArray[np.uint64], place: int) -> NDArray[np.bool_]:
    """Which of these have the bit at a place; none at -1.

    >>> has_bit(np.array([1, 2], np.uint64), 1).tolist(), has_bit(np.array([1, 2], np.uint64), -1).tolist()
    ([False, True], [False, False])
    """
    if place < 0:
        return np.zeros(len(bits), np.bool_)
    return np.asarray((bits >> np.uint64(place)) & np.uint64(1), np.bool_)


def _met(condition: Condition, hits: NDArray[np.bool_], seen: pl.DataFrame, part: Part) -> NDArray[np.bool_]:
    """Which of the touches that have one of the values a step or an exclusion means."""
    first_time = condition.first_time if isinstance(condition, Step) else None
    if first_time == "any":
        hits = first_of_customer(hits, part.bounds())
    if condition.where is not None:
        hits = hits & _holds(condition.where, seen)
    return first_of_customer(hits, part.bounds()) if first_time == "matching" else hits


def _named(condition: Condition, frame: pl.DataFrame, words: Dictionaries) -> NDArray[np.bool_]:
    """Which touches have one of the values."""
    if ANY in condition.any_of:
        return np.ones(len(frame), np.bool_)
    if condition.on in words:
        table = _table(condition, words[condition.on])
        hits: NDArray[np.bool_] = table[with_null_code(frame[condition.on], len(table) - 1)]
        return hits
    column, values = frame[condition.on], list(condition.any_of)
    try:
        return column.is_in(pl.Series(values, dtype=column.dtype)).fill_null(False).to_numpy()
    except (TypeError, pl.exceptions.PolarsError):
        where, dtype = f"column {condition.on!r}", str(column.dtype)
        raise DefinitionError(
            "A step is of values of another type than its column.", where=where, expected=dtype, found=str(values)
        ) from None


def _table(condition: Condition, words: pl.Series) -> NDArray[np.bool_]:
    """Whether each word of a dictionary, and null after them, is meant."""
    return np.append(words.is_in([str(value) for value in condition.any_of]).to_numpy(), False)


def first_of_customer(hits: NDArray[np.bool_], bounds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Only the first hit of each customer."""
    rows = np.flatnonzero(hits)
    customer = np.searchsorted(bounds, rows, side="right")
    first = np.zeros(len(hits), np.bool_)
    first[rows[np.diff(customer, prepend=-1) > 0]] = True
    return first


def _holds(expression: pl.Expr, seen: pl.DataFrame) -> NDArray[np.bool_]:
    """Where a condition is true; null counts as false."""
    try:
        holds = seen.with_columns(expression.alias(" holds"))[" holds"]
    except pl.exceptions.PolarsError:
        raise DefinitionError(
            "A condition on touches cannot be worked out.",
            found=str(expression),
            do="compare a column with values of its own kind",
        ) from None
    if holds.dtype not in (pl.Boolean, pl.Null):
        raise DefinitionError(
            "A condition on touches is neither true nor false.", expected="pl.col(...) > 0, say", found=str(holds.dtype)
        )
    return holds.cast(pl.Boolean).fill_null(False).to_numpy()


def with_null_code(codes: pl.Series, null: int) -> NDArray[Any]:
    """Codes as an array, with `null` in the place of null; no copy when there is none."""
    if codes.null_count():
        codes = codes.cast(pl.UInt32).fill_null(null)
    return codes.to_numpy()


def packed_codes(
    meant: Sequence[NDArray[np.bool_]], places: Sequence[int], size: int
) -> tuple[NDArray[Any], NDArray[np.uint64]]:
    """Boolean columns as one narrow code per touch, and the bits of every code."""
    if len(meant) > 16:
        full = np.zeros(size, np.uint64)
        for hits, place in zip(meant, places, strict=True):
            full |= hits.astype(np.uint64) << np.uint64(place)
        words, codes = np.unique(full, return_inverse=True)
        return codes, words
    width = 8 if len(meant) <= 8 else 16
    narrow: NDArray[Any] = np.zeros(size, f"u{width // 8}")
    for i, hits in enumerate(meant):
        narrow |= hits.astype(narrow.dtype) << i
    patterns = np.arange(1 << width, dtype=np.uint64)
    bits = np.zeros(len(patterns), np.uint64)
    for i, place in enumerate(places):
        bits |= ((patterns >> np.uint64(i)) & np.uint64(1)) << np.uint64(place)
    return narrow, bits


def scale_of(times: pl.Series) -> int:
    """Microseconds in one unit of the stored times of a part."""
    return 1_000_000 if times.dtype == pl.UInt32 else 1
