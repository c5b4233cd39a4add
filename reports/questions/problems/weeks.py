"""How does step conversion move from week to week, and which weeks are unusual?"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final, Literal

import polars as pl

from analytics import Asking, Goal, day_start, duration, stage_funnel, unusual_periods
from reports.privacy.stages import NO_VALUE, SHOWN
from reports.privacy.trends import (
    MIN_WEEKS,
    SERIES,
    SPREADS,
    SPREADS_OF_GROUPS,
    WEEKS_BEFORE,
    publishable_weeks,
    weekly_shares,
    weeks_between,
)
from reports.questions.answers import Facts
from reports.questions.groups import told_apart
from reports.settings import ReportSettings

_WEEKS: Final = 26
_COLUMNS: Final = ("name", "reached", "customers", "customers_lost", "effective_previous")


def step_counts(
    settings: ReportSettings, facts: Facts, goal: Goal, period: Literal["day", "week"] = "week"
) -> Asking[pl.DataFrame | None]:
    """How many journeys go on from step to step, by period in which they begin, for all journeys and for every group.

    Whole counts, not for the public: `dimension`, `segment` (null: all journeys), `step`, `name`, `week` (the first day
    of the period), `previous`, `reached` (journeys, including those whose window is not over), `customers`,
    `customers_reached`, `customers_lost` (distinct: of `previous`, of `reached`, of the others), `effective` (as many
    independent journeys as the previous ones are worth), `is_open`. Null where there is no whole week.
    """
    window, zone, end = duration(settings.trend_window), settings.timezone, facts.end_of_data
    weeks = weeks_between(facts.first_at.date(), end.date())
    over = {monday: day_start(monday + timedelta(days=7), zone) for monday in weeks}
    mondays = [monday for monday in weeks if over[monday] <= end][-_WEEKS:]
    if not mondays:
        return None
    days = 7 if period == "week" else 1
    begins = [monday + timedelta(days=day) for monday in mondays for day in range(0, 7, days)]
    still_open = [day for day in begins if day_start(day + timedelta(days=days), zone) + window > end]
    first, last = day_start(mondays[0], zone), over[mondays[-1]]
    asked = {
        column: partial(
            stage_funnel,
            goal=goal,
            window=window,
            by=column or (),
            start=first,
            end=last,
            period=period,
            with_open=True,
            timezone=zone,
            columns=_COLUMNS,
        )
        for column in (None, *settings.segments)
    }
    found = yield asked
    frames = (
        _conversion_of(found[column].with_columns(week=pl.col("period").dt.date()), column, settings)
        for column in asked
    )
    return pl.concat(frames).with_columns(is_open=pl.col("week").is_in(still_open))


def step_conversion(counts: pl.DataFrame | None, settings: ReportSettings) -> pl.DataFrame | None:
    """Step conversion by week in which journeys begin, for all journeys and for every group; of `step_counts`."""
    if counts is None:
        return None
    of_all = pl.col("dimension").is_null()
    weekly = [judged(counts.filter(of_all), settings.k, settings.least)]
    if settings.segments:
        spread = judged(counts.filter(~of_all), settings.k, settings.least, SPREADS_OF_GROUPS)
        weekly.append(spread.filter(pl.col("segment") != NO_VALUE))
    return pl.concat(weekly)


def judged(counts: pl.DataFrame, k: int, min_customers: int, spreads: float = SPREADS) -> pl.DataFrame:
    """Weekly conversion with its expected range, safe to publish (`reports.privacy.trends.SCHEMA`).

    A week that is withheld, of few customers or open is not unusual, and no later week is judged by it.
    """
    ranges = unusual_periods(
        weekly_shares(counts, k, min_customers).with_columns(
            period="week", n=pl.col("previous") / pl.col("effect"), settled=pl.col("state") == SHOWN
        ),
        SERIES,
        spreads=spreads,
        periods_before=WEEKS_BEFORE,
        min_periods=MIN_WEEKS,
    )
    return publishable_weeks(ranges)


def _conversion_of(counts: pl.DataFrame, column: str | None, settings: ReportSettings) -> pl.DataFrame:
    """Counts by period and step, including journeys whose window is not over.

    Journeys without a value form a group too, as the other groups would reveal them.
    """
    rows = counts.filter(pl.col("is_total") if column is None else ~pl.col("is_total"))
    return rows.select(
        *("week", "step", "name", "reached", "customers_lost"),
        dimension=pl.lit(None if column is None else settings.name_of(column), pl.String),
        segment=pl.lit(None, pl.String) if column is None else told_apart(pl.col(column)).fill_null(NO_VALUE),
        previous=pl.col("reached").shift(1),
        customers=pl.col("customers").shift(1),
        customers_reached="customers",
        effective="effective_previous",
    ).filter(pl.col("step") > 1)
