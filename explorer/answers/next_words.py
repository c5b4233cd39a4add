"""Who goes on to each word after the steps so far, and who came from each word before them.

Both are funnels with one step more, so what is clicked is answered by the numbers that stood beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from analytics import Paths, Step, funnel_neighbours, wilson
from explorer.kind import Kind
from explorer.question import ANYTHING, Question
from explorer.source import Source
from explorer.vocabulary import Vocabulary, Word
from reports.words.numbers import count, interval, percent, wait

MOST_WORDS: Final = 40
"""Words that are asked, those of most customers."""


def next_words(source: Source, vocabulary: Vocabulary, paths: Paths, question: Question) -> dict[str, Any]:
    """Who goes on to the words of most customers: what a picker of words shows."""
    words = sorted(vocabulary.words, key=lambda word: -word.customers)[:MOST_WORDS]
    return words_after(source, paths, question, words)


def words_after(source: Source, paths: Paths, question: Question, words: Sequence[Word]) -> dict[str, Any]:
    """The share of those at the last step who go on to each word, within the window of the question.

    It is that of the funnel with the word as one step more, of those who reach the last step there: an attempt that
    gets further can be one whose window is not over. `here` are those at the last step of the steps alone, `done` have
    no more touch at all.
    """
    paths, asked = source.bind(paths, question.steps, _rules(question))
    found = funnel_neighbours(paths, asked, [*map(_step, words), Step(ANYTHING)]).drop("place").rows()
    (here, *_), *rows, (going_on, of, _) = found
    return {
        "next": [_row(source, word, *row) for word, row in zip(words, rows, strict=True)],
        "here": here,
        "done": _share(of - going_on, of),
    }


def words_before(source: Source, paths: Paths, question: Question, words: Sequence[Word]) -> list[dict[str, Any]]:
    """The share of those who pass the steps after any touch that had each word as that touch.

    Their number is that of the funnel with the word as its first step. Segment and period are then those of this step.
    """
    paths, asked = source.bind(paths, [ANYTHING, *question.steps], _rules(question))
    first, *later = asked.steps
    steps = [_step(word, first) for word in words]
    found = funnel_neighbours(paths, replace(asked, steps=tuple(later)), steps, before=True)
    here, *reached = found["reached"]
    return [_row(source, word, number, here) for word, number in zip(words, reached, strict=True)]


def _rules(question: Question) -> dict[str, Any]:
    return question.options | {"by": (), "attribution": "at_entry", "ties": "favourable"}


def _step(word: Word, like: Step | None = None) -> Step:
    """The step of a word, under the conditions of another."""
    return Step(word.word, None if like is None else like.where, on=word.on)


def _share(part: int, whole: int) -> dict[str, Any]:
    """A part of a whole to draw, and in words."""
    if not whole:
        return {"share": None, "text": "", "interval": "", "count": count(part)}
    bounds = wilson(part, whole)
    return {
        "share": part / whole,
        "text": percent(part / whole),
        "interval": interval(bounds.low.item(), bounds.high.item()),
        "count": count(part),
    }


def _row(source: Source, word: Word, reached: int, here: int, median: timedelta | None = None) -> dict[str, Any]:
    """A word, those who have it beside the steps, and their share of those `here`."""
    is_small = 0 < reached < source.report.k
    shown = {"reached": reached, "of": here, "is_small": is_small, "wait": wait(median)}
    return {"on": word.on, "word": word.word, **shown, **_share(reached, here)}


NEXT: Final = Kind("", next_words)
