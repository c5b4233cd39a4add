"""Which groups of customers go on at each step, and which clearly more or less often than the rest?

In: the published segments frame (`reports.privacy.stages.publishable_segments`). One block per dimension, one column
per step with its own range; a dot is the group's conversion, its whisker the 95 % interval, the dashed line all
customers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import NARROW, Align, Below, Canvas, Layers, tips
from reports.privacy.stages import BOUNDED, FEW, SHOWN
from reports.words.numbers import bounded, count, interval, percent, points, points_interval, shown_name

WIDTH = 1096
ROW = 26
HEAD = 46
FOOT = 26
BLOCK_GAP = 34
STEP_GAP = 30
FAR = 4.0
MARKS = {
    "above": ("dot", "triangle-up", 85),
    "below": ("dot-bad", "triangle-down", 85),
    "same": ("dot-open", "circle", 60),
    "over": ("dot-open", "triangle-right", 70),
    "under": ("dot-open", "triangle-left", 70),
    "between": ("dot-open", "diamond", 60),
}
Range = tuple[float, float]


def segment_dots(segments: pl.DataFrame, min_customers: int, width: int = WIDTH) -> Layers:
    """Step conversion of every group; ▲ and ▼ differ clearly from the others, ○ does not, □ is not compared."""
    steps = segments.select("step", "name", "everyone").unique("step", keep="first").sort("step").to_dicts()
    groups = segments.select("dimension", "segment").unique(maintain_order=True).to_dicts()
    names = {shown_name(g["segment"]) for g in groups} | {shown_name(g["dimension"]) for g in groups}
    label = min(220.0, 0.45 * width, max(fonts.width(name, 12.5, 500) for name in names)) + 16
    column = (width - label) / len(steps) - STEP_GAP
    heights, bottom = _heights(groups)
    canvas = Canvas(width, bottom + FOOT)
    ranges = {step["step"]: _range(segments.filter(pl.col("step") == step["step"])) for step in steps}
    lefts = {step["step"]: label + index * (column + STEP_GAP) for index, step in enumerate(steps)}
    rows = [_row(row, heights, lefts, ranges, column) for row in segments.to_dicts()]
    layers = _frame(canvas, groups, heights, label)
    for step in steps:
        layers += _step(canvas, step, lefts[step["step"]], column, ranges[step["step"]])
    layers += _cells(canvas, rows, min_customers)
    described = "; ".join(r["d"] for r in rows if r["verdict"] in ("above", "below"))
    text = f"Conversion of {len(groups)} groups at {len(steps)} steps. Clearly different from the others: "
    return canvas.layered(layers, text + (described or "none") + ".")


def narrow_segment_dots(segments: pl.DataFrame, min_customers: int) -> Below:
    """The same for a phone: one step below the other."""
    steps = [segment_dots(rows, min_customers, NARROW) for rows in segments.partition_by("step", maintain_order=True)]
    return Below(vconcat=steps, spacing=22, description=f"Conversion of groups at {len(steps)} steps, in turn.")


def ticks(low: float, high: float, max_ticks: int = 4) -> list[float]:
    """Round shares within a range, at most `max_ticks` of them and at least two, unless it holds no round share.

    >>> ticks(0.38, 0.82), ticks(0.86, 0.935, 3)
    ([0.4, 0.6, 0.8], [0.86, 0.9])
    """
    finer: list[float] = []
    for step in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0):
        first = math.ceil(round(low / step, 6))
        last = math.floor(round(high / step, 6))
        shares = [round(i * step, 6) for i in range(first, last + 1)]
        if len(shares) <= max_ticks:
            return shares if len(shares) > 1 else finer[::2][:max_ticks] or shares
        finer = shares
    return [0.0, 1.0]


def _heights(groups: Sequence[dict[str, Any]]) -> tuple[dict[tuple[str, str], float], float]:
    heights: dict[tuple[str, str], float] = {}
    y, dimension = float(HEAD), groups[0]["dimension"]
    for group in groups:
        if group["dimension"] != dimension:
            y, dimension = y + BLOCK_GAP, group["dimension"]
        heights[group["dimension"], group["segment"]] = y + ROW / 2
        y += ROW
    return heights, y


def _range(rows: pl.DataFrame) -> Range:
    """The range of a step's column: most groups with their intervals; outliers are drawn at its edge."""
    shares = rows.select(pl.coalesce("share", (pl.col("bound_low") + pl.col("bound_high")) / 2)).to_series()
    middle = shares.drop_nulls().median()
    if not isinstance(middle, float):
        return 0.0, 1.0
    gaps = sorted(abs(share - middle) for share in shares.drop_nulls())
    reach = max(FAR * gaps[math.ceil(len(gaps) * 0.75) - 1], 0.03)
    near = rows.filter((shares - middle).abs() <= reach)
    ends = [x for name in ("low", "high", "bound_low", "bound_high") for x in near[name].drop_nulls()]
    ends = [min(max(end, middle - reach), middle + reach) for end in [*ends, *rows["everyone"].drop_nulls()]]
    room = max((max(ends) - min(ends)) * 0.12, 0.01)
    return max(0.0, min(ends) - room), min(1.0, max(ends) + room)


