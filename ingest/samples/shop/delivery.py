"""Converts facts to messages in order of arrival, with the delays, repetitions and damage of real senders.

Apps keep events while they are offline, stores send a batch at night, the mail provider and the call centre report some
minutes late. A few messages are sent twice, a few event ids are used twice, and a few messages are malformed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from ingest.samples.shop.catalogue import DAY, HOUR, MINUTE, SECOND
from ingest.samples.shop.faults import FAULTS
from ingest.samples.shop.people import GUEST, Person
from ingest.samples.shop.truths import Volumes
from ingest.samples.shop.visits import Fact

CLICKSTREAM: Final = "clickstream"
ORDERS: Final = "orders"
FEEDBACK: Final = "feedback"
TOPICS: Final = (CLICKSTREAM, ORDERS, FEEDBACK)
TOPIC_OF: Final = {"order_placed": ORDERS, "order_returned": ORDERS, "feedback_submitted": FEEDBACK}

RETRIED: Final = 0.007
CONFLICTING: Final = 0.0002
MALFORMED: Final = 0.0001
"""Shares of all messages; MALFORMED is the share of each kind of damage."""

_UNIT: Final = 2.0**-48
_MASK: Final = np.uint64((1 << 48) - 1)
_TWO, _SIX = np.uint64(16), np.uint64(48)
"""The bits of so many bytes."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Sent(NamedTuple):
    """A message with its time of arrival; `number` breaks ties."""

    arrived: int
    number: int
    topic: str
    key: bytes
    value: bytes


@dataclass(slots=True)
class Post:
    """Collects the messages of all facts, and the true owner of each event.

    The id of an event, its delay, and whether it is repeated or damaged come from a digest of what it is, so that they
    are the same in every world that has the event.
    """

    seed: int
    sent: list[Sent] = field(default_factory=list)
    owners: list[tuple[str, str]] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)

    def take(self, person: Person, facts: list[Fact]) -> None:
        """Send the facts of one person."""
        for fact in facts:
            what = f"{self.seed}:{person.number}:{fact.at}:{fact.name}:{fact.session}:{fact.device}"
            digest = blake2b(what.encode(), digest_size=32).digest()
            event_id = digest.hex()[:24]
            self.owners.append((event_id, person.key))
            topic = TOPIC_OF.get(fact.name, CLICKSTREAM)
            value = _encoded(fact, event_id, person)
            arrived = fact.at + _delay(int.from_bytes(digest[12:18]) * _UNIT, fact, topic)
            self.sent.append(Sent(arrived, len(self.sent), topic, _key(fact.who), value))
            self.digests.append(digest)

    def finish(self) -> tuple[list[Sent], Volumes]:
        """All messages in order of arrival, with repeated and damaged ones, and the number of each."""
        events = Counter(sent.topic for sent in self.sent)
        valid = list(self.sent)
        third, fourth = np.frombuffer(b"".join(self.digests), ">u8").reshape(-1, 4)[:, 2:].astype(np.uint64).T
        draws = (fourth & _MASK).astype(np.float64) * _UNIT
        later = SECOND + (((third & _MASK) << _TWO | fourth >> _SIX) % np.uint64(2 * MINUTE)).astype(np.int64)
        retries = self._repeat(valid, _chosen(draws, 0.0, RETRIED, 3), later, _same)
        conflicts = self._repeat(valid, _chosen(draws, RETRIED, CONFLICTING, 3), later, _other_payload)
        malformed = self._damage(valid, draws)
        self.sent.sort()
        return self.sent, Volumes(
            messages=_per_topic(Counter(sent.topic for sent in self.sent)),
            events=_per_topic(events),
            retries=_per_topic(retries),
            conflicts=_per_topic(conflicts),
            malformed=malformed,
            refused=_per_reason(malformed),
        )

    def _repeat(self, valid: list[Sent], chosen: list[int], later: NDArray[np.int64], payload: Any) -> Counter[str]:
        """Send these messages once more, up to two minutes later."""
        topics: Counter[str] = Counter()
        for number in chosen:
            first = valid[number]
            again = first.arrived + int(later[number])
            self.sent.append(Sent(again, len(self.sent), first.topic, first.key, payload(first.value)))
            topics[first.topic] += 1
        return topics

    def _damage(self, valid: list[Sent], draws: NDArray[np.float64]) -> dict[str, int]:
        """Send damaged copies of some messages, each kind at least twice."""
        counts = {}
        for place, (kind, (_, damage)) in enumerate(FAULTS.items()):
            chosen = _chosen(draws, 0.5 + place * MALFORMED, MALFORMED, 2)
            for number in chosen:
                first = valid[number]
                value = damage(first.value, first.arrived)
                self.sent.append(Sent(first.arrived, len(self.sent), first.topic, first.key, value))
            counts[kind] = len(chosen)
        return counts


