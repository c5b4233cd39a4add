"""The answer to a funnel: its sentence, the steps, the groups, who was left out, and when they entered."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal

import polars as pl

from analytics import Funnel, Paths, funnel, trend
from explorer.answers.elsewhere import elsewhere
from explorer.answers.groups import groups_of
from explorer.answers.left_out import entrants, left_out, met_of
from explorer.kind import Kind
from explorer.question import Question
from explorer.source import Source
from explorer.vocabulary import Vocabulary
from reports.words.numbers import count, day, interval, length, percent, shown_name, wait

UNITS: Final = {"entries": "attempts"}
"""How what is counted is called, where not by its own name."""
MOST_WEEKS: Final = 26
"""Weeks of entry that are drawn; of more, months are."""
WORDS_IN_SENTENCE: Final = 3


def funnel_answer(source: Source, vocabulary: Vocabulary, paths: Paths, question: Question) -> dict[str, Any]:
    """The answer as JSON. Raises `DefinitionError` as the command `journeys funnel` does."""
    paths, definition = source.bind(paths, question.steps, question.options)
    exact, bars = with_bars(source, vocabulary, paths, definition, question)
    answer = source.told(exact)
    totals = answer.filter("is_total").sort("step").to_dicts()
    written = elsewhere(source, question)
    if entrants(answer) == 0:
        return {"state": "nobody", "entered": bars, "elsewhere": written, "rows": answer.to_dicts()}
    wider = met_of(source, paths, question)
    shown, groups = groups_of(source, question, definition, exact)
    return {
        "said": _sentence(definition, totals, source.report.least, source.fewest),
        "lines": _lines(totals),
        "few": len(totals) > 1 and totals[0]["entered"] < source.report.least,
        "steps": _steps(totals, source.report.k),
        "groups": groups,
        "left_out": left_out(question, definition, vocabulary.customers, answer, wider),
        "entered": bars,
        "elsewhere": written,
        "rows": shown.to_dicts(),
    }


def without_groups(question: Question) -> Question:
    """The question without its breakdown."""
    return question.model_copy(update={"by": (), "attribution": "at_entry"})


def with_bars(
    source: Source, vocabulary: Vocabulary, paths: Paths, definition: Funnel, question: Question
) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """The answer to a funnel, and those who enter by week, or of a long time by month, whatever period it asks."""
    rules = without_groups(question).options | {"start": None, "end": None}
    entered = source.bind(paths, question.steps, rules)[1]
    if entered.order != "unordered" and not entered.same:
        entered = replace(entered, steps=entered.steps[:1], exclude=())  # later steps say nothing of who enters
    in_weeks = source.is_shared or _weeks(vocabulary) <= MOST_WEEKS
    period: Literal["week", "month"] = "week" if in_weeks else "month"
    by_period = trend(paths, entered, period=period, timezone=source.report.timezone, to_step=1)
    return funnel(paths, definition), _bars(source.told(by_period), period)


def bars_of(source: Source, vocabulary: Vocabulary, times: pl.Series) -> list[dict[str, Any]]:
    """How many of these times lie in each week, or of a long time in each month; none is open."""
    period: Literal["week", "month"] = "week" if _weeks(vocabulary) <= MOST_WEEKS else "month"
    every = {"week": "1w", "month": "1mo"}[period]
    begun = times.dt.convert_time_zone(source.report.timezone).dt.truncate(every).alias("period")
    counted = begun.to_frame().group_by("period").agg(entered=pl.len().cast(pl.Int64))
    if counted.is_empty():
        return []
    first, last = pl.col("period").min(), pl.col("period").max()
    every_period = counted.select(period=pl.datetime_range(first, last, every))
    filled = every_period.join(counted, on="period", how="left").with_columns(pl.col("entered").fill_null(0))
    return _bars(filled.with_columns(open=pl.lit(0), is_total=pl.lit(value=True)), period)


def unit_of(definition: Funnel) -> str:
    """What is counted, in the plural."""
    return UNITS.get(definition.count, definition.count)


def _sentence(definition: Funnel, totals: list[dict[str, Any]], least: int, fewest: int) -> str:
    """The answer in one sentence; a count where too few entered for a rate, none of fewer than `fewest`."""
    entered, reached = totals[0]["entered"], totals[-1]["reached"]
    unit = unit_of(definition) if entered != 1 else unit_of(definition).removesuffix("s")
    names = [shown_name(step.name) for step in definition.steps]
    if len(names) == 1:
        return f"{count(entered)} {unit} {'have' if entered != 1 else 'has'} {names[0]}"
    counted = f"{percent(reached / entered)} of {count(entered)}" if entered >= least else f"{reached} of {entered}"
    if reached < fewest:
        counted = f"Fewer than {fewest} of {count(entered)}"
    window = length(definition.window)
    if definition.order == "unordered":
        return f"{counted} {unit} do {listed(names)} within {window}, in any order"
    go = "go" if entered != 1 else "goes"
    return f"{counted} {unit} {go} from {names[0]} to {names[-1]} within {window}"


def listed(names: list[str]) -> str:
    """Names in a sentence.

    >>> listed(["A"]), listed(["A", "B", "C"]), listed(["A", "B", "C", "D", "E"])
    ('A', 'A, B and C', 'A, B, C and 2 more')
    """
    if len(names) == 1:
        return names[0]
    shown, rest = names[:WORDS_IN_SENTENCE], len(names) - WORDS_IN_SENTENCE
    if rest > 0:
        return f"{', '.join(shown)} and {rest} more"
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def _lines(totals: list[dict[str, Any]]) -> list[str]:
    """What stands below the sentence: how sure it is, and where fewest go on."""
    last, rated = totals[-1], [row for row in totals[1:] if row["enough"] and row["share_of_previous"] is not None]
    lines = []
    if len(totals) > 1 and last["share_of_entered_low"] is not None:
        lines.append(f"95 % interval {interval(last['share_of_entered_low'], last['share_of_entered_high'])}.")
    if len(rated) > 1:
        weak = min(rated, key=lambda row: row["share_of_previous"])
        lines.append(f"Fewest go on to {shown_name(weak['name'])}: {percent(weak['share_of_previous'])}.")
    return lines


def _steps(totals: list[dict[str, Any]], k: int) -> list[dict[str, Any]]:
    """The rows of the steps: shares to draw, and their numbers as text."""
    rated = [row for row in totals[1:] if row["share_of_previous"] is not None]
    weak = min(rated, key=lambda row: row["share_of_previous"])["step"] if len(rated) > 1 else 0
    return [
        {
            "name": shown_name(row["name"]),
            "share": row["share_of_entered"] or (1.0 if row["step"] == 1 else 0.0),
            "low": row["share_of_entered_low"],
            "high": row["share_of_entered_high"],
            "is_weakest": row["step"] == weak,
            "is_small": 0 < row["reached"] < k,
            "reached": count(row["reached"]),
            "lost": count(row["dropped"]) if row["step"] > 1 and row["dropped"] else "",
            "of_entered": percent(row["share_of_entered"] if row["step"] > 1 else 1.0),
            "of_entered_interval": interval(row["share_of_entered_low"], row["share_of_entered_high"]),
            "of_previous": percent(row["share_of_previous"]),
            "of_previous_interval": interval(row["share_of_previous_low"], row["share_of_previous_high"]),
            "median": wait(row["median_wait"]),
            "p90": wait(row["p90_wait"]),
            "open": count(row["open"]),
        }
        for row in totals
    ]


def _bars(entered: pl.DataFrame, period: Literal["week", "month"]) -> list[dict[str, Any]]:
    """Those who enter by week or month, and whether some of them still have time; `last` is its last day."""
    rows = entered.filter("is_total").sort("period").to_dicts()
    starts = [row["period"] for row in rows]
    ends = [*starts[1:], None]
    return [
        {
            "start": row["period"].date().isoformat(),
            "end": (end or _after(row["period"], period)).date().isoformat(),
            "count": row["entered"] + row["open"],
            "is_open": row["open"] > 0,
            "said": f"{'Week' if period == 'week' else 'Month'} of {day(row['period'])}: "
            f"{count(row['entered'] + row['open'])}",
        }
        for row, end in zip(rows, ends, strict=True)
    ]


def _after(start: datetime, period: Literal["week", "month"]) -> datetime:
    """The first day after a week or a month, as a local day."""
    local = pl.Series([start.replace(tzinfo=None)]).dt.offset_by("1w" if period == "week" else "1mo")
    found: datetime = local.item()
    return found


def _weeks(vocabulary: Vocabulary) -> float:
    """How many weeks the touches span."""
    if vocabulary.first_at is None or vocabulary.end is None:
        return 0
    return (vocabulary.end - vocabulary.first_at).days / 7


FUNNEL: Final = Kind(
    "Funnel",
    funnel_answer,
    "{order}, within {window} of step 1, counting {count}. {exclude} in between ends the attempt.",
    parts=("steps", "by", "only", "entered"),
)
