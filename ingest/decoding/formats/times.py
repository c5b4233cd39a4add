"""Converts times in a mapping's format to RFC 3339: epoch numbers, ISO 8601, any `strptime` format.

A time without a zone is local to the zone that journeys.toml names. In the hour that clocks repeat in autumn,
`ambiguous` decides: `earlier`, `later`, or `refuse`. A time in the hour that clocks skip in spring does not exist and
is always refused.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from ingest.decoding.formats.envelope import InvalidPart
from ingest.settings.mapping import UNITS, Ambiguous

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_epoch(value: Any, unit: str) -> str:
    """Convert a number of seconds, milliseconds or microseconds since 1970 UTC, or its text, to RFC 3339.

    Raises InvalidPart when the value is not such a number.

    >>> parse_epoch("1767225600.5", "seconds")
    '2026-01-01T00:00:00.500000+00:00'
    """
    try:
        if type(value) in (int, float, str):
            microseconds = round(Decimal(str(value)) * UNITS[unit])
            return (_EPOCH + timedelta(microseconds=microseconds)).isoformat()
    except (InvalidOperation, OverflowError, ValueError):
        pass
    raise _unreadable(f"{unit} since 1970")


def parse_time(value: Any, time_format: str, zone: ZoneInfo | None, ambiguous: Ambiguous) -> str:
    """Convert a time in a format (`iso`, or one of `strptime`) to RFC 3339.

    Raises InvalidPart when the value is not such a time, or has no zone and `zone` is None.

    >>> parse_time("31.01.2026 13:00", "%d.%m.%Y %H:%M", ZoneInfo("Europe/Berlin"), "refuse")
    '2026-01-31T12:00:00+00:00'
    """
    if type(value) is not str:
        raise _unreadable("a time as text")
    try:
        time = datetime.fromisoformat(value) if time_format == "iso" else datetime.strptime(value, time_format)  # noqa: DTZ007
        if time.tzinfo is None:
            time = _local(time, zone, ambiguous)
        return time.astimezone(UTC).isoformat()
    except (OverflowError, ValueError):
        raise _unreadable("a time in the format of the mapping") from None


def _local(time: datetime, zone: ZoneInfo | None, ambiguous: Ambiguous) -> datetime:
    if zone is None:
        raise _unreadable("a time with a zone; the mapping can name one")
    first, second = time.replace(tzinfo=zone, fold=0), time.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != time:
        raise _unreadable("a local time that exists in the zone of the mapping")
    if ambiguous == "refuse":
        raise _unreadable("an unambiguous local time, or `ambiguous` in the mapping")
    return first if ambiguous == "earlier" else second


def _unreadable(expected: str) -> InvalidPart:
    return InvalidPart("bad_timestamp", "occurred_at", f"expected {expected}")
