"""Experiments by their definition: a loop over customers and their touches. Shares no code with the product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

Touches = Mapping[str, Sequence[tuple[float, str, str | None]]]
"""The touches of each customer: time in days, name, variant."""


class Found(NamedTuple):
    """Per variant the customers assigned, mixed and open, the goals of those compared after and before; and unnamed."""

    assigned: dict[str, list[str]]
    mixed: list[str]
    open: list[str]
    unnamed: list[str]
    goals: dict[str, list[tuple[int, int]]]


def assign(customers: Touches, end: float, window: float, before: float) -> Found:
    """Exposures are called `see`, goals `buy`."""
    found = Found({}, [], [], [], {})
    for who, touches in customers.items():
        seen = [(at, variant) for at, name, variant in touches if name == "see"]
        named = [(at, variant) for at, variant in seen if variant is not None]
        if seen and not named:
            found.unnamed.append(who)
        if not named:
            continue
        at, variant = named[0]
        found.assigned.setdefault(variant, []).append(who)
        if any(other != variant for _, other in named):
            found.mixed.append(who)
        elif at + window > end:
            found.open.append(who)
        else:
            goals = [time for time, name, _ in touches if name == "buy"]
            after = sum(at < time <= at + window for time in goals)
            earlier = sum(at - before <= time < at for time in goals)
            found.goals.setdefault(variant, []).append((after, earlier))
    return found


def welch(control: Sequence[float], treatment: Sequence[float]) -> tuple[float, float, float, float]:
    """The difference with its interval and p-value, by the library's test of rows."""
    test = stats.ttest_ind(treatment, control, equal_var=False)
    low, high = test.confidence_interval(0.95)
    return float(np.mean(treatment) - np.mean(control)), float(low), float(high), float(test.pvalue)


def adjusted(control: Sequence[tuple[float, float]], treatment: Sequence[tuple[float, float]]) -> list[list[float]]:
    """The rows of both variants without what x explains: theta is the slope within the variants."""
    both = [np.array(rows, np.float64) for rows in (control, treatment)]
    centred = np.concatenate([rows - rows.mean(axis=0) for rows in both])
    slope = (centred[:, 0] @ centred[:, 1]) / (centred[:, 1] @ centred[:, 1]) if centred[:, 1].any() else 0.0
    return [(rows[:, 0] - slope * rows[:, 1]).tolist() for rows in both]


def sequence(d: float, v: float, n: float, planned: float, alpha: float) -> tuple[float, float]:
    """The interval that holds at every look, as published."""
    rho2 = (-2 * np.log(alpha) + np.log(-2 * np.log(alpha)) + 1) / planned
    half = np.sqrt(n * v) * np.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * np.log(np.sqrt(n * rho2 + 1) / alpha))
    return float(d - half), float(d + half)
