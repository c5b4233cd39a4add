"""What has changed from one period to the next, step by step, with its interval?"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from analytics import Paths, duration
from analytics.statistics import newcombe
from reports import groups, published
from reports.answers import Facts
from reports.entrants import Asked, counted, entrants
from reports.settings import ReportSettings


def changes(paths: Paths, asked: Asked, settings: ReportSettings, facts: Facts) -> pl.DataFrame | None:
    """The newest period whose entrants have used up their window against the one before, step by step."""
    length, end = duration(settings.compare), facts.end_of_data - duration(settings.window)
    if end - 2 * length < facts.first_at:
        return None
    earlier = _counts(paths, asked, end - 2 * length, end - length)
    later = _counts(paths, asked, end - length, end)
    if min(earlier["entered"][0], later["entered"][0]) < settings.least:
        return None
    both = earlier.join(later, on=["step", "name"], suffix="_later")
    out = {name: both[name] for name in ("step", "name")}
    out |= {"earlier_entered": both["entered"], "later_entered": both["entered_later"]}
    for of in ("entered", "previous"):
        counts = [both[name] for name in ("reached_later", f"{of}_later", "reached", of)]
        thin = (both[of] < settings.least) | (both[f"{of}_later"] < settings.least) | (both["step"] == 1)
        k2, n2, k1, n1 = (series.cast(pl.Float64).set(thin, None) for series in counts)
        ends = newcombe(groups.floats(k2), groups.floats(n2), groups.floats(k1), groups.floats(n1))
        out |= {f"{of}_difference": k2 / n2 - k1 / n1}
        out |= {f"{of}_{side}": pl.Series(getattr(ends, side)).fill_nan(None) for side in ("low", "high")}
    return published.changes(pl.DataFrame(out), both, settings.k)


def _counts(paths: Paths, asked: Asked, start: datetime, end: datetime) -> pl.DataFrame:
    counts = counted(entrants(paths, asked, start, end))
    return counts.select("step", "name", "entered", "reached", previous=pl.col("reached").shift(1))
