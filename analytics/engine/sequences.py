"""The touches of one part as sequences of codes: what every scan and every measure of paths reads.

A **sequence** is the run of touches of one unit (a customer, journey or session), in time order. A code stands for a
word of a column, or for the set of conditions that a touch meets. Funnels add what steps each code means
(`funnels.sequences`), measures of paths add how each unit ends and its groups (`paths.sequences`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """Sequence `i` has `codes[bounds[i] : bounds[i + 1]]`, each at `times` (in units of `scale` microseconds).

    `customer` is the number of each sequence's customer in the part; sequences of one customer lie side by side.
    `rows` is the row of the part for every touch; None when touch `t` is row `t`.
    """

    codes: Ints
    times: Ints
    scale: int
    bounds: NDArray[np.int64]
    customer: Ints
    rows: Ints | None

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of touches of each sequence."""
        return np.diff(self.bounds)

    def sequence_numbers(self) -> NDArray[np.int64]:
        """The number of the sequence that each touch lies in."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def microseconds(self, touches: Ints) -> NDArray[np.int64]:
        """The times of touches in microseconds since 1970."""
        return self.times[touches].astype(np.int64) * self.scale

    def row_of(self, touches: Ints) -> Ints:
        """The rows of touches in the part; -1 stays -1."""
        if self.rows is None:
            return touches
        return np.where(touches < 0, -1, self.rows[np.maximum(touches, 0)]).astype(touches.dtype, copy=False)


def first_at_least(times: NDArray[np.int64], low: Ints, high: Ints, least: Ints) -> Ints:
    """The first row from `low` to `high` whose time is `least` or later, of many searches; times rise within each.

    >>> first_at_least(np.array([1, 3, 5, 2, 4]), np.array([0, 3]), np.array([2, 4]), np.array([2, 4])).tolist()
    [1, 4]
    """
    low, high = low.copy(), high.copy()
    while (open_ := low < high).any():
        middle = np.minimum((low + high) // 2, len(times) - 1)
        later = times[middle] >= least
        high = np.where(open_ & later, middle, high)
        low = np.where(open_ & ~later, middle + 1, low)
    return low
