"""Cards of the targets of journeys: on the Summary whether they are met, on Change their cohorts and what moved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from reports.charts.stages.targets import narrow_target_rows, paper_target_rows, target_rows
from reports.charts.theme import specification
from reports.pages.cards import Part
from reports.questions.answers import Answers, Targets
from reports.settings import ReportSettings
from reports.words import targets as words

_SAME: Final = 1e-9
_KEYS: Final = ("journey", "hash", "measure", "period", "direction", "cohort")
_DAYS: Final = ("cohort", "cohort_end", "cohort_before", "before", "after")
JUDGED: Final = (
    "Met: the whole 95 % interval is on the right side of the target; missed: on the wrong one; not clear: it holds "
    "the target; too early: fewer customers than a rate needs. A cohort is the journeys that begin in one period; it "
    "is over once every one of them has been seen for the time of its goal. On course: a line through the last six "
    "cohorts that are over (weighted least squares) reaches the target by its date within its 95 % band. "
)


def targets_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """Whether the targets of the journeys are met; null without journeys."""
    found = answers.targets
    if found is None or found.targets.is_empty():
        return None
    frame = found.targets
    return Part(
        id="targets",
        title=words.targets_headline(frame),
        subtitle="Each target is judged by its newest cohort that is over. Dot: value with its 95 % interval; ring: "
        "the cohort before; tick: target.",
        method=JUDGED + hidden(settings),
        frame=with_days(frame),
        table=words.targets_table(frame),
    ).drawn(
        lambda: specification(target_rows(frame, found.cohorts)),
        lambda: specification(narrow_target_rows(frame)),
        lambda: specification(paper_target_rows(frame, found.cohorts)),
    )


def cohorts_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """Every cohort of every target, with what the last report said of it; null without journeys."""
    found = answers.targets
    if found is None or found.cohorts.is_empty():
        return None
    frame = with_restated(found, answers.last_report)
    restated = frame["restated_from"].count()
    return Part(
        id="target-cohorts",
        title="The targets of the journeys, cohort by cohort"
        if not restated
        else f"{restated} {'cohort was' if restated == 1 else 'cohorts were'} restated since the last report",
        subtitle="Journeys by when they begin, the newest first. Open: not every journey has had its time.",
        method=JUDGED + hidden(settings),
        frame=with_days(frame),
        table=words.cohorts_table(frame),
    )


def causes_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """What moved in the journeys; null where nothing moved beyond its interval."""
    found = answers.targets
    if found is None or found.causes.is_empty():
        return None
    frame = found.causes
    return Part(
        id="target-causes",
        title=words.causes_headline(frame),
        subtitle="The newest cohort that is over against the one before: the change of the goal rate, and what adds "
        "most to it, each beyond its 95 % interval.",
        method="Mix: a group's share of the journeys changed; rate: its own goal rate did; at a stage: the share that "
        "went on. Parts of one breakdown add up to the change. Intervals: replicates of customers. Shares of groups "
        f"are rounded, so that no step is of fewer than {settings.k} customers; rows of fewer than {settings.least} "
        "customers are left out.",
        frame=with_days(words.causes_frame(frame, settings.segment_names)),
        table=words.causes_table(frame, settings.segment_names, found.goals),
    )


def noted_card(answers: Answers) -> Part | None:
    """What differs after changes that were made to the journeys; null where none is noted."""
    found = answers.targets
    if found is None or found.changes.is_empty():
        return None
    frame = found.changes
    return Part(
        id="target-changes",
        title="What differs after changes of the journeys",
        subtitle="The last cohort before a change against the first after it: after it, which is not because of it.",
        method="Intervals: by square-and-add of those of both cohorts. Clear: the interval leaves out zero.",
        frame=with_days(frame),
        table=words.noted_table(frame),
    )


def hidden(settings: ReportSettings) -> str:
    """What is not shown of a cohort."""
    return (
        f"No value of fewer than {settings.least} customers; a cohort of 1 to {settings.k - 1} customers, or in which "
        "so few did or did not, is withheld."
    )


def with_days(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with the days of its cohorts, which begin at midnight in the zone of the report."""
    times = [name for name in _DAYS if isinstance(frame.schema.get(name), pl.Datetime)]
    return frame.with_columns(pl.col(name).dt.date() for name in times)


def with_restated(found: Targets, last_report: Mapping[str, Any] | None) -> pl.DataFrame:
    """The cohorts, the newest first, with the value that the last report said, where it was another one."""
    series = found.cohorts.partition_by("journey", "measure", "direction", "period", maintain_order=True)
    rows = pl.concat([each.reverse() for each in series])
    told = _told(last_report)
    before = []
    for row in rows.iter_rows(named=True):
        key = tuple(row[name].date().isoformat() if name == "cohort" else row[name] for name in _KEYS)
        then, now, is_over = told.get(key), row["value"], row["status"] != "open"
        differs = is_over and then is not None and now is not None and not math.isclose(then, now, rel_tol=_SAME)
        before.append(then if differs else None)
    return rows.with_columns(pl.Series("restated_from", before, pl.Float64))


def _told(last_report: Mapping[str, Any] | None) -> dict[tuple[Any, ...], float | None]:
    """The values of cohorts that were over, as the last report published them."""
    parts = [part for page in (last_report or {}).get("pages", ()) for part in page["parts"]]
    frame = next((part["frame"] for part in parts if part["id"] == "target-cohorts"), None)
    if frame is None or not set(_KEYS) <= set(frame):
        return {}
    rows = zip(*(frame[name] for name in (*_KEYS, "value", "status")), strict=True)
    return {tuple(key): value for *key, value, status in rows if status != "open"}
