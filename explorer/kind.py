"""A kind of question: how it is answered, and what the page offers of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from analytics import Paths
from explorer.question import Question
from explorer.source import Source
from explorer.vocabulary import Vocabulary
from reports.words.numbers import shown_name

Choice = tuple[str, str, str]
"""A value of a rule, how it reads in the sentence of the rules, and what it means."""
Choices = tuple[Choice, ...] | Callable[[Source, Vocabulary], tuple[Choice, ...]]
"""The values of an option, its default first; some are those of a source, or of its touches."""
Answer = Callable[[Source, Vocabulary, Paths, Question], dict[str, Any]]
PERIODS: Final[tuple[Choice, ...]] = (
    ("week", "week", "From Monday"),
    ("day", "day", "In the zone of the report"),
    ("month", "month", "Of the calendar"),
)


@dataclass(frozen=True)
class Kind:
    """A kind of question.

    `label` is its name on the page, empty for one that the page asks by itself. `rules` is the sentence of its rules,
    in which the names of options stand in braces; `choices` are the values of options that read otherwise than usual,
    or that only this kind has, their default first. `parts` are what else the panel offers: `steps`, without which the
    kind is asked at once; `by` and `only` break down and restrict, `groups` are compared, `entered` are the weeks of
    what is `dated`.

    The answer is JSON. The page draws `said`, `lines`, `few`, `cards` (`explorer.answers.cards`), `left_out`, `entered`
    and `elsewhere` of any kind alike.
    """

    label: str
    answer: Answer
    rules: str = ""
    choices: dict[str, Choices] = field(default_factory=dict)
    parts: tuple[str, ...] = ("steps", "only", "entered")
    dated: str = "entered"

    def plain(self, source: Source, vocabulary: Vocabulary) -> dict[str, Any]:
        """What the page offers of a source, as JSON."""
        given = self.choices.items()
        choices = {name: each(source, vocabulary) if callable(each) else each for name, each in given}
        return {"label": self.label, "rules": self.rules, "choices": choices, "parts": self.parts, "dated": self.dated}


def goals_of(source: Source, _: Vocabulary) -> tuple[Choice, ...]:
    """The goals to choose from."""
    return tuple((goal.name, shown_name(goal.name), goal.says or " or ".join(goal.steps)) for goal in source.goals)


def columns_of(*first: str) -> Callable[[Source, Vocabulary], tuple[Choice, ...]]:
    """The columns of text to choose from, those of `first` before the others."""

    def choices(source: Source, vocabulary: Vocabulary) -> tuple[Choice, ...]:
        known = [*(word.on for word in vocabulary.words)]
        known += [column["column"] for column in vocabulary.columns if not column["is_number"]]
        names = [name for name in dict.fromkeys([*first, *source.columns]) if name in known]
        return tuple((name, source.report.name_of(name).lower(), "") for name in names)

    return choices
