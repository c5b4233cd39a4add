"""The rules of publication (docs/report.md, What is withheld), as this audit reads them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Test = Callable[[Any], bool]


@dataclass(frozen=True)
class Allowed:
    """What may stand at a place of the site: in words, and as a test of what stands there."""

    words: str
    test: Test

    def __or__(self, other: Allowed) -> Allowed:
        return Allowed(f"{self.words}, or {other.words}", lambda value: self.test(value) or other.test(value))


def exact(value: Any) -> Allowed:
    """This value, to the last digit that a number in binary keeps."""
    if value is None:
        return nothing("no value")

    def same(found: Any) -> bool:
        if isinstance(value, float) and isinstance(found, int | float) and not isinstance(found, bool):
            return math.isclose(found, value, rel_tol=1e-9, abs_tol=1e-9)
        return type(found) is type(value) and found == value

    return Allowed(repr(value), same)


def rounded(value: float | None, digits: int) -> Allowed:
    """This value rounded."""
    if value is None:
        return nothing("no value")
    half = 0.5 * 10.0**-digits + 1e-6 * 10.0**-digits
    return Allowed(f"{value:.{digits + 3}f}, rounded to {digits} digits", lambda v: _close(v, value, half))


def near(value: float | None, share: float = 0.001) -> Allowed:
    """This value, to one in a thousand."""
    if value is None:
        return nothing("no value")
    return Allowed(f"{value} to {share:g}", lambda v: _close(v, value, abs(value) * share + 1e-6))


def between(low: float, high: float) -> Allowed:
    """Any number from low to high."""
    return Allowed(f"{low:g} to {high:g}", lambda v: v is not None and low - 1e-9 <= v <= high + 1e-9)


def tens(count: int) -> Allowed:
    """A count rounded to tens, a five either way."""
    return Allowed(f"{count} in tens", lambda v: isinstance(v, int) and v % 10 == 0 and abs(v - count) <= 5)


def nothing(why: str = "withheld") -> Allowed:
    """No value: withheld, never zero."""
    return Allowed(why, lambda value: value is None)


def _close(found: Any, value: float, distance: float) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and abs(found - value) <= distance


def small(count: int, k: int) -> bool:
    """Whether a count is a secret."""
    return 1 <= count <= k - 1


def visible(people: Sequence[int], lost: Sequence[int], k: int) -> list[bool]:
    """Which rows of a funnel may show their count, by the customers of each and those lost before each.

    Not a small one; and none after which few customers are missing since the last one that is shown.
    """
    shown: list[bool] = []
    missing: int | None = None
    for count, gone in zip(people, lost, strict=True):
        missing = None if missing is None else max(missing, gone)
        ok = not small(count, k) and (missing is None or not small(missing, k))
        missing = 0 if ok else missing
        shown.append(ok)
    return shown


Cell = tuple[Any, Any, int]
"""A breakdown, a group and a step."""


def secret_cells(people: Mapping[Cell, int], lost: Mapping[Cell, int], k: int) -> set[Cell]:
    """The cells of groups that no count may be shown of, because it is small or follows from its neighbours."""
    chains: dict[tuple[Any, Any], list[Cell]] = defaultdict(list)
    for cell in sorted(people, key=lambda cell: cell[2]):
        chains[cell[:2]].append(cell)
    return {
        cell
        for cells in chains.values()
        for cell, ok in zip(cells, visible([people[c] for c in cells], [lost.get(c, 0) for c in cells], k), strict=True)
        if not ok
    }


def steps_at_risk(people: Mapping[Cell, int], secret: set[Cell]) -> set[tuple[Any, int]]:
    """The breakdowns and steps with a secret cell: there, and a step further, others may be withheld or coarse."""
    return {(cell[0], cell[2] + step) for cell in secret for step in (-1, 0, 1)}


def coarse(customers: int, k: int) -> float | None:
    """The finest step of rounding that covers at least `k` customers."""
    return next((step for step in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if step * customers >= k), None)


def joined(bins: list[tuple[int, int, int, int]], k: int) -> list[tuple[int, int, int, int]]:
    """Joins neighbouring bins (first, last, units, customers) until none has a small number of customers."""
    found: list[tuple[int, int, int, int]] = []
    for one in bins:
        found.append(_both(found.pop(), one) if found and small(found[-1][3], k) else one)
    if len(found) > 1 and small(found[-1][3], k):
        last = found.pop()
        found.append(_both(found.pop(), last))
    return found


def _both(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return one[0], other[1], one[2] + other[2], one[3] + other[3]


Key = tuple[Any, ...]


@dataclass
class Expected:
    """The rows of a frame by their key: what each column may hold. Rows whose key is `optional` may be missing."""

    keys: tuple[str, ...]
    rows: dict[Key, dict[str, Allowed]]
    optional: frozenset[Key] = frozenset()
    in_order: bool = False
