"""How a customer moves, from a plain loop over the touches: the features of personas, and matching by permutations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise, permutations
from typing import Any

Touch = Mapping[str, Any]


def observed(touches: Sequence[Touch], left_out: set[str], end: datetime, days: int = 30) -> tuple[str, list[Touch]]:
    """Whether a customer is placed, and the touches of the observation that count."""
    first = touches[0]["at"]
    own = [
        touch
        for touch in touches
        if touch["at"] < first + timedelta(days=days)
        and touch["touchpoint"] not in left_out
        and touch.get("survey") is None
    ]
    if first + timedelta(days=days) > end:
        return "observed still", own
    return ("placed" if len(own) >= 3 else "too few touches"), own


def feature(touches: Sequence[Touch], family: str, value: str | None, stages: Sequence[str]) -> float:
    """A feature of a customer, from the touches that count."""
    size = len(touches)
    pairs = list(pairwise(touches))
    if family == "entry":
        return float(touches[0]["channel"] == value)
    if family == "rhythm":
        sessions = 1 + sum(one["session"] != other["session"] for one, other in pairs)
        held = {
            "touches per session": math.log(size / sessions),
            "sessions": math.log(sessions),
            "evening": sum(17 <= touch["at"].hour < 23 for touch in touches) / size,
            "weekend": sum(touch["at"].isoweekday() > 5 for touch in touches) / size,
        }
        return held[str(value)]
    if family == "movement":
        staged = [stages.index(touch["stage"]) for touch in touches if touch["stage"] in stages]
        moved = {
            "repeats": sum(one["touchpoint"] == other["touchpoint"] for one, other in pairs),
            "hand-offs": sum(one["channel"] != other["channel"] for one, other in pairs),
            "back-tracks": sum(other < one for one, other in pairwise(staged)),
        }
        return moved[str(value)] / size
    return sum(touch[family] == value for touch in touches) / size


def matched(old: Mapping[str, set[str]], new: Mapping[str, set[str]]) -> dict[str, str]:
    """The personas of groups: of all one-to-one matchings the one with the most pairs of a Jaccard above a half."""
    both = set().union(*old.values()) & set().union(*new.values())
    names: list[str | None] = [*old, *[None] * len(new)]
    best: dict[str, str] = {}
    for order in set(permutations(names, len(new))):
        found = {}
        for group, name in zip(new, order, strict=True):
            if name is not None:
                one, other = old[name] & both, new[group] & both
                if one | other and len(one & other) / len(one | other) > 0.5:
                    found[group] = name
        if len(found) > len(best):
            best = found
    return best
