"""Simulates a person's visits over the whole period: journeys that lead to an order or fade out, one after another.

Successive visits may change screen and channel. A journey may begin at any stage (an ad, a search result, a call, the
cart itself), return to earlier stages, and be followed by another one after the order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Any, Final

from ingest.samples.shop.catalogue import DAY, HOUR, MINUTE, NEWSLETTERS, OPENING_HOURS, PRODUCTS, SCREEN_HOURS
from ingest.samples.shop.feedback import after_order, after_visit
from ingest.samples.shop.people import PHONE_FIRST, Person, Screen
from ingest.samples.shop.visits import Fact, Mood, Visit, browse, call, shop_in_store

KIOSK: Final = "kiosk-0001"

ENTRIES: Final = ("direct", "ad", "search", "email", "store", "call")
FIRST: Final = tuple(accumulate((0.23, 0.27, 0.18, 0.13, 0.15, 0.04)))
LATER: Final = tuple(accumulate((0.38, 0.10, 0.10, 0.18, 0.16, 0.08)))


@dataclass(slots=True)
class Shop:
    """The state that all people share: random numbers, the period, the incident, the occupied kiosk slots."""

    rng: Random
    start: int
    end: int
    incident: tuple[int, int]
    kiosk_taken: set[int] = field(default_factory=set)

    def moment(self, earliest: int, days: float, hours: tuple[int, ...] = SCREEN_HOURS) -> int:
        """A random time about `days` after `earliest`, in busy hours; the start of the week is quieter."""
        rng = self.rng
        day = (earliest + int(days * DAY)) // DAY
        if (day + 3) % 7 < 2 and rng.random() < 0.25:
            day += 4
        at = day * DAY + hours[int(len(hours) * rng.random())] * HOUR + int(rng.random() * HOUR)
        return at if at > earliest else earliest + 45 * MINUTE + int(rng.random() * 5 * HOUR)


def live(shop: Shop, person: Person) -> list[Fact]:
    """Simulate everything that the person does within the period."""
    facts: list[Fact] = []
    rng = shop.rng
    at = shop.start + int(rng.random() * 0.9 * (shop.end - shop.start))
    by_partner = person.by_partner
    while at < shop.end:
        mood = Mood(warmth=0.22 if by_partner else 0.0)
        entry = "partner" if by_partner else _entry(rng, person, FIRST)
        at, bought = Errand(shop, person, mood, facts).run(at, entry)
        by_partner = False
        mean = 26 if bought else 55
        at = shop.moment(at + DAY, mean * rng.expovariate(1.0))
    _sign_in_everywhere(shop, person, facts)
    return [fact for fact in facts if shop.start <= fact.at < shop.end]


def at_kiosk(shop: Shop, person: Person) -> list[Fact]:
    """Simulate a visit to the store's shared kiosk: products viewed on its device, and a loyalty card."""
    rng = shop.rng
    slot = shop.moment(shop.start, rng.random() * (shop.end - shop.start) / DAY, OPENING_HOURS) // (40 * MINUTE)
    while slot in shop.kiosk_taken:
        slot += 1
    shop.kiosk_taken.add(slot)
    shared: dict[str, Any] = {"identities": {"device_id": KIOSK}}
    facts: list[Fact] = []
    visit = Visit(rng, person, Mood(), facts, slot * 40 * MINUTE, "store", shared, "kiosk")
    card_first = visit.chance(0.8)
    if card_first:
        _show_card(visit, shared)
    for _ in range(1 + int(3 * rng.random())):
        visit.touch("product_viewed", 40, properties={"sku": PRODUCTS[int(240 * rng.random())][0]})
    if not card_first:
        _show_card(visit, shared)
    return [fact for fact in facts if fact.at < shop.end]


def _show_card(visit: Visit, shared: dict[str, Any]) -> None:
    visit.who = {"identities": {"device_id": KIOSK, "loyalty_id": visit.person.loyalty_id}}
    visit.touch("login", 10)
    visit.who = shared


