"""The targets of journeys: a row per target with its value, interval and target on one scale, and its cohorts.

In: the frames `targets` and `cohorts` of `reports.questions.products`. Shares lie on a scale from 0 to 100 %, all with
the same points per pixel in their cohorts; times and scores each have a scale of their own.
"""

from __future__ import annotations

from typing import Any, Final, cast

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import NARROW, PAPER, Canvas, Layers, chart_of, tips
from reports.words.numbers import shown_name
from reports.words.products import measured, measured_interval, target_words
from reports.words.targets import MARKS, MEASURES, cohort_of, status_words

WIDTH: Final = 1096
ROW: Final = 50
HEAD: Final = 22
TRACK: Final = 12
SPARK: Final = 30
_RANGES: Final = {"nps": (-1.0, 1.0), "ces": (1.0, 7.0)}
_STYLES: Final = {"missed": "dot-bad", "met": "dot"}
Row = dict[str, Any]


def target_rows(targets: pl.DataFrame, cohorts: pl.DataFrame, width: int = WIDTH, *, max_rows: int = 40) -> Layers:
    """The targets one below the other, at most `max_rows` of them; narrower than on the page without cohorts."""
    rows = _rows(targets)[:max_rows]
    wide = width >= WIDTH
    name, owner = (230, 130) if wide else (152, 66)
    now, after = name + owner + 60, 210.0 if wide else 196.0
    left = now + 96
    spark = width - 110 if wide else width
    strip = spark - after - (20 if wide else 0) - left
    more = targets.height - len(rows)
    canvas = Canvas(width, HEAD + ROW * len(rows) + (18 if more else 0))
    for number, row in enumerate(rows):
        _place(row, HEAD + ROW * number, left, strip)
    end = left + strip
    heads: list[Row] = [
        {"x": 0, "t": "Journey, measure"},
        {"x": name, "t": "Owner"},
        {"x": left, "t": "Value on its scale; tick: target" if wide else "Tick: target"},
        {"x": end + 12, "t": "Target"},
        {"x": end + 108, "t": "Status"},
        *([{"x": spark, "t": "By cohort"}] if wide else []),
    ]
    middle: list[Row] = [{"x": now, "t": "Value"}, {"x": left - 10, "t": "95 %"}]

    def texts(x: float, field: str, down: float, room: float, strong: float = 0) -> list[Row]:
        size, weight = (strong, 600) if strong else (12, 400)
        return [{"x": x, "y": r["top"] + down, "t": fonts.fit(r[field], room, size, weight)} for r in rows]

    layers = [
        canvas.texts([{**head, "y": 8} for head in heads], "label-head"),
        canvas.texts([{**head, "y": 8} for head in middle], "label-head", "right"),
        canvas.texts(texts(0, "t_journey", 14, name - 12, 13), "label-strong", fontSize=13),
        canvas.texts(texts(0, "t_measure", 32, name - 12), "label-muted"),
        canvas.texts(texts(name, "t_owner", 14, owner - 10), "label"),
        canvas.texts(texts(now, "t_value", 14, 90, 14), "label-strong", "right", fontSize=14),
        canvas.texts(texts(left - 10, "t_interval", 14, 90), "label-muted", "right"),
        canvas.texts(texts(left, "t_cohort", 34, strip), "label-muted"),
        canvas.texts(texts(end + 12, "t_target", 14, 90), "label"),
        canvas.texts(texts(end + 12, "t_by", 32, 92), "label-muted"),
        *_statuses(canvas, rows, end + 108, after - 106),
        *_strips(canvas, rows),
        *(_sparklines(canvas, rows, cohorts, spark, width - 8) if wide else []),
    ]
    if more:
        layers.append(
            canvas.texts([{"x": 0, "y": canvas.height - 8, "t": f"and {more} more on the page"}], "label-muted")
        )
    return canvas.layered(layers, _description(rows))


