"""Counts the entrants of a funnel part by part: what its measures share, and who reaches each step when."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl

from analytics.engine.analysis import IS_TOTAL, SMALL, Cells
from analytics.engine.distributions import DISTRIBUTION, needed_buckets, sliced
from analytics.engine.local.money import Amounts
from analytics.engine.partials import add_up
from analytics.engine.sequences import Ints
from analytics.funnels.definition import Funnel
from analytics.funnels.scan import ChainScan, Reading
from analytics.funnels.sequences import combination_keys
from analytics.store.columns import CURRENCY
from analytics.store.encoding import Dictionaries, as_text
from analytics.store.parts import Part

SPARSE: Final = 1 << 16
"""Up to this many combinations of values are numbered by a table; more are sorted."""


@dataclass(frozen=True, eq=False)
class FunnelMeasure(ABC):
    """An analysis of a funnel (`analytics.engine.analysis`).

    A partial has the columns of `by`, `is_total`, `KEYS`, then counts (integers and distributions). The answer takes
    the `QUANTILES` of every distribution. `exact` are the buckets whose values stay exact.
    """

    SCHEMA: ClassVar[pl.Schema]
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = SMALL
    KEYS: ClassVar[Mapping[str, Any]] = {}
    QUANTILES: ClassVar[Sequence[float]] = ()

    scan: ChainScan
    exact: tuple[int, ...] = ()

    @property
    def definition(self) -> Funnel:
        """The funnel."""
        return self.scan.definition

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return tuple(self.scan.columns)

    @property
    def keys(self) -> list[str]:
        """The columns that name a row of a partial."""
        return [*self.definition.by, IS_TOTAL, *self.KEYS]

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return {**self.scan.group_types, IS_TOTAL: pl.Boolean, **self.KEYS, **self.count_types}

    @property
    @abstractmethod
    def count_types(self) -> Mapping[str, Any]:
        """The columns of counts."""

    @abstractmethod
    def counts(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The partial of one part; any order of columns."""

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """Counts one part."""
        return pl.concat([pl.DataFrame(schema=self.schema), self.counts(part, words).select(list(self.schema))])

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, self.keys, self.schema, self.exact)

    @abstractmethod
    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The answer."""

    def exactly(self, merged: pl.DataFrame) -> Self:
        """The same, with the values around its quantiles kept exact."""
        spread = [name for name, dtype in merged.schema.items() if dtype == DISTRIBUTION]
        needed = [needed_buckets(merged[column], self.QUANTILES) for column in spread]
        return replace(self, exact=tuple(sorted({*self.exact}.union(*needed))))


def with_totals(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """The rows of all entrants as those of the total, where `by` is null; and once more with their groups, if any."""
    groups = as_text(rows, by).with_columns(pl.lit(False).alias(IS_TOTAL))
    whole = groups.with_columns(pl.lit(True).alias(IS_TOTAL), *(pl.lit(None, groups.schema[n]).alias(n) for n in by))
    return pl.concat([whole, groups]) if by else whole


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

    def waits(self, previous: Ints, reached: Ints, exact: Sequence[int]) -> list[pl.Series]:
        """The waits for each step from the second on, since its previous step: one distribution per group."""
        from analytics.engine.kernels.counts import collect_waits

        found, counts = self.reading.found, reached[:, 1:].T
        bounds = np.append(0, np.cumsum(counts)).astype(np.int64)
        waits, places = np.empty(bounds[-1], np.int64), np.zeros_like(reached)
        places[:, 1:] = bounds[:-1].reshape(counts.shape).T
        touches = (found.chains, self.reading.times, found.firsts, self.group)
        collect_waits(*touches, previous, self.latest, self.everyone, self.reading.scale, places, waits)
        spread = sliced(waits, bounds, exact=exact)
        return [spread[k * self.groups : (k + 1) * self.groups].alias(f"waits_{k + 2}") for k in range(len(counts))]

    def values(self, step: int, amounts: Amounts) -> tuple[Ints, Ints]:
        """The sum of the amounts of the touches of a step, of each group, in millionths, and how many are left out."""
        touch, reading = self.reading.found.chains[:, step], self.reading
        counts = (touch >= 0) & (self.everyone | (reading.times[reading.found.firsts] <= self.latest))
        rows, group = touch[counts], self.group[counts]
        currency = reading.frame[CURRENCY][rows] if CURRENCY in amounts.columns else None
        at = reading.times[rows].astype(np.int64) * reading.scale
        millionths, left_out = amounts.millionths(reading.frame[amounts.column][rows], currency, at)
        sums = np.zeros(self.groups, np.int64)
        np.add.at(sums, group, millionths)
        return sums, np.bincount(group[left_out], minlength=self.groups)

    def products(self, pairs: Sequence[tuple[int, int]], customer: Ints) -> pl.DataFrame:
        """The sums over customers that intervals need: of reached times reached, for pairs of steps (`j x k`).

        Column `customers k` counts those with an entrant at step `k`. One row per group.
        """
        chains, reading = self.reading.found.chains, self.reading
        mature = self.everyone | (reading.times[reading.found.firsts] <= self.latest)
        steps = {str(k): (chains[:, k - 1] >= 0) & mature for k in range(1, chains.shape[1] + 1)}
        per_customer = (
            pl.DataFrame({"group": self.group, "customer": customer, **steps})
            .group_by("group", "customer")
            .agg(pl.col(list(steps)).sum().cast(pl.Int64))
        )
        sums = [(pl.col(str(j)) * pl.col(str(k))).sum().alias(f"{j} x {k}") for j, k in pairs]
        sums += [(pl.col(k) > 0).sum().cast(pl.Int64).alias(f"customers {k}") for k in steps]
        every = pl.DataFrame({"group": np.arange(self.groups)})
        table = every.join(per_customer.group_by("group").agg(sums), on="group", how="left", maintain_order="left")
        return table.drop("group").fill_null(0)


def group_numbers(values: Sequence[pl.Series], size: int) -> tuple[Ints, Ints]:
    """The number of each row's group, and a row of each group; the rows of a group have equal values.

    >>> group, row = group_numbers([pl.Series(["x", "y", "x", None])], 4)
    >>> group.tolist(), row.tolist()
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
