"""Reads numbers, times and dates out of sentences, and says whether one agrees with a true value."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.audit.landed.settings import DAY, SECOND

NUMBER = r"[−+±]?\d[\d,]*(?:\.\d+)?"
QUOTED = "“([^”]*)”"
PERCENT = rf"({NUMBER}) %"
WAIT = rf"({NUMBER} (?:s|min|h|d))"
UNITS = {"s": SECOND, "min": 60 * SECOND, "h": 3600 * SECOND, "d": DAY}
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December"]  # fmt: skip


def plain(text: str) -> str:
    """A text with plain spaces, and without marks of direction."""
    return " ".join(text.replace("\u2068", "").replace("\u2069", "").split())


def number(text: str) -> float:
    """A number as it is shown: thousands with commas, a real minus."""
    return float(text.replace(",", "").replace("−", "-").replace("±", "").lstrip("+"))


def agrees(text: str, value: float | None, slack: float = 1e-6) -> bool:
    """Whether a shown number is this value, rounded to the digits that are shown."""
    if value is None:
        return False
    digits = len(text.partition(".")[2])
    return abs(number(text) - value) <= 0.5 * 10.0**-digits + slack


def percent(text: str, share: float | None) -> bool:
    """The same for a share in percent; the share may have been rounded to four digits before."""
    return share is not None and agrees(text, share * 100, 0.0051)


def wait(text: str, micros: float | None) -> bool:
    """The same for a time, which is right to one in a thousand."""
    if micros is None:
        return False
    shown, unit = text.rsplit(" ", 1)
    return agrees(shown, micros / UNITS[unit], abs(micros) / UNITS[unit] / 1000 + 1e-6)


def length(micros: int) -> str:
    """A length of time in words."""
    for unit, size in (("day", DAY), ("hour", UNITS["h"]), ("minute", UNITS["min"]), ("second", SECOND)):
        if micros % size == 0:
            return f"{micros // size} {unit}{'' if micros == size else 's'}"
    raise ValueError(micros)


def shown(name: str | None) -> str:
    """A name as a label: one line of at most 40 characters."""
    if name is None:
        return "(no value)"
    line = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    short = line if len(line) <= 40 else line[:37].rstrip() + "..."
    return short or "(no name)"


def day(at: datetime) -> str:
    """A date with a short month."""
    return f"{at.day} {MONTHS[at.month - 1][:3]} {at.year}"


def period(start: datetime, last: datetime) -> str:
    """Two dates, without repeating the year or the month."""
    if start.date() == last.date():
        return day(last)
    if start.year != last.year:
        return f"{day(start)} – {day(last)}"
    month = "" if start.month == last.month else f" {MONTHS[start.month - 1][:3]}"
    return f"{start.day}{month} – {day(last)}"


def days_of(start: datetime, end: datetime) -> str:
    """The days of which most lies within a period."""
    half = min(timedelta(hours=12), (end - start) / 2)
    return period(start + half, end - half)


def minute(at: datetime) -> str:
    """A time of day on a date, with its zone."""
    return f"{day(at)} {at:%H:%M} {at.tzname()}"
