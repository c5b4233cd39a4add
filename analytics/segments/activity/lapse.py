"""How long do customers stay, and how many come back?

A customer **lapses** at the last active touch before a gap that is longer than `gap`. That can be known only `gap`
after the touch, so everybody is seen until the end of the data less `gap`, and who has not lapsed by then is censored
there: censoring at the last touch would make every recent customer look lost. Durations are whole days, cut down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL, Cells, answer, measured_by
from analytics.engine.conditions import ANY, Step
from analytics.engine.partials import add_up
from analytics.engine.run import run
from analytics.paths.view import Breakdown, By
from analytics.segments.activity.active_touches import Active, ActiveTouches, Ints
from analytics.statistics.curves import kaplan_meier_by, log_rank_by
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

CURVE: Final[dict[str, Any]] = {
    "time": pl.Duration("us"),
    **dict.fromkeys(("at_risk", "events", "censored"), pl.Int64),
    **dict.fromkeys(("active", "standard_error", "low", "high"), pl.Float64),
    "customers": pl.Int64,
    "left_out": pl.Int64,
    "log_rank": pl.Float64,
    "p_value": pl.Float64,
}
_DAY: Final = micros(timedelta(days=1))
_LEFT_OUT: Final = -1
"""In place of the duration of a customer who is left out."""
DAYS, ENDED, PEOPLE = " days", " ended", " people"
"""The columns of a partial: durations in whole days (null: left out), whether they end with the event, how many."""


@dataclass(frozen=True, eq=False)
class Lapse:
    """Counts how long customers stay: durations that end with a lapse, and those that are censored."""

    SCHEMA: ClassVar[pl.Schema] = answer(**CURVE)
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = 1 << 18
    """Two rows a group for each number of days."""

    active: ActiveTouches
    by: Breakdown
    gap: int
    end: int
    """The end of the data in microseconds."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return tuple(dict.fromkeys([*self.active.columns, *self.by.columns]))

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return {**self.by.types, DAYS: pl.Int64, ENDED: pl.Boolean, PEOPLE: pl.Int64}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The customers of one part."""
        touches = self.active.of_part(part, words)
        spans = _Spans.of(touches, self.gap, self.end)
        time, ended, counts = self.durations(spans)
        days = pl.Series(DAYS, time // _DAY, pl.Int64).replace(_LEFT_OUT, None)
        waits = pl.DataFrame([days, pl.Series(ENDED, ended, pl.Boolean)])
        keyed = pl.concat([self.by.at(part, words, touches.rows[spans.first]), waits], how="horizontal")
        kept = keyed.filter(pl.Series(counts, dtype=pl.Boolean))
        return kept.group_by([*self.by.names, DAYS, ENDED]).agg(pl.len().cast(pl.Int64).alias(PEOPLE))

    def durations(self, spans: _Spans) -> tuple[Ints, NDArray[np.bool_], NDArray[np.bool_]]:
        """How long each customer stays, whether that ends with a lapse, and who counts."""
        time = np.where(spans.is_lapsed, spans.lapse, self.end - self.gap) - spans.begin
        return np.where(spans.late, _LEFT_OUT, time), spans.is_lapsed, np.ones_like(spans.late)

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, [*self.by.names, DAYS, ENDED], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `lapse`."""
        names = self.by.names
        groups = merged.select(names).unique().sort(names, nulls_last=True).with_row_index("group") if names else None
        table = (
            merged.with_columns(pl.lit(0, pl.UInt32).alias("group"))
            if groups is None
            else merged.join(groups, on=names, nulls_equal=True)
        )
        waits = table.filter(pl.col(DAYS).is_not_null()).select(
            "group", pl.col(DAYS).alias("time"), pl.col(ENDED).alias("event"), pl.col(PEOPLE).alias("people")
        )
        counts = [
            pl.col(PEOPLE).filter(pl.col(DAYS).is_not_null()).sum().alias("customers"),
            pl.col(PEOPLE).filter(pl.col(DAYS).is_null()).sum().alias("left_out"),
        ]
        nobody = pl.DataFrame(schema={**self.by.types, **self.SCHEMA})
        if waits.is_empty():
            late = table.select(pl.lit(value=True).alias(IS_TOTAL), *counts).filter(pl.col("left_out") > 0)
            return pl.concat(
                [nobody, late.select(name for name in late.columns if name in nobody.columns)], how="diagonal"
            )
        tables = [nobody, self._curve(waits, [], table.select(counts).with_columns(*log_rank_by(waits, "group")))]
        if groups is not None:
            own = groups.join(table.group_by("group").agg(counts), on="group")
            tables.append(self._curve(waits, ["group"], own))
        return (
            pl.concat(tables, how="diagonal_relaxed")
            .sort(~pl.col(IS_TOTAL), *names, "time", nulls_last=True)
            .select(*names, *self.SCHEMA)
        )

    def _curve(self, waits: pl.DataFrame, by: list[str], about: pl.DataFrame) -> pl.DataFrame:
        """The curve of all customers, or of each group, with what is known about it."""
        curve = kaplan_meier_by(waits, by).rename({"survival": "active"})
        left = pl.col("active") > 0
        spread = [pl.when(left).then(pl.col(name)).alias(name) for name in ("standard_error", "low", "high")]
        table = curve.with_columns(*spread, pl.duration(days="time").alias("time"))
        joined = table.join(about, on=by) if by else table.join(about, how="cross")
        return joined.with_columns(pl.lit(not by).alias(IS_TOTAL)).drop(by)

    def exactly(self, merged: pl.DataFrame) -> Self:  # noqa: ARG002
        """The same: nothing is a quantile."""
        return self


