"""Draws the journey map on a phone: the stages below each other, with the same content as the wide map.

In: what `reports.charts.journey_map.wide` takes. The marks mean the same: a circle's area is the share that uses a
touchpoint, a whisker the 95 % interval of satisfaction; brick is the stage after which most leave, and the one that is
clearly the least satisfied.
"""

from __future__ import annotations

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import NARROW, Canvas, tips
from reports.charts.journey_map.wide import FELT_TIP, Rows, circle, circles, felt_of, felt_texts, stage_columns
from reports.words.numbers import count, percent

HEAD = 32
ROW = 23
LINE = 26
GAP = 22
TRACK = (112.0, 262.0)


def narrow_journey_map(
    stages: pl.DataFrame, used: pl.DataFrame, voice: pl.DataFrame | None, wants: dict[str, str], width: int = NARROW
) -> alt.LayerChart:
    """Of every stage: who reaches it, what they want and use, how they feel, how many leave, how long it takes."""
    steps = stage_columns(stages, width)
    felt = {row["stage"]: row for row in felt_of(voice, steps)}
    top = 0.0
    for step in steps:
        step["used"] = used.filter(pl.col("stage") == step["name"]).sort("share", descending=True).to_dicts()
        step["wants"] = fonts.wrap(wants[step["name"]], width - 24, 12) if wants.get(step["name"]) else []
        step["felt"] = felt.get(step["name"])
        step["top"] = top
        step["uses"] = top + HEAD + 16 * len(step["wants"]) + 8
        step["lines"] = step["uses"] + ROW * len(step["used"]) + 4
        top = step["lines"] + LINE * (bool(step["felt"]) + 2 * (step["leave"] is not None)) + GAP
    canvas = Canvas(width, top - GAP)
    layers = [*_heads(canvas, steps), *_uses(canvas, steps), *_feelings(canvas, steps), *_leaving(canvas, steps)]
    return canvas.layered(layers, "Journey map. " + " ".join(step["d"] for step in steps))


def _heads(canvas: Canvas, steps: Rows) -> list[alt.Chart]:
    boxes = [{"x": 0, "x2": canvas.width, "y": s["top"], "y2": s["top"] + HEAD} for s in steps]
    counts = [{"x": canvas.width - 12, "y": s["top"] + HEAD / 2, "t": f"{count(s['reached'])} journeys"} for s in steps]
    names = [
        {
            "x": 12,
            "y": s["top"] + HEAD / 2,
            "t": fonts.fit(s["label"], canvas.width - 36 - fonts.width(c["t"], 12, 600), 13.5, 600),
        }
        for s, c in zip(steps, counts, strict=True)
    ]
    wanted = [{"x": 12, "y": s["top"] + HEAD + 8, "t": s["wants"]} for s in steps if s["wants"]]
    layers = [
        canvas.rects(boxes, "bar-primary", cornerRadius=5),
        canvas.texts(names, "label-on", fontSize=13.5),
        canvas.texts(counts, "label-on", "right", fontSize=12),
    ]
    if wanted:
        layers.append(canvas.texts(wanted, "label-muted", fontSize=12, lineHeight=16, baseline="top"))
    return layers


def _uses(canvas: Canvas, steps: Rows) -> list[alt.Chart]:
    rows = [
        circle(row, 22.0, step["uses"] + ROW * index + ROW / 2)
        for step in steps
        for index, row in enumerate(step["used"])
    ]
    if not rows:
        return []
    names = [{"x": 42, "y": row["y"], "t": fonts.fit(row["touchpoint"], canvas.width - 110, 12)} for row in rows]
    shares = [{"x": canvas.width - 12, "y": row["y"], "t": row["t_share"]} for row in rows]
    guides = [
        {"x": name["x"] + fonts.width(name["t"], 12) + 8, "x2": canvas.width - 52, "y": name["y"], "y2": name["y"]}
        for name in names
    ]
    return [
        canvas.lines(guides, "sep", strokeDash=[1, 3]),
        circles(canvas, rows),
        canvas.texts(names, "label"),
        canvas.texts(shares, "label", "right"),
    ]


def _feelings(canvas: Canvas, steps: Rows) -> list[alt.Chart]:
    left, right = TRACK

    def across(share: float) -> float:
        return round(left + (right - left) * share, 1)

    rows = [
        {
            "x": across(row["satisfied"]),
            "y": step["lines"] + LINE / 2,
            **felt_texts(row, across),
        }
        for step in steps
        if (row := step["felt"])
    ]
    if not rows:
        return []
    layers = [
        canvas.texts([{"x": 12, "y": row["y"], "t": "Satisfied"} for row in rows], "label-muted"),
        canvas.lines([{"x": left, "x2": right, "y": row["y"], "y2": row["y"]} for row in rows], "sep", strokeWidth=4),
        canvas.lines([{"x": row["low"], "x2": row["high"], "y": row["y"], "y2": row["y"]} for row in rows], "ci-soft"),
    ]
    for bad, dot, text in ((False, "dot", "label-strong"), (True, "dot-bad", "label-bad")):
        marks = [row for row in rows if row["bad"] is bad]
        if marks:
            layers.append(canvas.dots(marks, dot, "circle", FELT_TIP, 110))
            layers.append(_figures(canvas, marks, text))
    return layers


def _figures(canvas: Canvas, rows: Rows, style: str) -> alt.Chart:
    return canvas.texts([{"x": canvas.width - 12, "y": row["y"], "t": row["t"]} for row in rows], style, "right")


def _leaving(canvas: Canvas, steps: Rows) -> list[alt.Chart]:
    left, right = TRACK
    after = [step for step in steps if step["leave"] is not None]
    if not after:
        return []
    largest = max(step["leave"] for step in after) or 1.0
    layers = []
    rows = []
    for step in after:
        middle = step["lines"] + LINE * bool(step["felt"]) + LINE / 2
        bar = {"x": left, "x2": round(left + max(2.0, (right - left) * step["leave"]), 1)}
        bar |= {"y": middle - 6, "y2": middle + 6, "ym": middle, "leave": step["leave"]}
        texts = {"stage": step["label"], "t": percent(step["leave"], 0), "t_lost": count(step["lost"])}
        rows.append({**bar, **texts, "d": f"{percent(step['leave'])} leave at {step['label']}", "time": step["t_time"]})
    tip = tips(stage="Stage", t="Leave here", t_lost="Customers lost")
    for bad, style, text in ((False, "bar-muted", "label-strong"), (True, "bar-bad", "label-bad")):
        bars = [row for row in rows if (row["leave"] == largest) is bad]
        if bars:
            layers.append(canvas.rects(bars, style, tip, cornerRadius=3))
            layers.append(_figures(canvas, [{**row, "y": row["ym"]} for row in bars], text))
    words = [{"x": 12, "y": row["ym"], "t": "Leave here"} for row in rows]
    words += [{"x": 12, "y": row["ym"] + LINE, "t": "Median time to the next stage"} for row in rows]
    times = [{"y": row["ym"] + LINE, "t": row["time"]} for row in rows]
    return [*layers, canvas.texts(words, "label-muted"), _figures(canvas, times, "label-strong")]
