"""What changed, unasked: the alerts of the watch, as Summary, Change and `journeys watch` show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final, Literal

import polars as pl

from analytics import Paths, Watch, WatchRun, watch
from reports.privacy.watches import INCIDENTS, Incidents, published_alerts, published_days, published_rises
from reports.settings import ReportSettings

GROUPS: Final = ("channel", "device")
"""Watched besides the breakdowns of the report."""


def watched(
    paths: Paths,
    settings: ReportSettings,
    horizon: timedelta,
    lateness: Mapping[str, timedelta] | None = None,
    watches: Sequence[Watch] = (),
    *,
    period: Literal["day", "week"] = "day",
) -> WatchRun:
    """What watching finds without configuration, and by `watches`: with the report's groups, zone and windows."""
    groups = [name for name in dict.fromkeys((*GROUPS, *settings.segments)) if name in paths.dictionaries]
    return watch(
        paths,
        watches,
        groups=groups,
        period=period,
        timezone=settings.timezone,
        window=settings.trend_window,
        horizon=horizon,
        lateness=lateness,
    )


def incidents_of(found: WatchRun, settings: ReportSettings) -> Incidents:
    """The alerts of the report's days, with what rose with them, and the days of the one that costs most."""
    alerts = published_alerts(found.alerts, settings.k, settings.zone, settings.name_of)
    if settings.first_day is not None:
        alerts = alerts.filter(pl.col("last") >= settings.first_day)
    if settings.last_day is not None:
        alerts = alerts.filter(pl.col("first") <= settings.last_day)
    rises = published_rises(found.rose_with.filter(pl.col("alert").is_in(alerts["alert"].implode())), settings.k)
    unwatched = tuple(map(settings.name_of, found.unwatched))
    shown = Incidents(alerts, rises, unwatched=unwatched, too_few=found.too_few)
    costly = shown.costly
    if costly.is_empty():
        return shown
    return replace(shown, days=published_days(found.days, costly["alert"][0], settings.k, settings.zone))


def steps_of(incidents: Incidents | None, stages: pl.DataFrame) -> pl.DataFrame:
    """The costly incidents with the `step` that is not reached, by its number, `name`, and the stage `before`.

    A pair that begins in a stage keeps journeys from the row behind it; one without a stage from the first such row.
    """
    rows = [] if incidents is None else incidents.costly.filter(rule="unusual").to_dicts()
    names, last = dict(stages.select("name", "step").iter_rows()), stages.height
    for row in rows:
        source = row["stage"] if row["source"] is not None else row["name"].split(" -> ")[0]
        row["step"] = last if row["measure"] == "goal" else min(names.get(source, 1) + 1, last)
    return pl.DataFrame(rows, schema={**INCIDENTS, "step": pl.UInt32}, orient="row")


def marked_weeks(weeks: pl.DataFrame | None, incidents: pl.DataFrame) -> pl.DataFrame | None:
    """The weeks, with those marked as unusual that hold a day of an incident (`steps_of`) at their step."""
    if weeks is None:
        return None
    spans = [(row["step"], row["first"], row["last"]) for row in incidents.iter_rows(named=True)]

    def is_unusual(step: int, week: date) -> bool:
        over = week + timedelta(days=6)
        return any(step == its and first <= over and week <= last for its, first, last in spans)

    marks = [is_unusual(*row) for row in weeks.select("step", "week").iter_rows()]
    return weeks.with_columns(pl.Series("unusual", marks, pl.Boolean) & pl.col("share").is_not_null())
