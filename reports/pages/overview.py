"""The Overview page: how many customers reach the goal, and where are the others lost?"""

from __future__ import annotations

from reports.charts.canvas import NARROW
from reports.charts.stages.funnel import narrow_stage_funnel, stage_funnel
from reports.charts.theme import specification
from reports.charts.time.pace import incidence_curves, time_bars, time_rows
from reports.pages import paths, stages
from reports.pages.cards import Page, Part
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words import headlines, tables
from reports.words.numbers import count, length, moment, quoted, wait
from reports.words.subtitles import population, shown_count, too_few, withheld_note
from reports.words.value_cards import value_cards

MAX_GROUPS = 14
"""Groups shown in the short version of the breakdown."""


def overview_page(answers: Answers, settings: ReportSettings) -> Page:
    """Value cards, stage funnel, time to the goal, the clearest breakdowns, flow of paths."""
    parts = (
        funnel_card(answers, settings),
        time_to_goal(answers),
        by_day(answers, settings),
        stages.segments_card(answers, settings, MAX_GROUPS),
        paths.flow_card(answers, settings),
    )
    return Page(
        slug="overview",
        name="Overview",
        title=headlines.overview_headline(answers.stages, answers.goal),
        lede=_lede(answers, settings),
        values=value_cards(answers, settings),
        parts=tuple(part for part in parts if part is not None),
    )


def funnel_card(answers: Answers, settings: ReportSettings) -> Part:
    """The stage funnel."""
    frame = answers.stages
    entered = frame["entered"][0]
    few = too_few(entered, settings)
    weakest = headlines.weakest_step(frame)
    return Part(
        id="funnel",
        title=headlines.funnel_headline(frame) if few is None else "How far customers get, stage by stage",
        subtitle=f"{population(answers, settings)} Closed funnel: the stages in order, each customer counted once. "
        "Solid: share of all who entered. Dashed: lost since the stage before. Time: median from the stage before, on "
        "this pass through the stages; the whole journey to the goal takes longer, as it begins at the first touch."
        + withheld_note(frame, settings),
        frame=frame,
        table=None if entered is None else tables.stages_table(frame),
        state=few,
    ).drawn(
        lambda: specification(stage_funnel(frame, weakest)), lambda: specification(narrow_stage_funnel(frame, weakest))
    )


def time_to_goal(answers: Answers) -> Part | None:
    """How long journeys to the goal take, or null where too few reach it."""
    frame, pace = answers.times, answers.pace
    if frame is None or pace is None:
        return None
    goal = quoted(answers.goal)
    return Part(
        id="time-to-goal",
        title=f"Half of these journeys to {goal} took up to {wait(pace.median)}, "
        f"one in ten over {wait(pace.nine_in_ten)}",
        subtitle=f"The {count(pace.journeys)} journeys that reached {goal}, by the time from their first touch. Bins "
        "grow with time; the dark bar contains the median.",
        frame=frame,
        table=tables.times_table(frame),
        span=6,
    ).drawn(lambda: specification(time_bars(frame)), lambda: specification(time_rows(frame)))


def by_day(answers: Answers, settings: ReportSettings) -> Part | None:
    """What share of journeys has reached the goal by day, by group, or null where there are too few."""
    frame = answers.incidence
    if frame is None:
        return None
    ends = frame.unique("group")
    share = (
        f"Share of {count(int(ends['journeys'].sum()))} of the {shown_count(answers.facts.journeys, settings)} journeys"
    )
    largest = f"{ends.height} largest groups" if ends.height > 1 else "largest group"
    scope = "" if answers.incidence_by is None else f", those of the {largest} by {answers.incidence_by},"
    return Part(
        id="by-day",
        title=headlines.incidence_headline(frame, answers.incidence_by),
        subtitle=f"{share}{scope} that have reached the goal by day since their first touch (Kaplan–Meier, 95 % "
        f"band; journeys in tens; no step of fewer than {settings.k} customers). Open journeys count as "
        "long as they have been observed.",
        frame=frame,
        table=tables.incidence_table(frame),
        span=6,
    ).drawn(lambda: specification(incidence_curves(frame)), lambda: specification(incidence_curves(frame, NARROW)))


def _lede(answers: Answers, settings: ReportSettings) -> str:
    facts = answers.facts
    journeys, customers = shown_count(facts.journeys, settings), shown_count(facts.customers, settings)
    reached, lost, still = (shown_count(n, settings) for n in (facts.converted, facts.abandoned, facts.open))
    first = answers.stages.row(0, named=True)
    return (
        f"In all {journeys} journeys of {customers} customers up to {moment(facts.end_of_data)}: {reached} reached "
        f"{quoted(answers.goal)}, {lost} were abandoned, {still} are still open and are never counted as lost. The "
        f"shares above and in the funnel are of the {shown_count(first['entered'], settings)} customers who entered at "
        f"{quoted(first['name'])} and have had {length(answers.window)} since."
    )
