"""Features of a customer at a cutoff, and the days to the next goal, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import log2
from typing import NamedTuple

DAY = timedelta(days=1)
GAP, VISIT, BACK = 30 * DAY, timedelta(minutes=30), 14 * DAY


class Seen(NamedTuple):
    """One event of one customer: when, what, where, and its stage."""

    at: datetime
    name: str
    channel: str
    stage: str | None


def under_way(seen: Sequence[Seen], cutoff: datetime) -> list[Seen] | None:
    """The touches of the journey under way; None where none is: goals end one, and silence beyond the gap does."""
    journey: list[Seen] = []
    last = None
    for each in sorted(seen):
        if last is not None and each.at - last > GAP:
            journey = []
        last = each.at
        journey = [] if each.name == "buy" else [*journey, each]
    return journey if journey and last is not None and cutoff - last <= GAP else None


def features(seen: Sequence[Seen], cutoff: datetime) -> dict[str, float | str | None] | None:
    """Some features of a customer whose touches lie at different times; None where nothing is under way."""
    touches = sorted(each for each in seen if each.at < cutoff)
    journey = under_way(touches, cutoff)
    if journey is None:
        return None
    visit, numbered = 0, []
    for place, each in enumerate(touches):
        visit += place > 0 and each.at - touches[place - 1].at > VISIT
        numbered.append((visit, each))
    near = [(number, each) for number, each in numbered if cutoff - each.at <= BACK]
    if not near:
        return None
    week = [each for _, each in near if cutoff - each.at <= 7 * DAY]
    names = [each.name for _, each in near]
    shares = [names.count(name) / len(names) for name in set(names)]
    goals = [each.at for _, each in near if each.name == "buy"]
    inside = [each for each in journey if cutoff - each.at <= BACK]
    return {
        "days since last": (cutoff - near[-1][1].at) / DAY,
        "days since first": (cutoff - near[0][1].at) / DAY,
        "touches": len(near),
        "touches in a week": len(week),
        "sessions": len({number for number, _ in near}),
        "channels": len({each.channel for _, each in near}),
        "goals": len(goals),
        "days since goal": (cutoff - goals[-1]) / DAY if goals else None,
        "touches under way": len(inside),
        "late stage in a week": sum(each.stage == "Desire" for each in week),
        "entropy": -sum(share * log2(share) for share in shares),
        "last touchpoint": names[-1],
        "last channel": near[-1][1].channel,
    }
