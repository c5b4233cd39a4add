"""Applies the privacy rules to the flow of paths: where units are at each position, and how they move on.

Moves of fewer than `k` units are left out, and then all counts are rounded to tens, so that the missing ones cannot be
inferred. A share of the source then has as many digits as cover `k` units, and a bound follows from the rounded count.
Hiding a large move to protect a small one would misrepresent the flow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import polars as pl

from reports.privacy.rules import bounded_share, rough_share, small, to_tens

OTHER: Final = "other"
Node = tuple[int, str]
Link = tuple[Node, Node]

NODES: Final = pl.Schema(
    {
        "position": pl.UInt32,
        "touchpoint": pl.String,
        "kind": pl.String,
        "units": pl.Int64,
        "share": pl.Float64,
        "left_share": pl.Float64,
        "left_text": pl.String,
        "goal_share": pl.Float64,
        "goal_text": pl.String,
    }
)
LINKS: Final = pl.Schema(
    {
        "position": pl.UInt32,
        "source": pl.String,
        "target": pl.String,
        "units": pl.Int64,
        "share_of_source": pl.Float64,
        "goal_share": pl.Float64,
        "goal_text": pl.String,
    }
)
THROUGH: Final = pl.Schema(
    {
        "position": pl.UInt32,
        "source": pl.String,
        "target": pl.String,
        "at": pl.UInt32,
        "touchpoint": pl.String,
        "units": pl.Int64,
    }
)


@dataclass(frozen=True, eq=False)
class Flow:
    """The published flow.

    `nodes`: a touchpoint at a position; `kind` is touchpoint, goal or other; `left_share` is the share that is
    abandoned there, `goal_share` the share that reaches the goal within the window, each with its publishable text;
    where only a bound may be published they are for drawing alone (`published_links`). Where units are not followed any
    further, how many are abandoned is not known, and the text is a dash. `share_of_source` is null where too few are at
    the source.
    `links`: a move from `position` to the next. `through`: how many units of a link (`position`, `source`, `target`)
    pass a node (`at`, `touchpoint`), rounded to tens; used for drawing only. `units` counts all routes; `rounded` is
    true where counts are rounded to tens.
    """

    nodes: pl.DataFrame
    links: pl.DataFrame
    through: pl.DataFrame
    units: int
    rounded: bool


def publishable_flow(routes: pl.DataFrame, goals: Collection[str], k: int) -> Flow:
    """The flow from its distinct routes: `route` List(String), `ended` String, `units` and `converted` Int64."""
    counts = _Counts()
    for route, ended, units, converted in routes.select("route", "ended", "units", "converted").iter_rows():
        counts.add(list(enumerate(route, 1)), ended, units, converted)
    all_counts = (*counts.units.values(), *counts.endings.values())
    rounded = any(small(units, k) for units in all_counts)
    hidden = {element for element, units in counts.units.items() if small(units, k)}
    shown = {
        element: to_tens(units) if rounded else units
        for element, units in sorted(counts.units.items(), key=str)
        if element not in hidden and (_is_node(element) or not hidden & set(element))
    }
    nodes = [
        _node(element, units, counts, goals, k, rounded=rounded)
        for element, units in shown.items()
        if _is_node(element)
    ]
    links = [
        _link(element, units, counts, k, rounded=rounded) for element, units in shown.items() if not _is_node(element)
    ]
    return Flow(
        pl.DataFrame(nodes, schema=NODES, orient="row").sort("position", "touchpoint"),
        pl.DataFrame(links, schema=LINKS, orient="row").sort("position", "source", "target"),
        _through(counts, shown),
        counts.whole,
        rounded,
    )


def published_links(flow: Flow) -> pl.DataFrame:
    """The links for files: `goal_share` is null where `goal_text` is a bound."""
    is_bound = pl.col("goal_text").str.starts_with("under") | pl.col("goal_text").str.starts_with("over")
    return flow.links.with_columns(goal_share=pl.when(~is_bound).then("goal_share"))


class _Counts:
    """Unrounded units by node and link: all, those that convert, those that end at a node, those that pass one."""

    def __init__(self) -> None:
        self.whole = 0
        self.units: Counter[Any] = Counter()
        self.converted: Counter[Any] = Counter()
        self.endings: Counter[tuple[Node, str]] = Counter()
        self.through: Counter[tuple[Link, Node]] = Counter()
        self.unfollowed: set[Node] = set()

    def add(self, nodes: list[Node], ended: str | None, units: int, converted: int) -> None:
        links = list(pairwise(nodes))
        self.whole += units
        for element in (*nodes, *links):
            self.units[element] += units
            self.converted[element] += converted
        for link in links:
            self.through.update({(link, node): units for node in nodes})
        if ended is None and nodes:
            self.unfollowed.add(nodes[-1])
        elif ended is not None and nodes:
            self.endings[nodes[-1], ended.removeprefix("END_")] += units


def _is_node(element: Any) -> bool:
    return isinstance(element[0], int)


def _node(node: Node, units: int, counts: _Counts, goals: Collection[str], k: int, *, rounded: bool) -> dict[str, Any]:
    position, touchpoint = node
    told = units if rounded else None
    left = (
        (0.0, "–")
        if node in counts.unfollowed
        else bounded_share(counts.endings[node, "abandoned"], counts.units[node], k, told)
    )
    goal = bounded_share(counts.converted[node], counts.units[node], k, told)
    return {
        "position": position,
        "touchpoint": touchpoint,
        "kind": "goal" if touchpoint in goals else OTHER if touchpoint == OTHER else "touchpoint",
        "units": units,
        "share": round(units / counts.whole, 4),
        "left_share": left[0],
        "left_text": left[1],
        "goal_share": goal[0],
        "goal_text": goal[1],
    }


def _link(link: Link, units: int, counts: _Counts, k: int, *, rounded: bool) -> dict[str, Any]:
    (position, source), (_, target) = link
    whole = counts.units[link[0]]
    share = rough_share(counts.units[link], whole, k) if rounded else round(counts.units[link] / whole, 3)
    goal = bounded_share(counts.converted[link], counts.units[link], k, units if rounded else None)
    return {
        "position": position,
        "source": source,
        "target": target,
        "units": units,
        "share_of_source": share,
        "goal_share": goal[0],
        "goal_text": goal[1],
    }


def _through(counts: _Counts, shown: Collection[Any]) -> pl.DataFrame:
    rows = [
        (*link[0], link[1][1], *node, to_tens(units))
        for (link, node), units in sorted(counts.through.items())
        if link in shown and to_tens(units)
    ]
    return pl.DataFrame(rows, schema=THROUGH, orient="row")
