"""How are touches tied to their customers?

In: `way` and `share` of touches. One bar a way, the strongest evidence on top.
"""

from __future__ import annotations

import altair as alt
import polars as pl

from reports import fonts
from reports.charts.canvas import Canvas, tips
from reports.formats import percent

WIDTH = 1096
ROW = 38


def coverage_bars(linked: pl.DataFrame, words: dict[str, str], width: int = WIDTH) -> alt.LayerChart:
    """Shares of touches as bars."""
    rows = linked.to_dicts()
    label = max(fonts.width(words.get(row["way"], row["way"]), 13) for row in rows) + 16
    room = width - label - 90
    canvas = Canvas(width, ROW * len(rows))
    bars = [
        {
            "x": label,
            "x2": label + max(1.0, room * row["share"]),
            "y": ROW * index + 6,
            "y2": ROW * index + ROW - 6,
            "ym": ROW * index + ROW / 2,
            "way": words.get(row["way"], row["way"]),
            "t": percent(row["share"]),
            "d": f"{percent(row['share'])} of touches {words.get(row['way'], row['way'])}",
        }
        for index, row in enumerate(rows)
    ]
    names = [{"x": label - 12, "y": bar["ym"], "t": bar["way"]} for bar in bars]
    shares = [{"x": bar["x2"] + 8, "y": bar["ym"], "t": bar["t"]} for bar in bars]
    layers = [
        canvas.rects(bars, "bar-primary", tips(way="Tied", t="Of all touches"), cornerRadius=3),
        canvas.texts(names, "label", "right", fontSize=13),
        canvas.texts(shares, "label-strong"),
    ]
    return canvas.layered(layers, "; ".join(bar["d"] for bar in bars) + ".")
