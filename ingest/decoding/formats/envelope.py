"""The result types of a format: the parts of a message, each an event or the fault for which it is refused.

A *part* is one event of a message; a batch has several, numbered from 0 in order. An *event* is an object with the
fields of `ingest.settings.mapping.FIELDS` and JSON values. A format only moves values to fields; types are converted
afterwards by `ingest.decoding.columns`, which refuses values of the wrong type and names the field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from ingest.decoding.columns import type_name

Event = dict[str, Any]
Document = Mapping[str, Any]

TOMBSTONE: Final = "tombstone"


class Fault(NamedTuple):
    """Why a message or a part of it is refused: a stable reason, the invalid field, a sentence without values."""

    reason: str
    field: str | None
    message: str


class Part(NamedTuple):
    """One event, and the object in the message that it was built from, which a mapping can take more fields from."""

    event: Event
    document: Document


Outcome = Part | Fault
Outcomes = list[Outcome] | Fault
"""The parts of a message, or one fault when the message as a whole cannot be read."""


class InvalidPart(Exception):
    """Raised inside a format when a part cannot become an event; `read_parts` converts it to its fault."""

    def __init__(self, reason: str, field: str | None, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(reason, field, message)


def read_parts(documents: list[Any], read: Callable[[dict[str, Any]], Event]) -> list[Outcome]:
    """Read every document of a message on its own: an invalid one is refused alone.

    >>> read_parts([{"event_name": "search"}, 5], lambda document: document)[1].reason
    'not_object'
    """
    return [_part(document, read) for document in documents]


def _part(document: Any, read: Callable[[dict[str, Any]], Event]) -> Outcome:
    if type(document) is not dict:
        return Fault("not_object", None, f"expected an object, found {type_name(document)}")
    try:
        return Part(read(document), document)
    except InvalidPart as error:
        return error.fault
