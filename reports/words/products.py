"""Says what moved in a journey, what differs after a change that was made, and values of targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl

from reports.words.numbers import day, interval, percent, points, points_interval, wait, wait_shift

MONTH: Final = "month"


def measured(value: float | None, unit: str) -> str:
    """A value of a target in its unit: `share`, `seconds` or `score`.

    >>> measured(4.25, "score"), measured(None, "share")
    ('4.25', '–')
    """
    if value is None:
        return percent(None)
    return (
        percent(value) if unit == "share" else wait(timedelta(seconds=value)) if unit == "seconds" else f"{value:.2f}"
    )


def measured_interval(low: float | None, high: float | None, unit: str) -> str:
    """The interval of such a value.

    >>> measured_interval(0.2674, 0.2877, "share"), measured_interval(0.06, 0.26, "score")
    ('26.7–28.8', '0.06–0.26')
    """
    if unit == "share" or low is None or high is None:
        return interval(low, high)
    return f"{measured(low, unit)}–{measured(high, unit)}"


def target_words(direction: str, target: float, unit: str) -> str:
    """A target in words.

    >>> target_words("at_most", 4.5, "score")
    'at most 4.50'
    """
    return f"{direction.replace('_', ' ')} {measured(target, unit)}"


def cohort_words(start: datetime, end: datetime) -> str:
    """The days of a cohort, a whole month by its name.

    >>> from datetime import UTC
    >>> first, second, ninth = (datetime(2026, 2, day, tzinfo=UTC) for day in (1, 2, 9))
    >>> cohort_words(first, datetime(2026, 3, 1, tzinfo=UTC)), cohort_words(second, ninth)
    ('February 2026', '2 Feb to 8 Feb 2026')
    """
    last = end - timedelta(hours=1)
    if start.day == 1 and end.day == 1 and (start.year, start.month) == (last.year, last.month):
        return f"{start:%B %Y}"
    return day(start) if last.date() == start.date() else f"{start:%-d %b} to {day(last)}"


def moved_sentences(rows: pl.DataFrame, names: Mapping[str, str], goal: str) -> list[str]:
    """What moved, at most three sentences; `rows` are those of `analytics.moved`, `names` labels of columns."""
    told = rows.filter(pl.col("told").is_not_null()).sort("told")
    return [moved_sentence(row, names, goal) for row in told.iter_rows(named=True)]


def moved_sentence(row: Mapping[str, Any], names: Mapping[str, str], goal: str) -> str:
    """The sentence of a row of `analytics.goal_change`, or of a part of a segment at the step of a funnel."""
    ends = points_interval(row["contribution_low"], row["contribution_high"])
    by = f"{points(row['contribution'])} ({ends})"
    segment = segment_words(row, names)
    before, after = percent(row["before"]), percent(row["after"])
    if row["effect"] == "total":
        return f"The rate of {goal!r} went from {before} to {after}: {by}."
    if row["effect"] == "mix":
        of_whom = "journeys" if row["stage"] is None else f"those before {row['stage']}"
        return f"{segment}: {after} of {of_whom} instead of {before}; that alone is {by}."
    if row["effect"] == "rate" and row["stage"] is not None:
        return f"{segment}, at {row['stage']}: {after} instead of {before} went on; that alone is {by}."
    if row["effect"] == "rate":
        return f"{segment}: a rate of {after} instead of {before}; that alone is {by}."
    where = f"{segment}, at {row['stage']}" if segment else f"At {row['stage']}"
    of = "their own rate" if segment else "the rate"
    return f"{where}: {after} instead of {before} went on; that is {by} of {of}."


def segment_words(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Whose part of what moved a row of `analytics.moved` is; empty for everybody's.

    >>> segment_words({"family": "device", "device": "phone", "region": None}, {"device": "Device"})
    'Device phone'
    >>> segment_words({"family": "device", "device": None}, {})
    'device not known'
    """
    families = row["family"].split(" × ") if row["family"] else []
    return ", ".join(f"{names.get(n, n)} {'not known' if row[n] is None else row[n]}" for n in families)


def change_sentences(rows: pl.DataFrame) -> list[str]:
    """What differs after the changes that were made; `rows` are those of `analytics.product_changes`."""
    return list(_changes(rows))


def _changes(rows: pl.DataFrame) -> Iterator[str]:
    for row in rows.iter_rows(named=True):
        start = f"{_date(row['on'])}, {row['what']}: {row['measure']}"
        if row["difference"] is None:
            yield f"{start} is not known on both sides yet."
            continue
        unit, gap = row["unit"], row["difference"]
        shift = points(gap) if unit == "share" else wait_shift(gap / 86400) if unit == "seconds" else f"{gap:+.2f}"
        clear = "" if row["clear"] else ", not clear"
        before, after = (measured(row[f"value_{side}"], unit) for side in ("before", "after"))
        yield f"{start} was {before} before and {after} after ({shift}{clear})."


def _date(on: date) -> str:
    return day(datetime(on.year, on.month, on.day, tzinfo=UTC))
