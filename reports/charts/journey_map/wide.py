"""The journey on one page: what customers want and use at each stage, how they feel, what they believe and meet, how
many leave, and how long it takes; beside it, of one group, how many leave; at its foot, what to collect where it has
nothing.

In: `Lanes`. All rows share the same columns, one per stage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, cast

import altair as alt
import polars as pl

from reports.charts import fonts
from reports.charts.canvas import PAPER, Align, Canvas, Layers, chart_of, only, tips
from reports.words.numbers import count, interval, percent, shown_name, wait, whole_interval
from reports.words.problems import friction_of, to_collect

WIDTH = 1096
LEFT = 236
ROW = 23
FEEL = 130
DROP = 118
LINE = 16
MOST_MET: Final = 3
"""So many kinds of friction are told at a stage."""
MOST_BELIEVED: Final = 2
"""So many questions are told at a stage."""
BELIEF: Final = 62
LONGEST_QUESTION: Final = 120
CHOSEN: Final = "chosen"
"""The parameter with the group that is chosen."""
Row = dict[str, Any]
Rows = list[Row]
FELT_TIP = tips(stage="Stage", t="Satisfied", t_interval="95 % interval", t_answers="Answers")


@dataclass(frozen=True)
class Lanes:
    """What the map is drawn from: the published stages; the touchpoints `used` per stage; where customers were asked,
    their satisfaction per stage (`voice`); what they want by stage (`wants`); what journeys meet (`friction`), the
    `groups` of journeys by stage, and what customers believe (`believed`), each null where there is none.
    """

    stages: pl.DataFrame
    used: pl.DataFrame
    voice: pl.DataFrame | None
    wants: Mapping[str, str]
    friction: pl.DataFrame | None = None
    groups: pl.DataFrame | None = None
    believed: pl.DataFrame | None = None

    def collect(self, felt: Rows) -> list[str]:
        """What to collect where the map has nothing, stage by stage."""
        names = self.stages.filter(pl.col("kind") != "goal").sort("step")["name"].to_list()
        believed = set() if self.believed is None else set(self.believed["stage"])
        return to_collect(names, self.wants, {row["stage"] for row in felt}, self.friction, believed)

    def believed_at(self, stage: str) -> Rows:
        """The wished answers that most customers answered at a stage: the share, and what was asked."""
        if self.believed is None:
            return []
        told = self.believed.filter(pl.col("stage") == stage, pl.col("share").is_not_null())
        most = told.sort("whole", descending=True, maintain_order=True).head(MOST_BELIEVED).to_dicts()
        return [
            {
                "t": percent(row["share"], 0),
                "ends": f"95 %: {whole_interval(100 * row['share_low'], 100 * row['share_high'])}",
                "says": shown_name(row["says"], LONGEST_QUESTION),
            }
            for row in most
        ]

    def met_at(self, stage: str) -> Rows:
        """What most journeys meet at a stage."""
        if self.friction is None:
            return []
        rows = self.friction.filter(stage=stage).sort("share", descending=True).head(MOST_MET).to_dicts()
        return [{"t": f"{percent(row['share'])} {friction_of(row)}", "bad": row["is_costly"]} for row in rows]


def journey_map(lanes: Lanes, width: int = WIDTH) -> Layers:
    """Stages across; touchpoints, feelings, friction, drop-off and time down."""
    steps = stage_columns(lanes.stages, width)
    touchpoints = _touchpoints(lanes.used, steps)
    felt = felt_of(lanes.voice, steps)
    met = {step["name"]: rows for step in steps if (rows := lanes.met_at(step["name"]))}
    beside, notes = [] if width == PAPER else groups_beside(lanes.groups, steps), lanes.collect(felt)
    believed = {step["name"]: rows for step in steps if (rows := lanes.believed_at(step["name"]))}
    tops = _tops(
        {
            "used": len(touchpoints) * ROW,
            "felt": FEEL if felt else 0,
            "believed": BELIEF * _deepest(believed) - 10 if believed else 0,
            "met": max(LINE * _deepest(met), 44) if met else 0,
            "drop": DROP + 16 * bool(beside),
            "time": 44 - 10,
            "collect": LINE if notes else 0,
        }
    )
    canvas = Canvas(width, tops["collect"] + LINE * len(notes) + 2 if notes else tops["time"] + 44)
    layers = _head(canvas, steps, lanes.wants)
    layers += _used(canvas, lanes.used, steps, touchpoints, tops["used"])
    if felt:
        layers += _feelings(canvas, felt, tops["felt"])
    if believed:
        layers += _believed(canvas, believed, steps, tops["believed"])
    if met:
        layers += _met(canvas, met, steps, tops["met"])
    layers += _drops(canvas, steps, tops["drop"])
    if beside:
        layers.append(_beside(canvas, beside, tops["drop"] + DROP + 8))
    layers += _times(canvas, steps, tops["time"])
    if notes:
        at = {"x": LEFT, "y": tops["collect"], "t": notes}
        layers += _side(canvas, "To collect", [], tops["collect"])
        layers.append(canvas.texts([at], "label-muted", lineHeight=LINE, baseline="top"))
    layers.append(canvas.lines([{"x": 0, "x2": width, "y": y - 14, "y2": y - 14} for y in tops.values()], "sep"))
    drawn = canvas.layered(layers, "Journey map. " + " ".join(step["d"] for step in steps))
    return with_choice(drawn, beside)


def groups_beside(groups: pl.DataFrame | None, steps: Rows) -> Rows:
    """Of every group that is told, by stage, how many leave: the second number, of the group that is chosen."""
    if groups is None:
        return []
    after = {step["name"]: place for place, step in pairwise(steps)}
    told = groups.filter(pl.col("share").is_not_null(), pl.col("name").is_in(list(after)))
    rows = []
    for row in told.iter_rows(named=True):
        group = f"{row['dimension']}: {shown_name(row['segment'])}"
        leave = percent(1 - row["share"], 0)
        rows.append({"x": after[row["name"]]["xm"], "stage": after[row["name"]]["name"], "group": group, "t": leave})
    return rows


def with_choice(drawn: Layers, beside: Rows) -> Layers:
    """The map with a list to choose a group from."""
    if beside:
        names = list(dict.fromkeys(row["group"] for row in beside))
        bind = alt.binding_select(options=["", *names], labels=["none", *names], name="Second number: ")
        drawn.params = [alt.VariableParameter(name=CHOSEN, value="", bind=bind)]
    return drawn


def chosen_only(canvas: Canvas, rows: Rows, align: Align = "center") -> alt.Chart:
    """The texts of the group that is chosen."""
    marked = chart_of(only(rows, "x", "y", "t", "group")).mark_text(style="label-strong", align=align, aria=False)
    encoded = marked.encode(canvas.x(), canvas.y(), alt.Text("t:N")).transform_filter(f"datum.group === {CHOSEN}")
    return cast("alt.Chart", encoded)


def _beside(canvas: Canvas, rows: Rows, y: float) -> alt.Chart:
    return chosen_only(canvas, [{**row, "y": y, "t": f"chosen {row['t']}"} for row in rows])


def _believed(canvas: Canvas, believed: Mapping[str, Rows], steps: Rows, top: float) -> list[alt.Chart]:
    room = steps[0]["x1"] - steps[0]["x0"]
    rows = [
        {**row, "x": step["xm"], "y": top + 6 + BELIEF * index}
        for step in steps
        for index, row in enumerate(believed.get(step["name"], []))
    ]
    said = [
        {"x": row["x"], "y": row["y"] + 10, "t": [row["ends"], *fonts.wrap(row["says"], room - 8, 11.5)]}
        for row in rows
    ]
    return [
        *_side(canvas, "What they believe", ["customers who give", "the wished answer"], top),
        canvas.texts(only(rows, "x", "y", "t"), "label-strong", "center"),
        canvas.texts(only(said, "x", "y", "t"), "label-muted", "center", lineHeight=14, baseline="top"),
    ]


def _met(canvas: Canvas, met: Mapping[str, Rows], steps: Rows, top: float) -> list[alt.Chart]:
    room = steps[0]["x1"] - steps[0]["x0"]
    rows = [
        {**row, "x": step["xm"], "y": top + 6 + LINE * index, "t": fonts.fit(row["t"], room - 8, 11.5)}
        for step in steps
        for index, row in enumerate(met.get(step["name"], []))
    ]
    layers = _side(canvas, "What they meet", ["share of journeys", "at the stage"], top)
    for bad, style in ((False, "label"), (True, "label-bad")):
        if own := [row for row in rows if row["bad"] is bad]:
            layers.append(canvas.texts(own, style, "center", fontSize=11.5))
    return layers


def stage_columns(stages: pl.DataFrame, width: int) -> Rows:
    """The stages with the positions and texts of their columns."""
    rows = stages.sort("step").to_dicts()
    room = (width - LEFT) / len(rows)
    for index, row in enumerate(rows):
        after = rows[index + 1] if index + 1 < len(rows) else None
        rate = after["share_of_previous"] if after else None
        row["x0"], row["x1"] = LEFT + room * index + 5, LEFT + room * (index + 1) - 5
        row["xm"] = (row["x0"] + row["x1"]) / 2
        row["leave"] = None if rate is None else 1 - rate
        row["lost"] = after["dropped"] if after else None
        row["t_time"] = wait(after["median_wait"]) if after else "–"
        row["label"] = shown_name(row["name"])
        row["d"] = f"{row['label']}: {count(row['reached'])} journeys, {percent(row['leave'])} leave here."
    return rows


def _deepest(lane: Mapping[str, Rows]) -> int:
    """The most rows of a stage in a lane."""
    return max(map(len, lane.values()), default=0)


def _tops(heights: Mapping[str, float]) -> dict[str, float]:
    """Where each lane begins, by the heights of those that are there."""
    tops, at = {}, 122.0
    for lane, height in heights.items():
        if height or lane == "used":
            tops[lane], at = at, at + height + 34
    return tops


def _side(canvas: Canvas, head: str, lines: list[str], top: float) -> list[alt.Chart]:
    below = {"x": 0, "y": top + 22, "t": lines}
    return [
        canvas.texts([{"x": 0, "y": top + 6, "t": head}], "label-strong", fontSize=13),
        canvas.texts([below], "label-muted", lineHeight=15, baseline="top"),
    ]


def _head(canvas: Canvas, steps: Rows, wants: Mapping[str, str]) -> list[alt.Chart]:
    room = steps[0]["x1"] - steps[0]["x0"]
    boxes = [{"x": s["x0"], "x2": s["x1"], "y": 0, "y2": 34} for s in steps]
    names = [{"x": s["xm"], "y": 17, "t": fonts.fit(s["label"], room - 12, 13.5, 600)} for s in steps]
    counts = [{"x": s["xm"], "y": 49, "t": f"{count(s['reached'])} journeys"} for s in steps]
    wanted = [
        {"x": s["xm"], "y": 62, "t": fonts.wrap(wants[s["name"]], room - 8, 11.5)}
        for s in steps
        if wants.get(s["name"])
    ]
    layers = [
        *_side(canvas, "Stage", ["journeys reaching it", *(["and what they want"] if wanted else [])], 6),
        canvas.rects(boxes, "bar-primary", cornerRadius=5),
        canvas.texts(names, "label-on", "center", fontSize=13.5),
        canvas.texts(counts, "label-strong", "center"),
    ]
    if wanted:
        layers.append(canvas.texts(wanted, "label-muted", "center", lineHeight=14, baseline="top"))
    return layers


def _touchpoints(used: pl.DataFrame, steps: Rows) -> list[str]:
    """Touchpoints in the order of the stage where they are used most."""
    order = {step["name"]: index for index, step in enumerate(steps)}
    best: dict[str, tuple[int, float]] = {}
    for row in used.sort("share", descending=True).iter_rows(named=True):
        if row["stage"] in order:
            best.setdefault(row["touchpoint"], (order[row["stage"]], -row["share"]))
    return sorted(best, key=lambda name: (*best[name], name))


def _used(canvas: Canvas, used: pl.DataFrame, steps: Rows, names: list[str], top: float) -> list[alt.Chart]:
    middles = {step["name"]: step["xm"] for step in steps}
    heights = {name: top + ROW * index + ROW / 2 for index, name in enumerate(names)}
    rows = [
        {**circle(r, middles[r["stage"]], heights[r["touchpoint"]]), "xt": middles[r["stage"]] + 17}
        for r in used.iter_rows(named=True)
        if r["stage"] in middles
    ]
    if not rows:
        return _side(canvas, "Touchpoints", ["used at the stage"], top)
    guides = [{"x": LEFT, "x2": canvas.width, "y": y, "y2": y} for y in heights.values()]
    labels = [{"x": LEFT - 8, "y": y, "t": fonts.fit(shown_name(n), LEFT - 96, 11.5)} for n, y in heights.items()]
    return [
        canvas.lines(guides, "sep", strokeDash=[1, 3]),
        *_side(canvas, "Touchpoints", ["used at the", "stage"], top),
        canvas.texts(labels, "label", "right", fontSize=11.5),
        circles(canvas, rows),
        canvas.texts([{"x": r["xt"], "y": r["y"], "t": r["t_share"]} for r in rows], "label-muted", fontSize=11),
    ]


def circle(row: dict[str, Any], x: float, y: float) -> dict[str, Any]:
    """The circle of a touchpoint at a stage: its area is the share of the stage's customers who used it."""
    touchpoint, stage, share = shown_name(row["touchpoint"]), shown_name(row["stage"]), percent(row["share"], 0)
    return {
        "x": x,
        "y": y,
        "size": round(6 + 340 * row["share"], 1),
        "touchpoint": touchpoint,
        "stage": stage,
        "t_share": share,
        "t_customers": count(row["customers"]),
        "d": f"{touchpoint} at {stage}: {share} of customers",
    }


