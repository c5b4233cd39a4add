"""Who comes back, and how long after?

A **cohort** is the customers with a `start` touch in one period (an hour, day, week or month of the calendar): those
whose first such touch ever it is, or all who have one then. They **return** when they have a `returning` touch in a
later period. A cell is shown only when its period is over at the end of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import polars as pl

from analytics.engine.conditions import ANY, Step, one_of
from analytics.engine.matching import Matcher
from analytics.engine.run import run
from analytics.engine.unknown_words import unknown_steps, warn_of_unknown
from analytics.statistics.intervals import wilson
from analytics.store.columns import AT, CUSTOMER
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

PERIODS: Final = {"hour": "1h", "day": "1d", "week": "1w", "week_sunday": "1w", "month": "1mo"}
COHORTS: Final = ("first", "every")
RETURNS: Final = ("on", "on_or_after", "bracket")


@dataclass(frozen=True)
class Cohorts:
    """Who is in a cohort and what brings them back, in which periods of which calendar."""

    start: Step
    returning: Step
    period: str
    cohort: str
    timezone: str

    def __post_init__(self) -> None:
        one_of("period", self.period, PERIODS)
        one_of("cohort", self.cohort, COHORTS)

    def begins(self, at: pl.Expr) -> pl.Expr:
        """The begin of the period of a time, in the time zone."""
        local = at.dt.convert_time_zone(self.timezone)
        if self.period == "week_sunday":
            return local.dt.offset_by("1d").dt.truncate("1w").dt.offset_by("-1d")
        return local.dt.truncate(PERIODS[self.period])

    def number(self, begin: pl.Expr) -> pl.Expr:
        """The number of a period: consecutive ones differ by 1."""
        if self.period == "month":
            return (begin.dt.year().cast(pl.Int64) * 12 + begin.dt.month()).cast(pl.Int64)
        if self.period == "hour":
            return begin.dt.epoch("s") // 3600
        days = begin.dt.date().cast(pl.Int32).cast(pl.Int64)
        return days if self.period == "day" else (days + (3 if self.period == "week" else 4)) // 7


def retention(
    paths: Paths,
    start: str | Step = ANY,
    returning: str | Step = ANY,
    *,
    period: str = "week",
    periods: int = 12,
    cohort: str = "first",
    returns: str = "on",
    brackets: Sequence[int] = (1, 4, 8),
    timezone: str = "UTC",
) -> pl.DataFrame:
    """The share of each cohort that comes back, period by period.

    `start` and `returning` are touchpoints or steps (default: any touch). `period` is hour, day, week (from Monday),
    week_sunday or month. `cohort="first"` takes each customer once, at the first `start` ever; `every` takes them in
    every period with one. `returns="on"`: in period n; `on_or_after`: in period n or later; `bracket`: in one of the
    periods from one number of `brackets` to the one before the next.

    Columns: `cohort` Datetime (its begin, in the time zone); `size` Int64; `after` UInt32 (periods after the cohort's,
    from 1; of a bracket its first); `returned` Int64; `share` Float64 with its Wilson interval `share_low`,
    `share_high`. Sorted by cohort and `after`. A cohort of which no cell is over has no rows; no touches give none.
    Raises `DefinitionError` for an unknown word or column.

    >>> from tests.written import paths
    >>> shop = paths({"ann": "visit@0d visit@1d", "bo": "visit@0d"}, end="2d")
    >>> retention(shop, period="day")["size", "after", "returned"].rows()
    [(2, 1, 1)]
    """
    asked = _cohorts(paths, start, returning, period, cohort=cohort, timezone=timezone)
    one_of("returns", returns, RETURNS)
    edges = list(brackets) if returns == "bracket" else list(range(1, periods + 1))
    if edges != sorted(set(edges)) or not edges or edges[0] < 1:
        raise DefinitionError("Retention counts periods upwards from 1.", found=str(edges))
    members = pl.concat([_nobody(paths, asked), *run(paths, partial(_members, paths, asked))])
    sizes = members.group_by("cohort", "number").agg(pl.len().cast(pl.Int64).alias("size"))
    rows = [_cell(members, edge, _last(edges, place, returns)) for place, edge in enumerate(edges)]
    spans = pl.DataFrame({"after": edges, "last": [_over(edges, place, returns) for place in range(len(edges))]})
    table = (
        sizes.join(spans, how="cross")
        .join(pl.concat(rows), on=["cohort", "after"], how="left")
        .with_columns(pl.col("returned").fill_null(0), pl.col("after").cast(pl.UInt32))
        .filter(pl.col("number") + pl.col("last") < _end(paths, asked))
        .sort("cohort", "after")
    )
    low, high = wilson(table["returned"].to_numpy(), table["size"].to_numpy())
    return table.select(
        "cohort",
        "size",
        "after",
        "returned",
        (pl.col("returned") / pl.col("size")).alias("share"),
        pl.Series("share_low", low, pl.Float64),
        pl.Series("share_high", high, pl.Float64),
    )


def returns(
    paths: Paths,
    start: str | Step = ANY,
    returning: str | Step = ANY,
    *,
    period: str = "week",
    cohort: str = "first",
    timezone: str = "UTC",
) -> pl.DataFrame:
    """The members of every cohort with the periods in which they have a `returning` touch.

    Columns: `customer` as in the paths; `cohort` Datetime (its begin); `after` List(Int64): periods after the
    cohort's, 0 for the cohort's own. Sorted by cohort and customer. Arguments as of `retention`.

    >>> from tests.written import paths
    >>> returns(paths({"ann": "visit@0d visit@2d"}), period="day")["after"].to_list()
    [[0, 2]]
    """
    asked = _cohorts(paths, start, returning, period, cohort=cohort, timezone=timezone)
    members = pl.concat([_nobody(paths, asked), *run(paths, partial(_members, paths, asked))])
    return members.select(CUSTOMER, "cohort", "after").sort("cohort", CUSTOMER)


def _cohorts(
    paths: Paths, start: str | Step, returning: str | Step, period: str, *, cohort: str, timezone: str
) -> Cohorts:
    """What is asked; who asks is told of words that no touch has."""
    asked = Cohorts(_step(start), _step(returning), period, cohort, timezone)
    warn_of_unknown(unknown_steps(paths, (asked.start, asked.returning)))
    return asked


def _step(given: str | Step) -> Step:
    return given if isinstance(given, Step) else Step(given)


def _nobody(paths: Paths, asked: Cohorts) -> pl.DataFrame:
    """The columns of members, without rows."""
    times: dict[str, Any] = {CUSTOMER: paths.schema[CUSTOMER], "cohort": pl.Datetime("us", asked.timezone)}
    return pl.DataFrame(schema={**times, "number": pl.Int64, "after": pl.List(pl.Int64)})


def _members(paths: Paths, asked: Cohorts, part: Part) -> pl.DataFrame:
    """The members of the cohorts in one part: `customer`, `cohort`, `number` of its period, `after`."""
    matcher = Matcher(paths, (asked.start, asked.returning))
    codes, bits = matcher.match(part, part.read(matcher.columns))
    met = pl.Series(bits)[pl.Series(codes).cast(pl.UInt32)] if len(codes) else pl.Series([], dtype=pl.UInt64)
    begin = asked.begins(pl.col(AT))
    touches = decoded(part, [CUSTOMER, AT], paths.dictionaries).with_columns(
        (met & 1 > 0).alias("starts"), (met & 2 > 0).alias("returns")
    )
    touches = touches.with_columns(begin.alias("cohort")).with_columns(asked.number(pl.col("cohort")).alias("number"))
    starts = touches.filter("starts").select(CUSTOMER, "cohort", "number").unique(maintain_order=True)
    starts = starts.unique(CUSTOMER, keep="first", maintain_order=True) if asked.cohort == "first" else starts
    back = touches.filter("returns").select(CUSTOMER, pl.col("number").alias("then")).unique()
    after = pl.col("then") - pl.col("number")
    return (
        starts.join(back, on=CUSTOMER, how="left")
        .group_by(CUSTOMER, "cohort", "number")
        .agg(after.filter(after >= 0).sort().alias("after"))
        .select(CUSTOMER, pl.col("cohort").cast(pl.Datetime("us", asked.timezone)), "number", "after")
    )


def _cell(members: pl.DataFrame, first: int, last: int | None) -> pl.DataFrame:
    """How many of each cohort return in the periods from `first` to `last`, or ever after."""
    inside = pl.element() >= first
    inside = inside if last is None else inside & (pl.element() <= last)
    back = pl.col("after").list.eval(inside).list.any()
    counts = members.group_by("cohort").agg(back.sum().cast(pl.Int64).alias("returned"))
    return counts.with_columns(pl.lit(first, pl.Int64).alias("after"))


def _last(edges: Sequence[int], place: int, returns: str) -> int | None:
    """The last period of a cell; None when all later ones count."""
    if returns == "on_or_after":
        return None
    return _over(edges, place, returns)


def _over(edges: Sequence[int], place: int, returns: str) -> int:
    """The period with whose end a cell is over; the last bracket is one period long when it is the only one."""
    if returns != "bracket":
        return edges[place]
    return (
        edges[place + 1] - 1
        if place + 1 < len(edges)
        else edges[place] + (edges[place] - edges[place - 1] if place else 1) - 1
    )


def _end(paths: Paths, asked: Cohorts) -> int:
    """The number of the first period that is not over."""
    end = paths.end_of_data or datetime(1970, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame({AT: [end]}, schema={AT: pl.Datetime("us", "UTC")})
    return int(frame.select(asked.number(asked.begins(pl.col(AT)))).item())
