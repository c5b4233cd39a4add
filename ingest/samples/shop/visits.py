"""Simulates one visit to the shop: a person enters at some stage, browses, decides, and pays or leaves.

A visit takes place on a screen (web or app), in the store, or as a call. Each step is a `Fact`; whether the next step
follows is random, with probabilities that depend on friction (a failed payment, a long wait) and on the shop's stories.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from ingest.samples.shop.catalogue import ADS, CATEGORIES, CURRENCY, PARTNERS, PRODUCTS, SECOND, SITE
from ingest.samples.shop.people import GUEST, NEVER_BUYS, Person, Screen
from ingest.samples.shop.stories import NO_STORIES, Stories

EAGERNESS: Final = {
    "price seeker": 0.13,
    "explorer": 0.16,
    "loyalist": 0.28,
    "convenience seeker": 0.22,
    NEVER_BUYS: 0.17,
}
"""Probability that the first visit puts something into the cart, by attitude."""

_ADDRESSES: Final = {"home": "/", "landing": "/welcome", "cart": "/cart"}


@dataclass(slots=True)
class Fact:
    """One event before it is encoded: time, name, channel, the identities known to the channel, and other fields."""

    at: int
    name: str
    channel: str
    who: dict[str, Any]
    session: str | None
    device: str | None
    more: dict[str, Any]


@dataclass(slots=True)
class Mood:
    """A person's experiences since the last order, which determine how likely they continue and what they answer."""

    warmth: float = 0.0
    failures: int = 0
    slow: int = 0
    waits: int = 0
    good_store: int = 0
    cart: list[tuple[str, int, int]] = field(default_factory=list)

    def worst(self) -> str:
        """The topic of the most serious complaint, or `other`."""
        complaints = (("payment", self.failures), ("wait", self.waits), ("slow", self.slow))
        return next((name for name, count in complaints if count), "other")


@dataclass(slots=True)
class Visit:
    """One person's visit in one channel; `at` is the time of the latest fact.

    `place` has the numbers of the journey among those of the person, and of the visit in the journey; `came_by` is the
    channel of the visit's first fact, where it is another one.
    """

    rng: Random
    person: Person
    mood: Mood
    facts: list[Fact]
    at: int
    channel: str
    who: dict[str, Any]
    device: str | None = None
    screen: Screen | None = None
    stories: Stories = NO_STORIES
    place: tuple[int, int] = (0, 0)
    came_by: str | None = None
    ordered: bool = False
    session: str | None = field(init=False)

    def __post_init__(self) -> None:
        self.session = f"s{self.rng.getrandbits(48):012x}"

    def touch(self, name: str, seconds: float, **more: Any) -> None:
        """Add a fact, at a random time around `seconds` after the latest one."""
        self.at += int(seconds * SECOND * (0.4 + 1.2 * self.rng.random()))
        self.facts.append(Fact(self.at, name, self.channel, self.who, self.session, self.device, more))

    def chance(self, share: float) -> bool:
        """True with that probability."""
        return self.rng.random() < share

    def group(self, dimension: str) -> str | None:
        """The group of the visit; of the person for an attribute."""
        if dimension == "channel":
            return self.came_by or self.channel
        if dimension == "device":
            return self.device
        return self.person.tier if dimension == "loyalty_tier" else str(getattr(self.person, dimension))

    def login(self) -> None:
        """Log in on the screen; from now on the facts of the visit have the customer's id."""
        person, screen = self.person, self.screen
        if screen is None or person.customer_id is None or "customer_id" in self.who:
            return
        screen.linked = True
        device = dict(screen.who)
        identities = {**device.get("identities", {}), "email_hash": person.email_hash}  # type: ignore[dict-item]
        if person.loyalty_id:
            identities["loyalty_id"] = person.loyalty_id
        self.who = {**device, "customer_id": person.customer_id, "identities": identities}
        self.touch("login", 20)
        self.who = {**device, "customer_id": person.customer_id}

    def order(self) -> None:
        """Buy the content of the cart."""
        person, rng = self.person, self.rng
        cart = self.mood.cart or [_pick(rng)]
        person.orders += 1
        identities = {"email_hash": person.email_hash}
        if person.loyalty_id and (self.channel == "store" or self.chance(0.6)):
            identities["loyalty_id"] = person.loyalty_id
        before, self.who = self.who, {**self.who, "identities": identities | self.who.get("identities", {})}
        if person.customer_id is None and self.chance(0.5):
            self.who["customer_id"] = GUEST
        self.touch(
            "order_placed",
            2,
            order_id=f"O{rng.getrandbits(44):014d}",
            revenue=_money(sum(quantity * price for _, quantity, price in cart)),
            currency=CURRENCY,
            items=[{"sku": sku, "quantity": quantity, "price": _money(price)} for sku, quantity, price in cart],
        )
        self.who, self.ordered = before, True
        self.mood.cart = []


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _pick(rng: Random) -> tuple[str, int, int]:
    sku, _, price = PRODUCTS[int(len(PRODUCTS) * rng.random() ** 2)]
    return sku, 1 + int(rng.random() ** 4 * 4), price


