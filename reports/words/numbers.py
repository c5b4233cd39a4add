"""Formats numbers as text: counts, rates, differences, intervals, durations and dates, each in one way.

A missing number is an en dash, never 0. The minus is U+2212; the space before a unit is narrow and non-breaking.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Final

NARROW: Final = "\u202f"
MISSING: Final = "–"
MINUS: Final = "−"


def count(value: float | None) -> str:
    """A count of things, in full.

    >>> count(12345), count(None)
    ('12,345', '–')
    """
    return MISSING if value is None else f"{round(value):,}".replace("-", MINUS)


def average(value: float | None, decimals: int | None = None) -> str:
    """A mean or a median with so many digits after the point; without a number of them, with one where it needs one.

    >>> average(13.0), average(2.5), average(0.0, 1), average(1234.5, 0), average(None)
    ('13', '2.5', '0.0', '1,234', '–')
    """
    if value is None:
        return MISSING
    digits = (0 if value == int(value) else 1) if decimals is None else decimals
    return f"{value:,.{digits}f}".replace("-", MINUS)


def two_digits(value: float | None) -> str:
    """An amount of two digits, without digits that say nothing.

    >>> two_digits(340.0), two_digits(18.0), two_digits(3.2), two_digits(0.61), two_digits(None)
    ('340', '18', '3.2', '0.61', '–')
    """
    return average(value, 0 if value is None or value >= 10 else 1 if value >= 1 else 2)


def short_count(value: float | None) -> str:
    """A count in short form, for narrow labels.

    >>> short_count(30949).replace(NARROW, " "), short_count(812)
    ('30.9 k', '812')
    """
    if value is None or abs(value) < 10_000:
        return count(value)
    scaled, unit = (value / 1e6, "M") if abs(value) >= 999_950 else (value / 1e3, "k")
    return f"{scaled:.1f}{NARROW}{unit}"


def percent(share: float | None, decimals: int = 1) -> str:
    """A share of 1 as percent.

    >>> percent(0.4461).replace(NARROW, " "), percent(None)
    ('44.6 %', '–')
    """
    return MISSING if share is None else f"{share * 100:.{decimals}f}{NARROW}%"


def signed_percent(share: float | None) -> str:
    """A share of 1 that may be below 0 as percent, with its sign.

    >>> signed_percent(-0.021).replace(NARROW, " "), signed_percent(0.4).replace(NARROW, " "), signed_percent(None)
    ('−2.1 %', '+40.0 %', '–')
    """
    return MISSING if share is None else f"{_signed(share * 100, 1)}{NARROW}%"


def percent_in_cell(share: float | None) -> str:
    """A share of 1 as a whole number of percent, for a cell of a matrix; blank for 0.

    >>> percent_in_cell(0.384), percent_in_cell(0.004), percent_in_cell(0.0)
    ('38', '<1', '')
    """
    if not share:
        return ""
    return "<1" if share < 0.01 else f"{share * 100:.0f}"


def points(difference: float | None, decimals: int = 1) -> str:
    """A difference of two shares in percentage points, with its sign.

    >>> points(-0.066).replace(NARROW, " "), points(0.00004).replace(NARROW, " ")
    ('−6.6 pp', '±0.0 pp')
    """
    return MISSING if difference is None else f"{_signed(difference * 100, decimals)}{NARROW}pp"


def compared(ratio: float) -> str:
    """A count against an earlier one; as a multiple from 2 on.

    >>> compared(1.031).replace(NARROW, " "), compared(5.7)
    ('+3.1 % against', '5.7 times as many as in')
    """
    return f"{ratio:.1f} times as many as in" if ratio >= 2 else f"{_signed((ratio - 1) * 100, 1)}{NARROW}% against"


def compared_interval(low: float, high: float) -> str:
    """The two ends of the interval of a ratio of counts, in the form of `compared`.

    >>> compared_interval(0.98, 1.082), compared_interval(1.9, 2.4)
    ('−2.0 to +8.2', '1.9–2.4 times')
    """
    if high >= 2:
        return f"{low:.1f}–{high:.1f} times"
    return f"{_signed((low - 1) * 100, 1)} to {_signed((high - 1) * 100, 1)}"


def interval(low: float | None, high: float | None, decimals: int = 1) -> str:
    """The two ends of an interval of shares, in percent.

    >>> interval(0.4403, 0.4519)
    '44.0–45.2'
    """
    if low is None or high is None:
        return MISSING
    return f"{low * 100:.{decimals}f}–{high * 100:.{decimals}f}"


def whole_interval(low: float, high: float) -> str:
    """An interval of counts, without digits after the point.

    >>> whole_interval(219.6, 1271.2)
    '220–1,271'
    """
    return f"{low:,.0f}–{high:,.0f}"


def bounded(low: float | None, high: float | None) -> str:
    """A share of which only the bounds are published.

    >>> [bounded(*ends).replace(NARROW, " ") for ends in ((0.92, 1.0), (0.0, 0.08), (0.6, 0.62))]
    ['over 92 %', 'under 8 %', '60–62 %']
    """
    if low is None or high is None:
        return MISSING
    if high >= 1:
        return f"over {low * 100:.0f}{NARROW}%"
    return f"under {high * 100:.0f}{NARROW}%" if low <= 0 else f"{low * 100:.0f}–{high * 100:.0f}{NARROW}%"


def points_interval(low: float | None, high: float | None) -> str:
    """The two ends of an interval of differences, in percentage points.

    >>> points_interval(-0.008, 0.021)
    '−0.8 to +2.1'
    """
    if low is None or high is None:
        return MISSING
    return f"{_signed(low * 100, 1)} to {_signed(high * 100, 1)}"


def wait(length: timedelta | None) -> str:
    """A duration in the unit that reads best.

    >>> [wait(timedelta(seconds=s)).replace(NARROW, " ") for s in (79, 1620, 59760, 1028160)]
    ['79 s', '27 min', '16.6 h', '11.9 d']
    """
    if length is None:
        return MISSING
    seconds = length.total_seconds()
    if round(seconds) < 90:
        return f"{seconds:.0f}{NARROW}s"
    if seconds < 89.5 * 60:
        return f"{seconds / 60:.0f}{NARROW}min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f}{NARROW}h"
    return f"{seconds / 86400:.1f}{NARROW}d"


def wait_shift(days: float) -> str:
    """A difference of two durations, with its sign.

    >>> wait_shift(-0.5).replace(NARROW, " "), wait_shift(0.0).replace(NARROW, " ")
    ('−12.0 h', '±0 s')
    """
    sign = "+" if days > 0 else MINUS if days < 0 else "±"
    return f"{sign}{wait(timedelta(days=abs(days)))}"


def length(text: str | timedelta) -> str:
    """A configured duration in words.

    >>> length(timedelta(days=14)), length(timedelta(hours=12)), length("28d"), length("90m")
    ('14 days', '12 hours', '28 days', '90m')
    """
    if isinstance(text, str):
        match = re.fullmatch(r"(\d+)([dh])", text)
        if not match:
            return text
        text = timedelta(**{{"d": "days", "h": "hours"}[match[2]]: int(match[1])})
    for unit, seconds in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        number = text.total_seconds() / seconds
        if number == int(number):
            return f"{number:.0f} {unit}{'' if number == 1 else 's'}"
    return wait(text)


def day(at: datetime) -> str:
    """A date.

    >>> from datetime import UTC
    >>> day(datetime(2026, 3, 5, tzinfo=UTC))
    '5 Mar 2026'
    """
    return f"{at.day} {at:%b %Y}"


def moment(at: datetime) -> str:
    """A time of day on a date, with its zone.

    >>> from datetime import UTC
    >>> moment(datetime(2026, 3, 5, 6, 4, tzinfo=UTC))
    '5 Mar 2026 06:04 UTC'
    """
    return f"{day(at)} {at:%H:%M} {at.tzname()}"


def earlier(at: datetime, length: timedelta) -> datetime:
    """The time that lies so long before another, whatever clocks did in between; in the same zone.

    >>> from zoneinfo import ZoneInfo
    >>> earlier(datetime(2026, 3, 30, tzinfo=ZoneInfo("Europe/Berlin")), timedelta(days=1)).isoformat()
    '2026-03-28T23:00:00+01:00'
    """
    return (at.astimezone(UTC) - length).astimezone(at.tzinfo)


def period(start: datetime, last: datetime) -> str:
    """Two dates, both inside the period, without repeating the year or month.

    >>> from datetime import UTC
    >>> period(datetime(2026, 3, 30, tzinfo=UTC), datetime(2026, 9, 27, tzinfo=UTC))
    '30 Mar – 27 Sep 2026'
    """
    if start.date() == last.date():
        return day(last)
    if start.year != last.year:
        return f"{day(start)} – {day(last)}"
    if start.month != last.month:
        return f"{start.day} {start:%b} – {day(last)}"
    return f"{start.day} – {day(last)}"


def quoted(name: str) -> str:
    """A name in quotes, for a sentence; an empty name reads "(no name)".

    >>> quoted("Pay"), quoted(" ")
    ('“Pay”', '“(no name)”')
    """
    return f"“{shown_name(name)}”"


def channel_name(name: str | None) -> str:
    """A channel with credit as a label; none is that of the goals that no touch came before."""
    return "(no touch before)" if name is None else shown_name(name)


def shown_name(name: str | None, longest: int = 40) -> str:
    """A name from the data as a label: one line, never empty, not longer than `longest` characters.

    Right-to-left names are isolated, so that they do not reorder the text around them.

    >>> shown_name(None), shown_name("a  b")
    ('(no value)', 'a b')
    """
    if name is None:
        return "(no value)"
    line = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if not line:
        return "(no name)"
    short = line if len(line) <= longest else line[: longest - 3].rstrip() + "..."
    turned = any(unicodedata.bidirectional(character) in ("R", "AL") for character in short)
    return f"\u2068{short}\u2069" if turned else short


def _signed(value: float, decimals: int) -> str:
    rounded = round(value, decimals)
    sign = "+" if rounded > 0 else MINUS if rounded < 0 else "±"
    return f"{sign}{abs(rounded):,.{decimals}f}"


def uncapitalized(sentence: str) -> str:
    """A sentence as it goes on after a colon or in another one; only its first letter changes.

    >>> uncapitalized("Conversion of App")
    'conversion of App'
    """
    return f"{sentence[:1].lower()}{sentence[1:]}"
