"""Every customer's touches in order, cut into journeys instant by instant (docs/numbers.md, Journeys)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from tests.audit.landed.calendar import Calendar
from tests.audit.landed.identities import Identity, Stitched, latest
from tests.audit.landed.lake import Event, Landed, address_pattern, value_of
from tests.audit.landed.settings import Settings, matcher


@dataclass(slots=True)
class Touch:
    """An event on its customer's path; `stage` is the position of its stage."""

    customer: Identity
    at: int
    touchpoint: str
    stage: int | None
    linked: str
    event: Event
    values: dict[str, str | None]


@dataclass(slots=True)
class Journey:
    """One attempt to reach the goal."""

    customer: Identity
    touches: list[Touch] = field(default_factory=list)
    outcome: str = "open"
    won_at: int | None = None
    direct: bool = False
    last_at: int = 0
    aftermath: list[Touch] = field(default_factory=list)
    staged: bool = True

    @property
    def begin(self) -> int:
        """The time of the first touch."""
        return self.touches[0].at


@dataclass
class Paths:
    """All touches by customer, and all journeys."""

    settings: Settings
    landed: Landed
    touches: dict[Identity, list[Touch]]
    journeys: list[Journey]
    value_at: Callable[[Touch, str], str | None] = lambda _, __: None
    """The value of a column at a touch: context, or an attribute as of its time."""

    @property
    def end(self) -> int:
        """The end of the data."""
        return self.landed.end

    @property
    def all_touches(self) -> Iterator[Touch]:
        """All touches, customer by customer."""
        return (touch for own in self.touches.values() for touch in own)


def paths_of(landed: Landed, settings: Settings) -> Paths:
    """Stitches the events and cuts the journeys."""
    stitched = Stitched(landed.events, settings)
    names = _Names(settings)
    places = {name: place for place, name in enumerate(settings.stage_names)}
    touches: dict[Identity, list[Touch]] = defaultdict(list)
    for event, customer, linked in zip(landed.events, stitched.customers, stitched.linked, strict=True):
        touchpoint = names.touchpoint(event)
        if touchpoint is not None:
            stage = names.stage(touchpoint)
            place = None if stage is None else places[stage]
            touches[customer].append(Touch(customer, event.at, touchpoint, place, linked, event, {}))
    staged = any(touch.stage is not None for own in touches.values() for touch in own)
    journeys = []
    for customer, own in touches.items():
        own.sort(key=lambda touch: (touch.at, touch.event.id, touch.touchpoint))
        journeys += _journeys(customer, own, settings, landed.end, staged=staged)
    found = _begun(Paths(settings, landed, touches, journeys))
    _add_values(found, stitched)
    return found


def _begun(paths: Paths) -> Paths:
    """The journeys that begin on the days of the report, with all their touches, and of those days what is of none."""
    first, last = paths.settings.days
    if first is None and last is None:
        return paths
    calendar = Calendar(paths.settings.zone)
    start = None if first is None else calendar.begin(first)
    end = None if last is None else calendar.begin(last + timedelta(days=1))

    def inside(at: int) -> bool:
        return (start is None or at >= start) and (end is None or at < end)

    kept = [journey for journey in paths.journeys if inside(journey.begin)]
    own = {id(touch) for journey in kept for touch in (*journey.touches, *journey.aftermath)}
    others = {id(touch) for journey in paths.journeys for touch in (*journey.touches, *journey.aftermath)} - own
    touches = {
        customer: here
        for customer, all_ in paths.touches.items()
        if (here := [touch for touch in all_ if id(touch) in own or (id(touch) not in others and inside(touch.at))])
    }
    return Paths(paths.settings, paths.landed, touches, kept)


