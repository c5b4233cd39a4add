"""Whole paths, positions and moves as they may be published.

A path that fewer than `least` journeys took is not listed. A count at a position, or of moves, that is smaller than
`k` is left out, and then every other count of its frame is rounded to tens, so that it cannot be worked out from the
rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any, Final

import polars as pl

from reports.privacy import small, to_tens

REACHED: Final = "reached"
ABANDONED: Final = "abandoned"
OPEN: Final = "open"
ENDINGS: Final = {"converted": REACHED, "abandoned": ABANDONED, "open": OPEN}


def commonest(routes: pl.DataFrame, least: int, most: int = 6) -> pl.DataFrame:
    """The commonest complete paths that reach the goal and that do not, most frequent first within each.

    Columns: `route` List(String), `ended` String (reached, abandoned), `units` Int64, `share` Float64 of all journeys
    that are over. Journeys still open are neither; a path longer than the routes were cut at is not complete.
    """
    over = _ended(routes).filter(pl.col("ended").is_in([REACHED, ABANDONED]))
    listed = over.filter((pl.col("units") >= least) & ~pl.col("route").list.contains("other"))
    listed = listed.sort("ended", "units", "route", descending=[True, True, False])
    closed = int(over["units"].sum()) + int(routes.filter(pl.col("ended").is_null())["units"].sum())
    return (
        listed.group_by("ended", maintain_order=True)
        .head(most)
        .select("route", "ended", "units", share=(pl.col("units") / max(closed, 1)).round(4))
    )


def positions(routes: pl.DataFrame, k: int, most: int = 14) -> pl.DataFrame:
    """Where journeys are at each position: `position` UInt32, `touchpoint`, `kind`, `units` Int64, `share` Float64.

    `kind` is touchpoint, or reached, abandoned or open for journeys that are over, or not followed further, before
    that position; these accumulate. Touchpoints beyond the `most` frequent are joined as "other". Shares are of all
    journeys.
    """
    at: Counter[tuple[int, str]] = Counter()
    over: Counter[tuple[int, str]] = Counter()
    depth = max((len(route) for route in routes["route"]), default=0)
    for route, ended, units in _ended(routes).select("route", "ended", "units").iter_rows():
        for position, touchpoint in enumerate(route, 1):
            at[position, touchpoint] += units
        for position in range(len(route) + 1, depth + 1) if ended else ():
            over[position, ended] += units
    kept = _most_frequent(at, most)
    joined: Counter[tuple[int, str]] = Counter()
    for (position, touchpoint), units in at.items():
        joined[position, touchpoint if touchpoint in kept else "other"] += units
    whole = int(routes["units"].sum())
    rows = [(*cell, "touchpoint", units) for cell, units in joined.items()]
    rows += [(*cell, cell[1], units) for cell, units in over.items()]
    return (
        _published(
            pl.DataFrame(
                rows,
                schema={"position": pl.UInt32, "touchpoint": pl.String, "kind": pl.String, "units": pl.Int64},
                orient="row",
            ),
            "units",
            k,
        )
        .with_columns(share=(pl.col("units") / max(whole, 1)).round(3))
        .sort("position", "kind", "touchpoint")
    )


def moves(transitions: pl.DataFrame, k: int) -> pl.DataFrame:
    """Moves from touchpoint to touchpoint: `source`, `target` String, `transitions`, `customers` Int64.

    START and the ENDs are nodes as they come. A move that fewer than `k` customers made is left out.
    """
    kept = transitions.filter(pl.col("customers") >= k)
    rounded = kept.height < transitions.height
    counts = pl.col("transitions", "customers")
    tens = ((counts / 10).round() * 10).cast(pl.Int64)
    return kept.select("source", "target", tens if rounded else counts).sort(
        "transitions", "source", "target", descending=[True, False, False]
    )


def used(counts: pl.DataFrame, k: int, least_share: float = 0.02) -> pl.DataFrame:
    """Touchpoints of every stage: `stage`, `touchpoint` String, `customers` Int64, `share` Float64 of its customers.

    In: `stage`, `touchpoint`, `customers`, and `of` Int64, the customers of the stage. Rare ones are left out, as are
    stages of fewer than `k` customers.
    """
    fine = (pl.col("customers") >= k) & (pl.col("of") >= k) & (pl.col("customers") >= least_share * pl.col("of"))
    return counts.filter(fine).select(
        "stage", "touchpoint", "customers", share=(pl.col("customers") / pl.col("of")).round(3)
    )


def _ended(routes: pl.DataFrame) -> pl.DataFrame:
    plain = pl.col("ended").str.strip_prefix("END_")
    return routes.with_columns(ended=plain.replace_strict(ENDINGS, default=None))


def _most_frequent(at: Counter[tuple[int, str]], most: int) -> Collection[str]:
    total: Counter[str] = Counter()
    for (_, touchpoint), units in at.items():
        total[touchpoint] += units
    return {name for name, _ in sorted(total.items(), key=lambda item: (-item[1], item[0]))[:most]}


def _published(frame: pl.DataFrame, column: str, k: int) -> pl.DataFrame:
    counts: list[Any] = frame[column].to_list()
    if not any(small(count, k) for count in counts):
        return frame
    return frame.with_columns(pl.Series(column, [to_tens(count) for count in counts])).filter(
        pl.Series([not small(count, k) for count in counts], dtype=pl.Boolean)
    )
