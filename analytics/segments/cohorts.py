"""Who comes back, and after how many periods?

A **cohort** is the customers with a `start` touch in one calendar period (hour, day, week or month): only those with
their first such touch ever, or all with one in the period. A customer **returns** with a `returning` touch in a later
period. A cell is shown only if its period is over at the end of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, Final, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.analysis import IS_TOTAL, SMALL, Cells, answer, measured_by
from analytics.engine.conditions import ANY, Step, one_of
from analytics.engine.local.calendar import PERIODS, Period, period_numbers, periods_of, zone_named
from analytics.engine.matching import Matcher
from analytics.engine.notices.unknown_words import unknown_steps, warn_of_unknown
from analytics.engine.partials import add_up
from analytics.engine.run import on_parts, run
from analytics.statistics.shares import share_columns, square_columns
from analytics.store.columns import AT, CUSTOMER, TIME
from analytics.store.encoding import Dictionaries, as_time
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

CohortRule = Literal["first", "every"]
ReturnRule = Literal["on", "on_or_after", "bracket"]
COHORTS: Final = ("first", "every")
RETURNS: Final = ("on", "on_or_after", "bracket")
SQUARES: Final = square_columns("returned", "size")
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cohorts:
    """Defines cohorts: the touches that start and return, the period, who is a member, and the time zone."""

    start: Step
    returning: Step
    period: str
    cohort: str
    timezone: str

    def __post_init__(self) -> None:
        one_of("period", self.period, PERIODS)
        one_of("cohort", self.cohort, COHORTS)
        zone_named(self.timezone)

    @property
    def matcher(self) -> Matcher:
        """Finds the touches that start (bit 0) and return (bit 1)."""
        return Matcher((self.start, self.returning))

    def starts_and_returns(self, part: Part, words: Dictionaries) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which touches of a part start, and which return."""
        codes, bits = self.matcher.match(part, part.read(self.matcher.columns), words)
        starts, back = ((bits & np.uint64(bit)) > 0 for bit in (1, 2))
        return starts[codes], back[codes]

    def periods(self, at: pl.Series) -> tuple[pl.Series, Ints]:
        """The start of the period that contains each time, in the time zone, and its number.

        The numbers of consecutive periods differ by 1.
        """
        starts, position = periods_of(at, self.period, self.timezone)
        return starts.gather(position), period_numbers(starts, self.period)[position]


@dataclass(frozen=True)
class Span:
    """The periods after the cohort's in which a return counts: `first` to `last`, or any from `first` on.

    The cell is shown when period `over` is over.
    """

    first: int
    last: int | None
    over: int


