"""How well are touches told beforehand? The chances of `next_touch`, on sessions that they were not counted from.

What is counted are contexts of the longest length and what followed them, apart for sessions before and after a cut.
The counts of shorter contexts are sums of these, so one pass over the touches is enough for every order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import answer, measured_by
from analytics.engine.run import run
from analytics.engine.sequences import Ints
from analytics.engine.units import Unit
from analytics.goals.ahead.next_touch import LEAVING, checked_order
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences
from analytics.paths.view import node_names
from analytics.statistics.shares import MIN_DENOMINATOR
from analytics.store.frames import micros
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

CELLS_AT_ONCE: Final = 2_000_000
"""Chances that are worked out at a time."""
_CUSTOMERS: Final = -1
"""The length in the row that counts the customers whose sessions are held back."""
Chances = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NextTouchQuality(PathMeasure):
    """Counts every touch with the touches before it, at most `order`, apart for sessions from the `cut` on.

    A partial has one row per context and follower. A context is one number: the codes of its touches as the digits of a
    number, the newest one last.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        order=pl.Int64,
        bits=pl.Float64,
        top1=pl.Float64,
        top3=pl.Float64,
        touches=pl.Int64,
        customers=pl.Int64,
        enough=pl.Boolean,
    )
    BOUND: ClassVar[int] = 1 << 20
    KEYS: ClassVar[Mapping[str, Any]] = {
        "held back": pl.Boolean,
        "length": pl.Int64,
        "context": pl.Int64,
        "follower": pl.Int64,
    }
    COUNTS: ClassVar[Mapping[str, Any]] = {"seen": pl.Int64}

    cut: int = 0
    """In microseconds."""
    order: int = 4

    @classmethod
    def of(cls, paths: Paths, *, cut: datetime | None = None, order: int = 4, **options: Any) -> Self:
        """The measure of the arguments of `next_touch_quality`."""
        if cut is None or cut.tzinfo is None:
            raise DefinitionError(
                "Sessions are held back from an instant on.", expected="a time with a time zone", found=str(cut)
            )
        found = super().of(paths, cut=micros(cut), order=checked_order(order), **options)
        if found.digits**order >= 1 << 63:
            raise DefinitionError(
                "There are too many touchpoints for contexts of so many touches.",
                expected=f"an order of at most {int(63 / math.log2(found.digits))}",
                found=f"{order} with {found.digits - 2:,} touchpoints",
            )
        return found

    @property
    def digits(self) -> int:
        """How many values a digit of a context has: every touchpoint, leaving, and one more."""
        return len(self.view.names) + 2

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The contexts and followers of one part."""
        ends = sequences.bounds[1:]
        follower = np.insert(sequences.codes.astype(np.int64), ends, len(self.view.names))
        unit = np.insert(sequences.sequence_numbers(), ends, np.arange(len(sequences)))
        place = np.arange(len(follower)) - (sequences.bounds[:-1] + np.arange(len(sequences)))[unit]
        context = np.zeros(len(follower), np.int64)
        for back in range(1, self.order + 1):
            there = np.flatnonzero(place >= back)
            context[there] += (follower[there - back] + 1) * self.digits ** (back - 1)
        held = sequences.microseconds(sequences.bounds[:-1]) >= self.cut
        touches = {"held back": held[unit], "length": np.minimum(place, self.order), "context": context}
        table = pl.DataFrame({**touches, "follower": follower}).group_by(*self.KEYS).agg(pl.len().alias("seen"))
        people = {"held back": True, "length": _CUSTOMERS, "context": 0, "follower": 0}
        count = pl.DataFrame({**people, "seen": [len(np.unique(sequences.customer[held]))]})
        whole = pl.concat([table.cast({"seen": pl.Int64}), count.select(*self.KEYS, "seen")], how="vertical_relaxed")
        return whole.select(pl.lit(True).alias("is_total"), pl.all()).select(*self.schema).cast(pl.Schema(self.schema))

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `next_touch_quality`."""
        is_count = pl.col("length") == _CUSTOMERS
        customers = int(merged.filter(is_count)["seen"].sum())
        rows = merged.filter(~is_count)
        learned, held = rows.filter(~pl.col("held back")), rows.filter("held back")
        if learned.is_empty() or held.is_empty():
            return pl.DataFrame(schema=self.SCHEMA)
        names = node_names(self.view.names, [LEAVING])
        columns = rows["follower"].unique()
        columns = columns.gather(names.gather(columns).arg_sort())  # of equal chances the first by name is taken
        asked = held.with_columns(pl.col("follower").replace_strict(columns, pl.int_range(len(columns), eager=True)))
        told = learned.with_columns(pl.col("follower").replace_strict(columns, pl.int_range(len(columns), eager=True)))
        touches, tables = int(asked["seen"].sum()), []
        scores: list[list[pl.DataFrame]] = [[] for _ in range(self.order + 1)]
        lengths = [_Length.of(told, length, self.digits) for length in range(self.order + 1)]
        for some in asked.iter_slices(max(1, CELLS_AT_ONCE // len(columns))):
            for order, chances in enumerate(_chances(some, lengths, len(columns), self.digits)):
                scores[order].append(_scored(some, chances))
        for order, each in enumerate(scores):
            score, seen = pl.concat(each), asked["seen"]
            tables.append(
                {
                    "is_total": True,
                    "order": order,
                    "bits": math.fsum(seen * score["bits"]) / touches,  # in whatever order the rows are
                    "top1": int(seen.filter(score["rank"] < 1).sum()) / touches,
                    "top3": int(seen.filter(score["rank"] < 3).sum()) / touches,
                    "touches": touches,
                    "customers": customers,
                    "enough": customers >= MIN_DENOMINATOR,
                }
            )
        return pl.DataFrame(tables, self.SCHEMA)


@dataclass(frozen=True)
class _Length:
    """What followed contexts of one length: the contexts in order, and for each a range of followers with counts."""

    contexts: Ints
    bounds: Ints
    follower: Ints
    seen: Ints

    @classmethod
    def of(cls, told: pl.DataFrame, length: int, digits: int) -> _Length:
        """Sums the counts of longer contexts."""
        shorter = told.filter(pl.col("length") >= length).with_columns(pl.col("context") % digits**length)
        sums = shorter.group_by("context", "follower").agg(pl.col("seen").sum()).sort("context", "follower")
        sizes = sums.group_by("context", maintain_order=True).len()
        bounds = np.append(0, np.cumsum(sizes["len"].to_numpy().astype(np.int64)))
        return cls(sizes["context"].to_numpy(), bounds, sums["follower"].to_numpy(), sums["seen"].to_numpy())

    def blended(self, chances: Chances, rows: Ints, contexts: Ints) -> None:
        """Blends the chances of some rows with what followed their contexts, where these have been seen."""
        at = np.searchsorted(self.contexts, contexts)
        is_known = at < len(self.contexts)
        is_known[is_known] = self.contexts[at[is_known]] == contexts[is_known]
        at, rows = at[is_known], rows[is_known]
        first, different = self.bounds[at], np.diff(self.bounds)[at]
        of = np.repeat(np.arange(len(rows)), different)
        entry = np.arange(len(of)) - np.repeat(np.cumsum(different) - different, different) + first[of]
        seen = np.zeros((len(rows), chances.shape[1]))
        seen[of, self.follower[entry]] = self.seen[entry]
        whole = seen.sum(axis=1)
        chances[rows] = (seen + different[:, None] * chances[rows]) / (whole + different)[:, None]


def _chances(asked: pl.DataFrame, lengths: list[_Length], width: int, digits: int) -> Iterator[Chances]:
    """The chances of every follower after the contexts asked for: by none of their touches, by the last one, and so on.

    The same array every time.
    """
    length, context = asked["length"].to_numpy(), asked["context"].to_numpy()
    chances = np.full((len(asked), width), 1 / width)
    for number, each in enumerate(lengths):
        rows = np.flatnonzero(length >= number)
        each.blended(chances, rows, context[rows] % digits**number)
        yield chances


def _scored(asked: pl.DataFrame, chances: Chances) -> pl.DataFrame:
    """The bits of what followed, and how many others were likelier, or as likely and come first."""
    follower = asked["follower"].to_numpy()
    own = chances[np.arange(len(asked)), follower][:, None]
    earlier = np.arange(chances.shape[1]) < follower[:, None]
    rank = ((chances > own) | (earlier & (chances == own))).sum(axis=1)
    return pl.DataFrame({"bits": -np.log2(own[:, 0]), "rank": rank})


@measured_by(NextTouchQuality)
def next_touch_quality(
    paths: Paths, cut: datetime, *, order: int = 4, unit: Unit = "session", where: pl.Expr | None = None
) -> pl.DataFrame:
    """How well `next_touch` tells the touches of sessions that begin at `cut` or later from those before.

    One row for each length of context from 0, the plain shares of all touches, to `order`. Columns: `is_total` Boolean
    (true); `order` Int64; `bits` Float64 (how many bits a touch takes when written by these chances: the mean of
    `-log2(chance)` of what came; fewer are better); `top1`, `top3` Float64 (how often the likeliest, or one of the
    three likeliest, came; of equal chances the first by name); `touches` Int64 (held back, and one for leaving each
    session); `customers` Int64 (distinct, whose sessions are held back); `enough` Boolean (30 of them).

    A touchpoint that first comes after the cut has a chance, too: all that occur are known. Customers are those that
    are known today. `unit` and `where` are those of `next_touch`. No rows where no session lies before the cut, or none
    after it. Raises `DefinitionError` for a cut without a time zone, an order below 0, and one too large for so many
    touchpoints. Source of the measure: Shannon, Prediction and Entropy of Printed English, Bell System Technical
    Journal 30 (1951).

    >>> from datetime import UTC, datetime, timedelta
    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "a@0m b@1m", "bo": "a@0m b@1m", "cy": "a@2d b@49h"})
    >>> cut = shop.end_of_data - timedelta(hours=9)
    >>> next_touch_quality(shop, cut, order=1, unit="customer").select("order", pl.col("bits").round(3), "top1").rows()
    [(0, 1.585, 0.3333333333333333), (1, 0.77, 0.6666666666666666)]
    """
    return run(paths, NextTouchQuality.of(paths, cut=cut, order=order, unit=unit, where=where))
