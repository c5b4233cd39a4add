"""A person's time with the shop: visits that lead to an order or fade out, and coming back for the next one.

Visits go from screen to screen and channel to channel; a journey may begin at any stage (an ad, a search result, a
call, the cart itself), return to earlier stages, and begin again after the order.
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
    """The stage on which people act: the period, the incident, the kiosk's free minutes, and chance."""

    rng: Random
    start: int
    end: int
    incident: tuple[int, int]
    kiosk_taken: set[int] = field(default_factory=set)

    def moment(self, earliest: int, days: float, hours: tuple[int, ...] = SCREEN_HOURS) -> int:
        """A time about `days` after `earliest` at which people are about; the start of the week is quieter."""
        rng = self.rng
        day = (earliest + int(days * DAY)) // DAY
        if (day + 3) % 7 < 2 and rng.random() < 0.25:
            day += 4
        at = day * DAY + hours[int(len(hours) * rng.random())] * HOUR + int(rng.random() * HOUR)
        return at if at > earliest else earliest + 45 * MINUTE + int(rng.random() * 5 * HOUR)


def live(shop: Shop, person: Person) -> list[Fact]:
    """Everything the person does within the period, in the order of happening."""
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
    """The store's shared kiosk: products seen under its one device, and the card that was shown, mostly first."""
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
    """What one person is after: the mood it leaves them in, and the facts it adds to their life."""

    shop: Shop
    person: Person
    mood: Mood
    facts: list[Fact]

    def run(self, at: int, entry: str) -> tuple[int, bool]:
        """Visits until an order or until the person lets go: the time of the last touch, and whether they bought."""
        shop, mood, rng = self.shop, self.mood, self.shop.rng
        at = shop.moment(at, 0)
        while at < shop.end:
            visit = self._visit(at, entry)
            if visit.ordered:
                after_order(rng, visit, self.facts)
                _rise(self.person, visit.at)
                return visit.at, True
            after_visit(rng, visit)
            hurt = 0.16 * mood.failures + 0.10 * mood.slow
            if rng.random() > 0.58 + 0.10 * bool(mood.cart) - hurt:
                return visit.at, False
            again = bool(mood.cart) and rng.random() < 0.6
            entry = "cart" if again else _entry(rng, self.person, LATER)
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
        """The newsletter is opened; True when it is clicked too."""
        mail = self._begin(at - MINUTE, "email", {"email_hash": self.person.email_hash})
        mail.session = None
        campaign = NEWSLETTERS[int(len(NEWSLETTERS) * mail.rng.random())]
        mail.touch("email_opened", 10, campaign=campaign, source="newsletter", medium="email")
        return mail.chance(0.6)


def _at_screen(shop: Shop, person: Person, screen: Screen, at: int) -> Visit:
    channel = "app" if screen.is_app else "web"
    return Visit(shop.rng, person, Mood(), [], at, channel, screen.who, screen.device, screen, shop.incident)


def _entry(rng: Random, person: Person, edges: tuple[float, ...]) -> str:
    """How a visit begins, among the ways open to this person."""
    at = rng.random() * edges[-1]
    entry = next(name for name, edge in zip(ENTRIES, edges, strict=True) if at < edge)
    closed = (
        (entry == "email" and not person.subscribed)
        or (entry == "store" and person.loyalty_id is None)
        or (entry == "call" and person.phone_hash is None)
    )
    return "direct" if closed else entry


def _screen(rng: Random, person: Person, entry: str) -> Screen:
    """The device at hand: the first one for first contacts mostly, the app only for those who come by themselves."""
    usable = [screen for screen in person.screens if not screen.is_app or entry in {"direct", "cart"}]
    if usable[-1].is_app and rng.random() < 0.5:
        return usable[-1]
    first = PHONE_FIRST[person.age_band] if usable[0].device == "mobile" else 0.65
    return usable[0] if rng.random() < first or len(usable) == 1 else usable[1 + int((len(usable) - 1) * rng.random())]


def _rise(person: Person, at: int) -> None:
    """A second order makes silver, a fourth gold; the new tier holds from the order on."""
    tier = {2: "silver", 4: "gold"}.get(person.orders)
    ranks = ("none", "bronze", "silver", "gold")
    if tier and person.known_as and ranks.index(tier) > ranks.index(person.tier):
        person.tier = tier
        person.attributes.append(("loyalty_tier", tier, at))


def _sign_in_everywhere(shop: Shop, person: Person, facts: list[Fact]) -> None:
    """Nearly everybody with an account signs in on each device in the end: at the close of its last visit."""
    for screen in person.screens:
        if screen.linked or person.customer_id is None or shop.rng.random() > 0.98:
            continue
        seen = [fact for fact in facts if fact.who is screen.who and fact.at < shop.end - HOUR]
        if seen:
            last = max(seen, key=lambda fact: fact.at)
            visit = _at_screen(shop, person, screen, last.at)
            visit.facts, visit.session = facts, last.session
            visit.login()
