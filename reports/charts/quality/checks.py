"""On which days did the data meet its expectations?

In: the verdicts of `reports.questions.quality`. A row is a suite or, below it, an expectation that was not met; a
column is a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import NARROW, Canvas, Layers, tips
from reports.words.numbers import percent, shown_name

WIDTH = 1096
ROW = 34
HEAD = 26
LABEL = 372
SMALL_ROW = 24
Tops = dict[Any, float]


def check_strip(verdicts: pl.DataFrame, width: int = WIDTH) -> Layers:
    """Suites and expectations by day: ✓ met, ✗ not met, blank where nothing was checked."""
    days = sorted(verdicts["day"].unique())
    names = verdicts.select("suite", "belief").unique(maintain_order=True).rows()
    tops: Tops = {name: HEAD + ROW * index for index, name in enumerate(names)}
    column = (width - LABEL) / len(days)
    canvas = Canvas(width, HEAD + ROW * len(names))
    cells = [_cell(row, tops, LABEL + column * days.index(row["day"]), column) for row in verdicts.to_dicts()]
    heads = [{"x": LABEL + column * (i + 0.5), "y": 10, "t": f"{d.day} {d:%b}"} for i, d in enumerate(days)]
    layers = [canvas.texts(heads, "label", "center", fontSize=11), *_names(canvas, tops), *_verdicts(canvas, cells)]
    return canvas.layered(layers, _description(names, days, cells))


def narrow_check_strip(verdicts: pl.DataFrame, width: int = NARROW) -> Layers:
    """The same for a phone: an expectation stands above its days, and a cell holds only its mark."""
    days = sorted(verdicts["day"].unique())
    names = verdicts.select("suite", "belief").unique(maintain_order=True).rows()
    column, y = width / len(days), float(HEAD)
    tops: Tops = {}
    suites: list[dict[str, Any]] = []
    beliefs: list[dict[str, Any]] = []
    for suite, belief in names:
        lines = fonts.wrap(shown_name(belief or suite, 90), width, 11.5 if belief else 12.5)
        (beliefs if belief else suites).append({"x": 0, "y": y + 9, "t": lines})
        tops[suite, belief] = y + 4 + 14 * len(lines)
        y = tops[suite, belief] + SMALL_ROW + 10
    cells = [_cell(row, tops, column * days.index(row["day"]), column) for row in verdicts.to_dicts()]
    for cell in cells:
        cell |= {"x": cell["x"] - 1, "x2": cell["x2"] + 1, "y2": cell["y"] + SMALL_ROW - 4}
        cell |= {"ym": (cell["y"] + cell["y2"]) / 2, "t": "✓" if cell["kind"] == "met" else "✗"}
    canvas = Canvas(width, y)
    heads = [{"x": column * (i + 0.5), "y": 16, "t": str(day.day)} for i, day in enumerate(days)]
    months = [
        {"x": column * i, "y": 3, "t": f"{day:%b}"}
        for i, day in enumerate(days)
        if i == 0 or day.month != days[i - 1].month
    ]
    layers = [canvas.texts(heads, "label", "center", fontSize=11), canvas.texts(months, "label-head")]
    layers += [canvas.texts(suites, "label-strong", fontSize=12.5, lineHeight=14)]
    layers += [canvas.texts(beliefs, "label", fontSize=11.5, lineHeight=14)] if beliefs else []
    return canvas.layered([*layers, *_verdicts(canvas, cells)], _description(names, days, cells))


def _description(names: Sequence[Any], days: Sequence[Any], cells: list[dict[str, Any]]) -> str:
    missed = sum(cell["kind"] != "met" for cell in cells)
    return f"{len(names)} checks on {len(days)} days; {missed} cells with something not met."


def _verdicts(canvas: Canvas, cells: list[dict[str, Any]]) -> list[alt.Chart]:
    layers = []
    tip = tips(name="Expectation", day="Day", told="Verdict")
    for kind, fill, text in (
        ("met", "band", "label"),
        ("warned", "ghost", "label-bad"),
        ("failed", "bar-bad", "label-on"),
    ):
        of_kind = [cell for cell in cells if cell["kind"] == kind]
        if of_kind:
            layers.append(canvas.rects(of_kind, fill, tip, cornerRadius=4))
            middles = [{"x": c["xm"], "y": c["ym"], "t": c["t"]} for c in of_kind]
            layers.append(canvas.texts(middles, text, "center", fontSize=11))
    return layers


def _names(canvas: Canvas, tops: Tops) -> list[alt.Chart]:
    suites = [{"x": 0, "y": y + ROW / 2, "t": shown_name(suite)} for (suite, belief), y in tops.items() if not belief]
    layers = [canvas.texts(suites, "label-strong", fontSize=12.5)]
    lines = [
        (y, fonts.wrap(shown_name(belief, 90), LABEL - 32, 11.5))
        for (_, belief), y in tops.items()
        if belief is not None
    ]
    rows = [{"x": 16, "y": y + ROW / 2 - (len(text) - 1) * 7, "t": text} for y, text in lines]
    return [*layers, canvas.texts(rows, "label", fontSize=11.5, lineHeight=14)] if rows else layers


def _cell(row: dict[str, Any], tops: Tops, left: float, column: float) -> dict[str, Any]:
    top, met = tops[row["suite"], row["belief"]], row["met"] == row["of"]
    if met:
        text = "✓"
    elif row["belief"] is None:
        text = f"{row['of'] - row['met']} of {row['of']}"
    else:
        text = "✗" if row["share"] is None else f"✗ {percent(row['share'], 0 if row['share'] >= 0.1 else 1)}"
    day = f"{row['day'].day} {row['day']:%b %Y}"
    name = shown_name(row["belief"] or row["suite"], 90)
    verdict = "met" if met else f"not met: {text.strip('✗ ')}" if text != "✗" else "not met"
    return {
        "x": left + 2,
        "x2": left + column - 2,
        "y": top + 2,
        "y2": top + ROW - 2,
        "xm": left + column / 2,
        "ym": top + ROW / 2,
        "t": text,
        "kind": "met" if met else "failed" if row["severity"] == "refuse" else "warned",
        "name": name,
        "day": day,
        "told": verdict,
        "d": f"{name}, {day}: {verdict}",
    }
