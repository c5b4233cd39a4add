"""Generates the people who visit the shop, with their devices, identities and attributes.

A person has attributes of four families: demographic (`age_band`), geographic (`region`), behavioural (`loyalty_tier`)
and psychographic (`attitude`). The shop knows them for people with an account or a loyalty card. They change slowly, so
each value has the time from which it is valid.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Final

from ingest.samples.shop.catalogue import DAY
from ingest.samples.shop.streams import Purpose, stream

NEVER_BUYS: Final = "window shopper"
GUEST: Final = "unknown"
"""The customer_id that the shop writes on some orders of people without an account: it identifies nobody."""

Weighted = tuple[tuple[str, ...], tuple[float, ...]]


def _weighted(**weights: float) -> Weighted:
    return tuple(name.replace("_", " ") for name in weights), tuple(accumulate(weights.values()))


ATTITUDES: Final = _weighted(
    price_seeker=0.30, explorer=0.25, loyalist=0.20, convenience_seeker=0.17, window_shopper=0.08
)
REGIONS: Final = _weighted(North=0.22, South=0.24, East=0.18, West=0.21, Capital=0.15)
TIERS: Final = _weighted(none=0.40, bronze=0.32, silver=0.19, gold=0.09)
COUNTRIES: Final = _weighted(DE=0.72, AT=0.15, CH=0.13)
AGES: Final = (("18-24", "25-34", "35-44", "45-54", "55-64", "65+"), (0.13, 0.35, 0.56, 0.74, 0.88, 1.0))
PHONE_FIRST: Final = {"18-24": 0.86, "25-34": 0.80, "35-44": 0.68, "45-54": 0.55, "55-64": 0.42, "65+": 0.30}
"""Probability that a person of that age prefers the phone to the desktop."""


@dataclass(slots=True)
class Screen:
    """A device of one person: a browser with its cookie, or the app on a phone."""

    who: dict[str, object]
    device: str
    is_app: bool = False
    linked: bool = False


@dataclass(slots=True)
class Person:
    """One person; `key` is the true customer, which stitching should recover."""

    number: int
    key: str
    age_band: str
    region: str
    tier: str
    attitude: str
    country: str
    email_hash: str
    screens: list[Screen]
    customer_id: str | None = None
    loyalty_id: str | None = None
    phone_hash: str | None = None
    subscribed: bool = False
    by_partner: bool = False
    clock_error: int = 0
    orders: int = 0
    attributes: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def known_as(self) -> tuple[str, str] | None:
        """The identity under which the shop stores the person's attributes."""
        if self.customer_id:
            return "customer_id", self.customer_id
        return ("loyalty_id", self.loyalty_id) if self.loyalty_id else None


def draw(rng: Random, choice: Weighted) -> str:
    """Draw one of the names, by weight."""
    names, cumulative = choice
    at = rng.random() * cumulative[-1]
    return next(name for name, edge in zip(names, cumulative, strict=True) if at < edge)


def person_of(seed: int, number: int, start: int, days: int) -> Person:
    """Generate a person with devices, card, account, and attributes that are valid since before `start`."""
    rng = stream(seed, number, Purpose.PERSON)
    age = draw(rng, AGES)
    person = Person(
        number=number,
        key=f"person-{number:06d}",
        age_band=age,
        region=draw(rng, REGIONS),
        tier="none",
        attitude=draw(rng, ATTITUDES),
        country=draw(rng, COUNTRIES),
        email_hash=_hashed(rng, "mail", number),
        screens=[],
        by_partner=rng.random() < 0.09,
    )
    _add_accounts(rng, person, number)
    _add_devices(rng, person)
    if person.known_as:
        _add_attributes(rng, person, start, days)
    return person


def _add_accounts(rng: Random, person: Person, number: int) -> None:
    if rng.random() < 0.80:
        person.customer_id = f"C{number + 100_000}"
        person.subscribed = rng.random() < 0.65
    if rng.random() < (0.50 if person.customer_id else 0.30):
        person.loyalty_id = f"L{rng.getrandbits(40):012d}"
    if person.known_as:
        person.tier = draw(rng, TIERS)
    if person.customer_id and rng.random() < 0.5:
        person.phone_hash = _hashed(rng, "phone", number)


def _add_devices(rng: Random, person: Person) -> None:
    """Browsers with a cookie each: one for people without an account, up to three and the app for the others."""
    phone_first = rng.random() < PHONE_FIRST[person.age_band]
    devices = ["mobile", "desktop"] if phone_first else ["desktop", "mobile"]
    extra = [True, rng.random() < 0.55, rng.random() < 0.12] if person.customer_id else [True, False, False]
    for device, owned in zip([*devices, "tablet"], extra, strict=True):
        if owned:
            person.screens.append(Screen({"anonymous_id": f"{rng.getrandbits(64):016x}"}, device))
    if person.customer_id and rng.random() < 0.35:
        app: dict[str, object] = {"identities": {"device_id": f"app-{rng.getrandbits(64):016x}"}}
        person.screens.append(Screen(app, "mobile", is_app=True))
        person.clock_error = rng.randrange(-480, 480) * 1000 if rng.random() < 0.02 else 0


def _add_attributes(rng: Random, person: Person, start: int, days: int) -> None:
    since = start - DAY * rng.randrange(1, 700)
    attributes = (
        ("age_band", person.age_band),
        ("region", person.region),
        ("loyalty_tier", person.tier),
        ("attitude", person.attitude),
    )
    person.attributes.extend((name, value, since) for name, value in attributes)
    if rng.random() < 0.05:
        moved = start + int(rng.random() * days * DAY)
        person.attributes.append(("region", draw(rng, REGIONS), moved))
    older = AGES[0].index(person.age_band) + 1
    if older < len(AGES[0]) and rng.random() < 0.015:
        birthday = start + int(rng.random() * days) * DAY
        person.attributes.append(("age_band", AGES[0][older], birthday))


def _hashed(rng: Random, kind: str, number: int) -> str:
    return hashlib.sha256(f"{kind}:{number}:{rng.getrandbits(64)}".encode()).hexdigest()[:32]
