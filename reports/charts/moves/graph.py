"""How do customers move between touchpoints, and where do they turn back?

In: the published moves (`reports.privacy.paths.publishable_moves`) and the stage number of every touchpoint. Stages run
from left to right, touchpoints of one stage are stacked; a circle's area is its visits, an arrow's width its moves.
Forward arrows bend up, backward ones down.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from typing import Any

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import NARROW, Canvas, Layers, chart_of, tips
from reports.charts.moves import graph_layout
from reports.words.numbers import count, percent, short_count, shown_name

WIDTH = 1080
HEIGHT = 520
MAX_RADIUS = 26.0
NARROW_RADIUS = 17.0
MAX_ON_A_PHONE = 12
RARE_ON_A_PHONE = 0.03
START = "START"
END = "END_"
Rows = list[dict[str, Any]]


def move_graph(
    moves: pl.DataFrame, layers: dict[str, int], goals: Collection[str], hide_below: float = 0.015, width: int = WIDTH
) -> Layers:
    """Touchpoints and the moves between them; moves rarer than `hide_below` of all starts are not drawn."""
    rows = moves.to_dicts()
    visits = _visits(rows)
    drawn = _drawn(rows, hide_below)
    places = graph_layout.across(visits, _between(rows), layers, width, HEIGHT)
    nodes = _nodes_at(places, rows, visits, goals, MAX_RADIUS)
    edges = _edges_of(drawn, nodes, visits)
    return _whole(Canvas(width, HEIGHT), edges, nodes)


def narrow_move_graph(
    moves: pl.DataFrame, layers: dict[str, int], goals: Collection[str], width: int = NARROW
) -> Layers:
    """The same for a phone: stages from top to bottom, only the commonest touchpoints and moves, as a note says."""
    rows = moves.to_dicts()
    visits = _visits(rows)
    ranked = sorted(visits, key=lambda name: (name not in goals, -visits[name], name))
    kept = {name: visits[name] for name in ranked[:MAX_ON_A_PHONE]}
    drawn = [row for row in _drawn(rows, RARE_ON_A_PHONE) if row["source"] in kept and row["target"] in kept]
    between = [row for row in _between(rows) if row["source"] in kept and row["target"] in kept]
    places = graph_layout.down(kept, between, layers, width)
    nodes = _nodes_at(places, rows, visits, goals, NARROW_RADIUS)
    edges = _edges_of(drawn, nodes, visits, width)
    lowest = max(y for _, y in places.values()) + 62
    text = (
        f"The {len(kept)} commonest touchpoints and moves of over {percent(RARE_ON_A_PHONE, 0)} of journeys, from top "
        "to bottom: arrows bent to the right go forward, arrows bent to the left go back."
    )
    lines = fonts.wrap(text, width - 8, 11.5, lines=4)
    canvas = Canvas(width, lowest + 15 * len(lines))
    caption = canvas.texts([{"x": 0, "y": lowest + 8, "t": lines}], "label-muted", lineHeight=15)
    return _whole(canvas, edges, nodes, caption)


def _whole(canvas: Canvas, edges: Rows, nodes: Rows, *more: alt.Chart) -> Layers:
    text = "; ".join(edge["d"] for edge in edges[:8])
    drawn = [*_edges(edges), *_nodes(canvas, nodes), *more]
    return canvas.layered(drawn, f"{len(nodes)} touchpoints and moves. {text}.")


def _between(rows: Rows) -> Rows:
    """Moves from one touchpoint to another."""
    return [row for row in rows if _inner(row) and row["source"] != row["target"]]


def _drawn(rows: Rows, hide_below: float) -> Rows:
    starts = sum(row["transitions"] for row in rows if row["source"] == START)
    return [row for row in _between(rows) if row["transitions"] >= hide_below * starts]


def _inner(row: dict[str, Any]) -> bool:
    return row["source"] != START and not row["target"].startswith(END)


def _visits(rows: Rows) -> dict[str, int]:
    """Visits of every touchpoint: its moves in or out, whichever are more, as rare ones are withheld."""
    to, of = Counter[str](), Counter[str]()
    for row in rows:
        if not row["target"].startswith(END):
            to[row["target"]] += row["transitions"]
        if row["source"] != START:
            of[row["source"]] += row["transitions"]
    return dict(to | of)


def _nodes_at(
    places: graph_layout.Places, rows: Rows, visits: dict[str, int], goals: Collection[str], max_radius: float
) -> Rows:
    leaving = {row["source"]: row["transitions"] for row in rows if row["target"] == "END_abandoned"}
    largest = max(visits.values())
    return [
        _node(name, place, visits[name], leaving.get(name, 0), 5 + (max_radius - 5) * math.sqrt(visits[name] / largest))
        | {"goal": name in goals}
        for name, place in places.items()
    ]


def _node(name: str, place: tuple[float, float], visits: int, leaving: int, radius: float) -> dict[str, Any]:
    left = leaving / visits if visits else 0.0
    label = fonts.fit("Other" if name == "other" else shown_name(name), 130, 12, 600)
    under = short_count(visits) + (f" · {percent(left, 0)} leave" if left >= 0.005 else "")
    return {
        "k": name,
        "x": round(place[0], 1),
        "y": round(place[1], 1),
        "r": round(radius, 1),
        "size": round(math.pi * radius**2, 1),
        "yl": round(place[1] + radius + 9, 1),
        "name": label,
        "under": under,
        "t_visits": count(visits),
        "t_left": percent(left),
        "d": f"{label}: {count(visits)} visits, {percent(left)} leave here",
    }


def _edges_of(rows: Rows, nodes: Rows, visits: dict[str, int], stacked: float | None = None) -> Rows:
    known = {node["k"]: node for node in nodes}
    largest = max((row["transitions"] for row in rows), default=1)
    thickest = 13.0 if stacked is None else 8.0
    return [
        _edge(row, known, 0.8 + thickest * row["transitions"] / largest, stacked)
        | _move(row, row["transitions"] / visits[row["source"]])
        for row in rows
    ]


def _edge(row: dict[str, Any], nodes: dict[str, dict[str, Any]], wide: float, stacked: float | None) -> dict[str, Any]:
    """An arrow as two paths: a bent line from rim to rim, and its head; within `stacked` pixels from top to bottom."""
    source, target = nodes[row["source"]], nodes[row["target"]]
    (xa, ya), (xb, yb) = (source["x"], source["y"]), (target["x"], target["y"])
    forward = xb >= xa if stacked is None else (yb, xb) >= (ya, xa)
    bend = 0.16 if forward else 0.3
    xc, yc = (xa + xb) / 2 + (yb - ya) * bend, (ya + yb) / 2 - (xb - xa) * bend
    if stacked is not None:
        xc = min(max(xc, 0.0), stacked)
    head = 5 + wide * 0.9
    out, back = math.atan2(yc - ya, xc - xa), math.atan2(yc - yb, xc - xb)
    x0, y0 = _from(xa, ya, source["r"] + 2, out)
    xt, yt = _from(xb, yb, target["r"] + 4, back)
    x1, y1 = _from(xt, yt, head, back)
    side = head * 0.55 + wide * 0.25
    px, py = -math.sin(back) * side, math.cos(back) * side
    return {
        "a": row["source"],
        "b": row["target"],
        "w": round(wide, 1),
        "p": f"M{x0:.1f},{y0:.1f}Q{xc:.1f},{yc:.1f},{x1:.1f},{y1:.1f}",
        "h": f"M{xt:.1f},{yt:.1f}L{x1 + px:.1f},{y1 + py:.1f}L{x1 - px:.1f},{y1 - py:.1f}Z",
    }


def _move(row: dict[str, Any], share: float) -> dict[str, Any]:
    move = f"{shown_name(row['source'])} → {shown_name(row['target'])}"
    return {
        "move": move,
        "t_moves": count(row["transitions"]),
        "t_share": percent(min(share, 1.0)),
        "d": f"{move}: {count(row['transitions'])} moves",
    }


def _from(x: float, y: float, distance: float, angle: float) -> tuple[float, float]:
    return x + distance * math.cos(angle), y + distance * math.sin(angle)


def _edges(edges: Rows) -> list[alt.Chart]:
    if not edges:
        return []
    near = "!isValid(node.k) || indexof(node.k, datum.a) >= 0 || indexof(node.k, datum.b) >= 0"
    opacity = alt.condition(near, alt.value(0.75), alt.value(0.1))
    tip = tips(move="Move", t_moves="Times", t_share="Of visits to the source")
    at = {"x": alt.value(0), "y": alt.value(0)}
    rows = chart_of(edges)
    lines = rows.mark_point(style="edge", filled=False, size=4, fillOpacity=0, opacity=1).encode(
        **at,
        shape=alt.Shape("p:N", scale=None, legend=None),
        strokeWidth=alt.StrokeWidth("w:Q", scale=None),
        strokeOpacity=opacity,
        tooltip=tip,
        description=alt.Description("d:N"),
    )
    heads = rows.mark_point(style="flow", filled=True, size=4, strokeWidth=0, opacity=1, aria=False).encode(
        **at, shape=alt.Shape("h:N", scale=None, legend=None), fillOpacity=opacity, tooltip=tip
    )
    return [lines, heads]


def _nodes(canvas: Canvas, nodes: Rows) -> list[alt.Chart]:
    pointed = alt.selection_point(name="node", fields=["k"], on="pointerover", clear="pointerout", empty=False)
    tip = tips(name="Touchpoint", t_visits="Visits", t_left="Leave right after")
    circles = []
    for goal, style in ((False, "node"), (True, "node-goal")):
        touchpoints = [node for node in nodes if node["goal"] == goal]
        marked = chart_of(touchpoints).mark_circle(style=style, opacity=1, cursor="pointer")
        if touchpoints:
            size = alt.Size("size:Q", scale=None)
            circles.append(
                marked.encode(canvas.x(), canvas.y(), size=size, tooltip=tip, description=alt.Description("d:N"))
            )
    circles[0] = circles[0].add_params(pointed).properties(name="touchpoints")
    names = [{"x": _within(canvas, n["x"], n["name"], 12, 600), "y": n["yl"], "t": n["name"]} for n in nodes]
    under = [{"x": _within(canvas, n["x"], n["under"], 11), "y": n["yl"] + 15, "t": n["under"]} for n in nodes]
    texts = []
    for strong, plain in (("halo-strong", "halo"), ("label-strong", "label")):
        texts += [canvas.texts(names, strong, "center"), canvas.texts(under, plain, "center", fontSize=11)]
    return [*circles, *texts]


def _within(canvas: Canvas, x: float, text: str, size: float, weight: int = 400) -> float:
    """The x of a centred text, moved so that the text stays within the drawing."""
    half = fonts.width(text, size, weight) / 2
    return round(min(max(x, half), canvas.width - half), 1)
