"""Plants what makes stitching hard: devices of two people, made-up ids that form a chain, and swapped keys.

- A household shares a tablet: both look at products on it and mostly log in, so its cookie belongs to neither.
- A voucher is passed on: each made-up card number occurs with the account of one person and of the next.
- A client swaps key and value of an identity: the person's address hash becomes the name of a kind.

All of it are visits on top of those that people make anyway, from random numbers of their own: nobody's orders, pages
or payments change, and so no other planted effect. Who shares with whom follows from the numbers of the people alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Final

from ingest.samples.shop.catalogue import MINUTE, PRODUCTS
from ingest.samples.shop.lives import Shop
from ingest.samples.shop.people import Person
from ingest.samples.shop.streams import EVERYBODY, Purpose, stream
from ingest.samples.shop.visits import Fact, Mood, Visit

_PEOPLE_PER_HOUSEHOLD: Final = 100
_CHAIN: Final = 20
_PEOPLE_PER_SWAP: Final = 1_000

Planted = tuple[Person, list[Fact]]


def shared_at_home(shop: Shop, people: list[Person]) -> tuple[list[Planted], list[tuple[str, str]]]:
    """The visits on shared tablets, one household for every hundred people, and the cookies of the tablets."""
    accounts = [person for person in people if person.customer_id]
    homes = len(people) // _PEOPLE_PER_HOUSEHOLD
    planted: list[Planted] = []
    cookies = []
    for number, pair in enumerate(zip(accounts[: 2 * homes : 2], accounts[1 : 2 * homes : 2], strict=False)):
        shared = stream(shop.seed, EVERYBODY, Purpose.HOME, number)
        cookies.append(f"{shared.getrandbits(64):016x}-{number}")
        for person in pair:
            facts: list[Fact] = []
            rng = shop.stream(person, Purpose.HOME)
            for _ in range(2 + int(3 * rng.random())):
                _at_tablet(shop, rng, person, cookies[-1], facts)
            planted.append((person, [fact for fact in facts if fact.at < shop.end]))
    return planted, [("anonymous_id", cookie) for cookie in cookies]


def passed_on(shop: Shop, people: list[Person]) -> tuple[list[Planted], list[tuple[str, str]]]:
    """A chain of accounts, each with the made-up card numbers that it shares with its neighbours, and these numbers."""
    chain = [person for person in people if person.customer_id][-_CHAIN:]
    numbers = stream(shop.seed, EVERYBODY, Purpose.CHAIN)
    cards = [f"voucher-{numbers.getrandbits(32):08x}" for _ in chain[1:]]
    planted = []
    for place, person in enumerate(chain):
        rng = shop.stream(person, Purpose.CHAIN)
        for card in cards[max(0, place - 1) : place + 1]:
            who = {"customer_id": person.customer_id, "identities": {"loyalty_id": card}}
            planted.append((person, [_fact(shop, rng, who)]))
    return planted, [("loyalty_id", card) for card in cards]


def swapped(shop: Shop, people: list[Person]) -> Iterator[Planted]:
    """Events of a client that swaps key and value, one for every thousand people."""
    for person in people[::_PEOPLE_PER_SWAP]:
        swap = {**person.screens[0].who, "identities": {person.email_hash: "email_hash"}}
        yield person, [_fact(shop, shop.stream(person, Purpose.SWAP), swap)]


def _at_tablet(shop: Shop, rng: Random, person: Person, cookie: str, facts: list[Fact]) -> None:
    """One visit on a tablet at home: some products, and in four of five visits a login before or between them."""
    at = shop.sometime(rng)
    device: dict[str, Any] = {"anonymous_id": cookie}
    visit = Visit(rng, person, Mood(), facts, at, "web", device, "tablet")
    views = 2 + int(4 * rng.random())
    login = int(views * rng.random()) if visit.chance(0.8) else views
    for number in range(views):
        if number == login:
            visit.who = {**device, "customer_id": person.customer_id}
            visit.touch("login", 20)
        visit.touch("product_viewed", 40, properties={"sku": _sku(rng)})


def _fact(shop: Shop, rng: Random, who: dict[str, Any]) -> Fact:
    """A product viewed at any time, in a visit of its own."""
    at = shop.start + int(rng.random() * (shop.end - shop.start - MINUTE))
    session = f"s{rng.getrandbits(48):012x}"
    return Fact(at, "product_viewed", "web", who, session, "desktop", {"properties": {"sku": _sku(rng)}})


def _sku(rng: Random) -> str:
    return PRODUCTS[int(len(PRODUCTS) * rng.random())][0]
