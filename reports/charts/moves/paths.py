"""Which whole paths are the most frequent, to the goal and abandoned?

In: the published frame of commonest paths (`reports.privacy.paths.publishable_paths`). A row is a path, a chip a
touchpoint; the bar is how many journeys took exactly this path.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import NARROW, Canvas, Layers, tips
from reports.privacy.paths import ABANDONED, REACHED
from reports.words.numbers import count, percent, shown_name

WIDTH = 1096
HEAD = 30
GROUP_GAP = 34
CHIP = 24
TWO_LINES = 36
BETWEEN = 7
SMALL_CHIP = 22
ARROW = 6
LINE = 13
FIGURES = 236
HEADS = {REACHED: "Paths that reach the goal", ABANDONED: "Paths that are abandoned"}


def commonest_paths(paths: pl.DataFrame, width: int = WIDTH) -> Layers:
    """Paths as rows of chips, with how many journeys took each."""
    rows = paths.to_dicts()
    longest = max(len(row["route"]) + (row["ended"] == ABANDONED) for row in rows)
    pitch = min(140.0, (width - FIGURES) / longest)
    high = CHIP if all(len(_lines(name, pitch)) == 1 for row in rows for name in row["route"]) else TWO_LINES
    heads = _place(rows, high + BETWEEN)
    canvas = Canvas(width, rows[-1]["y"] + high + BETWEEN)
    chips = [chip for row in rows for chip in _chips(row, pitch, high)]
    return canvas.layered([*_drawn(canvas, chips), *_bars(canvas, rows, heads)], _description(rows))


def narrow_commonest_paths(paths: pl.DataFrame, width: int = NARROW) -> Layers:
    """The same for a phone: the number of journeys stands above a path's chips, which wrap onto further lines."""
    rows = paths.to_dicts()
    chips: list[dict[str, Any]] = []
    heads: list[dict[str, Any]] = []
    y, ended = 0.0, ""
    for row in rows:
        if row["ended"] != ended:
            ended = row["ended"]
            heads.append({"x": 0, "y": y + 8, "t": HEADS[ended]})
            y += 28
        _described(row)
        row["ym"], y = y + 7, y + 18
        own = _wrapped(row, y, width)
        chips, y = chips + own, own[-1]["y2"] + 16
    canvas = Canvas(width, y - 16)
    largest = max(row["units"] for row in rows)
    bars = [
        {"x": 108, "x2": 108 + 140 * row["units"] / largest, "y": row["ym"] - 4, "y2": row["ym"] + 4, "d": row["d"]}
        for row in rows
    ]
    counts = [{"x": 0, "y": row["ym"], "t": f"{count(row['units'])} journeys"} for row in rows]
    shares = [{"x": width, "y": row["ym"], "t": percent(row["share"])} for row in rows]
    layers = [
        *_drawn(canvas, chips),
        canvas.rects(bars, "bar-primary", tips(d="Path"), cornerRadius=2),
        canvas.texts(counts, "label"),
        canvas.texts(shares, "label-strong", "right"),
        canvas.texts(heads, "label-strong", fontSize=13),
    ]
    return canvas.layered(layers, _description(rows))


def _wrapped(row: dict[str, Any], top: float, width: float) -> list[dict[str, Any]]:
    """Chips as wide as their names, wrapped onto as many lines as needed."""
    chips, x, y = [], 0.0, top
    names = _named(row)
    for position, (name, kind) in enumerate(names):
        text = fonts.fit(name, width - 16, 11, 600)
        wide = fonts.width(text, 11, 600) + 16
        if x and x + wide > width:
            x, y = 0.0, y + SMALL_CHIP + 4
        last = position == len(names) - 1
        chips.append(
            {
                "x": round(x, 1),
                "x2": round(x + wide, 1),
                "y": y,
                "y2": y + SMALL_CHIP,
                "xm": round(x + wide / 2, 1),
                "ym": y + SMALL_CHIP / 2,
                "yt": y + SMALL_CHIP / 2,
                "t": [text],
                "kind": kind,
                "last": last or x + wide + 2 * ARROW > width,
            }
        )
        x += wide + 2 * ARROW
    return chips


