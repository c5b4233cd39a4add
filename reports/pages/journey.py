"""The Journey page: the whole journey at a glance, stage by stage, and how long it takes."""

from __future__ import annotations

import polars as pl

from reports.charts.canvas import PAPER
from reports.charts.journey_map.narrow import narrow_journey_map
from reports.charts.journey_map.wide import Lanes, journey_map
from reports.charts.people.measured import Heads, Measured
from reports.charts.theme import specification
from reports.charts.time.pace import time_bars, time_rows
from reports.pages.cards import Page, Part
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words import headlines, people, problems, tables
from reports.words.numbers import count, length, percent, quoted, wait
from reports.words.subtitles import counted_journeys, population, too_few, withheld_note


def journey_page(answers: Answers, settings: ReportSettings) -> Page | None:
    """The map, what gets in the way, the time to the goal, help, short visits, what customers said
    and believe, what a stage is."""
    cards = (
        map_card(answers, settings),
        pains_card(answers),
        friction_card(answers),
        time_to_goal(answers),
        contacts_card(answers),
        moments_card(answers),
        said_card(answers, settings),
        said_at_card(answers, settings),
        beliefs_card(answers, settings),
        definitions(answers),
    )
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
    lanes = Lanes(
        answers.stages,
        used,
        answers.voice,
        settings.stage_goals,
        answers.friction,
        answers.segments,
        answers.people.believed,
    )
    return Part(
        id="map",
        title="The journey on one page",
        subtitle=population(answers, settings) + withheld_note(answers.stages, settings),
        method=f"{counted_journeys(answers)} Circle area: share of the customers with a touch of these journeys in the "
        "stage who used the touchpoint, if it is 2 % or more. Drop-off: share of the journeys that reached the stage "
        "and did not reach the next. Satisfied: 4 or 5 of 5 (CSAT), of answers. What they meet: of the journeys with a "
        "touch at the stage, the three that most meet; dark red where it clearly costs goals."
        + (
            " Believe: of the customers who answered, those with the wished answer."
            if lanes.believed is not None
            else ""
        ),
        frame=used,
        table=tables.used_table(used),
    ).drawn(
        lambda: specification(journey_map(lanes)),
        lambda: specification(narrow_journey_map(lanes)),
        lambda: specification(journey_map(lanes, PAPER)),
    )


def pains_card(answers: Answers) -> Part | None:
    """What clearly keeps journeys from the goal; null where nothing does."""
    frame = answers.pains
    if frame is None:
        return None
    rows = [
        Measured.of(
            row,
            "goal_rate",
            name=problems.pain_of(row),
            figures=(count(row["with_it"]), percent(row["goal_rate_alike"]), problems.at_stake_of(row)),
        )
        for row in frame.iter_rows(named=True)
    ]
    heads = Heads("What gets in the way", "Goal rate", ("Journeys", "Alike", "At stake"))
    described = f"{len(rows)} {'pain' if len(rows) == 1 else 'pains'} by goals at stake."
    return Part(
        id="pains",
        title=problems.pains_headline(frame),
        subtitle="Journeys that met trouble at a stage, and how many of them reached the goal; beside them those "
        "otherwise alike.",
        method=problems.pains_method(length(answers.window)),
        frame=frame,
        table=tables.pains_table(frame),
    ).drawn_as_rows(rows, heads, described)


