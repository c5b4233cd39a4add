"""Who is new, who stays, who comes back and who falls away, period by period?

Every customer who is active in a period is **new** (active for the first time), **returning** (active in the period
before, too) or **resurrecting** (neither); **dormant** are those active in the period before and not in this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
import polars as pl

from analytics.engine.analysis import IS_TOTAL, SMALL, Cells, answer, measured_by
from analytics.engine.conditions import ANY, Step
from analytics.engine.local.calendar import Period
from analytics.engine.partials import add_up, totals_first
from analytics.engine.run import run
from analytics.paths.view import Breakdown, By
from analytics.segments.activity.active_touches import (
    ActivePeriods,
    ActiveTouches,
    Ints,
    distinct_periods,
)
from analytics.store.columns import TIME
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

STATES: Final = ("new", "returning", "resurrecting", "dormant")


@dataclass(frozen=True, eq=False)
class Lifecycle:
    """Counts customers by period and state."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        period=pl.Datetime("us", "UTC"),
        **dict.fromkeys((*STATES, "active"), pl.Int64),
        begins=pl.Boolean,
        quick_ratio=pl.Float64,
    )
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = SMALL

    active: ActiveTouches
    periods: ActivePeriods
    by: Breakdown
    first_seen: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return tuple(
            dict.fromkeys([*self.active.columns, *self.by.columns, *([self.first_seen] if self.first_seen else [])])
        )

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return {**self.by.types, "period": self.periods.type, **dict.fromkeys(STATES, pl.Int64)}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The customers of one part, in the periods that are over."""
        touches = self.active.of_part(part, words)
        start, number = self.periods.of_times(touches.at)
        first = distinct_periods(touches.person, number)
        person, number, start = touches.person[first], number[first], start.gather(first)
        same = np.append(False, person[1:] == person[:-1])[: len(person)]
        after = np.append(number[1:], 0)[: len(number)]
        stays = np.append(same[1:], False)[: len(same)] & (after == number + 1)
        came = same & (np.append(0, number[:-1])[: len(number)] == number - 1)
        is_new = ~same
        if self.first_seen is not None:
            is_new = self._are_new(part, words, touches.rows[first], number, is_new)
        came &= ~is_new
        groups = self.by.at(part, words, touches.rows[first])
        seen = number < self.periods.end
        left = ~stays & (number + 1 < self.periods.end)
        states = {"new": is_new, "returning": came, "resurrecting": ~is_new & ~came, "dormant": np.zeros_like(came)}
        rows = [self._rows(groups, start, states).filter(pl.Series(seen))]
        gone = {name: np.full(len(left), name == "dormant") for name in STATES}
        rows.append(self._rows(groups, self._following(start), gone).filter(pl.Series(left)))
        keys = [*self.by.names, "period"]
        return pl.concat(rows).group_by(keys).agg(pl.col(STATES).sum()).select(*self.schema)

    def _rows(self, groups: pl.DataFrame, start: pl.Series, states: dict[str, Any]) -> pl.DataFrame:
        columns = {name: pl.Series(flags).cast(pl.Int64) for name, flags in states.items()}
        return pl.concat([groups, pl.DataFrame({"period": start.cast(self.periods.type), **columns})], how="horizontal")

    def _following(self, start: pl.Series) -> pl.Series:
        """The start of the period after each."""
        known = start.unique().sort()
        if known.is_empty():
            return start
        following = self.periods.starts_from(known[0])
        place = following.to_physical().search_sorted(start.to_physical(), side="right")
        return following.extend_constant(None, 1).gather(place)

    def _are_new(self, part: Part, words: Dictionaries, rows: Ints, number: Ints, by_touch: Any) -> Any:
        """Whose true first time lies in the period; of whom it is not known, whose first active touch does."""
        name = self.first_seen or ""
        given = decoded(part, [name], words)[name][pl.Series(rows, dtype=pl.Int64)].cast(TIME)
        known = given.is_not_null().to_numpy()
        found = by_touch.copy()
        if known.any():
            found[known] = self.periods.of_times(given.drop_nulls().to_physical().to_numpy())[1] == number[known]
        return found

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the counts of parts."""
        return add_up(partials, [*self.by.names, "period"], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `lifecycle`."""
        if merged.is_empty():
            return pl.DataFrame(schema={**self.by.types, **self.SCHEMA, "period": self.periods.type})
        periods = pl.DataFrame({"period": self.periods.starts_from(merged["period"].min())})  # type: ignore[arg-type]
        counted = self.by.total_and_groups(merged, ["period"])
        keys = [*self.by.names, IS_TOTAL]
        every = counted.select(keys).unique(maintain_order=True).join(periods, how="cross")
        table = every.join(counted, on=[*keys, "period"], how="left", nulls_equal=True)
        first = periods["period"][0]
        gained = pl.col("new") + pl.col("resurrecting")
        answered = table.with_columns(pl.col(STATES).fill_null(0)).with_columns(
            (gained + pl.col("returning")).alias("active"),
            (pl.col("period") == first).alias("begins"),
            pl.when(pl.col("dormant") > 0).then(gained / pl.col("dormant")).alias("quick_ratio"),
        )
        return totals_first(answered, self.by.names, "period").select(*self.by.names, *self.SCHEMA)

    def exactly(self, merged: pl.DataFrame) -> Self:  # noqa: ARG002
        """The same: nothing is a quantile."""
        return self


@measured_by(Lifecycle)
def lifecycle(
    paths: Paths,
    active: str | Step = ANY,
    *,
    period: Period = "week",
    by: By = (),
    first_seen: str | None = None,
    timezone: str = "UTC",
) -> pl.DataFrame:
    """How many customers are new, return, come back and fall away in every period that is over.

    `active` is a touchpoint or step (default: any touch). `period` is hour, day, week (from Monday), week_sunday or
    month. `first_seen` names a column of times (Datetime) at which customers really were there first: it says who is
    new, where it is known. Columns: those of `by` (the value at the customer's first active touch of the period, of the
    dormant of the period before); `is_total` Boolean (rows over all groups come first, with null in `by`); `period`
    Datetime (its start, in the time zone); `new`, `returning`, `resurrecting`, `dormant` Int64; `active` Int64 (the
    first three together; the active of the period before are `returning` and `dormant`); `begins` Boolean: the first
    period, where everybody is new only because the data begin; `quick_ratio` Float64 (new and resurrecting over
    dormant, null without dormant). Every period from the first with an active touch has a row, also an empty one.
    No active touch in a period that is over gives no rows. Raises `DefinitionError` for an unknown column, period or
    zone, and for `first_seen` without times; warns of a word that no touch has (`UnknownWordWarning`).

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0d visit@1d visit@3d", "bo": "visit@1d"}, end="4d")
    >>> lifecycle(shop, period="day")["new", "returning", "resurrecting", "dormant"].rows()
    [(1, 0, 0, 0), (1, 1, 0, 0), (0, 0, 0, 2), (0, 0, 1, 0)]
    """
    if first_seen is not None:
        paths.require(first_seen)
        if not isinstance(paths.schema[first_seen], pl.Datetime | pl.Date):
            raise DefinitionError(
                f"Column {first_seen!r} does not say when a customer was first seen.",
                expected="a column of times",
                found=str(paths.schema[first_seen]),
            )
    asked = Lifecycle(
        ActiveTouches.of(paths, active),
        ActivePeriods.of(paths, period, timezone),
        Breakdown.of(paths, by, [*Lifecycle.SCHEMA]),
        first_seen,
    )
    return run(paths, asked)
