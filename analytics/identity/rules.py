"""Settings of identity resolution: table [paths.identities] of journeys.toml, and the session gap.

`IdentityRules` says which kinds of identity exist, how far each is trusted, how values are compared, and when a value
stops linking. `LinkRules` adds the session gap, which bounds the sessions of shared devices.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import Annotated, Final, Literal

import polars as pl
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, field_validator

from expectations.config.durations import duration
from expectations.config.file import Section
from expectations.errors import DefinitionError
from expectations.hashing import email_hash, known_calling_code, phone_hash

Policy = Literal["last_login", "first_login", "session", "never"]
LOGINS: Final = ("customer_id", "login", "email_hash", "phone_hash", "loyalty_id")
EMAIL_HASH: Final = "email_hash"
PHONE_HASH: Final = "phone_hash"
KINDS: Final = (*LOGINS, "device_id", "anonymous_id")
FORMAT_KINDS: Final = ("advertising_id", "network_userid", "user_fingerprint")
"""Further kinds that the formats of other tools' events have."""


def _parsed_duration(value: object) -> timedelta:
    try:
        return duration(value)  # type: ignore[arg-type]
    except DefinitionError as error:
        raise ValueError(f"{error.what} Expected {error.expected}.") from None


Duration = Annotated[timedelta, BeforeValidator(_parsed_duration)]


def _hashed_values(value: pl.Expr, digest: Callable[[str], str | None]) -> pl.Expr:
    """Hashes text; within a batch each distinct text is hashed once."""

    def hashes(texts: pl.Series) -> pl.Series:
        distinct = texts.unique().drop_nulls()
        table = pl.DataFrame(
            {"text": distinct, "hash": pl.Series([digest(text) for text in distinct], dtype=pl.String)}
        )
        return texts.alias("text").to_frame().join(table, on="text", how="left", maintain_order="left")["hash"]

    return value.map_batches(hashes, return_dtype=pl.String, is_elementwise=True)


class IdentityRules(Section):
    """Which identities belong to one customer: table [paths.identities]."""

    kinds: list[str] = Field(
        default=list(KINDS), max_length=200, description="kinds of identity, the most trusted first"
    )
    logins: list[str] = Field(default=list(LOGINS), description="kinds that name a person; others name a device")
    trim: bool = Field(default=True, description="cut blanks around values before they are compared")
    lower: list[str] = Field(default=["email_hash", "phone_hash"], description="kinds whose values ignore case")
    hash_email: list[str] = Field(
        default=[], description="kinds that hold e-mail addresses: only their hash is kept, as an email_hash"
    )
    hash_phone: list[str] = Field(
        default=[], description="kinds that hold phone numbers: only their hash is kept, as a phone_hash"
    )
    calling_code: Annotated[str, AfterValidator(known_calling_code)] = Field(
        default="", pattern=r"^\+?[0-9]{0,3}$", description="calling code of phone numbers that are written without one"
    )
    unique: list[str] = Field(
        default=["customer_id"], description="kinds of which a customer has at most one value, however events link them"
    )
    deny: list[str] = Field(default=["", "unknown", "0"], description="values that never link")
    max_degree: int = Field(default=20, ge=1, description="a value linked to more others stops linking")
    shared: Policy = Field(default="last_login", description="customer of the events of a value that stopped linking")
    warn_identities: int = Field(default=100, ge=1, description="a customer with more identities is warned of")
    warn_events: int = Field(default=100_000, ge=1, description="a customer with more events is warned of")
    salt: str | None = Field(
        default=None, min_length=16, repr=False, description="secret: customer keys in the paths become pseudonyms"
    )
    as_of: AwareDatetime | None = Field(default=None, description="link only by what had arrived by this time")

    def normal(self, value: pl.Expr, kind: str | pl.Expr) -> pl.Expr:
        """A value as it is compared: trimmed, lower-cased where its kind ignores case, or hashed.

        Hashed values are compared as values of another kind, see `hashed`. A value that is not a valid address gives
        null.
        """
        value = value.str.strip_chars() if self.trim else value
        changes = [
            (self.lower, value.str.to_lowercase()),
            (self.hash_email, _hashed_values(value, email_hash)),
            (self.hash_phone, _hashed_values(value, partial(phone_hash, country=self.calling_code))),
        ]
        if isinstance(kind, str):
            return next((changed for kinds, changed in reversed(changes) if kind in kinds), value)
        for kinds, changed in changes:
            value = pl.when(kind.is_in(kinds)).then(changed).otherwise(value) if kinds else value
        return value

    @property
    def hashed(self) -> dict[str, str]:
        """The kinds whose values are hashed, each with the kind that its hashes get."""
        return dict.fromkeys(self.hash_email, EMAIL_HASH) | dict.fromkeys(self.hash_phone, PHONE_HASH)

    @property
    def known_kinds(self) -> frozenset[str]:
        """The kinds that link: those of the product, and those that a setting names. Others are counted, no more."""
        named = (self.kinds, self.logins, self.unique, self.lower, self.hash_email, self.hash_phone)
        return frozenset(chain(KINDS, FORMAT_KINDS, *named))

    @property
    def unique_kinds(self) -> list[str]:
        """The kinds of which a customer has at most one value, the most trusted first."""
        kinds = sorted({self.hashed.get(kind, kind) for kind in self.unique})
        return sorted(kinds, key=[*self.kinds, *kinds].index)

    def known(self, kind: str, value: str) -> tuple[str, str | None]:
        """Normalized kind and value of an identity; the value is None when it is not a valid address to hash.

        >>> IdentityRules(lower=["card"]).known("card", " A1 ")
        ('card', 'a1')
        """
        return self.hashed.get(kind, kind), pl.select(self.normal(pl.lit(value), kind)).item()

    def denied(self, value: pl.Expr, kind: str) -> pl.Expr:
        """Whether a `normal` value is denied; the deny list is normalized like the values of the kind.

        >>> rules = IdentityRules(deny=["Unknown"])
        >>> values = pl.lit(pl.Series(["unknown"]))
        >>> [pl.select(rules.denied(values, kind)).item() for kind in ("email_hash", "customer_id")]
        [True, False]
        """
        kinds = [kind, *(raw for raw, known in self.hashed.items() if known == kind)]
        denied = pl.Series(self.deny, dtype=pl.String)
        listed = pl.concat([pl.select(self.normal(pl.lit(denied), each)).to_series() for each in kinds])
        return value.is_in(listed.drop_nulls().unique(maintain_order=True).implode())

    @field_validator("kinds", "logins", "unique", "hash_email", "hash_phone")
    @classmethod
    def _each_once(cls, kinds: list[str]) -> list[str]:
        if len(set(kinds)) != len(kinds):
            raise ValueError("a kind is named twice")
        if wrong := [kind for kind in kinds if not kind or ":" in kind]:
            raise ValueError(f"a kind is a word without a colon, found {wrong[0]!r}")
        return kinds


class LinkRules(Section):
    """All settings that identity resolution depends on."""

    session_gap: Duration = Field(default=timedelta(minutes=30), description="the longest gap within a session")
    identities: IdentityRules = Field(default=IdentityRules(), description="who is one customer")
