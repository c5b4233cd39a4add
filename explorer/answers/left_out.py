"""Who is not in the rates, and why, as a sum that adds up from the customers of the lake to those who are counted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import polars as pl

from analytics import Funnel, Paths, StepText, answer_all, funnel
from explorer.question import Question
from explorer.source import Source
from reports.words.numbers import count, length, shown_name


def entrants(answer: pl.DataFrame) -> int:
    """Those who enter a funnel, whether their window is over or not."""
    first = answer.filter("is_total", step=1).row(0, named=True)
    return int(first["entered"] + first["open"])


def met_of(source: Source, paths: Paths, question: Question) -> dict[str, int]:
    """Those who enter wider questions about customers: `met`, of all time, and `bare`, also without what step 1 must
    meet.

    Only the steps that an entrant can begin with are asked.
    """
    if question.count != "customers" or question.attribution.startswith("every"):
        return {}
    everyone = {"start": None, "end": None, "exclude": (), "by": (), "attribution": "at_entry"}
    steps = question.texts if question.order == "unordered" else question.texts[:1]
    rules = question.options | everyone
    met = source.bind(paths, [str(step) for step in steps], rules)[1]
    bare = [str(StepText(step.any_of, step.on)) for step in steps]
    wider = {"met": met, "bare": source.bind(paths, bare, rules | {"segment": (), "same": ()})[1]}
    found = answer_all(paths, {key: partial(funnel, definition=one) for key, one in wider.items()})
    return {key: entrants(source.told(answer)) for key, answer in found.items()}


def left_out(
    question: Question, definition: Funnel, customers: int, answer: pl.DataFrame, wider: Mapping[str, int]
) -> list[dict[str, Any]]:
    """The rows of the sum: how many, what they are, and their kind (`all`, `out`, `open` or `in`).

    `wider` are those who enter the wider questions (`met_of`).
    """
    first = answer.filter("is_total", step=1).row(0, named=True)
    window = length(definition.window)
    ending = [
        sum_row(first["open"], f"still within {window}: open, not counted as lost", "open"),
        sum_row(first["entered"], "in the rates above", "in"),
    ]
    if not wider:
        return [sum_row(entrants(answer), "begin", "all"), *ending]
    bare, met = wider["bare"], wider["met"]
    names = " or ".join(shown_name(step.name) for step in definition.steps[: None if _any_order(question) else 1])
    rows = [sum_row(customers, "in the lake", "all"), sum_row(customers - bare, f"never at {names}", "out")]
    if bare > met or question.segment or question.same or any(text.where for text in question.texts[:1]):
        what = "not in this segment there" if question.segment else "never under these conditions"
        rows.append(sum_row(bare - met, what, "out"))
    if met > entrants(answer) or question.start or question.end:
        rows.append(sum_row(met - entrants(answer), "entered outside the period", "out"))
    return [*rows, *ending]


def _any_order(question: Question) -> bool:
    return question.order == "unordered"


def sum_row(number: int, what: str, kind: str) -> dict[str, Any]:
    """A row of the sum."""
    return {"count": number, "text": count(number), "what": what, "kind": kind}
