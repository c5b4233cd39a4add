"""The `json` format: one JSON object per message, with the field names of the contract.

Other fields are moved into `properties`, unless the message's own `properties` has a field of that name.
"""

from __future__ import annotations

from typing import Any, Final

from ingest.settings.mapping import FIELDS

_KNOWN: Final = frozenset(FIELDS)


def plain(message: dict[str, Any]) -> dict[str, Any]:
    """The event of one message: known fields are unchanged, unknown ones are moved into `properties`.

    If `properties` is not an object, the message is returned unchanged, and the decoder refuses it.

    >>> plain({"event_name": "search", "query": "tea"})
    {'event_name': 'search', 'properties': {'query': 'tea'}}
    """
    if message.keys() <= _KNOWN:
        return message
    properties = message.get("properties")
    if properties is not None and not isinstance(properties, dict):
        return message
    event = {name: value for name, value in message.items() if name in _KNOWN}
    event["properties"] = {name: value for name, value in message.items() if name not in _KNOWN} | (properties or {})
    return event
