"""Counts the entrants of one part that reach each step, by group, with their waits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.sequences import Ints
from analytics.funnels.entrants import at_rows, breakdown, latest_mature
from analytics.funnels.scan import ChainScan, Reading
from analytics.funnels.sequences import combination_keys
from analytics.store.parts import Part

SPARSE: Final = 1 << 16
"""Up to this many combinations of values are numbered by a table; more are sorted."""


def partial_counts(scan: ChainScan, part: Part) -> pl.DataFrame:
    """Counts and waits of one part, one row per group; waits as lists, so that ranks stay exact when parts are merged.

    Columns: those of `by`; `tied`; for every step `k` `reached_k`, `open_k` Int64; `waits_k` List(Int64, microseconds)
    from the second on; `value_k` Float64 with a value column. No entrants give no rows.
    """
    reading, asked = scan.read(part), scan.definition
    values = breakdown(scan, reading)
    groups, some = group_numbers(values, len(reading.found.firsts))
    counter = GroupCounts(reading, groups, len(some), latest_mature(scan, reading), asked.maturity == "survival")
    reached, opened = counter.counts()
    steps = range(len(asked.steps))
    names = ["tied", *(f"reached_{k + 1}" for k in steps), *(f"open_{k + 1}" for k in steps)]
    counts = pl.DataFrame(np.column_stack((counter.tied(), reached, opened)), schema=names, orient="row")
    columns = [series.gather(some) for series in values]
    columns += counter.waits(np.array([asked.previous(k + 1) - 1 for k in steps]), reached)
    if asked.value is not None:
        columns += [pl.Series(f"value_{k + 1}", counter.sums(counter.worth(k, asked.value)), pl.Float64) for k in steps]
    return counts.hstack(columns)


@dataclass(frozen=True)
class GroupCounts:
    """The entrants of a part, with the group number of each (`groups` in all).

    Entrants are mature up to the time `latest`; `everyone` counts, or the mature alone.
    """

    reading: Reading
    group: Ints
    groups: int
    latest: int
    everyone: bool

    def counts(self) -> tuple[Ints, Ints]:
        """Who reached each step and counts, and who is open: one row per group, one column per step."""
        from analytics.engine.kernels.counts import count_reached

        chains = self.reading.found.chains
        reached, opened = (np.zeros((self.groups, chains.shape[1]), np.int64) for _ in range(2))
        count_reached(
            chains,
            self.reading.times,
            self.reading.found.firsts,
            self.group,
            self.latest,
            self.everyone,
            reached,
            opened,
        )
        return reached, opened

    def tied(self) -> Ints:
        """How many entrants of each group have a depth that depends on ties."""
        found = self.reading.found
        return np.bincount(self.group[found.least != found.depth], minlength=self.groups)

    def waits(self, previous: Ints, reached: Ints) -> list[pl.Series]:
        """The waits for each step from the second on, since the step before it: a list for each group."""
        from arro3.core import list_array

        from analytics.engine.kernels.counts import collect_waits

        found, counts = self.reading.found, reached[:, 1:].T
        bounds = np.append(0, np.cumsum(counts)).astype(np.int64)
        waits, places = np.empty(bounds[-1], np.int64), np.zeros_like(reached)
        places[:, 1:] = bounds[:-1].reshape(counts.shape).T
        touches = (found.chains, self.reading.times, found.firsts, self.group)
        collect_waits(*touches, previous, self.latest, self.everyone, self.reading.scale, places, waits)
        lists = []
        for step in range(len(counts)):
            own = bounds[step * self.groups : (step + 1) * self.groups + 1]
            lists.append(pl.Series(list_array(own - own[0], waits[own[0] : own[-1]])).alias(f"waits_{step + 2}"))
        return lists

    def worth(self, step: int, column: str) -> NDArray[np.float64]:
        """The value of each entrant's touch of a step; 0 where there is none, or the entrant does not count."""
        found, reading = self.reading.found, self.reading
        counts = (found.chains[:, step] >= 0) & (self.everyone | (reading.times[found.firsts] <= self.latest))
        values = at_rows(reading.frame[column], found.chains[:, step]).cast(pl.Float64).fill_null(0).to_numpy()
        return np.where(counts, values, 0.0)

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The sum of each group."""
        return np.bincount(self.group, values, self.groups).astype(np.float64)


def group_numbers(values: Sequence[pl.Series], size: int) -> tuple[Ints, Ints]:
    """The number of each row's group, and a row of each group; the rows of a group have equal values.

    >>> group, some = group_numbers([pl.Series(["x", "y", "x", None])], 4)
    >>> group.tolist(), some.tolist()
    ([1, 2, 1, 0], [3, 2, 1])
    """
    if not values:
        return np.zeros(size, np.int64), np.zeros(min(size, 1), np.int64)
    widths = [len(s.dtype.categories) + 1 if isinstance(s.dtype, pl.Enum) else SPARSE for s in values]
    width = math.prod(widths)
    codes = np.zeros(size, np.int64)
    if width < SPARSE:
        for series, words in zip(values, widths, strict=True):
            codes = codes * words + series.to_physical().cast(pl.Int64).fill_null(words - 1).to_numpy()
    else:
        codes = combination_keys(values, with_null=True).to_numpy() - 1
        width = int(codes.max(initial=-1)) + 1
    rows = np.full(width, -1, np.int64)
    rows[codes] = np.arange(size)
    met = np.flatnonzero(rows >= 0)
    number = np.empty(width, np.int64)
    number[met] = np.arange(len(met))
    return number[codes], rows[met]
