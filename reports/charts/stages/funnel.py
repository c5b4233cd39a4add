"""How many journeys reach each stage, and where are they lost?

In: the published stages frame (`reports.privacy.stages.publishable_stages`). Solid bars are the share of all
journeys, the dashed ghost those lost since the stage before; the figures stand beside the bars.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import NARROW, Align, Canvas, Layers, tips
from reports.privacy.stages import BOUNDED, WITHHELD
from reports.words.numbers import bounded, count, interval, percent, shown_name, wait

WIDTH = 1096
ROW = 54
BAR = 34
HEAD = 22
COLUMNS = (("Journeys", 0.0), ("From previous", 122.0), ("95 % interval", 240.0), ("Median time", 340.0))


def stage_funnel(stages: pl.DataFrame, weakest: int | None, width: int = WIDTH, pitch: int = ROW) -> Layers:
    """Stages as bars with a table of figures beside them; the step `weakest`, if any, stands out.

    `pitch` is the height of a row in pixels.
    """
    rows = _rows(stages)
    label = min(200.0, max(fonts.width(row["name"], 13, 500) for row in rows)) + 14
    room = width - label - 424
    canvas, bar = Canvas(width, HEAD + pitch * len(rows)), BAR * pitch / ROW
    for index, row in enumerate(rows):
        _place(row, label, room, HEAD + index * pitch + (pitch - bar) / 2, bar)
    figures = label + room + 84
    layers = [
        *_bars(canvas, rows),
        canvas.texts(
            [_named(r, label) for r in rows],
            "label",
            "right",
            fontSize=13,
            fontWeight=500,
            lineHeight=16,
        ),
        *_inside(canvas, rows, label, room),
        canvas.texts([{"x": figures + x, "y": 8, "t": head} for head, x in COLUMNS], "label-head", "right"),
    ]
    for field, x, style in (
        ("t_count", 0.0, "label-strong"),
        ("t_previous", 122.0, "label-strong"),
        ("t_interval", 240.0, "label-muted"),
        ("t_wait", 340.0, "label"),
    ):
        plain = [r for r in rows if field != "t_previous" or r["step"] != weakest]
        bad = [r for r in rows if field == "t_previous" and r["step"] == weakest]
        layers += [
            canvas.texts([{"x": figures + x, "y": r["ym"], "t": r[field]} for r in group], how, "right")
            for group, how in ((plain, style), (bad, "label-bad"))
            if group
        ]
    return canvas.layered(layers, _description(rows))


def _named(row: dict[str, Any], label: float) -> dict[str, Any]:
    """The stage's name, vertically centred on its bar, in as many lines as needed."""
    lines = fonts.wrap(row["name"], label - 14, 13, 500)
    return {"x": label - 12, "y": row["ym"] - 8 * (len(lines) - 1), "t": lines}


def narrow_stage_funnel(stages: pl.DataFrame, weakest: int | None, width: int = NARROW) -> Layers:
    """The same for a phone: names and figures stand above the bars."""
    rows = _rows(stages)
    pitch = 62
    canvas = Canvas(width, pitch * len(rows))
    for index, row in enumerate(rows):
        row["y0"] = index * pitch
        _place(row, 0, width, index * pitch + 20, 20)
    above = [
        canvas.texts(
            [{"x": 0, "y": r["y0"] + 10, "t": fonts.fit(r["name"], width - 80, 13, 600)} for r in rows],
            "label-strong",
            fontSize=13,
        ),
        canvas.texts([{"x": width, "y": r["y0"] + 10, "t": r["t_count"]} for r in rows], "label-strong", "right"),
    ]
    below = [
        canvas.texts([{"x": 0, "y": r["y0"] + 49, "t": r["t_below"]} for r in group], style)
        for group, style in (
            ([r for r in rows[1:] if r["step"] != weakest], "label-muted"),
            ([r for r in rows[1:] if r["step"] == weakest], "label-bad"),
        )
        if group
    ]
    return canvas.layered([*_bars(canvas, rows), *above, *below], _description(rows))