def friction_card(answers: Answers) -> Part | None:
    """What journeys meet at each stage, as a table; null where nothing is told."""
    frame = answers.friction
    if frame is None:
        return None
    order = {name: position for position, name in enumerate(answers.stages["name"])}
    frame = frame.sort(pl.col("stage").replace_strict(order, default=len(order)), maintain_order=True)
    return Part(
        id="friction",
        title="What journeys meet at each stage",
        subtitle="Trouble, slow pages, steps back and repeats, those that most journeys meet first.",
        method=problems.FRICTION_METHOD,
        frame=frame,
        table=tables.friction_table(frame),
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


def contacts_card(answers: Answers) -> Part | None:
    """How many journeys need help, and whether one contact settles it; null without contacts."""
    frame, asked = answers.people.contacts, answers.people.asked
    if frame is None or asked is None or asked.contacts is None:
        return None
    part = Part(
        id="contacts",
        title=people.contacts_headline(frame),
        subtitle="Journeys in which customers asked for help, by the stage they began at; then how their contacts "
        "went.",
        method=people.contacts_method(asked.contacts, length(answers.window)),
        frame=frame,
        table=people.shares_table(frame),
    )
    return _drawn(part, Heads("What", "Share", ("Of them", "Of all")), "Contacts.")


def moments_card(answers: Answers) -> Part | None:
    """What short visits in the hand find, by what they want; null without any."""
    frame, asked = answers.people.moments, answers.people.asked
    if frame is None or asked is None or asked.moments is None:
        return None
    part = Part(
        id="moments",
        title="What short visits on a phone find",
        subtitle=f"Visits of at most {length(asked.moments.longest)} with a device in the hand, by what they want; "
        "those of a single touch are not counted.",
        method=people.moments_method(asked.moments),
        frame=frame,
        table=people.shares_table(frame),
    )
    return _drawn(part, Heads("What they want", "Share", ("Of them", "Of all")), "Moments.")


def said_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """The themes of what customers wrote, with low scores and approved quotes; null without a codebook or texts."""
    frame = answers.people.said
    if frame is None:
        return None
    shares = frame.filter(pl.col("measure") == "theme_share")
    low = {row["group"]: row for row in frame.filter(pl.col("measure") == "low_rate").to_dicts()}
    part = Part(
        id="themes",
        title=people.said_headline(frame),
        subtitle=f"Themes in {people.texts_told(frame)} of customers, by the words of the codebook.",
        method=people.said_method(settings),
        frame=frame,
        table=people.said_table(frame),
    )
    rows = [
        Measured.of(
            row,
            "share",
            name=people.share_name(row),
            figures=(count(row["part"]), people.low_told(low.get(row["group"]))),
            note=people.note_of(row),
            words=people.told_quotes(row),
        )
        for row in shares.iter_rows(named=True)
    ]
    return part.drawn_as_rows(rows, Heads("Theme", "Share of texts", ("Texts", "Low scores")), "Themes.")


def said_at_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """The themes of what customers wrote, stage by stage; null where none may be told.

    The shares that are told are drawn; the table has the others, too.
    """
    frame = answers.people.said_at
    if frame is None or not frame["share"].count():
        return None
    rows = [
        Measured.of(
            row,
            "share",
            name=people.said_at_name(row),
            figures=(count(row["part"]), count(row["whole"])),
        )
        for row in frame.drop_nulls("share").iter_rows(named=True)
    ]
    part = Part(
        id="themes-by-stage",
        title="Where they said it",
        subtitle="Themes by the stage of the touch before the text.",
        method=people.said_at_method(settings),
        frame=frame,
        table=people.said_at_table(frame),
    )
    return part.drawn_as_rows(rows, Heads("Theme", "Share of texts", ("With it", "Texts")), "Themes by stage.")


def beliefs_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """What customers believe, stage by stage; null without answers to such a question."""
    frame = answers.people.believed
    if frame is None:
        return None
    rows = [
        Measured.of(
            row,
            "share",
            name=people.belief_name(row),
            figures=(count(row["part"]), count(row["whole"])),
            note=people.note_of(row),
        )
        for row in frame.iter_rows(named=True)
    ]
    part = Part(
        id="beliefs",
        title="What customers believe, stage by stage",
        subtitle="Customers who gave the wished answer to a question of a survey, of those who answered it.",
        method=people.beliefs_method(settings),
        frame=frame,
        table=people.beliefs_table(frame),
    )
    return part.drawn_as_rows(rows, Heads("Question", "Share", ("Gave it", "Answered")), "Beliefs.")


def _drawn(part: Part, heads: Heads, described: str) -> Part:
    """The card with its shares as rows."""
    rows = [
        Measured.of(
            row,
            "share",
            name=people.share_name(row),
            figures=(count(row["part"]), count(row["whole"])),
            note=people.note_of(row),
        )
        for row in part.frame.iter_rows(named=True)
    ]
    return part.drawn_as_rows(rows, heads, described)


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
