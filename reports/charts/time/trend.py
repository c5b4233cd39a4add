"""How does conversion move from week to week?

In: the published weekly frame (`reports.privacy.trends.publishable_weeks`). One strip per step, each with its own
range: the line is the week's conversion, the band its 95 % interval, ◆ a week with a day of an alert, ○ a week that is
not over yet. Days of releases are marked over all strips.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, cast

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import Canvas, Layers, chart_of, tips
from reports.charts.stages.segments import ticks
from reports.charts.time.marks import ROOM, release_days, release_layers, released
from reports.privacy.trends import OPEN
from reports.words.numbers import count, interval, percent, shown_name

WIDTH = 1090
STRIP = 104
GAP = 34
FOOT = 44
LABEL = 150
AXIS = 44


def trend_strips(weekly: pl.DataFrame, width: int = WIDTH, releases: pl.DataFrame | None = None) -> Layers:
    """Weekly step conversion, one strip per step, with the days of releases."""
    weeks = sorted(weekly["week"].unique())
    steps = weekly.select("step", "name").unique("step", keep="first").sort("step").to_dicts()
    side = LABEL if width >= WIDTH else 0
    pitch = STRIP + (GAP if side else 2 * GAP)
    days = release_days(releases, weeks[0], weeks[-1] + timedelta(days=6))
    head = ROOM if days else 0
    canvas = Canvas(width, head + len(steps) * pitch - GAP + FOOT)
    across = _scale(weeks, side + AXIS, width - 16)
    layers: list[alt.Chart] = []
    unusual: list[str] = []
    for index, step in enumerate(steps):
        rows = weekly.filter((pl.col("step") == step["step"]) & pl.col("share").is_not_null()).sort("week").to_dicts()
        top = head + index * pitch + (0 if side else GAP)
        layers += _name(canvas, step, top, side)
        layers += _strip(canvas, rows, across, top, side + AXIS)
        unusual += [r["d"] for r in rows if r.get("unusual")]
    layers.append(_dates(canvas, weeks, across))
    layers += release_layers(canvas, days, _between(weeks, across, width), head, canvas.height - FOOT)
    text = "; ".join(unusual) or "no week with an alert"
    whole = f"Weekly conversion of {len(steps)} steps over {len(weeks)} weeks: {text}.{released(days)}"
    return canvas.layered(layers, whole)


def _scale(weeks: list[date], left: float, right: float) -> dict[date, float]:
    step = (right - left) / max(len(weeks) - 1, 1)
    return {week: round(left + step * index, 1) for index, week in enumerate(weeks)}


def _between(weeks: list[date], across: dict[date, float], width: float) -> Callable[[date], float]:
    """Where a day lies: a week stands at its Monday, and days of the newest one go to the edge."""
    pitch = across[weeks[1]] - across[weeks[0]] if len(weeks) > 1 else 0.0
    every = (weeks[1] - weeks[0]).days if len(weeks) > 1 else 7
    return lambda day: round(min(across[weeks[0]] + pitch * (day - weeks[0]).days / every, width - 8), 1)


def _name(canvas: Canvas, step: dict[str, Any], top: float, side: float) -> list[alt.Chart]:
    """The step beside its strip, or above it on a narrow screen."""
    name = fonts.wrap(f"→ {shown_name(step['name'])}", (side or canvas.width) - 10, 12.5, 600, lines=2 if side else 1)
    row = {"x": 0, "y": top + 10 if side else top - 16, "t": name}
    return [canvas.texts([row], "label-strong", fontSize=12.5, lineHeight=16)]


def _strip(
    canvas: Canvas, rows: list[dict[str, Any]], across: dict[date, float], top: float, left: float
) -> list[alt.Chart]:
    if not rows:
        note = "Too few customers in every week"
        return [canvas.texts([{"x": left, "y": top + STRIP / 2, "t": note}], "label-muted")]
    low, high = _range(rows)

    def down(share: float) -> float:
        return round(top + STRIP * (1 - (share - low) / (high - low)), 1)

    for row in rows:
        row.update(_point(row, across, down))
    marks = ticks(low, high, 3)
    digits = 0 if all(abs(t * 100 - round(t * 100)) < 1e-6 for t in marks) else 1
    guides = [{"x": left, "x2": canvas.width - 8, "y": down(t), "y2": down(t)} for t in marks]
    labels = [{"x": left - 8, "y": down(t), "t": percent(t, digits)} for t in marks]
    layers = [canvas.lines(guides, "sep"), canvas.texts(labels, "label", "right", fontSize=11)]
    return layers + _lines(canvas, rows) + _marks(canvas, rows)


def _range(rows: list[dict[str, Any]]) -> tuple[float, float]:
    ends = [row[name] for row in rows for name in ("share", "low", "high") if row[name] is not None]
    room = max((max(ends) - min(ends)) * 0.06, 0.005)
    return max(0.0, min(ends) - room), min(1.0, max(ends) + room)


def _point(row: dict[str, Any], across: dict[date, float], down: Any) -> dict[str, Any]:
    week = f"{row['week'].day} {row['week']:%b %Y}"
    return {
        "x": across[row["week"]],
        "y": down(row["share"]),
        "lowest": None if row["low"] is None else down(row["low"]),
        "highest": None if row["high"] is None else down(row["high"]),
        "t_week": week + (" (not over yet)" if row["state"] == OPEN else ""),
        "t_share": percent(row["share"]),
        "t_expected": interval(row["low"], row["high"]),
        "t_many": count(row["previous"]),
        "d": f"→ {shown_name(row['name'])}, week of {week}: {percent(row['share'])} "
        f"({interval(row['low'], row['high'])})",
    }


def _drawable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = ("x", "y", "lowest", "highest", "t_week", "t_share", "t_expected", "t_many", "d")
    return [{name: row[name] for name in kept} for row in rows]


def _lines(canvas: Canvas, rows: list[dict[str, Any]]) -> list[alt.Chart]:
    banded = [{"x": r["x"], "y": r["highest"], "y2": r["lowest"]} for r in rows if r["lowest"] is not None]
    over = [{"x": r["x"], "y": r["y"]} for r in rows if r["state"] != OPEN]
    layers = []
    if len(banded) > 1:
        band = chart_of(banded).mark_area(style="band", aria=False, opacity=1)
        layers.append(cast("alt.Chart", band.encode(canvas.x(), canvas.y(), alt.Y2("y2:Q"))))
    if len(over) > 1:
        line = chart_of(over).mark_line(style="line-primary", aria=False)
        layers.append(cast("alt.Chart", line.encode(canvas.x(), canvas.y())))
    return layers


def _marks(canvas: Canvas, rows: list[dict[str, Any]]) -> list[alt.Chart]:
    tip = tips(
        t_week="Week of", t_share="Conversion", t_expected="95 % interval", t_many="Customers at the stage before"
    )
    layers = []
    for style, shape, size, weeks in (
        ("dot", "circle", 36, [r for r in rows if r["state"] != OPEN and not r["unusual"]]),
        ("dot-bad", "diamond", 110, [r for r in rows if r["unusual"]]),
        ("dot-open", "circle", 60, [r for r in rows if r["state"] == OPEN]),
    ):
        if weeks:
            layers.append(canvas.dots(_drawable(weeks), style, shape, tip, size))
    labels = [_run_label(run, canvas.width) for run in _runs(rows)]
    return [*layers, canvas.texts(labels, "label-bad", "center")] if labels else layers


def _runs(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Runs of consecutive weeks with an alert."""
    runs: list[list[dict[str, Any]]] = []
    for row in rows:
        if not row["unusual"]:
            continue
        last = runs[-1][-1] if runs else None
        joined = last and (row["week"] - last["week"]).days == 7
        runs[-1].append(row) if joined else runs.append([row])
    return runs


def _run_label(run: list[dict[str, Any]], width: float) -> dict[str, Any]:
    """One label per run below the line: its lowest share and its weeks."""
    first, last = run[0]["week"], run[-1]["week"]
    when = f"week of {first.day} {first:%b}"
    if first != last:
        when = f"weeks of {first.day} {first:%b} – {last.day} {last:%b}"
    text = f"{percent(min(row['share'] for row in run))}, {when}"
    half = fonts.width(text, 12, 600) / 2
    middle = (run[0]["x"] + run[-1]["x"]) / 2
    edge = max(row["y"] for row in run) + 17
    return {"x": round(min(max(middle, half), width - half), 1), "y": edge, "t": text}


def _dates(canvas: Canvas, weeks: list[date], across: dict[date, float]) -> alt.Chart:
    every = max(1, -(-len(weeks) // (9 if canvas.width >= WIDTH else 4)))
    rows = [{"x": across[w], "y": canvas.height - 8, "t": f"{w.day} {w:%b}"} for w in weeks[::every]]
    return canvas.texts(rows, "label", "center", fontSize=11)
