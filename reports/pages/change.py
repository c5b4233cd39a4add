"""The Change page: what has become unusual, since when, and for whom?"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from reports.charts.canvas import NARROW, PAPER
from reports.charts.theme import specification
from reports.charts.time.incident import AROUND, incident_days
from reports.charts.time.marks import release_days
from reports.charts.time.trend import trend_strips
from reports.pages import targets
from reports.pages.cards import Page, Part
from reports.questions.answers import Answers
from reports.questions.definitions import changed_definitions
from reports.settings import ReportSettings
from reports.words import differences, headlines, since, tables
from reports.words import incidents as words
from reports.words.numbers import length, moment
from reports.words.value_cards import newest_period

MIN_DAYS: Final = 7


def change_page(answers: Answers, settings: ReportSettings) -> Page | None:
    """The incidents, all journeys week by week, the newest period against the one before, and cohorts of targets."""
    cards = (
        incident_card(answers),
        weeks_card(answers, settings),
        releases_card(answers),
        alerts_card(answers),
        changes_card(answers, settings),
        since_card(answers, settings),
        restated_card(answers, settings),
        targets.causes_card(answers, settings),
        targets.noted_card(answers),
        targets.cohorts_card(answers, settings),
    )
    parts = tuple(card for card in cards if card is not None)
    if not parts:
        return None
    costly = [] if answers.incidents is None else answers.incidents.costly.to_dicts()
    return Page(
        slug="change",
        name="Change",
        title=words.incident_headline(costly[0]) if costly else "How conversion moves",
        lede="What has become unusual, unasked: for whom, on which days, and what it costs.",
        parts=parts,
    )


def incident_card(answers: Answers) -> Part | None:
    """The incident that costs most, day by day beside all others; null without one of a share."""
    found = answers.incidents
    if found is None or found.costly.is_empty() or found.days["share"].drop_nulls().len() < MIN_DAYS:
        return None
    row = found.costly.row(0, named=True)
    rose = words.told(found).filter(pl.col("alert") == row["alert"])["rose_with"][0]
    frame, marks = found.days, answers.releases
    days = frame.filter(pl.col("day").is_between(row["first"] - AROUND, row["last"] + AROUND))["day"]
    return Part(
        id="incident",
        title=words.incident_headline(row),
        subtitle=f"{words.sentence(row)}. {rose}{'. ' if rose else ''}Shaded: the days of the incident."
        f"{_marks_note(marks, days)}",
        method="Line: share by day, in steps that cover as many journeys as a published count needs. Band: 95 % of "
        "what its past leads to expect, by weekday. Second line, where most days have it: all others. A day on which "
        "few journeys went on, or few did not, is left out.",
        frame=frame,
        table=tables.incident_days_table(frame),
    ).drawn(
        lambda: specification(incident_days(frame, row, releases=marks)),
        lambda: specification(incident_days(frame, row, NARROW, marks)),
        lambda: specification(incident_days(frame, row, PAPER, marks)),
    )


def alerts_card(answers: Answers) -> Part | None:
    """All alerts of the report's days; null where there is none."""
    if answers.incidents is None or answers.incidents.alerts.is_empty():
        return None
    frame = words.told(answers.incidents)
    return Part(
        id="alerts",
        title=words.log_headline(frame),
        subtitle="Everything that the watch has found in the days of this report, the newest first, one alert per "
        "incident. An alert closes by itself.",
        method="Watched by day: pairs of touchpoints, stages, the goal, touches, errors, slow "
        "pages and low answers, in all and by group, once a day is over and has arrived. All tests of a day are "
        "corrected together (Benjamini–Hochberg, 1 %). Counts are in tens."
        + words.not_by(answers.incidents.unwatched)
        + words.few_cases(answers.incidents.too_few),
        frame=frame,
        table=tables.incidents_table(frame),
    )


def weeks_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """Going on from stage to stage, week by week."""
    frame, marks = answers.weeks, answers.releases
    if frame is None or frame["share"].drop_nulls().is_empty():
        return None
    return Part(
        id="trend",
        title=headlines.trend_headline(frame),
        subtitle=f"All journeys by the week in which they begin, within {length(settings.trend_window)}. ◆ week with a "
        f"day of an alert. ○ open week, whose journeys are still within their window."
        f"{_marks_note(marks, frame['week'])}",
        method="Band: 95 % interval of the week's share (Wilson, judged by customers). Alerts are those of the watch.",
        frame=frame,
        table=tables.weeks_table(frame),
    ).drawn(
        lambda: specification(trend_strips(frame, releases=marks)),
        lambda: specification(trend_strips(frame, NARROW, marks)),
        lambda: specification(trend_strips(frame, PAPER, marks)),
    )


def _marks_note(releases: pl.DataFrame | None, days: pl.Series) -> str:
    """What the dashed lines are; empty where a chart of these days, or weeks, has none."""
    first, last = days.min(), days.max()
    if not isinstance(first, date) or not isinstance(last, date):
        return ""
    week = timedelta(days=6) if days.name == "week" else timedelta(0)
    return " ▽ release." if release_days(releases, first, last + week) else ""


def releases_card(answers: Answers) -> Part | None:
    """What was released in the days of the report; null where nothing was."""
    frame = answers.releases
    if frame is None:
        return None
    return Part(
        id="releases",
        title=f"{frame.height} {'release' if frame.height == 1 else 'releases'} in the days of this report",
        subtitle="Marked ▽ on the charts over time. A release beside a change is no proof of a cause.",
        method="A version is released on the day of its first touch; one that was there in the first seven days of its "
        "column is not shown, nor one of fewer customers than a published count needs. Others are noted in "
        "journeys.toml.",
        frame=frame,
        table=tables.releases_table(frame),
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


def restated_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """Numbers of periods that were over that a later report told otherwise; null where there are none."""
    frame = answers.restated
    if frame is None:
        return None
    return Part(
        id="restated",
        title=differences.restated_headline(frame),
        subtitle="Numbers of weeks that were over and had arrived, and that a later report told otherwise by more than "
        f"0.5 %. Counts and causes are in steps of {settings.k}.",
        method="A week is over once its journeys had their time to the goal and its slowest channel has arrived. The "
        "causes of a difference add up to it. Causes of fewer customers than a published count needs are together.",
        frame=frame.with_columns(pl.col("at").dt.convert_time_zone(settings.timezone).dt.date()),
        table=differences.restated_table(frame, settings.zone),
    )
