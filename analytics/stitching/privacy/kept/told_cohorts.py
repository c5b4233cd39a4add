"""Removes what the lake's table `journeys` tells of cohorts that may count a removed customer.

Rows told before and after an erasure differ by exactly the customer. A row counts the journeys that begin from its
cohort's start to its end, so the rows of every cohort in which the customer had an event go. The next report tells the
cohorts of the data that is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from expectations.lake.erase import Erased, erase
from expectations.lake.layout import JOURNEYS, Lake
from expectations.lake.matching import conditions
from expectations.lake.tables import scan

_TIME: Final = pl.Datetime("us", "UTC")
_COHORT: Final = pl.Schema({"journey": pl.String(), "key": pl.String(), "cohort": _TIME, "cohort_end": _TIME})


def forget_cohorts(lake: Lake, times: pl.Series) -> Erased:
    """Removes the rows of every cohort in which one of these times of events lies."""
    return erase(lake, JOURNEYS, _rows_with(lake, times))


def _rows_with(lake: Lake, times: pl.Series) -> Iterator[str]:
    """SQL conditions for the rows of these cohorts."""
    rows = scan(lake, JOURNEYS, _COHORT).collect()
    counted = rows.filter(hold_one(rows["cohort"], rows["cohort_end"], times))
    return conditions(counted.select("journey", "key"), "key") if len(counted) else iter(())


def hold_one(starts: pl.Series, ends: pl.Series, times: pl.Series) -> pl.Series:
    """Whether one of some times lies in each period, from its start to before its end; null starts hold none.

    >>> from datetime import datetime
    >>> first, second = (pl.Series([datetime(2026, 1, day)], dtype=_TIME) for day in (1, 2))
    >>> hold_one(first, second, first).to_list(), hold_one(first, second, second).to_list()
    ([True], [False])
    """
    at = times.cast(_TIME).drop_nulls().sort()
    if starts.is_empty() or at.is_empty():
        return pl.Series([False] * len(starts), dtype=pl.Boolean)
    return pl.Series(at.search_sorted(ends, side="left") > at.search_sorted(starts, side="left"))
