"""Finds the words of a question that no touch has: misspelt, or absent from these paths.

A misspelt step looks like a step at which every customer is lost. So the analyst is warned, with the nearest words of
the data. It is a warning and not an error, since filtered paths may well lack a valid word.
"""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from analytics.engine.conditions import ANY, Exclude, Step
from analytics.store.paths import Paths

MAX_WORDS: Final = 20_000
"""Words of a column among which the nearest are sought; of more none is named."""
MAX_OFFERED: Final = 5
"""Words that are named where none is near."""


class UnknownWordWarning(UserWarning):
    """A question names a word that no touch has. It is answered as asked."""


@dataclass(frozen=True)
class Unknown:
    """A word that no touch has in a column, and words that some have: the nearest, or any where none is `near`."""

    word: str
    column: str
    offered: tuple[str, ...]
    near: bool


def unknown_steps(paths: Paths, conditions: Iterable[Step | Exclude]) -> list[Unknown]:
    """The words of steps and exclusions that no touch has; those of a column of text, since others hold no words."""
    asked = [condition for condition in conditions if ANY not in condition.any_of]
    return [each for condition in asked for each in unknown_words(paths, condition.on, condition.any_of)]


def unknown_words(paths: Paths, column: str, words: Iterable[Any]) -> list[Unknown]:
    """The words that no touch has in a column. None where the column is no text, or there are no touches.

    >>> from analytics import Paths
    >>> unknown_words(Paths.from_text({"ann": "home@0m"}), "touchpoint", ["home", "hmoe"])[0].offered
    ('home',)
    """
    if column not in paths.dictionaries or not len(paths):
        return []
    known = paths.dictionaries[column]
    return [_described(str(word), column, known.to_list()) for word in words if known.index_of(str(word)) is None]


def warn_of_unknown(unknown: Iterable[Unknown]) -> None:
    """An `UnknownWordWarning` for each, at the line of the caller.

    `warnings.filterwarnings("ignore", category=UnknownWordWarning)` turns them off.
    """
    for each in unknown:
        offered = ", ".join(map(repr, each.offered))
        hint = f"did you mean {offered}?" if each.near else f"touches have {offered or 'none'}."
        text = f"No touch has the {each.column} {each.word!r}: {hint}"
        warnings.warn(text, UnknownWordWarning, stacklevel=levels_to_caller())


def _described(word: str, column: str, known: list[str]) -> Unknown:
    """An unknown word with the words to offer for it."""
    letters = [each.lower() for each in known] if len(known) <= MAX_WORDS else []
    near = difflib.get_close_matches(word.lower(), letters, n=3, cutoff=0.5)
    nearest = tuple(known[letters.index(each)] for each in dict.fromkeys(near))
    return Unknown(word, column, nearest or tuple(sorted(known)[:MAX_OFFERED]), bool(nearest))


def levels_to_caller() -> int:
    """The number of calls up to the first caller outside this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == __name__.partition(".")[0]:
        level, frame = level + 1, frame.f_back
    return level
