"""Draws the journey map on a phone: the stages below each other, with the same content as the wide map.

In: `Lanes` of `reports.charts.journey_map.wide`. The marks mean the same: a circle's area is the share that uses a
touchpoint, a whisker the 95 % interval of satisfaction; brick is the stage after which most leave, the one that is
clearly the least satisfied, and what clearly costs goals.
"""

from __future__ import annotations

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import NARROW, Canvas, Layers, tips
from reports.charts.journey_map.wide import (
    FELT_TIP,
    Lanes,
    Row,
    Rows,
    chosen_only,
    circle,
    circles,
    felt_of,
    felt_texts,
    groups_beside,
    stage_columns,
    with_choice,
)
from reports.words.numbers import count, percent

HEAD = 32
ROW = 23
LINE = 26
GAP = 22
TRACK = (112.0, 262.0)


def narrow_journey_map(lanes: Lanes, width: int = NARROW) -> Layers:
    """Of every stage: who reaches it, what they want, use, feel, believe, meet, how many leave, how long it takes."""
    steps = stage_columns(lanes.stages, width)
    felt = {row["stage"]: row for row in felt_of(lanes.voice, steps)}
    used, wants, beside = lanes.used, lanes.wants, groups_beside(lanes.groups, steps)
    notes = [line for text in lanes.collect(list(felt.values())) for line in fonts.wrap(text, width - 24, 12, lines=4)]
    top = 0.0
    for step in steps:
        step["used"] = used.filter(pl.col("stage") == step["name"]).sort("share", descending=True).to_dicts()
        step["wants"] = fonts.wrap(wants[step["name"]], width - 24, 12) if wants.get(step["name"]) else []
        step["felt"] = felt.get(step["name"])
        step["top"] = top
        step["uses"] = top + HEAD + 16 * len(step["wants"]) + 8
        step["lines"] = step["uses"] + ROW * len(step["used"]) + 4
        step["meets"] = lanes.met_at(step["name"])
        own = bool(step["felt"]) + (2 + bool(beside)) * (step["leave"] is not None)
        step["believes"] = step["lines"] + LINE * own
        step["beliefs"] = [
            {**row, "says": [*fonts.wrap(row["says"], width - 130, 12, lines=3), row["ends"]]}
            for row in lanes.believed_at(step["name"])
        ]
        step["met"] = step["believes"] + sum(_height(row) for row in step["beliefs"])
        top = step["met"] + LINE * len(step["meets"]) + GAP
    canvas = Canvas(width, top - GAP + (HEAD + 16 * len(notes) if notes else 0))
    layers = [*_heads(canvas, steps), *_uses(canvas, steps), *_feelings(canvas, steps), *_leaving(canvas, steps)]
    layers += [*_beside(canvas, beside, steps), *_believing(canvas, steps), *_meeting(canvas, steps)]
    if notes:
        layers.append(canvas.texts([{"x": 12, "y": top + 2, "t": "To collect"}], "label-strong"))
        at = {"x": 12, "y": top + 16, "t": notes}
        layers.append(canvas.texts([at], "label-muted", fontSize=12, lineHeight=16, baseline="top"))
    drawn = canvas.layered(layers, "Journey map. " + " ".join(step["d"] for step in steps))
    return with_choice(drawn, beside)


def _beside(canvas: Canvas, beside: Rows, steps: Rows) -> list[alt.Chart]:
    """Of the group that is chosen, how many leave."""
    places = {s["name"]: s["lines"] + LINE * (2.5 + bool(s["felt"])) for s in steps if s["leave"] is not None}
    rows = [{**row, "y": places[row["stage"]]} for row in beside if row["stage"] in places]
    if not rows:
        return []
    texts = [{**row, "x": canvas.width - 12, "t": f"{row['t']} of those chosen"} for row in rows]
    return [chosen_only(canvas, texts, "right")]


def _height(row: Row) -> float:
    """Of a belief, by the lines of its question."""
    return LINE - 15 + 15 * len(row["says"])


def _believing(canvas: Canvas, steps: Rows) -> list[alt.Chart]:
    """The share that gives the wished answer, and what was asked."""
    rows = []
    for step in steps:
        y = step["believes"] + LINE / 2
        for row in step["beliefs"]:
            rows.append({**row, "y": y})
            y += _height(row)
    if not rows:
        return []
    asked = [{"x": 78, "y": row["y"], "t": row["says"]} for row in rows]
    return [
        canvas.texts([{"x": 12, "y": row["y"], "t": "Believe"} for row in rows], "label-muted"),
        canvas.texts(asked, "label", fontSize=12, lineHeight=15),
        _figures(canvas, rows, "label-strong"),
    ]


def _meeting(canvas: Canvas, steps: Rows) -> list[alt.Chart]:
    """What most journeys meet."""
    layers = []
    for bad, style in ((False, "label"), (True, "label-bad")):
        rows = [
            {"x": 12, "y": step["met"] + LINE * (index + 0.5), "t": f"Meet: {row['t']}"}
            for step in steps
            for index, row in enumerate(step["meets"])
            if row["bad"] is bad
        ]
        if rows:
            fitted = [{**row, "t": fonts.fit(row["t"], canvas.width - 24, 12)} for row in rows]
            layers.append(canvas.texts(fitted, style))
    return layers


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
