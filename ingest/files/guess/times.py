"""Finds the forms in which the values of a column are times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import product
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from ingest.decoding.formats.envelope import InvalidPart
from ingest.decoding.formats.times import parse_epoch, parse_time
from ingest.settings.mapping import UNITS

_LOOKED_AT: Final = 500
_FIRST: Final = datetime(1995, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2100, 1, 1, tzinfo=UTC)
_DATES: Final = {
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}": ("%Y-%m-%d",),
    r"[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}": ("%Y/%m/%d",),
    r"[0-9]{1,2}[.][0-9]{1,2}[.][0-9]{4}": ("%d.%m.%Y",),
    r"[0-9]{1,2}[.][0-9]{1,2}[.][0-9]{2}": ("%d.%m.%y",),
    r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}": ("%d/%m/%Y", "%m/%d/%Y"),
    r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{2}": ("%d/%m/%y", "%m/%d/%y"),
    r"[0-9]{1,2}-[0-9]{1,2}-[0-9]{4}": ("%d-%m-%Y", "%m-%d-%Y"),
    r"[0-9]{1,2}-[A-Za-z]{3}-[0-9]{4}": ("%d-%b-%Y",),
    r"[0-9]{1,2}/[A-Za-z]{3}/[0-9]{4}": ("%d/%b/%Y",),
    r"[0-9]{1,2} [A-Za-z]{3} [0-9]{4}": ("%d %b %Y",),
    r"[0-9]{1,2} [A-Za-z]{3,9} [0-9]{4}": ("%d %B %Y",),
    r"[A-Za-z]{3} [0-9]{1,2}, [0-9]{4}": ("%b %d, %Y",),
    r"[A-Za-z]{3,9} [0-9]{1,2}, [0-9]{4}": ("%B %d, %Y",),
    r"[0-9]{8}": ("%Y%m%d",),
}
"""The dates that are looked for, as patterns, each with its forms."""
_CLOCKS: Final = {
    r"[0-9]{1,2}:[0-9]{2}": "%H:%M",
    r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}": "%H:%M:%S",
    r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}[.][0-9]{1,6}": "%H:%M:%S.%f",
    r"[0-9]{1,2}:[0-9]{2}:[0-9]{2},[0-9]{1,6}": "%H:%M:%S,%f",
    r"[0-9]{1,2}:[0-9]{2} [AaPp][Mm]": "%I:%M %p",
    r"[0-9]{1,2}:[0-9]{2}:[0-9]{2} [AaPp][Mm]": "%I:%M:%S %p",
}
_OFFSET: Final = "[+-][0-9]{2}:?[0-9]{2}"
_ZONES: Final = {"": "", f"(?:Z|{_OFFSET})": "%z", f" {_OFFSET}": " %z", " UTC": " UTC", " GMT": " GMT"}
_LOOKED_AT_FIRST: Final = 6
_RFC3339: Final = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")
_EPOCH: Final = re.compile(r"-?[0-9]{9,17}(\.[0-9]{1,9})?")


class TimeForm(NamedTuple):
    """How the values of a column are read as times: the form of a mapping and the zone that it needs, if any.

    `is_zone_known` is false where the values say no zone. `other` is another form that fits as well. `share` is the
    share of values that have the form; `first` and `last` are the times at the ends.
    """

    form: str
    zone: str | None
    is_zone_known: bool
    other: str | None
    share: float
    first: datetime
    last: datetime

    @property
    def has_clock(self) -> bool:
        """Whether the form has more than a day."""
        return self.form in (*UNITS, "rfc3339", "iso") or "%H" in self.form or "%I" in self.form


def time_form(values: Sequence[Any], name: str) -> TimeForm | None:
    """The form in which most values of a column with this name are times; None where there is none.

    >>> found = time_form(["12/01/2026 8:26", "12/13/2026 9:00"], "InvoiceDate")
    >>> found.form, found.other, found.is_zone_known
    ('%m/%d/%Y %H:%M', None, False)
    """
    looked_at = [value for value in _spread(values) if type(value) in (str, int, float)]
    if not looked_at:
        return None
    is_utc = re.search(r"utc|gmt", name, re.IGNORECASE) is not None
    if all(_EPOCH.fullmatch(str(value)) for value in looked_at):
        found = [_measured(unit, None, True, looked_at) for unit in UNITS]
    else:
        texts = [value for value in looked_at if type(value) is str]
        found = [_measured(form, zone, is_utc or zone is None, texts) for form, zone in _candidates(texts)]
    fitting = sorted((form for form in found if form is not None), key=lambda form: -form.share)
    if not fitting:
        return None
    best = fitting[0]
    rivals = (form.form for form in fitting[1:] if form.share == best.share and form[5:] != best[5:])
    return best._replace(other=next(rivals, None))


def _spread(values: Sequence[Any]) -> Sequence[Any]:
    """Some of the values, from all of them."""
    return values[:: max(1, len(values) // _LOOKED_AT)][:_LOOKED_AT]


def _candidates(texts: Sequence[str]) -> list[tuple[str, str | None]]:
    """The forms that one of a few texts has, each with the zone that it needs; none if they look like no times."""
    some = texts[:: max(1, len(texts) // _LOOKED_AT_FIRST)]
    found = dict.fromkeys(form for text in some for form in _forms_of(text))
    forms = [(form, None if "%z" in form else "UTC") for form in found]
    return [("rfc3339", None), ("iso", None), ("iso", "UTC"), *forms] if found else []


def _forms_of(text: str) -> Iterator[str]:
    """The forms that a text looks like: a date, and a clock and a zone if anything follows it."""
    for date, forms in _DATES.items():
        if begun := re.match(date, text):
            rest = text[begun.end() :]
            for (clock, hour), (zone, offset) in product(_CLOCKS.items(), _ZONES.items()):
                if found := re.fullmatch(f"(T|:|,? ){clock}{zone}", rest):
                    yield from (f"{day}{found[1]}{hour}{offset}" for day in forms)
            if not rest:
                yield from forms


def _measured(form: str, zone: str | None, is_known: bool, values: Sequence[Any]) -> TimeForm | None:
    """How well a form fits; None where few values have it."""
    times = [time for value in values if (time := _read(value, form, zone)) is not None]
    if not values or 2 * len(times) < len(values):
        return None
    is_known = is_known or form.endswith((" UTC", " GMT"))
    return TimeForm(form, zone, is_known, None, len(times) / len(values), min(times), max(times))


def _read(value: Any, form: str, zone: str | None) -> datetime | None:
    """The time that a value is in a form, if it is a plausible one."""
    with suppress(InvalidPart):
        if form in UNITS:
            time = datetime.fromisoformat(parse_epoch(value, form))
        elif form == "rfc3339":
            if not _RFC3339.fullmatch(str(value)):
                return None
            time = datetime.fromisoformat(parse_time(value, "iso", None, "refuse"))
        else:
            time = datetime.fromisoformat(parse_time(value, form, ZoneInfo(zone) if zone else None, "earlier"))
        return time if _FIRST <= time < _LAST else None
    return None
