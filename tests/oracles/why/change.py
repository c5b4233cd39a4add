"""Why a conversion changed, by its definition: fractions, and every order in which factors may be switched."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from scipy import stats

Counts = Mapping[Any, Sequence[int]]
"""How many entrants of each segment reach step 1, 2, ..."""


@dataclass(frozen=True)
class Answer:
    """The number of both periods, the part of each factor, and the mix and rate of (step, segment)."""

    before: Fraction
    after: Fraction
    parts: dict[str, Fraction]
    mix: dict[tuple[int, Any], Fraction]
    rate: dict[tuple[int, Any], Fraction]


def change(
    before: Counts, after: Counts, of: str = "rate", values: tuple[Fraction, Fraction] = (Fraction(), Fraction())
) -> Answer:
    """The change of a conversion, of the number of goals, or of their value (the sum over goals of each period)."""
    steps = len(next(iter((*before.values(), *after.values()))))
    whole = [[sum(counts[step] for counts in each.values()) for step in range(steps)] for each in (before, after)]
    factors: dict[str, tuple[Fraction | None, Fraction | None]] = {}
    if of != "rate":
        factors["volume"] = Fraction(whole[0][0]), Fraction(whole[1][0])
    for step in range(1, steps):
        factors[f"step {step + 1}"] = tuple(share(each[step], each[step - 1]) for each in whole)  # type: ignore[assignment]
    if of == "value":
        factors["value"] = tuple(
            value / each[-1] if each[-1] else None for value, each in zip(values, whole, strict=True)
        )  # type: ignore[assignment]
    known = {name: both(*pair) for name, pair in factors.items()}
    worth = {name: times(name, known) for name in known}
    parts = {name: (last - first) * worth[name] for name, (first, last) in known.items()}
    mix, rate = {}, {}
    for step in range(1, steps):
        found = mix_and_rate(before, after, step)
        for segment, (own_mix, own_rate) in found.items():
            mix[step + 1, segment] = own_mix * worth[f"step {step + 1}"]
            rate[step + 1, segment] = own_rate * worth[f"step {step + 1}"]
    first, last = (math.prod((pair[period] for pair in known.values()), start=Fraction(1)) for period in (0, 1))
    return Answer(first, last, parts, mix, rate)


def share(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) if whole else None


def both(first: Fraction | None, last: Fraction | None) -> tuple[Fraction, Fraction]:
    """What is not known in one period is as in the other."""
    either = first if first is not None else last if last is not None else Fraction()
    return (either if first is None else first), (either if last is None else last)


def times(name: str, factors: Mapping[str, tuple[Fraction, Fraction]]) -> Fraction:
    """What one unit of a factor is worth: the mean over all orders of the product of all others at its turn."""
    orders = list(itertools.permutations(factors))
    total = Fraction()
    for order in orders:
        switched = set(order[: order.index(name)])
        total += math.prod(
            (pair[other in switched] for other, pair in factors.items() if other != name), start=Fraction(1)
        )
    return total / len(orders)


def mix_and_rate(before: Counts, after: Counts, step: int) -> dict[Any, tuple[Fraction, Fraction]]:
    """The mix and the rate of every segment at a step, which add up to the change of its share."""
    segments = [*dict.fromkeys([*before, *after])]
    size, rate = {}, {}
    for segment in segments:
        own = [each.get(segment, (0,) * 99) for each in (before, after)]
        all_ = [sum(counts[step - 1] for counts in each.values()) for each in (before, after)]
        size[segment] = both(*(share(counts[step - 1], n) for counts, n in zip(own, all_, strict=True)))
        rate[segment] = both(*(share(counts[step], counts[step - 1]) for counts in own))
    middle = sum((size[s][0] * rate[s][0] + size[s][1] * rate[s][1] for s in segments), start=Fraction()) / 2
    return {
        s: (
            (size[s][1] - size[s][0]) * ((rate[s][0] + rate[s][1]) / 2 - middle),
            (rate[s][1] - rate[s][0]) * (size[s][0] + size[s][1]) / 2,
        )
        for s in segments
    }


def reach(keys: Sequence[str], number: Callable[[set[str]], float]) -> float:
    """How far a 95 % interval reaches: the number of all customers, without each replicate in turn."""
    replicates: dict[int, set[str]] = {}
    for key in keys:
        replicates.setdefault(zlib.crc32(b"replicate:" + key.encode()) % 200, set()).add(key)
    without = [number(set(keys) - left_out) for left_out in replicates.values()]
    size, mean = len(without), sum(without) / len(without)
    error = math.sqrt((size - 1) / size * sum((each - mean) ** 2 for each in without))
    return float(stats.t.ppf(0.975, size - 1)) * error
