"""Do customers who use several channels reach the goal more often, and which changes of channel lose customers?

A **hand-off** is a touch in a different channel from the touch before it in the same unit. It **loses** the unit when
its touch is the last and the unit is abandoned: nothing follows the change of channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

import numpy as np
import polars as pl

from analytics.engine.analysis import Cells, answer, measured_by
from analytics.engine.distributions import DISTRIBUTION, durations, quantiles
from analytics.engine.partials import counted_by_customer
from analytics.engine.run import run
from analytics.engine.units import ABANDONED, Unit
from analytics.paths.measure import PathMeasure
from analytics.paths.sequences import UnitSequences, sorted_answer
from analytics.paths.view import By, Indices, Selection
from analytics.statistics.shares import share_columns, square_columns
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

CHANNEL: Final = "channel"
GOAL: Final = ("reached", "mature")
LOST: Final = ("lost", "handoffs")


@dataclass(frozen=True, eq=False)
class Channels(PathMeasure):
    """Counts units by reach and channel; `" code"` is that of the one channel, null for all units of a reach."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        reach=pl.String,
        channel=pl.String,
        units=pl.Int64,
        share_of_units=pl.Float64,
        customers=pl.Int64,
        mature=pl.Int64,
        reached=pl.Int64,
        goal_rate=pl.Float64,
        goal_rate_low=pl.Float64,
        goal_rate_high=pl.Float64,
        median_touches=pl.Float64,
        median_duration=pl.Duration("us"),
    )
    CELLS: ClassVar[Cells | None] = Cells(("reach", "channel"))
    BOUND: ClassVar[int] = 1 << 20
    """How long the units of every channel last takes up to 40 kB a channel."""
    KEYS: ClassVar[Mapping[str, Any]] = {"reach": pl.String, " code": pl.Int64}
    COUNTS: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("customers", "units", "mature", "reached", *square_columns(*GOAL)), pl.Int64),
        **dict.fromkeys((" touches", " lasts"), DISTRIBUTION),
    }
    QUANTILES: ClassVar[Mapping[str, Sequence[float]]] = {" touches": (0.5,), " lasts": (0.5,)}
    ON: ClassVar[str] = CHANNEL

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The units of one part, by reach, and those of one channel again by channel."""
        units = _reaches(sequences).with_columns(
            pl.Series(" person", sequences.customer),
            pl.lit(1).alias("units"),
            pl.Series("mature", sequences.mature),
            pl.Series("reached", sequences.reached),
            pl.Series(" touches", sequences.lengths),
            pl.Series(" lasts", sequences.lasts()),
        )
        rows = sequences.with_keys(units)
        single = rows.filter(pl.col(" code").is_not_null())
        counts = counted_by_customer(
            pl.concat([rows.with_columns(pl.lit(None, pl.Int64).alias(" code")), single]),
            [*self.view.keys, *self.KEYS],
            ("units", "mature", "reached"),
            spread=(" touches", " lasts"),
            shares=(GOAL,),
            exact=self.exact,
        )
        return counts.select(*self.schema)

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The reach and channel of every unit; the whole is all units."""
        reaches = _reaches(sequences)
        rows = reaches.select(
            "reach",
            self.view.names.cast(pl.String).gather(reaches[" code"]).alias("channel"),
            pl.int_range(pl.len()).alias("unit"),
        )
        return rows, rows.select("unit")

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `channels`."""
        whole = pl.col("units").filter(pl.col(" code").is_null()).sum().over(self.view.keys)
        table = merged.with_columns(
            (pl.col("units") / whole).alias("share_of_units"),
            pl.Series("channel", self.view.names.cast(pl.String).gather(merged[" code"])),
            *share_columns(merged, "goal_rate", *GOAL),
            quantiles(merged[" touches"], [0.5])[0].alias("median_touches"),
            *durations(merged[" lasts"], {"median_duration": 0.5}),
            pl.col(" code").is_null().alias("whole"),
        )
        ordered = sorted_answer(table, self.view, "reach", "-whole", "channel")
        return ordered.select(*self.view.groups, *self.SCHEMA)


@measured_by(Channels)
def channels(
    paths: Paths,
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    on: str = CHANNEL,
    among: Selection | None = None,
    window: str | timedelta | None = None,
    exact: bool = False,
) -> pl.DataFrame:
    """Units that stay in one channel, in total and by channel, next to units that use several.

    Columns: those of `by` (the value at the unit's first touch); `is_total` Boolean (rows over all groups come first,
    with null in `by`); `reach` String (`one` or `several`); `channel` String (the one channel; null on the row over all
    units of that reach, which comes first); `units` Int64, `share_of_units` Float64 (of all units of the group);
    `customers`, `mature` (units that begin a whole `window` before the end of the data, direct ones aside), `reached`
    Int64 (of these, with the goal within the window); `goal_rate` Float64 (reached / mature, null without a mature one)
    with its Wilson interval `goal_rate_low`, `goal_rate_high`, judged by customers; `median_touches` Float64;
    `median_duration` Duration(us). Of more than 1,000 units medians are right to 1 in 1,000, or with `exact` exact, for
    twice the time. `on` may name another column, such as the team; touches without a value are skipped. `among` selects
    units. No touches give no rows. Raises `DefinitionError` for an unknown unit or column.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "look@0m[channel=web] buy@1m[channel=store]", "bo": "look@0m[channel=web]"})
    >>> channels(shop)["reach", "channel", "units"].rows()
    [('one', None, 1), ('one', 'web', 1), ('several', None, 1)]
    """
    return run(
        paths,
        Channels.of(paths, unit=unit, by=by, where=where, start=start, end=end, on=on, among=among, window=window),
        exact=exact,
    )


@dataclass(frozen=True, eq=False)
class Handoffs(PathMeasure):
    """Counts pairs of consecutive touches by the codes of their channels, those within one channel, too.

    `at` is the column that hand-offs are listed by; its value is the key `" at"` of a partial, null when there is none.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        source=pl.String,
        target=pl.String,
        handoffs=pl.Int64,
        units=pl.Int64,
        customers=pl.Int64,
        share_of_source=pl.Float64,
        median_wait=pl.Duration("us"),
        lost=pl.Int64,
        lost_share=pl.Float64,
        lost_share_low=pl.Float64,
        lost_share_high=pl.Float64,
        lost_share_staying=pl.Float64,
    )
    CELLS: ClassVar[Cells | None] = Cells(("source", "target"), ("source",))
    BOUND: ClassVar[int] = 1 << 22
    """The waits of every pair of channels take up to 40 kB a pair, as those of transitions."""
    KEYS: ClassVar[Mapping[str, Any]] = {" at": pl.String, "source": pl.Int64, "target": pl.Int64}
    COUNTS: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("customers", "handoffs", "units", "lost", *square_columns(*LOST)), pl.Int64),
        " waits": DISTRIBUTION,
    }
    QUANTILES: ClassVar[Mapping[str, Sequence[float]]] = {" waits": (0.5,)}
    ON: ClassVar[str] = CHANNEL

    at: str | None = None

    def __post_init__(self) -> None:
        if self.at in (*self.SCHEMA, *self.view.groups):
            raise DefinitionError(f"Column {self.at!r} cannot list hand-offs.", do="rename it")

    @classmethod
    def of(cls, paths: Paths, **options: Any) -> Handoffs:
        """The measure of the arguments of `handoffs`."""
        if options.get("at"):
            paths.require(options["at"])
        return super().of(paths, **options)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return tuple(dict.fromkeys([*super().columns, *([self.at] if self.at else [])]))

    def counts(self, sequences: UnitSequences) -> pl.DataFrame:
        """The pairs of one part."""
        moves, after = _moves(sequences)
        of, before = moves[" unit"].to_numpy(), after - 1
        rows = moves.with_columns(
            self._at(sequences, after).alias(" at"),
            pl.Series(" person", sequences.customer[of]),
            pl.Series(" waits", sequences.microseconds(after) - sequences.microseconds(before)),
            pl.lit(1).alias("handoffs"),
            pl.Series("lost", (after == sequences.bounds[1:][of] - 1) & (sequences.ends[of] == ABANDONED)),
        )
        counts = counted_by_customer(
            sequences.with_keys(rows, of),
            [*self.view.keys, *self.KEYS],
            ("handoffs", "lost"),
            distinct={"units": " unit"},
            spread=(" waits",),
            shares=(LOST,),
            exact=self.exact,
        )
        return counts.select(*self.schema)

    def _at(self, sequences: UnitSequences, touches: Indices) -> pl.Series:
        """The value of column `at` at touches."""
        if self.at is None:
            return pl.repeat(None, len(touches), dtype=pl.String, eager=True)
        return sequences.read([self.at], touches)[self.at].cast(pl.String)

    def cell_rows(self, sequences: UnitSequences) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Every hand-off; the whole of a source is all hand-offs from it. `at` plays no part."""
        names, moves = self.view.names.cast(pl.String), _moves(sequences)[0]
        crossing = moves.filter(pl.col("source") != pl.col("target")).rename({" unit": "unit"})
        rows = crossing.with_columns(names.gather(crossing[end]).alias(end) for end in ("source", "target"))
        return rows, rows.drop("target")

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `handoffs`, with that of `at` before them."""
        names, where = self.view.names.cast(pl.String), [*self.view.keys, " at"]
        crossing = pl.col("source") != pl.col("target")
        staying = merged.filter(~crossing).select(
            *where, "target", (pl.col("lost") / pl.col("handoffs")).alias("lost_share_staying")
        )
        moved = merged.filter(crossing)
        table = moved.join(staying, on=[*where, "target"], how="left", nulls_equal=True, maintain_order="left")
        table = table.with_columns(
            (pl.col("handoffs") / pl.col("handoffs").sum().over([*where, "source"])).alias("share_of_source"),
            *share_columns(moved, "lost_share", *LOST),
            *(names.gather(moved[end]).alias(end) for end in ("source", "target")),
            *durations(moved[" waits"], {"median_wait": 0.5}),
        )
        ordered = sorted_answer(table, self.view, " at", "-handoffs", "source", "target")
        at = [pl.col(" at").alias(self.at)] if self.at else []
        return ordered.select(*self.view.groups, *at, *self.SCHEMA)


