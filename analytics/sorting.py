"""How are touches brought into order: customer after customer, each by time, ties as declared?

A customer key of any type is first turned into a dense whole number. Then one pass over (number, time) orders all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from analytics.parts import AT, CUSTOMER

TOUCHES_PER_PART: Final = 1_000_000


def sorted_touches(touches: pl.DataFrame, sequence: str | None = None) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    """Touches in order, the customer keys in that order, and each customer's count of touches (u32).

    Touches of one instant follow `sequence` when it is given, else the order of the frame.
    """
    by = [CUSTOMER, AT, *([sequence] if sequence else [])]
    ordered = touches.sort(by, maintain_order=True)
    runs = ordered[CUSTOMER].rle().struct.unnest()
    return ordered, runs["value"].alias(CUSTOMER), runs["len"].cast(pl.UInt32)


def split_at_customers(counts: pl.Series, size: int = TOUCHES_PER_PART) -> Iterator[tuple[slice, slice]]:
    """Slices of touches and of customers, each of about `size` touches, that never cut a customer in two.

    No touches give one empty part.
    """
    ends = counts.cast(pl.Int64).cum_sum().to_numpy()
    touch = person = 0
    if not len(ends):
        yield slice(0, 0), slice(0, 0)
    while person < len(ends):
        stop = max(person + 1, int(np.searchsorted(ends, touch + size, side="right")))
        end = int(ends[stop - 1])
        yield slice(touch, end), slice(person, stop)
        touch, person = end, stop
