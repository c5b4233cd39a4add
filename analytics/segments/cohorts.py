"""Who comes back, and after how many periods?

A **cohort** is the customers with a `start` touch in one calendar period (hour, day, week or month): only those with
their first such touch ever, or all with one in the period. A customer **returns** with a `returning` touch in a later
period. A cell is shown only if its period is over at the end of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.conditions import ANY, Step, one_of
from analytics.engine.local.calendar import PERIODS, Period, period_numbers, periods_of, zone_named
from analytics.engine.matching import Matcher
from analytics.engine.notices.unknown_words import unknown_steps, warn_of_unknown
from analytics.engine.run import on_parts
from analytics.store.columns import AT, CUSTOMER
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths

CohortRule = Literal["first", "every"]
COHORTS: Final = ("first", "every")
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
    cohorts = cohorts_of(paths, start, returning, period, cohort=cohort, timezone=timezone)
    found = on_parts(paths, partial(_members, cohorts))
    members = pl.concat([_nobody(paths, cohorts), *found])
    return paths.without_objectors(members.select(CUSTOMER, "cohort", "after")).sort("cohort", CUSTOMER)


def cohorts_of(
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
