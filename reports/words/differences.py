"""What moved between two reports, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta, tzinfo
from typing import Any, Final

import polars as pl

from reports.words.numbers import count, day, quoted
from reports.words.tables import Table

CAUSE_WORDS: Final[Mapping[str, str]] = {
    "definitions": "changed definitions",
    "deleted": "deleted customers or events",
    "identities": "customers joined or parted",
    "late": "events that arrived late",
    "time": "new days",
    "other": "rounding and smaller causes",
}
"""What each cause of a difference is called, in the order in which they are told."""


def cell_words(row: Mapping[str, Any]) -> str:
    """What a cell counts.

    >>> cell_words({"part": "goals", "name": "Order", "measure": "customers", "week": date(2026, 3, 2)})
    'Customers with “Order”, 2 Mar 2026 to 8 Mar 2026'
    """
    if row["part"] == "totals":
        return f"All {row['measure']}"
    if row["part"] == "stages":
        return f"Journeys to {quoted(row['name'])} , begun {_week(row['week'])}"
    return f"Customers with {quoted(row['name'])}, {_week(row['week'])}"


def _week(first: date) -> str:
    return f"{calendar_day(first)} to {calendar_day(first + timedelta(days=6))}"


def calendar_day(day: date) -> str:
    """A date.

    >>> calendar_day(date(2026, 3, 2))
    '2 Mar 2026'
    """
    return f"{day.day} {day:%b %Y}"


def cause_sentence(row: Mapping[str, Any]) -> str:
    """The causes of a difference that is published, the largest first.

    >>> cause_sentence({"difference": 30, "late": 40, "deleted": -10, "other": 0})
    'events that arrived late +40, deleted customers or events −10'
    """
    if row["difference"] is None:
        return "not shown: few customers"
    sizes = [(name, row.get(name) or 0) for name in CAUSE_WORDS]
    told = sorted((each for each in sizes if each[1]), key=lambda each: -abs(each[1]))
    return ", ".join(f"{CAUSE_WORDS[name]} {signed(size)}" for name, size in told)


def signed(size: int) -> str:
    """A difference of counts with its sign.

    >>> signed(1200), signed(-40)
    ('+1,200', '−40')
    """
    return f"{'+' if size > 0 else '−' if size < 0 else '±'}{count(abs(size))}"


def restated_headline(frame: pl.DataFrame) -> str:
    """How many numbers of earlier reports were restated.

    >>> restated_headline(pl.DataFrame({"then": [1]}))
    '1 number of earlier reports was restated'
    """
    return (
        "1 number of earlier reports was restated"
        if frame.height == 1
        else f"{count(frame.height)} numbers of earlier reports were restated"
    )


def restated_table(frame: pl.DataFrame, zone: tzinfo) -> Table:
    """Restated numbers: what, as it was told first, as it is told now, and why."""
    rows = [
        (cell_words(row), shown(row["then"]), shown(row["now"]), cause_sentence(row), day(row["at"].astimezone(zone)))
        for row in frame.iter_rows(named=True)
    ]
    heads: Sequence[str] = ("Number", "Told first", "Told now", "Why", "Report of")
    return Table(tuple(heads), tuple(rows), words=(0, 3, 4))


def shown(value: int | None) -> str:
    """A published count, or a dash where it is withheld."""
    return "–" if value is None else count(value)
