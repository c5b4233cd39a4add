"""The interactive chart of the Explore page: bars to click, weeks to brush, and the funnel of the selection.

In: a published cube (`reports.questions.cube`). The page computes all sums, rates and intervals from the selected
cells. Rows without a week correct the sum of their group, or of all journeys, and belong to no week.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import altair as alt
import polars as pl

from reports.charts.canvas import Below, Beside, Layers, chart_of
from reports.charts.time.marks import release_days
from reports.questions.cube import Cube
from reports.words.numbers import NARROW, shown_name

ROW = 28
STEP = 46
SPACING = 30
Chart = Any
"""Any, because Altair types aggregates with names wrongly."""
WHOLE = f"format(datum.value*100,'.0f')+'{NARROW}%'"
Z = 1.959964


@dataclass(frozen=True)
class Room:
    """Sizes of the explorer's parts in pixels; `columns` of the funnel: field, distance from the bars, style, head."""

    label: int
    side: int
    share: int
    many: int
    funnel: int
    columns: tuple[tuple[str, int, str, str], ...]
    weeks: int
    ticks: int
    stacked: bool = False


WIDE = Room(
    label=112,
    side=190,
    share=72,
    many=136,
    funnel=286,
    columns=(
        ("t_n", 70, "label", "Customers"),
        ("t_p", 144, "label-strong", "Of entered"),
        ("t_q", 222, "label-strong", "Of previous"),
    ),
    weeks=986,
    ticks=9,
)
PHONE = Room(
    label=88,
    side=106,
    share=58,
    many=120,
    funnel=106,
    columns=(("t_n", 58, "label", "Customers"), ("t_p", 122, "label-strong", "Of entered")),
    weeks=226,
    ticks=4,
    stacked=True,
)


def explorer(
    cube: Cube, names: tuple[str, ...], min_customers: int, room: Room = WIDE, releases: pl.DataFrame | None = None
) -> Below:
    """Bars by each dimension, the funnel of the selection, and its conversion over time, with the days of releases."""
    steps = [shown_name(step) for step in cube.steps]
    data = chart_of(_rows(cube))
    picks = [_pick(name) for name in ("a", "b")[: len(names)]]
    brush = alt.selection_interval(name="period", encodings=["x"], mark=alt.BrushConfig(fillOpacity=0.12))
    goal = alt.VariableParameter(
        name="goal",
        value=f"n{len(steps)}",
        bind=alt.binding_select(
            options=[f"n{i}" for i in range(2, len(steps) + 1)], labels=steps[1:], name="Conversion to "
        ),
    )
    sides = []
    for index, (field, name) in enumerate(zip(("a", "b"), names, strict=False)):
        chosen = data.transform_filter(brush).transform_filter(f"isValid(datum.{field})")
        for pick in picks[:index] + picks[index + 1 :]:
            chosen = chosen.transform_filter(pick)
        sides.append(
            _bars(
                _rated(chosen, [field], len(cube.steps), min_customers), name, _order(cube, field), picks[index], room
            )
        )
    high = sum(ROW * len(_order(cube, field)) for field in ("a", "b")[: len(names)]) + (len(names) - 1) * 2 * SPACING
    step = STEP if room.stacked else min(max(STEP, high / len(steps)), 1.5 * STEP)
    picked = data
    for pick in picks:
        picked = picked.transform_filter(pick)
    funnel = _funnel(_folded(picked.transform_filter(brush), steps), _folded(data, steps), steps, min_customers, room)
    funnel.height = step * len(steps)
    weekly = _weekly(picked, cube, brush, min_customers, room, marks=_releases(cube, releases))
    parts: list[Layers | Beside]
    if room.stacked:
        parts, spacing = [*sides, funnel, weekly], SPACING
    else:
        parts, spacing = [Beside(hconcat=[Below(vconcat=sides, spacing=SPACING), funnel], spacing=40), weekly], 26
    return Below(
        vconcat=parts,
        spacing=spacing,
        params=[goal],
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(x="independent", y="independent")),
        description=f"Conversion by {' and '.join(names)} and time; "
        "choose groups and weeks to see the funnel of a selection.",
    )


def _rows(cube: Cube) -> list[dict[str, Any]]:
    shown = cube.cells.with_columns(start=pl.col("start").dt.to_string("%Y-%m-%d")).to_dicts()
    fields = ("a", "b")[: len(cube.columns)]
    named = ({field: None if row[field] is None else shown_name(row[field]) for field in fields} for row in shown)
    return [row | names for row, names in zip(shown, named, strict=True)]


def _pick(field: str) -> alt.Parameter:
    return alt.selection_point(name=f"pick_{field}", fields=[field], toggle="true")


def _percent(share: str, unit: str = f"{NARROW}%") -> str:
    """A Vega expression that formats a share as the rest of the report does."""
    return f"format(({share})*100,'.1f')+'{unit}'"


def _sums(cube_steps: int) -> dict[str, str]:
    return {f"s{i}": f"sum(n{i})" for i in range(1, cube_steps + 1)}


