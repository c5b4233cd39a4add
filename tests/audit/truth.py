"""The measures of a report, journey by journey (docs/numbers.md), before anything is withheld."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from tests.audit.certainty import Share
from tests.audit.landed.calendar import Calendar
from tests.audit.landed.identities import Identity
from tests.audit.landed.money import Money
from tests.audit.landed.paths import Journey, Paths, Touch
from tests.audit.landed.settings import DAY, SECOND

SURVEYS = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
WEEK = 7 * DAY
OTHER = "other"


@dataclass(slots=True)
class Walk:
    """How far a journey gets within a window: the last row it reaches, the first touch of every row, and its goal."""

    journey: Journey
    customer: int
    mature: bool
    depth: int
    first: dict[int, int]
    reached: bool
    all_stages: bool


@dataclass
class Step:
    """A row of the stage funnel over some mature journeys.

    `waits` are times from the stage before, of `waiting` customers; in `backward` journeys of `turned` customers the
    stage came first.
    """

    previous: list[Walk]
    reached: list[Walk]
    touched: list[Walk]
    waits: list[int]
    backward: int
    waiting: int
    turned: int

    @property
    def people(self) -> int:
        """Distinct customers who reached it."""
        return len({walk.customer for walk in self.reached})

    @property
    def lost(self) -> int:
        """Distinct customers with a journey that reached the row before, and not this one."""
        there = set(map(id, self.reached))
        return len({walk.customer for walk in self.previous if id(walk) not in there})

    @property
    def share(self) -> Share:
        """Of the row before."""
        return Share.of((w.customer for w in self.previous), (w.customer for w in self.reached))


class Truth:
    """The measures of one lake."""

    def __init__(self, paths: Paths) -> None:
        self.paths, self.settings, self.calendar = paths, paths.settings, Calendar(paths.settings.zone)
        self.money = Money(paths)
        self.rows = len(self.settings.steps)
        self.goals = set(self.settings.goals)
        self.known: dict[Any, Any] = {}
        self.numbers = {customer: number for number, customer in enumerate(paths.touches)}
        self.walks = self.walked(self.settings.window)
        self.mature = [walk for walk in self.walks if walk.mature]

    def walked(self, window: int) -> list[Walk]:
        """All journeys that are not direct, within a window."""
        return [self._walk(journey, window) for journey in self.paths.journeys if not journey.direct]

    def _walk(self, journey: Journey, window: int) -> Walk:
        begin, last = journey.begin, self.rows - 1
        within = [touch for touch in journey.touches if touch.at - begin <= window]
        depth, first = -1, {}
        for touch in within:
            if touch.touchpoint in self.goals:
                depth = last
                first.setdefault(last, touch.at)
            elif touch.stage is not None:
                depth = max(depth, min(touch.stage, last - 1))
                if touch.stage < last:
                    first.setdefault(touch.stage, touch.at)
        mature = begin + window <= self.paths.end
        return Walk(
            journey,
            self.numbers[journey.customer],
            mature,
            depth,
            first,
            last in first,
            last in first and self._in_order(within),
        )

    def _in_order(self, within: list[Touch]) -> bool:
        """Whether touches of all stages before the goal's, then the goal, can be picked in order of time."""
        now = within[0].at
        for stage in range(self.rows - 1):
            times = [t.at for t in within if t.stage == stage and t.touchpoint not in self.goals and t.at >= now]
            if not times:
                return False
            now = min(times)
        return any(touch.touchpoint in self.goals and touch.at >= now for touch in within)

    def steps(self, walks: Iterable[Walk]) -> list[Step]:
        """The stage funnel of mature journeys."""
        walks = list(walks)
        found, previous = [], walks
        for k in range(self.rows):
            reached = [walk for walk in previous if walk.depth >= k]
            touched = [walk for walk in walks if k in walk.first]
            waits = []
            for walk in touched:
                before = [j for j in walk.first if j < k]
                if before:
                    waits.append((walk.first[k] - walk.first[max(before)], walk.customer))
            kept = [wait for wait, _ in waits if wait >= 0]
            waiting, turned = ({who for wait, who in waits if (wait < 0) is back} for back in (False, True))
            found.append(Step(previous, reached, touched, kept, len(waits) - len(kept), len(waiting), len(turned)))
            previous = reached
        return found

    @cached_property
    def funnel(self) -> list[Step]:
        """The stage funnel of all mature journeys."""
        return self.steps(self.mature)

    @cached_property
    def direct(self) -> list[Journey]:
        """The direct journeys."""
        return [journey for journey in self.paths.journeys if journey.direct]

    @cached_property
    def late(self) -> list[Walk]:
        """Mature journeys with the goal after the window."""
        return [w for w in self.mature if not w.reached and w.journey.won_at is not None]

    @cached_property
    def times(self) -> list[int]:
        """The time to the goal of the mature journeys that reach it within the window."""
        return [self.time_of(walk) for walk in self.mature if walk.reached]

    def time_of(self, walk: Walk) -> int:
        """From the first touch to the goal."""
        return walk.first[self.rows - 1] - walk.journey.begin

    def groups(self, column: str, walks: Iterable[Walk]) -> dict[str | None, list[Walk]]:
        """Journeys by the value at their first touch."""
        found: dict[str | None, list[Walk]] = defaultdict(list)
        for walk in walks:
            found[walk.journey.touches[0].values[column]].append(walk)
        return found

    @cached_property
    def weekly(self) -> list[Walk]:
        """All journeys within the window of the trend."""
        return self.walked(self.settings.trend_window)

    # Routes

    def names(self, journey: Journey) -> list[str]:
        """The touchpoints of a journey, repeats joined where the report does so."""
        names = [touch.touchpoint for touch in journey.touches]
        if not self.settings.report.get("collapse", False):
            return names
        return names[:1] + [name for before, name in pairwise(names) if name != before]

    @cached_property
    def flow(self) -> Flow:
        """Where mature journeys are at each position, and how they move on."""
        depth, top = self.settings.report.get("flow_depth", 6), self.settings.report.get("flow_top", 6)
        every = [self.names(journey)[:depth] for journey in self.paths.journeys]
        kept = []
        for position in range(depth):
            counts = Counter(names[position] for names in every if len(names) > position)
            kept.append({name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top]})
        flow = Flow(len(self.mature), defaultdict(list), defaultdict(list))
        for walk in self.mature:
            names = self.names(walk.journey)
            shown = [name if name in kept[p] else OTHER for p, name in enumerate(names[:depth])]
            for position, name in enumerate(shown, 1):
                flow.nodes[position, name].append((walk, len(names) == position))
            for position, (source, target) in enumerate(pairwise(shown), 1):
                flow.links[position, source, target].append(walk)
        return flow

    @cached_property
    def whole_paths(self) -> dict[tuple[str, ...], list[Walk]]:
        """The mature journeys of every whole path."""
        found: dict[tuple[str, ...], list[Walk]] = defaultdict(list)
        for walk in self.mature:
            found[tuple(self.names(walk.journey))].append(walk)
        return found

    def positions(self, depth: int = 8) -> dict[tuple[int, str], list[Journey]]:
        """All journeys at every touchpoint of the first positions, or ended before."""
        found: dict[tuple[int, str], list[Journey]] = defaultdict(list)
        for journey in self.paths.journeys:
            names = self.names(journey)
            for position in range(depth):
                node = names[position] if position < len(names) else f"END_{journey.outcome}"
                found[position + 1, node].append(journey)
        return found

    @cached_property
    def moves(self) -> dict[tuple[str, str], list[Identity]]:
        """The customer of every move within a journey, with its start and its end."""
        found: dict[tuple[str, str], list[Identity]] = defaultdict(list)
        for journey in self.paths.journeys:
            for move in pairwise(["START", *self.names(journey), f"END_{journey.outcome}"]):
                found[move].append(journey.customer)
        return found

    @cached_property
    def used(self) -> dict[str, dict[str, set[Identity]]]:
        """The customers of every touchpoint of every stage, in mature journeys."""
        stages = self.settings.stage_names
        found: dict[str, dict[str, set[Identity]]] = defaultdict(lambda: defaultdict(set))
        for touch in (touch for walk in self.mature for touch in walk.journey.touches):
            if touch.stage is not None:
                found[stages[touch.stage]][touch.touchpoint].add(touch.customer)
        return found

    @cached_property
    def linked(self) -> Counter[str]:
        """Touches by how they are linked to their customer."""
        return Counter(touch.linked for touch in self.paths.all_touches)

    def answers(self, start: int | None = None, end: int | None = None) -> dict[str, list[tuple[Identity, bool]]]:
        """The CSAT answers of every stage, the last one in the week before: of whom, and whether satisfied."""
        found: dict[str, list[tuple[Identity, bool]]] = defaultdict(list)
        for touch, before, is_satisfied in self.csat(lambda touch: touch.stage is not None):
            in_range = (start is None or touch.at >= start) and (end is None or touch.at < end)
            if in_range and before is not None:
                found[self.settings.stage_names[before.stage or 0]].append((touch.customer, is_satisfied))
        return found

    def csat(self, counts: Callable[[Touch], bool]) -> Iterator[tuple[Touch, Touch | None, bool]]:
        """Every CSAT answer, the last touch that counts in the week before it, and whether it is satisfied."""
        for own in self.paths.touches.values():
            before: Touch | None = None
            waiting: list[Touch] = []
            for touch in own:
                if waiting and waiting[0].at < touch.at:
                    before, waiting = waiting[-1], []
                survey, score = touch.event.columns.get("survey"), touch.event.columns.get("score")
                low, high = SURVEYS.get(survey, (1, 0))
                if score is None or not low <= score <= high:
                    if counts(touch):
                        waiting.append(touch)
                elif survey == "csat":
                    is_near = before is not None and touch.at - before.at <= WEEK
                    yield touch, before if is_near else None, score >= 4


@dataclass
class Flow:
    """Mature journeys by position and touchpoint (and whether they end there), and by move."""

    units: int
    nodes: dict[tuple[int, str], list[tuple[Walk, bool]]]
    links: dict[tuple[int, str, str], list[Walk]]


def seconds(length: float | None) -> float | None:
    """Microseconds as seconds."""
    return None if length is None else length / SECOND


By = Callable[[Walk], Any]