class _Names:
    """Touchpoints of events, and stages of touchpoints."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stages: dict[str, str | None] = {}
        self.rules = [
            (
                matcher(rule["events"]) if rule.get("events") else None,
                re.compile(rule["pattern"]) if rule.get("pattern") else None,
                rule.get("column", "event_name"),
                address_pattern(rule["url"]) if rule.get("url") else None,
                None if rule.get("drop") else rule["name"],
            )
            for rule in settings.paths.get("touchpoints", [])
        ]

    def touchpoint(self, event: Event) -> str | None:
        """The name of the first rule that fits, else that of the event; null where the rule drops it."""
        for events, pattern, column, url, name in self.rules:
            if events is not None and not events.fullmatch(event.name):
                continue
            if pattern is not None and not pattern.search(value_of(event, column) or ""):
                continue
            if url is not None and not url.fullmatch(event.columns.get("url") or ""):
                continue
            return name  # type: ignore[no-any-return]
        return event.name

    def stage(self, touchpoint: str) -> str | None:
        """The stage of a touchpoint."""
        if touchpoint not in self.stages:
            self.stages[touchpoint] = self.settings.stage_of(touchpoint)
        return self.stages[touchpoint]


def _journeys(customer: Identity, own: list[Touch], settings: Settings, end: int, *, staged: bool) -> list[Journey]:
    goals, after, gap = set(settings.goals), settings.paths.get("after"), settings.gap

    def begins(touch: Touch) -> bool:
        if touch.touchpoint in goals:
            return True
        if touch.event.kind == "feedback" if after is None else touch.touchpoint in after:
            return False
        return not staged or (touch.stage is not None and touch.stage <= settings.goal_place)

    found: list[Journey] = []
    current: Journey | None = None
    won: Journey | None = None
    before: int | None = None
    for at, instant in groupby(own, key=attrgetter("at")):
        here = list(instant)
        if current is not None and before is not None and at - before > gap:
            current.outcome, current = "abandoned", None
        before = at
        if current is None and any(map(begins, here)):
            current = Journey(customer, staged=staged)
            found.append(current)
        if current is None:
            if won is not None and at - (won.won_at or 0) <= gap:
                won.aftermath += here
            continue
        current.touches += here
        current.last_at = at
        if any(touch.touchpoint in goals for touch in here):
            others = (t for t in current.touches if t.touchpoint not in goals)
            current.outcome, current.won_at = "converted", at
            current.direct = not any(t.stage is not None or not staged for t in others)
            won, current = current, None
    if current is not None and before is not None and end - before > gap:
        current.outcome = "abandoned"
    return found


def _add_values(paths: Paths, stitched: Stitched) -> None:
    """Adds the values of the breakdowns to the first touch of every journey, and how to find those of any touch."""
    settings = paths.settings
    context = {
        name.rpartition(".")[2]: name for name in settings.paths.get("context", ["device", "campaign", "country"])
    }
    attributes = set(settings.paths.get("attributes", []))
    timelines: dict[Identity, dict[str, tuple[list[int], list[Any]]]] = {}

    def value_at(touch: Touch, column: str) -> str | None:
        if column not in attributes:
            return value_of(touch.event, context.get(column, column))
        if touch.customer not in timelines:
            timelines[touch.customer] = _timeline(paths.landed, stitched.identities_of(touch.customer), settings)
        times, values = timelines[touch.customer].get(column, ([], []))
        place = latest(times, touch.at)
        return None if place is None else values[place]

    paths.value_at = value_at
    for journey in paths.journeys:
        for column in settings.segments:
            journey.touches[0].values[column] = value_at(journey.touches[0], column)


def _timeline(landed: Landed, identities: list[Identity], settings: Settings) -> dict[str, tuple[list[int], list[Any]]]:
    """The values of every attribute of a customer over time.

    At one time the value of the most trusted identity counts, and of one identity the one that landed last.
    """
    found: dict[str, dict[int, tuple[tuple[int, int], str | None]]] = defaultdict(dict)
    for rank, identity in enumerate(identities):
        for attribute, changes in landed.profiles.get(identity, {}).items():
            for since, number, value in changes:
                order = (-rank, number)
                if since not in found[attribute] or order > found[attribute][since][0]:
                    found[attribute][since] = (order, value)
    lines = {}
    for attribute, changes_at in found.items():
        times = sorted(changes_at)
        lines[attribute] = (times, [changes_at[at][1] for at in times])
    return lines
