"""Builds the value cards at the top of the report: a few key numbers, each with its base and its change.

A change compares the newest period whose customers have completed their window with the one before, and comes with its
interval; it is omitted where a period has too few customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from expectations.config.durations import duration
from reports.questions.answers import Answers
from reports.questions.intervals import share_interval
from reports.settings import ReportSettings
from reports.words.headlines import weakest_step
from reports.words.numbers import (
    compared,
    compared_interval,
    count,
    earlier,
    interval,
    length,
    percent,
    period,
    points,
    points_interval,
    quoted,
    wait,
    wait_shift,
)
from reports.words.subtitles import shown_count


@dataclass(frozen=True)
class ValueCard:
    """One key number at the top of a page: its name, its base and its change."""

    label: str
    value: str
    detail: str = ""
    change: str = ""


def value_cards(answers: Answers, settings: ReportSettings) -> tuple[ValueCard, ...]:
    """Started, converted, weakest step, time to the goal, its value, and the stage with the lowest satisfaction."""
    cards = [_started(answers, settings), _converted(answers, settings)]
    if answers.stages.height > 2:
        cards.append(_weakest(answers, settings))
    cards.append(_pace(answers, settings))
    if settings.value is not None:
        cards.append(_value(answers, settings))
    if answers.voice is not None and answers.voice["satisfied"].drop_nulls().len():
        cards.append(_satisfaction(answers, answers.voice, settings))
    return tuple(cards)


def _started(answers: Answers, settings: ReportSettings) -> ValueCard:
    first = answers.stages.row(0, named=True)
    change = ""
    row = _changes_of(answers, 1)
    if row and row["earlier_entered"] and row["later_entered"]:
        later, earlier = row["later_entered"], row["earlier_entered"]
        low, high = (end / (1 - end) for end in share_interval(later, later + earlier))
        difference = compared(later / earlier), compared_interval(low, high)
        change = _change("Begun", newest_period(answers, settings), settings, difference, clear=low > 1 or high < 1)
    journeys = shown_count(answers.facts.journeys, settings)
    detail = f"of {journeys} in all; the others are younger, or direct"
    return ValueCard("Mature journeys", shown_count(first["entered"], settings), detail, change)


def _converted(answers: Answers, settings: ReportSettings) -> ValueCard:
    last = answers.stages.row(-1, named=True)
    label = f"Reach {quoted(answers.goal)}"
    if last["share_of_entered"] is None:
        return ValueCard(label, shown_count(last["reached"], settings), _why_not(last, settings))
    ends = interval(last["share_of_entered_low"], last["share_of_entered_high"])
    detail = f"{count(last['reached'])} journeys, within {length(answers.window)} (95 %: {ends})"
    return ValueCard(
        label, percent(last["share_of_entered"]), detail, _difference(answers, settings, last["step"], "entered")
    )


def _weakest(answers: Answers, settings: ReportSettings) -> ValueCard:
    rated = answers.stages.filter(pl.col("share_of_previous").is_not_null())
    if rated.is_empty():
        return ValueCard("Weakest step", "–", f"fewer than {settings.least} customers at every stage")
    row = rated.sort("share_of_previous").row(0, named=True)
    before = answers.stages.filter(pl.col("step") == row["step"] - 1).row(0, named=True)
    clear = weakest_step(answers.stages) == row["step"]
    return ValueCard(
        "Weakest step" if clear else "Lowest step, not clearly the weakest",
        percent(row["share_of_previous"]),
        f"{quoted(before['name'])} → {quoted(row['name'])} "
        f"(95 %: {interval(row['share_of_previous_low'], row['share_of_previous_high'])})",
        _difference(answers, settings, row["step"], "previous"),
    )


def _pace(answers: Answers, settings: ReportSettings) -> ValueCard:
    label = f"Median time to {quoted(answers.goal)}"
    pace = answers.pace
    if pace is None:
        return ValueCard(label, "–", f"fewer than {settings.least} journeys reached it")
    detail = (
        f"of {count(pace.journeys)} journeys, from their first touch; one in ten takes over {wait(pace.nine_in_ten)}"
    )
    shift, change = answers.pace_shift, ""
    if shift is not None:
        difference = f"{wait_shift(shift.difference)} against", f"{wait_shift(shift.low)} to {wait_shift(shift.high)}"
        clear = shift.low > 0 or shift.high < 0
        change = _change("Begun", newest_period(answers, settings), settings, difference, clear=clear)
    return ValueCard(label, wait(pace.median), detail, change)


def _value(answers: Answers, settings: ReportSettings) -> ValueCard:
    """The value of the goals in the window, and what returns leave of it."""
    last, unit = answers.stages.row(-1, named=True), f" {answers.currency}" if answers.currency else ""
    label = f"Value of {quoted(answers.goal)}"
    if last["value"] is None:
        few = last["reached"] is None
        why = _why_not(last, settings) if few else "one customer brings more than half of it: withheld"
        return ValueCard(label, "–", why)
    detail = f"of {count(last['reached'])} journeys that reached it within {length(answers.window)}"
    if last.get("net_value") is not None:
        detail += f"; {count(last['net_value'])}{unit} after {count(last['returns'])} returns"
    left_out = last.get("value_left_out", 0)
    if left_out != 0:
        many = f"fewer than {settings.k}" if left_out is None else count(left_out)
        detail += f"; {many} amounts cannot be converted and are left out"
    return ValueCard(label, f"{count(last['value'])}{unit}", detail)


def _satisfaction(answers: Answers, voice: pl.DataFrame, settings: ReportSettings) -> ValueCard:
    rated = voice.filter(pl.col("satisfied").is_not_null()).sort("satisfied")
    row = rated.row(0, named=True)
    clear = rated.height > 1 and row["high"] < rated["low"][1:].min()
    detail = (
        f"gave 4 or 5 of 5, {'clearly the lowest' if clear else 'lowest'} of {rated.height} stages; "
        f"{count(row['responses'])} answers (95 %: {interval(row['low'], row['high'])})"
    )
    shift, change = answers.voice_shifts.get(row["stage"]), ""
    if shift is not None:
        difference = f"{points(shift.difference)} against", points_interval(shift.low, shift.high)
        end = answers.facts.end_of_data
        when = _days(earlier(end, duration(settings.compare)), end)
        change = _change("Answers", when, settings, difference, clear=shift.low > 0 or shift.high < 0)
    return ValueCard(f"Satisfied at {quoted(row['stage'])}", percent(row["satisfied"]), detail, change)


def _changes_of(answers: Answers, step: int) -> dict[str, Any] | None:
    if answers.changes is None:
        return None
    rows = answers.changes.filter(pl.col("step") == step)
    return None if rows.is_empty() else rows.row(0, named=True)


def _difference(answers: Answers, settings: ReportSettings, step: int, of: str) -> str:
    row = _changes_of(answers, step)
    if row is None or row[f"{of}_difference"] is None:
        return ""
    low, high = row[f"{of}_low"], row[f"{of}_high"]
    difference = f"{points(row[f'{of}_difference'])} against", points_interval(low, high)
    return _change("Begun", newest_period(answers, settings), settings, difference, clear=low > 0 or high < 0)


def _change(what: str, when: str, settings: ReportSettings, difference: tuple[str, str], *, clear: bool) -> str:
    """The text of a change between two periods, with its interval."""
    size, ends = difference
    before = f"{size} the {length(settings.compare)} before"
    return f"{what} {when}: {before} (95 %: {ends}{'' if clear else ', not clear'})"


def newest_period(answers: Answers, settings: ReportSettings) -> str:
    """The newer of the two compared periods in which journeys began."""
    end = earlier(answers.facts.end_of_data, answers.window)
    return _days(earlier(end, duration(settings.compare)), end)


def _days(start: datetime, end: datetime) -> str:
    """The days of a period; its first and last day are included if most of the day lies within it."""
    half = min(timedelta(hours=12), (end.astimezone(UTC) - start.astimezone(UTC)) / 2)
    return period(earlier(start, -half), earlier(end, half))


def _why_not(row: dict[str, Any], settings: ReportSettings) -> str:
    if row["reached"] is None:
        return f"fewer than {settings.k} customers in a cell: withheld"
    return f"a rate needs at least {settings.least} customers"
