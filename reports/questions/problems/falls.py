"""Which groups fell at which step, on which days? What moved all journeys, or follows from a clearer fall, is left out.

Every series of days is tested against its own past and against all other known groups (`analytics.falls`), on whole
counts; the series are corrected together (Benjamini–Hochberg). A fall that is gone without the journeys of a clearer
one, at the same step and time, is part of it: all app visits are on phones, so what fails on phones fails in the app.
Of many falls only those that cost most goals are looked at: a list has few places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import combinations
from typing import Any, Final

import polars as pl

from analytics import (
    Asking,
    Goal,
    benjamini_hochberg,
    duration,
    falls,
    lowest_run,
    stage_funnel,
    two_proportions_z,
)
from reports.privacy.rules import small
from reports.privacy.stages import NO_VALUE
from reports.privacy.trends import SERIES
from reports.questions.groups import floats, told_apart
from reports.settings import ReportSettings

FALLEN: Final = pl.Schema(
    {
        "dimension": pl.String,
        "segment": pl.String,
        "step": pl.UInt32,
        "name": pl.String,
        "first": pl.Date,
        "last": pl.Date,
        "journeys": pl.Int64,
        "share": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "usual": pl.Float64,
        "is_lasting": pl.Boolean,
        "was_below": pl.Boolean,
    }
)
_LEVEL: Final = 0.02
"""Stricter than for groups, as series of the same journeys under several names are no independent tests."""
_BELOW: Final = 1.96
_DAY: Final = timedelta(days=1)
_DAYS_BEFORE: Final = 28
_MOST: Final = 20
"""Falls that are looked at, twice as many as the list of problems has places."""


def group_falls(
    settings: ReportSettings, counts: pl.DataFrame | None, goal: Goal, later: Mapping[int, float]
) -> Asking[pl.DataFrame | None]:
    """The falls of groups that cost most goals, clearest first, safe to publish; null without groups or days.

    In: `reports.questions.problems.weeks.step_counts` by day, and by step the share of those who reach it that reach
    the goal. Columns: `dimension`, `segment` String, `step` UInt32,
    `name` String (the stage that is not reached), `first`, `last` Date (days on which the journeys began), `journeys`
    Int64, `share`, `low`, `high`, `usual` Float64 (of them that went on, with its interval, and that would have),
    `is_lasting` Boolean (it goes on at the end of the settled days), `was_below` Boolean (the group was below all
    others before as well). Counts are rounded to tens, or to `k`, so that the days of a fall with the weeks around them
    reveal no small count.
    """
    settled = None if counts is None else _settled(counts)
    if settled is None or settled.is_empty():
        return None
    tested = {"min_before": _DAYS_BEFORE, "min_units": settings.least}
    found = falls(_series(settled, ("dimension", "step", "period")), [*SERIES, "name"], **tested)
    adjusted = benjamini_hochberg(floats(found["p_value"]))
    worth = pl.col("step").replace_strict(dict(later), default=0.0, return_dtype=pl.Float64)
    at_stake = pl.col("n") * (pl.col("usual") - pl.col("share")) * worth
    clear = found.filter(pl.Series(adjusted < _LEVEL)).top_k(_MOST, by=at_stake)
    days = _Days(settings, goal)
    rows = clear.sort("z", *SERIES, descending=[True, False, False, False]).to_dicts()
    pairs = {days.pair(*both) for both in combinations(rows, 2) if _meet(*both)}
    counts_of = yield {pair: days.of_pair(pair) for pair in pairs}
    kept: list[dict[str, Any]] = []
    for row in rows:
        clearer = (one for one in kept if _meet(row, one))
        if not any(days.is_part(row, one, counts_of[days.pair(row, one)]) for one in clearer):
            kept.append(row)
    dated = [(row, _clearest_days(settled, row)) for row in kept]
    sizes = yield {number: days.of_group(row, *span) for number, (row, span) in enumerate(dated)}
    published = [
        _published(settings, settled, row, span, days.steps(row, sizes[number]))
        for number, (row, span) in enumerate(dated)
    ]
    return pl.DataFrame([row for row in published if row is not None], schema=FALLEN, orient="row")


def _settled(counts: pl.DataFrame) -> pl.DataFrame:
    """The settled days of known groups, as many journeys as they are worth: those of one customer are alike."""
    known = counts.filter(
        ~pl.col("is_open"), pl.col("dimension").is_not_null(), pl.col("segment") != NO_VALUE, pl.col("previous") > 0
    )
    went_on = pl.col("effective") * pl.col("reached") / pl.col("previous")
    return known.select(
        *SERIES,
        "name",
        "previous",
        period="week",
        went_on="reached",
        n="effective",
        reached=went_on,
    )


def _series(rows: pl.DataFrame, total: Sequence[str]) -> pl.DataFrame:
    """The rows with the counts of all others beside them; `total` are the columns within which groups add up."""
    return rows.with_columns(
        (pl.col(name).sum().over(total) - pl.col(name)).clip(0.0).alias(f"others_{name}") for name in ("n", "reached")
    )


def _meet(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two falls are of one step, in groups of two dimensions, and have days in common."""
    is_step = one["step"] == other["step"] and one["dimension"] != other["dimension"]
    return bool(is_step and one["first"] <= other["last"] and other["first"] <= one["last"])