def circles(canvas: Canvas, rows: Rows) -> alt.Chart:
    """The circles of touchpoints, with tooltips and descriptions for screen readers."""
    tip = tips(touchpoint="Touchpoint", stage="Stage", t_share="Of customers in the stage", t_customers="Customers")
    dots = chart_of(only(rows, "x", "y", "size", "d", tooltip=tip)).mark_circle(style="dot", opacity=1)
    size = alt.Size("size:Q", scale=None)
    encoded = dots.encode(canvas.x(), canvas.y(), size=size, tooltip=tip, description=alt.Description("d:N"))
    return cast("alt.Chart", encoded)


def felt_of(voice: pl.DataFrame | None, steps: Rows) -> Rows:
    """Satisfaction by stage, where it is known; `bad` marks the stage that is clearly the lowest, if any."""
    if voice is None:
        return []
    known = {row["stage"]: row for row in voice.iter_rows(named=True) if row["satisfied"] is not None}
    felt = [{**known[step["name"]], "x": step["xm"]} for step in steps if step["name"] in known]
    worst = min(felt, key=lambda r: r["satisfied"], default=None)
    clear = worst and len(felt) > 1 and worst["high"] < min(r["low"] for r in felt if r is not worst)
    return [{**row, "bad": bool(clear) and row is worst} for row in felt]