def has_far(segments: pl.DataFrame) -> bool:
    """Whether a group lies so far from the others that it is drawn at the edge of its column, with its figure."""
    steps = segments.partition_by("step")
    spans = [(_range(rows), rows["share"].drop_nulls()) for rows in steps]
    return any(not low <= share <= high for (low, high), shares in spans for share in shares)


def _row(
    row: dict[str, Any],
    heights: dict[tuple[str, str], float],
    lefts: dict[int, float],
    ranges: dict[int, Range],
    column: float,
) -> dict[str, Any]:
    def across(share: float) -> float:
        low, high = ranges[row["step"]]
        return round(lefts[row["step"]] + (min(max(share, low), high) - low) / (high - low) * column, 1)

    shown = row["state"] == SHOWN and row["share"] is not None
    text = {
        "segment": shown_name(row["segment"]),
        "dimension": row["dimension"],
        "name": f"→ {shown_name(row['name'])}",
        "t_share": bounded(row["bound_low"], row["bound_high"]) if row["state"] == BOUNDED else percent(row["share"]),
        "t_interval": interval(row["low"], row["high"]),
        "t_previous": count(row["previous"]),
        "t_rest": f"{points(row['difference'])} ({points_interval(row['difference_low'], row['difference_high'])})",
    }
    from_rest = "" if row["difference"] is None else f", {text['t_rest']} from the rest"
    text["d"] = f"{text['segment']} {text['name']}: {text['t_share']} of {text['t_previous']} journeys{from_rest}"
    at = {"y": heights[row["dimension"], row["segment"]], "left": lefts[row["step"]]}
    verdict = row["verdict"] if shown else None
    if shown:
        at |= {"x": across(row["share"]), "low": across(row["low"]), "high": across(row["high"])}
        at |= _far(row["share"], ranges[row["step"]], text["t_share"])
    elif row["state"] == BOUNDED:
        low, high = row["bound_low"], row["bound_high"]
        verdict = "over" if high >= 1 else "under" if low <= 0 else "between"
        at |= {"x": across({"over": low, "under": high}.get(verdict, (low + high) / 2))}
        at |= {"low": across(low), "high": across(high)}
    return {**text, **at, "state": row["state"], "verdict": verdict}


def _far(share: float, span: Range, text: str) -> dict[str, Any]:
    """The figure beside a mark at the edge of its column; empty for a mark that is drawn at its share."""
    if span[0] <= share <= span[1]:
        return {}
    left = share < span[0]
    return {"far": f"‹ {text}" if left else f"{text} ›", "far_left": left}


