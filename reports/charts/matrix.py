"""Where are customers at each position of their journey?

In: the published positions frame (`reports.routes.positions`). A cell is the share of all journeys that are at a
touchpoint at that position; the rows below accumulate the journeys that are over.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from reports import fonts
from reports.charts.canvas import Canvas, chart_of, tips
from reports.formats import count, percent, percent_in_cell, shown_name
from reports.routes import ABANDONED, OPEN, REACHED

WIDTH = 1096
ROW = 27
HEAD = 26
BELOW = 10
ENDS = {REACHED: "Reached the goal", ABANDONED: "Abandoned", OPEN: "Still open"}


def step_matrix(positions: pl.DataFrame, width: int = WIDTH) -> alt.LayerChart:
    """Touchpoints by position, then how journeys have ended by then."""
    names = _in_order(positions)
    depth = int(positions["position"].max())  # type: ignore[arg-type]
    label = min(190.0, max(fonts.width(_name(name), 12) for name in names)) + 14
    column = (width - label) / depth
    tops: dict[str, float] = {name: HEAD + ROW * i + (BELOW if name in ENDS else 0) for i, name in enumerate(names)}
    canvas = Canvas(width, max(tops.values()) + ROW)
    cells = [_cell(row, tops, label, column) for row in positions.to_dicts() if row["units"]]
    inner = [cell for cell in cells if cell["kind"] == "touchpoint"]
    ends = [cell for cell in cells if cell["kind"] != "touchpoint"]
    most = max([cell["share"] for cell in inner], default=1.0)
    dark = [cell for cell in inner if cell["share"] > 0.45 * most]
    light = [cell for cell in inner if cell["share"] <= 0.45 * most]
    heads = [
        {"x": label + column * (position - 0.5), "y": 10, "t": f"Step {position}"} for position in range(1, depth + 1)
    ]
    sides = [
        {"x": label - 12, "y": top + ROW / 2, "t": fonts.fit(_name(name), label - 14, 12)} for name, top in tops.items()
    ]
    layers = [_filled(canvas, inner, most)]
    layers += [canvas.rects(ends, "ghost-soft", _tip(), cornerRadius=3)] if ends else []
    for group, style in ((dark, "label-on"), (light, "label-ink"), (ends, "label-strong")):
        middles = [{"x": (c["x"] + c["x2"]) / 2, "y": (c["y"] + c["y2"]) / 2, "t": c["t"]} for c in group]
        layers += [canvas.texts(middles, style, "center")] if group else []
    layers += [canvas.texts(heads, "label", "center"), canvas.texts(sides, "label", "right")]
    return canvas.layered(layers, f"Share of journeys at {len(names)} touchpoints over {depth} positions.")


def _in_order(positions: pl.DataFrame) -> list[str]:
    """Touchpoints by where on average they come, "Other" last, then the endings that occur."""
    inner = positions.filter(pl.col("kind") == "touchpoint")
    mean = (pl.col("position") * pl.col("units")).sum() / pl.col("units").sum()
    ranked = inner.group_by("touchpoint").agg(mean=mean).sort("mean", "touchpoint")["touchpoint"].to_list()
    ends = [name for name in ENDS if name in set(positions["kind"])]
    return [*(n for n in ranked if n != "other"), *(n for n in ranked if n == "other"), *ends]


def _name(name: str) -> str:
    return "Other" if name == "other" else ENDS.get(name) or shown_name(name)


def _cell(row: dict[str, Any], tops: dict[str, float], label: float, column: float) -> dict[str, Any]:
    left, top = label + column * (row["position"] - 1), tops[row["touchpoint"]]
    name = _name(row["touchpoint"])
    return {
        "x": left + 2,
        "x2": left + column - 2,
        "y": top + 1,
        "y2": top + ROW - 1,
        "kind": row["kind"],
        "share": row["share"],
        "t": percent_in_cell(row["share"]),
        "name": name,
        "position": str(row["position"]),
        "t_units": count(row["units"]),
        "t_share": percent(row["share"]),
        "d": f"{name}, position {row['position']}: {percent(row['share'])} of journeys",
    }


def _tip() -> list[alt.Tooltip]:
    return tips(name="Touchpoint", position="Position", t_units="Journeys", t_share="Of all journeys")


def _filled(canvas: Canvas, cells: list[dict[str, Any]], most: float) -> alt.Chart:
    scale = alt.Scale(type="sqrt", domain=[0, most])
    marked = chart_of(cells).mark_rect(cornerRadius=3, opacity=1)
    chart: alt.Chart = marked.encode(
        canvas.x(),
        canvas.y(),
        x2=alt.X2("x2:Q"),
        y2=alt.Y2("y2:Q"),
        fill=alt.Fill("share:Q", scale=scale, legend=None),
        tooltip=_tip(),
        description=alt.Description("d:N"),
    )
    return chart