def felt_texts(felt: dict[str, Any], position: Callable[[float], float]) -> dict[str, Any]:
    """Interval ends and texts of the satisfaction at a stage; `position` maps a share to a pixel."""
    stage = shown_name(felt["stage"])
    return {
        "low": position(felt["low"]),
        "high": position(felt["high"]),
        "stage": stage,
        "t": percent(felt["satisfied"], 0),
        "t_interval": interval(felt["low"], felt["high"]),
        "t_answers": count(felt["responses"]),
        "bad": felt["bad"],
        "d": f"{stage}: {percent(felt['satisfied'])} satisfied of {count(felt['responses'])} answers",
    }


def _feelings(canvas: Canvas, felt: Rows, top: float) -> list[alt.Chart]:
    low: float = min(r["low"] for r in felt)
    high: float = max(r["high"] for r in felt)
    room = max(high - low, 0.05)

    def down(share: float) -> float:
        return round(top + 18 + (FEEL - 50) * (1 - (share - low) / room), 1)

    rows = [
        {
            "x": r["x"],
            "y": down(r["satisfied"]),
            **felt_texts(r, down),
        }
        for r in felt
    ]
    for index, row in enumerate(rows):
        neighbours = [rows[i]["y"] for i in (index - 1, index + 1) if 0 <= i < len(rows)]
        under = row["y"] > sum(neighbours, row["y"]) / (len(neighbours) + 1)
        row["yt"] = row["low"] + 12 if under else row["high"] - 12
    spine = [{"x": r["x"], "y": r["y"], "y2": top + FEEL} for r in rows]
    line = chart_of(only(spine, "x", "y")).mark_line(style="line-primary", interpolate="monotone", aria=False)
    ground = chart_of(spine).mark_area(style="band", interpolate="monotone", opacity=0.55, aria=False)
    layers = [
        *_side(canvas, "How they feel", ["share that gives 4 or 5", "of 5, 95 % interval"], top),
        cast("alt.Chart", ground.encode(canvas.x(), canvas.y(), alt.Y2("y2:Q"))),
        cast("alt.Chart", line.encode(canvas.x(), canvas.y())),
        canvas.lines([{"x": r["x"], "x2": r["x"], "y": r["low"], "y2": r["high"]} for r in rows], "ci-soft"),
    ]
    for bad, dot, text in ((False, "dot", "label-strong"), (True, "dot-bad", "label-bad")):
        marks = [r for r in rows if r["bad"] is bad]
        if marks:
            layers.append(canvas.dots(marks, dot, "circle", FELT_TIP, 120))
            layers.append(canvas.texts([{**r, "y": r["yt"]} for r in marks], text, "center"))
    return layers


