"""Families of routes by their definition: a loop over journeys. Shares no code with the product."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

Touch = tuple[float, str, str, int]
"""Time, touchpoint, channel, session."""
Family = Mapping[str, Any]


def fits(family: Family, before: Sequence[Touch]) -> bool:
    """Whether a journey with these touches before the goal belongs to a family."""
    words = [{touch[1], touch[2]} for touch in before]
    visits, sessions = family.get("visits"), len({touch[3] for touch in before})
    if "entered" in family and not (words and words[0] & set(family["entered"])):
        return False
    if "through" in family and not any(each & set(family["through"]) for each in words):
        return False
    if any(each & set(family.get("without", ())) for each in words):
        return False
    if len({touch[2] for touch in before}) < family.get("crosses", 0):
        return False
    if "pattern" in family and not any(
        follows(family["pattern"].split(), before, place) for place in range(len(before))
    ):
        return False
    if isinstance(visits, Mapping):
        return bool(sessions >= visits["at_least"])
    return visits is None or sessions == visits


def follows(pattern: Sequence[str], touches: Sequence[Touch], place: int) -> bool:
    """Whether the touches from a place on are a pattern: names, `.*`, `$`, and waits such as `<2d` at the next name."""
    if not pattern:
        return True
    first, rest = pattern[0], pattern[1:]
    if first == "$":
        return place == len(touches)
    if first == ".*":
        return any(follows(rest, touches, later) for later in range(place, len(touches) + 1))
    if first.startswith("<"):
        days, since = float(first[1:-1]), touches[place - 1][0]
        soon = [later for later in range(place, len(touches)) if touches[later][0] - since < days]
        return any(follows(rest, touches, later) for later in soon)
    return place < len(touches) and first in touches[place][1:3] and follows(rest, touches, place + 1)


def routes_of(
    journeys: Sequence[tuple[Sequence[Touch], bool]],
    goal: str,
    families: Sequence[Family],
    horizon: float,
    end: float,
    *,
    rank: Mapping[str, int],
    scores: Sequence[Sequence[tuple[float, float]]],
) -> dict[str, dict[str, Any]]:
    """What is known of each family; a journey is its touches in order, and whether it is direct.

    `rank` numbers the stages of touchpoints, `scores` are the times and scores of the answers of each journey.
    """
    found: dict[str, dict[str, Any]] = {}
    for (touches, direct), answers in zip(journeys, scores, strict=True):
        won = min((touch[0] for touch in touches if touch[1] == goal), default=None)
        before = [touch for touch in touches if touch[1] != goal and (won is None or touch[0] <= won)]
        name = "direct" if direct else next((each["name"] for each in families if fits(each, before)), "other")
        own = found.setdefault(name, {"units": 0, "mature": 0, "reached": 0, "touches": [], "sessions": [], "time": []})
        own |= {name: own.get(name, 0) for name in ("handoffs", "effort", "csat_n", "satisfied")}
        begin = touches[0][0]
        mature = begin + horizon <= end
        own["units"] += 1
        own["mature"] += mature
        if mature and won is not None and won - begin <= horizon:
            own["reached"] += 1
            own["touches"].append(len(before) + 1)
            own["sessions"].append(len({touch[3] for touch in touches if touch[0] <= won}))
            own["time"].append(won - begin)
            within = [touch for touch in touches if touch[0] <= won]
            moves = list(pairwise(within))
            ranks = [rank[touch[1]] for touch in within if touch[1] in rank]
            handoffs = sum(one[2] != other[2] for one, other in moves)
            own["handoffs"] += handoffs
            own["effort"] += handoffs + sum(one[1] == other[1] for one, other in moves)
            own["effort"] += sum(after < before for before, after in pairwise(ranks))
            own["effort"] += sum("error" in touch[1].lower() for touch in within)
            soon = [score for at, score in answers if at <= won + 7]
            own["csat_n"] += len(soon)
            own["satisfied"] += sum(score >= 4 for score in soon)
    for own in found.values():
        for name in ("touches", "sessions", "time"):
            own[name] = statistics.median(own[name]) if own[name] else None
    return found
