"""Finds the matches of a pattern in paths.

Every touch becomes one letter that encodes which of the pattern's names it meets, and every unit becomes one text.
Polars searches the texts with a regular expression (Rust's regex). A pattern with time conditions is searched unit by
unit, in Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import Step
from analytics.engine.matching import Matcher
from analytics.engine.notices.unknown_words import unknown_steps, warn_of_unknown
from analytics.paths.pattern_grammar import Pattern, Touch, parse_pattern, wrong
from analytics.paths.sequences import UnitSequences
from analytics.paths.variants import as_bytes
from analytics.paths.view import Indices
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

LETTERS: Final = "".join(chr(i) for i in range(0x30, 0x7F) if chr(i) not in "<>\\]^[-&~")
MOST_NAMES: Final = 64
"""Each touch has one bit per name of the pattern, in 64 bits."""
NOTHING: Final = "\x01"
Flags = NDArray[np.bool_]
OPENS, CLOSES = ord("<"), ord(">")


@dataclass(frozen=True)
class Search:
    """A pattern, with the matcher of the steps that define its names."""

    pattern: Pattern
    matcher: Matcher

    @classmethod
    def of(cls, paths: Paths, text: str, steps: Mapping[str, Step], on: str) -> Search:
        """Parses a pattern, whose names are steps or values of column `on`.

        Raises `DefinitionError` if it cannot be parsed, or if it matches an empty path.
        """
        pattern = searchable(text)
        definitions = tuple(steps.get(name) or Step(name, on=on) for name in pattern.names)
        matcher = Matcher(definitions)
        paths.require(*matcher.columns)
        warn_of_unknown(unknown_steps(paths, definitions))
        return cls(pattern, matcher)

    def hits(self, sequences: UnitSequences) -> tuple[Indices, Indices]:
        """The first and the last touch of every match of one part, in order."""
        part = sequences.part
        codes, bits = self.matcher.match(part, part.read(self.matcher.columns), sequences.words)
        codes = codes if len(codes) == len(sequences.rows) else codes[sequences.rows]
        texts, classes = letters(codes, bits, sequences.bounds)
        if self.pattern.pauses:
            return self._timed(sequences, texts, classes)
        return spans(texts, self.pattern.regex(classes))

    def _timed(self, sequences: UnitSequences, texts: pl.Series, classes: Any) -> tuple[Indices, Indices]:
        """Matches of a pattern with pauses: searches the units that match without them, one by one."""
        candidates = texts.str.contains(f"(?s){self.pattern.regex(classes)}").arg_true()
        timed = Timed(self.pattern, classes)
        begins: list[int] = []
        lasts: list[int] = []
        for unit, text in zip(candidates.to_list(), texts.gather(candidates).to_list(), strict=True):
            low, high = sequences.bounds[unit], sequences.bounds[unit + 1]
            times = sequences.times[low:high].astype(np.int64) * sequences.scale
            for begin, end in timed.search(text, times.tolist()):
                begins.append(int(low) + begin)
                lasts.append(int(low) + end - 1)
        return np.array(begins, np.int64), np.array(lasts, np.int64)


def searchable(text: str) -> Pattern:
    """Parses a pattern; `DefinitionError` for one that cannot be parsed, or that a path without touches matches."""
    pattern = parse_pattern(text)
    if len(pattern.names) > MOST_NAMES:
        raise wrong(text, f"at most {MOST_NAMES} names")
    try:
        empty = pl.Series([""]).str.contains(pattern.regex(lambda _: "a"))[0]
    except pl.exceptions.ComputeError:
        raise wrong(text, "brackets in pairs, and quantifiers after a touch or a group") from None
    if empty:
        raise DefinitionError("This pattern matches a path without touches.", expected="at least one touch", found=text)
    return pattern


def letters(codes: NDArray[Any], bits: NDArray[np.uint64], bounds: Indices) -> tuple[pl.Series, Callable[[Touch], str]]:
    """Every unit as a text of one letter per touch, and the letters that each touch of a pattern means.

    `codes` number the touches, `bits` say which names of the pattern each code meets.
    """
    combinations, letter_of = np.unique(bits, return_inverse=True)
    if len(combinations) > len(LETTERS):
        combinations, chosen = np.unique(bits[codes], return_inverse=True)
    else:
        chosen = letter_of[codes]
    if len(combinations) > len(LETTERS):
        raise DefinitionError("The steps of a pattern overlap in too many ways.", do="use fewer conditions")
    alphabet = np.frombuffer(LETTERS.encode(), np.uint8)
    texts = as_bytes(alphabet[chosen], bounds).cast(pl.String)

    def classes(touch: Touch) -> str:
        met = [bool(bits & np.uint64(sum(1 << name for name in set(touch.names)))) for bits in combinations]
        own = "".join(letter for letter, hit in zip(LETTERS, met, strict=False) if hit != touch.negated)
        return f"[{own or NOTHING}]"

    return texts, classes


def matching(pattern: Pattern, named: Sequence[Flags], bounds: Indices, times: Indices) -> Flags:
    """Which units match a pattern; `named` says which touches have each of its names, `times` are microseconds."""
    bits = np.zeros(len(times), np.uint64)
    for place, hits in enumerate(named):
        bits |= hits.astype(np.uint64) << np.uint64(place)
    texts, classes = letters(np.arange(len(times)), bits, bounds)
    found: Flags = texts.str.contains(f"(?s){pattern.regex(classes)}").to_numpy().copy()
    if pattern.pauses:
        timed = Timed(pattern, classes)
        for unit in np.flatnonzero(found):
            found[unit] = bool(timed.search(texts[int(unit)], times[bounds[unit] : bounds[unit + 1]].tolist()))
    return found


class Timed:
    """Searches one unit for a pattern with pauses: the shortest of the earliest matches, then the next after it."""

    def __init__(self, pattern: Pattern, classes: Any) -> None:
        count = len(pattern.segments)
        self.pauses = pattern.pauses
        self.lengths = [pattern.fixed(segment) for segment in range(count)]
        texts = [pattern.regex(classes, segment=segment) for segment in range(count)]
        self.first, self.last = texts[0].startswith(r"\A"), texts[-1].endswith(r"\z")
        self.segments = [re.compile(text.removeprefix(r"\A").removesuffix(r"\z"), re.DOTALL) for text in texts]

    def search(self, text: str, times: list[int]) -> list[tuple[int, int]]:
        """The matches as (begin, end) positions; end is exclusive. `times` are in microseconds."""
        matches, begin = [], 0
        while begin < len(text):
            end = self._match(text, times, begin)
            if end is None:
                begin += 1
            else:
                matches.append((begin, end))
                begin = end
            if self.first:
                break
        return matches

    def _match(self, text: str, times: list[int], begin: int) -> int | None:
        """The earliest end of a match that begins at this touch, None if there is none."""
        ends = self.ends_of(text, times, begin)
        return min((end for end in ends if not self.last or end == len(text)), default=None)

    def ends_of(self, text: str, times: list[int], begin: int) -> set[int]:
        """Every position at which a match that begins at this touch can end, wherever the path ends."""
        ends = self._ends(0, text, begin)
        for segment, pause in enumerate(self.pauses, 1):
            starts = {
                start
                for end in ends
                for start in range(end, len(text))
                if pause.test(times[start] - times[end - 1], pause.limit)
            }
            ends = {end for start in starts for end in self._ends(segment, text, start)}
        return ends

    def _ends(self, segment: int, text: str, start: int) -> set[int]:
        """Every position at which a segment that begins at `start` can end."""
        length = self.lengths[segment]
        candidates = range(start + 1, len(text) + 1) if length is None else [start + length]
        return {end for end in candidates if end <= len(text) and self.segments[segment].fullmatch(text, start, end)}


def spans(texts: pl.Series, regex: str) -> tuple[Indices, Indices]:
    """The first and last letter of every match, counted over all texts concatenated; texts contain no `<` or `>`."""
    marked = texts.str.replace_all(f"(?s){regex}", "<${0}>")
    flat = letters_of(marked)
    opens, closes = np.flatnonzero(flat == OPENS), np.flatnonzero(flat == CLOSES)
    before = np.arange(len(opens)) * 2
    begin, end = opens - before, closes - before - 2
    real = end >= begin
    return begin[real], end[real]


def letters_of(texts: pl.Series) -> NDArray[np.uint8]:
    """The letters of all texts, concatenated."""
    return np.frombuffer((texts.str.join("").item() or "").encode(), np.uint8)
