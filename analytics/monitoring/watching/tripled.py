"""Which touchpoints have tripled? Those of which a week has three times the touches that its past leads to expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from analytics.monitoring.watching.incidents import LONGEST
from analytics.monitoring.watching.series import MIN_RUN, MIN_WEEKS, PAST_WEEKS, Flags, Table
from analytics.statistics.corrections import benjamini_hochberg
from analytics.statistics.intervals import Floats

TIMES: Final = 3.0
BURST: Final = 1.5
"""A week is no burst of its kind when it has so many times the touches of the largest week of its past."""
MIN_USUAL: Final = 5
"""Touches of the past from which on three times as many mean something."""


@dataclass
class Tripled:
    """A run of periods: those of the first week that had tripled, up to the newest; `opened`, `closed` are jobs."""

    row: int
    first: int
    last: int
    opened: int
    seen: int
    expected: float
    p_corrected: float
    closed: int | None = None


def tripled(table: Table, rows: list[int], level: float) -> list[Tripled]:
    """The rows of counts that tripled in a week of periods (one period, where these are weeks), oldest first.

    The week is set against the mean of the six weeks before it (three at least): it has three times the touches, 30 or
    more, half as many again as the largest week there, and a Poisson p-value, with the touches of a customer in a
    period as spread, that is below the level when corrected over all rows of the job (Benjamini-Hochberg). It stays
    open while it has three times what was usual when it was found, for 28 periods at most: that is usual then.
    """
    size, week = table.count.shape[1], table.positions
    open_ones: dict[int, Tripled] = {}
    found = []
    for job in range(week * (MIN_WEEKS + 1) - 1, size):
        tested = [(row, *_week(table.count[row], table.usable[row], job, week)) for row in rows]
        there = [(row, now, mean, most) for row, now, mean, most in tested if now is not None]
        if not there:
            continue
        clumps = np.ones(len(table.count)) if table.clumps is None else np.maximum(table.clumps, 1.0)
        p_values = [_at_least(now / clumps[row], mean / clumps[row]) for row, now, mean, _ in there]
        for (row, now, mean, most), p in zip(there, benjamini_hochberg(p_values), strict=True):
            own = open_ones.get(row)
            if own is None and p < level and now >= max(TIMES * mean, MIN_RUN) and now >= BURST * most:
                own = open_ones[row] = Tripled(row, job - week + 1, job, job, 0, mean / week, float(p))
                found.append(own)
            elif own is not None and (now < TIMES * own.expected * week or job - own.opened >= LONGEST):
                own.closed = job
                del open_ones[row]
            elif own is not None:
                own.last = job
    for one in found:
        one.seen = round(float(table.count[one.row, one.first : one.last + 1].sum()))
        one.expected *= one.last - one.first + 1
    return found


def _at_least(count: float, mean: float) -> float:
    """The chance of so many, or more, where a mean was expected (Poisson).

    It is that of `scipy.stats.poisson`, whose import would take longer than the watch of a small lake.
    """
    from scipy.special import pdtrc

    return 1.0 if count < 1 else float(pdtrc(count - 1, mean))


def _week(count: Floats, usable: Flags, job: int, week: int) -> tuple[float | None, float, float]:
    """The touches of the week that ends with a job, the mean of a week of its past, and the largest; none without."""
    first = job - week + 1
    begin = max(0, first - PAST_WEEKS * week)
    known = usable[begin:first]
    if not usable[first : job + 1].all() or known.sum() < MIN_WEEKS * week:
        return None, 0.0, 0.0
    past = count[begin:first] * known
    if past.sum() < MIN_USUAL or not past[: len(past) - 2 * week].any():
        return None, 0.0, 0.0
    sums = np.convolve(past, np.ones(week), "valid")
    return float(count[first : job + 1].sum()), float(past.sum() / known.sum() * week), float(sums.max())
