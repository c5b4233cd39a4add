"""Durations: text with a unit, such as `30m`, becomes a timedelta. A number without a unit is invalid."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer

from expectations.errors import DefinitionError

UNITS: Final[dict[str, str]] = {
    "ms": "milliseconds",
    "s": "seconds",
    "m": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*")
_WHOLE: Final = re.compile(rf"\s*(?:{_PART.pattern})+")


def parse_duration(text: str | timedelta) -> timedelta:
    """Read a duration: a number and one of the units ms, s, m, h, d, w; several may follow each other. A timedelta is
    returned unchanged.

    Raises ValueError for anything else, including a number without a unit.

    >>> parse_duration("30m")
    datetime.timedelta(seconds=1800)
    """
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or _WHOLE.fullmatch(text) is None:
        raise ValueError(f'{text!r} is not a duration: write a number with a unit, one of {", ".join(UNITS)}, as "30m"')
    return sum((timedelta(**{UNITS[unit]: float(number)}) for number, unit in _PART.findall(text)), timedelta())


def as_text(length: timedelta) -> str:
    """A duration as text that `parse_duration` reads.

    >>> as_text(timedelta(minutes=30))
    '1800s'
    """
    seconds = length.total_seconds()
    return f"{seconds:.0f}s" if seconds.is_integer() else f"{seconds * 1000:.0f}ms"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(as_text)]
"""A settings field: text with a unit in the file, a timedelta in the program."""


def duration(text: str | timedelta) -> timedelta:
    """Read a duration with its unit: ms, s, m (minutes), h, d or w. Several may follow each other.

    Raises `DefinitionError` for a number without a unit, an unknown unit, or a negative length.

    >>> duration("30m")
    datetime.timedelta(seconds=1800)
    >>> duration("1d 12h")
    datetime.timedelta(days=1, seconds=43200)
    """
    try:
        length = parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise DefinitionError(
            "This is not a length of time.", expected='a number with a unit: "30m", "7d"', found=repr(text)
        ) from error
    if length < timedelta(0):
        raise DefinitionError("A duration must not be negative.", found=str(length))
    return length