def _drops(canvas: Canvas, steps: Rows, top: float) -> list[alt.Chart]:
    largest = max([s["leave"] for s in steps if s["leave"] is not None], default=0.0) or 1.0
    rows = [
        {
            "x": s["xm"] - 27,
            "x2": s["xm"] + 27,
            "xm": s["xm"],
            "y": top,
            "y2": round(top + max(2.0, (DROP - 40) * s["leave"] / largest), 1),
            "t": percent(s["leave"], 0),
            "leave": s["leave"],
            "stage": s["label"],
            "t_lost": count(s["lost"]),
            "d": f"{percent(s['leave'])} leave at {s['label']}",
        }
        for s in steps
        if s["leave"] is not None
    ]
    layers = _side(canvas, "Drop-off", ["do not go on to the", "next stage"], top)
    if not rows:
        return layers
    tip = tips(stage="Stage", t="Leave here", t_lost="Customers lost")
    for bad, bar, text in ((False, "bar-muted", "label-strong"), (True, "bar-bad", "label-bad")):
        bars = [row for row in rows if (row["leave"] == largest) is bad]
        if bars:
            layers.append(canvas.rects(bars, bar, tip, cornerRadius=4))
            layers.append(canvas.texts([{"x": r["xm"], "y": r["y2"] + 12, "t": r["t"]} for r in bars], text, "center"))
    under = [{"x": r["xm"], "y": r["y2"] + 27, "t": r["t_lost"]} for r in rows]
    return [*layers, canvas.texts(under, "label-muted", "center", fontSize=11)]


def _times(canvas: Canvas, steps: Rows, top: float) -> list[alt.Chart]:
    rows = [{"x": s["xm"], "y": top + 8, "t": s["t_time"]} for s in steps]
    return [
        *_side(canvas, "Time", ["median to the next stage"], top),
        canvas.texts(rows, "label-strong", "center", fontSize=13),
    ]
