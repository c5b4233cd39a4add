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
from typing import Any, Final

import polars as pl

from analytics.engine.calendar import PERIODS, period_numbers, period_starts
from analytics.engine.conditions import ANY, Step, one_of
from analytics.engine.matching import Matcher
from analytics.engine.run import run
from analytics.engine.unknown_words import unknown_steps, warn_of_unknown
from analytics.statistics.intervals import wilson
from analytics.store.columns import AT, CUSTOMER
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

COHORTS: Final = ("first", "every")
RETURNS: Final = ("on", "on_or_after", "bracket")


@dataclass(frozen=True)
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

    def begins(self, at: pl.Expr) -> pl.Expr:
        """The start of the period that contains `at`, in the time zone."""
        return period_starts(at, self.period, self.timezone)

    def number(self, begin: pl.Expr) -> pl.Expr:
        """The number of the period that starts at `begin`; consecutive periods differ by 1."""
        return period_numbers(begin, self.period)


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
    """The share of each cohort that returns, by period.

    `start` and `returning` are touchpoints or steps (default: any touch). `period` is hour, day, week (from Monday),
    week_sunday or month. With `cohort="first"` each customer is in one cohort, that of the first `start` ever; with
    `every` in the cohort of every period with a `start`. A customer returns with `returns="on"` in period n; with
    `on_or_after` in period n or later; with `bracket` in any period from one number in `brackets` up to the next.

    Columns: `cohort` Datetime (start of its period, in the time zone); `size` Int64; `after` UInt32 (periods after the
    cohort's, from 1; for a bracket the first); `returned` Int64; `share` Float64 with its Wilson interval `share_low`,
    `share_high`. Sorted by cohort and `after`. A cohort without a finished cell has no rows; no touches give no rows.
    Raises `DefinitionError` for an unknown word or column.

    >>> from analytics import Paths
    >>> shop = Paths.from_text({"ann": "visit@0d visit@1d", "bo": "visit@0d"}, end="2d")
    >>> retention(shop, period="day")["size", "after", "returned"].rows()
    [(2, 1, 1)]
    """
    cohorts = _cohorts(paths, start, returning, period, cohort=cohort, timezone=timezone)
    one_of("returns", returns, RETURNS)
    edges = list(brackets) if returns == "bracket" else list(range(1, periods + 1))
    if edges != sorted(set(edges)) or not edges or edges[0] < 1:
        raise DefinitionError("Retention counts periods upwards from 1.", found=str(edges))
    members = pl.concat([_nobody(paths, cohorts), *run(paths, partial(_members, paths, cohorts))])
    sizes = members.group_by("cohort", "number").agg(pl.len().cast(pl.Int64).alias("size"))
    rows = [_cell(members, edge, _last(edges, index, returns)) for index, edge in enumerate(edges)]
    spans = pl.DataFrame({"after": edges, "last": [_over(edges, index, returns) for index in range(len(edges))]})
    table = (
        sizes.join(spans, how="cross")
        .join(pl.concat(rows), on=["cohort", "after"], how="left")
        .with_columns(pl.col("returned").fill_null(0), pl.col("after").cast(pl.UInt32))
        .filter(pl.col("number") + pl.col("last") < _end(paths, cohorts))
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
    """One row per member of a cohort, with the periods in which the customer has a `returning` touch.

    Columns: `customer` as in the paths; `cohort` Datetime (start of its period); `after` List(Int64): periods after
    the cohort's, 0 for the cohort's own. Sorted by cohort and customer. Takes the arguments of `retention`.

    >>> from analytics import Paths
    >>> returns(Paths.from_text({"ann": "visit@0d visit@2d"}), period="day")["after"].to_list()
    [[0, 2]]
    """
    cohorts = _cohorts(paths, start, returning, period, cohort=cohort, timezone=timezone)
    members = pl.concat([_nobody(paths, cohorts), *run(paths, partial(_members, paths, cohorts))])
    return members.select(CUSTOMER, "cohort", "after").sort("cohort", CUSTOMER)


def _cohorts(
    paths: Paths, start: str | Step, returning: str | Step, period: str, *, cohort: str, timezone: str
) -> Cohorts:
    """Validates the arguments; warns of values that no touch has."""
    cohorts = Cohorts(_step(start), _step(returning), period, cohort, timezone)
    warn_of_unknown(unknown_steps(paths, (cohorts.start, cohorts.returning)))
    return cohorts


def _step(given: str | Step) -> Step:
    return given if isinstance(given, Step) else Step(given)


def _nobody(paths: Paths, cohorts: Cohorts) -> pl.DataFrame:
    """The columns of members, without rows."""
    times: dict[str, Any] = {CUSTOMER: paths.schema[CUSTOMER], "cohort": pl.Datetime("us", cohorts.timezone)}
    return pl.DataFrame(schema={**times, "number": pl.Int64, "after": pl.List(pl.Int64)})


def _members(paths: Paths, cohorts: Cohorts, part: Part) -> pl.DataFrame:
    """The members of the cohorts in one part: `customer`, `cohort`, `number` of its period, `after`."""
    matcher = Matcher(paths, (cohorts.start, cohorts.returning))
    codes, bits = matcher.match(part, part.read(matcher.columns))
    met = pl.Series(bits)[pl.Series(codes).cast(pl.UInt32)] if len(codes) else pl.Series([], dtype=pl.UInt64)
    begin = cohorts.begins(pl.col(AT))
    touches = decoded(part, [CUSTOMER, AT], paths.dictionaries).with_columns(
        (met & 1 > 0).alias("starts"), (met & 2 > 0).alias("returns")
    )
    touches = touches.with_columns(begin.alias("cohort")).with_columns(cohorts.number(pl.col("cohort")).alias("number"))
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


def _cell(members: pl.DataFrame, first: int, last: int | None) -> pl.DataFrame:
    """The number of members of each cohort who return in periods `first` to `last` (None: or any later one)."""
    inside = pl.element() >= first
    inside = inside if last is None else inside & (pl.element() <= last)
    back = pl.col("after").list.eval(inside).list.any()
    counts = members.group_by("cohort").agg(back.sum().cast(pl.Int64).alias("returned"))
    return counts.with_columns(pl.lit(first, pl.Int64).alias("after"))


def _last(edges: Sequence[int], index: int, returns: str) -> int | None:
    """The last period of a cell; None if all later periods count."""
    if returns == "on_or_after":
        return None
    return _over(edges, index, returns)


def _over(edges: Sequence[int], index: int, returns: str) -> int:
    """The period that must be over for a cell to be shown.

    The last bracket is as long as the one before it; a single bracket is one period long.
    """
    if returns != "bracket":
        return edges[index]
    return (
        edges[index + 1] - 1
        if index + 1 < len(edges)
        else edges[index] + (edges[index] - edges[index - 1] if index else 1) - 1
    )


def _end(paths: Paths, cohorts: Cohorts) -> int:
    """The number of the first period that is not over at the end of the data."""
    end = paths.end_of_data or datetime(1970, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame({AT: [end]}, schema={AT: pl.Datetime("us", "UTC")})
    return int(frame.select(cohorts.number(cohorts.begins(pl.col(AT)))).item())