def narrow_target_rows(targets: pl.DataFrame, width: int = NARROW) -> Layers:
    """The same for a phone: the scale stands below the words."""
    rows, pitch = _rows(targets), 96
    canvas = Canvas(width, pitch * len(rows))
    for number, row in enumerate(rows):
        _place(row, pitch * number + 42, 0, width)
        row["start"] = pitch * number

    def texts(x: float, field: str, down: float, room: float, strong: float = 0) -> list[Row]:
        size, weight = (strong, 600) if strong else (12, 400)
        return [{"x": x, "y": r["start"] + down, "t": fonts.fit(r[field], room, size, weight)} for r in rows]

    layers = [
        canvas.texts(texts(0, "t_journey", 10, width - 80, 13), "label-strong", fontSize=13),
        canvas.texts(texts(width, "t_value", 10, 76, 14), "label-strong", "right", fontSize=14),
        canvas.texts(texts(0, "t_who", 27, width - 90), "label-muted"),
        canvas.texts(texts(width, "t_interval", 27, 86), "label-muted", "right"),
        canvas.texts(texts(0, "t_verdict", 80, width), "label"),
        *_strips(canvas, rows),
    ]
    return canvas.layered(layers, _description(rows))


def paper_target_rows(targets: pl.DataFrame, cohorts: pl.DataFrame) -> Layers:
    """The same for an A4 sheet: six targets."""
    return target_rows(targets, cohorts, PAPER, max_rows=6)


def _rows(targets: pl.DataFrame) -> list[Row]:
    rows = []
    for row in targets.iter_rows(named=True):
        unit, journey = row["unit"], shown_name(row["journey"])
        status = f"{MARKS[row['status']]} {status_words(row)}"
        target = target_words(row["direction"], row["target"], unit)
        by = "" if row["by"] is None else f"by {row['by'].day} {row['by']:%b %Y}"
        text = {
            "t_journey": journey,
            "t_measure": MEASURES[row["measure"]],
            "t_owner": shown_name(row["owner"]),
            "t_who": f"{MEASURES[row['measure']]} · {shown_name(row['owner'])}",
            "t_value": measured(row["value"], unit),
            "t_interval": measured_interval(row["low"], row["high"], unit),
            "t_cohort": cohort_of(row),
            "t_target": target.replace("at least ", "≥ ").replace("at most ", "≤ "),
            "t_by": by,
            "t_status": status,
            "t_verdict": f"{status} · {target}{' ' + by if by else ''}",
        }
        said = (
            f"{journey}, {text['t_measure']}: {text['t_value']} ({text['t_interval']}), {target}, {status_words(row)}"
        )
        rows.append({**row, **text, "d": said})
    return rows


def _scale(row: Row) -> tuple[float, float]:
    """The lowest and the highest value of the strip of a row."""
    if row["unit"] == "share":
        return 0.0, 1.0
    known = [row[name] for name in ("value", "high", "target", "value_before") if row[name] is not None]
    return _RANGES.get(row["measure"], (0.0, max(known) * 1.15 or 1.0))


def _place(row: Row, top: float, left: float, room: float) -> None:
    """Sets the pixels of a row whose strip begins at `left`."""
    low, high = _scale(row)

    def across(value: float) -> float:
        return left + room * min(1.0, max(0.0, (value - low) / (high - low)))

    row.update(top=top, x=left, x2=left + room, y=top + 14 - TRACK / 2, y2=top + 14 + TRACK / 2, middle=top + 14)
    row["at_target"] = across(row["target"])
    for name in ("value", "low", "high", "value_before"):
        row[f"at_{name}"] = None if row[name] is None else across(row[name])