@dataclass(frozen=True, eq=False)
class Retention:
    """Counts the members of cohorts, and those who return, by cohort and span; `end` is the first unfinished period."""

    SCHEMA: ClassVar[pl.Schema] = answer(
        cohort=pl.Datetime("us", "UTC"),
        cohorts=pl.Int64,
        size=pl.Int64,
        after=pl.UInt32,
        returned=pl.Int64,
        share=pl.Float64,
        share_low=pl.Float64,
        share_high=pl.Float64,
    )
    CELLS: ClassVar[Cells | None] = None
    BOUND: ClassVar[int] = SMALL

    cohorts: Cohorts
    spans: tuple[Span, ...]
    end: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored columns that are read."""
        return tuple(dict.fromkeys([AT, *self.cohorts.matcher.columns]))

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        keys = {IS_TOTAL: pl.Boolean, "cohort": pl.Datetime("us", self.cohorts.timezone), "after": pl.UInt32}
        return {**keys, **dict.fromkeys(("size", "returned", *SQUARES), pl.Int64)}

    def partial(self, part: Part, words: Dictionaries) -> pl.DataFrame:
        """The cells of one part that are over, by cohort and over all cohorts."""
        at = as_time(part.read([AT])[AT])
        periods, number = self.cohorts.periods(at)
        starts, back = self.cohorts.starts_and_returns(part, words)
        if not starts.any():
            return pl.DataFrame(schema=self.schema)
        lowest, bounds = number.min(), part.bounds()
        period = number - lowest
        width = int(period.max()) + max(span.last or span.first for span in self.spans) + 2
        key = np.repeat(np.arange(len(bounds) - 1) * width, np.diff(bounds)) + period
        returns_ = np.append(_distinct(key[back]), np.iinfo(np.int64).max)
        members = returns_[:-1] if np.array_equal(starts, back) else _distinct(key[starts])
        if self.cohorts.cohort == "first":
            members = members[np.diff(members // width, prepend=-1) > 0]
        row_of_period = np.zeros(int(period.max()) + 1, np.int64)
        row_of_period[period] = np.arange(len(period))
        begins = periods.gather(row_of_period).alias("cohort")
        table = _cells(members, returns_, self.spans, width, self.end - int(lowest))
        return table.with_columns(begins.gather(table["period"])).select(*self.schema)

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the cells of parts."""
        return add_up(partials, [IS_TOTAL, "cohort", "after"], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `retention`."""
        cohorts = pl.when(IS_TOTAL).then(pl.col("cohort").count().over("after")).otherwise(1).cast(pl.Int64)
        table = merged.with_columns(cohorts.alias("cohorts"), *share_columns(merged, "share", "returned", "size"))
        return table.sort(IS_TOTAL, "cohort", "after", descending=[True, False, False]).select(*self.SCHEMA)

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
    periods: int = 12,
    cohort: CohortRule = "first",
    returns: ReturnRule = "on",
    brackets: Sequence[int] = (1, 4, 8),
    timezone: str = "UTC",
) -> pl.DataFrame:
    """The share of each cohort that returns, by period.

    `start` and `returning` are touchpoints or steps (default: any touch). `period` is hour, day, week (from Monday),
    week_sunday or month. With `cohort="first"` each customer is in one cohort, that of the first `start` ever; with
    `every` in the cohort of every period with a `start`. A customer returns with `returns="on"` in period n; with
    `on_or_after` in period n or later; with `bracket` in any period from one number in `brackets` up to the next.

    Columns: `is_total` Boolean (rows over all cohorts come first); `cohort` Datetime (start of its period, in the time
    zone; null on a total); `cohorts` Int64 (how many the row counts); `size` Int64 (their members); `after` UInt32
    (periods after the cohort's, from 1; for a bracket the first); `returned` Int64; `share` Float64 (of the members)
    with its Wilson interval `share_low`, `share_high`, judged by customers. A total is over the cohorts whose cell is
    over, so that later periods count fewer cohorts. Sorted by cohort and `after`. A cohort without a finished cell has
    no rows; no touches give no rows. Raises `DefinitionError` for an unknown word or column.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0d visit@1d", "bo": "visit@0d"}, end="2d")
    >>> retention(shop, period="day")["is_total", "size", "after", "returned"].rows()
    [(True, 2, 1, 1), (False, 2, 1, 1)]
    """
    cohorts = _cohorts(paths, start, returning, period, cohort=cohort, timezone=timezone)
    one_of("returns", returns, RETURNS)
    edges = list(brackets) if returns == "bracket" else list(range(1, periods + 1))
    if edges != sorted(set(edges)) or not edges or edges[0] < 1:
        raise DefinitionError("Retention counts periods upwards from 1.", found=str(edges))
    lasts = edges if returns != "bracket" else _bracket_ends(edges)
    spans = [
        Span(edge, None if returns == "on_or_after" else last, last) for edge, last in zip(edges, lasts, strict=True)
    ]
    return run(paths, Retention(cohorts, tuple(spans), _end(paths, cohorts)))


def returns(
    paths: Paths,
    start: str | Step = ANY,
    returning: str | Step = ANY,
    *,
    period: Period = "week",
    cohort: CohortRule = "first",
    timezone: str = "UTC",
) -> pl.DataFrame:
    """One row per member of a cohort, with the periods in which the customer has a `returning` touch.

    Columns: `customer` as in the paths; `cohort` Datetime (start of its period); `after` List(Int64): periods after
    the cohort's, 0 for the cohort's own. Sorted by cohort and customer, without customers who object to profiling.
    Takes the arguments of `retention`.

    >>> from analytics import Paths
    >>> returns(Paths.from_text({"ann": "visit@0d visit@2d"}), period="day")["after"].to_list()
    [[0, 2]]
    """
    cohorts = _cohorts(paths, start, returning, period, cohort=cohort, timezone=timezone)
    found = on_parts(paths, partial(_members, cohorts))
    members = pl.concat([_nobody(paths, cohorts), *found])
    return paths.without_objectors(members.select(CUSTOMER, "cohort", "after")).sort("cohort", CUSTOMER)


def _cohorts(
    paths: Paths, start: str | Step, returning: str | Step, period: str, *, cohort: str, timezone: str
) -> Cohorts:
    """Validates the arguments; warns of values that no touch has."""
    cohorts = Cohorts(_step(start), _step(returning), period, cohort, timezone)
    paths.require(*cohorts.matcher.columns)
    warn_of_unknown(unknown_steps(paths, (cohorts.start, cohorts.returning)))
    return cohorts


def _step(given: str | Step) -> Step:
    return given if isinstance(given, Step) else Step(given)


def _nobody(paths: Paths, cohorts: Cohorts) -> pl.DataFrame:
    """The columns of members, without rows."""
    times: dict[str, Any] = {CUSTOMER: paths.schema[CUSTOMER], "cohort": pl.Datetime("us", cohorts.timezone)}
    return pl.DataFrame(schema={**times, "number": pl.Int64, "after": pl.List(pl.Int64)})


def _members(cohorts: Cohorts, part: Part, words: Dictionaries) -> pl.DataFrame:
    """The members of the cohorts in one part: `customer`, `cohort`, `number` of its period, `after`."""
    met = dict(zip(("starts", "returns"), map(pl.Series, cohorts.starts_and_returns(part, words)), strict=True))
    touches = decoded(part, [CUSTOMER, AT], words)
    cohort, number = cohorts.periods(touches[AT])
    touches = touches.with_columns(cohort.alias("cohort"), pl.Series("number", number), **met)
    starts = touches.filter("starts").select(CUSTOMER, "cohort", "number").unique(maintain_order=True)
    starts = starts.unique(CUSTOMER, keep="first", maintain_order=True) if cohorts.cohort == "first" else starts
    back = touches.filter("returns").select(CUSTOMER, pl.col("number").alias("then")).unique()
    after = pl.col("then") - pl.col("number")
    return (
        starts.join(back, on=CUSTOMER, how="left")
        .group_by(CUSTOMER, "cohort", "number")
        .agg(after.filter(after >= 0).sort().alias("after"))
        .select(CUSTOMER, pl.col("cohort").cast(pl.Datetime("us", cohorts.timezone)), "number", "after")
    )


def _distinct(keys: Ints) -> Ints:
    """The distinct keys, sorted; keys of customers and periods are sorted but for clocks that were set back."""
    ordered = np.sort(keys, kind="stable")
    return ordered[np.flatnonzero(np.diff(ordered, prepend=-1))]


def _cells(members: Ints, returns: Ints, spans: Sequence[Span], width: int, end: int) -> pl.DataFrame:
    """The counts of every span by the period of the cohort, and over all cohorts, of those that are over before `end`.

    Members and returns are sorted keys: the customer's number times `width`, plus the number of the period.
    """
    person, period = np.divmod(members, width)
    following, cells = np.searchsorted(returns, members), []
    for before, span in zip((0, *(span.first for span in spans)), spans, strict=False):
        for after in range(before + 1, span.first + 1):  # keys of returns differ by 1 at least
            following += returns[following] < members + after
        until = (person + 1) * width - 1 if span.last is None else members + span.last
        shown, hit = period + span.over < end, returns[following] <= until
        cells.append(_cell(span, person[shown], period[shown], hit[shown]))
    return pl.concat(cells)


def _cell(span: Span, person: Ints, period: Ints, hit: NDArray[np.bool_]) -> pl.DataFrame:
    """The counts of one span, of the members that are shown and those of them that are hit."""
    sizes, returned = _counts(period, hit)
    n, y = _counts(person, hit)
    total = (n.sum(), y.sum(), n @ n, n @ y, y @ y, np.count_nonzero(n))
    cohorts = np.flatnonzero(sizes)
    size, back = sizes[cohorts], returned[cohorts]
    by_cohort = (size, back, size, back, back, size)
    columns = zip(("size", "returned", *SQUARES), total, by_cohort, strict=True)
    return pl.DataFrame(
        {
            IS_TOTAL: np.arange(len(cohorts) + 1) == 0,
            "after": pl.repeat(span.first, len(cohorts) + 1, dtype=pl.UInt32, eager=True),
            "period": pl.Series([None, *cohorts], dtype=pl.Int64),
            **{name: np.append(whole, own).astype(np.int64) for name, whole, own in columns},
        }
    ).filter(pl.col("size") > 0)


def _counts(of: Ints, hit: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """How often each number occurs, and how often where it is hit."""
    counts = np.bincount(of)
    return counts, np.bincount(of[hit], minlength=len(counts))


def _bracket_ends(edges: Sequence[int]) -> list[int]:
    """The last period of each bracket; the last bracket is as long as the one before, a single one is one period."""
    longest = edges[-1] - edges[-2] if len(edges) > 1 else 1
    return [*(edge - 1 for edge in edges[1:]), edges[-1] + longest - 1]


def _end(paths: Paths, cohorts: Cohorts) -> int:
    """The number of the first period that is not over at the end of the data."""
    end = paths.end_of_data or datetime(1970, 1, 1, tzinfo=UTC)
    return int(cohorts.periods(pl.Series([end], dtype=TIME))[1][0])
