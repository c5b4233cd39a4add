"""Who comes back, and after how many periods?

A **cohort** is the customers with a `start` touch in one calendar period: only those with their first such touch ever,
or all with one in the period. A member **returns** with `least` returning touches in one later period. By the calendar
clock periods are those of the time zone; by the elapsed clock they are so many hours, days, weeks or months of 30 days
after the member's own start touch, which itself is no return. A cell counts the members who have been seen for long
enough: whose period is over, or began `grace` before the end of the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Final, Literal, Self, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL, Cells, answer, measured_by
from analytics.engine.conditions import ANY, Step, fill, one_of
from analytics.engine.local.calendar import Period
from analytics.engine.local.money import MILLION, Amounts, Money
from analytics.engine.partials import add_up, numbered
from analytics.engine.run import run
from analytics.paths.view import Breakdown, By
from analytics.segments.activity.active_touches import ActivePeriods
from analytics.segments.activity.retention_cells import SQUARES, CohortRead, MemberCells, Members, Span, SpanReturns
from analytics.segments.cohorts import CohortRule, Cohorts, cohorts_of
from analytics.statistics.shares import MIN_DENOMINATOR, share_columns
from analytics.store.columns import AT
from analytics.store.encoding import Dictionaries
from analytics.store.frames import micros
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

ReturnRule = Literal["on", "on_or_after", "bracket"]
Clock = Literal["calendar", "elapsed"]
LENGTHS: Final = {"hour": 1, "day": 24, "week": 7 * 24, "month": 30 * 24}
"""Hours of a period by the elapsed clock."""
IS_GROUP: Final = "is_group"
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, init=False)
class ReturnRules:
    """How returns are counted, beyond the periods.

    `clock`: `calendar`, or `elapsed` since the member's own start touch. `least` returning touches must lie in one and
    the same period. `balanced` leaves out of the totals the cohorts that lack any of the periods asked for, so that a
    rise cannot come of cohorts that leave. With `grace` a cell counts the members whose period began so long before the
    end of the data, over or not, with their returns at most so long after that beginning; the others are open: who may
    still return on or after a late period. `round_to` cuts all times first. `value` is a numeric column, or `Money`,
    that is summed over the touches that make a cell.

    Raises `DefinitionError` for an unknown clock, `least` below 1, and a `round_to` that is no time.

    >>> ReturnRules(grace="8w").grace.days
    56
    """

    clock: Clock
    least: int
    balanced: bool
    grace: timedelta | None
    round_to: timedelta | None
    value: str | Money | None

    def __init__(
        self,
        *,
        clock: Clock = "calendar",
        least: int = 1,
        balanced: bool = False,
        grace: str | timedelta | None = None,
        round_to: str | timedelta | None = None,
        value: str | Money | None = None,
    ) -> None:
        if least < 1:
            raise DefinitionError("Nobody returns with no touch.", expected="least from 1", found=str(least))
        fill(
            self,
            clock=one_of("clock", clock, get_args(Clock)),
            least=least,
            balanced=balanced,
            grace=None if grace is None else duration(grace),
            round_to=None if round_to is None else duration(round_to),
            value=value,
        )
        if self.round_to is not None and self.round_to <= timedelta():
            raise DefinitionError("Times cannot be cut to no time.", expected="round_to above 0", found=str(round_to))


@dataclass(frozen=True, eq=False)
class Retention:
    """Counts the members of cohorts, who is eligible, and who returns, by group, cohort and span."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        is_group=pl.Boolean,
        cohort=pl.Datetime("us", "UTC"),
        cohorts=pl.Int64,
        size=pl.Int64,
        eligible=pl.Int64,
        after=pl.UInt32,
        returned=pl.Int64,
        share=pl.Float64,
        share_low=pl.Float64,
        share_high=pl.Float64,
        open=pl.Int64,
        value=pl.Float64,
        enough=pl.Boolean,
    )
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = 1 << 17

    cohorts: Cohorts
    periods: ActivePeriods
    spans: tuple[Span, ...]
    by: Breakdown
    rules: ReturnRules
    amounts: Amounts | None = field(default=None)

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        amounts = () if self.amounts is None else self.amounts.columns
        return tuple(dict.fromkeys([AT, *self.cohorts.matcher.columns, *self.by.columns, *amounts]))

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial: `cohort` is null in the sums over all cohorts, which intervals need."""
        keys = {**self.by.types, IS_GROUP: pl.Boolean, "cohort": self.periods.type, "after": pl.UInt32}
        return {**keys, **dict.fromkeys(("size", "eligible", "returned", "worth", *SQUARES), pl.Int64)}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The cells of one part."""
        at = part.times()
        if self.rules.round_to is not None:
            at = at - at % micros(self.rules.round_to)
        starts, back = self.cohorts.starts_and_returns(part, words)
        if not starts.any():
            return pl.DataFrame(schema=self.schema)
        begins, number = self.periods.of_times(at)
        read = CohortRead(part.bounds(), at, starts, back, number, self._worth(part, back))
        members = read.members(first_only=self.cohorts.cohort == "first")
        cohorts, cohort = numbered(begins.gather(members.row).cast(self.periods.type).alias("cohort").to_frame())
        groups, tables = self.by.at(part, words, members.row), [pl.DataFrame(schema=self.schema)]
        for span in self._returns(read, members, begins):
            eligible = self._are_eligible(span.of, members, number)
            for keys, group in self._groupings(groups):
                cells = MemberCells(members.person, group, cohort, eligible, span)
                table = cells.by_cohort(keys, cohorts)
                if self.cohorts.cohort == "every":
                    table = pl.concat([table, cells.by_customer(keys, cohorts.schema)])
                tables.append(table.with_columns(pl.lit(span.of.first, pl.UInt32).alias("after")).select(*self.schema))
        return pl.concat(tables)

    def _returns(self, read: CohortRead, members: Members, begins: pl.Series) -> Iterator[SpanReturns]:
        """Who returns in each span; `begins` are the starts of the periods of all touches."""
        elapsed, grace = self.rules.clock == "elapsed", self.rules.grace
        if grace is not None:
            length = self._length if elapsed else None
            numbers, starts = self.periods.begun(begins.gather(members.row).min())  # type: ignore[arg-type]
            for span in self.spans:
                place = np.searchsorted(numbers, read.number[members.row] + span.first).clip(max=len(numbers) - 1)
                since = starts[place] if length is None else members.at + span.first * length
                yield from read.until(members, self.rules.least, since, span, grace=micros(grace), length=length)
        elif elapsed:
            base, found = read.elapsed(members, self.rules.least, self._length, self._longest)
            yield from found.spans(base, self.spans)
        else:
            base, found = read.calendar(members, self.rules.least, self.spans[-1].over)
            yield from found.spans(base, self.spans)

    def _worth(self, part: Part, back: Flags) -> Ints:
        """What each touch brings, in millionths; nothing without a value."""
        worth = np.zeros(len(back), np.int64)
        if self.amounts is not None:
            rows = np.flatnonzero(back)
            worth[rows] = self.amounts.at_rows(part.read(list(self.amounts.columns)), rows)[0]
        return worth

    @property
    def _length(self) -> int:
        """The length of a period by the elapsed clock, in microseconds."""
        return LENGTHS[self.periods.period] * 3600 * 1_000_000

    @property
    def _longest(self) -> int | None:
        """The last period that counts; None where every later one does."""
        lasts = [span.last for span in self.spans]
        return None if None in lasts else max(last for last in lasts if last is not None)

    def _are_eligible(self, span: Span, members: Members, number: Ints) -> Flags:
        """Which members have been seen for long enough."""
        end, grace = micros(self.periods.end_of_data), self.rules.grace
        if self.rules.clock == "elapsed":
            needed = (span.over + 1) * self._length if grace is None else span.first * self._length + micros(grace)
            return np.asarray(members.at + needed <= end)
        own = number[members.row]
        if grace is None:
            return np.asarray(own + span.over < self.periods.end)
        numbers, begins = self.periods.begun()
        begun = begins + micros(grace) <= end
        last = int(numbers[begun].max()) if begun.any() else np.iinfo(np.int64).min
        return np.asarray(own + span.first <= last)

    def _groupings(self, groups: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, Ints]]:
        """The keys of all members together, and of their groups, with the number of each member's."""
        nothing = {name: pl.Series([None], dtype=dtype) for name, dtype in self.by.types.items()}
        yield pl.DataFrame({**nothing, IS_GROUP: [False]}), np.zeros(len(groups), np.int64)
        if groups.width:
            keys, number = numbered(groups)
            yield keys.with_columns(pl.lit(True).alias(IS_GROUP)), number

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the cells of parts."""
        return add_up(partials, [*self.by.names, IS_GROUP, "cohort", "after"], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `retention`."""
        keys = [*self.by.names, IS_GROUP]
        cells = merged.filter(pl.col("cohort").is_not_null(), pl.col("eligible") > 0)
        counted = cells
        if self.rules.balanced:
            every = pl.col("after").n_unique().over([*keys, "cohort"]) == len(self.spans)
            counted = cells.filter(every)
        sums = [name for name in self.schema if name not in (*keys, "cohort", "after")]
        totals = counted.group_by(*keys, "after").agg(pl.len().cast(pl.Int64).alias("cohorts"), pl.col(sums).sum())
        if self.cohorts.cohort == "every":  # a customer is in many cohorts: the sums by customer are their own
            known = merged.filter(pl.col("cohort").is_null()).select(*keys, "after", *SQUARES)
            totals = totals.drop(SQUARES).join(known, on=[*keys, "after"], nulls_equal=True, maintain_order="left")
        nobody = pl.lit(None, self.periods.type).alias("cohort")
        whole = totals.with_columns(nobody, pl.lit(True).alias(IS_TOTAL))
        each = cells.with_columns(pl.lit(1, pl.Int64).alias("cohorts"), pl.lit(False).alias(IS_TOTAL))
        names = [*keys, IS_TOTAL, "cohort", "cohorts", "after", *sums]
        table = pl.concat([whole.select(names), each.select(names)])
        shares = share_columns(table, "share", "returned", "eligible")
        if self.rules.balanced and self.cohorts.cohort == "every":
            shares = [shares[0], *(end.set(table[IS_TOTAL], None) for end in shares[1:])]
        still = pl.col("size") - pl.col("eligible")
        answered = table.with_columns(
            *shares,
            (still if self.rules.grace is not None else pl.lit(None, pl.Int64)).alias("open"),
            (pl.col("worth") / MILLION if self.amounts is not None else pl.lit(None, pl.Float64)).alias("value"),
            (pl.col("eligible") >= MIN_DENOMINATOR).alias("enough"),
        )
        order = [~pl.col(IS_TOTAL), IS_GROUP, *self.by.names, "cohort", "after"]
        return answered.sort(order, nulls_last=True).select(*self.by.names, *self.SCHEMA)

    def exactly(self, merged: pl.DataFrame) -> Self:  # noqa: ARG002
        """The same: nothing is a quantile."""
        return self


