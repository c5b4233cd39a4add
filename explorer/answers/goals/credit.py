"""Who earns the credit for a goal: the touches before it, by one model, beside others."""

from __future__ import annotations

from typing import Any, Final, cast

import polars as pl

from analytics import Attribution, Goal, Model, Paths, attribution
from expectations.errors import DefinitionError, nearest
from explorer.answers.cards import ranges, table
from explorer.answers.elsewhere import credit_elsewhere
from explorer.answers.funnel import bars_of
from explorer.answers.goals.routes import goal_asked
from explorer.answers.left_out import sum_row
from explorer.kind import Kind, columns_of, goals_of
from explorer.question import Question
from explorer.source import Source
from explorer.vocabulary import Vocabulary
from reports.words.numbers import channel_name, count, interval, length, percent, shown_name

BESIDE: Final[tuple[Model, ...]] = ("last", "linear", "markov")
"""The models that stand beside the chosen one."""
MODELS: Final = (
    ("markov", "a Markov chain", "What would be lost without it, in a chain of what comes next"),
    ("last", "the last touch", "All to the last touch before the goal"),
    ("first", "the first touch", "All to the first touch within the time"),
    ("linear", "equal shares", "All touches alike"),
    ("position", "first and last most", "40 % each, 20 % to those in between"),
    ("time_decay", "time", "Half as much for every 7 days before the goal"),
    ("shapley", "equal shares of distinct ones", "Each that is on the path alike"),
    ("participation", "taking part", "All of it to each on the path: adds up to more"),
)
NAMES: Final = {value: text for value, text, _ in MODELS}
SENTENCE: Final = (
    "Credit shares out what happened. It does not say what would have happened without it; an experiment does."
)


def credit_answer(source: Source, vocabulary: Vocabulary, paths: Paths, question: Question) -> dict[str, Any]:
    """The answer as JSON. Raises `DefinitionError` as the command `journeys attribution` does."""
    goal, report = goal_asked(source, question), source.report
    paths, question = paths.require_touches(), question.in_zone(report.zone)
    known = ("channel", *source.columns)
    if question.on not in known or question.on not in paths.dictionaries:
        raise DefinitionError(
            f"The column {question.on!r} earns no credit.",
            expected=f"a column of text among {', '.join(name for name in known if name in paths.dictionaries)}",
            do=nearest(question.on, known) or "name it under context of [paths], and run journeys stitch",
        )
    models = _models(question.model)
    top = report.values_per_segment if len(paths.values_of(question.on)) > report.values_per_segment else None
    definition = Attribution(goal, on=question.on, models=models, lookback=question.window, top=top)
    found = attribution(paths, definition, start=question.start, end=question.end)
    rows = found.to_dicts()
    name, on = shown_name(goal.name), report.name_of(question.on).lower()
    frame = {
        "entered": bars_of(source, vocabulary, _reached_at(paths, goal)),
        "elsewhere": credit_elsewhere(source, question, goal, models, top),
        "rows": rows,
        "unit": "goals",
    }
    own = [row for row in rows if row["model"] == question.model]
    if not own or not own[0]["conversions"]:
        return frame | {"said": f"Nobody has {name}", "lines": [], "few": False, "cards": []}
    whole, best = (
        own[0],
        max((row for row in own if row["credited"] is not None), key=lambda row: row["credit"], default=None),
    )
    few = not whole["enough"]
    return frame | {
        "said": _sentence(name, on, whole, best, question, few=few),
        "lines": _lines(rows, whole, best, question, few=few),
        "few": few,
        "cards": [
            _drawn(source, question, name, on, own, few=few),
            _table(rows, own, models, on, source.report.k),
        ],
        "left_out": _left_out(own, whole, question, on),
    }


def _reached_at(paths: Paths, goal: Goal) -> pl.Series:
    """When each touch of a goal came."""
    is_one = pl.col("touchpoint").cast(pl.String).is_in(goal.touchpoints)
    stages = ["stage"] if "stage" in paths.schema else []
    if stages:
        is_one |= pl.col("stage").cast(pl.String).is_in(goal.stages)
    parts = paths.each(lambda part, _: paths.read(part, ["at", "touchpoint", *stages]).filter(is_one)["at"])
    return pl.concat([pl.Series("at", [], pl.Datetime("us", "UTC")), *parts])


