"""The Journey map page: the whole journey at a glance, stage by stage."""

from __future__ import annotations

from reports.charts.journey_map.narrow import narrow_journey_map
from reports.charts.journey_map.wide import journey_map
from reports.charts.theme import specification
from reports.pages.cards import Page, Part
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words import headlines, tables
from reports.words.subtitles import population, too_few, withheld_note


def journey_map_page(answers: Answers, settings: ReportSettings) -> Page | None:
    """One card: what customers use, how they feel, how many leave, how long it takes."""
    used = answers.used
    if used is None or used.is_empty() or too_few(answers.stages["entered"][0], settings):
        return None
    subtitle = (
        f"{population(answers, settings)} Circle area: share of the customers with a touch in the stage who used the "
        "touchpoint, if it is 2 % or more. Drop-off: share of those who reached the stage that did not reach the next."
    )
    part = Part(
        id="map",
        title=headlines.journey_map_headline(answers.stages, answers.voice),
        subtitle=subtitle + withheld_note(answers.stages, settings),
        frame=used,
        table=tables.used_table(used),
    ).drawn(
        lambda: specification(journey_map(answers.stages, used, answers.voice, settings.stage_goals)),
        lambda: specification(narrow_journey_map(answers.stages, used, answers.voice, settings.stage_goals)),
    )
    return Page(
        slug="map",
        name="Journey map",
        title="The journey on one page",
        lede="Stages, touchpoints, satisfaction, drop-off and time, stage by stage.",
        parts=(part,),
    )
