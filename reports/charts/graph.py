"""How do touchpoints lead to one another, and where do customers turn back?

In: the published moves (`reports.routes.moves`) and the stage number of every touchpoint. Stages run from left to
right, touchpoints of one stage are stacked; a circle's area is its visits, an arrow's width its moves. Forward arrows
bend up, backward ones down.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection
from typing import Any

import altair as alt
import polars as pl

from reports import fonts
from reports.charts.canvas import Canvas, chart_of, tips
from reports.formats import count, percent, short_count, shown_name

WIDTH = 1080
HEIGHT = 520
EDGE = 70
MOST_RADIUS = 26.0
START = "START"
END = "END_"
SWEEPS = 6
PER_COLUMN = 3
MOST_COLUMNS = 3


def move_graph(
    moves: pl.DataFrame, layers: dict[str, int], goals: Collection[str], hide_below: float = 0.015, width: int = WIDTH
) -> alt.LayerChart:
    """Touchpoints and the moves between them; moves rarer than `hide_below` of all starts are not drawn."""
    rows = moves.to_dicts()
    visits = _visits(rows)
    starts = sum(row["transitions"] for row in rows if row["source"] == START)
    inner = [row for row in rows if _inner(row) and row["source"] != row["target"]]
    drawn = [row for row in inner if row["transitions"] >= hide_below * starts]
    places = _places(visits, inner, layers, width)
    leaving = {r["source"]: r["transitions"] for r in rows if r["target"] == "END_abandoned"}
    nodes = [_node(name, places[name], visits, leaving, goals) for name in places]
    radius = {node["k"]: node["r"] for node in nodes}
    most = max((row["transitions"] for row in drawn), default=1)
    edges = [_edge(row, places, radius, visits, most) for row in drawn]
    canvas = Canvas(width, HEIGHT)
    text = "; ".join(edge["d"] for edge in edges[:8])
    return canvas.layered([*_edges(edges), *_nodes(canvas, nodes)], f"{len(nodes)} touchpoints and moves. {text}.")


def _inner(row: dict[str, Any]) -> bool:
    return row["source"] != START and not row["target"].startswith(END)


def _visits(rows: list[dict[str, Any]]) -> dict[str, int]:
    visits: dict[str, int] = defaultdict(int)
    for row in rows:
        if not row["target"].startswith(END):
            visits[row["target"]] += row["transitions"]
    return dict(visits)


def _places(
    visits: dict[str, int], moves: list[dict[str, Any]], layers: dict[str, int], width: float
) -> dict[str, tuple[float, float]]:
    """x by stage, in columns side by side where a stage has many touchpoints; y by what a touchpoint goes with."""
    stages: dict[int, list[str]] = defaultdict(list)
    for name in sorted(visits, key=lambda name: (-visits[name], name)):
        stages[_column(name, moves, layers)].append(name)
    columns: dict[int, list[str]] = {}
    for stage in sorted(stages):
        for part in _side_by_side(stages[stage], moves):
            columns[len(columns)] = part
    order = sorted(columns)
    rank = {name: float(i) for column in order for i, name in enumerate(columns[column])}
    for sweep in range(SWEEPS):
        for column in order if sweep % 2 == 0 else reversed(order):
            middle = {name: _pull(name, moves, rank) for name in columns[column]}
            columns[column].sort(key=lambda name: (middle[name], name))
            for i, name in enumerate(columns[column]):
                rank[name] = (i + 0.5) / len(columns[column]) * 10
    step = (width - 2 * EDGE) / max(len(order) - 1, 1)
    places = {}
    for at, column in enumerate(order):
        names = columns[column]
        for i, name in enumerate(names):
            high = (i + 0.5) / len(names) * (HEIGHT - 50) + 8
            shift = (0.5 if at % 2 else -0.5) * min(70.0, HEIGHT / len(names) / 3)
            places[name] = (EDGE + at * step, min(max(high + shift, 30.0), HEIGHT - 50.0))
    return places


def _side_by_side(names: list[str], moves: list[dict[str, Any]]) -> list[list[str]]:
    """A stage with many touchpoints as several columns: those that lead to the others on the left."""
    parts = min(MOST_COLUMNS, -(-len(names) // PER_COLUMN))
    own = set(names)

    def forward(name: str) -> float:
        into = sum(m["transitions"] for m in moves if m["target"] == name and m["source"] in own)
        out = sum(m["transitions"] for m in moves if m["source"] == name and m["target"] in own)
        return float((out - into) / max(out + into, 1))

    ranked = sorted(names, key=lambda name: (-forward(name), name))
    size = -(-len(ranked) // parts)
    return [ranked[at : at + size] for at in range(0, len(ranked), size)]


def _column(name: str, moves: list[dict[str, Any]], layers: dict[str, int]) -> int:
    """The touchpoint's stage; one without a stage stands where most of its moves come from and go to."""
    if name in layers:
        return layers[name]
    near: Counter[int] = Counter()
    for move in moves:
        for own, other in (("source", "target"), ("target", "source")):
            if move[own] == name and move[other] in layers:
                near[layers[move[other]]] += move["transitions"]
    return near.most_common(1)[0][0] if near else 0


