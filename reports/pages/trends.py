"""The Trends page: has conversion moved, and for which customers?"""

from __future__ import annotations

import polars as pl

from reports.charts.canvas import NARROW
from reports.charts.theme import specification
from reports.charts.time.trend import trend_strips
from reports.pages.cards import Page, Part
from reports.privacy.trends import MIN_WEEKS, SPREADS, SPREADS_OF_GROUPS, WEEKS_BEFORE, unusual_runs
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words import headlines, tables
from reports.words.numbers import length, quoted


def trends_page(answers: Answers, settings: ReportSettings) -> Page | None:
    """All customers week by week, then the group that stands out most."""
    frame = answers.weeks
    if frame is None or frame.filter(pl.col("dimension").is_null())["share"].drop_nulls().is_empty():
        return None
    parts = [_strips("trend", frame.filter(pl.col("dimension").is_null()), settings)]
    groups = unusual_runs(frame.filter(pl.col("dimension").is_not_null()))
    if groups:
        group = groups[0]
        rows = frame.filter((pl.col("dimension") == group["dimension"]) & (pl.col("segment") == group["segment"]))
        parts.append(_strips("trend-group", rows, settings, f"{group['dimension']} {quoted(group['segment'])}: "))
    return Page(
        slug="trends",
        name="Trends",
        title=headlines.trends_headline(frame),
        lede="Step-to-step conversion by the week in which customers entered, with unusual weeks marked.",
        parts=tuple(parts),
    )


def _strips(name: str, frame: pl.DataFrame, settings: ReportSettings, prefix: str = "") -> Part:
    spreads = SPREADS_OF_GROUPS if prefix else SPREADS
    return Part(
        id=name,
        title=headlines.trend_headline(frame, prefix),
        subtitle=f"{'Customers of this group' if prefix else 'All customers'} by week of entry, with a window of "
        f"{length(settings.trend_window)}. Band: range expected from up to {WEEKS_BEFORE} ordinary "
        f"weeks before, at least {MIN_WEEKS} (median ± {spreads:g} robust standard errors). ◆ unusual week. "
        "○ open week, whose customers are still within their window; not compared.",
        frame=frame,
        table=tables.weeks_table(frame),
    ).drawn(lambda: specification(trend_strips(frame)), lambda: specification(trend_strips(frame, NARROW)))
