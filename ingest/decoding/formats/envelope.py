"""The result types of a format: the parts of a message, each an event or the fault that refuses it.

A *part* is one event of a message; a batch has many, numbered from 0 in their order. An *event* is an object with the
fields of `ingest.settings.mapping.FIELDS` and JSON values. `ingest.decoding.columns` types them afterwards, so a format
only moves values to fields; a value of the wrong type is refused there, with its field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from ingest.decoding.columns import name_of

Event = dict[str, Any]
Document = Mapping[str, Any]

TOMBSTONE: Final = "tombstone"


class Fault(NamedTuple):
    """Why a message, or a part of it, is no event: a stable reason, the field at fault, a sentence without values."""

    reason: str
    field: str | None
    message: str


class Part(NamedTuple):
    """One event, and the object of the message that it was made from, in which a mapping finds more."""

    event: Event
    given: Document


Outcome = Part | Fault
Outcomes = list[Outcome] | Fault
"""The parts of a message, or one fault when the message as a whole cannot be read."""


class InvalidPart(Exception):
    """Raised inside a format where a part cannot become an event; `parts_of` turns it into its fault."""

    def __init__(self, reason: str, field: str | None, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(reason, field, message)


def read_parts(documents: list[Any], read: Callable[[dict[str, Any]], Event]) -> list[Outcome]:
    """Read every document of a message on its own: what is wrong with one costs that one.

    >>> read_parts([{"event_name": "search"}, 5], lambda document: document)[1].reason
    'not_object'
    """
    return [_part(document, read) for document in documents]


def _part(document: Any, read: Callable[[dict[str, Any]], Event]) -> Outcome:
    if type(document) is not dict:
        return Fault("not_object", None, f"expected an object, found {name_of(document)}")
    try:
        return Part(read(document), document)
    except InvalidPart as unfit:
        return unfit.fault
