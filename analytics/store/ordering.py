"""Sorts touches by customer and time, and cuts them into parts.

A customer key of any type is first mapped to a dense integer; one pass over (integer, time) then sorts all touches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from analytics.store.columns import AT, CUSTOMER, SECOND

TOUCHES_PER_PART: Final = 1_000_000


def sorted_touches(touches: pl.DataFrame, sequence: str | None = None) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    """The sorted touches, the customer keys in that order, and each customer's number of touches (UInt32).

    Touches of one instant are ordered by `sequence`, if there is one, else as in the frame.
    """
    by = [CUSTOMER, AT, *([sequence] if sequence else [])]
    ordered = touches.sort(by, maintain_order=True)
    runs = ordered[CUSTOMER].rle().struct.unnest()
    return ordered, runs["value"].alias(CUSTOMER), runs["len"].cast(pl.UInt32)


def in_order(customers: pl.Series, times: pl.Series) -> bool:
    """Whether rows are sorted by customer, then time, and contain no nulls.

    >>> in_order(pl.Series([1, 1, 2]), pl.Series([5, 7, 3])), in_order(pl.Series([1, 1]), pl.Series([7, 5]))
    (True, False)
    """
    if not customers.is_sorted() or customers.null_count() or times.null_count():
        return False
    decreasing = (times < times.shift(1)).arg_true()
    return not (customers.gather(decreasing) == customers.gather(decreasing - 1)).any()


def by_code_and_time(codes: pl.Series, times: pl.Series) -> pl.Series:
    """The sort order by customer code (an integer from 0) and time (Datetime); ties come in any order.

    Sorts a single integer when both fit into 64 bits, which is twice as fast.

    >>> from datetime import datetime
    >>> by_code_and_time(pl.Series([2, 1]), pl.Series([datetime(2024, 1, 1), datetime(2024, 1, 2)])).to_list()
    [1, 0]
    """
    if codes.is_empty():
        return pl.Series([], dtype=pl.UInt32)
    time = times.to_physical()
    if not (time % SECOND != 0).any():
        time //= SECOND
    lowest, highest, largest_code = (int(bound) for bound in (time.min(), time.max(), codes.max()))  # type: ignore[arg-type]
    bits = (highest - lowest).bit_length()
    if bits + largest_code.bit_length() > 64:
        both = pl.DataFrame([codes.alias("code"), time.alias("time")])
        return both.select(pl.arg_sort_by("code", "time")).to_series()
    key = codes.cast(pl.UInt64) * 2**bits + (time - lowest).cast(pl.UInt64)
    order: pl.Series = key.arg_sort()
    return order


def split_at_customers(counts: pl.Series, size: int = TOUCHES_PER_PART) -> Iterator[tuple[slice, slice]]:
    """Slices of touches and of customers, each of about `size` touches; no customer is cut in two.

    Without touches there is one empty slice of each.
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
