"""Which counts may be published?

Readers can read every byte of a published file, so secret counts are removed before any chart or table is made. A count
of 1 to k - 1 customers is *withheld*. So is any count that would reveal a withheld one: a neighbour from which it
follows as a difference, and a second member of a group whose total is known. A count of 0 is not secret.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

Cell = TypeVar("Cell", bound=Hashable)
MISSING: Final = "–"
"""The text of a share of which nothing may be published."""
_FINE: Final = (0.001, 0.002, 0.005, 0.01, 0.02)
"""Steps that shares are rounded to."""


def small(count: int, k: int) -> bool:
    """Whether a count is too small to publish.

    >>> [small(n, 10) for n in (0, 1, 9, 10)]
    [False, True, True, False]
    """
    return 0 < count < k


def publishable_steps(counts: Sequence[int], k: int, lost: Sequence[int] | None = None) -> list[bool]:
    """Which counts of a falling series (a funnel's steps) may be published.

    A step is withheld when it is small, or when it differs from the last published step by a small number, because
    the difference is also a count of customers: those who were lost. Where a customer may count in both, `lost` has the
    customers who were lost before each step.

    >>> publishable_steps([500, 300, 297, 4, 0], k=10)
    [True, True, False, False, True]
    >>> publishable_steps([500, 495, 300], k=10, lost=[0, 40, 200])
    [True, True, True]
    """
    steps: list[bool] = []
    last: int | None = None
    gone = 0
    for step, count in enumerate(counts):
        gone = max(gone, lost[step]) if lost is not None else 0 if last is None else abs(last - count)
        publishable = not small(count, k) and (last is None or not small(gone, k))
        steps.append(publishable)
        last, gone = (count, 0) if publishable else (last, gone)
    return steps


def public_bounds(counts: Sequence[int], publishable_counts: Sequence[bool], k: int) -> list[tuple[int, int]]:
    """The lowest and highest value that a reader can infer for every count of a falling series with withheld counts.

    The bounds follow from the published counts and `k` alone, so publishing them reveals nothing.

    >>> public_bounds([500, 300, 297, 4, 0], [True, True, False, False, True], k=10)
    [(500, 500), (300, 300), (291, 299), (1, 9), (0, 0)]
    """
    bounds: list[tuple[int, int]] = []
    last: int | None = None
    for count, publishable in zip(counts, publishable_counts, strict=True):
        if publishable:
            last = count
            bounds.append((count, count))
        elif last is None or small(count, k):
            bounds.append((1, k - 1))
        else:
            bounds.append((last - k + 1, last - 1))
    return bounds


def withheld(
    counts: Mapping[Cell, int], groups: Iterable[Collection[Cell]], k: int, also: Collection[Cell] = ()
) -> set[Cell]:
    """Cells to withhold so that no small count is revealed, directly or as the rest of a group with a known total.

    `groups` are sets of cells whose sum the reader knows or can compute; `also` are cells withheld for other reasons.
    Every group ends up with no withheld cell, or with two or more that together count at least k customers.

    >>> sorted(withheld({"a": 400, "b": 50, "c": 12, "d": 3}, [["a", "b", "c", "d"]], k=10))
    ['c', 'd']
    """
    hidden = {cell for cell, count in counts.items() if small(count, k)} | set(also)
    groups = [list(group) for group in groups]
    changed = True
    while changed:
        changed = False
        for group in groups:
            out = [cell for cell in group if cell in hidden and counts[cell] > 0]
            shown = [cell for cell in group if cell not in hidden and counts[cell] > 0]
            if out and shown and (len(out) == 1 or sum(counts[cell] for cell in out) < k):
                hidden.add(min(shown, key=lambda cell: (counts[cell], str(cell))))
                changed = True
    return hidden


def bounded_share(
    part: int, whole: int, k: int, published: int | None = None, people: tuple[int, int] | None = None
) -> tuple[float, str]:
    """A share to draw, and its text: of units, `people` being the distinct customers of `part` and of the rest.

    Where `part` or the rest is of too few, a bound stands in for the share; or a dash, where those few have `k` units
    or more, which no bound may reveal. `published` is `whole` in tens where that is all that is published: the share
    then covers `k` units, so that it reveals no other count, and a bound follows from the smallest count that gives it.

    >>> bounded_share(30, 120, 10), bounded_share(3, 120, 10), bounded_share(118, 120, 10)
    ((0.25, '25.0 %'), (0.0417, 'under 8.3 %'), (0.9583, 'over 91.7 %'))
    >>> bounded_share(3, 24, 10, published=20), bounded_share(613, 1886, 10, published=1890)
    ((0.3333, 'under 66.7 %'), (0.33, '33 %'))
    >>> bounded_share(12, 120, 10, people=(9, 80))
    (0.0, '–')
    """
    units = (part, whole - part)
    few = [small(count, k) for count in (people or units)]
    share = rough_share(part, whole, k) if published is not None else round(part / whole, 4) if whole > 0 else None
    if any(is_few and not small(count, k) for is_few, count in zip(few, units, strict=True)):
        return 0.0, MISSING
    if whole > 0 and any(few):
        edge = min(k / (whole if published is None else max(k, published - 5)), 1.0)
        if few[0]:
            return round(edge / 2, 4), f"under {edge * 100:.1f} %"
        return round(1 - edge / 2, 4), f"over {(1 - edge) * 100:.1f} %"
    if share is None:
        return 0.0, MISSING
    return share, f"{share * 100:.1f} %" if published is None else f"{round(share * 100, 1):g} %"


def coarse_step(customers: int, k: int) -> float | None:
    """The finest rounding step for a share of so many customers that covers at least `k` counts; null where none does.

    >>> coarse_step(20_000, 10), coarse_step(600, 10), coarse_step(90, 10)
    (0.001, 0.02, None)
    """
    return next((step for step in _FINE if step * customers >= k), None)


def rough_share(part: float, whole: int, k: int) -> float | None:
    """A share beside counts in tens: rounded so that it covers at least `k` counts; null where not even fifths do.

    >>> rough_share(1244, 1886, 10), rough_share(33, 100, 10), rough_share(20, 40, 10)
    (0.66, 0.3, None)
    """
    step = _rough_step(whole, k)
    return None if step is None else round(round(part / whole / step) * step, 3)


def rough_ends(low: float, high: float, whole: int, k: int) -> tuple[float | None, float | None]:
    """The ends of the interval of such a share, rounded outwards, so that it is no narrower than it was.

    >>> rough_ends(0.643, 0.677, 1886, 10), rough_ends(0.91, 1.0, 100, 10), rough_ends(0.4, 0.6, 40, 10)
    ((0.64, 0.68), (0.9, 1.0), (None, None))
    """
    step = _rough_step(whole, k)
    if step is None:
        return None, None
    ends = (math.floor(round(low / step, 6)) * step, math.ceil(round(high / step, 6)) * step)
    return round(ends[0], 3), round(min(1.0, ends[1]), 3)


def _rough_step(whole: int, k: int) -> float | None:
    """What such shares are rounded to."""
    return next((step for step in (*_FINE, 0.05, 0.1, 0.2) if step * whole >= k), None)


def to_tens(count: int) -> int:
    """A count rounded to tens.

    >>> to_tens(1234), to_tens(4)
    (1230, 0)
    """
    return round(count, -1)
