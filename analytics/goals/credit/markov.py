"""Solves the chain of values that customers move along: what is lost when every move to a value goes nowhere?

The states of a chain of order k are the last k values. All removal effects come from one inverse: a removed value is
where a customer would be lost who gets there, so the share lost is the chance to get to one of its states at all, times
the chance to convert from there, over the chance to convert (Anderl and others, Mapping the Customer Journey,
International Journal of Research in Marketing 33, 2016, with the chain solved, not simulated).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.engine.sequences import Ints
from analytics.statistics.intervals import Floats

MAX_DENSE: Final = 500
"""With more states than this the chain is solved value by value, with sparse matrices."""
CONVERTED: Final = -1
LOST: Final = -2
"""What a path gets to at its end."""


@dataclass(frozen=True)
class Chain:
    """The moves of a chain: from state `source[i]` to state `target[i]`.

    State 0 is the start. Of the `size` states that can be left, `value[state]` is the number of the value that the
    state ends with, -1 for the start. Target `size` is a conversion, `size + 1` a loss.

    >>> chain = Chain.of(np.array([0, 0, 1, 1, 2]), np.array([1, 2, 2, -2, -1]), 3, order=1)
    >>> chain.removal(np.array([2, 1, 1, 1, 2])).round(6).tolist()[:2]
    [0.5, 1.0]
    """

    source: Ints
    target: Ints
    value: Ints
    values: int

    @classmethod
    def of(cls, source: Ints, target: Ints, values: int, *, order: int) -> Chain:
        """The chain of moves that `moves` wrote, with its states numbered in the order of their codes."""
        states = np.unique(np.append(source, 0))
        base = values + 1
        ended, following = target < 0, (source * base + target) % base**order
        reached = np.searchsorted(states, np.where(ended, 0, following))
        ends = np.where(target == CONVERTED, len(states), len(states) + 1)
        value = states % base - 1
        return cls(np.searchsorted(states, source), np.where(ended, ends, reached), value, values)

    @property
    def size(self) -> int:
        """How many states can be left."""
        return len(self.value)

    @property
    def is_small(self) -> bool:
        """Whether one inverse gives all removal effects."""
        return self.size <= MAX_DENSE

    def removal(self, counts: NDArray[np.int64]) -> Floats:
        """The share of the conversions that is lost without each value; NaN where there is no conversion.

        `counts` says how often each move was made. A value that nobody gets to has 0.
        """
        leaving = np.bincount(self.source, counts, self.size)
        with np.errstate(divide="ignore", invalid="ignore"):
            chance = np.where(counts > 0, counts / leaving[self.source], 0.0)
        wins = self.target == self.size
        convert: Floats = np.bincount(self.source[wins], chance[wins], self.size).astype(np.float64)
        return self._dense(chance, convert) if self.is_small else self._sparse(chance, convert)

    def _dense(self, chance: Floats, convert: Floats) -> Floats:
        inner = self.target < self.size
        moves = np.zeros((self.size, self.size))
        moves[self.source[inner], self.target[inner]] = chance[inner]
        visits = np.linalg.inv(np.eye(self.size) - moves)
        worth = visits @ convert
        lost = np.zeros(self.values)
        if len(self._states) == self.size - 1:  # a state each, as in a chain of order 1
            own = np.arange(1, self.size)
            lost[self.value[own]] = visits[0, own] / visits.diagonal()[own] * worth[own]
            return _share(lost, worth[0])
        for value, own in self._states.items():
            first = np.linalg.solve(visits[np.ix_(own, own)].T, visits[0, own])
            lost[value] = first @ worth[own]
        return _share(lost, worth[0])

    @cached_property
    def _states(self) -> dict[int, Ints]:
        """The states that end with each value."""
        return {int(value): np.flatnonzero(self.value == value) for value in np.unique(self.value[1:])}

    def _sparse(self, chance: Floats, convert: Floats) -> Floats:
        from scipy.sparse import csc_array, eye_array
        from scipy.sparse.linalg import splu

        inner = self.target < self.size
        source, target, weight = self.source[inner], self.target[inner], chance[inner]

        def chance_without(value: int) -> float:
            kept = self.value[target] != value
            moves = csc_array((weight[kept], (source[kept], target[kept])), shape=(self.size, self.size))
            return float(splu(csc_array(eye_array(self.size) - moves)).solve(convert)[0])

        whole = chance_without(len(self.value) + self.values)
        return _share(np.array([whole - chance_without(value) for value in range(self.values)]), whole)


def _share(lost: Floats, whole: float) -> Floats:
    """The share that is lost, without what rounding leaves beyond 0 and 1."""
    return np.clip(lost / whole, 0.0, 1.0) if whole > 0 else np.full(len(lost), np.nan)


def moves(codes: Ints, path: Ints, converted: NDArray[np.bool_], values: int, order: int) -> tuple[Ints, Ints, Ints]:
    """The moves of paths, repeats in a row joined: the code of the state left, the value got to, and the path.

    `codes` are the values of the touches, path by path; `converted` says of each path whether it ends with a goal. A
    state is the last `order` values, each plus one, as the digits of a number to the base of `values` + 1; the start is
    0. The value got to is a code plus one, `CONVERTED` or `LOST`.

    >>> [each.tolist() for each in moves(np.array([0, 0, 1]), np.array([0, 0, 0]), np.array([True]), 2, 1)]
    [[0, 1, 2], [1, 2, -1], [0, 0, 0]]
    """
    first = np.append(True, path[1:] != path[:-1])[: len(path)]
    kept = first | np.append(True, codes[1:] != codes[:-1])[: len(path)]
    codes, path, first = codes[kept], path[kept], first[kept]
    begin = np.maximum.accumulate(np.where(first, np.arange(len(path)), 0))
    base, state = values + 1, np.zeros(len(path), np.int64)
    for back in range(min(order, int((np.arange(len(path)) - begin).max(initial=0)) + 1)):
        there = np.arange(len(path)) - back >= begin
        state += np.where(there, (np.roll(codes, back) + 1) * base**back, 0)
    last = np.append(path[1:] != path[:-1], True)[: len(path)]
    source = np.where(first, 0, np.roll(state, 1))
    ends = np.where(converted[path[last]], CONVERTED, LOST)
    return (
        np.concatenate([source, state[last]]),
        np.concatenate([codes + 1, ends]),
        np.concatenate([path, path[last]]),
    )
