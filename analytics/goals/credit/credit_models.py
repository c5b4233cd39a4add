"""The rules by which the touches of a path share its credit, and sums of credits that do not depend on their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from analytics.engine.sequences import Ints
from analytics.goals.credit.definition import Attribution
from analytics.statistics.intervals import Floats

BITS: Final = 26
WHOLE: Final = 1 << BITS
"""A credit is held as two integers: units, and parts of a unit. A conversion has this many units, as a unit parts."""


@dataclass(frozen=True)
class PathTouches:
    """The touches of paths, path by path: the path of each, its value, and its age at the goal in microseconds."""

    path: Ints
    codes: Ints
    age: Ints

    def __len__(self) -> int:
        return len(self.path)

    def only(self, kept: Ints) -> PathTouches:
        """Some of the touches, in their order."""
        return PathTouches(self.path[kept], self.codes[kept], self.age[kept])

    def distinct(self) -> PathTouches:
        """One touch per path and value: the first."""
        size = int(self.codes.max(initial=0)) + 1
        kept = np.unique(self.path * size + self.codes, return_index=True)[1]
        return self.only(np.sort(kept))

    def without(self, ignored: Ints) -> PathTouches:
        """Without the touches of ignored values on paths that have another value, too."""
        is_ignored = np.isin(self.codes, ignored)
        others = np.unique(self.path[~is_ignored])
        return self.only(np.flatnonzero(~is_ignored | ~np.isin(self.path, others)))

    @property
    def firsts(self) -> Ints:
        """The place of the first touch of every path that has one."""
        return np.flatnonzero(np.append(True, self.path[1:] != self.path[:-1])[: len(self)])

    @property
    def lasts(self) -> Ints:
        """The place of the last touch of every path that has one."""
        return np.append(self.firsts[1:], len(self))[: len(self.firsts)] - 1

    @property
    def counts(self) -> Ints:
        """How many touches the path of each touch has."""
        sizes = self.lasts - self.firsts + 1
        return np.repeat(sizes, sizes)


def _first(touches: PathTouches, _: Attribution) -> tuple[PathTouches, Floats]:
    return touches.only(touches.firsts), np.ones(len(touches.firsts))


def _last(touches: PathTouches, _: Attribution) -> tuple[PathTouches, Floats]:
    return touches.only(touches.lasts), np.ones(len(touches.lasts))


def _linear(touches: PathTouches, _: Attribution) -> tuple[PathTouches, Floats]:
    return touches, 1 / touches.counts


def _position(touches: PathTouches, asked: Attribution) -> tuple[PathTouches, Floats]:
    """The first and the last touch have weights of their own, all between one together; without any, their ratio."""
    first, middle, last = asked.weights
    counts, ends = touches.counts, first + last
    with np.errstate(divide="ignore"):
        share = np.where(counts > 2, middle / np.maximum(counts - 2, 1), 0.0)
    for place, weight in ((touches.firsts, first), (touches.lasts, last)):
        alone = weight / ends if ends else 0.5
        share[place] = np.where(counts[place] > 2, weight, np.where(counts[place] == 2, alone, 1.0))
    return touches, share


def _time_decay(touches: PathTouches, asked: Attribution) -> tuple[PathTouches, Floats]:
    """A touch counts half as much as one that is nearer to the goal by the half-life."""
    half_life = asked.half_life.total_seconds() * 1e6
    youngest = np.repeat(touches.age[touches.lasts], touches.lasts - touches.firsts + 1)
    weight = np.exp2(-(touches.age - youngest) / half_life)
    return touches, weight / np.repeat(np.add.reduceat(weight, touches.firsts), touches.lasts - touches.firsts + 1)


def _participation(touches: PathTouches, _: Attribution) -> tuple[PathTouches, Floats]:
    distinct = touches.distinct()
    return distinct, np.ones(len(distinct))


def _shapley(touches: PathTouches, _: Attribution) -> tuple[PathTouches, Floats]:
    """All values on the path share equally, which is the Shapley value (Zhao, Mahboobi, Bagheri 2018)."""
    distinct = touches.distinct()
    return distinct, 1 / distinct.counts


Rule = Callable[[PathTouches, Attribution], tuple[PathTouches, Floats]]
RULES: Final[Mapping[str, Rule]] = {
    "first": _first,
    "last": _last,
    "linear": _linear,
    "position": _position,
    "time_decay": _time_decay,
    "participation": _participation,
    "shapley": _shapley,
}
"""All models but Markov: which touches earn, and which share of the conversion."""


def shared_out(amount: Ints, touches: PathTouches, share: Floats, *, adds: bool) -> tuple[Ints, Ints]:
    """What each touch earns of the amount of its path: whole units, and parts of a unit (`WHOLE` to one).

    Where the shares of a path add up, the last touch earns what the others leave, so that nothing is lost or made by
    rounding: sums of integers do not depend on their order.

    >>> path = PathTouches(np.zeros(3, np.int64), np.arange(3), np.zeros(3, np.int64))
    >>> units, parts = shared_out(np.array([10]), path, np.full(3, 1 / 3), adds=True)
    >>> units.tolist(), int(units.sum()) * WHOLE + int(parts.sum()) == 10 * WHOLE
    ([3, 3, 3], True)
    """
    exact = amount[touches.path] * share
    units = np.floor(exact).astype(np.int64)
    parts = np.round((exact - units) * WHOLE).astype(np.int64)
    if adds and len(touches):
        lasts, firsts = touches.lasts, touches.firsts
        rest = [np.add.reduceat(each, firsts) - each[lasts] for each in (units, parts)]
        carried = -(-rest[1] // WHOLE)
        units[lasts] = amount[touches.path[lasts]] - rest[0] - carried
        parts[lasts] = carried * WHOLE - rest[1]
    return units, parts
