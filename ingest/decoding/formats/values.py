"""Conversions shared by the formats: names, ids, numbers and times as senders write them.

Each converts a JSON value if there is exactly one way to read it, and returns it unchanged otherwise; the typed column
then refuses it and names the field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from ingest.decoding.columns import name_of
from ingest.decoding.formats.envelope import InvalidPart

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GAP: Final = re.compile(r"[\W_]+")
_DEVICES: Final = {"computer": "desktop", "ios": "mobile", "android": "mobile", "phone": "mobile"}
_NOTHING: Final[dict[str, Any]] = {}


@lru_cache(maxsize=4096)
def snake(name: str) -> str:
    """A name as lower case words joined by `_`; a name without a letter or digit stays as it is.

    >>> snake("Order Completed"), snake("checkoutStarted"), snake("com.shop.NPSAnswered")
    ('order_completed', 'checkout_started', 'com_shop_nps_answered')
    """
    return _GAP.sub("_", _HUMP.sub("_", name)).strip("_").lower() or name


def name(value: Any) -> Any:
    """The name of an event as the contract writes it (`snake`)."""
    return snake(value) if type(value) is str else value


def is_one_of(value: Any, names: frozenset[str]) -> bool:
    """Whether a JSON value is one of some names; what is no text is none."""
    return type(value) is str and value in names


def text(value: Any) -> Any:
    """An id that was sent as a whole number, as text."""
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
    """A currency in capital letters; blank is none."""
    return (value.strip().upper() or None) if type(value) is str else value


def device(value: Any) -> Any:
    """The class of a device in one word: mobile, desktop, tablet, or whatever the sender says, in lower case."""
    return _DEVICES.get(value.lower(), value.lower()) if type(value) is str else value


def child(given: Mapping[str, Any], field: str) -> dict[str, Any]:
    """The object at a field; an empty one where there is none. Raises Unfit when something else is there."""
    held = given.get(field)
    if held is None:
        return _NOTHING
    if type(held) is not dict:
        raise InvalidPart("wrong_type", field, f"expected an object, found {name_of(held)}")
    return held


def children(given: Mapping[str, Any], field: str) -> list[Any]:
    """The list at a field; an empty one where there is none. Raises Unfit when something else is there."""
    held = given.get(field)
    if held is None:
        return []
    if type(held) is not list:
        raise InvalidPart("wrong_type", field, f"expected a list, found {name_of(held)}")
    return held


def microseconds_to_time(microseconds: Any, field: str = "occurred_at") -> str | None:
    """Whole microseconds since 1970 UTC, as a number or its text, as RFC 3339; None where there is nothing.

    Raises Unfit when it is no such time.

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
    """Those of the values that say something; None when none does.

    >>> without_blanks(device_id="d1", card="", email=None)
    {'device_id': 'd1'}
    """
    return {key: value for key, value in values.items() if value is not None and value != ""} or None