def _pull(name: str, moves: list[dict[str, Any]], rank: dict[str, float]) -> float:
    pulls = [
        (move["transitions"], rank[move["target" if move["source"] == name else "source"]])
        for move in moves
        if name in (move["source"], move["target"])
    ]
    weight = sum(units for units, _ in pulls)
    return sum(units * at for units, at in pulls) / weight if weight else rank[name]


def _node(
    name: str, place: tuple[float, float], visits: dict[str, int], leaving: dict[str, int], goals: Collection[str]
) -> dict[str, Any]:
    radius = 5 + (MOST_RADIUS - 5) * math.sqrt(visits[name] / max(visits.values()))
    left = leaving.get(name, 0) / visits[name] if visits[name] else 0.0
    label = fonts.fit("Other" if name == "other" else shown_name(name), 130, 12, 600)
    under = short_count(visits[name]) + (f" · {percent(left, 0)} leave" if left >= 0.005 else "")
    return {
        "k": name,
        "x": round(place[0], 1),
        "y": round(place[1], 1),
        "r": round(radius, 1),
        "size": round(math.pi * radius**2, 1),
        "yl": round(place[1] + radius + 9, 1),
        "name": label,
        "under": under,
        "goal": name in goals,
        "t_visits": count(visits[name]),
        "t_left": percent(left),
        "d": f"{label}: {count(visits[name])} visits, {percent(left)} leave here",
    }


def _edge(
    row: dict[str, Any],
    places: dict[str, tuple[float, float]],
    radius: dict[str, float],
    visits: dict[str, int],
    most: int,
) -> dict[str, Any]:
    """An arrow as two paths: a bent line from rim to rim, and its head."""
    (xa, ya), (xb, yb) = places[row["source"]], places[row["target"]]
    bend = 0.16 if xb >= xa else 0.3
    xc, yc = (xa + xb) / 2 + (yb - ya) * bend, (ya + yb) / 2 - (xb - xa) * bend
    wide = 0.8 + 13 * row["transitions"] / most
    head = 5 + wide * 0.9
    out, back = math.atan2(yc - ya, xc - xa), math.atan2(yc - yb, xc - xb)
    x0, y0 = _from(xa, ya, radius[row["source"]] + 2, out)
    xt, yt = _from(xb, yb, radius[row["target"]] + 4, back)
    x1, y1 = _from(xt, yt, head, back)
    side = head * 0.55 + wide * 0.25
    px, py = -math.sin(back) * side, math.cos(back) * side
    move = f"{shown_name(row['source'])} → {shown_name(row['target'])}"
    share = row["transitions"] / visits[row["source"]]
    return {
        "a": row["source"],
        "b": row["target"],
        "w": round(wide, 1),
        "p": f"M{x0:.1f},{y0:.1f}Q{xc:.1f},{yc:.1f},{x1:.1f},{y1:.1f}",
        "h": f"M{xt:.1f},{yt:.1f}L{x1 + px:.1f},{y1 + py:.1f}L{x1 - px:.1f},{y1 - py:.1f}Z",
        "move": move,
        "t_moves": count(row["transitions"]),
        "t_share": percent(min(share, 1.0)),
        "d": f"{move}: {count(row['transitions'])} moves",
    }


def _from(x: float, y: float, distance: float, angle: float) -> tuple[float, float]:
    return x + distance * math.cos(angle), y + distance * math.sin(angle)


def _edges(edges: list[dict[str, Any]]) -> list[alt.Chart]:
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


def _nodes(canvas: Canvas, nodes: list[dict[str, Any]]) -> list[alt.Chart]:
    pointed = alt.selection_point(name="node", fields=["k"], on="pointerover", clear="pointerout", empty=False)
    tip = tips(name="Touchpoint", t_visits="Visits", t_left="Leave right after")
    circles = []
    for goal, style in ((False, "node"), (True, "node-goal")):
        some = [node for node in nodes if node["goal"] == goal]
        marked = chart_of(some).mark_circle(style=style, opacity=1, cursor="pointer")
        if some:
            size = alt.Size("size:Q", scale=None)
            circles.append(
                marked.encode(canvas.x(), canvas.y(), size=size, tooltip=tip, description=alt.Description("d:N"))
            )
    circles[0] = circles[0].add_params(pointed).properties(name="touchpoints")
    names = [{"x": n["x"], "y": n["yl"], "t": n["name"]} for n in nodes]
    under = [{"x": n["x"], "y": n["yl"] + 15, "t": n["under"]} for n in nodes]
    texts = []
    for strong, plain in (("halo-strong", "halo"), ("label-strong", "label")):
        texts += [canvas.texts(names, strong, "center"), canvas.texts(under, plain, "center", fontSize=11)]
    return [*circles, *texts]