def _frame(
    canvas: Canvas,
    groups: Sequence[dict[str, Any]],
    heights: dict[tuple[str, str], float],
    label: float,
) -> list[alt.Chart]:
    names = [
        {
            "x": label - 14,
            "y": heights[g["dimension"], g["segment"]],
            "t": fonts.fit(shown_name(g["segment"]), label - 14, 12.5),
        }
        for g in groups
    ]
    heads = [
        {
            "x": label - 14,
            "y": min(y for (d, _), y in heights.items() if d == dimension) - ROW + 6,
            "t": fonts.fit(shown_name(dimension), label - 14, 11, 500),
        }
        for dimension in dict.fromkeys(g["dimension"] for g in groups)
    ]
    guides = [{"x": label, "x2": canvas.width - STEP_GAP, "y": y, "y2": y} for y in heights.values()]
    return [
        canvas.lines(guides, "sep"),
        canvas.texts(names, "label", "right", fontSize=12.5),
        canvas.texts(heads, "label-head", "right"),
    ]


def _step(canvas: Canvas, step: dict[str, Any], left: float, column: float, span: Range) -> list[alt.Chart]:
    def across(share: float) -> float:
        return round(left + (share - span[0]) / (span[1] - span[0]) * column, 1)

    bottom = canvas.height - FOOT
    marks = [{"x": across(t), "x2": across(t), "y": bottom + 4, "y2": bottom + 8} for t in ticks(*span)]
    digits = 0 if all(abs(t * 100 - round(t * 100)) < 1e-6 for t in ticks(*span)) else 1
    labels = [{"x": across(t), "y": bottom + 18, "t": percent(t, digits)} for t in ticks(*span)]
    axis = [{"x": left, "x2": left + column, "y": bottom + 4, "y2": bottom + 4}]
    everyone: list[alt.Chart] = []
    if step["everyone"] is not None:
        middle = across(step["everyone"])
        everyone = [
            canvas.texts([{"x": left, "y": 26, "t": f"all {percent(step['everyone'])}"}], "label-muted"),
            canvas.lines([{"x": middle, "x2": middle, "y": HEAD - 6, "y2": bottom + 4}], "ref"),
        ]
    head = fonts.fit(f"→ {shown_name(step['name'])}", column + STEP_GAP - 8, 12.5, 600)
    return [
        canvas.texts([{"x": left, "y": 8, "t": head}], "label-strong", fontSize=12.5),
        *everyone,
        canvas.lines([*axis, *marks], "sep"),
        canvas.texts(labels, "label", "center", fontSize=11),
    ]


def _cells(canvas: Canvas, rows: list[dict[str, Any]], min_customers: int) -> list[alt.Chart]:
    tip = tips(
        dimension="Dimension",
        segment="Group",
        name="Step",
        t_share="Conversion",
        t_interval="95 % interval",
        t_previous="Journeys at the stage before",
        t_rest="Difference from the rest",
    )
    shown = [r for r in rows if r["verdict"]]
    whiskers = [{**r, "x": r["low"], "x2": r["high"], "y2": r["y"]} for r in shown if r["high"] > r["low"]]
    layers = [canvas.lines(whiskers, "ci-soft")] if whiskers else []
    for verdict, (style, shape, size) in MARKS.items():
        marks = [r for r in shown if r["verdict"] == verdict]
        layers += [canvas.dots(marks, style, shape, tip, size)] if marks else []
    silent = [
        {"x": r["left"] + 2, "y": r["y"], "t": f"fewer than {min_customers}" if r["state"] == FEW else "withheld"}
        for r in rows
        if not r["verdict"]
    ]
    layers += [canvas.texts(silent, "label-muted", fontSize=11)] if silent else []
    sides: tuple[tuple[bool, Align], ...] = ((True, "left"), (False, "right"))
    for left, align in sides:
        marks = [r for r in shown if r.get("far_left") is left]
        edges = [{"x": r["x"] + (10 if left else -10), "y": r["y"], "t": r["far"]} for r in marks]
        layers += [canvas.texts(edges, "label", align, fontSize=11)] if edges else []
    return layers