class _Days:
    """Asks for journeys of groups by the days on which they began, within the window of the trend."""

    def __init__(self, settings: ReportSettings, goal: Goal) -> None:
        self._settings = settings
        self._columns = {settings.name_of(column): column for column in settings.segments}
        self._funnel = partial(
            stage_funnel, goal=goal, window=duration(settings.trend_window), timezone=settings.timezone
        )

    def pair(self, one: dict[str, Any], other: dict[str, Any]) -> tuple[str, str]:
        """The columns of the dimensions of two groups."""
        first, second = sorted(self._columns[row["dimension"]] for row in (one, other))
        return first, second

    def of_pair(self, columns: tuple[str, str]) -> partial[pl.DataFrame]:
        """The question of the groups of two columns, by day."""
        return partial(self._funnel, by=columns, period="day", columns=("reached", "effective_previous"))

    def is_part(self, row: dict[str, Any], clearer: dict[str, Any], counts: pl.DataFrame) -> bool:
        """Whether the group did not fall on these days without the journeys of the group that fell more clearly.

        `counts` answers `of_pair`.
        """
        own, other = self._columns[row["dimension"]], self._columns[clearer["dimension"]]
        keys = [*self.pair(row, clearer), "period"]
        rest = (
            counts.filter(~pl.col("is_total"))
            .with_columns(pl.col("reached").shift(1).over(keys, order_by="step").alias("previous"))
            .filter(
                pl.col("previous") > 0,
                pl.col("step") == row["step"],
                pl.col("period").dt.date() <= row["last"],
                told_apart(pl.col(own)) == row["segment"],
                told_apart(pl.col(other)).ne_missing(clearer["segment"]),
            )
            .group_by(pl.col("period").dt.date() >= row["first"])
            .agg(pl.col("reached", "previous", "effective_previous").sum())
        )
        sides = {side: counts for side, *counts in rest.iter_rows()}
        if len(sides) < 2 or sides[True][2] < self._settings.least:
            return True
        (now, of_now, worth_now), (then, of_then, worth_then) = sides[True], sides[False]
        shares = [now / of_now, then / of_then]
        z = two_proportions_z(shares[0] * worth_now, worth_now, shares[1] * worth_then, worth_then).statistic
        return not float(z) < -_BELOW

    def of_group(self, row: dict[str, Any], first: date, last: date) -> partial[pl.DataFrame]:
        """The question of the groups of a fall's dimension, over these days."""
        column = self._columns[row["dimension"]]
        by = told_apart(pl.col(column)).alias(column)
        columns = ("reached", "customers", "customers_lost", "share_of_previous_low", "share_of_previous_high")
        return partial(self._funnel, by=by, start=first, end=last + _DAY, columns=columns)

    def steps(self, row: dict[str, Any], counts: pl.DataFrame) -> tuple[dict[str, Any], dict[str, Any]]:
        """The stage before a step, and the step, of a group's journeys that began on the days of `of_group`."""
        own = counts.filter(~pl.col("is_total"), pl.col(self._columns[row["dimension"]]) == row["segment"])
        before, here = (own.filter(pl.col("step") == row["step"] - back).row(0, named=True) for back in (1, 0))
        return before, here


def _clearest_days(settled: pl.DataFrame, row: dict[str, Any]) -> tuple[date, date]:
    """The days on which a fall was clearest, around those of the scan."""
    length = row["last"] - row["first"] + _DAY
    series = settled.filter(pl.col(key) == row[key] for key in SERIES).sort("period")
    around = series.filter(pl.col("period").is_between(row["first"] - length / 2, row["last"] + length / 2))
    first, last = lowest_run(around, row["usual"])
    rows = around[first : last + 1]
    return rows["period"][0], rows["period"][-1]


def _published(
    settings: ReportSettings,
    settled: pl.DataFrame,
    row: dict[str, Any],
    days: tuple[date, date],
    counts: tuple[dict[str, Any], dict[str, Any]],
) -> dict[str, Any] | None:
    """A fall on the days on which it was clearest; null where too few to publish.

    `counts` are those of its stage before and of its step on these days. The counts of few customers are no smaller
    than a whole step of rounding, as a count that is withheld is never 0.
    """
    before, here = counts
    if before["customers"] < settings.least or small(here["customers_lost"], settings.k):
        return None
    low, high = here["share_of_previous_low"], here["share_of_previous_high"]
    unit = max(10, settings.k)
    journeys = round(before["reached"] / unit) * unit
    reached = unit if small(here["customers"], settings.k) else round(here["reached"] / unit) * unit
    share = min(1.0, reached / journeys)
    end = settled["period"].max()
    assert isinstance(end, date)
    return {
        **{name: row[name] for name in (*SERIES, "name")},
        "first": days[0],
        "last": days[1],
        "journeys": journeys,
        "share": round(share, 4),
        "low": round(min(low, share), 2),
        "high": round(max(high, share), 2),
        "usual": round(row["usual"], 4),
        "is_lasting": bool(days[1] >= end - 2 * _DAY),
        "was_below": row["z_before"] is not None and row["z_before"] > _BELOW,
    }