def _rows(stages: pl.DataFrame) -> list[dict[str, Any]]:
    rows = []
    before: float | None = None
    for row in stages.sort("step").iter_rows(named=True):
        share = row["share_of_entered"]
        hidden = row["state"] in (WITHHELD, BOUNDED) and row["reached"] is None
        rate = percent(row["share_of_previous"])
        if row["state"] == BOUNDED:
            rate = bounded(row["bound_low"], row["bound_high"])
        rows.append(
            {
                "step": row["step"],
                "name": shown_name(row["name"]),
                "share": share,
                "before": before,
                "t_count": "withheld" if hidden else count(row["reached"]),
                "t_share": percent(share),
                "t_previous": "" if row["step"] == 1 else rate,
                "t_interval": ""
                if row["step"] == 1
                else interval(row["share_of_previous_low"], row["share_of_previous_high"]),
                "t_wait": "" if row["step"] == 1 else wait(row["median_wait"]),
                "t_lost": "" if not row["dropped"] or row["step"] == 1 else f"−{count(row['dropped'])}",
            }
        )
        rows[-1]["t_below"] = f"{rate} of the stage before, {percent(share)} of all"
        rows[-1]["d"] = _sentence(rows[-1])
        before = share if share is not None else before
    return rows


def _sentence(row: dict[str, Any]) -> str:
    text = f"{row['name']}: {row['t_count']} journeys, {row['t_share']} of all"
    if row["t_previous"]:
        text += f", {row['t_previous']} of the stage before (95 % interval {row['t_interval']})"
    return text + (f", {row['t_lost'].lstrip('−')} did not go on to it" if row["t_lost"] else "")


def _description(rows: list[dict[str, Any]]) -> str:
    """The goal first, as the description is cut where it is long."""
    return f"Funnel of {len(rows)} stages. " + " ".join(f"{row['d']}." for row in (rows[-1], *rows[:-1]))


def _place(row: dict[str, Any], left: float, room: float, top: float, height: float) -> None:
    row.update(x=left, x2=left + room * (row["share"] or 0), y=top, y2=top + height, ym=top + height / 2)
    row["xb"] = left + room * (row["before"] or 0)


def _bars(canvas: Canvas, rows: list[dict[str, Any]]) -> list[alt.Chart]:
    tip = tips(
        name="Stage",
        t_count="Journeys",
        t_share="Of all",
        t_previous="Of the stage before",
        t_interval="95 % interval",
        t_lost="Did not go on to it",
    )
    ghosts = [{**r, "x": r["x2"], "x2": r["xb"]} for r in rows if r["share"] is not None and r["xb"] > r["x2"]]
    layers = []
    if ghosts:
        layers.append(canvas.rects(ghosts, "ghost", tip, strokeDash=[3, 2], cornerRadius=3))
    drawn = [r for r in rows if r["share"] is not None]
    return [*layers, canvas.rects(drawn, "bar-primary", tip, cornerRadius=3)] if drawn else layers


def _inside(canvas: Canvas, rows: list[dict[str, Any]], left: float, room: float) -> list[alt.Chart]:
    """The share on its bar, or beside a bar too short for it, and the customers lost on the ghost."""
    drawn = [r for r in rows if r["share"] is not None]
    on = [{"x": left + 10, "y": r["ym"], "t": r["t_share"]} for r in drawn if room * r["share"] >= 66]
    beside = [
        {"x": max(r["x2"], r["xb"]) + 8, "y": r["ym"], "t": r["t_share"]} for r in drawn if room * r["share"] < 66
    ]
    lost = [
        {"x": r["xb"] - 8, "y": r["ym"], "t": r["t_lost"]}
        for r in drawn
        if r["t_lost"] and r["xb"] - r["x2"] > fonts.width(r["t_lost"], 11.5) + 16
    ]
    groups: tuple[tuple[list[dict[str, Any]], str, Align, float], ...] = (
        (on, "label-on", "left", 13),
        (beside, "label-strong", "left", 13),
        (lost, "label", "right", 11.5),
    )
    return [canvas.texts(texts, style, align, fontSize=size) for texts, style, align, size in groups if texts]
