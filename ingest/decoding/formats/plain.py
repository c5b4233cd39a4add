"""The `json` format: one JSON object a message, its fields named as in the contract.

Fields that the contract does not name are kept: they go into `properties`, where a field written there by the
producer wins.
"""

from __future__ import annotations

from typing import Any, Final

from ingest.settings.mapping import FIELDS

_KNOWN: Final = frozenset(FIELDS)


def plain(message: dict[str, Any]) -> dict[str, Any]:
    """One event from one message: known fields as they are, unknown ones moved into `properties`.

    A `properties` that is not an object is left for the decoder to refuse.

    >>> plain({"event_name": "search", "query": "tea"})
    {'event_name': 'search', 'properties': {'query': 'tea'}}
    """
    if message.keys() <= _KNOWN:
        return message
    given = message.get("properties")
    if given is not None and not isinstance(given, dict):
        return message
    event = {name: value for name, value in message.items() if name in _KNOWN}
    event["properties"] = {name: value for name, value in message.items() if name not in _KNOWN} | (given or {})
    return event