def _models(chosen: str) -> list[Model]:
    """The chosen model, then those beside it. Raises `DefinitionError` for one that there is not."""
    if chosen not in NAMES:
        raise DefinitionError(
            f"There is no model {chosen!r}.", expected=f"one of {', '.join(NAMES)}", do=nearest(chosen, NAMES)
        )
    return list(dict.fromkeys([cast(Model, chosen), *BESIDE]))


def _by(question: Question) -> str:
    return NAMES[question.model]


def _sentence(
    name: str, on: str, whole: dict[str, Any], best: dict[str, Any] | None, question: Question, *, few: bool
) -> str:
    """Who earns most; counts where too few have the goal for a share."""
    goals = whole["conversions"]
    if best is None or not best["credit"]:
        return f"No {on} is known before {count(goals)} goals of {name}"
    verb = "takes part in" if question.model == "participation" else "earns"
    who = shown_name(best["credited"])
    much = f"{best['credit']:.1f} of {goals}" if few else f"{percent(best['share'])} of {count(goals)}"
    how = "" if question.model == "participation" else f", by {_by(question)}"
    return f"{who[:1].upper()}{who[1:]} {verb} {much} goals of {name}{how}"


def _lines(
    rows: list[dict[str, Any]], whole: dict[str, Any], best: dict[str, Any] | None, question: Question, *, few: bool
) -> list[str]:
    if few or best is None:
        return [SENTENCE]
    low, high = best["credit_low"], best["credit_high"]
    lines = (
        [] if low is None else [f"95 % interval {interval(low / whole['conversions'], high / whole['conversions'])}."]
    )
    others = {
        row["model"]: row for row in rows if row["credited"] == best["credited"] and row["model"] != question.model
    }
    beside = ", ".join(f"{percent(row['share'])} by {NAMES[model]}" for model, row in others.items())
    lines += [f"{shown_name(best['credited'])} has {beside}."] if beside else []
    if whole["truncated"]:
        lines.append(
            f"{count(whole['truncated'])} goals lie less than {length(question.window)} after the data begin, and may "
            "have lost touches."
        )
    return [*lines, SENTENCE]


def _drawn(
    source: Source, question: Question, name: str, on: str, own: list[dict[str, Any]], *, few: bool
) -> dict[str, Any]:
    goals = own[0]["conversions"]

    def of_all(number: float | None) -> float | None:
        return None if number is None else number / goals

    top = max([0.05, *(of_all(row["credit_high"]) or row["share"] or 0 for row in own)])
    rows = [
        {
            "name": channel_name(row["credited"]),
            "at": None if few else row["share"],
            "low": of_all(row["credit_low"]),
            "high": of_all(row["credit_high"]),
            "other": None,
            "clear": None,
            "said": f"{channel_name(row['credited'])}: {percent(row['share'])}",
            "texts": [_credit(row, source.report.k), percent(row["share"]) if not few else "too few"],
        }
        for row in own
        if row["credited"] is not None or row["credit"]
    ]
    sub = (
        f"Share of the goals that each {on} earns, by {_by(question)}, with its 95 % interval. Touches up to "
        f"{length(question.window)} before the goal, after the goal before."
    )
    return ranges(f"Credit for {name}", sub, [on, "goals", "share"], rows, (0.0, top * 1.05))


def _credit(row: dict[str, Any], k: int) -> str:
    return f"{row['credit']:,.1f}" + (" ○" if 0 < row["credit"] < k else "")


def _table(
    rows: list[dict[str, Any]], own: list[dict[str, Any]], models: list[Model], on: str, k: int
) -> dict[str, Any]:
    cells = {(row["model"], row["credited"]): row for row in rows}
    table_rows = [
        [(channel_name(row["credited"]), ""), *((_credit(cells[model, row["credited"]], k), "") for model in models)]
        for row in own
    ]
    return table([on, *(f"by {NAMES[model]}" for model in models)], table_rows, [])


def _left_out(own: list[dict[str, Any]], whole: dict[str, Any], question: Question, on: str) -> list[dict[str, Any]]:
    """The goals down to those that somebody earns."""
    without = round(sum(row["credit"] for row in own if row["credited"] is None))
    goals = whole["conversions"]
    return [
        sum_row(goals, "goals", "all"),
        sum_row(without, f"no touch with a value of {on} in the {length(question.window)} before", "out"),
        sum_row(goals - without, "shared out above", "in"),
    ]


CREDIT: Final = Kind(
    "Attribution",
    credit_answer,
    "Who earns {goal}: each {on} of the touches up to {window} before it, by {model}.",
    {"goal": goals_of, "on": columns_of("channel"), "model": MODELS},
    ("entered",),
    "goals",
)
