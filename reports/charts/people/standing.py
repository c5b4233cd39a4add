"""Where the journeys under way stand: a bar per stage, by how long they have stood there."""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import NARROW, Canvas, Layers, tips
from reports.words.numbers import count, percent, wait
from reports.words.people import note_of, standing_at

WIDTH: Final = 1096
ROW: Final = 44
NARROW_ROW: Final = 96
HEAD: Final = 40
FIGURES: Final = (92, 92, 110, 110)
STYLES: Final = (("fresh", "bar-primary"), ("waiting", "bar-muted"), ("late", "bar-bad"))


def standing_bars(frame: pl.DataFrame, width: int = WIDTH) -> Layers:
    """The bars of all stages on one scale, the figures beside them."""
    rows = _rows(frame)
    label = min(0.28 * width, max(fonts.width(row["name"], 13, 600) for row in rows) + 24)
    right = width - sum(FIGURES)
    canvas = Canvas(width, HEAD + ROW * len(rows))
    bars = _bars(rows, label, right - 24, HEAD, ROW)
    ends = [right + sum(FIGURES[: place + 1]) for place in range(len(FIGURES))]
    heads = ("Journeys", "Late", "Usual wait", "Late after")
    titles = [{"x": end, "y": 30, "t": head} for end, head in zip(ends, heads, strict=True)]
    middles = [HEAD + ROW * (place + 0.5) for place in range(len(rows))]
    names = [
        {"x": 0, "y": y, "t": fonts.fit(row["name"], label - 12, 13, 600)} for row, y in zip(rows, middles, strict=True)
    ]
    figures = [
        {"x": end, "y": y, "t": row[name]}
        for row, y in zip(rows, middles, strict=True)
        for end, name in zip(ends, ("t_journeys", "t_late", "t_usual", "t_after"), strict=True)
    ]
    layers = [
        *_key(canvas, label),
        canvas.texts(titles, "label-head", "right"),
        canvas.texts(names, "label-strong", fontSize=13),
        canvas.texts(figures, "label", "right", fontSize=12.5),
        *_drawn(canvas, bars),
    ]
    return canvas.layered(layers, _description(rows))


def narrow_standing_bars(frame: pl.DataFrame, width: int = NARROW) -> Layers:
    """The same for a phone: the bar stands below its name, the figures below the bar."""
    rows = _rows(frame)
    canvas = Canvas(width, HEAD + NARROW_ROW * len(rows))
    bars = _bars(rows, 0, width, HEAD - 2, NARROW_ROW)
    tops = [HEAD + NARROW_ROW * place for place in range(len(rows))]
    starts = list(zip(rows, tops, strict=True))
    names = [{"x": 0, "y": top + 8, "t": fonts.fit(row["name"], width - 90, 13, 600)} for row, top in starts]
    counts = [{"x": width, "y": top + 8, "t": row["t_journeys"]} for row, top in starts]
    below = [
        {"x": 0, "y": top + 68, "t": f"late {row['t_late']}; usual wait {row['t_usual']}, late after {row['t_after']}"}
        for row, top in starts
    ]
    layers = [
        *_key(canvas, 0),
        canvas.texts(names, "label-strong", fontSize=13),
        canvas.texts(counts, "label-strong", "right"),
        canvas.texts(below, "label", fontSize=11.5),
        *_drawn(canvas, bars),
    ]
    return canvas.layered(layers, _description(rows))


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for row in frame.iter_rows(named=True):
        text = {
            "name": standing_at(row["stage"]),
            "t_journeys": note_of(row) if row["journeys"] is None else count(row["journeys"]),
            "t_late": note_of(row) if row["late"] is None else percent(row["share_late"]),
            "t_usual": wait(row["usual_wait"]),
            "t_after": wait(row["late_after"]),
        }
        many = f"{text['t_journeys']} journeys"
        late = "" if row["late"] is None else f", {count(row['late'])} of them late"
        rows.append({**row, **text, "d": f"{text['name']}: {many}{late}"})
    return rows


def _bars(rows: list[dict[str, Any]], left: float, right: float, head: float, pitch: float) -> list[dict[str, Any]]:
    """The pieces of each bar: by age where these are told, else all journeys in outline."""
    most = max((row["journeys"] or 0 for row in rows), default=0) or 1
    bars = []
    for place, row in enumerate(rows):
        top = head + pitch * place + (12 if pitch == ROW else 28)
        at, box = left, {"y": top, "y2": top + 20, "name": row["name"], "d": row["d"]}
        known = all(row[age] is not None for age, _ in STYLES)
        pieces = (
            [(age, style, row[age]) for age, style in STYLES] if known else [("any", "ghost", row["journeys"] or 0)]
        )
        for age, style, many in pieces:
            size = (right - left) * many / most
            if many:
                bars.append({**box, "x": at, "x2": at + size, "style": style, "age": age, "t": count(many)})
            at += size
    return bars


def _drawn(canvas: Canvas, bars: list[dict[str, Any]]) -> list[alt.Chart]:
    tip = tips(name="Stage", age="Wait", t="Journeys")
    styles = dict.fromkeys(bar["style"] for bar in bars)
    return [canvas.rects([bar for bar in bars if bar["style"] == style], style, tip) for style in styles]


def _key(canvas: Canvas, left: float) -> list[alt.Chart]:
    """What the colours of the bars mean."""
    at, boxes, words = left, [], []
    for text, style in (("usual wait", "bar-primary"), ("longer", "bar-muted"), ("late", "bar-bad")):
        boxes.append(({"x": at, "x2": at + 10, "y": 3, "y2": 13}, style))
        words.append({"x": at + 15, "y": 8, "t": text})
        at += 15 + fonts.width(text, 12) + 18
    return [*(canvas.rects([box], style) for box, style in boxes), canvas.texts(words, "label")]


def _description(rows: list[dict[str, Any]]) -> str:
    return "Journeys under way by stage. " + "; ".join(row["d"] for row in rows) + "."
