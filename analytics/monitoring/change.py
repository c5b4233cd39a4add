"""Why did a conversion change from one period to another: at which step, in which segment, by mix or by rate?

The parts of all steps add up to the change, and the parts of all segments of a column to that of their step; nothing is
left over. Intervals are from replicates of customers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL, answer, measured_by
from analytics.engine.conditions import one_of
from analytics.engine.distributions import DISTRIBUTION, distributions, quantiles
from analytics.engine.local.money import MILLION
from analytics.engine.partials import add_up
from analytics.engine.run import counted, run
from analytics.funnels.counts import FunnelMeasure, GroupCounts
from analytics.funnels.definition import Funnel
from analytics.funnels.entrants import entrants_of
from analytics.funnels.scan import FOREVER, Range, RangeReading, bound
from analytics.monitoring.change_parts import (
    OFS,
    PART,
    PERIODS_COMPARED,
    Level,
    Of,
    counted_by_family,
    counts_of_family,
)
from analytics.segments.factors import context_columns
from analytics.statistics.replicates import replicate_of_customers
from analytics.store.encoding import Dictionaries, as_text
from analytics.store.frames import as_utc
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

CUT: Final = 0.99
"""Intervals of a value are from values cut at this quantile."""
S = TypeVar("S")
Family = tuple[str, ...]
Families = str | Sequence[str | Sequence[str]]
KEY_NAMES: Final = ("family", "period", "replicate")
FAMILY_SIGN: Final = " × "
"""What joins the columns of a family in its name."""
MOMENT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, eq=False)
class ChangeCounts(FunnelMeasure):
    """Counts the entrants of two periods that reach each step, by replicate: in all, and by each family of columns.

    Family 0 is all entrants; family `n` has the groups of `families[n - 1]`. `steps` are those that are not optional.
    `cut` is the value, in millionths, at which values are cut for intervals.
    """

    SCHEMA: ClassVar[pl.Schema] = answer(
        of=pl.String,
        family=pl.String,
        step=pl.UInt32,
        name=pl.String,
        **PART,
        share_cut=pl.Float64,
        value_left_out=pl.Int64,
    )
    KEYS: ClassVar[Mapping[str, Any]] = dict.fromkeys(KEY_NAMES, pl.UInt32)

    periods: tuple[Range, ...] = ()
    families: tuple[Family, ...] = ()
    of_what: Of = "rate"
    ranked: bool = False
    cut: int | None = None
    has_touches: bool = True

    @property
    def steps(self) -> list[int]:
        """The steps that are factors, with the first: those that are not optional."""
        return [number for number, step in enumerate(self.definition.steps, 1) if not step.optional]

    @property
    def count_types(self) -> Mapping[str, Any]:
        """The columns of counts."""
        people = self.steps if self.definition.repeats_customers else []
        names = [f"reached_{k}" for k in self.steps] + [f"customers_{k}" for k in people]
        return dict.fromkeys([*names, *(_VALUES if self.of_what == "value" else ())], pl.Int64)

    def readings(self, part: Part, words: Dictionaries) -> Iterator[tuple[RangeReading, NDArray[np.int64]]]:
        """The chains of a part with the number of the period of each, 0 for before."""
        ordered = sorted(self.periods)
        number = np.array([self.periods.index(each) for each in ordered])
        for some in self.scan.by_range(part, words, ordered):
            yield some, number[some.ranges]

    def counts(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The counts of one part."""
        keys, tables = part.keys(), [pl.DataFrame(schema=self.schema)]
        for some, period in self.readings(part, words):
            found = as_text(entrants_of(some.scan, some.reading), self.definition.by).with_columns(
                pl.Series("period", period, pl.UInt32)
            )
            people, who = np.unique(found["place"].to_numpy(), return_inverse=True)
            replicate = replicate_of_customers(keys.gather(pl.Series(people, dtype=pl.UInt32)))[who]
            found = found.with_columns(pl.Series("replicate", replicate, pl.UInt32), *self._values(some))
            found = found.filter("mature")
            sums = [_summed(name, dtype) for name, dtype in self.count_types.items()]
            tables += counted_by_family(found, self.families, sums, self.schema)
        return pl.concat(tables)

    def _values(self, some: RangeReading) -> list[pl.Series]:
        """What the goal of each entrant is worth: the sum, the same cut, and how many amounts are left out."""
        if self.of_what != "value":
            return []
        worth, left_out = values_of_goals(some, self.steps[-1])
        cut = worth if self.cut is None else np.minimum(worth, self.cut)
        return [pl.Series(name, each) for name, each in zip(_VALUES, (worth, cut, left_out, worth != 0), strict=True)]

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `change`."""
        by = list(self.definition.by)
        types = {name: pl.String if isinstance(each, pl.Enum) else each for name, each in self.scan.group_types.items()}
        nothing = pl.DataFrame(schema={**types, **self.SCHEMA})
        if not self.has_touches:
            return nothing
        levels = [self._level(merged, number) for number in range(len(self.families) + 1)]
        self._check_entrants(levels[0])
        rows = pl.concat([nothing, *(level.rows() for level in levels)], how="diagonal_relaxed")
        if self.ranked:
            size = pl.when(IS_TOTAL).then(None).otherwise(pl.col("contribution").abs())
            rows = rows.sort(IS_TOTAL, size, descending=True, nulls_last=True, maintain_order=True)
        return rows.select(*by, *self.SCHEMA)

    def _level(self, merged: pl.DataFrame, number: int) -> Level:
        """The counts of a family as arrays by replicate, period and group."""
        family = self.families[number - 1] if number else ()
        groups, table = counts_of_family(merged, number, family, list(self.count_types))
        steps = len(self.steps)
        reached, own = table[..., :steps], table[..., steps : 2 * steps] if self.definition.repeats_customers else None
        values = (
            table[..., -len(_VALUES) :]
            if self.of_what == "value"
            else np.zeros((*table.shape[:3], len(_VALUES)), np.int64)
        )
        return Level(
            self.of_what,
            FAMILY_SIGN.join(family) if number else None,
            groups,
            [(step, self.definition.name_of(step)) for step in self.steps],
            reached,
            (reached if own is None else own).sum(axis=0),
            values.sum(axis=2) / _UNITS,
        )

    def _check_entrants(self, level: Level) -> None:
        """Check that both periods have entrants."""
        for period, entrants, (start, end) in zip(
            PERIODS_COMPARED, level.reached.sum(axis=(0, 2))[:, 0], self.periods, strict=True
        ):
            if not entrants:
                raise DefinitionError(
                    f"Nobody enters the funnel in the period {period}.",
                    where=_written((start, end)),
                    expected="at least one entrant in each period",
                    do="choose a longer period, or another first step",
                )


_VALUES: Final = ("value", "cut_value", "left_out", "valued")
_UNITS: Final = np.array([MILLION, MILLION, 1, 1], np.float64)
"""What the sums of `_VALUES` are counted in."""


def _summed(name: str, dtype: Any) -> pl.Expr:
    """The count of a column of `ChangeCounts`, over entrants."""
    what, _, step = name.partition("_")
    if what == "reached":
        return pl.col(f"at_{step}").is_not_null().sum().cast(dtype).alias(name)
    if what == "customers":
        return pl.col("place").filter(pl.col(f"at_{step}").is_not_null()).n_unique().cast(dtype).alias(name)
    if what == "valued":
        return pl.col("place").filter("valued").n_unique().cast(dtype).alias(name)
    return pl.col(name).sum().cast(dtype)


def values_of_goals(some: RangeReading, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What the goal of each entrant is worth, in millionths, and how many of its amounts are left out.

    `step` is the goal's. An entrant without it has 0.
    """
    reading, amounts = some.reading, some.scan.amounts
    assert amounts is not None, "a change of value has a value"
    size = len(reading.found.firsts)
    return GroupCounts(reading, np.arange(size), size, FOREVER, everyone=True).values(step - 1, amounts)


