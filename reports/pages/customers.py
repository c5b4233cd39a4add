"""The Customers page: which groups go on from stage to stage, and how soon do they reach the goal?"""

from __future__ import annotations

import polars as pl

from reports.charts.canvas import NARROW, PAPER
from reports.charts.people.measured import Heads, Measured
from reports.charts.people.standing import narrow_standing_bars, standing_bars
from reports.charts.stages.segments import has_far, narrow_segment_dots, segment_dots
from reports.charts.theme import specification
from reports.charts.time.pace import incidence_curves
from reports.pages.cards import Page, Part
from reports.privacy.stages import SHOWN, WITHHELD
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words import headlines, people, tables
from reports.words.numbers import count, day, length, percent, shown_name
from reports.words.subtitles import State, counted_journeys, shown_count, withheld_note

MIN_WENT_ON = 30
"""Customers who went on from a stage, so that what is usual there is told."""


def customers_page(answers: Answers, settings: ReportSettings) -> Page | None:
    """Personas, every breakdown, how soon groups reach the goal, where everybody is, and the sizes of segments."""
    cards = (
        personas_card(answers, settings),
        segments_card(answers, settings),
        by_day(answers, settings),
        standing_card(answers, settings),
        sizes_card(answers, settings),
        outlook_card(answers, settings),
    )
    parts = tuple(card for card in cards if card is not None)
    if not parts:
        return None
    return Page(
        slug="customers",
        name="Customers",
        title=_title(parts),
        lede=f"Groups of journeys by their value at the beginning, each with at least {count(settings.least)} "
        "customers."
        if answers.segments is not None or answers.incidence is not None
        else "Who the customers are, and where they stand.",
        parts=parts,
    )


def _title(parts: tuple[Part, ...]) -> str:
    """The title of the first card that says more than how many personas there are."""
    return next(
        (part.title for part in parts if part.id != "personas" or part.title.startswith("Persona ")), parts[0].title
    )


def personas_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """The personas with their sentences, or null without any."""
    found = answers.people.personas
    if found is None:
        return None
    frame, has_value = found.frame, found.frame["share_of_value"].count() > 0
    rows = [
        Measured.of(
            row,
            "goal_rate",
            name=shown_name(row["persona"]),
            figures=(percent(row["share"]), percent(row["share_of_goals"]))
            + ((percent(row["share_of_value"]),) if has_value else ()),
            words=people.persona_words(row),
            note=people.note_of(row),
        )
        for row in frame.filter(pl.col("persona").is_not_null()).iter_rows(named=True)
    ]
    heads = Heads("Persona", "Goal rate", ("Of customers", "Of goals", *(["Of value"] if has_value else [])))
    described = f"{len(rows)} personas by goal rate."
    return Part(
        id="personas",
        title=people.personas_headline(frame),
        subtitle=people.personas_detail(frame, found.note),
        method=people.personas_method(found.note, settings, length(answers.window)),
        frame=frame,
        table=people.personas_table(frame),
    ).drawn_as_rows(rows, heads, described)


def standing_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """Where the journeys under way stand, or null without any."""
    frame = answers.people.standing
    if frame is None:
        return None
    return Part(
        id="standing",
        title=people.standing_headline(frame),
        subtitle="Journeys under way at the end of the data, by the furthest stage that they have reached. Late: "
        "longer there than nine in ten of those who went on.",
        method="A wait begins with the first touch that brought the journey to the stage. Usual: up to the median wait "
        "of the journeys, over or not, that went on from there; longer: up to their 90 % point. Where fewer than "
        f"{MIN_WENT_ON} customers went on, what is usual is not told. Counts that would reveal fewer than "
        f"{settings.k} customers are withheld.",
        frame=frame,
        table=people.standing_table(frame),
    ).drawn(
        lambda: specification(standing_bars(frame)),
        lambda: specification(narrow_standing_bars(frame)),
        lambda: specification(standing_bars(frame, PAPER)),
    )


def sizes_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """How many customers are in each segment, or null without segments."""
    frame = answers.people.sizes
    if frame is None:
        return None
    rows = [
        Measured.of(
            row,
            "share_of_known",
            name=shown_name(row["segment"]),
            figures=tuple(count(row[name]) for name in ("members", "joined", "left")),
            words=row["says"] or "",
            note=people.note_of(row),
        )
        for row in frame.iter_rows(named=True)
    ]
    heads, described = Heads("Segment", "Of the known", ("Members", "Joined", "Left")), f"{len(rows)} segments by size."
    return Part(
        id="sizes",
        title=people.sizes_headline(frame),
        subtitle="Members at the end of the data, as a share of the customers of whom it is known; joined and left in "
        "the four weeks before.",
        method="A customer who has not been seen for long enough, or lacks a value, is not known. Interval: 95 % "
        f"(Wilson). A segment of fewer than {10 * settings.k} customers, or of 1 %, is only named; one that differs "
        "from another by few customers is withheld.",
        frame=frame,
        table=people.sizes_table(frame),
    ).drawn_as_rows(rows, heads, described)


def outlook_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """How many of the journeys under way should reach the goal, or null where no prediction is good enough.

    It is the last card of its page: where it cannot be computed again, the others stand where they stood.
    """
    found = answers.people.outlook
    if found is None:
        return None
    rows = [
        Measured.of(
            row,
            "seen",
            name=people.chance_band(row),
            figures=tuple(people.counted(row, name) for name in ("customers", "expected_goals")),
            note=people.note_of(row),
            expected=row["expected"],
        )
        for row in found.frame.iter_rows(named=True)
    ]
    return Part(
        id="outlook",
        title=people.outlook_headline(found),
        subtitle=people.outlook_detail(found),
        method=people.outlook_method(found, settings),
        frame=found.frame,
        table=people.outlook_table(found.frame),
    ).drawn_as_rows(
        rows, Heads("Chance", f"Seen after {day(found.tested)}", ("Customers", "Expected")), "Share seen, by chance."
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
