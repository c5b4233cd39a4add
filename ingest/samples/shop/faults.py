"""Messages that no consumer should accept: each kind of damage, and the reason for which it is to be refused.

A damaged message is made from a sound one, so that only the damage tells them apart. None holds a line break: every
message fits on one line of a file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

Damage = Callable[[bytes, int], bytes]


def _changed(**fields: Any) -> Damage:
    def damage(sound: bytes, _: int) -> bytes:
        return orjson.dumps(orjson.loads(sound) | fields)

    return damage


def _without(*fields: str) -> Damage:
    def damage(sound: bytes, _: int) -> bytes:
        event = orjson.loads(sound)
        return orjson.dumps({name: value for name, value in event.items() if name not in fields})

    return damage


def _from_the_future(sound: bytes, arrived: int) -> bytes:
    return orjson.dumps(orjson.loads(sound) | {"occurred_at": arrived + 400 * 86_400_000})


FAULTS: Final[dict[str, tuple[str, Damage]]] = {
    "truncated": ("not_json", lambda sound, _: sound[: len(sound) // 2]),
    "nan": ("not_json", lambda sound, _: sound[:-1] + b',"score":NaN}'),
    "two_objects": ("not_json", lambda sound, _: sound + sound),
    "bad_utf8": ("not_utf8", lambda sound, _: sound[:-1] + b',"feedback_text":"caf\xe9"}'),
    "list": ("not_object", lambda sound, _: b"[" + sound + b"]"),
    "number": ("not_object", lambda _sound, _: b"42"),
    "no_time": ("missing_field", _without("occurred_at")),
    "no_name": ("missing_field", _without("event_name")),
    "items_as_text": ("wrong_type", _changed(items="three chairs")),
    "time_as_words": ("bad_timestamp", _changed(occurred_at="yesterday, around noon")),
    "clock_at_zero": ("time_out_of_range", _changed(occurred_at="1970-01-01T00:00:03Z")),
    "clock_ahead": ("time_out_of_range", _from_the_future),
    "nobody": ("no_identity", _without("customer_id", "anonymous_id", "identities")),
}
"""Kind of damage: the reason to refuse it, and how it is done to (sound message, time of arrival in ms)."""