@dataclass(frozen=True)
class ValueSpread:
    """The distribution of the values of goals over both periods, of a change."""

    change: ChangeCounts

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The values of one part; what takes value off counts as 0."""
        step = self.change.steps[-1]
        every = [values_of_goals(some, step)[0] for some, _ in self.change.readings(part, words)]
        worth = np.concatenate([np.zeros(0, np.int64), *every])
        worth = worth[worth > 0]
        return pl.DataFrame({"values": distributions(np.zeros(len(worth), np.int64), worth, 1)})

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the values of parts."""
        return add_up(partials, [], {"values": DISTRIBUTION})

    def point(self, merged: pl.DataFrame) -> int:
        """The value at which values are cut."""
        found = quantiles(merged["values"], [CUT])[0][0] if len(merged) else None
        return round(found or 0)


@measured_by(ChangeCounts)
def change(
    paths: Paths,
    definition: Funnel,
    *,
    before: tuple[datetime, datetime],
    after: tuple[datetime, datetime],
    by: Families = (),
    of: Of = "rate",
) -> pl.DataFrame:
    """Why a conversion changed between two periods of entry: the part of each step, segment, mix and rate.

    The conversion is the product of the shares of the steps, each of the step before; each step has its Shapley value
    of the change. Within a step a segment adds by **mix** (its share of those at the step before changes) and by
    **rate** (its own share that goes on changes). Steps add up to the change, the mix and the rate of all segments to
    their step. A segment that is there in one period only has no rate in the other: all is mix. Optional steps are left
    out. `of="goals"` splits the number of entrants that reach the last step: how many enter is a part, too (`volume`);
    `of="value"` splits the sum of the funnel's `value` over them, with the mean value of a goal (`value`).

    A period is from its start (inclusive) to its end (exclusive); an entrant counts once in each period entered. `by`
    names columns, each a *family* of its own; a pair of columns in it is a family of their combinations; `"*"` is every
    attribute and context column of at most 50 values, with the largest rows first. Without `by` the columns of the
    funnel count.

    Columns: those of `by` (null where a row is of another family); `is_total` Boolean (the change and its factors,
    which come first); `of`, `family` String (the columns of the family; null in totals); `step` UInt32, `name` String
    (null but for steps); `effect` String: `total`, `volume`, `step`, `value`, `mix`, `rate`; `before`, `after` Float64:
    the number itself, entrants, the share of the step, the mean value; of a mix the segment's share of those at the
    step before, of a rate its own share that went on (null where it is not there); `contribution` Float64 (what it adds
    to the change, in the unit of the whole) with its 95 % interval `contribution_low`, `contribution_high`;
    `share_of_change` Float64 (of the change; null where there is none); `p_value` Float64 (that it adds nothing:
    Student's t), `p_corrected` (Benjamini-Hochberg, over steps and over the rows of each family); `customers_before`,
    `customers_after` Int64 (distinct, at the step before; of a segment its own; of a value those with the goal);
    `enough` Boolean: 30 customers or more in both periods (a mix: in all of the step, and of the segment in either), in
    20 replicates or more; otherwise intervals and p-values are null; `share_cut` Float64 and `value_left_out` Int64 (of
    a value, in its rows `total` and `value`: how much of the sum its intervals leave out, as they are from values cut
    at the 99 % point and from 200 customers with a value or more; amounts that cannot be converted).

    Intervals are from 200 replicates of customers. No touches give no rows. Raises `DefinitionError` for periods that
    overlap, end before they begin, have no entrants, or whose windows are not over at the end of the data; for a funnel
    of one step, of attempts, with a range of its own, with another maturity than `mature` or `attribution="every"`; for
    an unknown column, and for a value that the funnel does not name.

    >>> from datetime import UTC, datetime
    >>> from analytics import Paths
    >>> first, middle, last = (datetime(2024, 1, day, tzinfo=UTC) for day in (1, 8, 15))
    >>> shop = Paths.from_text({"ann": "look@0d pay@1d", "bo": "look@1d", "cy": "look@8d"}, end="40d")
    >>> found = change(shop, Funnel(["look", "pay"], window="7d"), before=(first, middle), after=(middle, last))
    >>> found["effect", "before", "after", "contribution"].rows()
    [('total', 0.5, 0.0, -0.5), ('step', 0.5, 0.0, -0.5)]
    """
    one_of("of", of, OFS)
    _check(definition, of)
    periods = tuple((as_utc(start), as_utc(end)) for start, end in spans_given(before, after))
    check_periods(periods, definition.window, paths.end_of_data)
    families = families_of(paths, [*definition.by] if not isinstance(by, str) and not by else by)
    columns = tuple(dict.fromkeys(name for family in families for name in family))
    _check_names(columns)
    paths, scan = bound(paths, replace(definition, by=columns))
    asked = ChangeCounts(scan, (), periods, families, of, by == "*", has_touches=len(paths) > 0)
    if of == "value":
        spread = ValueSpread(asked)
        asked = replace(asked, cut=spread.point(counted(paths, spread)))
    return run(paths, asked)


