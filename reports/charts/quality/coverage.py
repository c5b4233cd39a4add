"""How are touches linked to their customers?

In: `way` and `share` of touches. One bar per kind of evidence, the strongest on top.
"""

from __future__ import annotations

import polars as pl

from reports.charts import fonts
from reports.charts.canvas import Canvas, Layers, tips
from reports.words.numbers import percent

WIDTH = 1096
ROW = 38
ABOVE = 20


def coverage_bars(linked: pl.DataFrame, words: dict[str, str], width: int = WIDTH) -> Layers:
    """Shares of touches as bars, their names beside them, or above them where there is little room."""
    rows = linked.to_dicts()
    above = ABOVE if width < WIDTH else 0
    label = 0.0 if above else max(fonts.width(words.get(row["way"], row["way"]), 13) for row in rows) + 16
    room, pitch = width - label - 90, ROW + above
    canvas = Canvas(width, pitch * len(rows))
    bars = [
        {
            "x": label,
            "x2": label + max(1.0, room * row["share"]),
            "y": pitch * index + above + 6,
            "y2": pitch * (index + 1) - 6,
            "ym": pitch * index + above + ROW / 2,
            "way": words.get(row["way"], row["way"]),
            "t": percent(row["share"]),
            "d": f"{percent(row['share'])} of touches {words.get(row['way'], row['way'])}",
        }
        for index, row in enumerate(rows)
    ]
    start = {"x": 0 if above else label - 12}
    names = [{**start, "y": bar["y"] - 10 if above else bar["ym"], "t": bar["way"]} for bar in bars]
    shares = [{"x": bar["x2"] + 8, "y": bar["ym"], "t": bar["t"]} for bar in bars]
    layers = [
        canvas.rects(bars, "bar-primary", tips(way="Tied", t="Of all touches"), cornerRadius=3),
        canvas.texts(names, "label", "left" if above else "right", fontSize=13),
        canvas.texts(shares, "label-strong"),
    ]
    return canvas.layered(layers, "; ".join(bar["d"] for bar in bars) + ".")
