"""Applies the privacy rules to the flow of paths: where units are at each position, and how they move on.

Moves of fewer than `k` customers are left out, and then all counts of units are rounded to tens, so that the missing
ones cannot be inferred. Every share then has as many digits as cover `k` units, and a bound follows from the rounded
count. Hiding a large move to protect a small one would misrepresent the flow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from reports.privacy.rules import MISSING, bounded_share, rough_share, small, to_tens

OTHER: Final = "other"
ABANDONED: Final = "END_abandoned"
ENDINGS: Final = ("END_converted", ABANDONED, "END_open")
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
    the source. `links`: a move from `position` to the next. `through`: how many units of a link (`position`, `source`,
    `target`) pass a node (`at`, `touchpoint`), rounded to tens, without those of fewer than `k` customers; used for
    drawing only. `units` counts all routes; `rounded` is true where counts are rounded to tens.
    """

    nodes: pl.DataFrame
    links: pl.DataFrame
    through: pl.DataFrame
    units: int
    rounded: bool


def publishable_flow(cells: pl.DataFrame, goals: Collection[str], k: int) -> Flow:
    """The flow of mature units from its cells: the totals of `flow_cells`."""
    found = _Cells(cells.filter(pl.col("mature") > 0).to_dicts())
    shown = {
        element: cell
        for element, cell in sorted(found.cells.items(), key=str)
        if not small(cell["customers_mature"], k)
    }
    rounded = any(small(cell["customers_mature"], k) for cell in (*found.cells.values(), *found.endings.values()))
    nodes = [_node(element, found, goals, k, rounded=rounded) for element in shown if _is_node(element)]
    links = [
        _link(element, found, k, rounded=rounded)
        for element in shown
        if not _is_node(element) and all(end in shown for end in element)
    ]
    return Flow(
        pl.DataFrame(nodes, schema=NODES, orient="row").sort("position", "touchpoint"),
        pl.DataFrame(links, schema=LINKS, orient="row").sort("position", "source", "target"),
        _through(found, shown, k),
        found.whole,
        rounded,
    )


def published_links(flow: Flow) -> pl.DataFrame:
    """The links for files: `goal_share` is null where `goal_text` is a bound, or a dash."""
    is_share = pl.col("goal_text").str.contains(r"^\d")
    return flow.links.with_columns(goal_share=pl.when(is_share).then("goal_share"))


class _Cells:
    """The cells of a flow: of nodes and of links, of how units end at a node, and of a link that passes a node."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.cells: dict[Any, dict[str, Any]] = {}
        self.endings: dict[tuple[Node, str], dict[str, Any]] = {}
        self.through: dict[tuple[Link, Node], dict[str, Any]] = {}
        self.leaving: dict[Node, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            node, target = (row["position"], row["source"]), row["target"]
            link = (node, (row["position"] + 1, target))
            if row["through"] is not None:
                self.through[link, (row["through_position"], row["through"])] = row
                continue
            if target is None:
                self.cells[node] = row
                continue
            self.leaving[node].append(row)
            if target in ENDINGS:
                self.endings[node, target] = row
            else:
                self.cells[link] = row
        self.whole = sum(cell["mature"] for node, cell in self.cells.items() if _is_node(node) and node[0] == 1)

    def left(self, node: Node) -> tuple[int, tuple[int, int]] | None:
        """The units that are abandoned at a node, and the customers of these and, at least, of the others.

        Null where units are not followed any further. Of the others those of the largest cell are known: no fewer.
        """
        if node not in self.leaving:
            return None
        abandoned = self.endings.get((node, ABANDONED))
        others = [row["customers_mature"] for row in self.leaving[node] if row is not abandoned]
        part, people = (abandoned["mature"], abandoned["customers_mature"]) if abandoned else (0, 0)
        return part, (people, max(others, default=0))


def _is_node(element: Any) -> bool:
    return isinstance(element[0], int)


def _node(node: Node, found: _Cells, goals: Collection[str], k: int, *, rounded: bool) -> dict[str, Any]:
    position, touchpoint = node
    cell, left = found.cells[node], found.left(node)
    units = to_tens(cell["mature"]) if rounded else cell["mature"]
    published = units if rounded else None
    left_share = (0.0, MISSING) if left is None else bounded_share(left[0], cell["mature"], k, published, left[1])
    goal = _goal_share(cell, k, published)
    return {
        "position": position,
        "touchpoint": touchpoint,
        "kind": "goal" if touchpoint in goals else OTHER if touchpoint == OTHER else "touchpoint",
        "units": units,
        "share": round(units / found.whole, 4),
        "left_share": left_share[0],
        "left_text": left_share[1],
        "goal_share": goal[0],
        "goal_text": goal[1],
    }


def _goal_share(cell: dict[str, Any], k: int, published: int | None) -> tuple[float, str]:
    people = cell["customers_reached"], cell["customers_lost"]
    return bounded_share(cell["reached"], cell["mature"], k, published, people)


def _link(link: Link, found: _Cells, k: int, *, rounded: bool) -> dict[str, Any]:
    (position, source), (_, target) = link
    cell, whole = found.cells[link], found.cells[link[0]]["mature"]
    units = to_tens(cell["mature"]) if rounded else cell["mature"]
    share = rough_share(cell["mature"], whole, k) if rounded else round(cell["mature"] / whole, 3)
    goal = _goal_share(cell, k, units if rounded else None)
    return {
        "position": position,
        "source": source,
        "target": target,
        "units": units,
        "share_of_source": share,
        "goal_share": goal[0],
        "goal_text": goal[1],
    }


def _through(found: _Cells, shown: Collection[Any], k: int) -> pl.DataFrame:
    rows = [
        (*link[0], link[1][1], *node, to_tens(cell["mature"]))
        for (link, node), cell in sorted(found.through.items(), key=str)
        if link in shown and not small(cell["customers_mature"], k)
    ]
    return pl.DataFrame(rows, schema=THROUGH, orient="row")
