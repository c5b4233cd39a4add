"""Words for the problems of *Where to act first*: what is wrong, for whom and since when, and what was seen."""

from __future__ import annotations

from typing import Any

from reports.words.numbers import count, percent, quoted, shown_name, uncapitalized


def problem_of(row: dict[str, Any]) -> str:
    """What is wrong.

    >>> problem_of({"segment": "kiosk", "name": "Desire", "first": None})
    '“kiosk” goes on to “Desire” less often'
    """
    whom = "All journeys" if row["segment"] is None else quoted(row["segment"])
    verb = "went on" if row["first"] else "goes on" if row["segment"] is not None else "go on"
    return f"{whom} {verb} to {quoted(row['name'])} less often"


def whom_of(row: dict[str, Any], before: str) -> str:
    """Between which stages, for which group, and in which weeks."""
    whom = "all journeys" if row["dimension"] is None else f"{row['dimension']} {shown_name(row['segment'])}"
    first, last = row["first"], row["last"]
    if first is None:
        when = "every week"
    elif first == last:
        when = f"week of {first.day} {first:%b}"
    else:
        when = f"weeks of {first.day} {first:%b} to {last.day} {last:%b}"
    return f"{shown_name(before)} → {shown_name(row['name'])} · {whom} · {when}"


def evidence_of(row: dict[str, Any]) -> str:
    """The share that goes on, and the share that would at the usual rate."""
    usual = "of the others" if row["first"] is None else "usually"
    return f"{percent(row['share'])} of {count(row['journeys'])} journeys go on, {percent(row['usual'])} {usual}"


def problems_headline(row: dict[str, Any]) -> str:
    """The title of the card: the first problem."""
    dimension = row["dimension"]
    whom = "all journeys" if dimension is None else f"{uncapitalized(dimension)} {quoted(row['segment'])}"
    return f"Act first on {whom} going on to {quoted(row['name'])}"
