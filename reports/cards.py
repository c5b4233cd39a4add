"""Answers become cards: for each its conclusion as title, what it is about, the chart, and the numbers.

A subtitle says who is counted, when, against what, and how to read the marks.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from reports import headlines, tables
from reports.answers import Answers
from reports.charts.flow import flow_of_paths
from reports.charts.funnel import narrow_stage_funnel, stage_funnel
from reports.charts.segments import segment_dots
from reports.formats import count, length, period, quoted
from reports.parts import Part, Spec, State
from reports.published import SHOWN, WITHHELD
from reports.settings import ReportSettings
from reports.theme import unthemed


def funnel(answers: Answers, settings: ReportSettings) -> Part:
    """The stage funnel."""
    frame = answers.stages
    entered = frame["entered"][0]
    few = _too_few(entered, settings)
    weakest = headlines.weakest_step(frame)
    return Part(
        id="funnel",
        title=headlines.funnel(frame) if few is None else "How far customers get, stage by stage",
        subtitle=f"{_population(answers)} Closed funnel: the stages in this order, counted once per customer. "
        "Solid: share of all who entered. Dashed: lost since the stage before. Time: median from the stage before."
        + _withheld_note(frame, settings),
        frame=frame,
        table=None if entered is None else tables.stages(frame),
        spec=None if few else spec_of(stage_funnel(frame, weakest)),
        narrow=None if few else spec_of(narrow_stage_funnel(frame, weakest)),
        state=few,
    )


def segments(answers: Answers, settings: ReportSettings) -> Part | None:
    """Every step by every group, or null where no breakdown was asked for."""
    frame = answers.segments
    if frame is None or frame.is_empty():
        return None
    shown = frame.filter(pl.col("state") == SHOWN)
    return Part(
        id="segments",
        title=headlines.segments(frame),
        subtitle=f"{_population(answers)} Share of the customers at one stage who go on to the next, with its "
        "95 % interval (Wilson). Dashed: all customers. ▲ clearly above and ▼ clearly below the rest, ○ no clear "
        "difference (Benjamini–Hochberg over all dots, 5 %). An association, not proof of a cause."
        + _withheld_note(frame, settings),
        frame=frame,
        table=tables.segments(frame),
        spec=None if shown.is_empty() else spec_of(segment_dots(frame, settings.least)),
        state=State("n < " + str(settings.least), "Too few customers in every group", "A rate needs more of them.")
        if shown.is_empty()
        else None,
    )


def flow(answers: Answers, settings: ReportSettings) -> Part | None:
    """The flow of paths, or null where there is none."""
    published = answers.flow
    if published is None or published.nodes.is_empty():
        return None
    return Part(
        id="flow",
        title=headlines.flow(published),
        subtitle=f"{count(published.units)} journeys, {_dates(answers)}, from their first touch; the "
        f"{settings.flow_top} largest touchpoints per step, the rest as “Other”. Grey: abandoned there; journeys still "
        "open are not counted as left. Colour: eventual share that reaches the goal. Point at a touchpoint to follow "
        "everyone who passed through it."
        + (f" Moves of fewer than {settings.k} are left out and counts rounded to tens." if published.rounded else ""),
        frame=published.links,
        table=tables.links(published.links),
        spec=spec_of(flow_of_paths(published)),
    )


def spec_of(chart: alt.LayerChart | alt.VConcatChart | alt.Chart) -> Spec:
    """The chart as a Vega-Lite specification without configuration, its data as named datasets."""
    with unthemed():
        spec: dict[str, Any] = chart.to_dict(validate=False)
    spec.pop("config", None)
    return spec


def _population(answers: Answers) -> str:
    first = answers.stages.row(0, named=True)
    text = (
        f"{count(first['entered'])} customers who entered at {quoted(first['name'])} {_entry_dates(answers)} and whose "
        f"{length(answers.window)} to go on are over."
    )
    if first["open"]:
        text += f" {count(first['open'])} more still have time and are not counted."
    return text


def _entry_dates(answers: Answers) -> str:
    facts = answers.facts
    return period(facts.first_at, max(facts.first_at, facts.end_of_data - answers.window))


def _dates(answers: Answers) -> str:
    return period(answers.facts.first_at, answers.facts.end_of_data)


def _too_few(entered: int | None, settings: ReportSettings) -> State | None:
    if entered is not None and entered >= settings.least:
        return None
    many = f"fewer than {settings.k}" if entered is None or 0 < entered < settings.k else count(entered)
    return State(
        f"n < {settings.least}",
        "Too few customers for a rate",
        f"{many} customers entered and have used up their time; a rate needs at least {settings.least}.",
    )


def _withheld_note(frame: pl.DataFrame, settings: ReportSettings) -> str:
    hidden = frame.filter(pl.col("state") == WITHHELD).height
    if not hidden:
        return ""
    return (
        f" {hidden} of {frame.height} cells are withheld because fewer than {settings.k} customers could be told apart."
    )
