"""Who comes back: cohorts by the period of step 1, and which share of each returns in later periods."""

from __future__ import annotations

from typing import Any, Final

from analytics import Paths, retention
from expectations.errors import DefinitionError
from explorer.answers.cards import grid, table
from explorer.answers.elsewhere import retention_elsewhere
from explorer.answers.left_out import met_of, sum_row
from explorer.kind import PERIODS, Kind
from explorer.question import ANYTHING, Question
from explorer.source import Source
from explorer.vocabulary import Vocabulary
from reports.words.numbers import count, day, interval, percent, shown_name

SHOWN: Final = 14
"""Cohorts that are drawn, the newest."""


def retention_answer(source: Source, vocabulary: Vocabulary, paths: Paths, question: Question) -> dict[str, Any]:
    """The answer as JSON: step 1 makes the cohort, the last step is the return, any touch where there is one step.

    Raises `DefinitionError` as the command `journeys retention` does, and for steps in between.
    """
    if len(question.steps) > 2:
        raise DefinitionError(
            "Retention has a first step and a return.",
            expected="one step or two",
            found=f"{len(question.steps)} steps",
            do="remove the steps in between",
        )
    question = question.model_copy(update={"start": None, "end": None, "count": "customers", "exclude": ()})
    steps = question.steps if len(question.steps) > 1 else [*question.steps, ANYTHING]
    bound, definition = source.bind(paths, steps, {"segment": question.segment})
    start, returning = definition.steps
    asked: dict[str, Any] = {"period": question.period, "periods": question.periods, "returns": question.returns}
    found = retention(bound, start, returning, timezone=source.report.timezone, **asked)
    rows = found.to_dicts()
    written = retention_elsewhere(source, question, steps, asked)
    frame = {"entered": [], "elsewhere": written, "rows": rows}
    totals = [row for row in rows if row["is_total"]]
    if not totals:
        return frame | {
            "said": f"No {question.period} after a first {shown_name(start.name)} is over",
            "lines": [],
            "few": False,
            "cards": [],
        }
    least, first = source.report.least, totals[0]
    back = "come back" if returning.any_of == (ANYTHING,) else f"come back with {shown_name(returning.name)}"
    return frame | {
        "said": _sentence(question, totals, back, least),
        "lines": _lines(question, totals, least),
        "few": first["eligible"] < least,
        "cards": [
            _grid(source, question, rows, shown_name(start.name), back),
            _table(question, totals, source.report.k),
        ],
        "left_out": _left_out(
            question, vocabulary.customers, met_of(source, bound, question), first, shown_name(start.name)
        ),
    }


def _when(question: Question, after: int) -> str:
    """A period after the cohort's, in a sentence."""
    since = "or later" if question.returns == "on_or_after" else ""
    return f"in {question.period} {after}{' ' if since else ''}{since}"


def _sentence(question: Question, totals: list[dict[str, Any]], back: str, least: int) -> str:
    """The share that comes back in the first period, and in a later one; counts where too few are known for a rate."""
    first, later = totals[0], totals[min(3, len(totals) - 1)]
    if first["eligible"] < least:
        return f"{first['returned']} of {first['eligible']} customers {back} {_when(question, first['after'])}"
    said = f"{percent(first['share'])} of {count(first['eligible'])} customers {back} {_when(question, first['after'])}"
    if later is first or later["eligible"] < least:
        return said
    return f"{said}, {percent(later['share'])} {_when(question, later['after'])}"


def _lines(question: Question, totals: list[dict[str, Any]], least: int) -> list[str]:
    first = totals[0]
    if first["eligible"] < least:
        return []
    return [
        f"95 % interval {interval(first['share_low'], first['share_high'])}.",
        f"{count(first['cohorts'])} cohorts; a later {question.period} counts those alone for whom it is over.",
    ]


def _grid(source: Source, question: Question, rows: list[dict[str, Any]], start: str, back: str) -> dict[str, Any]:
    """All cohorts together, then the newest, with a share for every period that is over."""
    afters = sorted({row["after"] for row in rows})
    cohorts = sorted({row["cohort"] for row in rows if not row["is_total"]})[-SHOWN:]
    lines = [("All", None), *((day(cohort), cohort) for cohort in cohorts)]
    least, drawn = source.report.least, []
    for name, cohort in lines:
        own = {row["after"]: row for row in rows if row["cohort"] == cohort and row["is_total"] == (cohort is None)}
        size = max(row["size"] for row in own.values())
        cells = [_cell(question, name, own.get(after), least) for after in afters]
        drawn.append({"name": name, "size": count(size), "cells": cells})
    known = len({row["cohort"] for row in rows if not row["is_total"]})
    newest = f" The newest {SHOWN} of {known} cohorts." if known > SHOWN else ""
    sub = (
        f"Customers by the {question.period} of their first {start}; share that {back.replace('come', 'comes')}, in "
        f"percent. Blank: not over; ·: fewer than {least}.{newest}"
    )
    return grid(f"{question.period.capitalize()} by {question.period}", sub, list(map(str, afters)), drawn)


def _cell(question: Question, name: str, row: dict[str, Any] | None, least: int) -> dict[str, Any] | None:
    """A cell: its share to draw, or none where it is of few; None where no member has been seen for long enough."""
    if row is None:
        return None
    said = f"{name}, {_when(question, row['after'])}: {row['returned']} of {row['eligible']}"
    if row["eligible"] < least:
        return {"share": None, "text": "·", "said": said}
    said += f", {percent(row['share'])} ({interval(row['share_low'], row['share_high'])})"
    return {"share": row["share"], "text": f"{100 * row['share']:.0f}", "said": said}


def _table(question: Question, totals: list[dict[str, Any]], k: int) -> dict[str, Any]:
    cells = [
        [
            (str(row["after"]), ""),
            (count(row["cohorts"]), "quiet"),
            (count(row["eligible"]), ""),
            (count(row["returned"]) + (" ○" if 0 < row["returned"] < k else ""), ""),
            (percent(row["share"]), ""),
            (interval(row["share_low"], row["share_high"]), "quiet"),
        ]
        for row in totals
    ]
    return table([f"{question.period} after", "cohorts", "customers", "came back", "share", "95 %"], cells, [1, 5])


def _left_out(
    question: Question, customers: int, met: dict[str, int], first: dict[str, Any], start: str
) -> list[dict[str, Any]]:
    """The customers of the lake down to those whose first period after is over."""
    rows = [sum_row(customers, "in the lake", "all")]
    rows.append(sum_row(customers - met["bare"], f"never at {start}", "out"))
    if question.segment or met["bare"] > met["met"]:
        rows.append(sum_row(met["bare"] - met["met"], "never under these conditions", "out"))
    over = f"whose first {question.period} after is not over: open"
    rows.append(sum_row(met["met"] - first["eligible"], over, "open"))
    return [*rows, sum_row(first["eligible"], f"in the rate of the first {question.period} above", "in")]


RETENTION: Final = Kind(
    "Retention",
    retention_answer,
    "Customers by the {period} of their first step 1; they come back {returns} a later one, with the last step, or "
    "any touch.",
    {
        "period": PERIODS,
        "returns": (
            ("on", "in", "The share with a return in that very period"),
            ("on_or_after", "in or after", "The share with a return in it or later"),
        ),
    },
    ("steps", "only"),
)
