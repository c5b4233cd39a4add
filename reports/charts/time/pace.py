"""How long do journeys take to the goal, and which groups get there sooner?

In: the frames of `reports.questions.time.pacing`. Bars are equally wide, but cover longer and longer times; the bar
that contains the median is dark.
"""

from __future__ import annotations

from typing import Any, cast

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import NARROW, Canvas, Layers, chart_of, only, tips
from reports.charts.stages.segments import ticks
from reports.words.numbers import count, interval, percent, shown_name

WIDTH = 500
WIDE = 1096
"""Width of the curves, alone in their row."""
HEIGHT = 250
HEAD = 18
FOOT = 64
AXIS = 46
LABEL = 128
NARROW_LABEL = 84
ROW = 30
STYLES = (("line-primary", "dot"), ("line-2", "dot-2"), ("line-3", "dot-3"), ("line-4", "dot-4"))


def time_bars(times: pl.DataFrame, width: int = WIDTH) -> Layers:
    """Shares of those who reached the goal by the time they took."""
    rows = times.to_dicts()
    canvas = Canvas(width, HEIGHT + FOOT)
    largest, column = max(row["share"] for row in rows), width / len(rows)
    bars = [_bar(row, index * column, column, largest) for index, row in enumerate(rows)]
    layers = []
    for median, style in ((False, "bar-muted"), (True, "bar-primary")):
        group = [bar for bar in bars if bar["median"] is median]
        if group:
            layers.append(canvas.rects(group, style, tips(name="Time", t="Share", t_many="Journeys"), cornerRadius=3))
    layers.append(canvas.texts([{**b, "x": b["xm"], "y": b["y"] - 8} for b in bars], "label", "center", fontSize=11))
    names = [{"x": b["xm"], "y": HEIGHT + 14, "t": b["short"]} for b in bars]
    layers.append(canvas.texts(names, "label", "center", fontSize=10.5, lineHeight=13))
    layers.append(canvas.lines([{"x": 0, "x2": width, "y": HEIGHT, "y2": HEIGHT}], "sep"))
    return canvas.layered(layers, "Time to the goal: " + "; ".join(bar["d"] for bar in bars) + ".")


def time_rows(times: pl.DataFrame, width: int = NARROW) -> Layers:
    """The same for a phone: one row per bin."""
    canvas = Canvas(width, ROW * times.height)
    rows = times.to_dicts()
    largest, room = max(row["share"] for row in rows), width - NARROW_LABEL - 52
    bars = []
    for index, row in enumerate(rows):
        top = index * ROW
        box = {"x": NARROW_LABEL, "x2": round(NARROW_LABEL + max(1.0, room * row["share"] / largest), 1)}
        box |= {"y": top + 4, "y2": top + ROW - 4, "ym": top + ROW / 2}
        bars.append({**_bar(row, 0, 100, largest), **box})
    tip = tips(name="Time", t="Share", t_many="Journeys")
    layers = [
        canvas.rects(group, style, tip, cornerRadius=3)
        for median, style in ((False, "bar-muted"), (True, "bar-primary"))
        if (group := [bar for bar in bars if bar["median"] is median])
    ]
    names = [{"x": NARROW_LABEL - 10, "y": bar["ym"], "t": bar["name"]} for bar in bars]
    shares = [{"x": bar["x2"] + 8, "y": bar["ym"], "t": bar["t"]} for bar in bars]
    layers += [canvas.texts(names, "label", "right"), canvas.texts(shares, "label-strong")]
    return canvas.layered(layers, "Time to the goal: " + "; ".join(bar["d"] for bar in bars) + ".")


def _bar(row: dict[str, Any], left: float, column: float, largest: float) -> dict[str, Any]:
    return {
        "x": left + 1.5,
        "x2": left + column - 1.5,
        "xm": left + column / 2,
        "y": round(HEIGHT - (HEIGHT - HEAD) * row["share"] / largest, 1),
        "y2": HEIGHT,
        "median": row["is_median"],
        "name": row["name"],
        "short": _short(row["name"], column),
        "t": percent(row["share"], 0) if row["share"] >= 0.01 else "<1",
        "t_many": count(row["journeys"]),
        "d": f"{row['name']}: {percent(row['share'])}",
    }


def _short(name: str, column: float) -> list[str]:
    """The name in as many lines as needed.

    >>> _short("30 min–3 h", 36), _short("5–15 min", 36), _short("1–2 d", 36)
    (['30 min', '–3 h'], ['5–15', 'min'], ['1–2 d'])
    """
    words = name.split(" ")
    first, dash, last = name.partition("–")
    if " " in first and fonts.width(first, 10.5) < column:
        return [first, dash + last]
    if len(words) == 3 and fonts.width(" ".join(words[:2]), 10.5) < column:
        return [" ".join(words[:2]), words[2]]
    return [name] if fonts.width(name, 10.5) < column - 4 else words


