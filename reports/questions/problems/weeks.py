"""How does step conversion move from week to week?"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

import polars as pl

from analytics import Asking, Goal, day_start, duration, stage_funnel, wilson
from reports.privacy.trends import publishable_weeks, weekly_shares, weeks_between
from reports.questions.answers import Facts
from reports.settings import ReportSettings

_WEEKS: Final = 26
_COLUMNS: Final = ("name", "reached", "customers", "customers_lost", "effective_previous")


def step_counts(settings: ReportSettings, facts: Facts, goal: Goal) -> Asking[pl.DataFrame | None]:
    """How many journeys go on from step to step, by the week in which they begin.

    Whole counts, not for the public: `step`, `name`, `week` (its Monday), `previous`, `reached` (journeys, including
    those whose window is not over), `customers`, `customers_reached`, `customers_lost` (distinct: of `previous`, of
    `reached`, of the others), `effective` (as many independent journeys as the previous ones are worth), `is_open`.
    Null where there is no whole week.
    """
    window, zone, end = duration(settings.trend_window), settings.timezone, facts.end_of_data
    weeks = weeks_between(facts.first_at.date(), end.date())
    over = {monday: day_start(monday + timedelta(days=7), zone) for monday in weeks}
    mondays = [monday for monday in weeks if over[monday] <= end][-_WEEKS:]
    if not mondays:
        return None
    still_open = [monday for monday in mondays if over[monday] + window > end]
    asked = partial(
        stage_funnel,
        goal=goal,
        window=window,
        start=day_start(mondays[0], zone),
        end=over[mondays[-1]],
        period="week",
        with_open=True,
        timezone=zone,
        columns=_COLUMNS,
    )
    found = yield {None: asked}
    rows = found[None].filter("is_total").with_columns(week=pl.col("period").dt.date())
    counts = rows.select(
        *("week", "step", "name", "reached", "customers_lost"),
        previous=pl.col("reached").shift(1),
        customers=pl.col("customers").shift(1),
        customers_reached="customers",
        effective="effective_previous",
        is_open=pl.col("week").is_in(still_open),
    )
    return counts.filter(pl.col("step") > 1)


def step_conversion(counts: pl.DataFrame | None, settings: ReportSettings) -> pl.DataFrame | None:
    """Step conversion of all journeys by week in which they begin, safe to publish; of `step_counts`."""
    return None if counts is None else with_intervals(counts, settings.k, settings.least)


def with_intervals(counts: pl.DataFrame, k: int, min_customers: int) -> pl.DataFrame:
    """Weekly conversion with its 95 % interval, safe to publish (`reports.privacy.trends.SCHEMA`)."""
    shares = weekly_shares(counts, k, min_customers)
    worth = (shares["previous"] / shares["effect"]).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    ends = wilson(shares["share"].fill_null(float("nan")).to_numpy() * worth, worth)
    return publishable_weeks(
        shares.with_columns(
            pl.Series("low", ends.low, nan_to_null=True),
            pl.Series("high", ends.high, nan_to_null=True),
            unusual=pl.lit(False),
        )
    )
