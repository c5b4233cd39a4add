"""Where journeys stand, by the definition: a loop over journeys. Shares no code with the product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Journey(NamedTuple):
    """The group, whether it is under way, and its touches: seconds, and the position of the stage (-1 without one);
    the goal is one behind the goal's stage.
    """

    group: str
    is_open: bool
    touches: Sequence[tuple[int, int]]


def stays(journey: Journey) -> list[tuple[int, int, int | None]]:
    """The stages that a journey stood at: the stage, since when, and until when it went on (None: not yet)."""
    begin = journey.touches[0][0]
    instants: dict[int, int] = {begin: -1}
    for at, rank in journey.touches:
        instants[at] = max(instants.get(at, -1), rank)
    found: list[tuple[int, int, int | None]] = []
    furthest = None
    for at in sorted(instants):
        if furthest is None or instants[at] > furthest:
            if found:
                found[-1] = (*found[-1][:2], at)
            furthest = instants[at]
            found.append((furthest, at, None))
    return found


def quantile(values: Sequence[int], share: float) -> float:
    """Linear between two ranks."""
    ordered, rank = sorted(values), share * (len(values) - 1)
    low = int(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


def standing(journeys: Sequence[Journey], goal: int, end: int) -> dict[int, dict[str, Any]]:
    """The counts of each stage at which a journey under way stands."""
    went_on: dict[int, list[int]] = {}
    for journey in journeys:
        for rank, since, until in stays(journey):
            if until is not None and rank < goal:
                went_on.setdefault(rank, []).append(until - since)
    found: dict[int, dict[str, Any]] = {}
    for journey in journeys:
        if not journey.is_open:
            continue
        rank, since, _ = stays(journey)[-1]
        row = found.setdefault(rank, {"journeys": 0, "fresh": 0, "waiting": 0, "late": 0, "unknown": 0, "waits": []})
        waits, wait = went_on.get(rank, []), end - since
        age = "unknown"
        if waits:
            usual, late = quantile(waits, 0.5), quantile(waits, 0.9)
            age = "fresh" if wait <= usual else "waiting" if wait <= late else "late"
        row["journeys"] += 1
        row[age] += 1
        row["went_on"] = len(waits)
        row["waits"].append(wait)
    return found