def _rated(data: Chart, by: list[str], steps: int, min_customers: int) -> Chart:
    """Sums by `by`, with the share `p` that reaches the selected goal and its interval (Wilson)."""
    chosen = "0"
    for i in range(2, steps + 1):
        chosen = f"goal=='n{i}'?datum.s{i}:{chosen}"
    k, n = "datum.k", "datum.s1"
    middle = f"({k}+{Z * Z / 2})/({n}+{Z * Z})"
    half = f"{Z}/({n}+{Z * Z})*sqrt({k}*({n}-{k})/{n}+{Z * Z / 4})"
    return (
        data.transform_aggregate(groupby=by, **_sums(steps))
        .transform_calculate(k=f"min({chosen},datum.s1)")
        .transform_calculate(
            p=f"{n}>={min_customers}?{k}/{n}:null",
            low=f"{n}>={min_customers}?max(0,{middle}-{half}):null",
            high=f"{n}>={min_customers}?min(1,{middle}+{half}):null",
            t=f"{n}>={min_customers}?{_percent(f'{k}/{n}')}:'n < {min_customers}'",
            many=f"format({n},',')",
        )
        .transform_calculate(ci=f"{_percent('datum.low', '')}+'–'+{_percent('datum.high', '')}")
        .transform_calculate(d=f"{'datum.' + by[0]}+': '+datum.t+' of '+datum.many+' journeys'")
    )


def _order(cube: Cube, field: str) -> list[str]:
    """Groups of a dimension, largest first."""
    sizes = (
        cube.cells.filter(pl.col(field).is_not_null())
        .group_by(field)
        .agg(pl.col("n1").sum())
        .sort("n1", field, descending=[True, False])
    )
    return list(dict.fromkeys(shown_name(value) for value in sizes[field]))


def _bars(base: Chart, name: str, order: list[str], own: alt.Parameter, room: Room) -> Layers:
    """Conversion by the groups of one dimension; a click on a bar chooses it."""
    field = own.name.removeprefix("pick_")
    y = alt.Y(
        f"{field}:N",
        title=None,
        scale=alt.Scale(domain=order, paddingInner=0.35),
        axis=_names(room),
    )
    across = alt.Scale(domainMin=0, nice=False)
    tip = [
        alt.Tooltip(f"{field}:N", title=name),
        alt.Tooltip("t:N", title="Conversion"),
        alt.Tooltip("ci:N", title="95 % interval"),
        alt.Tooltip("many:N", title="Customers"),
    ]
    bars = base.mark_bar(style="bar-primary", cornerRadiusEnd=3, cursor="pointer").encode(
        alt.X("p:Q", title=None, axis=None, scale=across),
        y,
        opacity=alt.condition(own, alt.value(1), alt.value(0.3)),
        tooltip=tip,
        description=alt.Description("d:N"),
    )
    whisker = base.mark_rule(style="ci", aria=False).encode(alt.X("low:Q", scale=across), y, alt.X2("high:Q"))
    share = base.mark_text(style="label-strong", align="right", aria=False)
    many = base.mark_text(style="label-muted", align="right", aria=False)
    layers = [
        bars.add_params(own),
        whisker,
        share.encode(x=alt.value(room.side + room.share), y=y, text=alt.Text("t:N")),
        many.encode(x=alt.value(room.side + room.many), y=y, text=alt.Text("many:N")),
        *_heads([(room.side + room.share, "Conversion"), (room.side + room.many, "Customers")]),
    ]
    return Layers(layer=layers, width=room.side, height=ROW * len(order), title=alt.Title(name, offset=20))


def _names(room: Room) -> alt.Axis:
    """The axis of names, equally wide in every part, so that the bars align."""
    return alt.Axis(minExtent=room.label, maxExtent=room.label, labelLimit=room.label - 10, labelPadding=8)


def _heads(columns: list[tuple[int, str]]) -> list[Chart]:
    """The heads of the columns beside the bars."""
    return [
        chart_of([{}])
        .mark_text(style="label-head", align="right", text=head, aria=False)
        .encode(x=alt.value(x), y=alt.value(-8))
        for x, head in columns
    ]


