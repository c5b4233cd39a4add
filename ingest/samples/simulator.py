"""Simulates the events of a multichannel shop, with known truths that an analysis of the events should find.

By default about 20,000 people visit by web, app, e-mail, store, call centre and partners over 90 days: first
anonymously and later logged in, on several devices, some of them at a shared kiosk or on a tablet that two of them
share. Some messages arrive late, twice or malformed; some have made-up ids that several people share, or swapped keys.
The truths state the planted effects and the number of messages of each kind. The same arguments give the same bytes.

Every person and purpose has random numbers of its own: without one person, or one story, every other person's events
are the same bytes.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import polars as pl

from expectations import contract
from expectations.errors import DefinitionError, StorageError
from ingest.message import Message
from ingest.samples.shop.catalogue import DAY
from ingest.samples.shop.delivery import TOPICS, Post, Sent
from ingest.samples.shop.households import passed_on, shared_at_home, swapped
from ingest.samples.shop.lives import BY_CHANNEL, Shop, at_kiosk, kiosk_slots, live
from ingest.samples.shop.people import Person, person_of
from ingest.samples.shop.stories import Stories, Story, planted_stories, random_stories
from ingest.samples.shop.truths import NOT_A_PERSON, Truths, Witness, as_json
from ingest.samples.shop.twins import StoryTruth, measured, orders_of
from ingest.samples.shop.visits import Fact

START: Final = datetime(2026, 1, 5, tzinfo=UTC)
Which = Literal["planted", "random", "none"]

PROFILE_ROWS: Final = pl.Schema(
    {name: kind for name, kind in contract.PROFILES.items() if name not in contract.POSITION}
)
IDENTITIES: Final = pl.Schema({"identity_kind": pl.String, "identity": pl.String, "customer": pl.String})
OWNERS: Final = pl.Schema({contract.EVENT_ID: pl.String, "customer": pl.String})
TEXTS: Final = pl.Schema({"text": pl.String(), "themes": pl.List(pl.String), "secret": pl.String()})


@dataclass(frozen=True)
class Simulation:
    """The messages of the shop, and the truth about them.

    profiles: identity_kind, identity, attribute, value, valid_from (contract.PROFILES without the position).
    identities: identity_kind, identity, customer: the owner of each identity; shared ones are absent.
    owners: event_id, customer: the customer of each event, including anonymous events and those at the kiosk.
    texts: text, themes, secret: the themes of each text, and what it holds that must not be published (empty: nothing).
    stories: what went wrong, and what it cost against the twin world without it; None for the default ones, which the
    truths have.
    """

    sent: tuple[Sent, ...]
    profiles: pl.DataFrame
    identities: pl.DataFrame
    owners: pl.DataFrame
    texts: pl.DataFrame
    truths: Truths
    stories: tuple[StoryTruth, ...] | None

    def messages(self) -> Iterator[Message]:
        """All messages of the topics clickstream, orders and feedback, in order of arrival."""
        return (Message(sent.topic, sent.key, sent.value, sent.arrived) for sent in self.sent)

    def write(self, folder: Path) -> None:
        """Write one file per topic, profiles.parquet, and what `write_known` writes, into `folder`.

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
        """Write the truth about the data: truths.json, identities.parquet with the owner of each, texts.parquet, and
        stories.json.

        Without stories.json where the stories are the default ones, as truths.json has them.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.identities.write_parquet(folder / "identities.parquet")
        self.texts.write_parquet(folder / "texts.parquet")
        (folder / "truths.json").write_bytes(self.truths.to_json())
        if self.stories is not None:
            (folder / "stories.json").write_bytes(as_json([asdict(story) for story in self.stories]))


def simulate(
    customers: int = 20_000,
    days: int = 90,
    seed: int = 7,
    start: datetime = START,
    *,
    stories: Which | tuple[Story, ...] = "planted",
    absent: Collection[int] = (),
    without: str | None = None,
) -> Simulation:
    """Simulate `customers` people who use the shop for `days` days from `start` (UTC).

    `stories` are what goes wrong: `planted` is the incident and a slow page, `random` are none to three of random kind,
    place, size and time, by the seed. `absent` has the numbers of people who stay away. `without` is a channel by which
    nobody comes (partner, email, store, call_centre): the twin world that says what the channel brings. Who would have
    come by it comes directly; whom a partner would have sent comes as everybody does, and as curious.

    There are about 16 events per customer. The incident begins at about six tenths of the period and lasts eight days,
    less when the period is short. Messages have the times at which they arrive, so a broker whose topics expire by age
    needs a recent `start`.

    Raises:
        DefinitionError: fewer than one customer or day, a start without a time zone, or a channel that no shop lacks.

    >>> simulation = simulate(customers=50, days=30)
    >>> sum(simulation.truths.volumes.messages.values()) == len(list(simulation.messages()))
    True
    """
    _check(customers, days, start, without)
    first = int(start.timestamp()) * 1000
    incident = _incident(first, days)
    planted = stories if isinstance(stories, tuple) else _stories(stories, seed, first, days)
    shop = Shop(seed, first, first + days * DAY, Stories(seed, planted), without)
    people = [person_of(seed, number, first, days) for number in range(customers)]
    post, witness = Post(seed), Witness(incident)
    with _without_collector():
        known, orders = _play(shop, people, post, witness, frozenset(absent))
        hard = _plant(shop, people, post, frozenset(absent))
        sent, volumes = post.finish()
        texts = [(text, *said) for text, said in sorted(shop.said.items())]
        sizes = None if stories == "planted" else measured(shop, orders, days)
    truths = witness.truths(volumes, seed=seed, customers=customers, days=days, start=start)
    truths = replace(truths, shared_identities=(*truths.shared_identities, *hard))
    return Simulation(
        sent=tuple(sent),
        profiles=_profiles([person for person in people if person.number in orders], shop.end),
        identities=pl.DataFrame(known, schema=IDENTITIES, orient="row"),
        owners=pl.DataFrame(post.owners, schema=OWNERS, orient="row"),
        texts=pl.DataFrame(texts, schema=TEXTS, orient="row"),
        truths=truths,
        stories=sizes,
    )


def _stories(which: Which, seed: int, first: int, days: int) -> tuple[Story, ...]:
    if which == "planted":
        return planted_stories(first, _incident(first, days))
    return random_stories(seed, first, days) if which == "random" else ()


def _check(customers: int, days: int, start: datetime, without: str | None) -> None:
    if customers < 1 or days < 1:
        raise DefinitionError(
            "A simulation needs customers and days.",
            expected="at least 1 of each",
            found=f"{customers} customers, {days} days",
        )
    if start.tzinfo is None:
        raise DefinitionError("The start of a simulation needs a time zone.", found=start.isoformat())
    if without is not None and without not in BY_CHANNEL:
        raise DefinitionError(
            "No shop is without this channel.", expected=f"one of {', '.join(BY_CHANNEL)}", found=without
        )


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


def _play(
    shop: Shop, people: list[Person], post: Post, witness: Witness, absent: frozenset[int]
) -> tuple[list[tuple[str, str, str]], dict[int, int]]:
    """Simulate every person and send the events.

    Returns (identity kind, identity, customer) of each used identity, and the number of orders of every person.
    """
    users = _kiosk_users(people)
    kiosk = dict(zip(users, kiosk_slots(shop, len(users)), strict=True))
    known: list[tuple[str, str, str]] = []
    orders: dict[int, int] = {}
    for person in people:
        if person.number in absent:
            continue
        facts = live(shop, person)
        orders[person.number] = orders_of(facts)
        if person.number in kiosk:
            facts.extend(at_kiosk(shop, person, kiosk[person.number]))
        facts.sort(key=lambda fact: fact.at)
        witness.watch(person, facts)
        post.take(person, facts)
        known.extend((kind, value, person.key) for kind, value in _identities(facts))
    return known, orders


def _plant(shop: Shop, people: list[Person], post: Post, absent: frozenset[int]) -> list[tuple[str, str]]:
    """Send the events that make stitching hard; returns the identities that belong to no one person."""
    at_home, cookies = shared_at_home(shop, people)
    chain, cards = passed_on(shop, people)
    for person, facts in (*at_home, *chain, *swapped(shop, people)):
        if person.number not in absent:
            post.take(person, facts)
    return [*cookies, *cards]


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _kiosk_users(people: list[Person]) -> list[int]:
    """So many card holders that the kiosk cannot be mistaken for one person's device: one in forty, at least 40."""
    holders = [person.number for person in people if person.loyalty_id]
    size = max(40, len(people) // 40)
    return holders[:: max(1, len(holders) // size)][:size]


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
