"""Judges many series of periods at once: every period, and runs of periods that end with it, by their own past.

A **run** is 1, 2, 3, 5, 8, 13 or 28 periods that end with the newest one; of counts, which grow and fall with seasons,
it is the newest one alone. Its past are the six weeks before it, without
periods that were unusual, at least three weeks of them with 200 cases. What a job tests together, all series and runs
of one period, is one family (Benjamini-Hochberg).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.expected import MIN_CASES, WEEKDAYS, Expectation, Outlook, expected_counts, expected_shares
from analytics.statistics.intervals import Floats

RUNS: Final = (1, 2, 3, 5, 8, 13, 28)
PAST_WEEKS: Final = 6
MIN_WEEKS: Final = 3
MIN_RUN: Final = 30
"""Cases that a run must have."""
RARE: Final = 0.05
"""A count that was as far off on more than so many periods of its past is usual."""
Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]


@dataclass
class Table:
    """Series of one kind (shares, or counts), one row each; column `c` is the period of the job `c`.

    A period of a series is tested by the job of the first period by whose end it is over and has arrived: series with
    a longer window lie further right. `of` and `count` are its cases (for counts both the same), `usable` whether it
    is over, has arrived and is complete. `flagged` are the periods that were unusual,
    which are in no past, and `since` the first period of the past.
    """

    of: Floats
    count: Floats
    usable: Flags
    is_share: bool
    positions: int = WEEKDAYS
    clumps: Floats | None = None
    """Of counts, the touches of a customer in a period: they come together, so that phi is not below it."""

    def __post_init__(self) -> None:
        self.flagged = np.zeros_like(self.usable)
        self.since = np.where(self.usable.any(axis=1), self.usable.argmax(axis=1), self.usable.shape[1])

    def past(self, rows: Indices, before: int) -> tuple[Expectation, Indices]:
        """What the past before job `before` leads to expect of series, and how many periods it has."""
        first = max(0, before - PAST_WEEKS * self.positions)
        columns = np.arange(first, before)
        there = self.usable[rows, first:before] & ~self.flagged[rows, first:before]
        there &= columns >= self.since[rows, None]
        place = columns % self.positions
        count = self.count[rows, first:before] * there
        if self.is_share:
            of = self.of[rows, first:before] * there
            found = expected_shares(of, count, place, positions=self.positions)
        else:
            found = expected_counts(count, place, there, positions=self.positions)
            if self.clumps is not None:
                found = replace(found, phi=np.maximum(found.phi, self.clumps[rows]))
        return found, there.sum(axis=1)

    def stands_out(self, rows: Indices, first: int, last: int) -> tuple[Flags, Flags]:
        """Which runs of shares have a past that is long enough, and which of them may be unusual at all.

        The expectation of a run lies between that of the whole past and that of the same weekdays: who is less than
        two standard errors from both has a p-value that is no candidate, whatever the spread.
        """
        begin = max(0, first - PAST_WEEKS * self.positions)
        columns = np.arange(begin, first)
        there = self.usable[rows, begin:first] & ~self.flagged[rows, begin:first]
        there &= columns >= self.since[rows, None]
        places = np.asarray((columns % self.positions)[:, None] == np.arange(self.positions), np.float64)
        nd, kd = (values[rows, begin:first] * there @ places for values in (self.of, self.count))
        cases, counts = nd.sum(axis=1), kd.sum(axis=1)
        of, seen = self.of[rows, first : last + 1], self.count[rows, first : last + 1].sum(axis=1)
        days = np.arange(first, last + 1) % self.positions
        level = (counts + 0.5) / (cases + 1)
        own = np.where(nd > 0, (kd + 0.5) / (nd + 1), level[:, None])[:, days]
        together, apart = of.sum(axis=1) * level, (of * own).sum(axis=1)
        low, high = np.minimum(together, apart), np.maximum(together, apart)
        error = np.sqrt(np.minimum(of.sum(axis=1) * level * (1 - level), (of * own * (1 - own)).sum(axis=1)))
        enough = (cases >= MIN_CASES) & (there.sum(axis=1) >= MIN_WEEKS * self.positions)
        return enough, enough & ((seen < low - 2 * error) | (seen > high + 2 * error) | (high - low > 2 * error))

    def outlook(self, found: Expectation, rows: Indices, first: int, last: int) -> Outlook:
        """What is expected of the run of jobs `first` to `last`."""
        columns = np.arange(first, last + 1)
        of = self.of[rows, first : last + 1] if self.is_share else np.ones((len(rows), len(columns)))
        return found.of_run(of, columns % self.positions)

    def seen(self, rows: Indices, first: int, last: int) -> Floats:
        """The count of the run."""
        return np.asarray(self.count[rows, first : last + 1].sum(axis=1))


class JobTests(NamedTuple):
    """What a job has tested: one row per series and length of run that may be unusual, and how many others there are.

    `usual` tests have p-values of 1, as far as the correction goes: those above the level change no other's.
    """

    row: Indices
    length: Indices
    of: Floats
    seen: Floats
    mean: Floats
    error: Floats
    p_value: Floats
    usual: int


def job_tests(table: Table, job: int) -> JobTests:
    """The tests of one job."""
    found: list[tuple[NDArray[Any], ...]] = []
    usual = 0
    for length in RUNS if table.is_share else RUNS[:1]:
        first = job - length + 1
        if first < MIN_WEEKS * table.positions:
            continue
        days = slice(first, job + 1)
        whole = (table.usable[:, days] & ~table.flagged[:, days]).all(axis=1)
        of = table.of[:, days].sum(axis=1)
        rows = np.flatnonzero(whole & (of >= MIN_RUN) if table.is_share else whole)
        if not len(rows):
            continue
        if table.is_share:
            enough, odd = table.stands_out(rows, first, job)
            usual += int((enough & ~odd).sum())
            rows = rows[odd]
            if not len(rows):
                continue
        past, periods = table.past(rows, first)
        enough = (past.cases >= MIN_CASES) & (periods >= MIN_WEEKS * table.positions)
        outlook, seen = table.outlook(past, rows, first, job), table.seen(rows, first, job)
        p = past.p_values(outlook, seen, periods=length)
        if not table.is_share:
            p = np.where(past.as_extreme(outlook, seen) > RARE, 1.0, p)
        error = np.sqrt(past.phi * outlook.chance + outlook.level)
        columns = (rows, np.full(len(rows), length), outlook.cases, seen, outlook.mean, error, p)
        found.append(tuple(column[enough] for column in columns))
    if not found:
        found.append((np.zeros(0, np.int64), np.zeros(0, np.int64), *(np.zeros(0) for _ in range(5))))
    joined = [np.concatenate(column) for column in zip(*found, strict=True)]
    return JobTests(joined[0], joined[1], joined[2], joined[3], joined[4], joined[5], joined[6], usual)


def corrected(*tests: JobTests) -> list[Floats]:
    """The p-values of the tests of one job, corrected together."""
    p_values = np.concatenate([each.p_value for each in tests])
    more = 1 + sum(each.usual for each in tests) / max(len(p_values), 1)  # those of 1 come last, and change no other
    adjusted = np.minimum(benjamini_hochberg(p_values) * more, 1.0)
    return np.split(adjusted, np.cumsum([len(each.row) for each in tests]))[:-1]
