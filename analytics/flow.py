"""Where do customers go next, position by position, from an anchor?

A unit's path is read from its first touch, or from the first touch `start`; or backwards from the last touch `end`; or
between the two. A route is the values at the first positions; at each position the most frequent are kept, the rest is
`other`. A unit that is over before the last position leaves to the node of its outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

import polars as pl

from analytics.definitions import duration
from analytics.engine import run
from analytics.parts import TOUCHPOINT, Part
from analytics.store import Paths
from analytics.transitions import touches_of
from analytics.units import ENDS, START
from expectations.errors import DefinitionError

REST: Final = "other"


@dataclass(frozen=True)
class Flow:
    """What is asked: the anchors, how many positions, how many values at each, and the longest gap inside a path."""

    start: str | None
    end: str | None
    depth: int
    top: int
    unit: str
    gap: timedelta | None
    on: str

    def __post_init__(self) -> None:
        if self.depth < 2 or self.top < 1:
            found = f"depth {self.depth}, top {self.top}"
            raise DefinitionError("A flow is too small.", expected="depth of 2 or more, top of 1 or more", found=found)

    @property
    def backwards(self) -> bool:
        """Whether positions count back in time from `end`."""
        return self.end is not None and self.start is None


def flow(
    paths: Paths,
    *,
    start: str | None = None,
    end: str | None = None,
    depth: int = 6,
    top: int = 8,
    unit: str = "journey",
    gap: str | timedelta | None = None,
    on: str = TOUCHPOINT,
) -> pl.DataFrame:
    """The links of a flow diagram: how many units go from a value at one position to a value at the next.

    Columns: `position` UInt32 (of the source, from 1); `source`, `target` String (`other` for the rest;
    END_converted, END_abandoned, END_open where the unit leaves, or START when the flow runs backwards); `units` Int64
    (each unit counts once per position), `converted` Int64 (of them, units that convert in the end); `share_of_source`
    Float64. Largest first within a position. No touches give no rows. See `flow_routes` for the arguments.

    >>> from tests.journeys import paths
    >>> flow(paths({"ann": "visit@0m pay@5m"}))["position", "source", "target", "units"].rows()
    [(1, 'visit', 'pay', 1), (2, 'pay', 'END_open', 1)]
    """
    routes = flow_routes(paths, start=start, end=end, depth=depth, top=top, unit=unit, gap=gap, on=on)
    nodes = pl.concat_list("route", "ended").list.drop_nulls()
    links = (
        routes.with_columns(nodes.alias("node"), pl.int_range(pl.len()).alias("number"))
        .with_columns(pl.col("node").list.slice(1).alias("target"))
        .filter(pl.col("target").list.len() > 0)
        .with_columns(pl.col("node").list.head(pl.col("target").list.len()).alias("source"))
        .explode("source", "target")
        .with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over("number").alias("position"))
        .group_by("position", "source", "target")
        .agg(pl.col("units", "converted").sum())
    )
    share = pl.col("units") / pl.col("units").sum().over("position", "source")
    order = {"position": False, "units": True, "source": False, "target": False}
    return links.with_columns(share.alias("share_of_source")).sort(list(order), descending=list(order.values()))


def flow_routes(
    paths: Paths,
    *,
    start: str | None = None,
    end: str | None = None,
    depth: int = 6,
    top: int = 8,
    unit: str = "journey",
    gap: str | timedelta | None = None,
    on: str = TOUCHPOINT,
) -> pl.DataFrame:
    """The distinct routes through the first `depth` positions, the rest of each position joined as `other`.

    `start` anchors at the first such touch of a unit, `end` at the last one and counts back; with both, a path runs
    from the first `start` to the next `end`. Units without the anchor are left out. A pause longer than `gap` ends a
    path as abandoned. Columns: `route` List(String), `ended` String (END_..., or START when it
    runs backwards, if the unit is over within `depth`, else null), `units`, `converted` Int64. Most frequent first.

    >>> from tests.journeys import paths
    >>> flow_routes(paths({"ann": "visit@0m pay@5m"})).rows()
    [(['visit', 'pay'], 'END_open', 1, 0)]
    """
    paths.require(on)
    asked = Flow(start, end, depth, top, unit, None if gap is None else duration(gap), on)
    whole = pl.concat(run(paths, partial(_routes, paths, asked)))
    positions = [f"p{i}" for i in range(1, depth + 1)]
    whole = whole.with_columns(_kept(whole, name, top) for name in positions)
    if asked.backwards:
        whole = whole.with_columns(pl.when(pl.col("ended").is_not_null()).then(pl.lit(START)).alias("ended"))
    merged = whole.group_by(*positions, "ended").agg(pl.col("units", "converted").sum())
    return merged.select(
        pl.concat_list(positions).list.drop_nulls().alias("route"), "ended", "units", "converted"
    ).sort("units", "route", "ended", descending=[True, False, False])


def _kept(routes: pl.DataFrame, position: str, top: int) -> pl.Expr:
    """A position with all but its most frequent values joined."""
    counts = routes.group_by(position).agg(pl.col("units").sum()).drop_nulls()
    ranked = counts.sort("units", position, descending=[True, False])[position].head(top)
    keep = pl.col(position).is_in(ranked.to_list()) | pl.col(position).is_null()
    return pl.when(keep).then(position).otherwise(pl.lit(REST)).alias(position)


def _routes(paths: Paths, asked: Flow, part: Part) -> pl.DataFrame:
    """The distinct routes of one part, with counts: `p1`.. String, `ended`, `units`, `converted`."""
    touches = _anchored(touches_of(paths, part, asked.unit, asked.on), asked)
    place = pl.int_range(pl.len()).over("unit")
    touches = touches.with_columns(place.alias("place"), pl.len().over("unit").alias("size"))
    touches = touches.filter(pl.col("place") < asked.depth)
    value = [pl.col("node").filter(pl.col("place") == i).first().alias(f"p{i + 1}") for i in range(asked.depth)]
    units = touches.group_by("unit").agg(
        *value,
        pl.when(pl.col("size") < asked.depth).then("left").first().alias("ended"),
        (pl.col("end") == ENDS[1]).first().alias("converted"),
    )
    positions = [f"p{i}" for i in range(1, asked.depth + 1)]
    return units.group_by(*positions, "ended").agg(
        pl.len().cast(pl.Int64).alias("units"), pl.col("converted").sum().cast(pl.Int64)
    )


def _anchored(touches: pl.DataFrame, asked: Flow) -> pl.DataFrame:
    """The touches of each unit from the anchor on, in the direction of the flow; `left` is how the path is left."""
    if asked.backwards:
        touches = touches.reverse()
    touches = touches.with_columns(pl.col("end").alias("left"))
    anchor = asked.end if asked.backwards else asked.start
    if anchor is not None:
        reached = (pl.col("node") == anchor).cast(pl.UInt8).cum_max().over("unit") > 0
        touches = touches.filter(reached)
    if asked.start is not None and asked.end is not None:
        place = pl.int_range(pl.len()).over("unit")
        touches = touches.with_columns(place.alias("place"))
        arrival = pl.col("place").filter((pl.col("node") == asked.end) & (pl.col("place") > 0)).min().over("unit")
        touches = touches.filter(pl.col("place") <= arrival).drop("place")
        touches = touches.with_columns(pl.lit(None, pl.String).alias("left"))
    if asked.gap is not None:
        pause = pl.col("time").diff().abs().over("unit").fill_null(0) > asked.gap // timedelta(microseconds=1)
        breaks = pause.cast(pl.UInt32).cum_sum().over("unit")
        cut = breaks.max().over("unit") > 0
        touches = touches.with_columns(
            breaks.alias("breaks"), pl.when(cut).then(pl.lit(ENDS[0])).otherwise("left").alias("left")
        ).filter(pl.col("breaks") == 0)
    return touches