def incidence_curves(curves: pl.DataFrame, width: int = WIDE) -> Layers:
    """The share that has reached the goal by day, one line per group, labelled at its end.

    Shares of few journeys are published in steps of several percent: they have no decimals, and lines run straight
    from one to the next, as a stair would show jumps that are none.
    """
    canvas = Canvas(width, HEIGHT + FOOT)
    top, last = float(curves["high"].max()) * 1.08 or 0.01, float(curves["days"].max())  # type: ignore[arg-type]
    label = LABEL if width >= WIDTH else NARROW_LABEL
    right = width - label

    def across(days: float) -> float:
        return round(AXIS + (right - AXIS) * days / last, 1)

    def down(share: float) -> float:
        return round(HEIGHT - (HEIGHT - HEAD) * share / top, 1)

    marks = [tick for tick in ticks(0.0, top, 5) if tick <= top]
    days = [round(last * part) for part in (0, 0.25, 0.5, 0.75, 1)]
    layers = [
        canvas.lines([{"x": AXIS, "x2": right, "y": down(t), "y2": down(t)} for t in marks], "sep"),
        canvas.texts([{"x": AXIS - 8, "y": down(t), "t": _tick(t)} for t in marks], "label", "right", fontSize=11),
        canvas.texts([{"x": across(d), "y": HEIGHT + 16, "t": str(d)} for d in days], "label", "center", fontSize=11),
        canvas.texts(
            [{"x": (AXIS + right) / 2, "y": HEIGHT + 38, "t": "Days since the first touch"}], "label-muted", "center"
        ),
    ]
    ends = []
    groups = list(curves.partition_by("group", maintain_order=True))
    for rows, (line, dot) in zip(groups, STYLES, strict=False):
        decimals = 0 if all(map(_is_whole, rows["share"])) else 1
        points = [_point(row, across, down, decimals) for row in rows.to_dicts()]
        layers += _curve(canvas, points, line)
        ends.append({**points[-1], "dot": dot})
    for end, height in zip(ends, _apart([end["y"] for end in ends]), strict=True):
        layers.append(canvas.dots([end], end["dot"], "circle", tips(group="Group", t="Reached", t_interval="95 %"), 60))
        name = fonts.wrap(end["group"], label - 16, 11.5, 600, lines=1) if end["group"] else []
        text = [{"x": right + 12, "y": height - 7 * bool(name), "t": [*name, end["t"]]}]
        layers.append(canvas.texts(text, "label-strong", fontSize=11.5, lineHeight=14))
    summary = "; ".join(f"{end['group'] or 'all'} {end['t']}" for end in ends)
    return canvas.layered(layers, f"Share that has reached the goal after {last:.0f} days: {summary}.")


def _tick(share: float) -> str:
    return percent(share, 0 if _is_whole(share) else 1)


def _is_whole(share: float) -> bool:
    """Whether a share is a whole number of percent."""
    return abs(share * 100 - round(share * 100)) < 1e-6


def _point(row: dict[str, Any], across: Any, down: Any, decimals: int) -> dict[str, Any]:
    group = "" if row["group"] is None else shown_name(row["group"])
    return {
        "x": across(row["days"]),
        "y": down(row["share"]),
        "low": down(row["low"]),
        "high": down(row["high"]),
        "group": group,
        "t": percent(row["share"], decimals),
        "t_interval": interval(row["low"], row["high"]),
        "d": f"{group or 'All'}: {percent(row['share'], decimals)} by day {row['days']:.0f}",
    }


def _curve(canvas: Canvas, points: list[dict[str, Any]], style: str) -> list[alt.Chart]:
    both = chart_of(only(points, "x", "y", "low", "high"))
    shade = both.mark_area(style=style.replace("line", "area"), aria=False, opacity=0.18)
    line = both.mark_line(style=style, aria=False)
    return [
        cast("alt.Chart", shade.encode(canvas.x(), canvas.y("high"), alt.Y2("low:Q"))),
        cast("alt.Chart", line.encode(canvas.x(), canvas.y())),
    ]


def _apart(heights: list[float], min_gap: float = 31.0) -> list[float]:
    """Heights of labels, moved at least `min_gap` apart, in the order of their lines."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    placed: dict[int, float] = {}
    last = -min_gap
    for i in order:
        last = placed[i] = max(heights[i], last + min_gap)
    over = max(0.0, last - (HEIGHT + 8))
    return [placed[i] - over for i in range(len(heights))]
