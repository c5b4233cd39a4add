"""What was released in the days of the report?"""

from __future__ import annotations

import polars as pl

from analytics import Paths, ReleaseSettings, release_marks
from reports.privacy.trends import publishable_releases
from reports.questions.answers import Facts
from reports.settings import ReportSettings


def releases_of(paths: Paths, asked: ReleaseSettings, settings: ReportSettings, facts: Facts) -> pl.DataFrame | None:
    """The first day of every version, and what was noted, safe to publish; null where there is none.

    Only those count that lie in the days of the report, and in its data.
    """
    marks = release_marks(paths, asked.columns, asked.marks, timezone=settings.timezone)
    first, last = facts.first_at.date(), facts.end_of_data.date()
    days = (max(first, settings.first_day or first), min(last, settings.last_day or last))
    found = publishable_releases(marks, settings.k, settings.zone, settings.name_of).filter(
        pl.col("day").is_between(*days)
    )
    return None if found.is_empty() else found
