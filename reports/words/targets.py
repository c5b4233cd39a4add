"""Words for targets of journeys: titles, what each target is, and the tables of their cards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import polars as pl

from reports.words.numbers import MISSING, average, count, day, points, points_interval, quoted, shown_name, wait_shift
from reports.words.products import (
    cohort_words,
    measured,
    measured_interval,
    moved_sentence,
    segment_words,
    target_words,
)
from reports.words.tables import Table

Row = Mapping[str, Any]
MEASURES: Final = {
    "goal_rate": "Goal rate",
    "median_time": "Median time to the goal",
    "conformance": "Fitness to the designed path",
    "csat": "Satisfied (CSAT)",
    "nps": "NPS",
    "ces": "Effort (CES)",
}
PERIODS: Final = {"day": "day", "week": "week", "week_sunday": "week", "month": "month"}
MARKS: Final = {"met": "✓", "missed": "▼", "not clear": "○", "too early": "…", "withheld": "–", "open": "…"}
"""A mark beside every word of status."""


def targets_headline(targets: pl.DataFrame) -> str:
    """The title of the card.

    >>> targets_headline(pl.DataFrame({"status": ["missed", "met", "missed"]}))
    '2 of 3 targets are missed'
    >>> targets_headline(pl.DataFrame({"status": ["met"]})), targets_headline(pl.DataFrame({"status": ["too early"]}))
    ('The only target is met', 'The only target is not judged yet')
    """
    status, many = targets["status"].to_list(), targets.height
    words = {"missed": "missed", "met": "met"}
    for word, text in words.items():
        found = status.count(word)
        if found == many:
            return f"The only target is {text}" if many == 1 else f"All {many} targets are {text}"
        if found:
            return f"{found} of {many} targets {'is' if found == 1 else 'are'} {text}"
    if "not clear" in status:
        return "The only target is not clear" if many == 1 else f"None of {many} targets is clearly met or missed"
    return "The only target is not judged yet" if many == 1 else f"None of {many} targets is judged yet"


def status_words(row: Row) -> str:
    """The status of a target, and its course.

    >>> status_words({"status": "not clear", "on_course": False, "overdue": False})
    'not clear, off course'
    """
    course = {None: "", True: ", on course", False: ", off course"}[row["on_course"]]
    return f"{row['status']}{course}{', overdue' if row['overdue'] else ''}"


def cohort_of(row: Row) -> str:
    """The days of a cohort."""
    return cohort_words(row["cohort"], row["cohort_end"])


def day_of(on: date | None) -> str:
    """A day of the calendar."""
    return MISSING if on is None else day(datetime(on.year, on.month, on.day, tzinfo=UTC))


def targets_table(targets: pl.DataFrame) -> Table:
    """Every target with its last cohort that is over."""
    heads = ("Journey", "Measure", "Owner", "Cohort", "Counted", "Value", "95 % interval", "Cohort before",
             "Target", "By", "Status", "Expected by then", "95 % band")  # fmt: skip
    rows = [
        (
            shown_name(r["journey"]),
            MEASURES[r["measure"]],
            r["owner"],
            cohort_of(r),
            _counted(r),
            _shown(r, r["value"]),
            measured_interval(r["low"], r["high"], r["unit"]),
            measured(r["value_before"], r["unit"]),
            target_words(r["direction"], r["target"], r["unit"]),
            day_of(r["by"]),
            status_words(r),
            measured(r["expected"], r["unit"]),
            measured_interval(r["expected_low"], r["expected_high"], r["unit"]),
        )
        for r in targets.iter_rows(named=True)
    ]
    return Table(heads, tuple(rows), words=(0, 1, 2, 3, 8, 9, 10))


def cohorts_table(cohorts: pl.DataFrame) -> Table:
    """Every cohort of every target, the newest first."""
    heads = ("Journey", "Measure", "Cohort", "Counted", "Value", "95 % interval", "Target", "Status", "Restated from")
    rows = [
        (
            shown_name(r["journey"]),
            MEASURES[r["measure"]],
            cohort_of(r),
            _counted(r),
            _shown(r, r["value"]),
            measured_interval(r["low"], r["high"], r["unit"]),
            target_words(r["direction"], r["target"], r["unit"]),
            r["status"],
            measured(r["restated_from"], r["unit"]),
        )
        for r in cohorts.iter_rows(named=True)
    ]
    return Table(heads, tuple(rows), words=(0, 1, 2, 6, 7))


def _counted(row: Row) -> str:
    """What a value is over."""
    return "withheld" if row["counted"] is None else count(row["counted"])


def _shown(row: Row, value: float | None) -> str:
    """A value, or why there is none."""
    if value is None:
        return "withheld" if row["counted"] is None else "too few" if row["counted"] else MISSING
    return measured(value, row["unit"])


def causes_headline(causes: pl.DataFrame) -> str:
    """The title of what moved: the largest change of a journey.

    >>> causes_headline(pl.DataFrame({"effect": ["rate"], "contribution": [0.1], "journey": ["First"]}))
    'No journey clearly moved as a whole; parts of it did'
    """
    whole = causes.filter(effect="total")
    if whole.is_empty():
        return "No journey clearly moved as a whole; parts of it did"
    first = whole.sort(pl.col("contribution").abs(), descending=True).row(0, named=True)
    word = "fewer" if first["contribution"] < 0 else "more"
    return f"{quoted(first['journey'])}: {word} reach the goal than the cohort before"


def causes_table(causes: pl.DataFrame, names: Mapping[str, str], goals: Mapping[str, str]) -> Table:
    """What moved, a sentence a row."""
    heads = ("Journey", "Cohort", "What moved", "Before", "After", "Adds", "95 % interval")
    rows = [
        (
            shown_name(r["journey"]),
            cohort_of(r),
            moved_sentence(r, names, goals[r["journey"]]),
            measured(r["before"], "share"),
            measured(r["after"], "share"),
            points(r["contribution"]),
            points_interval(r["contribution_low"], r["contribution_high"]),
        )
        for r in causes.iter_rows(named=True)
    ]
    return Table(heads, tuple(rows), words=(0, 1, 2))


def causes_frame(causes: pl.DataFrame, names: Mapping[str, str]) -> pl.DataFrame:
    """What moved with the segment as text, for the files."""
    of = [segment_words(row, names) or None for row in causes.iter_rows(named=True)]
    return causes.select(
        "journey",
        "cohort",
        "cohort_end",
        "cohort_before",
        "effect",
        pl.Series("segment", of, pl.String),
        *("stage", "before", "after", "contribution", "contribution_low", "contribution_high"),
    )


def noted_table(changes: pl.DataFrame) -> Table:
    """What differs after changes that were made."""
    heads = ("Journey", "On", "Change", "Measure", "Before", "After", "Difference", "Clear")
    rows = [
        (
            shown_name(r["journey"]),
            day_of(r["on"]),
            r["what"],
            f"{MEASURES[r['measure']]}, by {PERIODS[r['period']]}",
            measured(r["value_before"], r["unit"]),
            measured(r["value_after"], r["unit"]),
            shift_of(r),
            {None: "not known yet", True: "yes", False: "no"}[r["clear"]],
        )
        for r in changes.iter_rows(named=True)
    ]
    return Table(heads, tuple(rows), words=(0, 1, 2, 3, 7))


def shift_of(row: Row) -> str:
    """A difference in its unit."""
    gap = row["difference"]
    if gap is None:
        return MISSING
    return (
        points(gap)
        if row["unit"] == "share"
        else wait_shift(gap / 86400)
        if row["unit"] == "seconds"
        else f"{gap:+.2f}"
    )


def maturity_headline(frame: pl.DataFrame) -> str:
    """The title of maturity: what the work is by its own account, or which domain is the least.

    >>> rows = {"domain": ["listening", "acting", "all"], "value": [2.0, 3.0, None], "level": ["started", "x", None]}
    >>> maturity_headline(pl.DataFrame(rows))
    'How mature the work on journeys is, by its own account'
    >>> maturity_headline(pl.DataFrame(rows).with_columns(value=pl.lit(2.5), level=pl.lit("started")))
    'By its own account, work on journeys is “started”: 2.5 of 5'
    """
    whole = frame.row(-1, named=True)
    if whole["value"] is None:
        return "How mature the work on journeys is, by its own account"
    return f"By its own account, work on journeys is “{whole['level']}”: {average(whole['value'], 1)} of 5"


def maturity_detail(frame: pl.DataFrame) -> str:
    """The first line of maturity: what the marks are, and where to begin, at the lowest domain."""
    marks = "● the mean of a domain's answers, from 1 to 5, with the lowest and the highest"
    marks += "; ○ the last time." if frame["last"].count() else "."
    begun = frame.filter(pl.col("number").is_not_null(), pl.col("value").is_not_null())
    if begun.is_empty():
        return marks
    first = begun.sort("value", maintain_order=True).row(0, named=True)
    return f"{marks} Begin with {first['domain']}. {first['question']} Next step: {first['next_step']}."


MATURITY_METHOD: Final = (
    "A question has the median of the newest answers of every person, a domain the mean of its questions, of two at "
    "least; all is the mean of the domains, where each has one. Under 1.8: by chance; under 2.6: started; under 3.4: "
    "repeatable; under 4.2: managed; else a habit. An own account: journeys maturity has what is measured beside it."
)


def maturity_table(frame: pl.DataFrame) -> Table:
    """The domains, and what to begin with in each."""
    heads = (
        "Domain",
        "Value",
        "Lowest",
        "Highest",
        "Last time",
        "Called",
        "Begin with",
        "Next step",
        "What helps here",
    )
    rows = [
        (
            row["domain"].capitalize(),
            average(row["value"], 1),
            *(count(row[name]) for name in ("low", "high")),
            average(row["last"], 1),
            row["level"] or "too few answers",
            *(row[name] or MISSING for name in ("question", "next_step", "help")),
        )
        for row in frame.iter_rows(named=True)
    ]
    return Table(heads, tuple(rows), words=(0, 5, 6, 7, 8))


def owned_table(frame: pl.DataFrame) -> Table:
    """What segments, journeys and funnels mean, as their owners say."""
    heads = ("Name", "Kind", "Version", "Owner", "Reviewed", "In words")
    rows = [
        (
            shown_name(row["name"]),
            row["kind"],
            MISSING if row["version"] is None else str(row["version"]),
            row["owner"] or MISSING,
            row["reviewed"] or "not reviewed",
            row["says"] or MISSING,
        )
        for row in frame.iter_rows(named=True)
    ]
    return Table(heads, tuple(rows), words=(0, 1, 3, 4, 5))
