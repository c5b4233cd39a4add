"""Where are customers at each position of their journey?

In: the published positions frame (`reports.privacy.paths.publishable_positions`). A cell is the share of all journeys
that are at a touchpoint at that position; the rows below accumulate the journeys that are over.
"""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import NARROW, Canvas, Layers, chart_of, only, tips
from reports.privacy.paths import ABANDONED, OPEN, REACHED
from reports.words.numbers import count, percent, percent_in_cell, shown_name

WIDTH = 1096
ROW = 27
HEAD = 26
BELOW = 10
STRONG = 0.6
PLAIN_TO, STRONG_FROM = 0.52, 0.72
ENDS = {REACHED: "Reached the goal", ABANDONED: "Abandoned", OPEN: "Still open"}


def step_matrix(positions: pl.DataFrame, width: int = WIDTH) -> Layers:
    """Touchpoints by position, then how journeys have ended by then."""
    names = _in_order(positions)
    depth = int(positions["position"].max())  # type: ignore[arg-type]
    label = min(102.0 if width <= NARROW else 190.0, max(fonts.width(_name(name), 12) for name in names)) + 14
    column = (width - label) / depth
    tops: dict[str, float] = {name: HEAD + ROW * i + (BELOW if name in ENDS else 0) for i, name in enumerate(names)}
    canvas = Canvas(width, max(tops.values()) + ROW)
    cells = [_cell(row, tops, label, column) for row in positions.to_dicts() if row["units"]]
    layers = [*_cells(canvas, cells), *_heads(canvas, depth, label, column), *_sides(canvas, tops, label)]
    return canvas.layered(layers, f"Share of journeys at {len(names)} touchpoints over {depth} positions.")


def _cells(canvas: Canvas, cells: list[dict[str, Any]]) -> list[alt.Chart]:
    inner = [cell for cell in cells if cell["kind"] == "touchpoint"]
    ends = [cell for cell in cells if cell["kind"] != "touchpoint"]
    largest = max([cell["share"] for cell in inner], default=1.0)
    for cell in inner:
        cell["level"], cell["on"] = _level(cell["share"] / largest)
    layers = [_filled(canvas, inner)]
    layers += [canvas.rects(ends, "ghost-soft", _tip(), cornerRadius=3)] if ends else []
    dark, light = ([cell for cell in inner if cell["on"] is on] for on in (True, False))
    for group, style in ((dark, "label-on"), (light, "label-ink"), (ends, "label-strong")):
        middles = [{"x": (c["x"] + c["x2"]) / 2, "y": (c["y"] + c["y2"]) / 2, "t": c["t"]} for c in group]
        layers += [canvas.texts(middles, style, "center")] if group else []
    return layers


def _level(part: float) -> tuple[float, bool]:
    """The position on the colour ramp of a part of the largest share, and whether its text is the one for strong fills.

    The position grows with the square root. The middle of the ramp, on which neither text is readable, is left out.
    """
    root = math.sqrt(part)
    if root <= STRONG:
        return round(100 * root / STRONG * PLAIN_TO, 1), False
    return round(100 * (STRONG_FROM + (root - STRONG) / (1 - STRONG) * (1 - STRONG_FROM)), 1), True


def _heads(canvas: Canvas, depth: int, label: float, column: float) -> list[alt.Chart]:
    """The number of every step; the word beside each, or once where there is little room."""
    word = "" if canvas.width <= NARROW else "Step "
    rows = [{"x": label + column * (at - 0.5), "y": 10, "t": f"{word}{at}"} for at in range(1, depth + 1)]
    once = [] if word else [canvas.texts([{"x": label - 12, "y": 10, "t": "Step"}], "label-head", "right")]
    return [canvas.texts(rows, "label", "center"), *once]


def _sides(canvas: Canvas, tops: dict[str, float], label: float) -> list[alt.Chart]:
    """The name of every row in one line, or smaller in two."""
    rows: list[dict[str, Any]] = []
    for name, top in tops.items():
        room, text = label - 14, _name(name)
        size = 12 if fonts.width(text, 12) <= room else 11
        lines = fonts.wrap(text, room, size)
        rows.append({"x": label - 12, "y": top + ROW / 2 - 6 * (len(lines) - 1), "t": lines, "size": size})
    grouped = {size: [row for row in rows if row["size"] == size] for size in (12, 11)}
    return [
        canvas.texts(rows, "label", "right", fontSize=size, lineHeight=12) for size, rows in grouped.items() if rows
    ]


def _in_order(positions: pl.DataFrame) -> list[str]:
    """Touchpoints by mean position, "Other" last, then the endings that occur."""
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
        "x": round(left + min(2.0, column / 20), 1),
        "x2": round(left + column - min(2.0, column / 20), 1),
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


def _filled(canvas: Canvas, cells: list[dict[str, Any]]) -> alt.Chart:
    tip = _tip()
    kept = only(cells, "x", "x2", "y", "y2", "level", "d", tooltip=tip)
    marked = chart_of(kept).mark_rect(cornerRadius=3, opacity=1)
    chart: alt.Chart = marked.encode(
        canvas.x(),
        canvas.y(),
        x2=alt.X2("x2:Q"),
        y2=alt.Y2("y2:Q"),
        fill=alt.Fill("level:Q", scale=alt.Scale(domain=[0, 100]), legend=None),
        tooltip=tip,
        description=alt.Description("d:N"),
    )
    return chart
