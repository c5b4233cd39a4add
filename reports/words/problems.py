"""Words for the problems of *Where to act first*: what is wrong, for whom and since when, and what was seen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import polars as pl

from reports.words.numbers import count, percent, quoted, shown_name, uncapitalized


def problem_of(row: dict[str, Any]) -> str:
    """What is wrong.

    >>> problem_of({"kind": "driver", "segment": "kiosk", "name": "Desire", "first": None, "is_lasting": False})
    '“kiosk” goes on to “Desire” less often'
    """
    if row["kind"] == "pain":
        return f"{_pain_in(row)} goes with fewer goals"
    whom = "All journeys" if row["segment"] is None else quoted(row["segment"])
    past = row["first"] and not row["is_lasting"]
    verb = "went on" if past else "goes on" if row["segment"] is not None else "go on"
    return f"{whom} {verb} to {quoted(row['name'])} less often"


def whom_of(row: dict[str, Any]) -> str:
    """Between what, for which group, and on which days."""
    if row["kind"] == "pain":
        return f"{shown_name(row['name'])} · all journeys that met it · {when_of(row)}"
    whom = "all journeys" if row["dimension"] is None else f"{row['dimension']} {shown_name(row['segment'])}"
    return f"{shown_name(row['before'])} → {shown_name(row['name'])} · {whom} · {when_of(row)}"


def when_of(row: dict[str, Any]) -> str:
    """Since when, or on which days.

    >>> from datetime import date
    >>> when_of({"first": date(2026, 2, 26), "last": date(2026, 3, 5), "is_lasting": False})
    '26 Feb to 5 Mar'
    """
    first, last = row["first"], row["last"]
    if first is None:
        return "every week"
    if row["is_lasting"]:
        return f"since {first.day} {first:%b}"
    return f"{first.day} {first:%b}" + ("" if first == last else f" to {last.day} {last:%b}")


def evidence_of(row: dict[str, Any]) -> str:
    """The share that goes on, or reaches the goal, the share that would at the usual rate, and what is in it."""
    more = f"; with {row['with']}" if row["with"] else ""
    if row["kind"] == "pain":
        rates = percent(row["share"]), percent(row["usual"])
        return f"{rates[0]} of {count(row['journeys'])} journeys reach the goal, {rates[1]} of those alike{more}"
    usual = "usually" if row["first"] is not None else "of the others"
    if row["explained_by"] is not None:
        usual = f"of others of the same {uncapitalized(row['explained_by'])}"
    return f"{percent(row['share'])} of {count(row['journeys'])} journeys go on, {percent(row['usual'])} {usual}{more}"


def problems_headline(row: dict[str, Any]) -> str:
    """The title of the card: the first problem."""
    if row["kind"] == "pain":
        return f"Act first on {uncapitalized(_pain_in(row))}"
    dimension = row["dimension"]
    whom = "all journeys" if dimension is None else f"{uncapitalized(dimension)} {quoted(row['segment'])}"
    return f"Act first on {whom} going on to {quoted(row['name'])}"


def _pain_in(row: dict[str, Any]) -> str:
    return pain_of({"kind": row["pain"], "touchpoint": row["touchpoint"], "stage": row["name"]})


def pain_of(row: dict[str, Any]) -> str:
    """A pain in words.

    >>> pain_of({"kind": "slow", "touchpoint": None, "stage": "Desire"})
    'A slow page at “Desire”'
    """
    what = "A slow page" if row["kind"] == "slow" else quoted(row["touchpoint"])
    return f"{what} at {quoted(row['stage'])}"


def friction_of(row: dict[str, Any]) -> str:
    """What journeys meet, in words.

    >>> friction_of({"kind": "back", "touchpoint": None}), friction_of({"kind": "trouble", "touchpoint": "Error shown"})
    ('step back', 'Error shown')
    """
    words = {"slow": "slow page", "back": "step back", "repeat": "three in a row"}
    return words.get(row["kind"]) or shown_name(row["touchpoint"])


def to_collect(
    stages: Sequence[str],
    wants: Collection[str],
    felt: Collection[str],
    friction: pl.DataFrame | None,
    believed: Collection[str] = (),
) -> list[str]:
    """What to collect, or to write, where the map has nothing to show.

    >>> to_collect(["Look", "Buy"], ["Look", "Buy"], [], None, ["Buy"])[:2]
    ['How they feel: survey answers with a score', 'What they believe at “Look”: answers to a question of [voice]']
    """

    def missing(what: str, known: Collection[str], how: str) -> list[str]:
        at = [quoted(stage) for stage in stages if stage not in known]
        whole = len(at) == len(stages)
        return [f"{what}{'' if whole else f' at {_listed(at)}'}: {how}"] if at else []

    met = set() if friction is None else set(friction["kind"])
    return [
        *missing("What they want", wants, "stage_goals in [report]"),
        *missing("How they feel", felt, "survey answers with a score"),
        *missing("What they believe", believed, "answers to a question of [voice]"),
        *([] if "slow" in met else ["Slow pages: load_seconds among the values in [paths]"]),
        *([] if "trouble" in met else ["Trouble: events with “error” or “fail” in the name of their touchpoint"]),
    ]


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def at_stake_of(row: dict[str, Any]) -> str:
    """The goals at stake, with their interval.

    >>> at_stake_of({"at_stake": 84.0, "at_stake_low": 68.0, "at_stake_high": 98.0})
    '84 (68 to 98)'
    """
    goals, low, high = (count(round(row[f"at_stake{end}"])) for end in ("", "_low", "_high"))
    return f"{goals} ({low} to {high})"


def pains_headline(frame: pl.DataFrame) -> str:
    """The title of the card: the first pain."""
    return f"{pain_of(frame.row(0, named=True))} puts most goals at stake"


FRICTION_METHOD: Final = (
    "Of the mature journeys with a touch at the stage, those that met it there once or more, before the goal. Slow "
    "page: it took more than 3 seconds. Step back: the next stage touched is an earlier one; counted at the stage that "
    "is left. Three in a row: of the same touchpoint. What few journeys met is left out."
)


def pains_method(window: str) -> str:
    """How pains are counted."""
    return (
        "Trouble: a touchpoint with “error” or “fail” in its name, and a page that took more than 3 seconds; once per "
        f"journey and stage, within {window} after its first touch and before the goal. Alike: journeys that were at "
        "the stage and did not meet it there, had got as far, and began with the same channel and, where it is "
        "known, device. Goals at stake: those that are missing against them; a comparison, no proof of a cause: too "
        "high where those who met it differ in more, too low where those alike had not come as near the goal. Shown "
        "where the corrected p is below 0.05 (Cochran, Mantel, Haenszel; Benjamini–Hochberg) and the lower end is one "
        "goal or more. A journey may meet several: do not add them up. Intervals: 95 %, judged by customers."
    )
