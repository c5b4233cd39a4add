"""Which routes do customers take, position by position, and which of them lead to the goal?

In: a published flow (`reports.privacy.flow.Flow`). A node is a touchpoint at a position, a ribbon a move between two,
its colour the share that eventually reaches the goal; abandoned journeys are a grey stub on the node. Pointing at a
node highlights the part of every ribbon that passed through it.
"""

from __future__ import annotations

import math
from typing import Any, cast

import altair as alt

from reports.charts import fonts
from reports.charts.canvas import Canvas, Layers, chart_of, only, tips
from reports.charts.flow.layout import NODE_WIDTH, Box, Layout, lay_out
from reports.privacy.flow import OTHER, Flow
from reports.words.numbers import MISSING, NARROW, count, percent, shown_name

WIDTH = 1050
HEIGHT = 560
HEAD = 64
MIN_DRAWN = 0.8
"""Thinnest visible part of a ribbon, in pixels."""
RIBBON = (
    "'M'+datum.x0+','+datum.y0+'C'+datum.xm+','+datum.y0+' '+datum.xm+','+datum.y1+' '+datum.x1+','+datum.y1"
    "+'L'+datum.x1+','+(datum.y1+datum.h)"
    "+'C'+datum.xm+','+(datum.y1+datum.h)+' '+datum.xm+','+(datum.y0+datum.h)+' '+datum.x0+','+(datum.y0+datum.h)+'Z'"
)
RIBBON_DOWN = (
    "'M'+datum.x0+','+datum.y0+'C'+datum.x0+','+datum.ym+' '+datum.x1+','+datum.ym+' '+datum.x1+','+datum.y1"
    "+'L'+(datum.x1+datum.h)+','+datum.y1"
    "+'C'+(datum.x1+datum.h)+','+datum.ym+' '+(datum.x0+datum.h)+','+datum.ym+' '+(datum.x0+datum.h)+','+datum.y0+'Z'"
)
STUB = "'M'+datum.x0+','+datum.y0+'l14,0l12,'+(datum.h/2)+'l-12,'+(datum.h/2)+'l-14,0Z'"
FREE: dict[str, Any] = {"filled": True, "size": 4, "strokeWidth": 0, "opacity": 1}


def flow_of_paths(flow: Flow, unit: str = "journeys", width: int = WIDTH) -> Layers:
    """The flow as ribbons between stacked touchpoints."""
    layout = lay_out(flow, width - 130, HEIGHT)
    canvas = Canvas(width, layout.height + HEAD + 10)
    numbers = {node: index for index, node in enumerate(layout.boxes)}
    nodes = [_node(row, layout, numbers) for row in flow.nodes.to_dicts()]
    links = [_link(index, row, layout, unit) for index, row in enumerate(flow.links.to_dicts())]
    layers: list[alt.Chart] = []
    if links:
        layers += ribbons(links, layout.scale, flow, numbers)
    layers += _stubs(nodes)
    layers += boxes(canvas, nodes)
    layers += _labels(canvas, nodes, layout)
    layers.append(targets(canvas, nodes))
    largest = sorted(nodes, key=lambda n: -n["v"])[:6]
    text = f"Flow of {flow.units:,} {unit} over {max(p for p, _ in layout.boxes)} positions. "
    return canvas.layered(layers, text + "; ".join(n["d"] for n in largest) + ".")


def name_of(touchpoint: str) -> str:
    """The displayed name of a touchpoint."""
    return "Other" if touchpoint == OTHER else shown_name(touchpoint)


def _node(row: dict[str, Any], layout: Layout, numbers: dict[Any, int]) -> dict[str, Any]:
    node = (row["position"], row["touchpoint"])
    box: Box = layout.boxes[node]
    left = (box.bottom - box.top) * row["left_share"] if row["kind"] != "goal" else 0.0
    leaving = f" · {rough(row['left_text'])} leave" if row["left_share"] >= 0.005 and left else ""
    return {
        **node_texts(row),
        "k": numbers[node],
        "x": round(box.x, 1),
        "x2": round(box.x + NODE_WIDTH, 1),
        "y": round(box.top + HEAD, 1),
        "y2": round(box.bottom + HEAD, 1),
        "yl": round(box.bottom - left + HEAD, 1),
        "under": count(row["units"]) + leaving,
    }


