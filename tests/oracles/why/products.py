"""Journeys as products, the slow way: cohorts by loop, a line by its equations, a change in fractions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from tests.oracles.why.change import both, mix_and_rate, share, times

Begun = tuple[date, Any, bool]
"""The day on which a journey begins, its segment, and whether it reaches the goal within the horizon."""


def month_of(day: date) -> date:
    return day.replace(day=1)


def week_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def next_cohort(start: date, period: str) -> date:
    return week_of(start + timedelta(days=7)) if period == "week" else month_of(start + timedelta(days=31))


def cohorts(journeys: Sequence[Begun], period: str, horizon: int, end: date) -> dict[date, tuple[int, int, int, bool]]:
    """Journeys, mature ones and those with the goal of every cohort, and whether it is over; data end at 00:00."""
    found: dict[date, tuple[int, int, int, bool]] = {}
    for start in sorted({(week_of if period == "week" else month_of)(day) for day, _, _ in journeys}):
        over = next_cohort(start, period) + timedelta(days=horizon) <= end
        own = [each for each in journeys if start <= each[0] < next_cohort(start, period)]
        mature = [each for each in own if each[0] + timedelta(days=horizon) <= end]
        found[start] = (len(own), len(mature), sum(won for _, _, won in mature), over)
    return found


def line_at(x: Sequence[float], y: Sequence[float], error: Sequence[float], at: float) -> float:
    """The line of weighted least squares at a place, from its normal equations."""
    weights = [1 / each**2 for each in error]
    total = sum(weights)
    mean_x = sum(w * each for w, each in zip(weights, x, strict=True)) / total
    mean_y = sum(w * each for w, each in zip(weights, y, strict=True)) / total
    across = sum(w * (a - mean_x) * (b - mean_y) for w, a, b in zip(weights, x, y, strict=True))
    return mean_y + across / sum(w * (a - mean_x) ** 2 for w, a in zip(weights, x, strict=True)) * (at - mean_x)


def goal_change(before: Mapping[Any, Sequence[int]], after: Mapping[Any, Sequence[int]]) -> dict[Any, Fraction]:
    """What mix and rate of each segment, and each step of all and of each segment, add.

    Counts are, by segment, of journeys that enter and reach each stage, and the goal.
    """
    ends = tuple({name: (counts[0], counts[-1]) for name, counts in each.items()} for each in (before, after))
    found: dict[Any, Fraction] = {}
    for name, (mix, rate) in mix_and_rate(ends[0], ends[1], 1).items():
        found["mix", name], found["rate", name] = mix, rate
    whole = tuple([sum(step) for step in zip(*each.values(), strict=True)] for each in (before, after))
    found |= {("stage", None, step): part for step, part in stages(whole[0], whole[1]).items()}
    for name in before.keys() & after.keys():
        if before[name][0] and after[name][0]:
            found |= {("stage", name, step): part for step, part in stages(before[name], after[name]).items()}
    found["total", None] = Fraction(whole[1][-1], whole[1][0]) - Fraction(whole[0][-1], whole[0][0])
    return found


def stages(before: Sequence[int], after: Sequence[int]) -> dict[int, Fraction]:
    """The Shapley value of each step's share in the change of the rate."""
    known = {
        str(step): both(share(before[step], before[step - 1]), share(after[step], after[step - 1]))
        for step in range(1, len(before))
    }
    found = {int(name): (last - first) * times(name, known) for name, (first, last) in known.items()}
    rates = [math.prod((pair[n] for pair in known.values()), start=Fraction(1)) for n in (0, 1)]
    assert sum(found.values()) == rates[1] - rates[0]
    return found