def _strips(canvas: Canvas, rows: list[Row]) -> list[alt.Chart]:
    """The scale of every row: value, interval, the cohort before as a ring, and the target as a tick."""
    tip = tips(t_journey="Journey", t_measure="Measure", t_cohort="Cohort", t_value="Value", t_interval="95 % interval",
               t_target="Target", t_status="Status")  # fmt: skip
    known = [row for row in rows if row["at_value"] is not None]
    whiskers = [
        {"x": r["at_low"], "x2": r["at_high"], "y": r["middle"], "y2": r["middle"]}
        for r in known
        if r["at_low"] is not None and r["at_high"] is not None
    ]
    ticks = [{"x": r["at_target"], "x2": r["at_target"], "y": r["y"] - 4, "y2": r["y2"] + 4} for r in rows]
    before = [
        {
            **r,
            "x": r["at_value_before"],
            "y": r["middle"],
            "d": f"Cohort before: {measured(r['value_before'], r['unit'])}",
        }
        for r in rows
        if r["at_value_before"] is not None
    ]
    layers = [
        canvas.rects(rows, "ghost-soft", cornerRadius=2),
        canvas.rects([{**r, "x2": r["at_value"]} for r in known], "bar-muted", cornerRadius=2),
        canvas.lines(whiskers, "ci"),
        canvas.lines(ticks, "ci-soft"),
    ]
    if before:
        layers.append(canvas.dots(before, "dot-open", "circle", tip, 34))
    for style in ("dot", "dot-bad"):
        dots = [{**r, "x": r["at_value"], "y": r["middle"]} for r in known if _STYLES.get(r["status"], "dot") == style]
        if dots:
            layers.append(canvas.dots(dots, style, "circle", tip))
    return layers


def _statuses(canvas: Canvas, rows: list[Row], x: float, room: float) -> list[alt.Chart]:
    """The word of every status, in two lines where it has a course; missed ones stand out."""
    layers = []
    for style in ("label", "label-bad"):
        own = [
            {"x": x, "y": r["top"] + 14, "t": fonts.wrap(r["t_status"], room, 12, 600, lines=2)}
            for r in rows
            if (r["status"] == "missed") == (style == "label-bad")
        ]
        if own:
            layers.append(canvas.texts(own, style, lineHeight=16, baseline="middle"))
    return layers


def _sparklines(canvas: Canvas, rows: list[Row], cohorts: pl.DataFrame, left: float, right: float) -> list[alt.Chart]:
    """The values of the cohorts of every row that are over; a cohort without a value is a gap."""
    keys = ("journey", "measure", "period", "direction")
    over = cohorts.filter(pl.col("status") != "open")
    series = [over.filter(**{key: row[key] for key in keys})["value"].to_list() for row in rows]
    spans = [max(known) - min(known) if (known := [v for v in values if v is not None]) else 0.0 for values in series]
    widest = max((span for span, row in zip(spans, rows, strict=True) if row["unit"] == "share"), default=0.0)
    lines: list[Row] = []
    ends: list[Row] = []
    for number, (row, values, span) in enumerate(zip(rows, series, spans, strict=True)):
        room = max(widest if row["unit"] == "share" else span, 1e-9)
        known = [value for value in values if value is not None]
        if len(known) < 2:
            continue
        centre, gap = (max(known) + min(known)) / 2, (right - left) / max(len(values) - 1, 1)
        run = 0
        for place, value in enumerate(values):
            run += value is None
            if value is not None:
                y = row["middle"] + 4 - SPARK * (value - centre) / room
                lines.append({"x": round(left + gap * place, 1), "y": round(y, 1), "run": f"{number}.{run}"})
        ends.append({**lines[-1], "d": f"{row['t_journey']}, {row['t_measure']}: {len(known)} cohorts"})
    if not lines:
        return []
    drawn = chart_of(lines).mark_line(style="line-primary", aria=False, strokeWidth=1.75)
    tip = tips(d="Cohorts")
    return [
        cast("alt.Chart", drawn.encode(canvas.x(), canvas.y(), alt.Detail("run:N"))),
        canvas.dots(ends, "dot", "circle", tip, 26),
    ]


def _description(rows: list[Row]) -> str:
    return f"{len(rows)} targets of journeys. " + " ".join(f"{row['d']}." for row in rows)
