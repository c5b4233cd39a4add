"""One incident, one alert: unusual series of the same days and the same part of the journey are folded.

An incident is opened by the clearest unusual run of a job. It takes in every other unusual run that shares a day with
it and is **related**: of the same pair of touchpoints, of a pair that begins at or before its first touchpoint and ends
behind it, of a stage, the goal, an error or a touchpoint behind it. It is **carried** by its clearest member, pairs
before stages, and these before all others: that names the pair and the group. Its days are those in a row that
together are the most unlikely at the expected share: the run with the largest sum of log likelihood ratios. It stays
open while its last day is one of the newest two, and closes when the days since are more likely usual.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.monitoring.watching.series import Table

LEAD: Final = 5
"""Periods before an unusual run that may belong to its incident."""
USUAL_PERIODS: Final = 2
CLEAR: Final = 2.0
"""The log likelihood ratio by which the periods since must be usual before an incident closes."""
LONGEST: Final = 28
"""Periods after which what was unusual is the new usual."""
RANK: Final = {"pair": 3, "funnel": 3, "stage": 2, "goal": 1}


@dataclass(frozen=True)
class Watched:
    """One series: what is watched, for whom, and where it lies: its table, its row, and by how many jobs it is late.

    `window` is the time in which a case goes on. `watch` is the number of the watch that asked for it, -1 of what is
    watched without being asked; `floor`, `direction` and `level` are its bounds.
    """

    measure: str
    name: str
    by: str | None
    group: str | None
    table: int
    row: int
    delay: int
    watch: int = -1
    source: str | None = None
    target: str | None = None
    window: timedelta | None = None
    floor: float = 0.05
    direction: str = "both"
    level: float = 0.01


@dataclass
class Incident:
    """Days of the calendar from `first` to `last`; `opened` and `closed` are jobs, `members` numbers of series."""

    carrier: int
    first: int
    last: int
    opened: int
    p_corrected: float
    z: float
    since: int
    members: list[int] = field(default_factory=list)
    closed: int | None = None
    became_usual: bool = False
    alert: str = ""

    def overlaps(self, first: int, last: int) -> bool:
        """Whether days are those of the incident, or the next ones."""
        return first <= self.last + 1 and last >= self.first - 1

    def explains(self, first: int, last: int, z: float) -> bool:
        """Whether days may be those of the incident; a run that is both clearer and far shorter is one of its own."""
        return abs(z) <= abs(self.z) or 3 * (last - first + 1) >= self.last - self.first + 1


class Flows:
    """What comes after what, as far as incidents ask."""

    def __init__(self, follows: Mapping[tuple[str, str], float]) -> None:
        self._follows = follows

    def precedes(self, one: str, other: str) -> bool:
        """Whether a touchpoint is followed by another more often than the other way round."""
        return self._follows.get((one, other), 0.0) > self._follows.get((other, one), 0.0)

    def related(self, carrier: Watched, other: Watched, *, instead: bool = False) -> bool:
        """Whether another series would move when the carrier does; `instead`: as what customers do in place of it."""
        if (carrier.measure, carrier.name) == (other.measure, other.name):
            return True
        if carrier.source is None or carrier.target is None:
            return other.source is None or self.related(other, carrier)
        if other.source is not None and other.target is not None:
            starts = other.source == carrier.source or self.precedes(other.source, carrier.source)
            return starts and (instead or other.target == carrier.target or self.precedes(carrier.source, other.target))
        if other.measure == "touchpoint":
            return other.name in (carrier.source, carrier.target) or self.precedes(carrier.source, other.name)
        return other.measure in ("stage", "goal", "errors", "funnel")


def likelihoods(table: Table, row: int, days: tuple[int, int], start: int, stop: int) -> NDArray[np.float64]:
    """How much likelier every period of jobs `start` to `stop` is at the share of the jobs `days` than usual."""
    (first, last), rows = days, np.array([row])
    past, _ = table.past(rows, start)
    columns = np.arange(start, stop + 1)
    usual = past.expected[0, columns % table.positions]
    count, of_each = table.count[row, start : stop + 1], table.of[row, start : stop + 1]
    seen = table.count[row, first : last + 1].sum()
    expected = table.outlook(past, rows, first, last)
    if table.is_share:
        of = max(table.of[row, first : last + 1].sum(), 1.0)
        shift = np.log((seen + 0.5) / (of - seen + 0.5)) - np.log(
            (expected.mean[0] + 0.5) / (of - expected.mean[0] + 0.5)
        )
        changed = 1 / (1 + np.exp(-(np.log(usual / (1 - usual)) + shift)))
        ratio = count * np.log(changed / usual) + (of_each - count) * np.log((1 - changed) / (1 - usual))
    else:
        factor = (seen + 0.5) / (expected.mean[0] + 0.5)
        ratio = count * np.log(factor) - usual * (factor - 1)
    return np.asarray(ratio / past.phi[0])


def most_unlikely(ratios: NDArray[np.float64]) -> tuple[int, int]:
    """The first and last of the periods in a row with the largest sum.

    >>> most_unlikely(np.array([-1.0, 2.0, -0.5, 3.0, -4.0]))
    (1, 3)
    """
    best, here, begin, found = -np.inf, 0.0, 0, (0, 0)
    for number, ratio in enumerate(ratios):
        if here <= 0:
            here, begin = 0.0, number
        here += ratio
        if here > best:
            best, found = here, (begin, number)
    return found