def families_of(paths: Paths, by: Families) -> tuple[Family, ...]:
    """The families of columns that are asked for."""
    named = context_columns(paths) if by == "*" else [by] if isinstance(by, str) else [*by]
    families = [(each,) if isinstance(each, str) else tuple(dict.fromkeys(each)) for each in named]
    if () in families:
        raise DefinitionError("A family of segments has no column.", expected="one column or more")
    return tuple(dict.fromkeys(families))


def _check_names(columns: Sequence[str]) -> None:
    """Check that no column has the name of one of the answer."""
    for name in columns:
        if name in (*ChangeCounts.SCHEMA, *KEY_NAMES):
            raise DefinitionError(f"Column {name!r} cannot be a breakdown.", do="rename it, as the answer has one")


def _check(definition: Funnel, of: Of) -> None:
    """Check that a change of the funnel has parts."""
    if len([step for step in definition.steps if not step.optional]) < 2:
        raise DefinitionError("A funnel of one step has no conversion.", expected="two steps or more")
    if definition.maturity != "mature":
        raise DefinitionError(
            "Periods are compared by mature entrants.", expected="maturity 'mature'", found=definition.maturity
        )
    if definition.start is not None or definition.end is not None:
        raise DefinitionError(
            "The funnel has a range of its own.", expected="none: `before` and `after` say which entries count"
        )
    if definition.count == "entries":
        raise DefinitionError("An entrant counts once in each period.", expected="another count than entries")
    if definition.attribution.startswith("every"):
        raise DefinitionError(
            "Each entrant is in one segment.", expected="another attribution than every", found=definition.attribution
        )
    if of == "value" and definition.value is None:
        raise DefinitionError("The funnel has no value.", expected="a column of numbers: Funnel(..., value=...)")


