"""By which families of routes do goals come, how often does each reach the goal, what does it take, how did it feel?

In: the published frame of families (`reports.privacy.goals`). A row is a family: a bar for its share of the goals, dots
with their 95 % intervals for its goal rate and for satisfaction, and figures of what it takes. A dashed line is the
goal rate of all routes; a dot clearly above it has the first colour, one clearly below is a brick triangle, one that is
not clear, or of a family that was nearly there, is open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import NARROW, PAPER, Canvas, Layers, tips
from reports.charts.people.measured import Heads, Measured, measured_rows, narrow_measured_rows
from reports.words.numbers import average, interval, percent, shown_name, wait

WIDTH: Final = 1096
HEAD: Final = 34
ROW: Final = 38
BAR: Final = 16
LABEL: Final = 216.0
LINE: Final = 14
LONGEST: Final = 80
"""Characters of a name, on two lines."""
SHARE: Final = 58
"""Room for a share in figures."""
FIGURE: Final = 78
"""Room for a figure, as wide as its head."""
GAP: Final = 16
FIGURES: Final[tuple[tuple[str, str, Callable[[Any], str]], ...]] = (
    ("median_time", "Median time", wait),
    ("median_touches", "Touches", average),
    ("handoffs", "Hand-offs", lambda value: average(value, 1)),
    ("effort", "Effort", lambda value: average(value, 1)),
    ("value_per_goal", "Value", average),
    ("late_share", "Nearly there", lambda value: percent(value, 0)),
)
"""Column, head, and how it is written."""
TOLD: Final = (
    ("share_of_goals", "{} of goals", percent),
    ("median_time", "in {}", wait),
    ("median_touches", "{} touches", average),
    ("handoffs", "{} hand-offs", lambda value: average(value, 1)),
    ("effort", "effort {}", lambda value: average(value, 1)),
    ("value_per_goal", "value {}", average),
    ("csat", "{} satisfied", percent),
    ("late_share", "{} nearly there", lambda value: percent(value, 0)),
)
"""The same in words."""
PLACES: Final = (("above", "dot", "circle"), ("open", "dot-open", "circle"), ("below", "dot-bad", "triangle-down"))
"""How a dot looks by where it stands against all routes."""


def family_rows(families: pl.DataFrame, overall: float | None) -> Layers:
    """A row per family on a wide page; `overall` is the goal rate of all routes, null where it is not told."""
    rows = families.to_dicts()
    figures = [figure for figure in FIGURES if families[figure[0]].count()]
    feels = bool(families["csat"].count())
    label = min(LABEL, max(fonts.width(shown_name(row["family"], LONGEST), 12.5, 500) for row in rows)) + 14
    canvas = Canvas(WIDTH, HEAD + ROW * len(rows) + 8)
    lanes = WIDTH - label - (3 if feels else 2) * SHARE - FIGURE * len(figures) - GAP * (3 if feels else 2)
    wide = lanes / (3 if feels else 2)
    rate_at = label + wide + SHARE + GAP
    figures_at = rate_at + wide + SHARE
    felt_at = figures_at + FIGURE * len(figures) + GAP
    most = max((row["share_of_goals"] or 0.0 for row in rows), default=0.0) or 1.0
    heads = [(0.0, "Route", "left"), (label, "Share of all goals", "left"), (rate_at, "Goal rate (95 %)", "left")]
    heads += [(figures_at + FIGURE * (n + 1), head, "right") for n, (_, head, _) in enumerate(figures)]
    heads += [(felt_at, "Satisfied after (95 %)", "left")] if feels else []
    texts: list[dict[str, Any]] = []
    bars: list[dict[str, Any]] = []
    figured: list[dict[str, Any]] = []
    for place, row in enumerate(rows):
        y = _middle(place)
        name = shown_name(row["family"])
        lines = fonts.wrap(shown_name(row["family"], LONGEST), label - 10, 12.5, 500, lines=2)
        texts.append({"x": 0, "y": y - LINE * (len(lines) - 1) / 2, "t": lines})
        share = row["share_of_goals"]
        figured.append({"x": label + wide + SHARE - 4, "y": y, "t": percent(share)})
        figured.append({"x": rate_at + wide + SHARE - 4, "y": y, "t": percent(row["goal_rate"])})
        figured += [
            {"x": figures_at + FIGURE * (n + 1), "y": y, "t": text(row[column])}
            for n, (column, _, text) in enumerate(figures)
        ]
        if feels:
            figured.append({"x": WIDTH, "y": y, "t": percent(row["csat"])})
        if share:
            bar = {"x": label, "x2": label + wide * share / most, "y": y - BAR / 2, "y2": y + BAR / 2}
            bars.append({**bar, "d": f"{name}: {percent(share)} of goals", "t_share": percent(share), "name": name})
    tip = tips(name="Route", t_share="Of goals")
    layers = [
        *([canvas.rects(bars, "bar-primary", tip)] if bars else []),
        *_dots(canvas, rows, "goal_rate", (rate_at, wide), overall),
        *(_dots(canvas, rows, "csat", (felt_at, wide), None) if feels else []),
    ]
    for side in ("left", "right"):
        own = [{"x": x, "y": 10, "t": text} for x, text, align in heads if align == side]
        layers += [canvas.texts(own, "label-head", "left" if side == "left" else "right")] if own else []
    layers += [canvas.texts(texts, "label", lineHeight=LINE), canvas.texts(figured, "label", "right", fontSize=12.5)]
    rated = [row for row in rows if row["goal_rate"] is not None]
    told = "; ".join(f"{shown_name(row['family'])}: {percent(row['goal_rate'])}" for row in rated)
    return canvas.layered(layers, f"{described(families)} {told}.")


def described(families: pl.DataFrame) -> str:
    """The beginning of the alternative text."""
    return f"{families.height} families of routes by share of goals, with their goal rates."


def narrow_family_rows(families: pl.DataFrame, overall: float | None, *, is_paper: bool = False) -> Layers:
    """A row per family for a phone or a sheet: the goal rate, with the rest in words below the name."""
    heads = Heads("Route", "Goal rate")
    rows = [
        Measured.of(
            row,
            "goal_rate",
            name=shown_name(row["family"]),
            words=_in_words(row),
            is_worse=_place(row, "goal_rate", overall) == "below",
        )
        for row in families.iter_rows(named=True)
    ]
    if is_paper:
        return measured_rows(rows, heads, described(families), PAPER)
    return narrow_measured_rows(rows, heads, described(families), NARROW)


def _in_words(row: dict[str, Any]) -> str:
    return ", ".join(words.format(text(row[column])) for column, words, text in TOLD if row[column] is not None)


def _middle(place: int) -> float:
    """The middle of a row, down the page."""
    return HEAD + ROW * place + ROW / 2


def _place(row: dict[str, Any], name: str, overall: float | None) -> str:
    """Where a share stands against that of all routes: above, below, or not clear."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if overall is None or low is None or high is None or row["nearly_there"]:
        return "open"
    return "above" if low > overall else "below" if high < overall else "open"


