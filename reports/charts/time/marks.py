"""Marks of releases on charts over time: a dashed line on the day, named above where there is room.

In: `reports.privacy.trends.publishable_releases`. Releases of one day are one mark.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Final

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import Canvas, tips
from reports.words.tables import release_name

ROOM: Final = 22
"""Pixels above a chart that the marks and their names take."""
_SIZE: Final = 11.0
_LONGEST: Final = 130.0
_BETWEEN: Final = 8.0


def release_days(releases: pl.DataFrame | None, first: date, last: date) -> list[dict[str, Any]]:
    """The days from `first` to `last` with a release: `day`, and `label`, the names of what was released then."""
    if releases is None:
        return []
    rows = releases.filter(pl.col("day").is_between(first, last)).sort("day", maintain_order=True)
    days: dict[date, list[str]] = {}
    for row in rows.iter_rows(named=True):
        days.setdefault(row["day"], []).append(release_name(row))
    return [{"day": day, "label": ", ".join(names)} for day, names in days.items()]


def release_layers(
    canvas: Canvas, days: list[dict[str, Any]], across: Callable[[date], float], top: float, bottom: float
) -> list[alt.Chart]:
    """The marks of `release_days` from `top`, above which they have `ROOM`, to `bottom`."""
    if not days:
        return []
    marks = [
        {
            **{"x": across(row["day"]), "y": top - 4, "y2": bottom, "t_name": row["label"]},
            "t_day": f"{row['day'].day} {row['day']:%b %Y}",
            "d": f"Released {row['day'].day} {row['day']:%b}: {row['label']}",
        }
        for row in days
    ]
    lines = [{**mark, "x2": mark["x"]} for mark in marks]
    names, free = [], 0.0
    for mark in marks:
        (text,) = fonts.wrap(mark["t_name"], _LONGEST, _SIZE, 400, lines=1)
        half = fonts.width(text, _SIZE, 400) / 2
        middle = min(max(mark["x"], half), canvas.width - half)
        if middle - half >= free:
            names.append({"x": round(middle, 1), "y": top - 15, "t": text})
            free = middle + half + _BETWEEN
    tip = tips(t_day="Day", t_name="Released")
    return [
        canvas.lines(lines, "ref"),
        canvas.dots(marks, "dot-open", "triangle-down", tip, 50),
        canvas.texts(names, "label-muted", "center", fontSize=_SIZE),
    ]


def released(days: list[dict[str, Any]]) -> str:
    """The end of a description: how many days have a mark, and the newest.

    >>> released([{"day": date(2026, 2, 26), "label": "checkout 4"}])
    ' 1 release day, last 26 Feb.'
    """
    if not days:
        return ""
    last = days[-1]["day"]
    return f" {len(days)} release {'day' if len(days) == 1 else 'days'}, last {last.day} {last:%b}."
