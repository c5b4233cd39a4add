"""How long do journeys take to the goal, and what share has reached it by a given day? What of it may be published?

The histogram counts journeys that have reached the goal; the curves count all journeys (`analytics.goal_incidence`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import polars as pl

from analytics import Paths, goal_incidence, goal_times, time_to_goal
from reports.privacy.rules import rough_share, small, to_tens
from reports.questions.answers import Pace

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
EDGES: Final = (0, 1 * _MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR,
                _DAY, 2 * _DAY, 4 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY, 60 * _DAY, 120 * _DAY)  # fmt: skip
ENDS: Final = ("1 min", "5 min", "15 min", "30 min", "60 min", "3 h", "6 h", "12 h", "24 h", "2 d", "4 d", "7 d",
               "2 wk", "4 wk", "2 mo", "4 mo", "")  # fmt: skip
MAX_GROUPS: Final = 4
POINTS: Final = 60


TIMES: Final = pl.Schema(
    {
        "bin": pl.UInt32,
        "name": pl.String,
        "within": pl.String,
        "journeys": pl.Int64,
        "share": pl.Float64,
        "is_median": pl.Boolean,
    }
)


def has_journeys(paths: Paths) -> bool:
    """Whether touches carry a journey and how it ended."""
    return {"journey", "outcome"} <= set(paths.schema)


def summary(paths: Paths, window: timedelta) -> dict[str, Any]:
    """The total of `analytics.time_to_goal` over all mature journeys."""
    return time_to_goal(paths, window=window).row(0, named=True)


def pace(row: dict[str, Any], *, k: int, min_journeys: int) -> Pace | None:
    """Median and 90th percentile of a `summary`.

    Null for fewer than `min_journeys` journeys that reach the goal, or fewer than `k` customers.
    """
    if row["reached"] < min_journeys or row["customers"] < k:
        return None
    return Pace(row["reached"], row["median_time"], row["p90_time"])


def times_to_goal(
    paths: Paths, row: dict[str, Any], window: timedelta, *, k: int, min_journeys: int
) -> pl.DataFrame | None:
    """Journeys that reached the goal, by the time from their first touch, in bins of increasing width.

    `row` is the `summary` of the paths.

    Columns: `bin` UInt32, `name`, `within` String, `journeys` Int64, `share` Float64, `is_median` Boolean.
    Neighbouring bins of fewer than `k` customers are joined; null where fewer than `min_journeys` reached the goal.
    """
    if row["reached"] < min_journeys or row["customers"] < k:
        return None
    bins = (
        goal_times(paths, [timedelta(seconds=edge) for edge in EDGES], window=window)
        .select("bin", "reached", "customers")
        .rows()
    )
    median = sum(timedelta(seconds=edge) <= row["median_time"] for edge in EDGES) - 1
    used = [number for number, reached, _ in bins if reached]
    counted = [(number, *counts) for number, *counts in bins[used[0] : used[-1] + 1]]
    rows = [
        (first, _name(first, end), ENDS[end], count, round(count / row["reached"], 4), first <= median <= end)
        for first, end, count, _ in _joined([(number, number, *counts) for number, *counts in counted], k)
    ]
    return pl.DataFrame(rows, schema=TIMES, orient="row")


def _name(first: int, last: int) -> str:
    """The range of the bins in words; the start has a unit only where it differs from the unit of the end."""
    if not ENDS[last]:
        return f"over {ENDS[first - 1]}"
    if first == 0:
        return f"under {ENDS[last]}"
    start, unit = ENDS[first - 1].split()
    same = {"60 min": "1", "24 h": "1", "7 d": "1"}.get(ENDS[first - 1])
    number, last_unit = ENDS[last].split()
    first_text = start if unit == last_unit else same or f"{start} {unit}"
    return f"{first_text}–{number} {last_unit}"


Bin = tuple[int, int, int, int]


def _joined(bins: list[Bin], k: int) -> list[Bin]:
    """Merges bins (first, last, journeys, customers) of fewer than `k` customers into the next, the last backwards."""
    merged: list[Bin] = []
    for following in bins:
        if merged and small(merged[-1][3], k):
            merged[-1] = _both(merged[-1], following)
        else:
            merged.append(following)
    if len(merged) > 1 and small(merged[-1][3], k):
        last = merged.pop()
        merged[-1] = _both(merged[-1], last)
    return merged


def _both(first: Bin, second: Bin) -> Bin:
    return first[0], second[1], first[2] + second[2], first[3] + second[3]


def incidence(paths: Paths, column: str | None, *, window: timedelta, k: int, min_journeys: int) -> pl.DataFrame | None:
    """The share of journeys that has reached the goal by `days` since the first touch, by the largest groups.

    Columns: `group` String (null without `column`), `journeys` Int64 (in tens), `days`, `share`, `low`, `high` Float64,
    which cover `k` of these journeys. Groups of fewer than `min_journeys` or `5 * k` journeys, or in which fewer than
    `k` customers reached the goal or did not, are left out; null where no group is left. Between two moments nobody
    reaches the goal, or at least `k` do.
    """
    moments = [window * (i / POINTS) ** 2 for i in range(POINTS + 1)]  # denser at the start
    curves = goal_incidence(paths, list(dict.fromkeys(moments)), by=() if column is None else column)
    if column is None:
        curves = curves.with_columns(pl.lit(None, pl.String).alias("group"))
    else:
        curves = curves.filter(~pl.col("is_total")).rename({column: "group"}).cast({"group": pl.String})
        if curves["group"].drop_nulls().len():
            curves = curves.filter(pl.col("group").is_not_null())
    frames = []
    largest = curves.sort("units", "group", descending=[True, False], maintain_order=True)
    for curve in largest.partition_by("group", maintain_order=True)[:MAX_GROUPS]:
        sizes = curve.row(0, named=True)
        customers = (sizes["customers_reached"], sizes["customers_others"])
        few = sizes["units"] < min_journeys or rough_share(0, sizes["units"], k) is None
        if few or any(small(count, k) for count in customers):
            continue
        bins = [(i, i, *counts) for i, counts in enumerate(curve.select("reached", "customers").iter_rows())]
        published = curve[[last for _, last, _, _ in _joined(bins, k)]]
        frames.append(
            published.select(
                "group",
                pl.lit(to_tens(sizes["units"])).alias("journeys"),
                (pl.col("time").dt.total_microseconds() / 1e6 / _DAY).round(3).alias("days"),
                *(
                    _rough(published[f"share_of_units{of}"], sizes["units"], k).alias(name)
                    for of, name in _SIDES.items()
                ),
            )
        )
    return pl.concat(frames) if frames else None


def _rough(shares: pl.Series, units: int, k: int) -> pl.Series:
    """Shares of units of which only tens are published, with as many digits as cover `k` of them."""
    return pl.Series([rough_share(share * units, units, k) for share in shares], dtype=pl.Float64)


_SIDES: Final = {"": "share", "_low": "low", "_high": "high"}