def browse(visit: Visit, entry: str) -> None:
    """Simulate a visit on a screen, which begins with an ad, email, partner, search, direct or cart `entry`."""
    if visit.screen is not None and visit.screen.is_app and visit.chance(0.75):
        visit.login()
    if not _arrive(visit, entry):
        return
    if entry != "cart":
        if entry != "search" and visit.stories.end(visit, "arrive"):
            return
        if not _look_around(visit):
            return
        if not _fill_cart(visit):
            return
    _check_out(visit)


def _arrive(visit: Visit, entry: str) -> bool:
    """View the first page; returns False when the person leaves at once."""
    rng, person = visit.rng, visit.person
    if entry == "ad":
        campaign, source, medium = ADS[int(len(ADS) * rng.random())]
        visit.touch("ad_clicked", 0, campaign=campaign, source=source, medium=medium)
        return _view_page(visit, "landing", 2, 0.30, campaign=campaign, source=source, medium=medium)
    if entry == "email":
        before = visit.who
        visit.who = {**before, "identities": {**before.get("identities", {}), "email_hash": person.email_hash}}
        stayed = _view_page(visit, "landing", 2, 0.18, source="newsletter", medium="email")
        visit.who = before
        return stayed
    if entry == "partner":
        source = PARTNERS[int(len(PARTNERS) * rng.random())]
        visit.channel, channel = "partner", visit.channel
        visit.touch("partner_referral", 0, source=source, medium="referral")
        visit.channel, visit.came_by = channel, "partner"
        return _view_page(visit, "landing", 2, 0.12, source=source, medium="referral")
    if entry == "search":
        visit.touch("product_viewed", 0, source="google", medium="organic", **_product_fields(_pick(rng)[0]))
        return visit.chance(0.68)
    return _view_page(visit, "cart" if entry == "cart" else "home", 0, 0.10 if entry == "cart" else 0.20)


def _view_page(visit: Visit, page: str, seconds: float, leaves: float, **more: Any) -> bool:
    """View a page; returns False when the person leaves, with probability `leaves`, more often from a slow page."""
    draw = visit.rng.random()
    slow, ended = visit.stories.slow(visit, page)
    load = 3.1 + 3.2 * draw * draw if slow else 0.5 + 1.7 * draw * draw
    if not slow and draw > 0.99:
        load += 2.5
    properties = {"page": page, "load_seconds": round(load, 2)}
    visit.touch("page_viewed", seconds, url=SITE + _ADDRESSES.get(page, f"/c/{page}"), properties=properties, **more)
    visit.mood.slow += load > 3
    return not visit.chance(leaves) and not ended


def _product_fields(sku: str) -> dict[str, Any]:
    return {"url": f"{SITE}/p/{sku}", "properties": {"sku": sku, "page": "product"}}


