"""What comes next: the chance of each touchpoint, and of leaving, after the last touches of a session.

A **context** are the touches right before, within one session. Where a context has been seen `n` times with `u`
different followers, `n_x` times with x, the chance of x is `(n_x + u p_x) / (n + u)`, `p_x` being its chance after the
context one shorter. The empty context blends with all alike. Source: Witten and Bell, The Zero-Frequency Problem, IEEE
Transactions on Information Theory 37 (1991).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

import numpy as np
import polars as pl

from analytics.engine.analysis import answer, measured_by
from analytics.engine.conditions import Words
from analytics.engine.notices.unknown_words import unknown_words, warn_of_unknown
from analytics.engine.partials import densely, sums_by_customer
from analytics.engine.run import run
from analytics.engine.units import Unit
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences, sorted_answer
from analytics.paths.view import By, node_names
from analytics.statistics.shares import MIN_DENOMINATOR
from analytics.store.columns import TOUCHPOINT
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

LEAVING: Final = "(end)"
"""The follower of a session's last touch."""
_ANY: Final = -1
"""The follower in the rows that count a context, whatever follows."""


@dataclass(frozen=True, eq=False)
class NextTouch(PathMeasure):
    """Counts what follows the context asked for, and what follows its shorter ones.

    A partial has one row per number of touches that a context remembers, and follower: its code, `LEAVING` after all
    touchpoints, or `_ANY`.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        touchpoint=pl.String,
        chance=pl.Float64,
        seen=pl.Int64,
        customers=pl.Int64,
        context_used=pl.Int64,
        context_seen=pl.Int64,
        context_customers=pl.Int64,
        enough=pl.Boolean,
    )
    KEYS: ClassVar[Mapping[str, Any]] = {"length": pl.Int64, "follower": pl.Int64}
    COUNTS: ClassVar[Mapping[str, Any]] = {"seen": pl.Int64, "customers": pl.Int64}

    context: tuple[str, ...] = ()
    """The touchpoints right before, the newest one first."""

    @classmethod
    def of(
        cls, paths: Paths, after: Words = (), *, order: int = 4, unit: Unit = "session", **options: Any
    ) -> NextTouch:
        """The measure of the arguments of `next_touch`."""
        checked_order(order)
        touches = (after,) if isinstance(after, str) else tuple(after)
        warn_of_unknown(unknown_words(paths, TOUCHPOINT, touches))
        return super().of(paths, unit=unit, context=touches[::-1][:order], **options)

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The followers of one part."""
        leaving, ends = len(self.view.names), sequences.bounds[1:]
        follower = np.insert(sequences.codes.astype(np.int64), ends, leaving)
        unit = np.insert(sequences.sequence_numbers(), ends, np.arange(len(sequences)))
        first = sequences.bounds[:-1] + np.arange(len(sequences))
        place, tables = np.arange(len(follower)), []
        for length in range(len(self.context) + 1):
            if length:
                word = self.view.names.index_of(self.context[length - 1])
                place = place[place - length >= first[unit[place]]]
                place = place[follower[place - length] == (_ANY if word is None else word)]
            for keys, of in sequences.groupings():
                group, people = of[unit[place]], sequences.customer[unit[place]]
                seen = {"seen": np.ones(len(place), np.int64)}
                width = leaving + 2
                for code in (follower[place], np.full(len(place), _ANY)):
                    cells, number = densely(group * width + code + 1, len(keys) * width)
                    sums = sums_by_customer(number, people, seen, len(cells))
                    named = pl.DataFrame({"length": np.full(len(cells), length), "follower": cells % width - 1})
                    tables.append(pl.concat([keys[cells // width], named, sums], how="horizontal"))
        return pl.concat(tables).select(*self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `next_touch`."""
        keys, is_whole = self.view.keys, pl.col("follower") == _ANY
        followers = merged.filter(~is_whole)
        different = followers.group_by(*keys, "length").agg(pl.len().alias("different"))
        whole = merged.filter(is_whole).drop("follower").join(different, on=[*keys, "length"], nulls_equal=True)
        used = (
            whole.sort("length")
            .group_by(keys, maintain_order=True)
            .last()
            .rename({"seen": "context_seen", "customers": "context_customers", "length": "context_used"})
        )
        table = followers.filter(length=0).select(*keys, "follower")
        table = table.with_columns((1 / pl.len().over(keys)).alias("chance"))
        for length in range(len(self.context) + 1):
            table = (
                table.join(_of_length(followers, length), on=[*keys, "follower"], how="left", nulls_equal=True)
                .join(_of_length(whole, length), on=keys, how="left", nulls_equal=True, suffix=" of all")
                .with_columns(_blended().alias("chance"))
                .select(*keys, "follower", "chance")
            )
        here = followers.rename({"length": "context_used"})
        on = [*keys, "follower", "context_used"]
        table = table.join(used, on=keys, nulls_equal=True).join(here, on=on, how="left", nulls_equal=True)
        names = node_names(self.view.names, [LEAVING])
        named = table.with_columns(
            pl.Series("touchpoint", names.gather(table["follower"]), pl.String),
            pl.col("seen", "customers").fill_null(0),
            (pl.col("context_customers") >= MIN_DENOMINATOR).alias("enough"),
        )
        return sorted_answer(named, self.view, "-chance", "touchpoint").select(*self.view.groups, *self.SCHEMA)


def checked_order(order: int) -> int:
    """The number of touches of a context. Raises `DefinitionError` where it is none."""
    if isinstance(order, bool) or not isinstance(order, int) or order < 0:
        expected = "a whole number from 0, such as 4"
        raise DefinitionError("A context has so many touches at most.", expected=expected, found=str(order))
    return order


def _of_length(table: pl.DataFrame, length: int) -> pl.DataFrame:
    """The counts of contexts of one length."""
    return table.filter(length=length).drop("length", "customers")


def _blended() -> pl.Expr:
    """The chance after a context; after one that has never been seen it is that after its shorter one."""
    n, u = pl.col("seen of all"), pl.col("different")
    longer = (pl.col("seen").fill_null(0) + u * pl.col("chance")) / (n + u)
    return pl.when(n.is_null()).then("chance").otherwise(longer)


@measured_by(NextTouch)
def next_touch(
    paths: Paths,
    after: Words = (),
    *,
    order: int = 4,
    unit: Unit = "session",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> pl.DataFrame:
    """The chance of each touchpoint, and of leaving, right after some touches of a session.

    `after` are the touchpoints right before, the newest one last; without any, every touch is counted, also the first
    of a session. Of more than `order` only the last ones count. A context lies within one session, or other `unit`; one
    that has never been seen is its shorter one. Leaving, `(end)`, follows the last touch of every session, also of one
    that may still go on at the end of the data. A touchpoint of that name stands in quotes.

    Columns: those of `by` (the value at the first touch of the unit); `is_total` Boolean (rows over all groups come
    first, with null in `by`); `touchpoint` String (each that occurs in the group, and `(end)`); `chance` Float64 (above
    0; adds up to 1); `seen` Int64 (how often it followed the context used), `customers` Int64 (distinct, of these);
    `context_used` Int64 (how many touches of `after` have been seen so), `context_seen`, `context_customers` Int64 (how
    often, and of how many customers); `enough` Boolean (30 such customers). The largest chance first. `where`, `start`
    and `end` are those of `transitions`. No touches give no rows. Raises `DefinitionError` for an unknown column, paths
    without sessions, and an order below 0; warns of a touchpoint that no touch has (`UnknownWordWarning`).

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "a@0m b@1m", "bo": "a@0m b@1m", "cy": "a@0m c@1m"})
    >>> next_touch(shop, "a", unit="customer").select("touchpoint", pl.col("chance").round(4), "seen").rows()
    [('b', 0.4923, 2), ('c', 0.2615, 1), ('(end)', 0.1231, 0), ('a', 0.1231, 0)]
    """
    return run(paths, NextTouch.of(paths, after, order=order, unit=unit, by=by, where=where, start=start, end=end))
