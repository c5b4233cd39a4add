"""The known truths about the simulated shop: effects that the simulator plants, with counts of what happened.

A report on the data should find each of them. Counts are of distinct events, without duplicates and damage.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from ingest.samples.shop.catalogue import SLOW_PAGE
from ingest.samples.shop.lives import KIOSK
from ingest.samples.shop.people import GUEST, NEVER_BUYS, Person
from ingest.samples.shop.visits import Fact

NOT_A_PERSON: Final = frozenset({KIOSK, GUEST})
"""Identities that do not identify a person."""


@dataclass(frozen=True)
class Incident:
    """From `start` to `end`, fewer checkouts on one device lead to a payment (`during`) than on other days."""

    device: str
    start: datetime
    end: datetime
    source: str
    target: str
    checkouts_during: int
    payments_during: int
    checkouts_otherwise: int
    payments_otherwise: int


@dataclass(frozen=True)
class SlowPage:
    """One page always takes longer than `seconds` to load; more visits end on it than on other category pages."""

    page: str
    seconds: float
    views: int
    visits_ended: int
    other_views: int
    other_visits_ended: int


@dataclass(frozen=True)
class NeverConverts:
    """Customers with this value of this attribute visit, but never place an order."""

    attribute: str
    value: str
    customers: int
    orders: int


@dataclass(frozen=True)
class OnlyHelps:
    """Customers who used this channel order more often, but it is never the last channel before an order."""

    channel: str
    customers: int
    customers_ordered: int
    other_customers: int
    other_customers_ordered: int
    last_before_order: int


@dataclass(frozen=True)
class Volumes:
    """The number of messages: `messages = events + retries + conflicts + malformed`; `refused` of them must not land.

    `retries` repeat a message byte for byte, `conflicts` repeat its event id with another payload.
    """

    messages: dict[str, int]
    events: dict[str, int]
    retries: dict[str, int]
    conflicts: dict[str, int]
    malformed: dict[str, int]
    refused: dict[str, int]


@dataclass(frozen=True)
class Truths:
    """All truths of one simulation, and the arguments that made it."""

    seed: int
    customers: int
    days: int
    start: datetime
    end: datetime
    incident: Incident
    slow_page: SlowPage
    never_converts: NeverConverts
    only_helps: OnlyHelps
    shared_identities: tuple[tuple[str, str], ...]
    volumes: Volumes

    def to_json(self) -> bytes:
        """The truths as indented JSON; times in RFC 3339."""
        return as_json(asdict(self))


def as_json(value: Any) -> bytes:
    """Indented JSON; times in RFC 3339."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)


@dataclass(slots=True)
class Witness:
    """Counts the facts that the truths state, person by person."""

    incident: tuple[int, int]
    counts: Counter[str] = field(default_factory=Counter)

    def watch(self, person: Person, facts: list[Fact]) -> None:
        """Count the facts of one person, in order of time."""
        if not facts:
            return
        ordered = any(fact.name == "order_placed" for fact in facts)
        helped = any(fact.channel == "partner" for fact in facts)
        self.counts["helped" if helped else "unhelped"] += 1
        self.counts["helped ordered" if helped else "unhelped ordered"] += ordered
        if person.attitude == NEVER_BUYS:
            self.counts["never"] += 1
            self.counts["never orders"] += ordered
        self._watch_visits(facts)

    def _watch_visits(self, facts: list[Fact]) -> None:
        visits: dict[str, list[Fact]] = {}
        for before, fact in zip([None, *facts], facts, strict=False):
            if fact.session:
                visits.setdefault(fact.session, []).append(fact)
            if fact.name == "order_placed" and before and before.channel == "partner":
                self.counts["partner last"] += 1
        for visit in visits.values():
            self._watch_pages(visit)
            self._watch_checkout(visit)

    def _watch_pages(self, visit: list[Fact]) -> None:
        last = max((fact for fact in visit if fact.name != "feedback_submitted"), key=lambda fact: fact.at)
        for fact in visit:
            page = fact.more.get("properties", {}).get("page") if fact.name == "page_viewed" else None
            if page not in {None, "home", "landing", "cart"}:
                kind = "slow" if page == SLOW_PAGE else "category"
                self.counts[f"{kind} views"] += 1
                self.counts[f"{kind} ended"] += fact is last

    def _watch_checkout(self, visit: list[Fact]) -> None:
        checkout = next((fact for fact in visit if fact.name == "checkout_started"), None)
        if checkout is None or checkout.device != "mobile":
            return
        when = "during" if self.incident[0] <= checkout.at < self.incident[1] else "otherwise"
        self.counts[f"checkouts {when}"] += 1
        self.counts[f"payments {when}"] += any(fact.name == "payment_submitted" for fact in visit)

    def truths(self, volumes: Volumes, *, seed: int, customers: int, days: int, start: datetime) -> Truths:
        """The planted effects with their counts."""
        counts = self.counts
        begin, end = (datetime.fromtimestamp(at / 1000, UTC) for at in self.incident)
        checkouts = [counts[f"{what} {when}"] for when in ("during", "otherwise") for what in ("checkouts", "payments")]
        pages = [counts[f"{page} {what}"] for page in ("slow", "category") for what in ("views", "ended")]
        helped = [counts[f"{who}{what}"] for who in ("helped", "unhelped") for what in ("", " ordered")]
        helped.append(counts["partner last"])
        return Truths(
            seed,
            customers,
            days,
            start,
            start + timedelta(days=days),
            Incident("mobile", begin, end, "checkout_started", "payment_submitted", *checkouts),
            SlowPage(SLOW_PAGE, 3.0, *pages),
            NeverConverts("attitude", NEVER_BUYS, counts["never"], counts["never orders"]),
            OnlyHelps("partner", *helped),
            (("device_id", KIOSK),),
            volumes,
        )
