"""Simulates a person's visits over the whole period: journeys that lead to an order or fade out, one after another.

Successive visits may change screen and channel. A journey may begin at any stage (an ad, a search result, a call, the
cart itself), return to earlier stages, and be followed by another one after the order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, count
from random import Random
from typing import Any, Final

from ingest.samples.shop.catalogue import DAY, HOUR, MINUTE, NEWSLETTERS, OPENING_HOURS, PRODUCTS, SCREEN_HOURS
from ingest.samples.shop.feedback import Says, after_order, after_visit
from ingest.samples.shop.people import PHONE_FIRST, Person, Screen
from ingest.samples.shop.stories import Stories
from ingest.samples.shop.streams import EVERYBODY, Purpose, stream
from ingest.samples.shop.visits import Fact, Mood, Visit, browse, call, shop_in_store
from ingest.samples.shop.words import Said, Words

KIOSK: Final = "kiosk-0001"
KIOSK_SLOT: Final = 40 * MINUTE

ENTRIES: Final = ("direct", "ad", "search", "email", "store", "call")
PARTNER: Final = "partner"
BY_CHANNEL: Final = {PARTNER: PARTNER, "email": "email", "store": "store", "call_centre": "call"}
"""The entries of visits by channel, for channels without which there can be a shop."""
FIRST: Final = tuple(accumulate((0.23, 0.27, 0.18, 0.13, 0.15, 0.04)))
LATER: Final = tuple(accumulate((0.38, 0.10, 0.10, 0.18, 0.16, 0.08)))


@dataclass(frozen=True, slots=True)
class Shop:
    """What all people share: the seed, the period, the stories, the channel by which nobody comes, and what is `said`.

    `said` has every text that anybody wrote.
    """

    seed: int
    start: int
    end: int
    stories: Stories
    without: str | None = None
    said: dict[str, Said] = field(default_factory=dict, compare=False)

    def entry(self, rng: Random, person: Person, edges: tuple[float, ...]) -> str:
        """A random entry of a visit; direct when the drawn one is not possible for this person, or in this shop."""
        at = rng.random() * edges[-1]
        entry = next(name for name, edge in zip(ENTRIES, edges, strict=True) if at < edge)
        impossible = (
            (entry == "email" and not person.subscribed)
            or (entry == "store" and person.loyalty_id is None)
            or (entry == "call" and person.phone_hash is None)
            or (self.without is not None and BY_CHANNEL[self.without] == entry)
        )
        return "direct" if impossible else entry

    def stream(self, person: Person, purpose: Purpose, first: int = 0, second: int = 0) -> Random:
        """The random numbers of a person for one purpose."""
        return stream(self.seed, person.number, purpose, first, second)

    def sometime(self, rng: Random, hours: tuple[int, ...] = SCREEN_HOURS) -> int:
        """A random time of the period, in busy hours."""
        return moment(rng, self.start, rng.random() * (self.end - self.start) / DAY, hours)


def moment(rng: Random, earliest: int, days: float, hours: tuple[int, ...] = SCREEN_HOURS) -> int:
    """A random time about `days` after `earliest`, in busy hours; the start of the week is quieter."""
    day = (earliest + int(days * DAY)) // DAY
    if (day + 3) % 7 < 2 and rng.random() < 0.25:
        day += 4
    at = day * DAY + hours[int(len(hours) * rng.random())] * HOUR + int(rng.random() * HOUR)
    return at if at > earliest else earliest + 45 * MINUTE + int(rng.random() * 5 * HOUR)


def live(shop: Shop, person: Person) -> list[Fact]:
    """Simulate everything that the person does within the period; each journey has random numbers of its own."""
    facts: list[Fact] = []
    rng = shop.stream(person, Purpose.LIFE)
    at = shop.start + int(rng.random() * 0.9 * (shop.end - shop.start))
    by_partner = person.by_partner and shop.without != PARTNER
    number = 0
    while at < shop.end:
        rng = shop.stream(person, Purpose.JOURNEY, number)
        mood = Mood(warmth=0.22 if by_partner else 0.0)
        entry = PARTNER if by_partner else shop.entry(rng, person, FIRST)
        begin, pause = moment(rng, at, 0), rng.expovariate(1.0)
        at, bought = Errand(shop, person, mood, facts, number).run(begin, entry)
        by_partner = False
        at = moment(rng, at + DAY, (26 if bought else 55) * pause)
        number += 1
    _sign_in_everywhere(shop, person, facts)
    return [fact for fact in facts if shop.start <= fact.at < shop.end]


def kiosk_slots(shop: Shop, users: int) -> list[int]:
    """When each of so many people uses the store's shared kiosk: no two at a time, as far as the period is long."""
    rng = stream(shop.seed, EVERYBODY, Purpose.KIOSK)
    taken: set[int] = set()
    for _ in range(users):
        slot = shop.sometime(rng, OPENING_HOURS) // KIOSK_SLOT
        while slot in taken:
            slot += 1
        taken.add(slot)
    slots = [slot * KIOSK_SLOT for slot in sorted(taken)]
    rng.shuffle(slots)
    return slots