def _description(rows: list[dict[str, Any]]) -> str:
    return f"The {len(rows)} commonest complete paths. {'; '.join(row['d'] for row in rows)}."


def _drawn(canvas: Canvas, chips: list[dict[str, Any]]) -> list[alt.Chart]:
    layers: list[alt.Chart] = []
    size = 11.5 if canvas.width > NARROW else 11
    for kind, style, text in (
        ("touchpoint", "band", "label-ink"),
        ("goal", "node-goal", "label-on"),
        ("left", "ghost", "label"),
    ):
        of_kind = [chip for chip in chips if chip["kind"] == kind]
        if of_kind:
            layers.append(canvas.rects(of_kind, style, cornerRadius=5))
            layers.append(
                canvas.texts(
                    [{**c, "x": c["xm"], "y": c["yt"]} for c in of_kind], text, "center", fontSize=size, lineHeight=LINE
                )
            )
    arrows = [{"x": c["x2"] + ARROW, "y": c["ym"], "t": "›"} for c in chips if not c["last"]]
    if arrows:
        layers.append(canvas.texts(arrows, "label-muted", "center", fontSize=14))
    return layers


def _place(rows: list[dict[str, Any]], pitch: float) -> list[dict[str, Any]]:
    y, ended, heads = float(HEAD), "", []
    for row in rows:
        if row["ended"] != ended:
            y += GROUP_GAP if ended else 0
            ended = row["ended"]
            heads.append({"x": 0, "y": y - 14, "t": HEADS[ended]})
        row["y"], y = y, y + pitch
        row["ym"] = row["y"] + (pitch - BETWEEN) / 2
        _described(row)
    return heads


def _described(row: dict[str, Any]) -> None:
    ending = " → left" if row["ended"] == ABANDONED else ""
    names = " → ".join(shown_name(name) for name in row["route"])
    row["d"] = f"{names}{ending}: {count(row['units'])} journeys"


def _named(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Text and kind of every chip of a path."""
    names = [(shown_name(name), "touchpoint") for name in row["route"]]
    if row["ended"] == REACHED:
        return [*names[:-1], (names[-1][0], "goal")]
    return [*names, ("left", "left")]


def _lines(name: str, pitch: float) -> list[str]:
    return fonts.wrap(shown_name(name), pitch - 22, 11.5, 600)


def _chips(row: dict[str, Any], pitch: float, high: float) -> list[dict[str, Any]]:
    names = _named(row)
    return [
        {
            "x": position * pitch,
            "x2": (position + 1) * pitch - 12,
            "y": row["y"],
            "y2": row["y"] + high,
            "xm": position * pitch + (pitch - 12) / 2,
            "ym": row["ym"],
            "yt": row["ym"] - (len(lines) - 1) * LINE / 2,
            "t": lines,
            "kind": kind,
            "last": position == len(names) - 1,
        }
        for position, (name, kind) in enumerate(names)
        for lines in [_lines(name, pitch)]
    ]


def _bars(canvas: Canvas, rows: list[dict[str, Any]], heads: list[dict[str, Any]]) -> list[alt.Chart]:
    left, room = canvas.width - FIGURES + 24, 92.0
    largest = max(row["units"] for row in rows)
    bars = [
        {"x": left, "x2": left + room * row["units"] / largest, "y": row["ym"] - 7, "y2": row["ym"] + 7, "d": row["d"]}
        for row in rows
    ]
    middles = [row["ym"] for row in rows]
    units = [{"x": canvas.width - 66, "y": y, "t": count(r["units"])} for y, r in zip(middles, rows, strict=True)]
    shares = [{"x": canvas.width - 4, "y": y, "t": percent(r["share"])} for y, r in zip(middles, rows, strict=True)]
    columns = [{"x": canvas.width - 66, "y": 12, "t": "Journeys"}, {"x": canvas.width - 4, "y": 12, "t": "Of all"}]
    return [
        canvas.rects(bars, "bar-primary", tips(d="Path"), cornerRadius=2),
        canvas.texts(units, "label-strong", "right"),
        canvas.texts(shares, "label", "right"),
        canvas.texts(columns, "label-head", "right"),
        canvas.texts(heads, "label-strong"),
    ]
