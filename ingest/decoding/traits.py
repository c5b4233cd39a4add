"""Extracts customer attributes from the traits of Segment's identify and group calls.

A trait holds from the time of the call until another call says otherwise; one that is null has ended. Names become
lower case words; those of a group begin with `group_`, and the group itself is `group_id`. Traits that are objects or
lists are no attributes.
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
"""Traits that name or reach a person. They define no segments, so they are taken only if the stream lists them."""
_GROUP: Final = "group"
_CALLS: Final = ("identify", _GROUP)


def has_traits(stream: Stream) -> bool:
    """Whether the messages of a stream tell attributes of customers."""
    return stream.format == "segment" and stream.traits != []


def attributes(events: pl.DataFrame, stream: Stream) -> pl.DataFrame:
    """The customer attributes (columns and dtypes of `contract.PROFILES`) that some events of a stream tell, in order
    of offset, part and name. Those of a call without `userId` are of its `anonymousId`.

    Columns read: those of `contract.EVENTS`. No events, or none with traits, give no rows.
    """
    calls = events.filter(pl.col(contract.EVENT_NAME).is_in(_CALLS) & pl.col("properties").is_not_null())
    wanted = None if stream.traits is None else frozenset(map(snake, stream.traits))
    rows = [
        row for call in calls.sort(contract.OFFSET, contract.PART).iter_rows(named=True) for row in _told(call, wanted)
    ]
    return pl.DataFrame(rows, contract.PROFILES, orient="row")


def _told(call: dict[str, Any], wanted: frozenset[str] | None) -> Iterator[tuple[Any, ...]]:
    kind = contract.CUSTOMER_ID if call[contract.CUSTOMER_ID] else contract.ANONYMOUS_ID
    if not call[kind]:
        return
    position = [call[name] for name in contract.POSITION]
    properties = orjson.loads(call["properties"])
    for name, value in sorted(_traits(properties, call[contract.EVENT_NAME])):
        if name not in CONTACT if wanted is None else name in wanted:
            yield (kind, call[kind], name, value, call[contract.OCCURRED_AT], *position)


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
    """A JSON value as text; null says that the attribute has ended."""
    return value if value is None or type(value) is str else orjson.dumps(value).decode()
