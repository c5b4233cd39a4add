"""Damages messages, with the reason for which a consumer should refuse each kind of damage.

A damaged message is made from a valid one and differs from it only in the damage. No damage adds a line break, so every
message fits on one line of a file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

Damage = Callable[[bytes, int], bytes]


def _changed(**fields: Any) -> Damage:
    def damage(valid: bytes, _: int) -> bytes:
        return orjson.dumps(orjson.loads(valid) | fields)

    return damage


def _without(*fields: str) -> Damage:
    def damage(valid: bytes, _: int) -> bytes:
        event = orjson.loads(valid)
        return orjson.dumps({name: value for name, value in event.items() if name not in fields})

    return damage


def _from_the_future(valid: bytes, arrived: int) -> bytes:
    return orjson.dumps(orjson.loads(valid) | {"occurred_at": arrived + 400 * 86_400_000})


FAULTS: Final[dict[str, tuple[str, Damage]]] = {
    "truncated": ("not_json", lambda valid, _: valid[: len(valid) // 2]),
    "nan": ("not_json", lambda valid, _: valid[:-1] + b',"score":NaN}'),
    "two_objects": ("not_json", lambda valid, _: valid + valid),
    "bad_utf8": ("not_utf8", lambda valid, _: valid[:-1] + b',"feedback_text":"caf\xe9"}'),
    "list": ("not_object", lambda valid, _: b"[" + valid + b"]"),
    "number": ("not_object", lambda _sound, _: b"42"),
    "no_time": ("missing_field", _without("occurred_at")),
    "no_name": ("missing_field", _without("event_name")),
    "items_as_text": ("wrong_type", _changed(items="three chairs")),
    "time_as_words": ("bad_timestamp", _changed(occurred_at="yesterday, around noon")),
    "clock_at_zero": ("time_out_of_range", _changed(occurred_at="1970-01-01T00:00:03Z")),
    "clock_ahead": ("time_out_of_range", _from_the_future),
    "nobody": ("no_identity", _without("customer_id", "anonymous_id", "identities")),
}
"""Per kind of damage: the reason for its refusal, and a function of a valid message and its time of arrival in ms."""
