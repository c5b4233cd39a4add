"""What share of journeys reaches a goal, journey by journey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.oracles.journeys import Journey, Touch


@dataclass
class Attained:
    """The counts of one goal; `times` are those to the goal of the journeys that reach it."""

    units: int = 0
    mature: int = 0
    direct: int = 0
    reached: int = 0
    late: int = 0
    value: float = 0.0
    customers: set[str] = field(default_factory=set)
    customers_reached: set[str] = field(default_factory=set)
    customers_lost: set[str] = field(default_factory=set)
    times: list[float] = field(default_factory=list)
    by_customer: dict[str, float] = field(default_factory=dict)


def attained_of(
    touches: Sequence[Touch],
    found: Sequence[Journey],
    stages: dict[str, str],
    main: set[str],
    steps: Sequence[str],
    horizon: float,
    end: float,
    worth: Sequence[float],
) -> Attained:
    """The counts of a goal with these `steps` (`stage:NAME` is a stage); `worth` is the value of every touch."""
    counts = Attained()
    has_stages = any(name in stages for _, _, name in touches)

    def is_goal(name: str) -> bool:
        return name in steps or (has_stages and f"stage:{stages.get(name)}" in steps)

    for journey in found:
        begin = min(touches[row][1] for row in journey.touches)
        hits = [row for row in (*journey.touches, *journey.aftermath) if is_goal(touches[row][2])]
        first = min((touches[row][1] for row in hits), default=None)
        before = [
            row
            for row in journey.touches
            if first is not None
            and touches[row][1] <= first
            and not is_goal(touches[row][2])
            and (not has_stages or touches[row][2] in stages or touches[row][2] in main)
        ]
        if first is not None and not before:
            counts.direct += 1
            continue
        counts.units += 1
        if begin + horizon > end:
            continue
        counts.mature += 1
        counts.customers.add(journey.customer)
        if first is None or first - begin > horizon:
            counts.late += first is not None
            counts.customers_lost.add(journey.customer)
            continue
        counts.reached += 1
        counts.customers_reached.add(journey.customer)
        counts.times.append(first - begin)
        won = sum(worth[row] for row in hits if touches[row][1] - begin <= horizon)
        counts.value += won
        counts.by_customer[journey.customer] = counts.by_customer.get(journey.customer, 0.0) + won
    return counts
