"""How long do journeys take to the goal, and what share has reached it by a given day? Both count from the first touch.

The histogram counts journeys that have reached the goal; the curves count all journeys. An abandoned journey never
reaches the goal and stays in the denominator; an open one counts for as long as it has been observed (Kaplan-Meier).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from analytics import Paths, kaplan_meier
from reports.privacy.rules import small, to_tens
from reports.questions.answers import Pace

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
EDGES: Final = (0.0, 1 * _MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR,
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
JOURNEYS: Final = pl.Schema(
    {"start": pl.Datetime("us", "UTC"), "length": pl.Duration("us"), "done": pl.Boolean(), "group": pl.String()}
)


def journeys_of(paths: Paths, column: str | None = None) -> pl.DataFrame | None:
    """One row per journey: `customer` and `JOURNEYS`, its first touch, its length, and whether it reached the goal.

    `group` String is the value of `column` at the first touch, null without a column. Null where touches carry no
    journey.
    """
    if not {"journey", "outcome"} <= set(paths.schema):
        return None
    at = pl.col("at")
    group = pl.lit(None, pl.String) if column is None else pl.col(column).first().cast(pl.String)
    frames = [
        paths.read(part, ["customer", "at", "journey", "outcome", *([] if column is None else [column])])
        .group_by("customer", "journey")
        .agg(
            start=at.min(),
            length=at.max() - at.min(),
            done=(pl.col("outcome").cast(pl.String) == "converted").last(),
            group=group,
        )
        .drop("journey")
        for part in paths.parts
    ]
    return pl.concat(frames) if frames else None


def pace(journeys: pl.DataFrame, min_journeys: int) -> Pace | None:
    """Median and 90th percentile of the time to the goal; null for fewer than `min_journeys` journeys that reach it."""
    taken = journeys.filter("done")["length"]
    if taken.len() < min_journeys:
        return None
    median, ninetieth = taken.quantile(0.5, "linear"), taken.quantile(0.9, "linear")
    assert isinstance(median, timedelta) and isinstance(ninetieth, timedelta)
    return Pace(taken.len(), median, ninetieth)


def times_to_goal(journeys: pl.DataFrame, k: int, min_journeys: int) -> pl.DataFrame | None:
    """Journeys that reached the goal, by the time from their first touch, in bins of increasing width.

    Columns: `bin` UInt32, `name`, `within` String, `journeys` Int64, `share` Float64, `is_median` Boolean.
    Neighbouring bins of fewer than `k` customers are joined; null where fewer than `min_journeys` reached the goal.
    """
    reached = journeys.filter("done").with_columns(s=pl.col("length").dt.total_microseconds() / 1e6)
    if reached.height < min_journeys or reached["customer"].n_unique() < k:
        return None
    number = pl.sum_horizontal((pl.col("s") >= edge).cast(pl.UInt32) for edge in EDGES) - 1
    bins = reached.select("customer", bin=number)
    first_bin, last_bin = bins.select(first=pl.col("bin").min(), last=pl.col("bin").max()).row(0)
    median = int(reached.select(pl.col("s").median()).select(bin=number).item())
    rows = [
        (first, _name(first, end), ENDS[end], count, round(count / reached.height, 4), first <= median <= end)
        for first, end, count, _ in _joined(_bins(bins, range(first_bin, last_bin + 1)), k)
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


def _bins(reached: pl.DataFrame, span: range) -> list[Bin]:
    """Every bin of a range, from journeys with their `customer` and `bin`; empty bins included."""
    counted = reached.group_by("bin").agg(pl.len(), customers=pl.col("customer").n_unique())
    counts = {bin: (journeys, customers) for bin, journeys, customers in counted.iter_rows()}
    return [(number, number, *counts.get(number, (0, 0))) for number in span]


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


def goal_incidence(
    journeys: pl.DataFrame, *, window: timedelta, end_of_data: datetime, k: int, min_journeys: int
) -> pl.DataFrame | None:
    """The share of journeys that has reached the goal by `days` since the first touch, by their largest groups.

    Columns: `group` String (null where journeys have none), `journeys` Int64 (in tens), `days`, `share`, `low`, `high`
    Float64. Groups of fewer than `min_journeys` journeys, or in which fewer than `k` customers reached the goal or did
    not, are left out; null where no group is left. Between two moments nobody reaches the goal, or at least `k` do.
    """
    longest = window.total_seconds() / _DAY
    seen = pl.when("done").then("length").otherwise(pl.lit(end_of_data) - pl.col("start"))
    rows = journeys.with_columns(days=seen.dt.total_microseconds() / 1e6 / _DAY).with_columns(
        done=pl.col("done") & (pl.col("days") <= longest), days=pl.col("days").clip(0, longest)
    )
    if rows["group"].drop_nulls().len():
        rows = rows.filter(pl.col("group").is_not_null())
    frames = []
    groups = rows.group_by("group").len().sort("len", "group", descending=[True, False])["group"].to_list()
    for group in groups[:MAX_GROUPS]:
        members = rows.filter(pl.col("group").eq_missing(pl.lit(group)))
        customers = members.group_by("done").agg(pl.col("customer").n_unique())["customer"].to_list()
        if members.height < min_journeys or any(small(count, k) for count in customers):
            continue
        curve = _thinned(
            kaplan_meier(members["days"].to_numpy(), members["done"].to_numpy()), _moments(members, longest, k)
        )
        labels = {"group": pl.lit(group, pl.String), "journeys": pl.lit(to_tens(members.height))}
        frames.append(curve.select(**labels, days="days", share="share", low="low", high="high"))
    return pl.concat(frames) if frames else None


def _moments(journeys: pl.DataFrame, longest: float, k: int) -> pl.Series:
    """The moments at which a curve is published, denser at the start; a step per journey would reveal its time.

    From one moment to the next nobody reaches the goal, or at least `k` customers do.
    """
    moments = pl.Series("days", [longest * (i / POINTS) ** 2 for i in range(POINTS + 1)])
    reached = journeys.filter("done")
    bins = reached.select("customer", bin=moments.search_sorted(reached["days"], side="left"))
    return moments.gather([last for _, last, _, _ in _joined(_bins(bins, range(POINTS + 1)), k)])


def _thinned(curve: pl.DataFrame, moments: pl.Series) -> pl.DataFrame:
    """The curve at the published moments."""
    stairs = curve.select(
        days="time",
        share=1 - pl.col("survival"),
        low=1 - pl.col("high"),
        high=1 - pl.col("low"),
    )
    at = pl.DataFrame({"days": moments}).join_asof(stairs.sort("days"), on="days", strategy="backward")
    return at.with_columns(pl.col("share", "low", "high").fill_null(0.0).round(3), pl.col("days").round(3))
