"""Overview: how many reach the goal, and where are the others lost?"""

from __future__ import annotations

from reports import headlines, tables
from reports.answers import Answers
from reports.charts.funnel import narrow_stage_funnel, stage_funnel
from reports.formats import moment, quoted
from reports.pages import paths, stages
from reports.parts import Page, Part
from reports.settings import ReportSettings
from reports.theme import specification
from reports.values import value_cards
from reports.wording import population, told, too_few, withheld_note

MOST_GROUPS = 14
"""Groups shown in the short version of the breakdown."""


def page(answers: Answers, settings: ReportSettings) -> Page:
    """Values, stage funnel, the breakdown that tells most, flow of paths."""
    parts = (funnel(answers, settings), stages.segments(answers, settings, MOST_GROUPS), paths.flow(answers, settings))
    return Page(
        slug="overview",
        name="Overview",
        title=headlines.overview(answers.stages, answers.goal),
        lede=_lede(answers, settings),
        values=value_cards(answers, settings),
        parts=tuple(part for part in parts if part is not None),
    )


def funnel(answers: Answers, settings: ReportSettings) -> Part:
    """The stage funnel."""
    frame = answers.stages
    entered = frame["entered"][0]
    few = too_few(entered, settings)
    weakest = headlines.weakest_step(frame)
    return Part(
        id="funnel",
        title=headlines.funnel(frame) if few is None else "How far customers get, stage by stage",
        subtitle=f"{population(answers, settings)} Closed funnel: the stages in this order, counted once per customer. "
        "Solid: share of all who entered. Dashed: lost since the stage before. Time: median from the stage before."
        + withheld_note(frame, settings),
        frame=frame,
        table=None if entered is None else tables.stages(frame),
        spec=None if few else specification(stage_funnel(frame, weakest)),
        narrow=None if few else specification(narrow_stage_funnel(frame, weakest)),
        state=few,
    )


def _lede(answers: Answers, settings: ReportSettings) -> str:
    facts = answers.facts
    journeys, customers = told(facts.journeys, settings), told(facts.customers, settings)
    reached, lost, still = (told(n, settings) for n in (facts.converted, facts.abandoned, facts.open))
    return (
        f"{journeys} journeys of {customers} customers up to {moment(facts.end_of_data)}. "
        f"{reached} reached {quoted(answers.goal)}, {lost} were abandoned, "
        f"{still} are still open and are never counted as lost."
    )
