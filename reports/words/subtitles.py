"""Phrases common to all subtitles: who is counted, when, and what is withheld."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from reports.privacy.stages import BOUNDED, WITHHELD
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words.numbers import count, length, period, quoted


@dataclass(frozen=True)
class State:
    """A note that a card shows instead of a chart: no data, too few customers, withheld."""

    symbol: str
    headline: str
    text: str


def population(answers: Answers, settings: ReportSettings) -> str:
    """The customers that are counted: entrants whose window is over; those still within it are only mentioned."""
    first = answers.stages.row(0, named=True)
    text = (
        f"{shown_count(first['entered'], settings)} customers who entered at {quoted(first['name'])} "
        f"{entry_dates(answers)} "
        f"and whose window of {length(answers.window)} is over."
    )
    if first["open"]:
        text += f" {count(first['open'])} more are still within their window and are not counted."
    return text


def entry_dates(answers: Answers) -> str:
    """From the first touch to the last day of entry whose window was over by the end of the data."""
    facts = answers.facts
    return period(facts.first_at, max(facts.first_at, facts.end_of_data - answers.window))


def dates(answers: Answers) -> str:
    """From the first touch to the end of the data."""
    return period(answers.facts.first_at, answers.facts.end_of_data)


def shown_count(value: int | None, settings: ReportSettings) -> str:
    """A count in a sentence, or a note that it is small or withheld."""
    return f"under {settings.k} or withheld" if value is None else count(value)


def too_few(entered: int | None, settings: ReportSettings) -> State | None:
    """The note instead of a rate over too few customers; null where there are enough."""
    if entered is not None and entered >= settings.least:
        return None
    shown = f"fewer than {settings.k}" if entered is None or 0 < entered < settings.k else count(entered)
    return State(
        f"n < {settings.least}",
        "Too few customers for a rate",
        f"{shown} customers entered and have completed their window; a rate needs at least {settings.least}.",
    )


def withheld_note(frame: pl.DataFrame, settings: ReportSettings) -> str:
    """A note on the number of cells that are withheld or given as bounds; empty where none is."""
    hidden = frame.filter(pl.col("state") == WITHHELD).height
    bounded = frame.filter(pl.col("state") == BOUNDED).height
    note = ""
    if bounded:
        note += f" {bounded} of {frame.height} rates are given as bounds (▷ over, ◁ under, ◇ between): fewer than "
        note += f"{settings.k} customers are on one side."
    if hidden:
        note += f" {hidden} of {frame.height} cells are withheld: they would reveal groups of fewer than {settings.k} "
        note += "customers."
    return note


def count_withheld(answers: Answers) -> tuple[int, int]:
    """The number of withheld cells of the stages and their breakdowns, and the number of all cells."""
    frames = [frame for frame in (answers.stages, answers.segments) if frame is not None]
    return sum(int((frame["state"] == WITHHELD).sum()) for frame in frames), sum(frame.height for frame in frames)


def rounded_note(rounded: bool, settings: ReportSettings) -> str:
    """A note that rare moves are left out and counts rounded; empty where they are not."""
    return f" Moves of fewer than {settings.k} are left out and counts are rounded to tens." if rounded else ""
