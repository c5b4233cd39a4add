"""Where to act first: a row per problem, with the goals at stake as a bar and their interval as a whisker."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import NARROW, Canvas, Layers, tips
from reports.words.numbers import whole_interval
from reports.words.problems import evidence_of, problem_of, whom_of

WIDTH = 1096
ROW = 27
HEAD = 24
TEXT = 430
FIGURES = 180


def act_first(problems: pl.DataFrame, width: int = WIDTH, *, max_rows: int | None = None) -> Layers:
    """Problems as rows, at most `max_rows` of them."""
    rows = _rows(problems)[:max_rows]
    text = min(TEXT, 0.45 * width)
    left, room = text + 16, width - text - FIGURES - 32
    for row in rows:
        row["problem"] = fonts.wrap(row["t_problem"], text - 30, 13, 600)
        row["whom"] = fonts.wrap(row["t_whom"], text - 30, 12)
        row["evidence"] = fonts.wrap(row["t_evidence"], width - left, 12)
    heights = [
        max(ROW + 16 * len(row["problem"]) + 15 * len(row["whom"]), 44 + 15 * len(row["evidence"])) for row in rows
    ]
    tops = [HEAD + sum(heights[:index]) for index in range(len(rows) + 1)]
    left_out = problems.height - len(rows)
    canvas = Canvas(width, tops[-1] + (18 if left_out else 0))
    for row, top in zip(rows, tops[:-1], strict=True):
        _place(row, left, room, top, rows)
    heads = [{"x": 26, "y": 8, "t": "Problem"}, {"x": left, "y": 8, "t": "Goals at stake"}]
    figures = [{"x": width - 84, "y": 8, "t": "Goals"}, {"x": width, "y": 8, "t": "95 % interval"}]
    layers = [
        canvas.texts(heads, "label-head"),
        canvas.texts(figures, "label-head", "right"),
        canvas.texts([{"x": 4, "y": r["y0"] + 16, "t": str(i)} for i, r in enumerate(rows, 1)], "label-muted"),
        canvas.texts(
            [{"x": 26, "y": r["y0"] + 16, "t": r["problem"]} for r in rows], "label-strong", fontSize=13, lineHeight=16
        ),
        canvas.texts(
            [{"x": 26, "y": r["y0"] + 20 + 16 * len(r["problem"]), "t": r["whom"]} for r in rows],
            "label-muted",
            lineHeight=15,
        ),
        canvas.texts([{"x": left, "y": r["y0"] + 40, "t": r["evidence"]} for r in rows], "label", lineHeight=15),
        canvas.texts(
            [{"x": width - 84, "y": r["y0"] + 16, "t": r["t"]} for r in rows], "label-strong", "right", fontSize=14
        ),
        canvas.texts([{"x": width, "y": r["y0"] + 16, "t": r["t_interval"]} for r in rows], "label-muted", "right"),
    ]
    if left_out:
        more = {"x": 26, "y": canvas.height - 8, "t": f"and {left_out} more on the page"}
        layers.append(canvas.texts([more], "label-muted"))
    return canvas.layered([*layers, *_bars(canvas, rows)], _description(rows))


def narrow_act_first(problems: pl.DataFrame, width: int = NARROW) -> Layers:
    """The same for a phone: the bar stands below the words, which take up to two lines each."""
    rows, pitch = _rows(problems), 152
    canvas = Canvas(width, pitch * len(rows))
    for index, row in enumerate(rows):
        _place(row, 0, width, index * pitch + 68, rows)
        row["top"] = index * pitch

    def lines(name: str, top: float, size: float, weight: int, room: float) -> list[dict[str, Any]]:
        return [{"x": 0, "y": r["top"] + top, "t": fonts.wrap(r[name], room, size, weight, lines=2)} for r in rows]

    texts = [
        canvas.texts(lines("t_problem", 10, 13, 600, width - 60), "label-strong", fontSize=13, lineHeight=16),
        canvas.texts([{"x": width, "y": r["top"] + 10, "t": r["t"]} for r in rows], "label-strong", "right"),
        canvas.texts(lines("t_whom", 42, 12, 400, width), "label-muted", fontSize=12, lineHeight=15),
        canvas.texts(lines("t_evidence", 104, 12, 400, width), "label", fontSize=12, lineHeight=15),
    ]
    return canvas.layered([*texts, *_bars(canvas, rows)], _description(rows))


def _rows(problems: pl.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for row in problems.iter_rows(named=True):
        text = {
            "t_problem": problem_of(row),
            "t_whom": whom_of(row),
            "t_evidence": evidence_of(row),
            "t": f"{row['at_stake']:,.0f}",
            "t_interval": whole_interval(row["low"], row["high"]),
        }
        rows.append({**row, **text, "d": f"{text['t_problem']}: {text['t']} goals at stake ({text['t_interval']})"})
    return rows


def _place(row: dict[str, Any], left: float, room: float, top: float, rows: list[dict[str, Any]]) -> None:
    most = max(each["high"] for each in rows)
    row.update(y0=top, y=top + 8, y2=top + 24, ym=top + 16, x=left, x2=left + room * row["at_stake"] / most)
    row.update(w1=left + room * row["low"] / most, w2=left + room * row["high"] / most)


def _bars(canvas: Canvas, rows: list[dict[str, Any]]) -> list[alt.Chart]:
    tip = tips(t_problem="Problem", t_whom="Where", t="Goals at stake", t_interval="95 % interval", t_evidence="Seen")
    whiskers = [{"x": r["w1"], "x2": r["w2"], "y": r["ym"], "y2": r["ym"]} for r in rows]
    ends = [{"x": x, "x2": x, "y": r["ym"] - 4, "y2": r["ym"] + 4} for r in rows for x in (r["w1"], r["w2"])]
    return [canvas.rects(rows, "bar-bad", tip, cornerRadius=3), canvas.lines([*whiskers, *ends], "ci")]


def _description(rows: list[dict[str, Any]]) -> str:
    return f"{len(rows)} problems by the goals at stake. " + " ".join(f"{row['d']}." for row in rows[:3])
