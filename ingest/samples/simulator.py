"""Simulates the events of a multichannel shop, with known truths that an analysis of the events should find.

By default about 20,000 people visit by web, app, e-mail, store, call centre and partners over 90 days: first
anonymously and later logged in, on several devices, some of them at a shared kiosk or on a tablet that two of them
share. Some messages arrive late, twice or malformed; some have made-up ids that several people share, or swapped keys.
The truths state the planted effects and the number of messages of each kind. The same arguments give the same bytes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

import polars as pl

from expectations import contract
from expectations.errors import DefinitionError, StorageError
from ingest.message import Message
from ingest.samples.shop.catalogue import DAY
from ingest.samples.shop.delivery import TOPICS, Post, Sent
from ingest.samples.shop.households import passed_on, shared_at_home, swapped
from ingest.samples.shop.lives import Shop, at_kiosk, live
from ingest.samples.shop.people import Person, population
from ingest.samples.shop.truths import NOT_A_PERSON, Truths, Witness
from ingest.samples.shop.visits import Fact

START: Final = datetime(2026, 1, 5, tzinfo=UTC)

PROFILE_ROWS: Final = pl.Schema(
    {name: kind for name, kind in contract.PROFILES.items() if name not in contract.POSITION}
)
IDENTITIES: Final = pl.Schema({"identity_kind": pl.String, "identity": pl.String, "customer": pl.String})
OWNERS: Final = pl.Schema({contract.EVENT_ID: pl.String, "customer": pl.String})


@dataclass(frozen=True)
class Simulation:
    """The messages of the shop, and the truth about them.

    profiles: identity_kind, identity, attribute, value, valid_from (contract.PROFILES without the position).
    identities: identity_kind, identity, customer: the owner of each identity; shared ones are absent.
    owners: event_id, customer: the customer of each event, including anonymous events and those at the kiosk.
    """

    sent: tuple[Sent, ...]
    profiles: pl.DataFrame
    identities: pl.DataFrame
    owners: pl.DataFrame
    truths: Truths

    def messages(self) -> Iterator[Message]:
        """All messages of the topics clickstream, orders and feedback, in order of arrival."""
        return (Message(sent.topic, sent.key, sent.value, sent.arrived) for sent in self.sent)

    def write(self, folder: Path) -> None:
        """Write one file per topic, profiles.parquet, identities.parquet and truths.json into `folder`.

        The files of the topics (clickstream.ndjson and so on) have one raw message per line, malformed ones included.

        Raises:
            StorageError: the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for topic in TOPICS:
                lines = (sent.value + b"\n" for sent in self.sent if sent.topic == topic)
                (folder / f"{topic}.ndjson").write_bytes(b"".join(lines))
            self.profiles.write_parquet(folder / "profiles.parquet")
            self.write_known(folder)
        except OSError as error:
            raise StorageError(
                "The simulated data cannot be written.",
                where=str(folder),
                found=error.strerror or str(error),
                do="name a folder that you may write",
            ) from error

    def write_known(self, folder: Path) -> None:
        """Write the truth about the data: truths.json, and identities.parquet with the owner of every identity."""
        folder.mkdir(parents=True, exist_ok=True)
        self.identities.write_parquet(folder / "identities.parquet")
        (folder / "truths.json").write_bytes(self.truths.to_json())