def _funnel(selection: Chart, everyone: Chart, steps: list[str], min_customers: int, room: Room) -> Layers:
    enough = selection.transform_filter(f"datum.base>={min_customers}")
    x = alt.X("p:Q", title=None, axis=None, scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("stage:N", title=None, scale=alt.Scale(domain=steps, paddingInner=0.35), axis=_names(room))
    tip = [
        alt.Tooltip("stage:N", title="Stage"),
        alt.Tooltip("t_n:N", title="Customers"),
        alt.Tooltip("t_p:N", title="Of all who entered"),
        alt.Tooltip("t_q:N", title="Of the stage before"),
    ]
    bars = enough.mark_bar(style="bar-primary", cornerRadiusEnd=3)
    layers = [
        bars.encode(x, y, tooltip=tip, description=alt.Description("d:N")),
        everyone.mark_tick(style="tick-all", thickness=2.5, size=26, aria=False).encode(x, y),
    ]
    few = selection.transform_filter(f"datum.base<{min_customers} && datum.st=='n1'")
    text = f"Fewer than {min_customers} journeys: widen the choice"
    note = few.mark_text(style="label-muted", align="left", text=text)
    layers.append(note.encode(x=alt.value(10), y=alt.value(12)))
    for field, at, style, _ in room.columns:
        text = enough.mark_text(style=style, align="right", aria=False)
        layers.append(text.encode(x=alt.value(room.funnel + at), y=y, text=alt.Text(f"{field}:N")))
    layers += _heads([(room.funnel + at, head) for _, at, _, head in room.columns])
    title = alt.Title("Funnel of the selection (tick: all journeys)", offset=20)
    return Layers(layer=layers, width=room.funnel, title=title)


def _folded(chosen: Chart, steps: list[str]) -> Chart:
    """Sums of the steps as rows, with their share of the first and of the one before."""
    fields = [f"s{i}" for i in range(1, len(steps) + 1)]
    words = "{" + ",".join(f"s{i}:{_quoted(step)}" for i, step in enumerate(steps, 1)) + "}[datum.st]"
    return (
        chosen.transform_aggregate(groupby=[], **_sums(len(steps)))
        .transform_fold(fields, as_=["st", "n"])
        .transform_joinaggregate(base="max(n)")
        .transform_window(before="lag(n)", sort=[alt.SortField("st")])
        .transform_calculate(
            stage=words,
            p="datum.base>0?datum.n/datum.base:null",
            t_n="format(datum.n,',')",
            t_p=f"datum.base>0?{_percent('datum.n/datum.base')}:''",
            t_q=f"datum.before>0?{_percent('min(1,datum.n/datum.before)')}:''",
        )
        .transform_calculate(d="datum.stage+': '+datum.t_n+' journeys'")
    )


def _quoted(text: str) -> str:
    """A text as a string literal of a Vega expression, safely escaped."""
    return "'" + "".join(f"\\u{ord(c):04x}" if c in "'\\\"<>\n" else c for c in text) + "'"


def _weekly(
    chosen: Chart, cube: Cube, brush: alt.Parameter, min_customers: int, room: Room, *, marks: list[Chart]
) -> Layers:
    base = _rated(chosen.transform_filter("isValid(datum.start)"), ["start"], len(cube.steps), min_customers)
    x = alt.X(
        "start:T",
        title=None,
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(format="%-d %b", grid=False, domain=True, ticks=True, values=_dates(cube, room.ticks)),
    )
    y = alt.Y(
        "p:Q",
        title=None,
        axis=alt.Axis(labelExpr=WHOLE, minExtent=room.label, maxExtent=room.label),
        scale=alt.Scale(domainMin=0),
    )
    tip = [
        alt.Tooltip("start:T", title="Entered from", format="%-d %b %Y"),
        alt.Tooltip("t:N", title="Conversion"),
        alt.Tooltip("many:N", title="Customers"),
    ]
    period = "week" if cube.weeks == 1 else f"{cube.weeks} weeks"
    title = f"Conversion by {period} of entry: drag to choose"
    layers = [
        base.mark_area(style="band", aria=False)
        .encode(x, alt.Y("low:Q", title=None), alt.Y2("high:Q"))
        .add_params(brush),
        base.mark_line(style="line-primary", aria=False).encode(x, y),
        base.mark_point(style="dot", filled=True, size=45, opacity=1).encode(x, y, tooltip=tip),
        *marks,
    ]
    return Layers(layer=layers, width=room.weeks, height=130, title=alt.Title(title, offset=6))


def _releases(cube: Cube, releases: pl.DataFrame | None) -> list[Chart]:
    """Dashed lines on the days of releases, with their names on hover; none where none is in the weeks."""
    starts = cube.cells["start"].drop_nulls()
    if starts.is_empty():
        return []
    first, last = starts.min(), starts.max()
    assert isinstance(first, date) and isinstance(last, date)
    days = [
        {"day": f"{each['day']:%Y-%m-%d}", "t_name": each["label"], "d": f"Released {each['day']}: {each['label']}"}
        for each in release_days(releases, first, last)  # the axis ends where the newest period begins
    ]
    if not days:
        return []
    tip = [alt.Tooltip("day:T", title="Day", format="%-d %b %Y"), alt.Tooltip("t_name:N", title="Released")]
    x, marks = alt.X("day:T", title=None), chart_of(days)
    return [
        marks.mark_rule(style="ref", aria=False).encode(x),
        marks.mark_point(style="dot-open", shape="triangle-down", size=50, filled=True, opacity=1).encode(
            x, y=alt.value(0), tooltip=tip, description=alt.Description("d:N")
        ),
    ]


def _dates(cube: Cube, max_labels: int) -> list[alt.DateTime]:
    """At most `max_labels` first days of periods to label, evenly spaced."""
    starts = cube.cells["start"].drop_nulls().unique().sort()
    every = max(1, -(-starts.len() // max_labels))
    return [alt.DateTime(year=d.year, month=d.month, date=d.day, utc=True) for d in starts.gather_every(every)]