def spans_given(before: S, after: S) -> tuple[S, S]:
    """The two periods, each a start and an end; `DefinitionError` for one that is not."""
    for name, span in zip(PERIODS_COMPARED, (before, after), strict=True):
        if not isinstance(span, list | tuple) or len(span) != 2:
            raise DefinitionError(f"The period {name} is no period.", expected="a start and an end", found=repr(span))
    return before, after


def check_periods(periods: Sequence[Range], window: timedelta, end_of_data: datetime | None) -> None:
    """Check that periods are periods, do not overlap, and are over with the window of their last entrants."""
    for name, (start, end) in zip(PERIODS_COMPARED, periods, strict=True):
        if end <= start:
            raise DefinitionError(
                f"The period {name} is empty.", expected="a start before its end", found=_written((start, end))
            )
    (first, second) = sorted(periods)
    if second[0] < first[1]:
        raise DefinitionError(
            "The periods overlap.", expected="two periods apart", found=f"{_written(first)} and {_written(second)}"
        )
    for name, (_, end) in zip(PERIODS_COMPARED, periods, strict=True):
        if end_of_data is not None and end - MOMENT + window > end_of_data:
            raise DefinitionError(
                f"The window is not over for all entrants of the period {name}.",
                expected=f"a period that ends by {_time(end_of_data - window)}: the window before the end of data",
                found=_time(end),
                do=f"wait until the data reach {_time(end + window)}, or choose an earlier period or a shorter window",
            )


def _written(period: Range) -> str:
    return f"{_time(period[0])} to {_time(period[1])}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
