"""How mature is the work on journeys? A row per domain: its value, the lowest and highest answer, and the last time."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from reports.charts import fonts
from reports.charts.canvas import Canvas, Layers, tips
from reports.words.numbers import average

WIDTH: Final = 1096
ROW: Final = 34
ABOVE: Final = 18
HEAD: Final = 4
FOOT: Final = 26
LOWEST, HIGHEST = 1, 5


def maturity_dots(frame: pl.DataFrame, width: int = WIDTH) -> Layers:
    """The domains below one another on the scale of answers, their names beside them, or above where little room is."""
    rows = frame.filter(pl.col("domain") != "all").to_dicts()
    above = ABOVE if width < WIDTH else 0
    label = 0.0 if above else max(fonts.width(row["domain"].capitalize(), 13, 600) for row in rows) + 28
    left, right, pitch = label + 8, width - 190.0 if not above else width - 12.0, ROW + above

    def across(answer: float) -> float:
        return round(left + (right - left) * (answer - LOWEST) / (HIGHEST - LOWEST), 1)

    canvas = Canvas(width, HEAD + pitch * len(rows) + FOOT)
    marks = [_mark(row, HEAD + pitch * place + above + ROW / 2, across) for place, row in enumerate(rows)]
    known, bottom = [mark for mark in marks if "x" in mark], HEAD + pitch * len(rows)
    ranges = [{**mark, "x": mark["from"], "x2": mark["to"]} for mark in known if mark["to"] > mark["from"]]
    earlier = [{**mark, "x": mark["last"], "d": mark["d_last"]} for mark in marks if "last" in mark]
    names = [{"x": 0, "y": mark["y"] - (ROW / 2 + 2 if above else 0), "t": mark["name"]} for mark in marks]
    figures = [{"x": width, "y": name["y"], "t": mark["t"]} for name, mark in zip(names, marks, strict=True)]
    ticks = [{"x": across(answer), "x2": across(answer), "y": HEAD, "y2": bottom} for answer in range(1, 6)]
    numbers = [{"x": across(answer), "y": bottom + 14, "t": str(answer)} for answer in range(1, 6)]
    tip = tips(name="Domain", t="Value", t_range="Answers")
    layers = [
        canvas.lines(ticks, "sep"),
        canvas.texts(names, "label-strong", fontSize=13),
        canvas.texts(figures, "label", "right", fontSize=12.5),
        canvas.texts(numbers, "label", "center", fontSize=11),
        *([canvas.lines(ranges, "ci-soft")] if ranges else []),
        *([canvas.dots(earlier, "dot-open", "circle", tips(name="Domain", t_last="Last time"), 60)] if earlier else []),
        *([canvas.dots(known, "dot", "circle", tip, 85)] if known else []),
    ]
    return canvas.layered(layers, "; ".join(mark["d"] for mark in marks) + ".")


def _mark(row: dict[str, Any], y: float, across: Any) -> dict[str, Any]:
    """Where a domain stands, and where it stood the last time."""
    name = row["domain"].capitalize()
    last = {} if row["last"] is None else {"last": across(row["last"]), "t_last": average(row["last"], 1)}
    if last:
        last["d_last"] = f"{name}, last time: {last['t_last']}"
    if row["value"] is None:
        return {**last, "name": name, "y": y, "t": "too few answers", "d": f"{name}: too few answers"}
    text = f"{average(row['value'], 1)}, {row['level']}"
    ends = {"from": across(row["low"]), "to": across(row["high"]), "t_range": f"{row['low']} to {row['high']}"}
    return {**last, **ends, "name": name, "y": y, "y2": y, "x": across(row["value"]), "t": text, "d": f"{name}: {text}"}
