"""Intervals, tests and curves by their formulas; whatever is shared by several units of a customer counts for less."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from scipy.stats import binom

Z = NormalDist().inv_cdf(0.975)
Range = tuple[float, float]


@dataclass(frozen=True)
class Share:
    """Units of customers: how many there are, how many count, and how many independent ones they are worth (Kish)."""

    part: int
    whole: int
    size: float

    @classmethod
    def of(cls, whole: Iterable[Hashable], part: Iterable[Hashable]) -> Share:
        """From the customer of every unit, and of every unit that counts."""
        n_of, y_of = Counter(whole), Counter(part)
        n, y = n_of.total(), y_of.total()
        if y in (0, n):
            return cls(y, n, float(len(n_of)))
        p = y / n
        effect = sum((y_of[who] - p * many) ** 2 for who, many in n_of.items()) / (n * p * (1 - p))
        return cls(y, n, n / max(1.0, effect))

    @property
    def value(self) -> float | None:
        """The share itself."""
        return self.part / self.whole if self.whole else None

    @property
    def ends(self) -> Range | None:
        """Wilson's interval."""
        return wilson(self.part / self.whole * self.size, self.size) if self.whole else None


def wilson(k: float, n: float) -> Range:
    """The score interval of `k / n`."""
    p = k / n
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return (0.0 if k == 0 else max(0.0, middle - half)), (1.0 if k == n else min(1.0, middle + half))


def difference(one: Share, other: Share) -> tuple[float, float, float]:
    """The difference of two shares with its interval (Newcombe)."""
    (low1, high1), (low2, high2) = one.ends or (0.0, 0.0), other.ends or (0.0, 0.0)
    p1, p2 = one.value or 0.0, other.value or 0.0
    return p1 - p2, p1 - p2 - math.hypot(p1 - low1, high2 - p2), p1 - p2 + math.hypot(high1 - p1, p2 - low2)


def p_value(one: Share, other: Share) -> float | None:
    """The two-sided test of two proportions with pooled variance; null where it is not defined."""
    if not one.whole or not other.whole:
        return None
    k1, k2 = one.part / one.whole * one.size, other.part / other.whole * other.size
    pooled = (k1 + k2) / (one.size + other.size)
    variance = pooled * (1 - pooled) * (1 / one.size + 1 / other.size)
    if variance <= 0:
        return None
    z = ((one.value or 0.0) - (other.value or 0.0)) / math.sqrt(variance)
    return math.erfc(abs(z) / math.sqrt(2))


def discoveries(p_values: Sequence[float | None], level: float = 0.05) -> list[bool]:
    """Which tests hold together (Benjamini and Hochberg): up to the last at or below its line."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    last = max((rank for rank, (p, _) in enumerate(known, 1) if p * len(known) / rank < level), default=0)
    found = {place for _, place in known[:last]}
    return [place in found for place in range(len(p_values))]


def quantile(values: Sequence[float], q: float) -> float:
    """Interpolated linearly between ranks."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def median_ends(values: Sequence[float]) -> Range | None:
    """The interval of a median between two of the values, by the binomial distribution; null for too few."""
    ordered, n = sorted(values), len(values)
    low, high = int(binom.ppf(0.025, n, 0.5)) - 1, int(binom.isf(0.025, n, 0.5))
    return (ordered[low], ordered[high]) if low >= 0 and high < n else None


def incidence(waits: Iterable[tuple[int, bool]], moments: Sequence[float]) -> list[tuple[float, float, float]]:
    """Kaplan and Meier: the share that has come by each moment, with its interval on the log-log scale (Greenwood)."""
    seen = sorted(waits)
    at_risk, survival, variance, place = len(seen), 1.0, 0.0, 0
    found = []
    for moment in moments:
        while place < len(seen) and seen[place][0] <= moment:
            at = seen[place][0]
            same = [came for time, came in seen[place : place + _run(seen, place)] if time == at]
            events = sum(same)
            if events:
                survival *= 1 - events / at_risk
                variance += events / (at_risk * (at_risk - events)) if events < at_risk else 0.0
            at_risk -= len(same)
            place += len(same)
        ends = (survival, survival)
        if 0 < survival < 1:
            theta = Z * math.sqrt(variance) / abs(math.log(survival))
            ends = (survival ** math.exp(theta), survival ** math.exp(-theta))
        found.append((1 - survival, 1 - ends[1], 1 - ends[0]))
    return found


def _run(seen: list[tuple[int, bool]], place: int) -> int:
    end = place
    while end < len(seen) and seen[end][0] == seen[place][0]:
        end += 1
    return end - place


def clearly_larger(first: float, second: float) -> bool:
    """Whether one of two parts of a whole exceeds the other beyond chance."""
    return first - second > Z * math.sqrt(first + second)
