"""When does a share miss its target? By the interval of its last periods, which lies wholly on the wrong side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analytics.monitoring.watching.series import MIN_RUN, Flags
from analytics.statistics.intervals import Floats, wilson

RULES: Final = {"down": "below target", "up": "above target"}


@dataclass
class MissedTarget:
    """Jobs in a row that say so: `first` to `last` are the periods judged; `less` is what lacks, with its interval."""

    rule: str
    first: int
    last: int
    opened: int
    closed: int | None = None
    seen: int = 0
    of: int = 0
    less: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Cases:
    """The cases of a series by job: `of`, `count` of them, their customers, and which jobs are `usable`."""

    of: Floats
    count: Floats
    people: Floats
    usable: Flags

    def sums(self, own: NDArray[Any]) -> tuple[float, float]:
        """The cases of these jobs, and those that count."""
        return float(self.of[own].sum()), float(self.count[own].sum())

    def interval(self, own: NDArray[Any]) -> tuple[float, float]:
        """The interval of their share, judged by customers."""
        of, count = self.sums(own)
        size = min(of, float(self.people[own].sum()))
        low, high = wilson(count / of * size, size)
        return float(low), float(high)


def missed_targets(cases: Cases, target: float, periods: int, direction: str) -> Iterator[MissedTarget]:
    """The times in which the share of the last `periods` usable periods lay below the target, or above it.

    The interval is Wilson's, over as many cases as there are customers. Fewer than 30 cases are not judged, and neither
    open nor close anything.

    >>> days = np.full(9, 50.0)
    >>> cases = Cases(days, np.where(np.arange(9) < 4, 40.0, 10.0), days, days > 0)
    >>> [(one.first, one.last, one.closed) for one in missed_targets(cases, 0.7, 2, "down")]
    [(3, 8, None)]
    """
    there = np.flatnonzero(cases.usable)
    found: MissedTarget | None = None
    for place in range(periods - 1, len(there)):
        own = there[place - periods + 1 : place + 1]
        if cases.sums(own)[0] < MIN_RUN:
            continue
        low, high = cases.interval(own)
        if (high < target) if direction == "down" else (low > target):
            if found is None:
                found = MissedTarget(RULES[direction], int(own[0]), int(own[-1]), int(own[-1]))
            found.last = int(own[-1])
        elif found is not None:
            found.closed = int(own[-1])
            yield _counted(found, cases, target)
            found = None
    if found is not None:
        yield _counted(found, cases, target)


def _counted(found: MissedTarget, cases: Cases, target: float) -> MissedTarget:
    """The same with the counts of its periods."""
    own = np.flatnonzero(cases.usable[found.first : found.last + 1]) + found.first
    (of, seen), (low, high) = cases.sums(own), cases.interval(own)
    found.seen, found.of = round(seen), round(of)
    found.less = (target * of - seen, (target - high) * of, (target - low) * of)
    return found