def _dots(
    canvas: Canvas, rows: list[dict[str, Any]], name: str, lane: tuple[float, float], overall: float | None
) -> list[alt.Chart]:
    """Dots with their intervals on a scale of their own, from the lowest end to the highest; the line of all routes."""
    ends = [row[f"{name}{end}"] for row in rows for end in ("_low", "", "_high") if row[f"{name}{end}"] is not None]
    if not ends:
        return []
    ends += [] if overall is None else [overall]
    low, high = float(min(ends)), float(max(ends))

    def across(share: float) -> float:
        return round(lane[0] + 8 + (lane[1] - 16) * (share - low) / ((high - low) or 1.0), 1)

    marks: dict[str, list[dict[str, Any]]] = {where: [] for where, _, _ in PLACES}
    whiskers = []
    for place, row in enumerate(rows):
        if row[name] is None:
            continue
        y, who, text = _middle(place), shown_name(row["family"]), percent(row[name])
        given = interval(row[f"{name}_low"], row[f"{name}_high"])
        if row[f"{name}_low"] is not None:
            whiskers.append({"x": across(row[f"{name}_low"]), "x2": across(row[f"{name}_high"]), "y": y, "y2": y})
        mark = {"x": across(row[name]), "y": y, "name": who, "t": text, "t_interval": given, "d": f"{who}: {text}"}
        marks[_place(row, name, overall)].append(mark)
    tip = tips(name="Route", t="Share", t_interval="95 % interval")
    layers = []
    if overall is not None:
        x = across(overall)
        layers.append(canvas.lines([{"x": x, "x2": x, "y": HEAD - 8, "y2": canvas.height - 4}], "ref"))
    layers += [canvas.lines(whiskers, "ci-soft")] if whiskers else []
    for where, style, shape in PLACES:
        layers += [canvas.dots(marks[where], style, shape, tip, 75)] if marks[where] else []
    return layers
