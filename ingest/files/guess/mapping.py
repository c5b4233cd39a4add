"""Chooses how the rows of one file become events: a format that is known as a whole, or a mapping of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ingest.files.guess.origins import RowOrigin
from ingest.files.guess.roles import NOBODY, Choice, Named, rest_of, value_of, what, when, who
from ingest.files.guess.sample import Column, FileSample, columns_of
from ingest.settings.ingest import Format

_CALLS: Final = frozenset({"track", "page", "screen", "identify", "group", "alias"})
_OF_FORMATS: Final[dict[Format, tuple[str, str, str]]] = {
    "segment": ("userId, anonymousId", "timestamp", "event, type"),
    "ga4": ("user_id, user_pseudo_id", "event_timestamp", "event_name"),
    "snowplow": ("user_id, domain_userid", "derived_tstamp, collector_tstamp", "event_name"),
    "cloudevents": ("customer_id of the data", "time", "type"),
}
"""Where a format has the customer, the time and the event."""
_COLUMNS_OF_EVENTS: Final = frozenset({"event_name", "occurred_at"})


class Guess(NamedTuple):
    """How the rows of a file become events. `choices` are fields with their columns. `lacking` are the questions
    (customer, at) that nothing answers; `columns` are all there are. `is_plain` says that no mapping is needed, `tool`
    that the mapping of a tool is used.
    """

    stem: str
    form: Format
    choices: list[Choice]
    lacking: list[str]
    columns: list[str]
    is_plain: bool = False
    tool: str = ""

    @property
    def is_order(self) -> bool:
        """Whether each row is an order."""
        return any(choice.constant == "order_placed" for choice in self.choices)

    @property
    def fields(self) -> list[Choice]:
        """The choices that a mapping names."""
        return [] if self.is_plain or self.form != "json" else self.choices


@dataclass(frozen=True)
class FileGroup:
    """Files of one shape: the patterns of their names, how their rows become events, and the first of them; or the rows
    of an `origin` that is no file.
    """

    match: list[str]
    guess: Guess
    sample: FileSample
    place: str
    """Where the rows were read, as a person has named it."""
    origin: RowOrigin | None = None

    @property
    def table(self) -> str:
        """The list in `[ingest]` that says how the rows are read."""
        return self.origin.table if self.origin else "files"


def guess(sample: FileSample, named: Named = NOBODY) -> Guess:
    """How the rows of a file become events; `named` are the columns that a person has named."""
    stem = sample.file.name.split(".")[0]
    form = "snowplow" if sample.is_snowplow else _format_of(sample.documents[:200])
    if form != "json" and not any(named):
        fields = zip(("customer_id", "occurred_at", "event_name"), _OF_FORMATS[form], strict=True)
        return Guess(stem, form, [Choice(field, _told(path)) for field, path in fields], [], [])
    columns = columns_of(sample.documents)
    people = who(columns, named.customer)
    at = when(columns, named.at)
    taken = {choice.column.path for choice in (*people, *([at] if at else [])) if choice.column}
    left = [column for column in columns if column.path not in taken]
    events = what(left, stem, named.touchpoint)
    left = _without(left, events)
    is_order = any(choice.constant == "order_placed" for choice in events)
    rest = rest_of(left, is_order=is_order)
    worth = value_of(_without(left, [choice for choice in rest if choice.field != "order_id"]))
    lacking = [name for name, found in (("customer", people), ("at", at)) if not found]
    choices = [*people, *([at] if at else []), *events, *worth, *rest]
    is_plain = at is not None and at.form is not None and _is_plain(choices, at.form.form)
    return Guess(stem, "json", choices, lacking, [column.path for column in columns], is_plain)


def _told(path: str) -> Column:
    """A column of a format, which is known without its values."""
    return Column(path, (path,), path, [])


def _without(columns: Sequence[Column], choices: Sequence[Choice]) -> list[Column]:
    taken = {choice.column.path for choice in choices if choice.column}
    return [column for column in columns if column.path not in taken]


def _format_of(documents: Sequence[dict[str, Any]]) -> Format:
    """The format that all of the objects are in; json for none of those with a name."""
    for form, fits in _SIGNS.items():
        if documents and all(map(fits, documents)):
            return form
    return "json"


def _is_call(document: dict[str, Any]) -> bool:
    return "batch" in document or (
        document.get("type") in _CALLS and bool({"messageId", "originalTimestamp", "anonymousId"} & document.keys())
    )


def _is_row_of_ga4(document: dict[str, Any]) -> bool:
    return type(document.get("event_params")) is list and {"event_timestamp", "event_name"} <= document.keys()


def _is_atomic(document: dict[str, Any]) -> bool:
    return {"collector_tstamp", "event_id", "v_collector"} <= document.keys()


_SIGNS: Final[dict[Format, Any]] = {
    "segment": _is_call,
    "ga4": _is_row_of_ga4,
    "snowplow": _is_atomic,
    "cloudevents": lambda document: {"specversion", "type", "source"} <= document.keys(),
}


def _is_plain(choices: Sequence[Choice], form: str) -> bool:
    """Whether the columns have the names of the fields already, so that no mapping is needed."""
    paths = {choice.field: choice.column.path if choice.column else None for choice in choices}
    return (
        form == "rfc3339" and paths.keys() >= _COLUMNS_OF_EVENTS and all(field == path for field, path in paths.items())
    )
