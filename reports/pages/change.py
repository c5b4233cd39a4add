"""The Change page: has conversion moved, since when, and for whom?"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from reports.charts.canvas import NARROW, PAPER
from reports.charts.theme import specification
from reports.charts.time.trend import trend_strips
from reports.pages.cards import Page, Part
from reports.privacy.trends import MIN_WEEKS, SPREADS, SPREADS_OF_GROUPS, WEEKS_BEFORE, unusual_runs
from reports.questions.answers import Answers
from reports.questions.definitions import changed_definitions
from reports.settings import ReportSettings
from reports.words import headlines, since, tables
from reports.words.numbers import length, moment, quoted
from reports.words.value_cards import newest_period


def change_page(answers: Answers, settings: ReportSettings) -> Page | None:
    """All journeys week by week, the group that stands out most, and the newest period against the one before."""
    frame, parts = answers.weeks, []
    is_known = frame is not None and frame.filter(pl.col("dimension").is_null())["share"].drop_nulls().len() > 0
    if frame is not None and is_known:
        parts.append(_strips("trend", frame.filter(pl.col("dimension").is_null()), settings))
        groups = unusual_runs(frame.filter(pl.col("dimension").is_not_null()))
        if groups:
            group = groups[0]
            rows = frame.filter((pl.col("dimension") == group["dimension"]) & (pl.col("segment") == group["segment"]))
            parts.append(_strips("trend-group", rows, settings, f"{group['dimension']} {quoted(group['segment'])}: "))
    changes = changes_card(answers, settings)
    if changes is not None:
        parts.append(changes)
    since_last = since_card(answers, settings)
    if since_last is not None:
        parts.append(since_last)
    if not parts:
        return None
    return Page(
        slug="change",
        name="Change",
        title=headlines.trends_headline(frame) if frame is not None and is_known else parts[0].title,
        lede="How journeys go on from stage to stage, by the week in which they begin, with unusual weeks marked.",
        parts=tuple(parts),
    )


def changes_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """The newest period against the one before, as a table, or null where there are not enough journeys."""
    frame = answers.changes
    if frame is None or frame.is_empty():
        return None
    return Part(
        id="changes",
        title=headlines.changes_headline(frame),
        subtitle=f"Journeys begun {newest_period(answers, settings)} against the {length(settings.compare)} before, "
        f"each "
        f"with {length(answers.window)} to reach the goal.",
        method="Intervals of the differences: Newcombe, 95 %, judged by customers. Clear: the interval leaves out "
        "zero.",
        frame=frame,
        table=tables.changes_table(frame),
    )


def since_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """Every measure beside that of the last report, or the definitions that changed; null without an earlier report."""
    before = answers.last_report
    if before is None:
        return None
    at = moment(datetime.fromisoformat(before["built_at"]).astimezone(settings.zone))
    now = {
        "definition": answers.origin.definition,
        "versions": answers.origin.versions,
        "end_of_data": answers.facts.end_of_data.isoformat(),
        "measures": since.measures_of(answers),
        "counts": answers.counts,
    }
    frame = since.since(now, before)
    if frame is None:
        changed = changed_definitions(now, before)
        return Part(
            id="since",
            title="The last report counts by another definition",
            subtitle=f"Since the report of {at}. {since.not_compared(changed)}",
            frame=pl.DataFrame({"definition": changed or ["all"]}),
            table=tables.Table(("Definition that changed",), tuple((name,) for name in changed or ["all"])),
        )
    if frame.is_empty():
        return None
    return Part(
        id="since",
        title=since.since_headline(frame),
        subtitle=f"This report beside that of {at}, by the same definitions. Cause period: the data end later; late "
        "data: weeks that were over have other counts; customers: identities were joined or parted.",
        method="Intervals: as if the two reports had no journeys in common, so too wide rather than too narrow "
        f"(Newcombe, 95 %). Counts change in steps of {settings.k} from report to report.",
        frame=frame,
        table=since.since_table(frame),
    )


def _strips(name: str, frame: pl.DataFrame, settings: ReportSettings, prefix: str = "") -> Part:
    spreads = SPREADS_OF_GROUPS if prefix else SPREADS
    return Part(
        id=name,
        title=headlines.trend_headline(frame, prefix),
        subtitle=f"{'Journeys of this group' if prefix else 'All journeys'} by the week in which they begin, within "
        f"{length(settings.trend_window)}. ◆ unusual week. ○ open week, whose journeys are still within their window.",
        method=f"Band: range expected from up to {WEEKS_BEFORE} ordinary weeks before, at least {MIN_WEEKS} (median ± "
        f"{spreads:g} robust standard errors). Open weeks are not compared.",
        frame=frame,
        table=tables.weeks_table(frame),
    ).drawn(
        lambda: specification(trend_strips(frame)),
        lambda: specification(trend_strips(frame, NARROW)),
        lambda: specification(trend_strips(frame, PAPER)),
    )
