"""Which questions about paths does the command know, what do they take, and what do people see of the answer?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from expectations.errors import DefinitionError, nearest


@dataclass(frozen=True)
class Question:
    """A question: the function that answers it, what it takes, the columns for people, how to read them."""

    function: str
    shown: tuple[str, ...]
    takes: tuple[str, ...] = ("on", "collapse")
    words: str = ""
    reading: str = ""


RATE: Final = "Goal rate: of the paths that are over."
SHARES: Final = ("units", "share", "goal_rate", "goal_rate_without", "difference", "p_corrected")
QUESTIONS: Final = {
    "variants": Question(
        "variants",
        ("path", "units", "share", "share_of_customers", "goal_rate", "median_duration"),
        ("on", "collapse", "top"),
        reading=f"Share: of all paths. Share of customers: of all who have a path. {RATE}",
    ),
    "flow": Question(
        "flow",
        ("position", "source", "target", "units", "share_of_source", "median_wait", "converted"),
        ("on", "collapse", "start", "end", "depth", "top", "gap"),
        reading="A path counts once at each position. Converted: of the units, those that reach the goal in the end.",
    ),
    "transitions": Question(
        "transitions",
        ("source", "target", "transitions", "customers", "share_of_source", "median_wait", "p95_wait"),
        reading="A path begins at START and leads to one of three ENDs.",
    ),
    "matrix": Question(
        "step_matrix",
        ("position", "node", "units", "share"),
        ("on", "collapse", "depth"),
        reading="Share of all paths at each position; those that are over stay at their END.",
    ),
    "match": Question(
        "match",
        ("units", "matching", "share", "customers", "median_position", "goal_rate", "goal_rate_without"),
        words='a pattern, such as "Cart (?!Order)* $"',
        reading=f"Share: of all paths. {RATE}",
    ),
    "conformance": Question(
        "conformance",
        (
            "units",
            "exact",
            "exact_share",
            "mean_fitness",
            "skips",
            "inserts",
            "repeats",
            "goal_rate_exact",
            "goal_rate_other",
        ),
        ("on", "collapse", "detour"),
        words="the steps of the designed path",
        reading=f"Fitness: 1 is the design, 0 nothing of it. {RATE}",
    ),
    "deviations": Question(
        "deviations",
        ("kind", "step", "name", *SHARES),
        ("on", "collapse", "detour"),
        words="the steps of the designed path",
        reading=f"Step: the skipped one, or the last done. Difference: of the goal rates with and without it. {RATE}",
    ),
    "effort": Question(
        "effort",
        (
            "stage",
            "units",
            "touches_per_unit",
            "repeats",
            "backtracks",
            "handoffs",
            "errors",
            "slow",
            "next_entropy",
        ),
        (),
        reading="Repeats to slow: touches. Entropy: bits; 0 means that one thing always follows.",
    ),
    "channels": Question(
        "channels",
        ("reach", "channel", "units", "share", "goal_rate", "median_touches", "median_duration"),
        ("on",),
        reading=f"Rows without a channel are all paths of that reach. {RATE}",
    ),
    "handoffs": Question(
        "handoffs",
        (
            "source",
            "target",
            "handoffs",
            "customers",
            "share_of_source",
            "median_wait",
            "lost",
            "lost_share",
            "lost_share_staying",
        ),
        ("on", "at"),
        reading="Lost: the last touch of an abandoned path was a hand-off. Staying: the same of touches without one.",
    ),
}
COMMON: Final = ("by", "unit", "compare")


@dataclass(frozen=True)
class Asked:
    """What was asked: the question, its words, its options, and which paths are read (`start`, `end`, `through`)."""

    question: str
    words: tuple[str, ...]
    options: dict[str, Any]
    among: dict[str, list[str]] = field(default_factory=dict)


def checked(asked: Asked) -> Question:
    """The question, when there is one of that name that takes these words and options."""
    if asked.question not in QUESTIONS:
        raise DefinitionError(
            f"There is no question {asked.question!r} about paths.",
            expected=f"one of {', '.join(QUESTIONS)}",
            do=nearest(asked.question, QUESTIONS),
        )
    question = QUESTIONS[asked.question]
    if bool(asked.words) != bool(question.words):
        expected = question.words or "options only"
        raise DefinitionError(f"`journeys paths {asked.question}` takes {expected}.", found=" ".join(asked.words))
    options = {"start": "--from", "end": "--to"}
    if wrong := [name for name in asked.options if name not in (*question.takes, *COMMON)]:
        takes = [options.get(name, f"--{name}") for name in (*question.takes, *COMMON)]
        found = options.get(wrong[0], f"--{wrong[0]}")
        raise DefinitionError(f"`journeys paths {asked.question}` has no {found}.", expected=", ".join(takes))
    if {"by", "compare"} <= set(asked.options):
        raise DefinitionError("Two groups are compared, or several are listed.", expected="either --compare or --by")
    return question
