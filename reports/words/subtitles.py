"""Phrases common to all subtitles: who is counted, when, and what is withheld."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from reports.privacy.stages import BOUNDED, WITHHELD
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words.numbers import count, earlier, length, percent, period


@dataclass(frozen=True)
class State:
    """A note that a card shows instead of a chart: no data, too few customers, withheld."""

    symbol: str
    headline: str
    text: str


def population(answers: Answers, settings: ReportSettings) -> str:
    """The journeys that are counted: those whose window is over."""
    first = answers.stages.row(0, named=True)
    return f"{shown_count(first['entered'], settings)} journeys begun {entry_dates(answers)}."


def all_stages_note(stages: pl.DataFrame) -> str:
    """The share of journeys that went through all stages in order; empty where it is not known."""
    last = stages.row(-1, named=True)
    if last["all_stages"] is None or last["share_of_entered"] is None or stages.height < 2:
        return ""
    share = percent(last["all_stages"] / last["entered"])
    return f" {percent(last['share_of_entered'])} reach the goal by any route, {share} through all stages in order."


def counted_journeys(answers: Answers) -> str:
    """Which journeys are counted, and when one has reached a stage."""
    first, window = answers.stages.row(0, named=True), length(answers.window)
    text = (
        f"A journey begins with a touch of a stage up to the goal's and is counted once, if it began at least {window} "
        f"before the end of the data. It has reached a stage when it has, within {window} of its beginning, a touch of "
        "that stage or a later one, or the goal."
    )
    if first["open"]:
        text += f" {count(first['open'])} younger journeys are not counted."
    if first["direct"]:
        text += f" {count(first['direct'])} direct journeys, with the goal alone, are in no row."
    if first["late"]:
        text += f" {count(first['late'])} reached the goal later than {window}."
    return text


def entry_dates(answers: Answers) -> str:
    """From the first touch to the last day on which a journey began whose window is over."""
    facts = answers.facts
    return period(facts.first_at, max(facts.first_at, earlier(facts.end_of_data, answers.window)))


def dates(answers: Answers) -> str:
    """From the first touch to the end of the data."""
    return period(answers.facts.first_at, answers.facts.end_of_data)


def paper_foot(answers: Answers) -> str:
    """The foot of every sheet of the printed report: what rates are over."""
    first = answers.stages.row(0, named=True)
    over, younger = first["entered"], first["open"]
    counted = (
        "" if over is None else f"Rates are over {count(over)} journeys that began {length(answers.window)} or longer "
    )
    counted += "" if not counted else "before the end of the data"
    counted += f"; {count(younger)} younger ones are in no rate. " if counted and younger else ". " if counted else ""
    return f"{dates(answers)}. {counted}Intervals are 95 %."


def shown_count(value: int | None, settings: ReportSettings) -> str:
    """A count in a sentence, or a note that it is small or withheld."""
    return f"under {settings.k} or withheld" if value is None else count(value)


def too_few(entered: int | None, settings: ReportSettings) -> State | None:
    """The note instead of a rate of too few customers; null where there are enough."""
    if entered is not None and entered >= settings.least:
        return None
    shown = f"fewer than {settings.k}" if entered is None or 0 < entered < settings.k else count(entered)
    return State(
        f"n < {settings.least}",
        "Too few customers for a rate",
        f"{shown} customers have a journey whose window is over; a rate needs at least {settings.least}.",
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
    return (
        f" Moves of fewer than {settings.k} customers are left out and counts are rounded to tens." if rounded else ""
    )
