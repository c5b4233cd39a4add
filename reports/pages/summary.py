"""The Summary page: what share of journeys reaches the goal, and where do they stop?"""

from __future__ import annotations

from reports.charts.stages.funnel import narrow_stage_funnel, stage_funnel
from reports.charts.theme import specification
from reports.pages.cards import Page, Part
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words import headlines, tables
from reports.words.subtitles import all_stages_note, counted_journeys, population, too_few, withheld_note
from reports.words.value_cards import value_cards


def summary_page(answers: Answers, settings: ReportSettings) -> Page:
    """Value cards and the stage funnel."""
    return Page(
        slug="summary",
        name="Summary",
        title=headlines.summary_headline(answers.stages, answers.goal),
        lede=headlines.summary_lede(answers.stages, answers.window, settings.k),
        values=value_cards(answers, settings),
        parts=(funnel_card(answers, settings),),
    )


def funnel_card(answers: Answers, settings: ReportSettings) -> Part:
    """The stage funnel."""
    frame = answers.stages
    entered = frame["entered"][0]
    few = too_few(frame["customers"][0] if entered else entered, settings)
    weakest = headlines.weakest_step(frame)
    return Part(
        id="funnel",
        title=headlines.funnel_headline(frame) if few is None else headlines.FUNNEL,
        subtitle=population(answers, settings) + all_stages_note(frame) + withheld_note(frame, settings),
        method=counted_journeys(answers) + " Solid: share of all journeys that reached the stage. Dashed: "
        "lost since the stage before. Time: median from the first touch of the nearest earlier stage to the first "
        "touch "
        "of this one, of the same journeys.",
        frame=frame,
        table=None if entered is None else tables.stages_table(frame),
        state=few,
        link=("Explore", "explore.html") if answers.cube is not None and "explore" in settings.pages else None,
    ).drawn(
        lambda: specification(stage_funnel(frame, weakest)), lambda: specification(narrow_stage_funnel(frame, weakest))
    )
