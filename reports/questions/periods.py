"""What has changed between the two newest periods: step conversion, time to the goal, satisfaction?

Both periods have the length `[report] compare`. For customers and journeys they are the newest whose conversion window
is over; for survey answers, which need no window, the second period ends with the data.
"""

from __future__ import annotations

from math import hypot, isfinite, sqrt

import polars as pl

from analytics import Funnel, Paths, duration, funnel_by_range, median_interval, newcombe, voice
from reports.privacy import stages
from reports.privacy.rules import small
from reports.questions import groups
from reports.questions.answers import Facts, Shift
from reports.settings import ReportSettings


def period_changes(paths: Paths, definition: Funnel, settings: ReportSettings, facts: Facts) -> pl.DataFrame | None:
    """Step conversion of the newest period whose entrants have completed their window, against the one before."""
    length, end = duration(settings.compare), facts.end_of_data - definition.window
    if not length or end - 2 * length < facts.first_at:
        return None
    starts = (end - 2 * length, end - length)
    steps = funnel_by_range(paths, definition, [(start, start + length) for start in starts]).with_columns(
        previous=pl.col("reached").shift(1).over("period", order_by="step")
    )
    earlier, later = (steps.filter(pl.col("period") == start) for start in starts)
    if min(earlier["entered"][0], later["entered"][0]) < settings.least:
        return None
    both = earlier.join(later, on=["step", "name"], suffix="_later")
    columns = {name: both[name] for name in ("step", "name")}
    columns |= {"earlier_entered": both["entered"], "later_entered": both["entered_later"]}
    for of in ("entered", "previous"):
        counts = [both[name] for name in ("reached_later", f"{of}_later", "reached", of)]
        thin = (both[of] < settings.least) | (both[f"{of}_later"] < settings.least) | (both["step"] == 1)
        k2, n2, k1, n1 = (series.cast(pl.Float64).set(thin, None) for series in counts)
        ends = newcombe(groups.floats(k2), groups.floats(n2), groups.floats(k1), groups.floats(n1))
        columns |= {f"{of}_difference": k2 / n2 - k1 / n1}
        columns |= {f"{of}_{side}": pl.Series(getattr(ends, side)).fill_nan(None) for side in ("low", "high")}
    return stages.publishable_changes(pl.DataFrame(columns), both, settings.k)


def pace_shift(journeys: pl.DataFrame, settings: ReportSettings, facts: Facts) -> Shift | None:
    """The change of the median time to the goal, in days, over journeys by their start that reached it in the window.

    The interval combines those of the two medians as Newcombe's method combines those of two shares.
    """
    length, window = duration(settings.compare), duration(settings.window)
    end = facts.end_of_data - window
    if end - 2 * length < facts.first_at:
        return None
    reached = journeys.filter(pl.col("done") & (pl.col("length") <= window))
    medians = []
    for start in (end - 2 * length, end - length):
        begun = reached.filter((pl.col("start") >= start) & (pl.col("start") < start + length))
        if begun.height < settings.least or begun["customer"].n_unique() < settings.k:
            return None
        days = begun["length"].dt.total_microseconds() / 86_400e6
        ends = median_interval(days.to_numpy())
        medians.append((float(days.quantile(0.5, "linear") or 0.0), float(ends.low), float(ends.high)))
    (then, then_low, then_high), (now, now_low, now_high) = medians
    low = now - then - sqrt((now - now_low) ** 2 + (then_high - then) ** 2)
    high = now - then + sqrt((now_high - now) ** 2 + (then - then_low) ** 2)
    return Shift(now - then, low, high) if isfinite(low) and isfinite(high) else None


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