def node_texts(row: dict[str, Any]) -> dict[str, Any]:
    """Texts of a node, independent of its position."""
    name = name_of(row["touchpoint"])
    left = "" if row["left_text"] == MISSING else f"{row['left_text']} leave here, "
    return {
        "v": row["units"],
        "kind": row["kind"],
        "name": name,
        "position": str(row["position"]),
        "t_units": count(row["units"]),
        "t_share": percent(row["share"]),
        "t_left": row["left_text"],
        "t_goal": row["goal_text"],
        "d": f"Position {row['position']}, {name}: {count(row['units'])}, {left}"
        f"{row['goal_text']} reach the goal within the window",
    }


def rough(text: str) -> str:
    """A share's text in short form: "26.4 %" as "26 %", "under 8.3 %" as "<8 %"."""
    words = text.split()
    return {"under": "<", "over": ">"}.get(words[0], "") + f"{float(words[-2]):.0f} %"


def _link(index: int, row: dict[str, Any], layout: Layout, unit: str) -> dict[str, Any]:
    source, target = (row["position"], row["source"]), (row["position"] + 1, row["target"])
    ribbon = layout.ribbons[source, target]
    return {
        "id": index,
        "key": (source, target),
        "x0": round(ribbon.x0, 1),
        "x1": round(ribbon.x1, 1),
        "y0": round(ribbon.y0 + HEAD, 1),
        "y1": round(ribbon.y1 + HEAD, 1),
        **link_texts(row, unit),
    }


def link_texts(row: dict[str, Any], unit: str) -> dict[str, Any]:
    """Texts of a link, independent of its position."""
    move = f"{name_of(row['source'])} → {name_of(row['target'])}"
    return {
        "v": row["units"],
        "g": row["goal_share"],
        "move": move,
        "t_units": count(row["units"]),
        "t_share": percent(row["share_of_source"]),
        "t_goal": row["goal_text"],
        "d": f"{move}, position {row['position']} to {row['position'] + 1}: {count(row['units'])} {unit}",
    }


def ribbons(
    links: list[dict[str, Any]], scale: float, flow: Flow, numbers: dict[Any, int], path: str = RIBBON
) -> list[alt.Chart]:
    """All links, and on top of them the part that passed through the node under the pointer."""
    free = {
        "x": alt.value(0),
        "y": alt.value(0),
        "shape": alt.Shape("p:N", scale=None, legend=None),
    }
    tip = tips(move="Move", t_units="Journeys", t_share="Of the source", t_goal="Reach the goal within the window")
    top = _usual_high(links)
    fill = alt.Fill(
        "g:Q",
        scale=alt.Scale(type="linear", domain=[0, top], clamp=True),
        legend=alt.Legend(
            title="Share that reaches the goal within the window",
            labelExpr=f"format(datum.value*100,'.0f')+'{NARROW}%'",
            orient="bottom-right",
            direction="horizontal",
            offset=4,
            gradientLength=170,
            titleLimit=320,
            values=[0, top / 2, top],
        ),
    )
    pointed = _under_pointer("pointed", "id")
    rows = [{name: value for name, value in link.items() if name != "key"} for link in links]
    base = _shaped(chart_of(rows), f"datum.v*{scale:.6g}", path)
    ids = {link["key"]: link["id"] for link in links}
    parts = [
        {
            "id": ids[(r["position"], r["source"]), (r["position"] + 1, r["target"])],
            "k": numbers[r["at"], r["touchpoint"]],
            "w": r["units"],
        }
        for r in flow.through.to_dicts()
        if (r["at"], r["touchpoint"]) in numbers and r["units"] * scale >= MIN_DRAWN
    ]
    where = alt.LookupData(chart_of(rows).data, "id", ["x0", "x1", "y0", "y1"])
    through = chart_of(parts).transform_filter(_under_pointer("picked", "k")).transform_lookup("id", where)
    lit: dict[str, Any] = {**FREE, "style": "flow-hi", "fillOpacity": 0.8, "aria": False, "tooltip": None}
    return [
        base.mark_point(fillOpacity=0.62, **FREE)
        .encode(**free, tooltip=tip, description=alt.Description("d:N"), fill=fill)
        .add_params(pointed)
        .properties(name="ribbons"),
        _shaped(through, f"datum.w*{scale:.6g}", path).mark_point(**lit).encode(**free),
        base.transform_filter(pointed).mark_point(**lit).encode(**free),
    ]


def _usual_high(links: list[dict[str, Any]]) -> float:
    """The end of the colour scale: the 90th percentile, weighted by units, of ribbons that do not enter the goal."""
    before = sorted((link["g"], link["v"]) for link in links if link["g"] < 1) or [(0.1, 1)]
    left = 0.9 * sum(units for _, units in before)
    share: float
    for share, units in before:
        left -= units
        if left <= 0:
            return max(0.1, math.ceil(share * 20) / 20)
    return 1.0


