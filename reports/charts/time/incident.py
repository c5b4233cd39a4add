"""What did an incident look like, day by day? The group's share with its expected band, and that of all others.

In: `reports.privacy.watches.DAYS`, and the row of the incident. Its own days are shaded; a day that is left out is a
gap in the line.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final, cast

import altair as alt
import polars as pl

from reports.charts.canvas import Canvas, Layers, chart_of, tips
from reports.charts.stages.segments import ticks
from reports.charts.time.marks import ROOM, release_days, release_layers, released
from reports.words.incidents import days_of, subject_of
from reports.words.numbers import count, interval, percent

WIDTH: Final = 1090
HEIGHT: Final = 210
FOOT: Final = 34
AXIS: Final = 44
HEAD: Final = 22
MOSTLY: Final = 0.7
AROUND: Final = timedelta(days=28)
"""Days before and after the incident that are drawn."""


def incident_days(
    days: pl.DataFrame, incident: dict[str, Any], width: int = WIDTH, releases: pl.DataFrame | None = None
) -> Layers:
    """The days around an incident, its own ones shaded, those of releases marked."""
    first, last = incident["first"], incident["last"]
    rows = days.filter(pl.col("day").is_between(first - AROUND, last + AROUND)).sort("day").to_dicts()
    begin: date = rows[0]["day"]
    end: date = rows[-1]["day"]
    marked = release_days(releases, begin, end)
    above = HEAD + (ROOM if marked else 0)
    canvas = Canvas(width, HEIGHT + above + FOOT)
    pitch = (width - AXIS - 12) / max((end - begin).days, 1)
    ends = [row[name] for row in rows for name in ("share", "low", "high") if row[name] is not None]
    low: float = max(0.0, min(ends) - 0.02)
    high: float = min(1.0, max(ends) + 0.02)

    def across(day: date) -> float:
        return round(AXIS + pitch * (day - begin).days, 1)

    def down(share: float) -> float:
        return round(above + HEIGHT * (1 - (share - low) / (high - low)), 1)

    marks = ticks(low, high, 4)
    left, right = max(AXIS - 4.0, across(first) - pitch / 2), min(width - 8.0, across(min(last, end)) + pitch / 2)
    shade = {"x": left, "x2": right, "y": above, "y2": above + HEIGHT}
    guides = [{"x": AXIS - 4, "x2": width - 8, "y": down(t), "y2": down(t)} for t in marks]
    labels = [{"x": AXIS - 10, "y": down(t), "t": percent(t, 0)} for t in marks]
    middle = min(max((left + right) / 2, AXIS + 60), width - 70)
    head = [{"x": middle, "y": above - 14, "t": days_of(incident)}]
    every = max(1, round(((end - begin).days + 1) / (8 if width >= WIDTH else 4)))
    dates = [begin + timedelta(days=n) for n in range(0, (end - begin).days + 1, every)]
    feet = [{"x": min(across(day), width - 24), "y": canvas.height - 8, "t": f"{day.day} {day:%b}"} for day in dates]
    layers = [
        canvas.rects([shade], "ghost-soft"),
        canvas.lines(guides, "sep"),
        canvas.texts(labels, "label", "right", fontSize=11),
        canvas.texts(head, "label-bad", "center"),
        canvas.texts(feet, "label", "center", fontSize=11),
        *_band(canvas, rows, across, down),
        *(_line(canvas, _points(rows, "others", across, down), "line-2") if _is_known(rows, "others") else []),
        *_line(canvas, _points(rows, "share", across, down), "line-primary"),
        *release_layers(canvas, marked, across, ROOM, above + HEIGHT),
        *_dots(canvas, rows, incident, across, down),
    ]
    lowest = min((row for row in rows if row["share"] is not None), key=lambda row: row["share"])
    text = (
        f"{subject_of(incident)}, by day: lowest {percent(lowest['share'])} on {lowest['day'].day} {lowest['day']:%b}."
        f"{released(marked)}"
    )
    return canvas.layered(layers, text)


def _band(canvas: Canvas, rows: list[dict[str, Any]], across: Any, down: Any) -> list[alt.Chart]:
    points = [{"x": across(r["day"]), "y": down(r["high"]), "y2": down(r["low"])} for r in rows if r["low"] is not None]
    if len(points) < 2:
        return []
    band = chart_of(points).mark_area(style="band", aria=False, opacity=1)
    return [cast("alt.Chart", band.encode(canvas.x(), canvas.y(), alt.Y2("y2:Q")))]


def _is_known(rows: list[dict[str, Any]], name: str) -> bool:
    """Whether most of the days have it: a line of a few days says nothing."""
    return sum(row[name] is not None for row in rows) > MOSTLY * len(rows)


def _points(rows: list[dict[str, Any]], name: str, across: Any, down: Any) -> list[list[dict[str, float]]]:
    """Runs of days with a share, as points."""
    runs: list[list[dict[str, float]]] = [[]]
    for row in rows:
        if row[name] is None:
            runs.append([])
        else:
            runs[-1].append({"x": across(row["day"]), "y": down(row[name])})
    return runs


def _line(canvas: Canvas, runs: list[list[dict[str, float]]], style: str) -> list[alt.Chart]:
    """A line for every run of days."""
    lines = [chart_of(run).mark_line(style=style, aria=False) for run in runs if len(run) > 1]
    return [cast("alt.Chart", line.encode(canvas.x(), canvas.y())) for line in lines]


def _dots(
    canvas: Canvas, rows: list[dict[str, Any]], incident: dict[str, Any], across: Any, down: Any
) -> list[alt.Chart]:
    tip = tips(t_day="Day", t_share="Goes on", t_expected="Expected", t_others="All others", t_many="Journeys")
    dots = [
        {
            "x": across(row["day"]),
            "y": down(row["share"]),
            "own": incident["first"] <= row["day"] <= incident["last"],
            "t_day": f"{row['day'].day} {row['day']:%b %Y}",
            "t_share": percent(row["share"]),
            "t_expected": interval(row["low"], row["high"]),
            "t_others": percent(row["others"]),
            "t_many": count(row["of"]),
            "d": f"{row['day'].day} {row['day']:%b}: {percent(row['share'])}",
        }
        for row in rows
        if row["share"] is not None
    ]
    return [
        canvas.dots(own, style, shape, tip, size)
        for style, shape, size, own in (
            ("dot", "circle", 30, [dot for dot in dots if not dot["own"]]),
            ("dot-bad", "diamond", 90, [dot for dot in dots if dot["own"]]),
        )
        if own
    ]
