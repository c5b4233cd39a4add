"""Cuts the touches of a part into paths: those that end with a goal, and those that end without one.

A **conversion** is a goal touch; its path are the customer's eligible touches at most the lookback before it, and after
the goal before. Touches of the goal's instant are before it. What is left over is cut at goals and where two touches,
or a touch and the goal, are further apart than the lookback: such a piece is a **loss** once its last touch is so long
ago, and **open** before that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.engine.sequences import Ints, first_at_least
from analytics.store.parts import rows_of_runs

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class CreditPaths:
    """The paths of a part. `touches` are the rows of its eligible touches; a path is a run of them, which may be empty.

    `low` and `high` are where the runs begin and end, `end` is the row of the goal, or that of the last touch. The
    paths of the conversions come first, in their order; the number `converted` says how many these are. Then come the
    losses, which are over. `opened` are the last touches of the pieces that are open.
    """

    touches: Ints
    low: Ints
    high: Ints
    end: Ints
    converted: int
    opened: Ints

    def __len__(self) -> int:
        return len(self.end)

    @property
    def lengths(self) -> Ints:
        """How many touches each path has."""
        return self.high - self.low

    def rows(self) -> tuple[Ints, Ints]:
        """The rows of the touches of all paths, one path after the other, and the path of each."""
        run = rows_of_runs(self.low, self.lengths).astype(np.int64)
        return self.touches[run], np.repeat(np.arange(len(self)), self.lengths)

    def among(self, times: Ints, start: int, end: int) -> CreditPaths:
        """The paths whose goal, or last touch, lies from `start` to before `end`."""
        inside = (times[self.end] >= start) & (times[self.end] < end)
        opened = self.opened[(times[self.opened] >= start) & (times[self.opened] < end)]
        converted = int(inside[: self.converted].sum())
        return CreditPaths(self.touches, self.low[inside], self.high[inside], self.end[inside], converted, opened)


def credit_paths(
    times: Ints, bounds: Ints, eligible: Flags, goal: Flags, *, lookback: int, end_of_data: int, reset: bool
) -> CreditPaths:
    """The paths of touches that lie customer by customer, in the order of their times.

    Customer `i` has the rows `bounds[i]` to `bounds[i + 1]`. Times, the lookback and the end of the data have one unit.
    Goals are never touches of a path. With `reset` a path begins after the goal before; without, it may reach past it.

    >>> times, bounds = np.array([0, 1, 2, 9]), np.array([0, 4])
    >>> goal = np.array([False, False, True, False])
    >>> found = credit_paths(times, bounds, ~goal, goal, lookback=5, end_of_data=20, reset=True)
    >>> found.rows()[0].tolist(), found.rows()[1].tolist(), found.converted
    ([0, 1, 3], [0, 0, 1], 1)
    """
    touches, goals = np.flatnonzero(eligible & ~goal), np.flatnonzero(goal)
    at, begins = times[touches], np.searchsorted(touches, bounds)
    customer = np.searchsorted(bounds, goals, side="right") - 1
    first, last = begins[customer], begins[customer + 1]
    high = first_at_least(at, first, last, times[goals] + 1)
    low = first_at_least(at, first, high, times[goals] - lookback)
    same = np.append(False, customer[1:] == customer[:-1])[: len(goals)]
    before = np.where(same, np.roll(high, 1), first)
    if reset:
        low = np.maximum(low, before)
    ended = high > before
    reached = np.zeros(len(at), np.bool_)
    reached[high[ended] - 1] = times[goals[ended]] - at[high[ended] - 1] <= lookback
    piece = _Pieces.of(at, np.append(begins, high), reached, lookback)
    over = at[piece.last] + lookback <= end_of_data
    lost, opened = piece.unfinished & over, piece.unfinished & ~over
    return CreditPaths(
        touches,
        np.concatenate([low, piece.first[lost]]),
        np.concatenate([high, piece.last[lost] + 1]),
        np.concatenate([goals, touches[piece.last[lost]]]),
        len(goals),
        touches[piece.last[opened]],
    )


@dataclass(frozen=True)
class _Pieces:
    """The first and the last touch of each piece, and which of them did not end with a goal."""

    first: Ints
    last: Ints
    unfinished: Flags

    @classmethod
    def of(cls, at: Ints, edges: Ints, reached: Flags, lookback: int) -> _Pieces:
        """Cuts touches at the edges and at gaps; `reached` says after which touch a goal is reached in time."""
        cut = np.zeros(len(at) + 1, np.bool_)
        cut[edges] = True
        cut[1:-1] |= np.diff(at) > lookback
        first = np.flatnonzero(cut[:-1])
        last = np.append(first[1:], len(at))[: len(first)] - 1
        return cls(first, last, ~reached[last])
