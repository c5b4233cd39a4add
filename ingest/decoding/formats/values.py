"""Conversions of JSON values shared by the formats: names, ids, numbers, times.

Each converts a value that can be read in exactly one way, and returns any other unchanged; the typed column then
refuses it and names the field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

from ingest.decoding.columns import type_name
from ingest.decoding.formats.envelope import InvalidPart

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GAP: Final = re.compile(r"[\W_]+")
_DEVICES: Final = {"computer": "desktop", "ios": "mobile", "android": "mobile", "phone": "mobile"}
_DIGITS: Final = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"), 0),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Decimal digits of the currencies that do not have two (ISO 4217)."""
_NOTHING: Final[dict[str, Any]] = {}


@lru_cache(maxsize=4096)
def snake(name: str) -> str:
    """A name as lower case words joined by `_`; a name without a letter or digit is returned unchanged.

    >>> snake("Order Completed"), snake("checkoutStarted"), snake("com.shop.NPSAnswered")
    ('order_completed', 'checkout_started', 'com_shop_nps_answered')
    """
    return _GAP.sub("_", _HUMP.sub("_", name)).strip("_").lower() or name


def name(value: Any) -> Any:
    """An event name in the form that the contract requires (`snake`)."""
    return snake(value) if type(value) is str else value


def is_one_of(value: Any, names: frozenset[str]) -> bool:
    """Whether a JSON value is text and one of the names."""
    return type(value) is str and value in names


def text(value: Any) -> Any:
    """Text of an id that was sent as a whole number."""
    return str(value) if type(value) is int else value


def whole(value: Any) -> Any:
    """A whole number that was sent as text or as 2.0.

    >>> whole("3"), whole(2.0), whole("3.5")
    (3, 2, '3.5')
    """
    if type(value) is str and len(value) < 20 and value.lstrip("-").isascii() and value.lstrip("-").isdecimal():
        return int(value) if not value.startswith("--") else value
    return int(value) if type(value) is float and value.is_integer() else value


def number(value: Any) -> Any:
    """A number that was sent as text."""
    if type(value) is not str:
        return value
    try:
        return float(value)
    except ValueError:
        return value


def upper_case(value: Any) -> Any:
    """A currency in capital letters; None when it is blank."""
    return (value.strip().upper() or None) if type(value) is str else value


def scaled(value: Any, factor: Decimal) -> Any:
    """An amount, a number or its text, times a factor, as text; any other value unchanged.

    >>> scaled("1999", Decimal("0.01")), scaled(True, Decimal("0.01"))
    ('19.99', True)
    """
    if type(value) not in (int, float, str):
        return value
    try:
        return format(Decimal(str(value)) * factor, "f")
    except InvalidOperation:
        return value


def from_minor_units(value: Any, currency: Any, digits: Mapping[str, int] = _NOTHING) -> Any:
    """An amount in the smallest unit of its currency as one in the currency; two digits where none is named. `digits`
    are those of currencies for which the sender counts in another unit.

    >>> from_minor_units(2000, "EUR"), from_minor_units(2000, "JPY"), from_minor_units(2000, "KWD")
    ('20.00', '2000', '2.000')
    """
    return scaled(value, Decimal(1).scaleb(-digits.get(currency, _DIGITS.get(currency, 2))))


def device(value: Any) -> Any:
    """The class of a device: mobile, desktop, tablet, or another word of the sender, in lower case."""
    return _DEVICES.get(value.lower(), value.lower()) if type(value) is str else value


def child(document: Mapping[str, Any], field: str) -> dict[str, Any]:
    """The object in a field; empty when the field is absent or null. Raises InvalidPart for a value of another type."""
    value = document.get(field)
    if value is None:
        return _NOTHING
    if type(value) is not dict:
        raise InvalidPart("wrong_type", field, f"expected an object, found {type_name(value)}")
    return value


def children(document: Mapping[str, Any], field: str) -> list[Any]:
    """The list in a field; empty when the field is absent or null. Raises InvalidPart for a value of another type."""
    value = document.get(field)
    if value is None:
        return []
    if type(value) is not list:
        raise InvalidPart("wrong_type", field, f"expected a list, found {type_name(value)}")
    return value


def microseconds_to_time(microseconds: Any, field: str = "occurred_at") -> str | None:
    """Convert whole microseconds since 1970 UTC, a number or its text, to RFC 3339; None stays None.

    Raises InvalidPart when the value is not such a time.

    >>> microseconds_to_time("1767225600000001")
    '2026-01-01T00:00:00.000001+00:00'
    """
    if microseconds is None:
        return None
    value = whole(microseconds)
    try:
        if type(value) is int:
            return (_EPOCH + timedelta(microseconds=value)).isoformat()
    except OverflowError:
        pass
    raise InvalidPart("bad_timestamp", field, "expected whole microseconds since 1970")


def without_blanks(**values: Any) -> dict[str, Any] | None:
    """The values that are neither null nor blank, by name; None when there are none.

    >>> without_blanks(device_id="d1", card="", email=None)
    {'device_id': 'd1'}
    """
    return {key: value for key, value in values.items() if value is not None and value != ""} or None