@dataclass(frozen=True, eq=False)
class Comeback(Lapse):
    """Counts how long customers stay away after their first lapse."""

    SCHEMA: ClassVar[pl.Schema] = answer(**{name: dtype for name, dtype in CURVE.items() if name != "left_out"})

    def durations(self, spans: _Spans) -> tuple[Ints, NDArray[np.bool_], NDArray[np.bool_]]:
        """The wait from each lapse to the next touch, whether it came, and who lapsed."""
        came = spans.following > 0
        return np.where(came, spans.following, self.end) - spans.lapse, came, spans.is_lapsed


@dataclass(frozen=True)
class _Spans:
    """Per customer with an active touch: the place of the first one and its time, whether it is too `late` to be seen,
    whether the customer has lapsed for all we can know, and of the first lapse its time and that of the next touch, 0
    without one.
    """

    first: Ints
    begin: Ints
    late: NDArray[np.bool_]
    is_lapsed: NDArray[np.bool_]
    lapse: Ints
    following: Ints

    @classmethod
    def of(cls, touches: Active, gap: int, end: int) -> _Spans:
        """The spans of the customers of a part."""
        firsts, at = touches.firsts, touches.at
        first, size = np.flatnonzero(firsts), len(at)
        is_last = np.append(firsts[1:], True)[:size]
        following = np.where(is_last, 0, np.append(at[1:], 0)[:size])
        seen_until = end - gap
        ends = np.flatnonzero((at < seen_until) & (is_last | (following - at > gap)))
        customer = np.cumsum(firsts) - 1
        lapse = np.full(len(first), size)
        np.minimum.at(lapse, customer[ends], ends)
        is_lapsed = lapse < size
        place = np.where(is_lapsed, lapse, first) if size else lapse
        return cls(first, at[first], at[first] > seen_until, is_lapsed, at[place], following[place])


@measured_by(Lapse)
def lapse(paths: Paths, active: str | Step = ANY, *, gap: str | timedelta = "30d", by: By = ()) -> pl.DataFrame:
    """How long customers stay, from their first active touch to the last one before a gap longer than `gap`.

    `active` is a touchpoint or step (default: any touch). Everybody is seen until the end of the data less `gap`; who
    has not lapsed by then is censored there, and customers whose first active touch is later are left out. A gap of
    exactly `gap` is none. Columns: those of `by` (the value at the first active touch); `is_total` Boolean (rows over
    all groups come first, with null in `by`); `time` Duration(us) (each duration that occurs, in whole days, cut down);
    `at_risk`, `events`, `censored` Int64; `active` Float64 (Kaplan-Meier: the share that stays longer),
    `standard_error` Float64 (Greenwood), `low`, `high` Float64 (95 %, on the log-log scale), null where nobody is left;
    `customers`, `left_out` Int64 of the group; `log_rank`, `p_value` Float64 of the total with `by`: the log-rank test
    of all groups. No customers give no rows; where all of them are left out, a total without a `time` says how many.
    Raises `DefinitionError` for an unknown column and a gap that is not above 0; warns of a word that no touch has
    (`UnknownWordWarning`).

    >>> from analytics import Paths
    >>> visits = {"ann": "v@0d v@10d v@20d v@80d", "bo": "v@0d v@25d v@50d v@75d", "cy": "v@75d", "dan": "v@10d"}
    >>> lapse(Paths.from_text(visits, end="100d"))["at_risk", "events", "censored"].rows()
    [(3, 1, 0), (2, 1, 0), (1, 0, 1)]
    """
    return run(paths, _asked(Lapse, paths, active, gap, by))


@measured_by(Comeback)
def comeback(paths: Paths, active: str | Step = ANY, *, gap: str | timedelta = "30d", by: By = ()) -> pl.DataFrame:
    """How long customers stay away after their first lapse, from their last touch before it: how many come back, when.

    Arguments and columns are those of `lapse`: here `active` is the share that has not come back yet, `customers` are
    those who have lapsed, and who does not come is seen until the end of the data; nobody is left out.

    >>> from analytics import Paths
    >>> comeback(Paths.from_text({"ann": "v@0d v@50d", "bo": "v@0d"}, end="100d"))["events", "censored"].rows()
    [(1, 0), (0, 1)]
    """
    return run(paths, _asked(Comeback, paths, active, gap, by))


def _asked(measure: type[Lapse], paths: Paths, active: str | Step, gap: str | timedelta, by: By) -> Lapse:
    length = duration(gap)
    if length <= timedelta():
        raise DefinitionError(
            "Without a gap nobody lapses.", expected="a duration above 0, such as 30d", found=str(gap)
        )
    end = micros(paths.end_of_data) if paths.end_of_data else 0
    return measure(ActiveTouches.of(paths, active), Breakdown.of(paths, by, [*measure.SCHEMA]), micros(length), end)