def simulate(customers: int = 20_000, days: int = 90, seed: int = 7, start: datetime = START) -> Simulation:
    """Simulate `customers` people who use the shop for `days` days from `start` (UTC).

    There are about 16 events per customer. The incident begins at about six tenths of the period and lasts eight days,
    less when the period is short. Messages have the times at which they arrive, so a broker whose topics expire by age
    needs a recent `start`.

    Raises:
        DefinitionError: fewer than one customer or day, or a start without a time zone.

    >>> simulation = simulate(customers=50, days=30)
    >>> sum(simulation.truths.volumes.messages.values()) == len(list(simulation.messages()))
    True
    """
    _check(customers, days, start)
    rng = Random(f"{seed}:{customers}:{days}")
    first = int(start.timestamp()) * 1000
    shop = Shop(rng, first, first + days * DAY, _incident(first, days))
    people = population(rng, customers, first, days)
    post, witness = Post(rng), Witness(shop.incident)
    with _without_collector():
        known = _play(shop, people, post, witness)
        hard = _plant(replace(shop, rng=Random(f"hard:{seed}:{customers}:{days}")), people, post)
        sent, volumes = post.finish()
    truths = witness.truths(volumes, seed=seed, customers=customers, days=days, start=start)
    truths = replace(truths, shared_identities=(*truths.shared_identities, *hard))
    return Simulation(
        sent=tuple(sent),
        profiles=_profiles(people, shop.end),
        identities=pl.DataFrame(known, schema=IDENTITIES, orient="row"),
        owners=pl.DataFrame(post.owners, schema=OWNERS, orient="row"),
        truths=truths,
    )


def _check(customers: int, days: int, start: datetime) -> None:
    if customers < 1 or days < 1:
        raise DefinitionError(
            "A simulation needs customers and days.",
            expected="at least 1 of each",
            found=f"{customers} customers, {days} days",
        )
    if start.tzinfo is None:
        raise DefinitionError("The start of a simulation needs a time zone.", found=start.isoformat())


def _incident(first: int, days: int) -> tuple[int, int]:
    """The start and end of the incident: six tenths into the period, for eight days or a tenth of a shorter period."""
    start = first + int(0.58 * days) * DAY
    return start, start + max(1, min(8, days // 10)) * DAY


@contextmanager
def _without_collector() -> Iterator[None]:
    """Disable garbage collection: it would scan hundreds of thousands of small objects that form no cycles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _play(shop: Shop, people: list[Person], post: Post, witness: Witness) -> list[tuple[str, str, str]]:
    """Simulate every person and send the events; returns (identity kind, identity, customer) of each used identity."""
    kiosk = _kiosk_users(people)
    known: list[tuple[str, str, str]] = []
    for person in people:
        facts = live(shop, person)
        if person.key in kiosk:
            facts.extend(at_kiosk(shop, person))
        facts.sort(key=lambda fact: fact.at)
        witness.watch(person, facts)
        post.take(person, facts)
        known.extend((kind, value, person.key) for kind, value in _identities(facts))
    return known


def _plant(shop: Shop, people: list[Person], post: Post) -> list[tuple[str, str]]:
    """Send the events that make stitching hard; returns the identities that belong to no one person.

    They have random numbers of their own, so everything else stays as it is without them.
    """
    at_home, cookies = shared_at_home(shop, people)
    chain, cards = passed_on(shop, people)
    own = Post(shop.rng)
    for person, facts in (*at_home, *chain, *swapped(shop, people)):
        own.take(person, facts)
    post.sent.extend(sent._replace(number=number) for number, sent in enumerate(own.sent, len(post.sent)))
    post.owners.extend(own.owners)
    return [*cookies, *cards]


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _kiosk_users(people: list[Person]) -> set[str]:
    """So many card holders that the kiosk cannot be mistaken for one person's device: one in forty, at least 40."""
    holders = [person.key for person in people if person.loyalty_id]
    size = max(40, len(people) // 40)
    return set(holders[:: max(1, len(holders) // size)][:size])


def _identities(facts: list[Fact]) -> dict[tuple[str, str], None]:
    """The identities in one person's events, in order, without shared identities and those that identify nobody."""
    identities: dict[tuple[str, str], None] = {}
    for who in {id(fact.who): fact.who for fact in facts}.values():
        for kind, value in {**who, **who.get("identities", {})}.items():
            if kind != "identities" and value not in NOT_A_PERSON:
                identities[kind, value] = None
    return identities


def _profiles(people: list[Person], end: int) -> pl.DataFrame:
    """The attributes of customers with an account or a card, and their changes before the end."""
    rows = [
        (*person.known_as, name, value, _time(since))
        for person in people
        if person.known_as
        for name, value, since in person.attributes
        if since < end
    ]
    return pl.DataFrame(rows, schema=PROFILE_ROWS, orient="row").sort(
        "identity_kind", "identity", "attribute", "valid_from"
    )
