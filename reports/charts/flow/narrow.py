"""Draws the flow of paths on a phone: positions from top to bottom, the largest touchpoints of each side by side.

In: a published flow (`reports.privacy.flow.Flow`). Marks mean the same as in `reports.charts.flow.flow`; the
next touch lies below, and abandoned journeys are grey at the right end of a bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import altair as alt

from reports.charts import fonts
from reports.charts.canvas import NARROW, Canvas, Layers
from reports.charts.flow.fewer import fewer
from reports.charts.flow.flow import RIBBON_DOWN, boxes, link_texts, name_of, node_texts, ribbons, targets
from reports.privacy.flow import OTHER, Flow, Node

MAX_TOUCHPOINTS = 3
GAP = 10.0
BAR = 12
LINE = 13
FLOWING = 66.0
MIN_SLOT = 44.0
TEXT = 11
LEGEND = 60
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Slot:
    """Position of a node: its bar starts at `x` and is `wide` pixels wide; its name stands above, in lines."""

    x: float
    wide: float
    top: float
    lines: tuple[str, ...]


def narrow_flow(flow: Flow, unit: str = "journeys", width: int = NARROW) -> Layers:
    """The flow from top to bottom, with the three largest touchpoints of a position."""
    small = fewer(flow, MAX_TOUCHPOINTS)
    scale, slots = _laid_out(small, width)
    height = max(slot.top for slot in slots.values()) + BAR + 8
    canvas = Canvas(width, height + LEGEND)
    numbers = {node: index for index, node in enumerate(slots)}
    nodes = [_node(row, slots, numbers) for row in small.nodes.to_dicts()]
    links = _links(small, slots, scale, unit)
    layers = ribbons(links, scale, small, numbers, RIBBON_DOWN) if links else []
    layers += [*boxes(canvas, nodes, "x", "xl"), *_labels(canvas, nodes, slots), targets(canvas, _touched(nodes))]
    largest = sorted(nodes, key=lambda node: -node["v"])[:6]
    text = f"Flow of {flow.units:,} {unit} over {max(position for position, _ in slots)} positions. "
    return canvas.layered(layers, text + "; ".join(node["d"] for node in largest) + ".")


def _laid_out(flow: Flow, width: float) -> tuple[float, dict[Node, Slot]]:
    """Pixels per unit, the same for all positions, and the slot of every node."""
    rows = {
        int(nodes["position"][0]): nodes.sort("units", descending=True).to_dicts()
        for nodes in flow.nodes.sort("position").partition_by("position", maintain_order=True)
    }
    scale = min(_scale([node["units"] for node in nodes], width) for nodes in rows.values())
    slots: dict[Node, Slot] = {}
    top = 0.0
    for position, nodes in rows.items():
        ordered = _ordered(nodes, position, flow, slots)
        rooms = _rooms([node["units"] * scale for node in ordered], width)
        names = [
            tuple(fonts.wrap(name_of(n["touchpoint"]), r, TEXT, 600, 3)) for n, r in zip(ordered, rooms, strict=True)
        ]
        top += 26 + LINE * (max(map(len, names)) + 1)
        x = 0.0
        for node, name, room in zip(ordered, names, rooms, strict=True):
            wide = max(2.0, node["units"] * scale)
            slots[position, node["touchpoint"]] = Slot(round(x, 1), round(wide, 1), top, name)
            x += room + GAP
        top += BAR + FLOWING
    return scale, slots


def _scale(units: list[int], width: float) -> float:
    """The largest scale, in pixels per unit, at which the row has room for its bars and names."""
    free = width - GAP * (len(units) - 1)
    large = sorted(units, reverse=True)
    for at in range(len(large), 0, -1):
        scale = (free - MIN_SLOT * (len(large) - at)) / max(sum(large[:at]), 1)
        if large[at - 1] * scale >= MIN_SLOT:
            return scale
    return free / max(sum(large), 1)


def _rooms(bars: list[float], width: float) -> list[float]:
    """Widths of the slots: as their bars, but at least as a name needs; small slots share the space left over."""
    rooms = [max(MIN_SLOT, bar) for bar in bars]
    over = max(0.0, width - GAP * (len(bars) - 1) - sum(rooms))
    small = [i for i, bar in enumerate(bars) if bar < 2 * MIN_SLOT] or list(range(len(bars)))
    return [room + (over / len(small) if i in small else 0.0) for i, room in enumerate(rooms)]


def _ordered(nodes: Rows, position: int, flow: Flow, slots: dict[Node, Slot]) -> Rows:
    """The goal first, "Other" last, between them by the middle of what flows into each."""
    into = [row for row in flow.links.to_dicts() if row["position"] + 1 == position]

    def middle(node: dict[str, Any]) -> float:
        own = [row for row in into if row["target"] == node["touchpoint"]]
        units = sum(row["units"] for row in own)
        if not units:
            return -float(node["units"])
        return float(sum(row["units"] * slots[position - 1, row["source"]].x for row in own) / units)

    rank = {"goal": 0, "touchpoint": 1, OTHER: 2}
    return sorted(nodes, key=lambda node: (rank[node["kind"]], middle(node), node["touchpoint"]))


def _node(row: dict[str, Any], slots: dict[Node, Slot], numbers: dict[Node, int]) -> dict[str, Any]:
    slot = slots[row["position"], row["touchpoint"]]
    left = slot.wide * row["left_share"] if row["kind"] != "goal" else 0.0
    return {
        **node_texts(row),
        "k": numbers[row["position"], row["touchpoint"]],
        "x": slot.x,
        "x2": round(slot.x + slot.wide, 1),
        "xl": round(slot.x + slot.wide - left, 1),
        "y": slot.top,
        "y2": slot.top + BAR,
        "lines": slot.lines,
    }


def _touched(nodes: Rows) -> Rows:
    """Touch targets: a bar and the name above it."""
    return [{**node, "y": node["y"] - LINE * (1 + len(node["lines"]))} for node in nodes]


def _links(flow: Flow, slots: dict[Node, Slot], scale: float, unit: str) -> Rows:
    rows = flow.links.to_dicts()
    leaving = {node: slot.x for node, slot in slots.items()}
    arriving = dict(leaving)
    ends = {id(row): ((row["position"], row["source"]), (row["position"] + 1, row["target"])) for row in rows}
    links: dict[int, dict[str, Any]] = {}
    for index, row in enumerate(sorted(rows, key=lambda row: [slots[end].x for end in ends[id(row)]])):
        source, target = ends[id(row)]
        edges = {"y0": slots[source].top + BAR, "y1": slots[target].top, "x0": round(leaving[source], 1)}
        links[id(row)] = {"id": index, "key": (source, target), **edges, **link_texts(row, unit)}
        leaving[source] += row["units"] * scale
    for row in sorted(rows, key=lambda row: [slots[end].x for end in reversed(ends[id(row)])]):
        _, target = ends[id(row)]
        links[id(row)]["x1"] = round(arriving[target], 1)
        arriving[target] += row["units"] * scale
    return list(links.values())


def _labels(canvas: Canvas, nodes: Rows, slots: dict[Node, Slot]) -> list[alt.Chart]:
    tops = {position: slot.top for (position, _), slot in slots.items()}
    line_counts = {position: max(len(s.lines) for (p, _), s in slots.items() if p == position) for position in tops}
    heads = [{"x": 0, "y": top - LINE * (line_counts[p] + 1) - 14, "t": f"STEP {p}"} for p, top in tops.items()]
    names = [
        {"x": node["x"], "y": node["y"] - 11 - LINE * len(node["lines"]), "t": list(node["lines"])} for node in nodes
    ]
    under = [{"x": node["x"], "y": node["y"] - 8, "t": node["t_units"]} for node in nodes]
    layers = [canvas.texts(heads, "halo", fontSize=TEXT), canvas.texts(heads, "label-head")]
    for strong, plain in (("halo-strong", "halo"), ("label-strong", "label")):
        layers.append(canvas.texts(names, strong, fontSize=TEXT, lineHeight=LINE))
        layers.append(canvas.texts(under, plain, fontSize=TEXT))
    return layers
