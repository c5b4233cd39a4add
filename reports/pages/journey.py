"""The Journey page: the whole journey at a glance, stage by stage, and how long it takes."""

from __future__ import annotations

import polars as pl

from reports.charts.canvas import PAPER
from reports.charts.journey_map.narrow import narrow_journey_map
from reports.charts.journey_map.wide import journey_map
from reports.charts.theme import specification
from reports.charts.time.pace import time_bars, time_rows
from reports.pages.cards import Page, Part
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words import headlines, tables
from reports.words.numbers import count, length, quoted, wait
from reports.words.subtitles import counted_journeys, population, too_few, withheld_note


def journey_page(answers: Answers, settings: ReportSettings) -> Page | None:
    """The map, the time to the goal, and the touchpoints of every stage."""
    cards = (map_card(answers, settings), time_to_goal(answers), definitions(answers))
    parts = tuple(card for card in cards if card is not None)
    if not parts:
        return None
    return Page(
        slug="journey",
        name="Journey",
        title=headlines.journey_map_headline(answers.stages, answers.voice),
        lede="What customers use, how they feel, how many leave and how long it takes, stage by stage.",
        parts=parts,
    )


def map_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """What customers use, how they feel, how many leave, how long it takes; null where too little is known."""
    used = answers.used
    if used is None or used.is_empty() or too_few(answers.stages["customers"][0], settings):
        return None
    return Part(
        id="map",
        title="The journey on one page",
        subtitle=population(answers, settings) + withheld_note(answers.stages, settings),
        method=f"{counted_journeys(answers)} Circle area: share of the customers with a touch of these journeys in the "
        "stage who used the touchpoint, if it is 2 % or more. Drop-off: share of the journeys that reached the stage "
        "and did not reach the next. Satisfied: 4 or 5 of 5 (CSAT), of answers.",
        frame=used,
        table=tables.used_table(used),
    ).drawn(
        lambda: specification(journey_map(answers.stages, used, answers.voice, settings.stage_goals)),
        lambda: specification(narrow_journey_map(answers.stages, used, answers.voice, settings.stage_goals)),
        lambda: specification(journey_map(answers.stages, used, answers.voice, settings.stage_goals, PAPER)),
    )


def time_to_goal(answers: Answers) -> Part | None:
    """How long journeys to the goal take, or null where too few reach it."""
    frame, pace = answers.times, answers.pace
    if frame is None or pace is None:
        return None
    goal = quoted(answers.goal)
    return Part(
        id="time-to-goal",
        title=f"Half of the journeys to {goal} took up to {wait(pace.median)}",
        subtitle=f"The {count(pace.journeys)} journeys that reached {goal} within {length(answers.window)}, by the "
        f"time "
        f"from their first touch; one in ten took over {wait(pace.nine_in_ten)}.",
        method="Only mature journeys, whose whole window lies before the end of the data: among younger ones only the "
        "quick have reached the goal. Bins grow with time; the dark bar contains the median.",
        frame=frame,
        table=tables.times_table(frame),
    ).drawn(
        lambda: specification(time_bars(frame)),
        lambda: specification(time_rows(frame)),
        lambda: specification(time_bars(frame, PAPER)),
    )


def definitions(answers: Answers) -> Part | None:
    """Touchpoints by stage, as a table."""
    used = answers.used
    if used is None or used.is_empty():
        return None
    order = {name: position for position, name in enumerate(answers.stages["name"])}
    used = used.sort(pl.col("stage").replace_strict(order, default=len(order)), maintain_order=True)
    return Part(
        id="definitions",
        title="What counts as which stage",
        subtitle="Touchpoints of every stage, by the share of the stage's customers who used them.",
        frame=used,
        table=tables.used_table(used),
    )
