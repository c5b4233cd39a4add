"""Shapes of data that every verb and page must survive with right numbers: each is a list of events, and the settings
that it is read with.

An event has a truth (`who`, `at`, `name` and the columns that questions use), from which the oracles count, and the
record that is written for it, which may be a raw form of it: a local time, a device's id without a login.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

START: Final = datetime(2026, 1, 5, tzinfo=UTC)
STAGES: Final = {"Know": ("ad*",), "Like": ("look*",), "Want": ("cart",), "Act": ("buy",), "Love": ("review",)}
NAMES: Final = ("ad", "look", "cart", "buy")
DEVICES: Final = ("phone", "desk", None)
CHANNELS: Final = ("web", "store", "mail")
MAPPED: Final = ("event_id", "event_name", "customer_id", "channel", "device")
BERLIN: Final = ZoneInfo("Europe/Berlin")
RESERVED: Final = ("START", "END_open", "END_converted", "END_abandoned", "other", "total", "null", "unknown", "all")
SCRIPTS: Final = ("購入", "Покупка", "شراء", "קנייה", "ซื้อ", "🛒", "Äpfel & Birnen", "e\u0301te\u0301")
MARKUP: Final = ("<script>alert(1)</script>", "a\"b'c", "{{ x }}", "&lt;b&gt;", "=1+1", "a|b", "(", "*", "[x]", "a→b")
CONTROLS: Final = ("red\x1b[31m", "two\nlines", "tab\there", "\u202eback", "nul\x00l", "zero\u200bwidth", "bell\x07")


@dataclass(frozen=True)
class Event:
    """What happened: `record` overrides what is written of it (a null leaves the field out)."""

    who: str
    at: datetime
    name: str
    channel: str = "web"
    device: str | None = "phone"
    number: int = 0
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def written(self) -> dict[str, Any]:
        """The fields of the message."""
        plain: dict[str, Any] = {
            "event_id": f"e{self.number:07d}",
            "event_name": self.name,
            "occurred_at": self.at.isoformat().replace("+00:00", "Z"),
            "customer_id": self.who,
            "channel": self.channel,
            "device": self.device,
        }
        return {name: value for name, value in (plain | self.record).items() if value is not None}


@dataclass(frozen=True)
class Shape:
    """Events in the order of two loads, and what `journeys.toml` says of them.

    `again` are indices of events that are written a second time; `late` puts these events into the second load.
    """

    events: Sequence[Event]
    stages: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(STAGES))
    goal: tuple[str, ...] = ("buy",)
    paths: str = ""
    identities: str = ""
    ingest: str = ""
    segments: tuple[str, ...] = ("device", "channel")
    ending: str = ".ndjson"
    folder: str = "shop"
    again: tuple[int, ...] = ()
    late: frozenset[int] = frozenset()
    refused: int = 0
    """Events that the gate must refuse: they are the last ones."""
    steps: tuple[str, ...] = ("ad", "look", "buy")
    of_source: bool = False
    """Whether only the source is another one, so that no page and no check is asked again."""
    large: bool = False
    """Whether a customer is too large to be forgotten without a word."""

    @property
    def landing(self) -> Sequence[Event]:
        """The events that land."""
        return self.events[: len(self.events) - self.refused]

    def loads(self) -> tuple[list[Event], list[Event]]:
        """The events of the first and of the second load."""
        in_second = self.late or frozenset(range(2, len(self.events), 3))
        first = [event for number, event in enumerate(self.events) if number not in in_second]
        second = [event for number, event in enumerate(self.events) if number in in_second]
        return first, second + [self.events[number] for number in self.again]


def shop(
    customers: int = 300,
    names: Sequence[str] = NAMES,
    days: float = 60,
    keep: Sequence[float] = (1, 0.75, 0.6, 0.6),
    seed: int = 3,
    spread: float = 8,
    extra: Callable[[random.Random, int], dict[str, Any]] | None = None,
) -> list[Event]:
    """A shop: journeys that go on to each name with a share of `keep`, some twice, some with touches besides."""
    chance, events = random.Random(seed), list[Event]()
    for customer in range(customers):
        for attempt in range(1 + (customer % 7 == 0)):
            at = START + timedelta(days=chance.random() * days / (1 + attempt) + 25 * attempt)
            device = chance.choice(DEVICES)
            for name, share in zip(names, [*keep, *[1.0] * len(names)], strict=False):
                if chance.random() > share:
                    break
                own = {} if extra is None else extra(chance, customer)
                events.append(Event(f"c{customer}", at, name, chance.choice(CHANNELS), device, record=own))
                if chance.random() < 0.15:
                    events.append(Event(f"c{customer}", at + timedelta(minutes=4), chance.choice(("login", name))))
                at += timedelta(hours=chance.choice((0, 0.3, 2, 30, 30 * spread)))
            else:
                events.append(Event(f"c{customer}", at + timedelta(days=3), chance.choice(("survey", "review"))))
    return numbered(events)


def numbered(events: Iterable[Event]) -> list[Event]:
    """The events with an id each, by time."""
    by_time = sorted(events, key=lambda event: (event.at, event.who, event.name))
    return [replaced(event, number=number) for number, event in enumerate(by_time)]


def replaced(event: Event, **changes: Any) -> Event:
    """The event with other values."""
    return Event(**(vars(event) | changes))


def of_one(times: Iterable[float], names: Sequence[str]) -> list[Event]:
    """One customer with a touch at each time (days), whose names repeat."""
    return numbered(
        Event("c0", START + timedelta(days=day), names[number % len(names)], CHANNELS[number % 3], "phone")
        for number, day in enumerate(times)
    )


def renamed(events: Sequence[Event], names: Sequence[str]) -> list[Event]:
    """The events with odd names for channels and devices, and among the touchpoints."""
    odd = [
        replaced(
            event,
            channel=names[number % len(names)],
            device=names[(number // 3) % len(names)],
            name=f"look {names[number % len(names)]}" if event.name == "look" else event.name,
        )
        for number, event in enumerate(events)
    ]
    return numbered([*odd, *(Event(f"c{n}", START + timedelta(days=n), name) for n, name in enumerate(names * 12))])


def without_logins(events: Sequence[Event]) -> list[Event]:
    """Each customer has a device; all but the goals, and all touches of those who have none, carry the device alone."""
    return [
        replaced(
            event, record={"anonymous_id": f"d{event.who}", "customer_id": event.who if event.name == "buy" else None}
        )
        for event in events
    ]


def local(events: Sequence[Event]) -> list[Event]:
    """Times as clocks in Berlin show them, without a zone."""
    return [
        replaced(event, record={"occurred_at": None, "when": f"{event.at.astimezone(BERLIN):%Y-%m-%d %H:%M:%S}"})
        for event in whole_seconds(events)
    ]


def whole_seconds(events: Sequence[Event]) -> list[Event]:
    """The events at whole seconds, at none of which a clock in Berlin is put back."""
    moved = (replaced(event, at=event.at.replace(microsecond=0)) for event in events)
    return [event for event in moved if not _is_twice(event.at)]


def _is_twice(at: datetime) -> bool:
    """Whether clocks in Berlin show this time twice."""
    local_time = at.astimezone(BERLIN).replace(tzinfo=None)
    times = {local_time.replace(tzinfo=BERLIN, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return len(times) > 1


def addresses(number: int) -> list[Event]:
    """As many different page addresses under one name."""
    return numbered(
        Event(f"c{n // 40}", START + timedelta(minutes=n), "look", record={"url": f"https://shop.example/p/{n}"})
        for n in range(number)
    )


def attributes(number: int) -> list[Event]:
    """Events with as many properties each."""
    return shop(extra=lambda chance, _: {"properties": {f"p{n}": f"v{chance.randrange(5)}" for n in range(number)}})


def all_null() -> list[Event]:
    """Events whose columns hold nothing at all."""
    return [replaced(event, device=None, record={"properties": {"p": None}}) for event in shop()]


def two_clocks() -> list[Event]:
    """The touches in the store have times an hour ahead."""
    return numbered(
        replaced(event, at=event.at + timedelta(hours=1)) if event.channel == "store" else event for event in shop()
    )


def month_late(events: Sequence[Event]) -> frozenset[int]:
    """The events of whole days a month before the last, which arrive behind all others."""
    last = max(event.at for event in events) - timedelta(days=31)
    return frozenset(n for n, event in enumerate(events) if last - timedelta(days=6) < event.at < last)


def spiked(customers: int = 40, touches: int = 600) -> list[Event]:
    """As many touchpoints, each of several customers."""
    return numbered(
        Event(f"c{n % customers}", START + timedelta(hours=n), f"look {n % touches}" if n % 11 else "buy")
        for n in range(touches * 3)
    )


def empty_names() -> list[Event]:
    """Names that are empty or blank where that is allowed, and at the end those where it is not."""
    plain = [replaced(event, device=("", " ", None)[n % 3], record={"campaign": ""}) for n, event in enumerate(shop())]
    refused = [Event("x", plain[-1].at, "", number=len(plain) + n) for n in range(3)]
    return [*plain, *refused]


def one_of_many(touches: int) -> list[Event]:
    """One customer with as many touches, and a few others."""
    many = of_one((n / 900 for n in range(touches)), ("ad", "look", "look", "cart", "login", "look", "buy"))
    return numbered([*many, *(replaced(event, who=f"o{event.who}") for event in shop(60))])


def many_of_one(customers: int) -> list[Event]:
    """As many customers, each with one touch."""
    return numbered(
        Event(f"c{n}", START + timedelta(seconds=n * 7_000_000 // customers), NAMES[n % 4], CHANNELS[n % 3])
        for n in range(customers)
    )


def three_years() -> list[Event]:
    """Three years, in which nothing is known of every other half year."""
    return numbered(
        event
        for event in (replaced(e, at=e.at - timedelta(days=900)) for e in shop(400, days=1000))
        if (event.at - START).days // 180 % 2
    )


FORMS: Final = (".csv", ".tsv", ".ndjson", ".json", ".parquet", ".ndjson.gz", ".ndjson.zst")
UNSTAGED: Final[dict[str, tuple[str, ...]]] = {}


def shapes(*, full: bool = False) -> Iterator[tuple[str, Callable[[], Shape]]]:
    """All shapes by name, each made when it is asked for; the two largest in full, or in part."""
    million = 1_000_000 if full else 16_000
    base = partial(shop)
    yield "one_event", lambda: Shape(of_one([0], ["ad"]))
    yield "one_event_the_goal", lambda: Shape(of_one([0], ["buy"]))
    yield "one_customer", lambda: Shape(of_one([0, 1, 2, 3, 40, 41, 90], ["ad", "look", "buy"]))
    yield "nobody_converts", lambda: Shape(shop(keep=(1, 0.7, 0.6, 0)))
    yield "everybody_converts", lambda: Shape(shop(keep=(1, 1, 1, 1)))
    yield "no_stage", lambda: Shape(base(), stages=UNSTAGED)
    yield "no_goal_in_the_data", lambda: Shape(base(), goal=("never",))
    yield (
        "goal_before_the_last_stage",
        lambda: Shape(
            shop(names=("ad", "buy", "look", "cart")),
            stages={"Know": ("ad",), "Act": ("buy",), "Like": ("look",), "Want": ("cart",)},
            steps=("ad", "buy", "look"),
        ),
    )
    yield "goal_without_a_stage", lambda: Shape(base(), stages={name: STAGES[name] for name in ("Know", "Like")})
    yield (
        "goal_in_the_first_stage",
        lambda: Shape(base(), stages={"Act": ("buy",), "Like": ("look",), "Want": ("cart",)}),
    )
    yield "two_goals", lambda: Shape(base(), goal=("buy", "cart"))
    yield "one_day", lambda: Shape(shop(days=0.7, spread=0.01))
    yield "three_years_with_gaps", lambda: Shape(three_years(), ingest='[ingest.limits]\noldest = "3000d"\n')
    yield "one_instant", lambda: Shape(numbered(replaced(event, at=START) for event in base()))
    yield "600_touchpoints", lambda: Shape(spiked(), steps=("look 1", "look 2", "buy"))
    yield "70000_addresses", lambda: Shape(addresses(70_000 if full else 7_000), steps=("look", "look"))
    yield (
        "one_customer_of_many_touches",
        lambda: Shape(one_of_many(million), identities="warn_events = 10_000\n", large=True),
    )
    yield "many_customers_of_one_touch", lambda: Shape(many_of_one(million))
    yield (
        "50_attributes",
        lambda: Shape(
            attributes(50),
            paths="context = [" + ", ".join(f'"properties.p{n}"' for n in range(50)) + "]\n",
            segments=tuple(f"p{n}" for n in range(50)),
        ),
    )
    yield (
        "attribute_of_10000_values",
        lambda: Shape([replaced(event, device=f"d{event.number % 10_000}") for event in shop(3_000)]),
    )
    yield "all_null", lambda: Shape(all_null())
    yield "empty_names", lambda: Shape(empty_names(), refused=3)
    yield "reserved_names", lambda: Shape(renamed(base(), RESERVED), segments=("device", "channel"))
    yield "long_names", lambda: Shape(renamed(base(), tuple(letter * 200 for letter in "abcdefg")))
    yield "other_scripts", lambda: Shape(renamed(base(), SCRIPTS))
    yield "markup", lambda: Shape(renamed(base(), MARKUP))
    yield "control_characters", lambda: Shape(renamed(base(), CONTROLS))
    yield (
        "stage_names",
        lambda: Shape(base(), stages={"START": ("ad*",), "<b>": ("look*",), "unknown": ("cart",), "goal": ("buy",)}),
    )
    yield "two_clocks", lambda: Shape(two_clocks())
    yield "duplicates", lambda: Shape(base(), again=tuple(range(0, 900, 20)))
    yield "a_month_late", lambda: Shape(base(), late=month_late(base()))
    yield (
        "summer_time",
        lambda: Shape(
            local(shop(days=160)),
            ingest='[[ingest.streams]]\ntopic = "web"\nkind = "clickstream"\nchannel = "web"\n[ingest.streams.fields]\n'
            + "".join(f'{name} = "{name}"\n' for name in MAPPED)
            + 'occurred_at = { path = "when", time = "%Y-%m-%d %H:%M:%S", zone = "Europe/Berlin" }\n',
        ),
    )
    yield "beginnings_without_a_login", lambda: Shape(without_logins(base()))
    yield "odd_folder", lambda: Shape(base(), folder="My Projecté #1")
    for ending in FORMS:
        yield (
            f"from_{ending[1:].replace('.', '_')}",
            lambda ending=ending: Shape(shop(120), ending=ending, of_source=True),
        )
