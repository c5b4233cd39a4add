"""Lays out the nodes and ribbons of a flow of paths: positions as columns, touchpoints stacked within them.

Nodes of a column are ordered by the centre of their incoming flows, the goal on top, "Other" below. The gap between two
nodes always has room for a node's two lines of text.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from reports.privacy.flow import OTHER, Flow

NODE_WIDTH = 12
GAP = 42
MIN_HEIGHT = 3.0
Node = tuple[int, str]


@dataclass(frozen=True)
class Box:
    """Position of a node: left edge, top and bottom."""

    x: float
    top: float
    bottom: float

    @property
    def middle(self) -> float:
        """Vertical middle."""
        return (self.top + self.bottom) / 2


@dataclass(frozen=True)
class Ribbon:
    """Position of a move: where it leaves the source and meets the target."""

    x0: float
    x1: float
    y0: float
    y1: float


@dataclass
class Layout:
    """All boxes and ribbons, pixels per unit, and the height used."""

    scale: float
    boxes: dict[Node, Box] = field(default_factory=dict)
    ribbons: dict[tuple[Node, Node], Ribbon] = field(default_factory=dict)

    @property
    def height(self) -> float:
        """Lowest edge of all boxes."""
        return max(box.bottom for box in self.boxes.values())


def lay_out(flow: Flow, width: float, height: float) -> Layout:
    """Boxes and ribbons of a flow that has at least one node."""
    nodes = flow.nodes.to_dicts()
    links = flow.links.to_dicts()
    columns: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for node in nodes:
        columns[node["position"]].append(node)
    layout = Layout(
        min((height - GAP * (len(column) - 1)) / max(sum(n["units"] for n in column), 1) for column in columns.values())
    )
    step = (width - NODE_WIDTH) / max(max(columns) - 1, 1)
    for position in sorted(columns):
        _stack(layout, columns[position], links, (position - 1) * step)
    _ribbons(layout, links)
    return layout


def _stack(layout: Layout, column: list[dict[str, Any]], links: list[dict[str, Any]], x: float) -> None:
    def from_sources(node: dict[str, Any]) -> float:
        into = [
            (link["units"], layout.boxes[link["position"], link["source"]].middle)
            for link in links
            if link["position"] + 1 == node["position"] and link["target"] == node["touchpoint"]
        ]
        weight = sum(units for units, _ in into)
        return sum(units * middle for units, middle in into) / weight if weight else -float(node["units"])

    rank = {"goal": 0, "touchpoint": 1, OTHER: 2}
    top = 0.0
    for node in sorted(column, key=lambda n: (rank[n["kind"]], from_sources(n), n["touchpoint"])):
        bottom = top + max(MIN_HEIGHT, node["units"] * layout.scale)
        layout.boxes[node["position"], node["touchpoint"]] = Box(x, top, bottom)
        top = bottom + GAP


def _ribbons(layout: Layout, links: list[dict[str, Any]]) -> None:
    def ends(link: dict[str, Any]) -> tuple[Node, Node]:
        return (link["position"], link["source"]), (link["position"] + 1, link["target"])

    leaving = {node: box.top for node, box in layout.boxes.items()}
    arriving = dict(leaving)
    starts: dict[tuple[Node, Node], float] = {}
    boxes = layout.boxes
    for link in sorted(links, key=lambda k: (boxes[ends(k)[0]].top, boxes[ends(k)[1]].top)):
        source, _ = ends(link)
        starts[ends(link)] = leaving[source]
        leaving[source] += link["units"] * layout.scale
    for link in sorted(links, key=lambda k: (boxes[ends(k)[1]].top, boxes[ends(k)[0]].top)):
        source, target = ends(link)
        layout.ribbons[source, target] = Ribbon(
            boxes[source].x + NODE_WIDTH, boxes[target].x, starts[source, target], arriving[target]
        )
        arriving[target] += link["units"] * layout.scale
