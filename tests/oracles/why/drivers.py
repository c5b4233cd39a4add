"""Drivers of drop-off by their definition: loops over customers, strata as dictionaries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Z = 1.959963984540054
UNKNOWN = "(unknown)"
Person = tuple[Mapping[str, str], bool]
"""The levels of a customer, and whether they dropped."""


def wilson(k: int, n: int) -> tuple[float, float]:
    p = k / n
    middle, half = p + Z * Z / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return (middle - half) / (1 + Z * Z / n), (middle + half) / (1 + Z * Z / n)


def level(people: Sequence[Person], factor: str, value: str, adjust: Sequence[str] = ()) -> dict[str, Any]:
    """One level of a factor: its counts, its difference, and the adjusted one with what explains it."""
    own = [person for person in people if person[0][factor] == value]
    others = [person for person in people if person[0][factor] not in (value, UNKNOWN)]
    row: dict[str, Any] = {"customers": len(own), "dropped": sum(dropped for _, dropped in own)}
    row["difference"] = share(own) - share(others) if own and others else None
    names = [tuple(adjust)] if adjust else [(name,) for name in people[0][0] if name != factor]
    found = [(adjusted(own, others, name), name) for name in names]
    known = [(each, name) for each, name in found if each is not None]
    row["adjusted"] = None
    if known:
        (row["adjusted"], row["adjusted_low"], row["adjusted_high"]), by = min(known, key=lambda one: abs(one[0][0]))
        row["explained_by"] = None if adjust else by[0]
        row["at_stake"] = row["customers"] * row["adjusted"]
    return row


def share(people: Sequence[Person]) -> float:
    return sum(dropped for _, dropped in people) / len(people)


def adjusted(
    own: Sequence[Person], others: Sequence[Person], names: Sequence[str]
) -> tuple[float, float, float] | None:
    """The difference within strata, weighted by where the own customers are; None where strata hold too few of them."""
    strata: dict[tuple[str, ...], tuple[list[Person], list[Person]]] = {}
    for kind, people in enumerate((own, others)):
        for person in people:
            strata.setdefault(tuple(person[0][name] for name in names), ([], []))[kind].append(person)
    both = [pair for pair in strata.values() if pair[0] and pair[1]]
    held = sum(len(pair[0]) for pair in both)
    if not both or 10 * held < 9 * len(own):
        return None
    difference = low = high = 0.0
    for mine, theirs in both:
        weight, p1, p0 = len(mine) / held, share(mine), share(theirs)
        ends = [wilson(sum(dropped for _, dropped in each), len(each)) for each in (mine, theirs)]
        difference += weight * (p1 - p0)
        low += weight**2 * ((p1 - ends[0][0]) ** 2 + (ends[1][1] - p0) ** 2)
        high += weight**2 * ((ends[0][1] - p1) ** 2 + (p0 - ends[1][0]) ** 2)
    return difference, difference - math.sqrt(low), difference + math.sqrt(high)
