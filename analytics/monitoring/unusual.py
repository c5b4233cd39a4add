"""Has a share moved more than chance explains, from one period to the next?

The share of a period is *unusual* when it lies outside the range expected from the periods before it: their median,
plus or minus a number of spreads. The spread is the larger of the periods' own (1.4826 times the median absolute
deviation) and the standard error of a share of that many. Source of the spread: Rousseeuw and Croux, Alternatives to
the Median Absolute Deviation (1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import median

import polars as pl


def unusual_periods(
    shares: pl.DataFrame,
    keys: Sequence[str] = (),
    *,
    spreads: float = 4.0,
    periods_before: int = 8,
    min_periods: int = 4,
) -> pl.DataFrame:
    """The range that every share was expected in, judged by the up to `periods_before` periods before it of its series.

    In: one row per period of a series: the columns `keys` that tell the series apart, `period`, `n` Int64 or Float64
    (as many independent units as those are worth of which the share is: `effective_previous` of a stage funnel),
    `share` Float64 (null where it is not known), and `settled` Boolean: whether it is final and of enough to be judged.
    Out: the same rows, by series in their first order and period, with `usual` (the median of the settled periods
    before, without unusual ones), `low`, `high` Float64 (null after fewer than `min_periods` of them, or without a
    share) and `unusual` Boolean (settled, and outside the range).

    >>> weeks = pl.DataFrame({"period": range(5), "n": 400, "share": [0.5, 0.52, 0.49, 0.5, 0.1], "settled": True})
    >>> unusual_periods(weeks)["unusual"].to_list()
    [False, False, False, False, True]
    """
    ordered = shares.sort("period")
    series = ordered.partition_by(keys, maintain_order=True) if keys else [ordered]
    return pl.concat(
        rows.with_columns(_judged(rows, spreads, periods_before, min_periods)) for rows in (shares.clear(), *series)
    )


def _judged(series: pl.DataFrame, spreads: float, periods_before: int, min_periods: int) -> list[pl.Series]:
    """The range and the verdict of every period of one series, which is in the order of periods."""
    before: list[float] = []
    ranges: list[tuple[float, float, float] | None] = []
    unusual = []
    for n, share, settled in series.select("n", "share", "settled").iter_rows():
        enough = share is not None and len(before) >= min_periods
        expected = _expected(before[-periods_before:], n, spreads) if enough else None
        is_outside = expected is not None and not expected[1] <= share <= expected[2]
        ranges.append(expected)
        unusual.append(settled and is_outside)
        if share is not None and settled and not is_outside:
            before.append(share)
    columns = zip(*((each or (None, None, None)) for each in ranges), strict=True) if ranges else ([], [], [])
    named = zip(("usual", "low", "high"), columns, strict=True)
    return [*(pl.Series(name, values, pl.Float64) for name, values in named), pl.Series("unusual", unusual, pl.Boolean)]


def _expected(before: Sequence[float], n: float, spreads: float) -> tuple[float, float, float]:
    """The usual share, and the lowest and highest that are expected."""
    usual = median(before)
    spread = max(1.4826 * median(abs(share - usual) for share in before), sqrt(usual * (1 - usual) / n))
    return usual, max(0.0, usual - spreads * spread), min(1.0, usual + spreads * spread)