@dataclass(slots=True)
class Errand:
    """One journey of a person: visits until an order or until the person loses interest; adds to `facts`."""

    shop: Shop
    person: Person
    mood: Mood
    facts: list[Fact]

    def run(self, at: int, entry: str) -> tuple[int, bool]:
        """Simulate the visits; returns the time of the last fact, and whether the person ordered."""
        shop, mood, rng = self.shop, self.mood, self.shop.rng
        at = shop.moment(at, 0)
        while at < shop.end:
            visit = self._visit(at, entry)
            if visit.ordered:
                after_order(rng, visit, self.facts)
                _raise_tier(self.person, visit.at)
                return visit.at, True
            after_visit(rng, visit)
            friction = 0.16 * mood.failures + 0.10 * mood.slow
            if rng.random() > 0.58 + 0.10 * bool(mood.cart) - friction:
                return visit.at, False
            returns_to_cart = bool(mood.cart) and rng.random() < 0.6
            entry = "cart" if returns_to_cart else _entry(rng, self.person, LATER)
            at = shop.moment(visit.at, rng.expovariate(1 / 1.6))
        return at, False

    def _visit(self, at: int, entry: str) -> Visit:
        if entry == "store":
            visit = self._begin(self.shop.moment(at, 0, OPENING_HOURS), "store", {"loyalty_id": self.person.loyalty_id})
            shop_in_store(visit)
        elif entry == "call":
            visit = self._begin(
                self.shop.moment(at, 0, OPENING_HOURS), "call_centre", {"phone_hash": self.person.phone_hash}
            )
            if visit.chance(0.97):
                visit.who["customer_id"] = self.person.customer_id
            call(visit)
        elif entry == "email" and not self._open_mail(at):
            visit = Visit(self.shop.rng, self.person, self.mood, self.facts, at, "email", {})
        else:
            visit = _at_screen(self.shop, self.person, _screen(self.shop.rng, self.person, entry), at)
            visit.mood, visit.facts = self.mood, self.facts
            browse(visit, entry)
        return visit

    def _begin(self, at: int, channel: str, identities: dict[str, Any]) -> Visit:
        return Visit(self.shop.rng, self.person, self.mood, self.facts, at, channel, {"identities": identities})

    def _open_mail(self, at: int) -> bool:
        """Open the newsletter; returns whether a link in it is clicked."""
        mail = self._begin(at - MINUTE, "email", {"email_hash": self.person.email_hash})
        mail.session = None
        campaign = NEWSLETTERS[int(len(NEWSLETTERS) * mail.rng.random())]
        mail.touch("email_opened", 10, campaign=campaign, source="newsletter", medium="email")
        return mail.chance(0.6)


def _at_screen(shop: Shop, person: Person, screen: Screen, at: int) -> Visit:
    channel = "app" if screen.is_app else "web"
    return Visit(shop.rng, person, Mood(), [], at, channel, screen.who, screen.device, screen, shop.incident)


def _entry(rng: Random, person: Person, edges: tuple[float, ...]) -> str:
    """A random entry of a visit; direct when the drawn one is not possible for this person."""
    at = rng.random() * edges[-1]
    entry = next(name for name, edge in zip(ENTRIES, edges, strict=True) if at < edge)
    impossible = (
        (entry == "email" and not person.subscribed)
        or (entry == "store" and person.loyalty_id is None)
        or (entry == "call" and person.phone_hash is None)
    )
    return "direct" if impossible else entry


def _screen(rng: Random, person: Person, entry: str) -> Screen:
    """The device of a visit: mostly the person's first; the app only for visits with entry direct or cart."""
    usable = [screen for screen in person.screens if not screen.is_app or entry in {"direct", "cart"}]
    if usable[-1].is_app and rng.random() < 0.5:
        return usable[-1]
    first = PHONE_FIRST[person.age_band] if usable[0].device == "mobile" else 0.65
    return usable[0] if rng.random() < first or len(usable) == 1 else usable[1 + int((len(usable) - 1) * rng.random())]


def _raise_tier(person: Person, at: int) -> None:
    """Raise the loyalty tier to silver with the second order and to gold with the fourth, from the order on."""
    tier = {2: "silver", 4: "gold"}.get(person.orders)
    ranks = ("none", "bronze", "silver", "gold")
    if tier and person.known_as and ranks.index(tier) > ranks.index(person.tier):
        person.tier = tier
        person.attributes.append(("loyalty_tier", tier, at))


def _sign_in_everywhere(shop: Shop, person: Person, facts: list[Fact]) -> None:
    """Log in 98 % of people with an account on their other devices, at the end of the last visit on each."""
    for screen in person.screens:
        if screen.linked or person.customer_id is None or shop.rng.random() > 0.98:
            continue
        on_screen = [fact for fact in facts if fact.who is screen.who and fact.at < shop.end - HOUR]
        if on_screen:
            last = max(on_screen, key=lambda fact: fact.at)
            visit = _at_screen(shop, person, screen, last.at)
            visit.facts, visit.session = facts, last.session
            visit.login()
