"""Extracts customer attributes from the traits of Segment's identify and group calls, and from streams of profiles.

The value of a trait is valid from the time of the call until another call changes it; null ends it. Names are converted
to lower case words; those of a group's traits begin with `group_`, and the group itself is `group_id`. Traits that are
objects or lists are ignored.

Of a stream of profiles every field that is not mapped is an attribute, and a message ends none that it lacks. It
belongs to the customer id, else to the anonymous id, else to the first of its identities by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson
import polars as pl

from expectations import contract
from ingest.decoding.formats.values import snake
from ingest.settings.ingest import Stream

_CONTACT: Final = """
    address avatar birthday email first_name id last_name name phone title username website
"""
CONTACT: Final = frozenset(_CONTACT.split())
"""Traits that identify a person or hold contact data. They are no use for segments, so they are extracted only if the
stream lists them."""
_GROUP: Final = "group"
_CALLS: Final = ("identify", _GROUP)


def has_traits(stream: Stream) -> bool:
    """Whether customer attributes are extracted from the messages of a stream."""
    return stream.traits != [] and (stream.format == "segment" or stream.profiles)


def events_of(accepted: pl.DataFrame, stream: Stream) -> pl.DataFrame:
    """The events among what was accepted: none of a stream of profiles."""
    return accepted.clear() if stream.profiles else accepted


def attributes(events: pl.DataFrame, stream: Stream) -> pl.DataFrame:
    """The customer attributes in the events of a stream, in order of offset, part and name; those of a call without
    `userId` belong to its `anonymousId`. Columns and dtypes are those of `contract.PROFILES`.

    `events` has the columns of `contract.EVENTS`. No events, or none with traits, give no rows.
    """
    is_call = pl.lit(True) if stream.profiles else pl.col(contract.EVENT_NAME).is_in(_CALLS)
    calls = events.filter(is_call & pl.col("properties").is_not_null())
    names = None if stream.traits is None else frozenset(map(snake, stream.traits))
    ordered = calls.sort(contract.OFFSET, contract.PART).iter_rows(named=True)
    rows = [row for call in ordered for row in _rows(call, names, is_profile=stream.profiles)]
    return pl.DataFrame(rows, contract.PROFILES, orient="row")


def _rows(call: dict[str, Any], names: frozenset[str] | None, *, is_profile: bool) -> Iterator[tuple[Any, ...]]:
    """The attributes of one call: those in `names`, or all but contact data when it is None."""
    known = [(kind, call[kind]) for kind in (contract.CUSTOMER_ID, contract.ANONYMOUS_ID)]
    known += sorted(dict(call[contract.IDENTITIES] or ()).items()) if is_profile else []
    kind, identity = next(((kind, identity) for kind, identity in known if identity), ("", ""))
    if not identity:
        return
    position = [call[name] for name in contract.POSITION]
    properties = orjson.loads(call["properties"])
    found = _traits({"traits": properties}, "") if is_profile else _traits(properties, call[contract.EVENT_NAME])
    for name, value in sorted(found, key=lambda pair: pair[0]):
        if name not in CONTACT if names is None else name in names:
            yield (kind, identity, name, value, call[contract.OCCURRED_AT], *position)


def _traits(properties: dict[str, Any], call: str) -> Iterator[tuple[str, str | None]]:
    group = call == _GROUP
    if group and type(properties.get("groupId")) in (str, int):
        yield "group_id", str(properties["groupId"])
    traits = properties.get("traits")
    for name, value in traits.items() if type(traits) is dict else ():
        word = snake(name)
        if type(value) not in (dict, list) and not (group and word in CONTACT):
            yield f"group_{word}" if group else word, _text(value)


def _text(value: Any) -> str | None:
    """A JSON value as text; null, which ends the attribute, stays null."""
    return value if value is None or type(value) is str else orjson.dumps(value).decode()
