"""The field mapping of a stream in journeys.toml: where in a message each event field is, and rules by event name.

These classes only describe and validate the mapping; `ingest.decoding.formats.mapping` applies it.
"""

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
"""The event fields that a message can set. Ingest adds the others: the time of receipt and the position."""
Ambiguous = Literal["refuse", "earlier", "later"]
UNITS: Final = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}
"""Units of epoch times, in microseconds."""
MINOR_UNITS: Final = "minor_units"
"""The scale of amounts in the smallest unit of their currency."""

_PREFIXES: Final = ("identities.", "properties.")
_TIME_FORMATS: Final = ("rfc3339", "iso", *UNITS)
SCALED: Final = ("revenue", "score")
"""Fields that `scale` multiplies."""
_ITEM_FIELDS: Final = ("sku", "quantity", "price")


def _check_field(name: str) -> str:
    if name not in FIELDS and not (name.startswith(_PREFIXES) and name.partition(".")[2]):
        fields = f"{', '.join(FIELDS)}, identities.<kind>, properties.<name>"
        raise ValueError(f"{name!r} is not an event field; fields: {fields}")
    return name


def _check_time_format(time: str) -> str:
    if time not in _TIME_FORMATS and not ("%" in time and is_time_format(time)):
        raise ValueError(f"expected one of {', '.join(_TIME_FORMATS)}, or a strptime format such as %d.%m.%Y %H:%M:%S")
    return time


def _check_scale(scale: str | float | None) -> str | float | None:
    if isinstance(scale, str) and scale != MINOR_UNITS:
        raise ValueError(f"expected a number such as 0.01, or {MINOR_UNITS}")
    if isinstance(scale, float) and not 0 < scale < float("inf"):
        raise ValueError("expected a number above 0")
    return scale


def _check_zone(zone: str | None) -> str | None:
    try:
        if zone is not None:
            ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ValueError("expected a time zone such as Europe/Berlin") from None
    return zone


def _check_item_fields(each: dict[str, str]) -> dict[str, str]:
    for name in each:
        if name not in _ITEM_FIELDS:
            raise ValueError(f"{name!r} is not an item field; fields: {', '.join(_ITEM_FIELDS)}")
    return each


def _check_hash(hash: str | None) -> str | None:
    if hash is not None and hash not in HASHES:
        raise ValueError(f"expected one of {', '.join(HASHES)}")
    return hash


def _as_table(value: Any) -> Any:
    return {"path": value} if isinstance(value, str | list) else value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Origin(Section):
    """The source of one field: the first path with a value, else the default; or a constant `value`.

    A path is a dotted list of keys, outermost first; a number is an index into a list, from 0; a key that contains a
    dot is enclosed in double quotes. A text that is JSON is entered like the object or list that it stands for. `@key`,
    `@timestamp` and `@header.<name>` refer to the Kafka record, `@message` to the message whose element is the event.

    Of several forms of `time` the first that fits is used. `scale` multiplies an amount: 0.01 for cents, or
    `minor_units` for the smallest unit of the event's currency, of which yen have none and dinars three digits;
    `digits` are those of currencies that the sender counts in another unit. A text like a pattern of `unlike` is no
    value.

    With `hash`, only the SHA-256 of the value is stored (`expectations.hashing`). A value that is not an e-mail address
    or phone number is dropped, and fields of `properties` with the same value are removed.

    >>> Origin(path="user.id").path
    ['user.id']
    """

    path: Annotated[list[str], BeforeValidator(_as_list)] = Field(
        default=[], description="dotted paths; the first with a value is used"
    )
    default: str | int | float | bool | None = Field(default=None, description="the value where no path has one")
    value: str | int | float | bool | None = Field(default=None, description="a constant")
    time: Annotated[
        list[Annotated[str, AfterValidator(_check_time_format)]], BeforeValidator(_as_list), Field(min_length=1)
    ] = Field(default=["rfc3339"], description="forms of a time; the first that fits is used")
    zone: Annotated[str | None, AfterValidator(_check_zone)] = Field(
        default=None, description="time zone of times without one"
    )
    ambiguous: Ambiguous = Field(default="refuse", description="what a time means that a change of the clock repeats")
    scale: Annotated[float | str | None, AfterValidator(_check_scale)] = Field(
        default=None, description="what an amount is multiplied by, or minor_units"
    )
    digits: dict[str, Annotated[int, Field(ge=0, le=4)]] = Field(
        default={}, description="decimal digits of currencies, with minor_units"
    )
    unlike: Annotated[list[str], BeforeValidator(_as_list)] = Field(
        default=[], description="texts that are no value; * stands for any characters"
    )
    each: Annotated[dict[str, str], AfterValidator(_check_item_fields)] = Field(
        default={}, description="paths of the item fields"
    )
    hash: Annotated[str | None, AfterValidator(_check_hash)] = Field(default=None, description="email or phone")
    calling_code: Annotated[str, AfterValidator(known_calling_code)] = Field(
        default="",
        pattern=r"^\+?[1-9]?[0-9]{0,3}$",
        description="calling code of phone numbers without one",
    )

    @model_validator(mode="after")
    def _check_combination(self) -> Origin:
        if bool(self.path) == (self.value is not None):
            raise ValueError("expected either path or value")
        if self.zone is None and any("%" in form and "%z" not in form for form in self.time):
            raise ValueError("a time format without %z needs a zone")
        if self.hash is not None and not self.path:
            raise ValueError("a hash needs a path")
        if self.digits and self.scale != MINOR_UNITS:
            raise ValueError(f"digits need the scale {MINOR_UNITS}")
        return self


def _check_scaled(origins: dict[str, Origin]) -> dict[str, Origin]:
    for name, origin in origins.items():
        if origin.scale is not None and name not in SCALED:
            raise ValueError(f"{name!r} cannot be scaled; fields: {', '.join(SCALED)}")
    return origins


Origins = Annotated[
    dict[
        Annotated[str, AfterValidator(_check_field)],
        Annotated[Origin, BeforeValidator(_as_table)],
    ],
    AfterValidator(_check_scaled),
]


class EventRule(Section):
    """Overrides for events with certain names: their kind, and the origins of fields."""

    events: Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)] = Field(description="names of events")
    kind: Kind | None = Field(default=None, description="their kind")
    fields: Origins = Field(default={}, description="origins of their fields")