@measured_by(Handoffs)
def handoffs(
    paths: Paths,
    *,
    unit: Unit = "journey",
    by: By = (),
    where: pl.Expr | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    at: str | None = None,
    on: str = CHANNEL,
    among: Selection | None = None,
    exact: bool = False,
) -> pl.DataFrame:
    """Hand-offs from channel to channel, with the share that loses the unit.

    Columns: those of `by` (the value at the unit's first touch); column `at` if given (its value at the second touch,
    such as its stage or touchpoint, as String); `is_total` Boolean (rows over all groups come first, with null in
    `by`); `source`, `target` String; `handoffs`, `units`, `customers` Int64; `share_of_source` Float64 (of the
    hand-offs from the source, in the same group and `at`); `median_wait` Duration(us), of more than 1,000 hand-offs
    right to 1 in 1,000, or with `exact` exact, for twice the time; `lost` Int64, `lost_share` Float64 (of the
    hand-offs) with its Wilson interval `lost_share_low`, `lost_share_high`, judged by customers; `lost_share_staying`
    Float64 for comparison: the same share of moves within the target channel, null without one. Most frequent first.
    `on` may name another column; touches without a value are skipped. `among` selects units. No hand-offs give no rows.
    Raises `DefinitionError` for an unknown unit or column, or one that the answer has already.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "look@0m[channel=web] call@9m[channel=phone]"})
    >>> handoffs(shop)["source", "target", "handoffs", "lost"].rows()
    [('web', 'phone', 1, 0)]
    """
    return run(
        paths,
        Handoffs.of(paths, unit=unit, by=by, where=where, start=start, end=end, on=on, among=among, at=at),
        exact=exact,
    )


def _reaches(sequences: UnitSequences) -> pl.DataFrame:
    """The `reach` of each unit, and the code of its one channel, null where it uses several."""
    first = sequences.codes[sequences.bounds[:-1]].astype(np.int64)
    differs = sequences.codes != np.repeat(first, sequences.lengths)
    several = pl.Series(np.logical_or.reduceat(differs, sequences.bounds[:-1]))
    reach, code = pl.when(several).then(pl.lit("several")).otherwise(pl.lit("one")), pl.Series(first)
    return pl.select(reach.alias("reach"), pl.when(~several).then(code).alias(" code"))


def _moves(sequences: UnitSequences) -> tuple[pl.DataFrame, Indices]:
    """The `source`, `target` (codes) and `" unit"` of each pair of consecutive touches, and its second touch."""
    unit = sequences.sequence_numbers()
    after = np.flatnonzero(unit[1:] == unit[:-1]) + 1
    codes = sequences.codes.astype(np.int64)
    return pl.DataFrame({"source": codes[after - 1], "target": codes[after], " unit": unit[after]}), after