@measured_by(Retention)
def retention(
    paths: Paths,
    start: str | Step = ANY,
    returning: str | Step = ANY,
    *,
    period: Period = "week",
    periods: int | Sequence[int] = 12,
    cohort: CohortRule = "first",
    returns: ReturnRule = "on",
    brackets: Sequence[int] = (1, 4, 8),
    by: By = (),
    timezone: str = "UTC",
    rules: ReturnRules | None = None,
) -> pl.DataFrame:
    """The share of each cohort that returns, by period.

    `start` and `returning` are touchpoints or steps (default: any touch). `period` is hour, day, week (from Monday),
    week_sunday or month, `periods` how many of them after the cohort's, or which. With `cohort="first"` each customer
    is in one cohort, that of the first `start` ever; with `every` in the cohort of every period with a `start`. A
    customer returns with `returns="on"` in period n; with `on_or_after` in period n or later, the running one too; with
    `bracket` in any period from one number in `brackets` up to the next, with the last number in that period. `rules`
    (`ReturnRules`) has the clock, how many touches a return takes, who is seen for long enough, and a value.

    Columns: those of `by` (the value at the member's start touch, the first of the cohort's period); `is_total` Boolean
    (rows over all cohorts); `is_group` Boolean (with `by`: rows of one group; those of all members come first, with
    null in `by`); `cohort` Datetime (start of its period, in the time zone; null on a total); `cohorts` Int64 (how many
    the row counts); `size` Int64 (their members), `eligible` Int64 (members seen for long enough: of a cohort by the
    calendar all or none); `after` UInt32 (periods after the cohort's; for a bracket the first); `returned` Int64 (of
    the eligible); `share` Float64 (returned / eligible) with its Wilson interval `share_low`, `share_high`, judged by
    customers (null for balanced totals of every cohort); `open` Int64 (members not seen for long enough; null without
    `grace`); `value` Float64 (of the touches of those who returned; null without one); `enough` Boolean (30 eligible).
    A total is over the cohorts that have the cell, so that later periods count fewer cohorts. Totals come first, then
    cohorts, in each those of all members before those of groups, by `after`. A cell without an eligible member has no
    row; no touches give no rows.

    A return on or after a late period may still come: the newest columns are too low without `grace`; for how long
    customers stay, ask `lapse`. Raises `DefinitionError` for an unknown word, column, period or zone, periods that do
    not grow from 0, period 0 of a calendar cohort, and weeks from Sunday by the elapsed clock.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0d visit@1d", "bo": "visit@0d"}, end="2d")
    >>> retention(shop, period="day")["is_total", "size", "after", "returned"].rows()
    [(True, 2, 1, 1), (False, 2, 1, 1)]
    """
    given = rules or ReturnRules()
    cohorts = cohorts_of(paths, start, returning, period, cohort=cohort, timezone=timezone)
    one_of("returns", returns, get_args(ReturnRule))
    if given.clock == "elapsed" and period not in LENGTHS:
        raise DefinitionError("The elapsed clock has no such period.", expected=", ".join(LENGTHS), found=period)
    counted = range(1, periods + 1) if isinstance(periods, int) else periods
    edges = list(brackets if returns == "bracket" else counted)
    least = 0 if given.clock == "elapsed" else 1
    if edges != sorted(set(edges)) or not edges or edges[0] < least:
        raise DefinitionError(f"Retention counts periods upwards from {least}.", found=str(edges))
    lasts = [*(edge - 1 for edge in edges[1:]), edges[-1]] if returns == "bracket" else edges
    spans = tuple(
        Span(edge, None if returns == "on_or_after" else last, last) for edge, last in zip(edges, lasts, strict=True)
    )
    breakdown = Breakdown.of(paths, by, [*Retention.SCHEMA])
    amounts = None if given.value is None else Amounts.of(paths, given.value)
    seen = ActivePeriods.of(paths, period, timezone)
    return run(paths, Retention(cohorts, seen, spans, breakdown, given, amounts))
