"""The few numbers on top of the report, each with what it is of and how it has changed.

A change is told with its interval; it is left out where the periods do not hold enough customers. A count is not an
estimate and has no interval.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from reports.answers import Answers
from reports.formats import (
    compared,
    count,
    interval,
    length,
    percent,
    points,
    points_interval,
    quoted,
    wait,
)
from reports.headlines import weakest_step
from reports.parts import ValueCard
from reports.settings import ReportSettings
from reports.wording import told


def value_cards(answers: Answers, settings: ReportSettings) -> tuple[ValueCard, ...]:
    """Started, converted, weakest step, time to the goal, and the stage with the lowest satisfaction."""
    cards = [_started(answers, settings), _converted(answers, settings)]
    if answers.stages.height > 2:
        cards.append(_weakest(answers, settings))
    cards.append(_pace(answers, settings))
    if answers.voice is not None and answers.voice["satisfied"].drop_nulls().len():
        cards.append(_satisfaction(answers.voice))
    return tuple(cards)


def _started(answers: Answers, settings: ReportSettings) -> ValueCard:
    first = answers.stages.row(0, named=True)
    change = ""
    row = _changed(answers, 1)
    if row and row["earlier_entered"]:
        change = f"{compared(row['later_entered'], row['earlier_entered'])} {_before(settings)}"
    journeys, customers = told(answers.facts.journeys, settings), told(answers.facts.customers, settings)
    detail = f"{journeys} journeys of {customers} customers in all"
    return ValueCard("Customers who entered", told(first["entered"], settings), detail, change)


def _converted(answers: Answers, settings: ReportSettings) -> ValueCard:
    last = answers.stages.row(-1, named=True)
    label = f"Reached {quoted(answers.goal)}"
    if last["share_of_entered"] is None:
        return ValueCard(label, count(last["reached"]), _why_not(last, settings))
    ends = interval(last["share_of_entered_low"], last["share_of_entered_high"])
    detail = f"{count(last['reached'])} customers (95 %: {ends})"
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
    detail = f"from the first touch, of {count(pace.journeys)} journeys; one in ten takes over {wait(pace.nine_in_ten)}"
    return ValueCard(label, wait(pace.median), detail)


def _satisfaction(voice: pl.DataFrame) -> ValueCard:
    rated = voice.filter(pl.col("satisfied").is_not_null()).sort("satisfied")
    row = rated.row(0, named=True)
    clear = rated.height > 1 and row["high"] < rated["low"][1:].min()
    detail = (
        f"gave 4 or 5 of 5, {'clearly the lowest' if clear else 'lowest'} of {rated.height} stages; "
        f"{count(row['responses'])} answers (95 %: {interval(row['low'], row['high'])})"
    )
    return ValueCard(f"Satisfied at {quoted(row['stage'])}", percent(row["satisfied"]), detail)


def _changed(answers: Answers, step: int) -> dict[str, Any] | None:
    if answers.changes is None:
        return None
    rows = answers.changes.filter(pl.col("step") == step)
    return None if rows.is_empty() else rows.row(0, named=True)


def _difference(answers: Answers, settings: ReportSettings, step: int, of: str) -> str:
    row = _changed(answers, step)
    if row is None or row[f"{of}_difference"] is None:
        return ""
    ends = points_interval(row[f"{of}_low"], row[f"{of}_high"])
    sure = "" if row[f"{of}_low"] > 0 or row[f"{of}_high"] < 0 else ", not clear"
    return f"{points(row[f'{of}_difference'])} against {_before(settings)} (95 %: {ends}{sure})"


def _before(settings: ReportSettings) -> str:
    return f"the {length(settings.compare)} before"


def _why_not(row: dict[str, Any], settings: ReportSettings) -> str:
    if row["reached"] is None:
        return f"fewer than {settings.k} customers in a cell: withheld"
    return f"a rate needs at least {settings.least} customers"
