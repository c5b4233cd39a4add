"""Customers whose touches match a pattern, in the order of their path."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import numpy as np
import polars as pl

from analytics.engine.conditions import Step, fill
from analytics.paths.pattern_grammar import Touch, parse_pattern
from analytics.paths.pattern_search import Search, Timed, letters
from analytics.segments.named.conditions import microseconds, text_within, window, with_fields
from analytics.segments.named.states import Customers, Ints, States, combined, merged_runs
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths

_END = r"\z"
_NEVER = "(?!)"


@dataclass(frozen=True, eq=False, init=False)
class Matched:
    """A match of a pattern whose last touch is at most `within` ago, and whose first at most `within` before its last.

    The pattern is that of `match`, of values of column `on`. It reads the path up to the instant: `$` is after the
    touches of that instant, so that `Cart (?!Order)* $` ends with the order. Any match counts, whichever is longest.
    Without `within` neither wait is limited. Raises `DefinitionError` for a pattern that cannot be read, or that
    matches no touch at all.

    >>> Matched("Cart (?!Order)* $", within="7d").text
    "matched 'Cart (?!Order)* $' within 7d"
    """

    pattern: str
    within: timedelta | None
    on: str
    search: Search | None

    def __init__(self, pattern: str, *, within: str | timedelta | None = None, on: str = TOUCHPOINT) -> None:
        parse_pattern(pattern)
        fill(self, pattern=pattern, within=window(within), on=on, search=None)

    @property
    def text(self) -> str:
        """The condition in words."""
        on = "" if self.on == TOUCHPOINT else f" on {self.on}"
        return f"matched {self.pattern!r}{on}{text_within(self.within)}"

    @property
    def steps(self) -> tuple[Step, ...]:
        """The touches that the pattern names."""
        names = parse_pattern(self.pattern).names
        return (Step(names, on=self.on),) if names else ()

    def checked(self, paths: Paths) -> Self:
        """The condition, bound to a store."""
        return with_fields(self, search=Search.of(paths, self.pattern, {}, self.on))

    def states(self, customers: Customers) -> States:
        """In while a match ended at most `within` ago; one that `$` ends, until the next touch."""
        assert self.search is not None, "checked"
        part, search = customers.part, self.search
        codes, bits = search.matcher.match(part, part.read(search.matcher.columns), customers.words)
        texts, classes = letters(codes, bits, customers.bounds)
        open_, closed = self._ends(customers, texts, classes)
        wait = microseconds(self.within)
        ways = ((open_, customers.times[open_] + wait), (closed, self._until_next(customers, closed, wait)))
        runs = [merged_runs(customers.of_rows(rows), customers.times[rows], until) for rows, until in ways]
        return combined([States.during(customers, *own) for own in runs], highest=True)

    def _until_next(self, customers: Customers, rows: Ints, wait: int) -> Ints:
        """The last microsecond before the next touch of the customer, or after `wait` if that is earlier."""
        until, later = customers.times[rows] + wait, np.flatnonzero(~np.isin(rows + 1, customers.bounds))
        until[later] = np.minimum(until[later], customers.times[rows[later] + 1] - 1)
        return until

    def _ends(self, customers: Customers, texts: pl.Series, classes: Callable[[Touch], str]) -> tuple[Ints, Ints]:
        """The last rows of matches that hold whatever comes later, and of those that hold until the next touch."""
        assert self.search is not None, "checked"
        pattern, wait = self.search.pattern, microseconds(self.within)
        regex = pattern.regex(classes)
        timed = Timed(pattern, classes) if pattern.pauses else None
        ways = [False, True] if _END in regex and timed is None else [timed is not None and timed.last]
        ends: dict[bool, list[int]] = {False: [], True: []}
        units = texts.str.contains(f"(?s){regex.replace(_END, '')}").arg_true()
        for unit, text in zip(units.to_list(), texts.gather(units).to_list(), strict=True):
            low, high = customers.bounds[unit], customers.bounds[unit + 1]
            times = customers.times[low:high]
            begins = np.searchsorted(times, times - wait).tolist()
            for ended in ways:
                if timed is not None:
                    found = _timed_ends(timed, text, times.tolist(), begins)
                else:
                    found = _plain_ends(regex.replace(_END, r"\Z" if ended else _NEVER), text, begins)
                if ended:  # only the last touch of an instant is the end of the path as of then
                    found = [row for row in found if row + 1 == len(times) or times[row + 1] > times[row]]
                ends[ended] += [int(low) + row for row in found]
        return np.array(ends[False], np.int64), np.array(ends[True], np.int64)


def _plain_ends(regex: str, text: str, begins: list[int]) -> list[int]:
    """The touches with which a match can end that begins no earlier than the touch's `begins`."""
    search = re.compile(rf"(?s:{regex})\Z").search
    return [row for row, begin in enumerate(begins) if search(text, begin, row + 1)]


def _timed_ends(timed: Timed, text: str, times: list[int], begins: list[int]) -> list[int]:
    """The same for a pattern with pauses."""
    ends = {
        end - 1
        for begin in (range(1) if timed.first else range(len(text)))
        for end in timed.ends_of(text, times, begin)
        if begin >= begins[end - 1]
    }
    return sorted(ends)
