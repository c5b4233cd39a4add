"""In which steps may a count change from one report to the next?

Two reports of nearly the same data differ by the customers who came in between, so a reader with both could subtract
one from the other. Therefore a count that an earlier, kept report has published changes by multiples of `k`: by 0, `k`,
`2 k`, .. The published count is the earlier one plus the change, rounded to `k`; it is off by `k / 2` at most, or by up
to `k` where it would be smaller than `k` itself, or too near to the count it is a part of. A cell that a table did not
have before is rounded to a multiple of `k`. Rates are those of the published counts. So all kept reports differ in
every count by at least `k` or not at all, and no sum of cells reveals a smaller change: none of its terms is exact.

Without an earlier report all counts are exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from math import floor, log10
from typing import Any, Final

import polars as pl

from reports.privacy.rules import small

CellCounts = Mapping[str, Mapping[str, int]]
"""Published counts by table and cell."""
_GRID: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0)
_ROUNDING: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)


class Steps:
    """Publishes counts in steps of `k` from those of earlier reports, and keeps what it has published.

    `earlier` has the published counts of the kept reports; without it every count stays as it is. Counts come in after
    the other privacy rules: none is small, and null is withheld.

    >>> steps = Steps(10, {"stages": {"Interest": 63}})
    >>> [steps.count("stages", ("Interest",), count) for count in (63, 67, 68, 80)]
    [63, 63, 73, 83]
    >>> steps.count("stages", ("Desire",), 47), steps.count("weeks", ("2 Mar",), 47)
    (50, 47)
    """

    def __init__(self, k: int, earlier: CellCounts | None = None) -> None:
        self.k: Final = k
        self._earlier: Final = earlier or {}
        self._moved: Final[set[str]] = set()
        self.counts: Final[dict[str, dict[str, int]]] = defaultdict(dict)

    def count(self, table: str, cell: Iterable[Hashable], count: int | None) -> int | None:
        """The count as it may be published; null where it is withheld."""
        if count is None:
            return None
        name = " · ".join(map(str, cell))
        known = self._earlier.get(table)
        published: int | None = count
        if known is not None and count != known.get(name):
            self._moved.add(table)
            published = in_steps(count, known.get(name, 0), self.k)
        if published is not None:
            self.counts[table][name] = published
        return published

    def part(
        self, table: str, cell: Iterable[Hashable], count: int | None, whole: int | None, published_whole: int | None
    ) -> int | None:
        """A count of a part of `whole`, as it may be published beside the published whole: `below` it."""
        names = list(cell)
        published = self.count(table, names, count)
        if published is None or (published, published_whole) == (count, whole):
            return published
        lowered = below(published, published_whole, self.k)
        name = " · ".join(map(str, names))
        self.counts[table].pop(name)
        return None if lowered is None else self.counts[table].setdefault(name, lowered)

    def moved(self, *tables: str) -> bool:
        """Whether a count of one of these tables differs from the one that an earlier report has."""
        return not self._moved.isdisjoint(tables)

    @property
    def rounded(self) -> bool:
        """Whether any count differs from the one that an earlier report has, so that it is in steps."""
        return bool(self._moved)

    def frame(self, table: str, frame: pl.DataFrame, keys: Iterable[str], *counts: str) -> pl.DataFrame:
        """The frame with its `counts` as they may be published; `keys` name its rows."""
        names = list(keys)
        columns: dict[str, list[int | None]] = {column: [] for column in counts}
        for row in frame.iter_rows(named=True):
            for column in counts:
                columns[column].append(self.count(table, [*(_text(row[name]) for name in names), column], row[column]))
        return frame.with_columns(pl.Series(name, values, dtype=pl.Int64) for name, values in columns.items())


def in_steps(count: int, earlier: int, k: int) -> int | None:
    """The count as the earlier one plus a multiple of `k`; null for 0 where no such number says so.

    >>> in_steps(104, 100, 10), in_steps(105, 100, 10), in_steps(10, 27, 10), in_steps(0, 27, 10), in_steps(0, 20, 10)
    (100, 110, 17, None, 0)
    """
    if count in (0, earlier):
        return count if count == earlier or earlier % k == 0 else None
    published = earlier + k * floor((count - earlier) / k + 0.5)
    while published < k:
        published += k
    return published


def below(count: int | None, whole: int | None, k: int) -> int | None:
    """A published count of a part, lowered by steps until it is no larger than the whole, and leaves 0 or `k` at least.

    >>> below(103, 100, 10), below(93, 100, 10), below(90, 100, 10), below(13, 10, 10)
    (83, 83, 90, None)
    """
    if count is None or whole is None:
        return count
    while count > whole or small(whole - count, k):
        count -= k
        if count < k:
            return None
    return count


def rate(part: int | None, whole: int | None) -> float | None:
    """The share of two published counts; null where one is withheld."""
    return None if part is None or not whole else part / whole


def around(published: float | None, share: float | None, *ends: float | None) -> list[float | None]:
    """The ends of an interval moved with its share, the distance to each rounded up, so that it reveals no count.

    >>> around(0.5, 0.52, 0.471, 0.569)
    [0.44, 0.56]
    """
    moved: list[float | None] = []
    for end in ends:
        if published is None or share is None or end is None:
            moved.append(None)
        else:
            distance = _up(abs(end - share))
            moved.append(round(published + (distance if end > share else -distance), 4))
    return moved


def coarse(share: float | None, customers: int | None, k: int) -> float | None:
    """A share without a published numerator, rounded so that its step covers at least `k` of so many customers.

    >>> coarse(0.23456, 20_000, 10), coarse(0.23456, 800, 10), coarse(0.23456, 90, 10)
    (0.235, 0.24, 0.25)
    """
    if share is None:
        return None
    step = next((step for step in _ROUNDING if step * (customers or 0) >= k), _ROUNDING[-1])
    return round(round(share / step) * step, 4)


def coarse_amount(amount: float | None, units: int | None, k: int) -> float | None:
    """A sum of money rounded so that its step is at least what `k` of so many units bring; null where they are unknown.

    >>> coarse_amount(982_212.17, 4927, 10), coarse_amount(1234.5, 100, 10), coarse_amount(5.0, None, 10)
    (982000.0, 1200.0, None)
    """
    if amount is None or not units:
        return None
    step = _up(abs(amount) * k / units)
    return 0.0 if step == 0 else round(round(amount / step) * step, 2)


def all_earlier(runs: Iterable[Mapping[str, Any]]) -> CellCounts:
    """The counts of several kept reports, newest first, by table and cell: those of the newest that has the cell.

    >>> all_earlier([{"a": {"x": 12}}, {"a": {"x": 2, "y": 30}}])
    {'a': {'x': 12, 'y': 30}}
    """
    merged: dict[str, dict[str, int]] = {}
    for counts in runs:
        for table, cells in counts.items():
            merged[table] = {**cells, **merged.get(table, {})}
    return merged


def _up(distance: float) -> float:
    if distance <= 0:
        return 0.0
    unit = 10.0 ** floor(log10(distance))
    return next(step for step in _GRID if step * unit >= distance - 1e-12) * unit


def _text(value: Any) -> str:
    return " → ".join(value) if isinstance(value, list) else str(value)