def _look_around(visit: Visit) -> bool:
    """View categories, search results, products and reviews; returns False when the person leaves."""
    if visit.chance(0.16):
        visit.login()
    if visit.chance(0.55):
        category = CATEGORIES[int(len(CATEGORIES) * visit.rng.random())]
        if not _view_page(visit, category, 25, 0.16):
            return False
    if visit.chance(0.30):
        visit.touch("search_performed", 20, properties={"results": int(visit.rng.random() * 60)})
    while True:
        visit.touch("product_viewed", 35, **_product_fields(_pick(visit.rng)[0]))
        if visit.chance(0.26):
            visit.touch("review_read", 30, properties={"stars": 1 + int(visit.rng.random() * 5)})
        if visit.chance(0.56):
            return not visit.chance(0.15)


def _fill_cart(visit: Visit) -> bool:
    """Put products into the cart, perhaps after a chat or a quote; returns False when there is no checkout."""
    mood, person = visit.mood, visit.person
    if visit.stories.end(visit, "cart"):
        return False
    if visit.chance(0.03):
        _chat(visit)
    if visit.chance(0.06 if person.attitude == "price seeker" else 0.015):
        visit.touch("quote_requested", 60)
        mood.warmth += 0.05
    tier = {"none": 0.0, "bronze": 0.02, "silver": 0.06, "gold": 0.10}[person.tier]
    if not visit.chance(EAGERNESS[person.attitude] + mood.warmth + tier):
        mood.warmth += 0.06
        return False
    for _ in range(1 + visit.chance(0.25)):
        item = _pick(visit.rng)
        mood.cart.append(item)
        visit.touch("add_to_cart", 25, properties={"sku": item[0], "quantity": item[1]})
    return visit.chance(0.70)


def _chat(visit: Visit) -> None:
    wait = int(5 + 240 * visit.rng.random() ** 3)
    visit.mood.waits += wait > 120
    visit.touch("chat_started", 15, properties={"wait_seconds": wait})
    visit.at += wait * SECOND


def _check_out(visit: Visit) -> None:
    """Check out, pay and order; a story of payments shows an error instead, and the person leaves."""
    mood, person = visit.mood, visit.person
    if visit.chance(0.85):
        visit.login()
    visit.touch("checkout_started", 30)
    if person.attitude == NEVER_BUYS:
        return
    if visit.stories.end(visit, "pay"):
        visit.touch("error_shown", 15, properties={"code": "PAYMENT_FORM", "page": "checkout"})
        mood.failures += 1
        return
    if visit.chance(0.14):
        return
    while True:
        visit.touch("payment_submitted", 45)
        if not visit.chance(0.06):
            visit.order()
            return
        mood.failures += 1
        visit.touch("payment_failed", 4, properties={"code": "DECLINED"})
        if visit.chance(0.45):
            return


def shop_in_store(visit: Visit) -> None:
    """Simulate a visit to the store with the loyalty card, with or without a purchase."""
    visit.touch("store_visited", 0, properties={"store": f"store-{1 + int(visit.rng.random() * 12):02d}"})
    good = visit.chance(0.6)
    visit.mood.good_store += good
    visit.mood.warmth += 0.08 if good else 0.0
    eagerness = EAGERNESS[visit.person.attitude] + 0.08
    if visit.stories.end(visit, "cart"):
        return
    if visit.person.attitude != NEVER_BUYS and visit.chance(eagerness):
        visit.at += int((300 + 1500 * visit.rng.random()) * SECOND)
        visit.mood.cart = [_pick(visit.rng) for _ in range(1 + int(3 * visit.rng.random()))]
        visit.order()


def call(visit: Visit) -> None:
    """Simulate a call: a wait, then advice, a quote or an order by phone."""
    wait = int(10 + 900 * visit.rng.random() ** 2)
    visit.mood.waits += wait > 300
    visit.touch("call_started", 0, properties={"wait_seconds": wait})
    visit.at += wait * SECOND
    if visit.chance(0.4):
        visit.touch("quote_requested", 240)
    visit.mood.warmth += 0.10
    if visit.person.attitude != NEVER_BUYS and wait < 420 and visit.chance(0.22):
        visit.touch("payment_submitted", 180)
        visit.order()
