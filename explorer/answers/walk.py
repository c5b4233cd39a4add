"""A walk from touch to touch: what comes after the steps so far, and what came before them."""

from __future__ import annotations

from typing import Any, Final

from analytics import Funnel, Paths
from expectations.errors import DefinitionError
from explorer.answers.elsewhere import elsewhere
from explorer.answers.funnel import listed, unit_of, with_bars, without_groups
from explorer.answers.left_out import entrants, left_out, met_of
from explorer.answers.next_words import words_after, words_before
from explorer.kind import Kind
from explorer.question import Question
from explorer.source import Source
from explorer.vocabulary import Vocabulary
from reports.words.numbers import count, length, shown_name

MOST_WORDS: Final = 12
"""Touchpoints of a column: those that come next to the step most often, in the paths of most customers."""


def walk_answer(source: Source, vocabulary: Vocabulary, paths: Paths, question: Question) -> dict[str, Any]:
    """The answer as JSON: the words after the steps and before them, and the funnel of the steps, to copy.

    Raises `DefinitionError` as the command `journeys funnel` does.
    """
    if question.order == "unordered":
        raise DefinitionError(
            "A walk goes from touch to touch.", expected="order strict or ordered", found="order unordered"
        )
    question = without_groups(question)
    bound, definition = source.bind(paths, question.steps, question.options)
    answer, bars = with_bars(source, vocabulary, bound, definition, question)
    written = elsewhere(source, question)
    if entrants(answer) == 0:
        return {"state": "nobody", "entered": bars, "elsewhere": written, "rows": answer.to_dicts()}
    first, last = definition.steps[0], definition.steps[-1]
    after = words_after(source, bound, question, vocabulary.near(last.any_of, MOST_WORDS, before=False))
    earlier = vocabulary.near(first.any_of, MOST_WORDS, before=True)
    before = _touchpoints(words_before(source, bound, question, earlier))
    ahead = _touchpoints(after["next"])
    return {
        "said": _sentence(definition, ahead, after, source.report.least),
        "lines": _lines(definition, ahead, before, after, source.report.least),
        "few": after["here"] < source.report.least,
        **after,
        "next": ahead,
        "before": before,
        "left_out": left_out(question, definition, vocabulary.customers, answer, met_of(source, bound, question)),
        "entered": bars,
        "elsewhere": written,
        "rows": answer.to_dicts(),
    }


def _touchpoints(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The touchpoints that somebody has there, those of most first."""
    there = [row for row in rows if row["on"] == "touchpoint" and row["reached"]]
    return sorted(there, key=lambda row: -row["reached"])


def _sentence(definition: Funnel, ahead: list[dict[str, Any]], after: dict[str, Any], least: int) -> str:
    """Where most go on to; a count where too few are there for a rate."""
    unit, names = unit_of(definition), listed([shown_name(step.name) for step in definition.steps])
    if not after["here"]:
        return f"Nobody gets as far as {shown_name(definition.steps[-1].name)} within {length(definition.window)}"
    if not ahead:
        return f"After {names}, no touch comes within {length(definition.window)}"
    top = ahead[0]
    counted = f"{top['text']} of {count(top['of'])}" if top["of"] >= least else f"{top['reached']} of {top['of']}"
    units, go = (unit, "go") if top["of"] != 1 else (unit.removesuffix("s"), "goes")
    directly = " directly" if definition.order == "strict" else ""
    return f"After {names}, {counted} {units} {go}{directly} to {shown_name(top['word'])}"


def _lines(
    definition: Funnel, ahead: list[dict[str, Any]], before: list[dict[str, Any]], after: dict[str, Any], least: int
) -> list[str]:
    """How sure the sentence is, who has no more touch, and where most came from."""
    if after["here"] < least:
        return []
    lines = [f"95 % interval {ahead[0]['interval']}."] if ahead else []
    lines.append(f"{after['done']['text']} have no more touch within {length(definition.window)}.")
    if before and before[0]["share"] is not None:
        directly = " directly" if definition.order == "strict" else ""
        lines.append(f"Most came{directly} from {shown_name(before[0]['word'])}: {before[0]['text']}.")
    return lines


WALK: Final = Kind(
    "Walk",
    walk_answer,
    "Next is {order}, within {window} of the first, counting {count}. {exclude} in between ends the attempt.",
    {
        "order": (
            ("strict", "the very next touch", "Nothing else in between"),
            ("ordered", "any later touch", "Other touches may come in between"),
        )
    },
)