def at_kiosk(shop: Shop, person: Person, at: int) -> list[Fact]:
    """Simulate a visit to the store's shared kiosk: products viewed on its device, and a loyalty card."""
    rng = shop.stream(person, Purpose.KIOSK)
    shared: dict[str, Any] = {"identities": {"device_id": KIOSK}}
    facts: list[Fact] = []
    visit = Visit(rng, person, Mood(), facts, at, "store", shared, "kiosk")
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
    """One journey of a person: visits until an order or until the person loses interest; adds to `facts`.

    Every visit has random numbers of its own, which also decide what follows it: a visit that a story ends leaves the
    draws of the next ones as they are.
    """

    shop: Shop
    person: Person
    mood: Mood
    facts: list[Fact]
    number: int

    def run(self, at: int, entry: str) -> tuple[int, bool]:
        """Simulate the visits; returns the time of the last fact, and whether the person ordered."""
        shop, mood = self.shop, self.mood
        for number in count():
            if at >= shop.end:
                break
            visit = self._visit(shop.stream(self.person, Purpose.VISIT, self.number, number), number, at, entry)
            rng = shop.stream(self.person, Purpose.AFTER, self.number, number)
            words, beliefs = (
                partial(shop.stream, self.person, purpose, self.number, number)
                for purpose in (Purpose.WORDS, Purpose.BELIEFS)
            )
            says = Says(Words(words, shop.said), beliefs)
            if visit.ordered:
                after_order(rng, visit, self.facts, says)
                _raise_tier(self.person, visit.at)
                return visit.at, True
            after_visit(rng, visit, says)
            friction = 0.16 * mood.failures + 0.10 * mood.slow
            if rng.random() > 0.58 + 0.10 * bool(mood.cart) - friction:
                return visit.at, False
            returns_to_cart = bool(mood.cart) and rng.random() < 0.6
            entry = "cart" if returns_to_cart else shop.entry(rng, self.person, LATER)
            at = moment(rng, visit.at, rng.expovariate(1 / 1.6))
        return at, False

    def _visit(self, rng: Random, number: int, at: int, entry: str) -> Visit:
        person = self.person
        if entry == "store":
            visit = self._begin(rng, moment(rng, at, 0, OPENING_HOURS), "store", {"loyalty_id": person.loyalty_id})
            visit.place = self.number, number
            shop_in_store(visit)
        elif entry == "call":
            at = moment(rng, at, 0, OPENING_HOURS)
            visit = self._begin(rng, at, "call_centre", {"phone_hash": person.phone_hash})
            visit.place = self.number, number
            if visit.chance(0.97):
                visit.who["customer_id"] = person.customer_id
            call(visit)
        elif entry == "email" and not self._open_mail(rng, at):
            visit = Visit(rng, person, self.mood, self.facts, at, "email", {})
        else:
            visit = _at_screen(self.shop, rng, person, _screen(rng, person, entry), at)
            visit.mood, visit.facts, visit.place = self.mood, self.facts, (self.number, number)
            visit.came_by = "email" if entry == "email" else None
            browse(visit, entry)
        return visit

    def _begin(self, rng: Random, at: int, channel: str, identities: dict[str, Any]) -> Visit:
        stories = self.shop.stories
        who = {"identities": identities}
        return Visit(rng, self.person, self.mood, self.facts, at, channel, who, stories=stories)

    def _open_mail(self, rng: Random, at: int) -> bool:
        """Open the newsletter; returns whether a link in it is clicked."""
        mail = self._begin(rng, at - MINUTE, "email", {"email_hash": self.person.email_hash})
        mail.session = None
        campaign = NEWSLETTERS[int(len(NEWSLETTERS) * mail.rng.random())]
        mail.touch("email_opened", 10, campaign=campaign, source="newsletter", medium="email")
        return mail.chance(0.6)


def _at_screen(shop: Shop, rng: Random, person: Person, screen: Screen, at: int) -> Visit:
    channel = "app" if screen.is_app else "web"
    return Visit(rng, person, Mood(), [], at, channel, screen.who, screen.device, screen, shop.stories)


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
    for number, screen in enumerate(person.screens):
        if screen.linked or person.customer_id is None:
            continue
        on_screen = [fact for fact in facts if fact.who is screen.who and fact.at < shop.end - HOUR]
        rng = shop.stream(person, Purpose.SIGN_IN, number)
        if on_screen and rng.random() < 0.98:
            last = max(on_screen, key=lambda fact: fact.at)
            visit = _at_screen(shop, rng, person, screen, last.at)
            visit.facts, visit.session = facts, last.session
            visit.login()
