"""What journeys.toml says about the fields of a stream's messages: where each comes from, and rules by event name."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from expectations.config.file import Section
from expectations.contract import Kind
from expectations.hashing import HASHES, known_calling_code
from expectations.suites.arguments import is_time_format

FIELDS: Final[tuple[str, ...]] = (
    "event_id",
    "event_name",
    "kind",
    "channel",
    "occurred_at",
    "customer_id",
    "anonymous_id",
    "session_id",
    "identities",
    "order_id",
    "revenue",
    "currency",
    "items",
    "survey",
    "score",
    "feedback_text",
    "url",
    "referrer",
    "campaign",
    "source",
    "medium",
    "device",
    "country",
    "properties",
    "schema_version",
)
"""The fields a message may carry at its top level. Everything else about an event is ours: time of receipt,
position."""
Ambiguous = Literal["refuse", "earlier", "later"]
UNITS: Final = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}
"""Units of epoch times, in microseconds."""

_WITHIN: Final = ("identities.", "properties.")
_TIMES: Final = ("rfc3339", "iso", *UNITS)
_ITEM: Final = ("sku", "quantity", "price")


def _is_field(name: str) -> str:
    if name not in FIELDS and not (name.startswith(_WITHIN) and name.partition(".")[2]):
        raise ValueError(f"{name!r} is no field; fields: {', '.join(FIELDS)}, identities.<kind>, properties.<name>")
    return name


def _known_time(time: str) -> str:
    if time not in _TIMES and not ("%" in time and is_time_format(time)):
        raise ValueError(f"expected one of {', '.join(_TIMES)}, or a pattern of strptime such as %d.%m.%Y %H:%M:%S")
    return time


def _known_zone(zone: str | None) -> str | None:
    try:
        if zone is not None:
            ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ValueError("expected a time zone such as Europe/Berlin") from None
    return zone


def _item_fields(each: dict[str, str]) -> dict[str, str]:
    for name in each:
        if name not in _ITEM:
            raise ValueError(f"{name!r} is no field of an item; fields: {', '.join(_ITEM)}")
    return each


def _known_hash(hash: str | None) -> str | None:
    if hash is not None and hash not in HASHES:
        raise ValueError(f"expected one of {', '.join(HASHES)}")
    return hash


def _as_table(given: Any) -> Any:
    return {"path": given} if isinstance(given, str | list) else given


def _as_list(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


class Origin(Section):
    """Where one field comes from: the first of some paths that holds a value, else a default; or a constant.

    A path names keys from the outside in, joined by dots; a number counts in a list, from 0; a key that has a dot
    itself stands in double quotes. `@key`, `@timestamp` and `@header.<name>` are the message's own.

    With `hash`, what is found is kept as its SHA-256 alone (`expectations.hashing`): what is no address or number is
    not kept, and in `properties` whatever says the same is left out.

    >>> Origin(path="user.id").path
    ['user.id']
    """

    path: Annotated[list[str], BeforeValidator(_as_list)] = Field(default=[], description="dotted, first that is there")
    default: str | int | float | bool | None = None
    value: str | int | float | bool | None = Field(default=None, description="a constant")
    time: Annotated[str, AfterValidator(_known_time)] = "rfc3339"
    zone: Annotated[str | None, AfterValidator(_known_zone)] = Field(default=None, description="of times without one")
    ambiguous: Ambiguous = "refuse"
    each: Annotated[dict[str, str], AfterValidator(_item_fields)] = Field(default={}, description="fields of an item")
    hash: Annotated[str | None, AfterValidator(_known_hash)] = Field(default=None, description="email or phone")
    calling_code: Annotated[str, AfterValidator(known_calling_code)] = Field(
        default="", pattern=r"^\+?[1-9]?[0-9]{0,3}$", description="of phone numbers without one"
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Origin:
        if bool(self.path) == (self.value is not None):
            raise ValueError("expected either path or value")
        if "%" in self.time and "%z" not in self.time and self.zone is None:
            raise ValueError("a pattern without %z needs a zone")
        if self.hash is not None and not self.path:
            raise ValueError("a hash needs a path")
        return self


Origins = dict[
    Annotated[str, AfterValidator(_is_field)],
    Annotated[Origin, BeforeValidator(_as_table)],
]


class EventRule(Section):
    """What holds for the events of some names: their kind, and fields that are found elsewhere or are constant."""

    events: Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]
    kind: Kind | None = None
    fields: Origins = Field(default={})
