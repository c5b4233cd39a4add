"""Which words of a question does no touch have? Misspelt, perhaps; or only absent from these paths.

A misspelt step would look like a step at which everybody is lost, so that who asks is told, with the nearest words of
the data: in Python by a warning, since paths that are filtered or few may well lack a word that is meant.
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

MOST_WORDS: Final = 20_000
"""Words of a column among which the nearest are sought; of more none is named."""
OFFERED: Final = 5
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

    >>> from tests.written import paths
    >>> unknown_words(paths({"ann": "home@0m"}), "touchpoint", ["home", "hmoe"])[0].offered
    ('home',)
    """
    if column not in paths.dictionaries or not len(paths):
        return []
    known = paths.dictionaries[column]
    return [_described(str(word), column, known.to_list()) for word in words if known.index_of(str(word)) is None]


def warn_of_unknown(unknown: Iterable[Unknown]) -> None:
    """An `UnknownWordWarning` for each, at the line of who asks.

    `warnings.filterwarnings("ignore", category=UnknownWordWarning)` turns them off.
    """
    for each in unknown:
        offered = ", ".join(map(repr, each.offered))
        hint = f"did you mean {offered}?" if each.near else f"touches have {offered or 'none'}."
        text = f"No touch has the {each.column} {each.word!r}: {hint}"
        warnings.warn(text, UnknownWordWarning, stacklevel=_levels_to_the_asker())


def _described(word: str, column: str, known: list[str]) -> Unknown:
    """What to say of a word that is not known."""
    letters = [each.lower() for each in known] if len(known) <= MOST_WORDS else []
    near = difflib.get_close_matches(word.lower(), letters, n=3, cutoff=0.5)
    nearest = tuple(known[letters.index(each)] for each in dict.fromkeys(near))
    return Unknown(word, column, nearest or tuple(sorted(known)[:OFFERED]), bool(nearest))


def _levels_to_the_asker() -> int:
    """How many calls up the code lies that is not of this room."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == __name__.partition(".")[0]:
        level, frame = level + 1, frame.f_back
    return level
