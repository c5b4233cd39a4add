"""Good and bad experiences of touchpoints by their definition: loops over journeys. Shares no code with the product."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from tests.oracles.whole_paths.pains import Walked, is_counted


class Experienced(NamedTuple):
    """Journeys with a bad and a good experience, those of them that reached the goal, and strata of those alike."""

    bad: int
    good: int
    reached_bad: int
    reached_good: int
    strata: dict[tuple[int, tuple[str | None, ...]], list[int]]


def experiences_of(
    journeys: Sequence[Walked], stages: Sequence[str], troubles: Sequence[str], *, goal: str, window: int, end: int
) -> tuple[int, dict[tuple[str, str], Experienced]]:
    """How many journeys are counted, and the counts of every stage and touchpoint; strata as in `pains_of`."""
    counted = [journey for journey in journeys if is_counted(journey, goal, window, end)]
    outcomes: dict[tuple[str, str], list[tuple[bool, bool, int, Walked]]] = defaultdict(list)
    for journey in counted:
        goal_at = min((touch.at for touch in journey.touches if touch.name == goal), default=None)
        until = min(journey.touches[0].at + window, end if goal_at is None else goal_at)
        own = [touch for touch in journey.touches if touch.at <= until and touch.name != goal]
        won = goal_at is not None and goal_at <= journey.touches[0].at + window
        met: dict[tuple[str, str], list[bool]] = defaultdict(list)
        far: dict[tuple[str, str], int] = {}
        stage, furthest = None, -1
        for number, touch in enumerate(own):
            if touch.stage is not None:
                stage, furthest = touch.stage, max(furthest, stages.index(touch.stage))
            if stage is None or touch.name in troubles:
                continue
            failed = number + 1 < len(own) and own[number + 1].name in troubles
            met[stage, touch.name].append(failed or (touch.load is not None and touch.load > 3))
            far.setdefault((stage, touch.name), furthest)
        for place, bad in met.items():
            outcomes[place].append((any(bad), won, far[place], journey))
    found = {}
    for place, rows in outcomes.items():
        strata: dict[tuple[int, tuple[str | None, ...]], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for bad, won, furthest, journey in rows:
            cell = strata[furthest, journey.alike]
            cell[0 if bad else 2] += won
            cell[1 if bad else 3] += 1
        bad_ones, good_ones = [won for bad, won, *_ in rows if bad], [won for bad, won, *_ in rows if not bad]
        found[place] = Experienced(len(bad_ones), len(good_ones), sum(bad_ones), sum(good_ones), dict(strata))
    return len(counted), found
