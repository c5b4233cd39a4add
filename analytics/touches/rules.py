"""How do events become touches? The settings of stitching: table [paths] of journeys.toml.

Identities say who is one customer, gaps cut sessions and journeys, touchpoint and stage rules name what happened, and
`context`, `attributes` and `values` choose what every touch carries for breakdowns.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Annotated, Final, Literal

import polars as pl
from pydantic import AwareDatetime, BeforeValidator, Field, field_validator, model_validator

from analytics.funnels.definition import duration
from expectations import contract
from expectations.config.file import Section
from expectations.errors import DefinitionError, nearest
from expectations.hashing import email_hash, phone_hash

OWN: Final = ("customer", "at", "touchpoint", "stage", "session", "journey", "outcome", "linked")
"""Columns of a touch that stitching makes."""

Policy = Literal["last_login", "first_login", "session", "never"]

LOGINS: Final = ("customer_id", "login", "email_hash", "phone_hash", "loyalty_id")
EMAIL_HASH: Final = "email_hash"
PHONE_HASH: Final = "phone_hash"
KINDS: Final = (*LOGINS, "device_id", "anonymous_id")


def _duration(value: object) -> timedelta:
    try:
        return duration(value)  # type: ignore[arg-type]
    except DefinitionError as error:
        raise ValueError(f"{error.what} Expected {error.expected}.") from None


Length = Annotated[timedelta, BeforeValidator(_duration)]


def _hashed(value: pl.Expr, digest: Callable[[str], str | None]) -> pl.Expr:
    """The hashes of texts, each different text hashed once a batch."""

    def hashes(texts: pl.Series) -> pl.Series:
        known = texts.unique().drop_nulls()
        found = pl.DataFrame({"text": known, "hash": pl.Series([digest(text) for text in known], dtype=pl.String)})
        return texts.alias("text").to_frame().join(found, on="text", how="left", maintain_order="left")["hash"]

    return value.map_batches(hashes, return_dtype=pl.String, is_elementwise=True)


class IdentityRules(Section):
    """Who is one customer."""

    kinds: list[str] = Field(default=list(KINDS), description="kinds of identity, the most trusted first")
    logins: list[str] = Field(default=list(LOGINS), description="kinds that name a person; others name a device")
    trim: bool = Field(default=True, description="cut blanks around values before they are compared")
    lower: list[str] = Field(default=["email_hash", "phone_hash"], description="kinds whose values ignore case")
    hash_email: list[str] = Field(
        default=[], description="kinds that hold e-mail addresses: only their hash is kept, as an email_hash"
    )
    hash_phone: list[str] = Field(
        default=[], description="kinds that hold phone numbers: only their hash is kept, as a phone_hash"
    )
    calling_code: str = Field(
        default="", pattern=r"^\+?[0-9]{0,3}$", description="calling code of phone numbers that are written without one"
    )
    deny: list[str] = Field(default=["", "unknown", "0"], description="values that never link")
    max_degree: int = Field(default=20, ge=1, description="a value linked to more others stops linking")
    shared: Policy = Field(default="last_login", description="whose the events of a value that stopped linking are")
    salt: str | None = Field(
        default=None, min_length=16, repr=False, description="secret: customer keys in the paths become pseudonyms"
    )
    as_of: AwareDatetime | None = Field(default=None, description="link only by what had arrived by this time")

    def normal(self, value: pl.Expr, kind: str | pl.Expr) -> pl.Expr:
        """A value of a kind as it is compared: trimmed, in small letters where its kind ignores case, or hashed.

        What is hashed is compared as of another kind, see `hashed`; what is no address is null.
        """
        value = value.str.strip_chars() if self.trim else value
        changes = [
            (self.lower, value.str.to_lowercase()),
            (self.hash_email, _hashed(value, email_hash)),
            (self.hash_phone, _hashed(value, partial(phone_hash, country=self.calling_code))),
        ]
        if isinstance(kind, str):
            return next((changed for kinds, changed in reversed(changes) if kind in kinds), value)
        for kinds, changed in changes:
            value = pl.when(kind.is_in(kinds)).then(changed).otherwise(value) if kinds else value
        return value

    @property
    def hashed(self) -> dict[str, str]:
        """The kinds whose values are hashed, each with the kind under which its hashes are known."""
        return dict.fromkeys(self.hash_email, EMAIL_HASH) | dict.fromkeys(self.hash_phone, PHONE_HASH)

    def known(self, kind: str, value: str) -> tuple[str, str | None]:
        """Kind and value under which an identity is known; the value is null for what is no address.

        >>> IdentityRules(lower=["card"]).known("card", " A1 ")
        ('card', 'a1')
        """
        return self.hashed.get(kind, kind), pl.select(self.normal(pl.lit(value), kind)).item()

    def denied(self, value: pl.Expr, kind: str) -> pl.Expr:
        """Whether a value that is already `normal` is denied: the list is compared as the values of the kind are.

        >>> rules = IdentityRules(deny=["Unknown"])
        >>> values = pl.lit(pl.Series(["unknown"]))
        >>> [pl.select(rules.denied(values, kind)).item() for kind in ("email_hash", "customer_id")]
        [True, False]
        """
        kinds = [kind, *(raw for raw, known in self.hashed.items() if known == kind)]
        denied = pl.Series(self.deny, dtype=pl.String)
        listed = pl.concat([pl.select(self.normal(pl.lit(denied), each)).to_series() for each in kinds])
        return value.is_in(listed.drop_nulls().unique(maintain_order=True).implode())

    @field_validator("kinds", "logins", "hash_email", "hash_phone")
    @classmethod
    def _each_once(cls, kinds: list[str]) -> list[str]:
        if len(set(kinds)) != len(kinds):
            raise ValueError("a kind is named twice")
        if wrong := [kind for kind in kinds if not kind or ":" in kind]:
            raise ValueError(f"a kind is a word without a colon, found {wrong[0]!r}")
        return kinds


class TouchpointRule(Section):
    """Events that are shown under one name, or are dropped. A rule without `name` keeps the name of the event."""

    events: list[str] = Field(default=[], description="event names; `*` stands for any letters")
    pattern: str | None = Field(default=None, description="regular expression that must occur in `column`")
    column: str = Field(
        default=contract.EVENT_NAME, description="the event column, or properties.x, that `pattern` reads"
    )
    url: str | None = Field(default=None, description="template of the address' path, such as /product/{id}")
    name: str | None = None
    drop: bool = False

    @field_validator("column")
    @classmethod
    def _is_there(cls, column: str) -> str:
        return known_column(column)

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            pl.Series([""]).str.contains(pattern or "")
        except pl.exceptions.ComputeError as error:
            said = re.search(r"error: (?!regex parse)(.*)", str(error))
            raise ValueError(f"not a regular expression: {said[1] if said else error}") from None
        return pattern

    @model_validator(mode="after")
    def _says_something(self) -> TouchpointRule:
        if not (self.events or self.pattern or self.url):
            raise ValueError("a touchpoint rule needs events, a pattern or a url")
        if self.drop == (self.name is not None):
            raise ValueError("a touchpoint rule has either a name or drop = true")
        return self


class StageRule(Section):
    """Touchpoints that make up one stage of the journey map."""

    name: str
    touchpoints: list[str] = Field(min_length=1, description="touchpoint names; `*` stands for any letters")


AIDA: Final = (
    StageRule(name="Awareness", touchpoints=["ad_*", "*impression*", "mailer*", "email_*", "campaign_*"]),
    StageRule(name="Interest", touchpoints=["page_view*", "search*", "product_*", "category_*", "store_visit*"]),
    StageRule(name="Desire", touchpoints=["*cart*", "wishlist*", "checkout*", "coupon*", "quote*"]),
    StageRule(name="Action", touchpoints=["order_placed", "order_completed", "purchase*", "subscribe*"]),
)


class PathRules(Section):
    """Table [paths]: everything that stitching depends on, and nothing else."""

    session_gap: Length = timedelta(minutes=30)
    split_on_channel: bool = Field(default=False, description="a change of channel also ends a session")
    journey_gap: Length = timedelta(days=30)
    goal: list[str] = Field(default=["order_placed"], description="touchpoints that end a journey as converted")
    context: list[str] = Field(default=["device", "campaign", "country"], description="event columns kept on touches")
    attributes: list[str] = Field(default=[], description="customer attributes, as of the event")
    values: list[str] = Field(default=["revenue", "score"], description="numeric columns kept on touches")
    sequence: str | None = Field(default=None, description="numeric column that orders touches of one instant")
    identities: IdentityRules = IdentityRules()
    touchpoints: list[TouchpointRule] = Field(default=[], description="in order; the first rule that fits wins")
    stages: list[StageRule] = Field(default=list(AIDA), description="in order; the first rule that fits wins")

    @field_validator("context", "values", "sequence")
    @classmethod
    def _is_there(cls, columns: list[str] | str | None) -> list[str] | str | None:
        for column in [columns] if isinstance(columns, str) else columns or []:
            known_column(column)
        return columns

    @model_validator(mode="after")
    def _one_name_each(self) -> PathRules:
        names = [short(column) for column in (*self.context, *self.attributes, *self.values)]
        if twice := sorted({name for name in names if names.count(name) > 1 or name in OWN}):
            raise ValueError(f"two columns of a touch would be called {twice[0]!r}")
        return self


def known_column(column: str) -> str:
    """The column, when an event has it or it is a property; else a `ValueError` that names the nearest."""
    if column in contract.EVENTS or column.startswith("properties."):
        return column
    hint = nearest(column, contract.EVENTS)
    raise ValueError(f"an event has no column {column!r}; {hint or 'name others as properties.x'}")


def short(column: str) -> str:
    """The name of a column on a touch: the last part of where it comes from.

    >>> short("properties.page")
    'page'
    """
    return column.rpartition(".")[2]
