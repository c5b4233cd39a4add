"""The next of some touches after a touch, and the last of some before it: rows of a part, in order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.store.parts import Part

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
NONE = -1


@dataclass(frozen=True)
class Neighbours:
    """The touches of a part in order: when they are, in microseconds, and the first row and the end of their customer
    and of their instant.
    """

    times: Ints
    first: Ints
    end: Ints
    instant: Ints
    instant_end: Ints

    @classmethod
    def of(cls, part: Part) -> Neighbours:
        """Those of a part; of a part that is held they are made once."""
        return part.once("neighbours", lambda: cls._made(part))

    @classmethod
    def _made(cls, part: Part) -> Neighbours:
        times, bounds = part.times(), part.bounds()
        begins = np.zeros(len(times) + 1, np.bool_)
        begins[bounds] = True
        own = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        begins[1:-1] |= times[1:] != times[:-1]
        instants = np.flatnonzero(begins)
        of = np.cumsum(begins[:-1]) - 1
        return cls(times, bounds[own], bounds[own + 1], instants[of], instants[of + 1])

    def later(self, rows: Ints, found: Ints) -> Ints:
        """The time from each of these rows to the customer's next of `found` at a later instant; `NONE` without one."""
        row = row_after(found, self.instant_end[rows], self.end[rows])
        return np.where(row == NONE, NONE, self.times[row] - self.times[rows])

    def earlier(self, rows: Ints, found: Ints) -> Ints:
        """The customer's last of the rows `found` at an earlier instant than each of these; `NONE` without one."""
        place = np.searchsorted(found, self.instant[rows]) - 1
        row = np.append(found, NONE)[place]  # place -1 is the last one: NONE
        return np.where(row >= self.first[rows], row, NONE)


def row_after(found: Ints, after: Ints, limit: Ints) -> Ints:
    """The first of the rows `found` from `after` on and before `limit`, for each of these; `NONE` without one.

    >>> row_after(np.array([2, 5]), np.array([0, 3, 3]), np.array([4, 4, 9])).tolist()
    [2, -1, 5]
    """
    row = np.append(found, np.iinfo(np.int64).max)[np.searchsorted(found, after)]
    return np.where(row < limit, row, NONE)


def lies_within(wait: Ints, most: float) -> Flags:
    """Which waits have ended, and took no longer than this; `NONE` has not."""
    found: Flags = (wait != NONE) & (wait <= most)
    return found
