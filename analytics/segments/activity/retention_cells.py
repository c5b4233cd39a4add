"""The members of cohorts in a part, the periods in which they return, and the sums of the cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.sequences import first_at_least
from analytics.statistics.shares import square_columns
from analytics.store.parts import rows_of_runs

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
SQUARES = tuple(square_columns("returned", "eligible"))


@dataclass(frozen=True)
class Span:
    """The periods in which a return counts: `first` to `last`, or any from `first` on; over with period `over`."""

    first: int
    last: int | None
    over: int


class Members(NamedTuple):
    """The members of the cohorts: the customer, the row of the start touch, and its time."""

    person: Ints
    row: Ints
    at: Ints


class SpanReturns(NamedTuple):
    """Who returns in a span, and what the touches of that bring."""

    of: Span
    hit: Flags
    worth: Ints


@dataclass(frozen=True)
class Periods:
    """The periods in which somebody returns, as sorted keys: `owner * width` and the number of the period.

    `worth` is what the touches of a period bring.
    """

    keys: Ints
    worth: Ints
    width: int

    @classmethod
    def of(cls, key: Ints, worth: Ints, width: int, least: int) -> Periods:
        """The periods with `least` touches or more; one key and worth per touch."""
        order = np.argsort(key, kind="stable")
        key, worth = key[order], worth[order]
        first = np.flatnonzero(np.diff(key, prepend=-1))
        counts = np.diff(np.append(first, len(key)))
        sums = np.add.reduceat(worth, first) if len(first) else worth
        kept = counts >= least
        return cls(key[first][kept], sums[kept], width)

    def spans(self, base: Ints, spans: Sequence[Span]) -> Iterator[SpanReturns]:
        """Who returns in each span: `base` is the key of each member's period 0."""
        keys = np.append(self.keys, np.iinfo(np.int64).max)
        sums = np.append(0, np.cumsum(self.worth))
        following = np.searchsorted(keys[:-1], base)
        for before, span in zip((0, *(span.first for span in spans)), spans, strict=False):
            for after in range(before + 1, span.first + 1):  # keys differ by 1 at least
                following += keys[following] < base + after
            until = (base // self.width + 1) * self.width - 1 if span.last is None else base + span.last
            hit = keys[following] <= until
            worth = np.zeros(len(base), np.int64)
            if self.worth.any():
                worth = np.where(hit, sums[np.searchsorted(keys[:-1], until, side="right")] - sums[following], 0)
            yield SpanReturns(span, hit, worth)


@dataclass(frozen=True)
class CohortRead:
    """The touches of a part: where customers begin, times in microseconds, which touches start and return, the number
    of the calendar period of each, and what each brings.
    """

    bounds: Ints
    at: Ints
    starts: Flags
    back: Flags
    number: Ints
    worth: Ints

    def members(self, *, first_only: bool) -> Members:
        """One member per customer and period with a start touch, or only the first of each customer."""
        rows = np.flatnonzero(self.starts)
        person = self._person(rows)
        if first_only:
            kept = np.flatnonzero(np.append(True, person[1:] != person[:-1]))
        else:
            key = person * self._width + self.number[rows] - self.number.min()
            kept = np.sort(np.unique(key, return_index=True)[1])
        rows = rows[kept]
        return Members(person[kept], rows, self.at[rows])

    def calendar(self, members: Members, least: int, reach: int) -> tuple[Ints, Periods]:
        """The key of each member's own period, and the calendar periods in which customers return.

        No question looks further than `reach` periods after a member's own.
        """
        rows, lowest, width = np.flatnonzero(self.back), self.number.min(), self._width + reach
        key = self._person(rows) * width + self.number[rows] - lowest
        base = members.person * width + self.number[members.row] - lowest
        return base, Periods.of(key, self.worth[rows], width, least)

    def elapsed(self, members: Members, least: int, length: int, last: int | None) -> tuple[Ints, Periods]:
        """The key of each member's period 0, and the periods of `length` after the start touch in which each returns.

        Periods after `last` are not looked at; None is no limit.
        """
        rows = np.flatnonzero(self.back)
        at, edges = self.at[rows], np.searchsorted(rows, self.bounds)
        low = first_at_least(at, edges[members.person], edges[members.person + 1], members.at + 1)
        high = edges[members.person + 1]
        if last is not None:
            high = first_at_least(at, low, high, members.at + (last + 1) * length)
        run = rows_of_runs(low, high - low).astype(np.int64)
        owner = np.repeat(np.arange(len(low)), high - low)
        period = (at[run] - members.at[owner]) // length
        width = int(period.max(initial=0)) + (last or 0) + 2
        return np.arange(len(low)) * width, Periods.of(owner * width + period, self.worth[rows[run]], width, least)

    def until(
        self, members: Members, least: int, begins: Ints, span: Span, *, grace: int, length: int | None
    ) -> Iterator[SpanReturns]:
        """Who returns in a span that begins at `begins` for each member, at most `grace` after that.

        Periods are of `length` after the start touch, or, without it, of the calendar.
        """
        rows = np.flatnonzero(self.back)
        at, edges = self.at[rows], np.searchsorted(rows, self.bounds)
        since = begins if length is None else np.maximum(begins, members.at + 1)
        high = edges[members.person + 1]
        low = first_at_least(at, edges[members.person], high, since)
        high = first_at_least(at, low, high, begins + grace + 1)
        run = rows_of_runs(low, high - low).astype(np.int64)
        owner = np.repeat(np.arange(len(low)), high - low)
        if length is None:
            period = self.number[rows[run]] - self.number[members.row[owner]]
        else:
            period = (at[run] - members.at[owner]) // length
        width = int(max(period.max(initial=0), span.first if span.last is None else span.last)) + 2
        found = Periods.of(owner * width + period, self.worth[rows[run]], width, least)
        return found.spans(np.arange(len(low)) * width, [span])

    @property
    def _width(self) -> int:
        """More than the numbers of any two periods differ by."""
        return int(self.number.max() - self.number.min()) + 2

    def _person(self, rows: Ints) -> Ints:
        return np.asarray(np.searchsorted(self.bounds, rows, side="right") - 1)


@dataclass(frozen=True)
class MemberCells:
    """The members of a part with their group, cohort, and whether they are eligible, for one span."""

    person: Ints
    group: Ints
    cohort: Ints
    eligible: Flags
    span: SpanReturns

    def by_cohort(self, keys: pl.DataFrame, cohorts: pl.DataFrame) -> pl.DataFrame:
        """The sums of every group and cohort. Each member is another customer."""
        cell, size = self.group * len(cohorts) + self.cohort, len(keys) * len(cohorts)
        hit = self.eligible & self.span.hit
        eligible, returned = (np.bincount(cell[own], minlength=size) for own in (self.eligible, hit))
        worth = np.zeros(size, np.int64)
        np.add.at(worth, cell[hit], self.span.worth[hit])
        sums = {"size": np.bincount(cell, minlength=size), "eligible": eligible, "returned": returned, "worth": worth}
        sums |= dict(zip(SQUARES, (eligible, returned, returned, eligible), strict=True))
        place = np.arange(size)
        table = pl.concat(
            [keys[place // len(cohorts)], cohorts[place % len(cohorts)], pl.DataFrame(sums)], how="horizontal"
        )
        return table.filter(pl.col("size") > 0)

    def by_customer(self, keys: pl.DataFrame, cohort: pl.Schema) -> pl.DataFrame:
        """The sums of every group over all cohorts, of which a customer may be in many."""
        width = int(self.person.max(initial=0)) + 1
        key = self.group * width + self.person
        n, y = (
            np.bincount(key[own], minlength=len(keys) * width) for own in (self.eligible, self.eligible & self.span.hit)
        )
        n, y = n.reshape(len(keys), width), y.reshape(len(keys), width)
        squares = ((n * n).sum(axis=1), (n * y).sum(axis=1), (y * y).sum(axis=1), (n > 0).sum(axis=1))
        zeros = np.zeros(len(keys), np.int64)
        sums = dict.fromkeys(("size", "eligible", "returned", "worth"), zeros) | dict(
            zip(SQUARES, squares, strict=True)
        )
        nobody = [pl.lit(None, dtype).alias(name) for name, dtype in cohort.items()]
        table = pl.DataFrame(sums).with_columns(*nobody).select(*cohort, *sums)
        return pl.concat([keys, table], how="horizontal")
