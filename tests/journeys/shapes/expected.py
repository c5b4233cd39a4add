"""What the verbs must say of a shape, counted by the oracles from the truth of its events."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from statistics import median
from typing import Any, Final

from tests.journeys.shapes.generate import Event, Shape
from tests.oracles import moves, paths
from tests.oracles.journeys import Journey, Touch, journeys_of
from tests.oracles.stages import funnel_of

DAY: Final = 86_400
WINDOW: Final = 30 * DAY
"""Thirty days in seconds: both the journey gap and the window of the goal."""
CLOSE: Final = 1.001
"""Medians of more than 1,000 values are right to 1 in 1,000."""
NODES: Final = ("START", "other", "END_converted", "END_abandoned", "END_open")
Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Path:
    """A journey as the questions about paths read it: its touches without the aftermath, in the order of the source."""

    customer: str
    outcome: str
    events: tuple[Event, ...]
    is_mature: bool
    has_reached: bool

    def of(self, column: str) -> tuple[str, str, list[tuple[float, Any]]]:
        """A unit of the oracles of paths."""
        return self.customer, self.outcome, [(e.at.timestamp(), node(getattr(e, column))) for e in self.events]


def node(name: str) -> str:
    """A touchpoint as the node of an answer: in quotes where it is called like a node that is no touchpoint."""
    return f"'{name}'" if name in NODES else name


class Expected:
    """The answers about the events of a shape. `end` is the end of the data, by default the last event."""

    def __init__(self, shape: Shape, events: Sequence[Event], end: float | None = None) -> None:
        self.shape = shape
        self.events = sorted(events, key=lambda event: (event.at, event.number))
        self.touches: list[Touch] = [(event.who, event.at.timestamp(), event.name) for event in self.events]
        self.end = max((at for _, at, _ in self.touches), default=0.0) if end is None else end

    @cached_property
    def stages(self) -> dict[str, str]:
        """The stage of every touchpoint that has one: the first rule that fits."""
        names = {event.name for event in self.events} | set(self.shape.goal)
        rules = [(name, pattern) for name, patterns in self.shape.stages.items() for pattern in patterns]
        found = ((n, [stage for stage, pattern in rules if fnmatchcase(n, pattern)]) for n in names)
        return {name: fitting[0] for name, fitting in found if fitting}

    @cached_property
    def journeys(self) -> list[Journey]:
        """All journeys."""
        order = list(self.shape.stages)
        return journeys_of(
            self.touches, self.stages, order, set(self.shape.goal), WINDOW, self.end, frozenset({"survey"})
        )

    @cached_property
    def paths(self) -> list[Path]:
        """All journeys as paths."""
        return [self._path(journey) for journey in self.journeys]

    def _path(self, journey: Journey) -> Path:
        events = tuple(self.events[row] for row in sorted(journey.touches))
        begin = events[0].at.timestamp()
        goals = [event.at.timestamp() for event in events if event.name in self.shape.goal]
        mature = not journey.direct and begin + WINDOW <= self.end
        reached = mature and bool(goals) and goals[0] - begin <= WINDOW
        return Path(journey.customer, journey.outcome, events, mature, reached)

    def outcomes(self) -> Counter[str]:
        """Journeys by outcome."""
        return Counter(journey.outcome for journey in self.journeys)

    def funnel(self, by: str | None = None) -> dict[Any, list[dict[str, Any]]]:
        """The rows of the stage funnel, of all journeys (`...`) and by the value at their beginning."""
        order = list(self.shape.stages)
        goal_rules = [s for s, patterns in self.shape.stages.items() for p in patterns if self._fits_goal(p)]
        before = order[: max(order.index(stage) for stage in goal_rules)] if goal_rules else order
        groups: dict[Any, list[Journey]] = {...: self.journeys}
        for journey, path in zip(self.journeys, self.paths, strict=True):
            if by is not None:
                groups.setdefault(getattr(path.events[0], by) or None, []).append(journey)
        return {value: self._funnel(own, before, order[len(before) :]) for value, own in groups.items()}

    def _fits_goal(self, pattern: str) -> bool:
        return any(fnmatchcase(goal, pattern) for goal in self.shape.goal)

    def _funnel(self, journeys: list[Journey], before: list[str], later: list[str]) -> list[dict[str, Any]]:
        goal = set(self.shape.goal)
        table, direct, late, in_order = funnel_of(
            self.touches, journeys, self.stages, before, later, goal, WINDOW, self.end
        )
        rows = [vars(row) | {"direct": direct, "late": late, "all_stages": None} for row in table]
        rows[-1]["all_stages"] = in_order
        return rows

    def units(self, column: str = "name") -> list[Any]:
        """The journeys as units of the oracles of paths."""
        return [path.of(column) for path in self.paths]

    def transitions(self) -> dict[tuple[str, str], tuple[int, int, float | None]]:
        """Edges with how often, by how many customers, and the median wait."""
        return paths.edges(self.units(), collapse=False)

    def variants(self) -> dict[tuple[str, ...], tuple[int, int, int, int, float]]:
        """Of each whole path: units, customers, mature, reached, median seconds."""
        rated: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
        for path in self.paths:
            counts = rated[tuple(event.name for event in path.events)]
            counts[0] += path.is_mature
            counts[1] += path.has_reached
        plain = [
            (path.customer, path.outcome, [(event.at.timestamp(), event.name) for event in path.events])
            for path in self.paths
        ]
        whole = moves.whole(plain, collapse=False)  # type: ignore[arg-type]
        return {
            names: (units, customers, *rated[names], seconds)  # type: ignore[misc]
            for names, (units, _, _, seconds, customers, _) in whole.items()
        }

    def links(self) -> dict[tuple[int, str, str], tuple[int, int, int, int]]:
        """Of each link of the flow: units, customers, mature and reached units."""
        found = paths.links(self.units(), None, None, 6, 8, None)
        mature = self._marked_links("is_mature")
        reached = self._marked_links("has_reached")
        return {link: (units, people, mature[link], reached[link]) for link, (units, people, _) in found.items()}

    def _marked_links(self, mark: str) -> dict[tuple[int, str, str], int]:
        """How many units of each link have the mark: the oracle counts those that are called converted."""
        named = [
            (who, ("converted" if getattr(path, mark) else "abandoned", outcome), touches)
            for path, (who, outcome, touches) in zip(self.paths, self.units(), strict=True)
        ]
        return _won_links(named)

    def matrix(self) -> Counter[tuple[int, str]]:
        """Units by position and value, or the end they came to."""
        return moves.cells(self.units(), 8)

    def channels(self) -> dict[tuple[str, str | None], tuple[int, int, int, int, float]]:
        """Of the units of one channel, and of several: units, customers, mature, reached, the median of touches."""
        found: dict[tuple[str, str | None], list[Path]] = defaultdict(list)
        for path in self.paths:
            values = {event.channel for event in path.events}
            found["several" if len(values) > 1 else "one", None].append(path)
            if len(values) == 1:
                found["one", values.pop()].append(path)
        return {
            key: (
                len(own),
                len({path.customer for path in own}),
                sum(path.is_mature for path in own),
                sum(path.has_reached for path in own),
                median(len(path.events) for path in own),
            )
            for key, own in found.items()
        }

    def effort(self) -> dict[str, dict[str, Any]]:
        """Of each stage: units, touches, repeats, back-tracks, and the entropy of what follows."""
        stages = {node(event.name): self.stages.get(event.name) for event in self.events}
        return moves.friction(self.units(), stages, list(self.shape.stages))

    def steps(self) -> list[int]:
        """How many mature customers reach each of the steps of a funnel of steps, within thirty days."""
        by_customer: dict[str, list[tuple[float, str]]] = defaultdict(list)
        for who, at, name in self.touches:
            by_customer[who].append((at, name))
        depths = [_depth(path, self.shape.steps, self.end) for path in by_customer.values()]
        return [sum(depth >= step for depth in depths) for step in range(1, len(self.shape.steps) + 1)]


def _won_links(units: list[Any]) -> dict[tuple[int, str, str], int]:
    """The links by position, with the outcome as a pair: (converted or not, the outcome that names the end)."""
    kept: list[set[str]] = []
    for position in range(6):
        counts = Counter(touches[position][1] for _, _, touches in units if len(touches) > position)
        kept.append({name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:8]})
    won: Counter[tuple[int, str, str]] = Counter()
    for _, (mark, outcome), touches in units:
        names = [name if name in kept[place] else "other" for place, (_, name) in enumerate(touches[:6])]
        if len(touches) < 6:
            names.append(f"END_{outcome}")
        for place, (source, target) in enumerate(itertools.pairwise(names)):
            won[place + 1, source, target] += mark == "converted"
    return won


def _depth(path: list[tuple[float, str]], steps: Sequence[str], end: float) -> int:
    """How many steps the longest chain of a customer takes; 0 without an entry a whole window before the end.

    Steps may not use one touch twice; touches of one instant may be read in whichever order helps.
    """
    times = {name: sorted(at for at, own in path if own == name) for name in steps}
    entries = times[steps[0]]
    if not entries or entries[0] + WINDOW > end:
        return 0
    return max(_chain(times, steps, entry) for entry in entries)


def _chain(times: dict[str, list[float]], steps: Sequence[str], entry: float) -> int:
    """The steps that are reached from an entry, each by the earliest touch that is left."""
    used: Counter[tuple[str, float]] = Counter()
    now, depth = entry, 0
    for step in steps:
        place = bisect_left(times[step], now)
        while place < len(times[step]) and used[step, times[step][place]] > place - bisect_left(
            times[step], times[step][place]
        ):
            place += 1
        if place == len(times[step]) or times[step][place] - entry > WINDOW:
            break
        now, depth = times[step][place], depth + 1
        used[step, now] += 1
    return depth


def about(one: float | None, other: float | None) -> bool:
    """Whether two times in seconds are equal, as far as medians of many are."""
    if one is None or other is None:
        return one is other
    return abs(one - other) <= 1e-5 + abs(other) * (CLOSE - 1)


def pairs(rows: Rows, *names: str) -> Iterator[tuple[Any, ...]]:
    """These columns of the rows."""
    for row in rows:
        yield tuple(row[name] for name in names)
