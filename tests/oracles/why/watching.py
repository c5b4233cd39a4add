"""What is expected of a period, and whether it is unusual, by the definition: loops and whole numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from statistics import median

Day = tuple[int, int, int]
"""Weekday, of, count."""


def binomial(count: int, of: int, share: float) -> float:
    """Twice the smaller tail, added up term by term."""
    q = Fraction(share)
    terms = [math.comb(of, k) * q**k * (1 - q) ** (of - k) for k in range(of + 1)]
    return float(min(Fraction(1), 2 * min(sum(terms[: count + 1]), sum(terms[count:]))))


def poisson(count: int, mean: float) -> float:
    """Twice the smaller tail, added up term by term."""
    below = math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count))
    here = math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
    return min(1.0, 2 * min(below + here, 1 - below))


def logit(count: float, of: float) -> float:
    return math.log((count + 0.5) / (of - count + 0.5))


def expected(past: Sequence[Day], weekday: int) -> float:
    """The share expected on a weekday."""
    of, count = sum(day[1] for day in past), sum(day[2] for day in past)
    level = logit(count, of)
    own_of = sum(n for day, n, _ in past if day == weekday)
    own_count = sum(k for day, _, k in past if day == weekday)
    if own_of:
        variance = 1 / (own_count + 0.5) + 1 / (own_of - own_count + 0.5)
        level += (logit(own_count, own_of) - level) * 0.0025 / (0.0025 + variance)
    return 1 / (1 + math.exp(-level))


def spread(past: Sequence[Day]) -> float:
    """How far the past is spread beyond chance: phi."""
    chance = {weekday: expected(past, weekday) for weekday in range(7)}
    scores = []
    for weekday, of, count in past:
        if of:
            q = chance[weekday]
            scores.append((count - of * q) / math.sqrt(of * q * (1 - q)))
    if not scores:
        return 1.0
    middle = median(scores)
    return max(1.0, (1.4826 * median(abs(score - middle) for score in scores)) ** 2)


def p_value(past: Sequence[Day], weekday: int, of: int, count: int) -> float | None:
    """The p-value of a day; None where the past is too short or the day empty."""
    if len(past) < 21 or sum(day[1] for day in past) < 200 or not of:
        return None
    q, phi = expected(past, weekday), spread(past)
    if phi == 1:
        return binomial(count, of, q)
    all_of, all_count = sum(day[1] for day in past), sum(day[2] for day in past)
    of_level = 1 / (all_count + 0.5) + 1 / (all_of - all_count + 0.5)
    own_of = sum(n for day, n, _ in past if day == weekday)
    own_count = sum(k for day, _, k in past if day == weekday)
    of_day = 1 / (own_count + 0.5) + 1 / (own_of - own_count + 0.5)
    weight = 0.0025 / (0.0025 + of_day) if own_of else 0.0
    v = weight**2 * of_day + (1 - weight) ** 2 * of_level
    z = (count - of * q) / math.sqrt(phi * of * q * (1 - q) + (of * q * (1 - q)) ** 2 * v)
    return math.erfc(abs(z) / math.sqrt(2))


def pair_counts(
    journeys: Sequence[tuple[str, Sequence[tuple[float, str, str | None]]]], source: str, target: str, window: float
) -> dict[tuple[str | None, int], tuple[int, int, int]]:
    """Journeys with the source, those that the target follows, and customers, by (group, day of the first source).

    A journey is its customer and its touches: days since the beginning, touchpoint, group. None is everybody.
    """
    found: dict[tuple[str | None, int], list[tuple[str, bool]]] = {}
    for customer, touches in journeys:
        sources = [(at, group) for at, name, group in touches if name == source]
        if not sources:
            continue
        first, group = min(sources, key=lambda touch: touch[0])
        follows = any(name == target and first <= at <= first + window for at, name, _ in touches)
        for key in {None, group}:
            found.setdefault((key, math.floor(first)), []).append((customer, follows))
    return {
        key: (len(rows), sum(follows for _, follows in rows), len({customer for customer, _ in rows}))
        for key, rows in found.items()
    }
