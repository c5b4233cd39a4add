"""What has changed between the two newest periods: step conversion, time to the goal, satisfaction?

Both periods have the length `[report] compare`. For customers and journeys they are the newest whose conversion window
is over; for survey answers, which need no window, the second period ends with the data.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from functools import partial
from typing import Any

import polars as pl

from analytics import Asking, Goal, Paths, compare, duration, stage_funnel, time_to_goal, voice
from reports.privacy import stages
from reports.questions.answers import Facts, Shift
from reports.questions.intervals import difference
from reports.settings import ReportSettings


def period_changes(
    window: timedelta, settings: ReportSettings, facts: Facts, goal: Goal
) -> Asking[pl.DataFrame | None]:
    """Step conversion of the journeys of the newest period whose window is over, against the period before.

    One row per step: `step`, `name`; `earlier_entered`, `later_entered` Int64; `entered_difference`,
    `previous_difference` Float64 (of the share of all that entered, and of those that reached the step before), each
    with its interval by customers, `_low`, `_high`.
    """
    length, end = duration(settings.compare), facts.end_of_data.astimezone(UTC) - window
    if not length or end - 2 * length < facts.first_at:
        return None
    middle = end - length
    asked: dict[str, Any] = {"window": window, "start": end - 2 * length, "end": end}
    counted = partial(
        stage_funnel, goal=goal, window=window, columns=("name", "entered", "customers", "customers_lost")
    )
    found = yield {
        **{start: partial(counted, start=start, end=start + length) for start in (middle - length, middle)},
        **{
            of: partial(compare, analysis=stage_funnel, group=pl.col("at") >= middle, share_of=of, **asked)
            for of in _SHARES
        },
    }
    sides = [found[middle - length], found[middle]]
    if min(side["entered"][0] for side in sides) < settings.least:
        return None
    earlier, later = (
        side.select("step", pl.col("entered").alias(f"{name}_entered"), *_counts(name))
        for name, side in zip(("earlier", "later"), sides, strict=True)
    )
    names = sides[1].select("step", "name")
    table = names.join(earlier, on="step").join(later, on="step")
    for of in _SHARES:
        table = table.join(
            found[of].select(
                "step", *(pl.col(f"difference{end}").alias(f"{of}{end or '_difference'}") for end in _ENDS)
            ),
            on="step",
            how="left",
        )
    counts = table.select(pl.exclude("step", "name"))
    shown = table.select("step", "name", "earlier_entered", "later_entered", *_differences())
    return stages.publishable_changes(shown, counts, settings.k, settings.least)


_ENDS = ("", "_low", "_high")
_SHARES = ("entered", "previous")
_ANSWERED = ("customers_csat", "customers_satisfied", "customers_dissatisfied")


def _counts(name: str) -> list[pl.Expr]:
    """The customers behind a share, who reached a step and who did not."""
    return [pl.col("customers").alias(f"{name}_customers"), pl.col("customers_lost").alias(f"{name}_lost")]


def _differences() -> list[str]:
    return [f"{of}{end or '_difference'}" for of in _SHARES for end in _ENDS]


def pace_shift(paths: Paths, window: timedelta, settings: ReportSettings, facts: Facts) -> Shift | None:
    """The change of the median time to the goal, in days, over journeys by their start that reached it in the window.

    Its interval is that of both medians (`analytics.difference_interval`).
    """
    length, end = duration(settings.compare), facts.end_of_data.astimezone(UTC) - window
    if end - 2 * length < facts.first_at:
        return None
    medians = []
    for start in (end - 2 * length, end - length):
        row = time_to_goal(paths, start=start, end=start + length, window=window).row(0, named=True)
        if row["reached"] < settings.least or row["customers"] < settings.k or row["median_time_low"] is None:
            return None
        median, low, high = (row[f"median_time{of}"] / timedelta(days=1) for of in ("", "_low", "_high"))
        medians.append((median, low, high))
    then, now = medians
    return Shift(*difference(now, then))


def voice_shifts(paths: Paths, settings: ReportSettings, facts: Facts) -> dict[str, Shift]:
    """The change of the share of satisfied answers (CSAT) by stage, where both periods have enough of them.

    Its interval is Newcombe's, of the intervals of both shares, which are judged by customers.
    """
    length, end_of_data = duration(settings.compare), facts.end_of_data.astimezone(UTC)
    if end_of_data - 2 * length < facts.first_at:
        return {}
    middle = end_of_data - length
    earlier, later = (
        voice(paths, start=start, end=end).filter(~pl.col("is_total"), pl.col("stage").is_not_null())
        for start, end in ((middle - length, middle), (middle, None))
    )
    shifts = {}
    for row in later.join(earlier, on="stage", suffix="_before").sort("stage").iter_rows(named=True):
        pair = [{name: row[f"{name}{of}"] for name in _ANSWERED} for of in ("", "_before")]
        if all(stages.is_publishable_satisfaction(side, settings.k, settings.least) for side in pair):
            now, then = ((row[f"csat{of}"], row[f"csat_low{of}"], row[f"csat_high{of}"]) for of in ("", "_before"))
            shifts[row["stage"]] = Shift(*difference(now, then))
    return shifts
