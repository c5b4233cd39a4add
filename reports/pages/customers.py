"""The Customers page: which groups go on from stage to stage, and how soon do they reach the goal?"""

from __future__ import annotations

import polars as pl

from reports.charts.canvas import NARROW, PAPER
from reports.charts.stages.segments import has_far, narrow_segment_dots, segment_dots
from reports.charts.theme import specification
from reports.charts.time.pace import incidence_curves
from reports.pages.cards import Page, Part
from reports.privacy.stages import SHOWN, WITHHELD
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words import headlines, tables
from reports.words.numbers import count
from reports.words.subtitles import State, counted_journeys, shown_count, withheld_note


def customers_page(answers: Answers, settings: ReportSettings) -> Page | None:
    """Every breakdown, then how soon groups reach the goal."""
    cards = (segments_card(answers, settings), by_day(answers, settings))
    parts = tuple(card for card in cards if card is not None)
    if not parts:
        return None
    return Page(
        slug="customers",
        name="Customers",
        title=parts[0].title,
        lede=f"Groups of journeys by their value at the beginning, each with at least {count(settings.least)} "
        f"customers.",
        parts=parts,
    )


def segments_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """Every step by every group; null without a breakdown."""
    frame = answers.segments
    if frame is None or frame.is_empty():
        return None
    drawable = not frame.filter(pl.col("state") == SHOWN).is_empty()
    return Part(
        id="segments",
        title=headlines.segments_headline(frame),
        subtitle=f"{headlines.segments_detail(frame)}Share of the journeys at one stage that go on to the next. ▲ "
        f"clearly "
        "above and ▼ clearly below the others, ○ no clear difference, □ unknown." + withheld_note(frame, settings),
        method=f"{counted_journeys(answers)} Groups are of the journey's first touch. Whiskers: 95 % "
        f"(Wilson, "
        "judged by customers). Dashed: all journeys. A group is set against all other known groups; journeys without a "
        "value are a group of their own, which is not compared. Clear: Benjamini–Hochberg over all dots, 5 %. An "
        "association, not proof of a cause." + (" ‹ › beyond the scale of its column." if has_far(frame) else ""),
        frame=frame,
        table=tables.segments_table(frame),
        state=None if drawable else _nothing(frame, settings),
    ).drawn(
        lambda: specification(segment_dots(frame, settings.least)),
        lambda: specification(narrow_segment_dots(frame, settings.least)),
        lambda: specification(segment_dots(frame, settings.least, PAPER)),
    )


def by_day(answers: Answers, settings: ReportSettings) -> Part | None:
    """What share of journeys has reached the goal by day, by group, or null where there are too few."""
    frame = answers.incidence
    if frame is None:
        return None
    ends = frame.unique("group")
    of = f"{count(int(ends['journeys'].sum()))} of the {shown_count(answers.facts.journeys, settings)} journeys"
    largest = f"{ends.height} largest groups" if ends.height > 1 else "largest group"
    scope = "" if answers.incidence_by is None else f", those of the {largest} by {answers.incidence_by},"
    return Part(
        id="by-day",
        title=headlines.incidence_headline(frame, answers.incidence_by),
        subtitle=f"Share of {of}{scope} that have reached the goal by day since their first touch.",
        method="Kaplan–Meier with its 95 % band: an open journey counts as long as it has been observed, an abandoned "
        "one never reaches the goal, direct journeys are left out. Journeys in tens; no step of fewer than "
        f"{settings.k} customers.",
        frame=frame,
        table=tables.incidence_table(frame),
    ).drawn(
        lambda: specification(incidence_curves(frame)),
        lambda: specification(incidence_curves(frame, NARROW)),
        lambda: specification(incidence_curves(frame, PAPER)),
    )


def _nothing(frame: pl.DataFrame, settings: ReportSettings) -> State:
    """The reason why no group is shown."""
    if (frame["state"] == WITHHELD).any():
        text = f"Every group would reveal fewer than {settings.k} customers, directly or by subtraction."
        return State("▒", "Withheld to protect privacy", text)
    text = f"A rate needs at least {settings.least} of them."
    return State(f"n < {settings.least}", "Too few customers in every group", text)
