"""What is each channel credited with, and how many goals more do paths with it have?

In: the published frame of credit (`reports.privacy.credit`). A row is a channel; ○ its credit by the last touch, ● by
Markov, ◆ the effect with its 95 % interval, all on one scale of shares of the goals.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from reports.charts import fonts
from reports.charts.canvas import NARROW, Canvas, Layers, tips
from reports.charts.stages.segments import ticks
from reports.words.numbers import channel_name, interval, percent, points_interval, signed_percent, two_digits

WIDTH = 1096
ROW = 40
HEAD = 30
FOOT = 26
LANE = 7
"""How far credit stands above the middle of a row, and the effect below it."""
LABEL = 150.0
NARROW_LABEL = 96.0
RATES = 190
SPENT = 84
"""Room for a cost, or what comes back of it."""
KEY = 12
EDGE = 10
DESCRIBED = 4
MARKS = (
    ("last", "dot-open", "circle", 75, -LANE, "Last touch"),
    ("markov", "dot", "circle", 75, -LANE, "Markov"),
    ("effect", "dot-2", "diamond", 80, LANE, "Effect (95 %)"),
)
COSTS = (("cost_per_goal", "Cost a goal"), ("return_on_cost", "Return"))


def credit_dots(credit: pl.DataFrame, width: int = WIDTH) -> Layers:
    """A row per channel with its marks; on a wide page the goal rates with it and without it, and what it costs."""
    rows, is_wide = credit.to_dicts(), width > NARROW
    names = [channel_name(row["channel"]) for row in rows]
    label = min(LABEL if is_wide else NARROW_LABEL, max(fonts.width(name, 12.5, 500) for name in names)) + 14
    spent = [(name, head) for name, head in COSTS if is_wide and credit[name].count()]
    right = width - (RATES + SPENT * len(spent) if is_wide else EDGE)
    given = [row[name] for row in rows for name in _NUMBERS if row[name] is not None]
    low, high = float(min(0.0, *given)), float(max(0.01, *given))
    canvas = Canvas(width, HEAD + ROW * len(rows) + FOOT)

    def across(share: float) -> float:
        return round(label + EDGE + (right - label - 2 * EDGE) * (share - low) / (high - low), 1)

    bottom = canvas.height - FOOT
    marks = ticks(low, high, 6 if is_wide else 4)
    layers = [
        canvas.lines([{"x": across(t), "x2": across(t), "y": HEAD, "y2": bottom} for t in marks], "sep"),
        canvas.texts(
            [{"x": across(t), "y": bottom + 14, "t": percent(t, 0 if t * 100 == round(t * 100) else 1)} for t in marks],
            "label",
            "center",
            fontSize=11,
        ),
        canvas.lines([{"x": across(0.0), "x2": across(0.0), "y": HEAD, "y2": bottom}], "ref"),
    ]
    lines, texts, points = [], [], []
    for place, (row, name) in enumerate(zip(rows, names, strict=True)):
        y = HEAD + ROW * place + ROW / 2
        short = fonts.wrap(name, label - 14, 12.5, 500, lines=1)
        texts.append({"x": label - 14, "y": y, "t": short[0] if short else name})
        if row["effect_low"] is not None:
            lines.append(
                {"x": across(row["effect_low"]), "x2": across(row["effect_high"]), "y": y + LANE, "y2": y + LANE}
            )
        points.append({**row, **_told(row, name), "y": y})
    layers += [canvas.lines(lines, "ci-soft")] if lines else []
    layers.append(canvas.texts(texts, "label", "right"))
    tip = tips(name="Channel", t_last="Last touch", t_markov="Markov", t_effect="Effect", t_rates="Goal rates")
    at = label + EDGE if is_wide else 6.0
    for _, style, shape, size, _, words in MARKS:
        layers.append(canvas.dots([{"x": at, "y": KEY, "d": words}], style, shape, tips(d="Mark"), size))
        layers.append(canvas.texts([{"x": at + 9, "y": KEY, "t": words}], "label-head"))
        at = round(at + 9 + fonts.width(words, 11, 500) + 18, 1)
    for name, style, shape, size, lane, _ in MARKS:
        shown = [
            {**point, "x": across(point[name]), "y": point["y"] + lane} for point in points if point[name] is not None
        ]
        if shown:
            layers.append(canvas.dots(shown, style, shape, tip, size))
    if is_wide:
        ends = width - SPENT * len(spent)
        heads = [{"x": ends, "y": KEY, "t": "Goal rate with, without"}]
        heads += [{"x": ends + SPENT * (n + 1), "y": KEY, "t": head} for n, (_, head) in enumerate(spent)]
        layers.append(canvas.texts(heads, "label-head", "right"))
        layers.append(
            canvas.texts(
                [
                    {"x": ends, "y": point["y"], "t": point["t_rates"]}
                    for point in points
                    if point["rate_with"] is not None
                ]
                + [
                    {"x": ends + SPENT * (n + 1), "y": point["y"], "t": two_digits(point[name])}
                    for point in points
                    for n, (name, _) in enumerate(spent)
                    if point[name] is not None
                ],
                "label",
                "right",
            )
        )
    described = "; ".join(point["d"] for point in points[:DESCRIBED])
    return canvas.layered(layers, f"Credit of {len(rows)} channels: {described}.")


_NUMBERS = ("last", "markov", "effect", "effect_low", "effect_high")


def _told(row: dict[str, Any], name: str) -> dict[str, str]:
    return {
        "name": name,
        "t_last": percent(row["last"]),
        "t_markov": f"{percent(row['markov'])} ({interval(row['markov_low'], row['markov_high'])})",
        "t_effect": f"{signed_percent(row['effect'])} ({points_interval(row['effect_low'], row['effect_high'])})",
        "t_rates": f"{percent(row['rate_with'])}, {percent(row['rate_without'])}",
        "d": f"{name} {percent(row['markov'])} by Markov",
    }
