"""How long do customers take to the goal, and what share has reached it by then?

The histogram counts those who have reached the goal; the curves (Kaplan-Meier) count everybody who entered, those still
under way as long as they have been seen.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from analytics.statistics import kaplan_meier
from reports.entrants import Entrants
from reports.privacy import small, to_tens

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
EDGES: Final = (0.0, 1 * _MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR,
                _DAY, 2 * _DAY, 4 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY, 60 * _DAY, 120 * _DAY)  # fmt: skip
ENDS: Final = ("1 min", "5 min", "15 min", "30 min", "60 min", "3 h", "6 h", "12 h", "24 h", "2 d", "4 d", "7 d",
               "2 wk", "4 wk", "2 mo", "4 mo", "")  # fmt: skip
MOST_GROUPS: Final = 4
POINTS: Final = 60


def times(entered: Entrants, k: int, least: int) -> pl.DataFrame | None:
    """Customers by the time from entry to the goal, in bins that grow.

    Columns: `bin` UInt32, `name`, `within` String, `customers` Int64, `share` Float64, `is_median` Boolean. Only those
    whose time is over count. Neighbouring small bins are joined; null where fewer than `least` reached the goal.
    """
    last = len(entered.steps) - 1
    reached = entered.rows.filter((pl.col("depth") > last) & ~pl.col("is_open"))
    if reached.height < least:
        return None
    taken = reached.select(s=(pl.col("reached_at").list.get(last) - pl.col("entered_at")).dt.total_microseconds() / 1e6)
    number = pl.sum_horizontal((pl.col("s") >= edge).cast(pl.UInt32) for edge in EDGES) - 1
    counts = dict(taken.group_by(bin=number).len().iter_rows())
    median = int(taken.select(pl.col("s").median()).select(bin=number).item())
    bins = [[i, i, counts.get(i, 0)] for i in range(min(counts), max(counts) + 1)]
    rows = [
        {
            "bin": first,
            "name": _name(first, end),
            "within": ENDS[end],
            "customers": customers,
            "share": round(customers / reached.height, 4),
            "is_median": first <= median <= end,
        }
        for first, end, customers in _joined(bins, k)
    ]
    schema = {
        "bin": pl.UInt32,
        "name": pl.String,
        "within": pl.String,
        "customers": pl.Int64,
        "share": pl.Float64,
        "is_median": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=schema)


def _name(first: int, last: int) -> str:
    """The bins from one to another in words; the unit of the start is said where it is another than that of the end."""
    if not ENDS[last]:
        return f"over {ENDS[first - 1]}"
    if first == 0:
        return f"under {ENDS[last]}"
    start, unit = ENDS[first - 1].split()
    same = {"60 min": "1", "24 h": "1", "7 d": "1"}.get(ENDS[first - 1])
    number, last_unit = ENDS[last].split()
    said = start if unit == last_unit else same or f"{start} {unit}"
    return f"{said}–{number} {last_unit}"


def _joined(bins: list[list[int]], k: int) -> list[list[int]]:
    """Bins with small counts joined with the next, the last with the one before."""
    out: list[list[int]] = []
    for first, end, customers in bins:
        if out and small(out[-1][2], k):
            out[-1] = [out[-1][0], end, out[-1][2] + customers]
        else:
            out.append([first, end, customers])
    if len(out) > 1 and small(out[-1][2], k):
        last = out.pop()
        out[-1] = [out[-1][0], last[1], out[-1][2] + last[2]]
    return out


def incidence(
    entered: Entrants, column: str | None, *, window: timedelta, end_of_data: datetime, k: int, least: int
) -> pl.DataFrame | None:
    """The share that has reached the goal by `days` since entry, by the largest groups of `column`.

    Columns: `group` String (null without a column), `entrants` Int64 (in tens), `days`, `share`, `low`, `high`
    Float64. Groups of fewer than `least` entrants, or in which a small count reached the goal or did not, are left
    out; null where no group is left.
    """
    last = len(entered.steps) - 1
    done = pl.col("depth") > last
    wait = pl.when(done).then(pl.col("reached_at").list.get(last)).otherwise(pl.lit(end_of_data)) - pl.col("entered_at")
    longest = window.total_seconds() / _DAY
    rows = entered.rows.select(
        group=pl.lit(None, pl.String) if column is None else pl.col(column).cast(pl.String),
        done=done,
        days=(wait.dt.total_microseconds() / 1e6 / _DAY).clip(0, longest),
    )
    if column is not None:
        rows = rows.filter(pl.col("group").is_not_null())
    frames = []
    groups = rows.group_by("group").len().sort("len", "group", descending=[True, False])["group"].to_list()
    for group in groups[:MOST_GROUPS]:
        some = rows.filter(pl.col("group").eq_missing(pl.lit(group)))
        reached = int(some["done"].sum())
        if some.height < least or small(reached, k) or small(some.height - reached, k):
            continue
        curve = _thinned(kaplan_meier(some["days"].to_numpy(), some["done"].to_numpy()), longest)
        frames.append(curve.select(pl.lit(group, pl.String).alias("group"), entrants=pl.lit(to_tens(some.height)), **{
            "days": "days", "share": "share", "low": "low", "high": "high"}))  # fmt: skip
    return pl.concat(frames) if frames else None


def _thinned(curve: pl.DataFrame, longest: float) -> pl.DataFrame:
    """The curve at a few moments, closer at the start: a step for every customer would tell when each of them came."""
    moments = pl.Series("days", [longest * (i / POINTS) ** 2 for i in range(POINTS + 1)])
    stairs = curve.select(
        days="time",
        share=1 - pl.col("survival"),
        low=1 - pl.col("high"),
        high=1 - pl.col("low"),
    )
    at = pl.DataFrame({"days": moments}).join_asof(stairs.sort("days"), on="days", strategy="backward")
    return at.with_columns(pl.col("share", "low", "high").fill_null(0.0).round(3), pl.col("days").round(3))