def _under_pointer(name: str, field: str) -> alt.Parameter:
    return alt.selection_point(name=name, fields=[field], on="pointerover", clear="pointerout", empty=False)


def _shaped(chart: alt.Chart, thick: str, path: str) -> alt.Chart:
    """Adds the outline of a ribbon, computed in the browser, so that the page holds only its four corners."""
    middle = {"xm": "(datum.x0+datum.x1)/2"} if path == RIBBON else {"ym": "(datum.y0+datum.y1)/2"}
    return chart.transform_calculate(h=f"max(.7,{thick})", **middle).transform_calculate(p=path)


def _stubs(nodes: list[dict[str, Any]]) -> list[alt.Chart]:
    rows = [
        {"x0": n["x2"], "y0": n["yl"], "h": round(n["y2"] - n["yl"], 1), **_leaving(n)}
        for n in nodes
        if n["y2"] - n["yl"] > 0.5
    ]
    if not rows:
        return []
    marked = chart_of(rows).transform_calculate(p=STUB).mark_point(**{**FREE, "style": "ghost"})
    return [
        marked.encode(
            x=alt.value(0),
            y=alt.value(0),
            shape=alt.Shape("p:N", scale=None, legend=None),
            description=alt.Description("d:N"),
            tooltip=tips(name="Left after", position="Position", t_left="Of those there"),
        )
    ]


def _leaving(node: dict[str, Any]) -> dict[str, Any]:
    text = f"Left after {node['name']} at position {node['position']}: {node['t_left']}"
    return {"d": text, **{name: node[name] for name in ("name", "position", "t_left")}}


def boxes(canvas: Canvas, nodes: list[dict[str, Any]], begin: str = "y", left: str = "yl") -> list[alt.Chart]:
    """One bar per node; its end, from the field `left` on, shows abandoned journeys."""
    layers = []
    for kind, style in (("goal", "node-goal"), (OTHER, "bar-muted"), ("touchpoint", "node")):
        bars = [n for n in nodes if n["kind"] == kind]
        layers += [canvas.rects(bars, style)] if bars else []
    leaving = [{**n, begin: n[left]} for n in nodes if n[left] < n[f"{begin}2"]]
    return layers + ([canvas.rects(leaving, "node-exit")] if leaving else [])


def _labels(canvas: Canvas, nodes: list[dict[str, Any]], layout: Layout) -> list[alt.Chart]:
    columns = sorted({round(box.x, 1): position for (position, _), box in layout.boxes.items()}.items())
    pitch = columns[1][0] - columns[0][0] if len(columns) > 1 else canvas.width
    names = [{"x": n["x"], "y": n["y"] - 24, "t": fonts.fit(n["name"], pitch - 14, 12, 600)} for n in nodes]
    under = [{"x": n["x"], "y": n["y"] - 9, "t": n["under"]} for n in nodes]
    heads = [{"x": x, "y": 8, "t": f"STEP {position}"} for x, position in columns]
    layers = [canvas.texts(heads, "label-head")]
    for strong, plain in (("halo-strong", "halo"), ("label-strong", "label")):
        layers += [canvas.texts(names, strong), canvas.texts(under, plain, fontSize=11.5)]
    return layers


def targets(canvas: Canvas, nodes: list[dict[str, Any]]) -> alt.Chart:
    """Targets for pointer and keyboard: an invisible box over every node, wide enough for a finger."""
    tip = tips(
        name="Touchpoint",
        position="Position",
        t_units="Journeys",
        t_share="Of all",
        t_left="Leave right after",
        t_goal="Reach the goal within the window",
    )
    wide = [{**n, "x": max(0.0, n["x"] - 4), "x2": n["x2"] + 6} for n in nodes]
    rows = only(wide, "k", "x", "x2", "y", "y2", "d", tooltip=tip)
    marked = chart_of(rows).mark_rect(opacity=0, cursor="pointer")
    reached = (
        marked.encode(
            canvas.x(),
            canvas.y(),
            x2=alt.X2("x2:Q"),
            y2=alt.Y2("y2:Q"),
            tooltip=tip,
            description=alt.Description("d:N"),
        )
        .add_params(_under_pointer("picked", "k"))
        .properties(name="targets")
    )
    return cast("alt.Chart", reached)
