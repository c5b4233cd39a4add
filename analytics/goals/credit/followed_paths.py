"""Cuts the touches of a part into paths that are all followed for as long, whatever comes of them.

Paths that are cut by their goals cannot be compared with each other: near the end of the data those with a goal are
known, and those without are still open. A **followed** path begins with a touch after the path before, and is over with
a goal, or the lookback after its first touch. It is **mature** when that time lies before the end of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.engine.sequences import Ints, first_at_least
from analytics.goals.credit.credit_paths import Flags
from analytics.store.parts import rows_of_runs


@dataclass(frozen=True)
class FollowedPaths:
    """The followed paths of a part, in the order of its rows.

    `touches` are the rows of the eligible touches; a path is the run of them from `low` to `high`. `reached` says which
    paths end with a goal, `mature` which are followed for the whole lookback.
    """

    touches: Ints
    low: Ints
    high: Ints
    reached: Flags
    mature: Flags

    @property
    def first(self) -> Ints:
        """The row of the first touch of each path."""
        return self.touches[self.low]

    def only(self, kept: Flags) -> FollowedPaths:
        """Some of the paths."""
        return FollowedPaths(self.touches, self.low[kept], self.high[kept], self.reached[kept], self.mature[kept])

    def rows(self) -> tuple[Ints, Ints]:
        """The rows of the touches of all paths, one path after the other, and the path of each."""
        lengths = self.high - self.low
        run = rows_of_runs(self.low, lengths).astype(np.int64)
        return self.touches[run], np.repeat(np.arange(len(self.low)), lengths)


def followed_paths(
    times: Ints, bounds: Ints, eligible: Flags, goal: Flags, *, lookback: int, end_of_data: int
) -> FollowedPaths:
    """The followed paths of touches that lie customer by customer, in the order of their times.

    Customer `i` has the rows `bounds[i]` to `bounds[i + 1]`. A goal is reached at most the lookback after the first
    touch of its path; touches of the goal's instant lie before it, and goals are never touches of a path.

    >>> times, bounds = np.array([0, 1, 2, 9]), np.array([0, 4])
    >>> goal = np.array([False, False, True, False])
    >>> found = followed_paths(times, bounds, ~goal, goal, lookback=5, end_of_data=12)
    >>> found.first.tolist(), found.reached.tolist(), found.mature.tolist()
    ([0, 3], [True, False], [True, False])
    """
    touches, goals = np.flatnonzero(eligible & ~goal), np.flatnonzero(goal)
    at, begins = times[touches], np.searchsorted(touches, bounds)
    of_goals = np.searchsorted(bounds, goals, side="right") - 1
    after = first_at_least(at, begins[of_goals], begins[of_goals + 1], times[goals] + 1)
    edges = np.unique(np.concatenate([begins, after, [len(touches)]]))
    low = _begun(at, edges[:-1], edges[1:], lookback)
    inside = np.searchsorted(edges, low, side="right")
    high = np.minimum(np.append(low[1:], len(touches))[: len(low)], edges[inside])
    customer = np.searchsorted(bounds, touches[low], side="right") - 1
    own = np.searchsorted(goals, bounds)
    following = first_at_least(times[goals], own[customer], own[customer + 1], at[low])
    there = following < own[customer + 1]
    reached = np.zeros(len(low), np.bool_)
    reached[there] = times[goals[following[there]]] - at[low[there]] <= lookback
    return FollowedPaths(touches, low, high, reached, at[low] + lookback <= end_of_data)


def _begun(at: Ints, first: Ints, end: Ints, lookback: int) -> Ints:
    """The touches with which paths begin: the first of each run, and each that lies beyond the lookback of the last."""
    found = [first]
    while len(first):
        beyond = first_at_least(at, first, end, at[first] + lookback + 1)
        first, end = beyond[beyond < end], end[beyond < end]
        found.append(first)
    return np.sort(np.concatenate(found))
