"""Pains by their definition: loops over journeys. Shares no code with the product."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple


class Touched(NamedTuple):
    """A touch: seconds, touchpoint, stage (null without one), and the seconds that its page took, where known."""

    at: int
    name: str
    stage: str | None
    load: float | None = None


class Walked(NamedTuple):
    """A journey: its customer, what it has in common with those alike, and its touches in order."""

    customer: str
    alike: tuple[str | None, ...]
    touches: Sequence[Touched]


Pain = tuple[str, str, str | None]
"""The stage, the kind, and the touchpoint of a trouble."""


class Counted(NamedTuple):
    """Journeys at the stage, those with it, those of them that reached the goal, and strata of those alike."""

    journeys: int
    with_it: int
    reached: int
    strata: dict[tuple[int, tuple[str | None, ...]], list[int]]


def is_counted(journey: Walked, goal: str, window: int, end: int) -> bool:
    """Whether a journey is mature, and has another staged touch than the goal."""
    begin = journey.touches[0].at
    staged = [touch for touch in journey.touches if touch.stage is not None and touch.name != goal]
    won = any(touch.name == goal for touch in journey.touches)
    return begin + window <= end and (bool(staged) or not won)


def _met(
    touch: Touched,
    stage: str | None,
    before: str | None,
    names: Sequence[str],
    stages: Sequence[str],
    troubles: Sequence[str],
) -> list[tuple[str | None, str, str | None]]:
    """The pains that a touch meets, each at its stage."""
    met: list[tuple[str | None, str, str | None]] = []
    met += [(stage, "trouble", touch.name)] if touch.name in troubles else []
    met += [(stage, "slow", None)] if touch.load is not None and touch.load > 3 else []
    if touch.stage is not None and before is not None and stages.index(touch.stage) < stages.index(before):
        met.append((before, "back", None))
    met += [(stage, "repeat", None)] if len(names) > 2 and len(set(names[-3:])) == 1 else []
    return met


def pains_of(
    journeys: Sequence[Walked], stages: Sequence[str], troubles: Sequence[str], *, goal: str, window: int, end: int
) -> dict[Pain, Counted]:
    """The counts of every pain that a journey met; strata have the reached and all, with the pain and without."""
    at_stage: dict[str, set[int]] = defaultdict(set)
    places: dict[str, set[tuple[int, int]]] = defaultdict(set)
    first: dict[Pain, dict[int, int]] = defaultdict(dict)
    won: set[int] = set()
    for number, journey in enumerate(journeys):
        if not is_counted(journey, goal, window, end):
            continue
        furthest, stage, names = -1, None, []
        goal_at = min((touch.at for touch in journey.touches if touch.name == goal), default=end)
        for touch in journey.touches:
            if touch.at > goal_at or touch.at - journey.touches[0].at > window:
                break
            if touch.name == goal:
                won.add(number)
                continue
            before = stage
            if touch.stage is not None:
                stage = touch.stage
                furthest = max(furthest, stages.index(stage))
                at_stage[stage].add(number)
                places[stage].add((number, furthest))
            names.append(touch.name)
            met = _met(touch, stage, before, names, stages, troubles)
            for where, kind, name in met:
                if where is not None:
                    first[where, kind, name].setdefault(number, furthest)
    found: dict[Pain, Counted] = {}
    for pain, hit in first.items():
        strata: dict[tuple[int, tuple[str | None, ...]], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for number, far in hit.items():
            cell = strata[far, journeys[number].alike]
            cell[0] += number in won
            cell[1] += 1
        for number, far in places[pain[0]]:
            if number not in hit:
                cell = strata[far, journeys[number].alike]
                cell[2] += number in won
                cell[3] += 1
        reached = sum(number in won for number in hit)
        found[pain] = Counted(len(at_stage[pain[0]]), len(hit), reached, dict(strata))
    return found


def difference(strata: dict[tuple[int, tuple[str | None, ...]], list[int]]) -> float | None:
    """The mean difference of the goal rates over strata with both, weighted by those with the pain."""
    both = [cell for cell in strata.values() if cell[1] and cell[3]]
    held, all_ = sum(cell[1] for cell in both), sum(cell[1] for cell in strata.values())
    if not held or 10 * held < 9 * all_:
        return None
    return sum(cell[1] * (cell[0] / cell[1] - cell[2] / cell[3]) for cell in both) / held
