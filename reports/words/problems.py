"""Words for the problems of *Where to act first*: what is wrong, for whom and since when, and what was seen."""

from __future__ import annotations

from typing import Any

from reports.words.numbers import count, percent, points, quoted, shown_name, uncapitalized


def problem_of(row: dict[str, Any]) -> str:
    """What is wrong.

    >>> problem_of({"segment": "kiosk", "name": "Desire", "first": None, "is_lasting": False})
    '“kiosk” goes on to “Desire” less often'
    """
    whom = "All journeys" if row["segment"] is None else quoted(row["segment"])
    past = row["first"] and not row["is_lasting"]
    verb = "went on" if past else "goes on" if row["segment"] is not None else "go on"
    return f"{whom} {verb} to {quoted(row['name'])} less often"


def whom_of(row: dict[str, Any], before: str) -> str:
    """Between which stages, for which group, and on which days."""
    whom = "all journeys" if row["dimension"] is None else f"{row['dimension']} {shown_name(row['segment'])}"
    return f"{shown_name(before)} → {shown_name(row['name'])} · {whom} · {when_of(row)}"


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


def fall_of(row: dict[str, Any]) -> str:
    """The sentence of an alert: who fell at which step, on which days, and by how much.

    >>> from datetime import date
    >>> row = {"dimension": "Device", "segment": "mobile", "name": "Order", "share": 0.4, "usual": 0.7}
    >>> row |= {"first": date(2026, 2, 26), "last": date(2026, 3, 5), "is_lasting": False}
    >>> fall_of(row).replace(chr(0x202f), " ")
    'Device “mobile”: going on to “Order” was 30.0 pp below usual, 26 Feb to 5 Mar'
    """
    size = points(row["usual"] - row["share"]).lstrip("+")
    sentence = f"going on to {quoted(row['name'])} {'is' if row['is_lasting'] else 'was'} {size} below usual"
    whom = "All journeys" if row["dimension"] is None else f"{row['dimension']} {quoted(row['segment'])}"
    return f"{whom}: {sentence}, {when_of(row)}"


def evidence_of(row: dict[str, Any]) -> str:
    """The share that goes on, and the share that would at the usual rate."""
    usual = "of the others" if row["first"] is None else "usually"
    return f"{percent(row['share'])} of {count(row['journeys'])} journeys go on, {percent(row['usual'])} {usual}"


def problems_headline(row: dict[str, Any]) -> str:
    """The title of the card: the first problem."""
    dimension = row["dimension"]
    whom = "all journeys" if dimension is None else f"{uncapitalized(dimension)} {quoted(row['segment'])}"
    return f"Act first on {whom} going on to {quoted(row['name'])}"
