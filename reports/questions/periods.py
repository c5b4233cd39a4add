"""What has changed between the two newest periods: step conversion, time to the goal, satisfaction?

Both periods have the length `[report] compare`. For customers and journeys they are the newest whose conversion window
is over; for survey answers, which need no window, the second period ends with the data.
"""

from __future__ import annotations

from datetime import timedelta
from math import hypot

import polars as pl

from analytics import Funnel, Paths, duration, step_changes, time_to_goal, voice
from reports.privacy import stages
from reports.privacy.rules import small
from reports.questions.answers import Facts, Shift
from reports.settings import ReportSettings


def period_changes(paths: Paths, definition: Funnel, settings: ReportSettings, facts: Facts) -> pl.DataFrame | None:
    """Step conversion of the newest period whose entrants have completed their window, against the one before."""
    length, end = duration(settings.compare), facts.end_of_data - definition.window
    if not length or end - 2 * length < facts.first_at:
        return None
    starts = (end - 2 * length, end - length)
    earlier, later = ((start, start + length) for start in starts)
    steps = step_changes(paths, definition, earlier, later)
    if steps.select(pl.min_horizontal("earlier_entered", "later_entered")).item(0, 0) < settings.least:
        return None
    published = steps.select("step", "name", "earlier_entered", "later_entered")
    for of in ("entered", "previous"):
        thin = pl.min_horizontal(f"earlier_{of}", f"later_{of}") < settings.least
        published = published.with_columns(
            steps.select(
                pl.when(~thin).then(f"{of}_difference{side}").alias(f"{of}{side or '_difference'}")
                for side in ("", "_low", "_high")
            )
        )
    return stages.publishable_changes(published, steps, settings.k)


def pace_shift(paths: Paths, settings: ReportSettings, facts: Facts) -> Shift | None:
    """The change of the median time to the goal, in days, over journeys by their start that reached it in the window.

    The interval combines those of the two medians as Newcombe's method combines those of two shares.
    """
    length, end = duration(settings.compare), facts.end_of_data - duration(settings.window)
    if end - 2 * length < facts.first_at:
        return None
    medians = []
    for start in (end - 2 * length, end - length):
        row = time_to_goal(paths, start=start, end=start + length, within=settings.window).row(0, named=True)
        if row["reached"] < settings.least or row["customers"] < settings.k or row["median_time_low"] is None:
            return None
        medians.append([row[f"median_time{of}"] / timedelta(days=1) for of in ("", "_low", "_high")])
    (then, then_low, then_high), (now, now_low, now_high) = medians
    low, high = hypot(now - now_low, then_high - then), hypot(now_high - now, then - then_low)
    return Shift(now - then, now - then - low, now - then + high)


def voice_shifts(paths: Paths, settings: ReportSettings, facts: Facts) -> dict[str, Shift]:
    """The change of the share of satisfied answers (CSAT) by stage, where both periods have enough of them.

    Its interval is Newcombe's, of the intervals of both shares, which are judged by customers.
    """
    length = duration(settings.compare)
    if facts.end_of_data - 2 * length < facts.first_at:
        return {}
    middle = facts.end_of_data - length
    earlier, later = (
        voice(paths, start=start, end=end).filter(~pl.col("is_total"), pl.col("stage").is_not_null())
        for start, end in ((middle - length, middle), (middle, None))
    )
    shifts = {}
    for row in later.join(earlier, on="stage", suffix="_before").sort("stage").iter_rows(named=True):
        pair = [(row[f"satisfied{of}"], row[f"csat_n{of}"]) for of in ("", "_before")]
        if all(n >= settings.least and not small(x, settings.k) and not small(n - x, settings.k) for x, n in pair):
            now, then = row["csat"], row["csat_before"]
            down = hypot(now - row["csat_low"], row["csat_high_before"] - then)
            up = hypot(row["csat_high"] - now, then - row["csat_low_before"])
            shifts[row["stage"]] = Shift(now - then, now - then - down, now - then + up)
    return shifts
