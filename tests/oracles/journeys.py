"""Journeys, the slow way: walk over the instants of each customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

Touch = tuple[str, float, str]
"""Customer, time, touchpoint."""


@dataclass
class Journey:
    """A journey by the rows of its touches and of its aftermath."""

    customer: str
    number: int
    touches: list[int] = field(default_factory=list)
    aftermath: list[int] = field(default_factory=list)
    outcome: str = "open"
    direct: bool = False


def journeys_of(
    touches: Sequence[Touch],
    stages: dict[str, str] | None,
    order: Sequence[str],
    goal: set[str],
    gap: float,
    end: float,
    after: set[str] = frozenset(),  # type: ignore[assignment]
) -> list[Journey]:
    """The journeys by customer and beginning. `stages` has the stage of touchpoints, `order` the stages in order."""
    stages = stages or {}
    places = [list(order).index(stages[name]) for name in goal if name in stages]
    goal_place = max(places) if places else len(order)
    staged_store = any(name in stages for _, _, name in touches)

    def begins(name: str) -> bool:
        if name in goal:
            return True
        if name in after:
            return False
        return not staged_store or (name in stages and list(order).index(stages[name]) <= goal_place)

    def other(name: str) -> bool:
        return name not in goal and (not staged_store or name in stages)

    rows_of: dict[str, list[int]] = {}
    for row, (who, _, _) in enumerate(touches):
        rows_of.setdefault(who, []).append(row)
    found = []
    for customer in sorted(rows_of):
        current: Journey | None = None
        won: tuple[float, Journey] | None = None
        before, number = None, 0
        mine = sorted(rows_of[customer], key=lambda row: touches[row][1])
        for instant, own in groupby(mine, key=lambda row: touches[row][1]):
            here = list(own)
            names = [touches[row][2] for row in here]
            if current is not None and before is not None and instant - before > gap:
                current.outcome, current = "abandoned", None
            before = instant
            if current is None and any(map(begins, names)):
                number += 1
                current = Journey(customer, number)
                found.append(current)
            if current is None:
                if won is not None and instant - won[0] <= gap:
                    won[1].aftermath += here
                continue
            current.touches += here
            if goal.intersection(names):
                current.outcome = "converted"
                current.direct = not any(other(touches[row][2]) for row in current.touches)
                won, current = (instant, current), None
        if current is not None and before is not None and end - before > gap:
            current.outcome = "abandoned"
    return found


def touch_rows(touches: Sequence[Touch], found: Sequence[Journey]) -> list[tuple[Any, Any, Any, Any]]:
    """Journey, outcome, aftermath or not, direct or not, of every touch in the order given; nulls where in none."""
    rows: list[tuple[Any, Any, Any, Any]] = [(None,) * 4] * len(touches)
    for journey in found:
        for is_after, members in ((False, journey.touches), (True, journey.aftermath)):
            for row in members:
                rows[row] = (journey.number, journey.outcome, is_after, journey.direct)
    return rows