def _chosen(draws: NDArray[np.float64], edge: float, share: float, least: int) -> list[int]:
    """The messages with a draw in [edge, edge + share), or the next ones above where they are fewer than `least`."""
    above = (draws - edge) % 1
    within = np.flatnonzero(above < share)
    of = within if len(within) >= least else np.arange(len(above))
    chosen: list[int] = of[np.argsort(above[of], kind="stable")][: max(least, len(within))].tolist()
    return chosen


def _per_topic(counts: Counter[str]) -> dict[str, int]:
    return {topic: counts[topic] for topic in TOPICS}


def _per_reason(malformed: dict[str, int]) -> dict[str, int]:
    reasons: Counter[str] = Counter()
    for kind, count in malformed.items():
        reasons[FAULTS[kind][0]] += count
    return dict(sorted(reasons.items()))


def _same(value: bytes) -> bytes:
    return value


def _other_payload(value: bytes) -> bytes:
    event = orjson.loads(value)
    return orjson.dumps(event | {"properties": {**event.get("properties", {}), "attempt": 2}})


def _encoded(fact: Fact, event_id: str, person: Person) -> bytes:
    """The fact as JSON; apps send epoch milliseconds by their own clock, the others RFC 3339."""
    in_app = fact.channel == "app" and fact.name not in TOPIC_OF
    event: dict[str, Any] = {
        "event_id": event_id,
        "event_name": fact.name,
        "occurred_at": fact.at + person.clock_error if in_app else EPOCH + timedelta(milliseconds=fact.at),
        "channel": fact.channel,
        **fact.who,
    }
    if fact.session:
        event["session_id"] = fact.session
    if fact.device:
        event["device"] = fact.device
    event["country"] = person.country
    event.update(fact.more)
    return orjson.dumps(event, option=orjson.OPT_UTC_Z)


def _key(who: dict[str, Any]) -> bytes:
    """The message key, which keeps the messages of one identity in order: account, else cookie, else another one."""
    account = who.get("customer_id")
    if account is None or account == GUEST:
        account = who.get("anonymous_id") or next(iter(who["identities"].values()))
    return str(account).encode()


def _delay(draw: float, fact: Fact, topic: str) -> int:
    """Milliseconds from the event to its arrival."""
    if topic != CLICKSTREAM and fact.channel != "store":
        return int(300 + 2_000 * draw)
    if fact.channel == "app" and draw < 0.03:
        return int((1 + 600 * draw) * HOUR)
    if fact.channel == "store" and draw < 0.4:
        return DAY + 2 * HOUR - fact.at % DAY + int(draw * HOUR)
    if fact.channel == "email":
        return int((0.5 + 10 * draw) * MINUTE)
    if fact.channel == "call_centre":
        return int((3 + 15 * draw) * MINUTE)
    if draw > 0.997:
        return int((draw - 0.997) * 1_000 * DAY)
    return int(200 + 2_500 * draw)
