"""Step matrix, variants, hand-offs and effort by their definitions, on plain lists of units."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from statistics import median
from typing import Any

Unit = tuple[str, str, Sequence[tuple[int, str]]]


def cells(units: Sequence[Unit], depth: int) -> Counter[tuple[int, str]]:
    """How many units are at each value, or are over, at each position."""
    return Counter(
        (place + 1, path[place][1] if place < len(path) else f"END_{outcome}")
        for _, outcome, path in units
        for place in range(depth)
    )


def customers_in(units: Sequence[Unit], depth: int) -> dict[tuple[int, str], int]:
    """Of how many customers the units at each value, or over, at each position are."""
    who: dict[tuple[int, str], set[str]] = defaultdict(set)
    for customer, outcome, path in units:
        for place in range(depth):
            who[place + 1, path[place][1] if place < len(path) else f"END_{outcome}"].add(customer)
    return {cell: len(people) for cell, people in who.items()}


def whole(units: Sequence[Unit], collapse: bool) -> dict[tuple[str, ...], tuple[int, int, int, float, int, float]]:
    """Of each whole path: units, mature (all), reached, the median seconds it lasts, customers, their share of all."""
    taken: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    who: dict[tuple[str, ...], set[str]] = defaultdict(set)
    everyone = {customer for customer, *_ in units}
    for customer, outcome, path in units:
        kept = [t for i, t in enumerate(path) if not collapse or i == 0 or path[i - 1][1] != t[1]]
        names = tuple(name for _, name in kept)
        taken[names].append((outcome, kept[-1][0] - kept[0][0]))
        who[names].add(customer)
    return {
        names: (
            len(ends),
            len(ends),
            sum(outcome == "converted" for outcome, _ in ends),
            median(lasts for _, lasts in ends),
            len(who[names]),
            len(who[names]) / len(everyone),
        )
        for names, ends in taken.items()
    }


def switches(units: Sequence[Unit]) -> dict[tuple[str, str], tuple[int, int, int, int, float]]:
    """Of each change of value: how often, how often it is the last touch of an abandoned unit, in how many units, of
    how many customers, and the median seconds from the touch before.
    """
    found: dict[tuple[str, str], list[tuple[bool, int, str, int]]] = defaultdict(list)
    for number, (customer, outcome, path) in enumerate(units):
        for place, ((before, a), (now, b)) in enumerate(itertools.pairwise(path)):
            if a != b:
                lost = outcome == "abandoned" and place + 2 == len(path)
                found[a, b].append((lost, number, customer, now - before))
    return {
        edge: (
            len(moves),
            sum(lost for lost, *_ in moves),
            len({number for _, number, *_ in moves}),
            len({customer for *_, customer, _ in moves}),
            median(wait for *_, wait in moves),
        )
        for edge, moves in found.items()
    }


def reaches(units: Sequence[Unit]) -> dict[tuple[str, str | None], tuple[int, int, int, int, float]]:
    """Of the units that stay at one value, by value and all together (None), and of those that do not: units,
    customers, mature (all of them), reached, the median number of touches.
    """
    found: dict[tuple[str, str | None], list[Unit]] = defaultdict(list)
    for unit in units:
        values = {name for _, name in unit[2]}
        found["several" if len(values) > 1 else "one", None].append(unit)
        if len(values) == 1:
            found["one", values.pop()].append(unit)
    return {
        key: (
            len(own),
            len({customer for customer, *_ in own}),
            len(own),
            sum(outcome == "converted" for _, outcome, _ in own),
            median(len(path) for *_, path in own),
        )
        for key, own in found.items()
    }


def friction(units: Sequence[Unit], stages: dict[str, str | None], order: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of each stage: units, customers, touches, repeats, back-tracks, hand-offs (the name is the channel), the median
    seconds from a unit's first touch in it to its last, and the entropy of what follows.
    """
    counted = ("units", "touches", "repeats", "backtracks", "handoffs")
    found: dict[str, dict[str, Any]] = defaultdict(lambda: dict.fromkeys(counted, 0))
    elapsed: dict[str, list[int]] = defaultdict(list)
    following: dict[str, Counter[str]] = defaultdict(Counter)
    who: dict[str, set[str]] = defaultdict(set)
    for customer, outcome, path in units:
        names = [name for _, name in path]
        for stage in {stages[name] for name in names} - {None}:
            found[str(stage)]["units"] += 1
            who[str(stage)].add(customer)
            times = [time for time, name in path if stages[name] == stage]
            elapsed[str(stage)].append(max(times) - min(times))
        for place, name in enumerate(names):
            stage = stages[name]
            if stage is None:
                continue
            found[stage]["touches"] += 1
            found[stage]["repeats"] += place > 0 and names[place - 1] == name
            found[stage]["handoffs"] += place > 0 and names[place - 1] != name
            following[stage][names[place + 1] if place + 1 < len(names) else f"END_{outcome}"] += 1
        staged = [stages[name] for name in names if stages[name] is not None]
        for before, after in itertools.pairwise(staged):
            found[str(before)]["backtracks"] += order.index(str(after)) < order.index(str(before))
    for stage, lengths in elapsed.items():
        found[stage]["median_elapsed"] = timedelta(seconds=median(lengths))
    for stage, customers in who.items():
        found[stage]["customers"] = len(customers)
    for stage, counts in following.items():
        total = counts.total()
        shares = [n / total for n in counts.values()]
        found[stage]["entropy"] = -sum(share * math.log2(share) for share in shares)
    return dict(found)
