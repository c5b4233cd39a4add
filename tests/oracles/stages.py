"""Stage funnel and goal rate by their definition, journey by journey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tests.oracles.journeys import Journey, Touch


@dataclass
class Row:
    """A row of the funnel."""

    entered: int
    reached: int
    touched: int
    open: int
    customers: int
    customers_entered: int
    customers_lost: int
    customers_touched: int
    customers_skipped: int
    customers_open: int
    customers_waited: int
    customers_backward: int
    median_wait: float | None
    waits: int
    backward: int


def funnel_of(
    touches: Sequence[Touch],
    found: Sequence[Journey],
    stages: dict[str, str],
    rows: Sequence[str],
    later: Sequence[str],
    goal: set[str],
    window: float,
    end: float,
) -> tuple[list[Row], int, int, int]:
    """The rows (`rows` are the stages before the goal's, `later` the others in order), direct, late and all stages."""
    order = [*rows, *later]
    counted: list[tuple[Journey, bool, int, dict[int, float]]] = []
    direct = late = in_order = 0
    for journey in found:
        if journey.direct:
            direct += 1
            continue
        own = sorted((touches[row] for row in journey.touches), key=lambda touch: touch[1])
        begin = own[0][1]
        mature = begin + window <= end
        within = [touch for touch in own if touch[1] - begin <= window]
        won = [when for _, when, name in own if name in goal]
        late += bool(mature and won and won[0] - begin > window)
        reached = -1
        first: dict[int, float] = {}
        for _, when, name in within:
            if name in goal:
                reached = len(rows)
                first.setdefault(len(rows), when)
            elif name in stages:
                place = order.index(stages[name])
                reached = max(reached, min(place, len(rows) - 1))
                if place < len(rows):
                    first.setdefault(place, when)
        counted.append((journey, mature, reached, first))
        if mature and reached == len(rows):
            in_order += chain(within, stages, rows, goal)
    table = []
    for k in range(len(rows) + 1):
        there = [(journey, first) for journey, mature, reached, first in counted if mature and reached >= k]
        waits = []
        who: dict[str, set[str]] = {name: set() for name in ("lost", "touched", "skipped", "open", "waited", "back")}
        for journey, mature, reached, first in counted:
            before = [first[j] for j in range(k) if j in first]
            if mature and before and k in first:
                waits.append(first[k] - before[-1])
                who["waited" if waits[-1] >= 0 else "back"].add(journey.customer)
            if reached >= k:
                kind = "open" if not mature else "touched" if k in first else "skipped"
                who[kind].add(journey.customer)
            elif mature and (k == 0 or reached == k - 1):
                who["lost"].add(journey.customer)
        told = [wait for wait in waits if wait >= 0]
        table.append(
            Row(
                entered=sum(mature for _, mature, _, _ in counted),
                reached=len(there),
                touched=sum(k in first for _, mature, _, first in counted if mature),
                open=sum(not mature and reached >= k for _, mature, reached, _ in counted),
                customers=len({journey.customer for journey, _ in there}),
                customers_entered=len({journey.customer for journey, mature, _, _ in counted if mature}),
                customers_lost=len(who["lost"]),
                customers_touched=len(who["touched"]),
                customers_skipped=len(who["skipped"]),
                customers_open=len(who["open"]),
                customers_waited=len(who["waited"]),
                customers_backward=len(who["back"]),
                median_wait=median(told) if told else None,
                waits=len(told),
                backward=len(waits) - len(told),
            )
        )
    return table, direct, late, in_order


def chain(within: Sequence[Touch], stages: dict[str, str], rows: Sequence[str], goal: set[str]) -> bool:
    """Whether touches of all stages, then the goal, can be picked in order, those of one instant in any."""
    now = within[0][1]
    for stage in rows:
        after = [when for _, when, name in within if name not in goal and stages.get(name) == stage and when >= now]
        if not after:
            return False
        now = min(after)
    return any(name in goal and when >= now for _, when, name in within)
