"""Is what has landed what we believe it is? Great Expectations' verdict on every day that changed since the last check.

- **What is checked.** Row-level expectations judge the rows that landed since the last check (by their offsets; the
  whole day where these do not tell, as after a replay or in a table without them). Expectations about many rows judge
  the whole day.
- **Memory** is bounded by a batch of rows, and by the columns of one day that expectations about many rows name.
- **Drift** compares days that are settled with the days before (`drift`).
- **What is kept** goes into the lake (`checks`): a check that is cut short is done again.

Great Expectations is loaded when there is something to judge, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from expectations import checks, contract, drift, layout
from expectations.catalog import ROW_LEVEL
from expectations.columns import Columns
from expectations.compiled import narrowed, require_columns
from expectations.defaults import TOUCHES, among, between
from expectations.expectation import Expectation, Suite, condition
from expectations.landed import Landed, landed_since
from expectations.layout import Lake
from expectations.rules import Drift, ExpectationSettings, Reference

if TYPE_CHECKING:
    from expectations.suites import Outcome

BATCH: Final = 100_000
"""Rows that are in pandas at one time."""
DAYS: Final[Mapping[str, pl.Expr]] = {
    layout.EVENTS: pl.col(contract.EVENT_DATE),
    layout.PROFILES: pl.col("valid_from").dt.date(),
    TOUCHES: pl.col("at").dt.date(),
}
"""The tables that are audited, and the day of a row."""

_SAID_BY_NOTE: Final = ("drift", "freshness", "references")
"""Suites about measured columns, which only their notes explain."""

Judged = tuple[Suite, "Outcome"]


@dataclass(frozen=True)
class SuiteResult:
    """One suite in one check: on how many days, how many of its expectations were not met, by severity."""

    name: str
    days: int
    failed: int
    warned: int

    @property
    def passed(self) -> bool:
        """Whether every expectation of severity `refuse` was met on every day."""
        return self.failed == 0


@dataclass(frozen=True)
class CheckSummary:
    """One check of `days` days and `rows` rows; `results` has the columns and dtypes of `checks.RESULTS`."""

    checked_at: datetime
    days: int
    rows: int
    results: pl.DataFrame

    @property
    def passed(self) -> bool:
        """Whether every expectation of severity `refuse` was met."""
        return all(suite.passed for suite in self.suites)

    @cached_property
    def suites(self) -> tuple[SuiteResult, ...]:
        """The suites in the order in which they were judged."""
        missed, refuse = ~pl.col("passed"), pl.col("severity") == "refuse"
        counts = (pl.col("day").n_unique(), (missed & refuse).sum(), (missed & ~refuse).sum())
        grouped = self.results.group_by("suite", maintain_order=True).agg(
            counts[0].alias("days"), counts[1].alias("failed"), counts[2].alias("warned")
        )
        return tuple(SuiteResult(*row) for row in grouped.iter_rows())


def check(
    lake: Lake,
    tables: Mapping[str, pl.LazyFrame],
    suites: Sequence[Suite],
    settings: ExpectationSettings,
    *,
    now: datetime | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> CheckSummary:
    """Judge the days of `tables` that have changed since the last check, and keep the results in the lake.

    `tables` are frames of the lake by name: events, profiles, touches; one that is left out is not judged. `suites` are
    the default ones and the owner's. `now` is for freshness and the name of the results. `on_progress` gets days done
    and days to do. Where nothing has changed, nothing is judged but freshness.

    Raises:
        ConfigurationError: an expectation names a column that its table does not have, or has impossible arguments.
        StorageError: the results of checks cannot be read or written.
    """
    at = now or datetime.now(UTC)
    frames = {name: frame for name, frame in tables.items() if name in DAYS}
    if layout.EVENTS in frames and settings.references:
        frames[layout.EVENTS] = _with_references(frames[layout.EVENTS], tables, settings.references)
    asked = [*suites, *_references(settings.references)]
    audited = {name: _Table(frame, [suite for suite in asked if suite.table == name]) for name, frame in frames.items()}
    seen, found = checks.seen(lake), _Found(at)
    changes = {name: landed_since(name, frames[name], DAYS[name], seen) for name in frames}
    total, done = sum(len(change.days) for change in changes.values()), 0
    for name, change in changes.items():
        for day, judged in audited[name].judge(change) if change.rows else ():
            found.add(judged, day)
            done += 1
            if on_progress is not None:
                on_progress(done, total)
    measured = checks.measures(lake)
    if layout.EVENTS in frames:
        found.add(_fresh(frames[layout.EVENTS], settings, at), at.astimezone(UTC).date())
        measured = _drift(frames[layout.EVENTS], changes[layout.EVENTS].days, measured, settings.drift, found)
    if found.rows:
        checks.add_results(lake, found.frame, at)
    if total:
        checks.keep(lake, _seen_now(seen, changes), measured)
    return CheckSummary(at, total, sum(sum(change.rows.values()) for change in changes.values()), found.frame)


class _Found:
    """The results of one check as they come."""

    def __init__(self, at: datetime) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self._at = at
        self._prose: dict[int, str] = {}

    def add(self, judged: Iterable[Judged], day: date) -> None:
        for suite, outcome in judged:
            asked = outcome.expectation
            belief = asked.note if suite.name in _SAID_BY_NOTE else self._belief(asked)
            said = (suite.name, suite.table, day, asked.type, asked.columns, belief, asked.severity)
            verdict = (outcome.passed, outcome.judged, outcome.failed, outcome.observed, outcome.failure)
            self.rows.append((self._at, *said, *verdict))

    @property
    def frame(self) -> pl.DataFrame:
        return pl.DataFrame(self.rows, schema=checks.RESULTS, orient="row")

    def _belief(self, expectation: Expectation) -> str:
        from expectations.suites import in_prose

        if id(expectation) not in self._prose:
            note = f" Expected: {expectation.note}." if expectation.note else ""
            self._prose[id(expectation)] = in_prose(expectation) + note
        return self._prose[id(expectation)]


class _Table:
    """A table and what is asked of it; asks nothing of a column that the table does not have."""

    def __init__(self, frame: pl.LazyFrame, suites: Sequence[Suite]) -> None:
        self._columns = Columns(frame.collect_schema())
        self._asked: list[tuple[Suite, Expectation]] = []
        for suite in suites:
            for expectation in suite.expectations:
                require_columns(expectation, self._columns, suite.table)
                self._asked.append((suite, narrowed(expectation, suite.kind)))

    def judge(self, landed: Landed) -> Iterator[tuple[date, list[Judged]]]:
        """The row-level expectations on the new rows of each day, the others on the whole day, in their order."""
        from expectations.spans import judge_days

        by_row = [asked for _, asked in self._asked if asked.type in ROW_LEVEL]
        by_day = [asked for _, asked in self._asked if asked.type not in ROW_LEVEL]
        new = judge_days(lambda day: self._judged(landed.new(day), by_row), landed.rows, by_row, BATCH)
        whole = judge_days(lambda day: self._judged(landed.whole(day), by_day), landed.sizes, by_day, BATCH)
        for (day, rows), (_, days) in zip(new, whole, strict=True):
            outcomes, overall = iter(rows), iter(days)
            yield day, [(suite, next(outcomes if asked.type in ROW_LEVEL else overall)) for suite, asked in self._asked]

    def _judged(self, rows: pl.LazyFrame, asked: list[Expectation]) -> pl.LazyFrame:
        """The columns that are asked about, and at least one, so that rows can be counted."""
        named = sorted({name for each in asked for name in [*each.columns, *each.condition_columns]})
        return rows.select(self._columns.expression(name).alias(name) for name in named or self._columns.names[:1])


def _known(column: str) -> str:
    return f"{column}.known"


def _references(references: Iterable[Reference]) -> list[Suite]:
    """Each reference as a suite about the column that `_with_references` adds."""
    suites = []
    for reference in references:
        note = f"{reference.column} has a profile"
        asked = among(_known(reference.column), [True], reference.severity, note)
        asked = replace(asked, kwargs={**asked.kwargs, "mostly": reference.share})
        if reference.kind:
            asked = replace(asked, kwargs={**asked.kwargs, "row_condition": condition("kind", "==", reference.kind)})
        suites.append(Suite("references", layout.EVENTS, (asked,)))
    return suites


def _with_references(
    events: pl.LazyFrame, tables: Mapping[str, pl.LazyFrame], references: Iterable[Reference]
) -> pl.LazyFrame:
    """Events with, for each column that is referred to, whether the profiles know its value; null without a value."""
    profiles = tables.get(layout.PROFILES, pl.LazyFrame(schema=contract.PROFILES))
    for column in sorted({reference.column for reference in references}):
        known = profiles.filter(pl.col("identity_kind") == column).select(pl.col("identity").alias(column)).unique()
        flagged = known.with_columns(pl.lit(True).alias(_known(column))).collect().lazy()
        events = events.join(flagged, on=column, how="left").with_columns(
            pl.when(pl.col(column).is_not_null()).then(pl.col(_known(column)).fill_null(False)).alias(_known(column))
        )
    return events


def _newest(events: pl.LazyFrame, column: pl.Expr) -> datetime | None:
    """The largest value of a time in the newest days."""
    last = events.select(pl.col(contract.EVENT_DATE).max()).collect().item()
    recent = events.filter(pl.col(contract.EVENT_DATE) >= last - timedelta(days=1)) if last else events
    found: datetime | None = recent.select(column.max()).collect().item()
    return found


def _fresh(events: pl.LazyFrame, settings: ExpectationSettings, now: datetime) -> list[Judged]:
    """Whether the newest event was received lately."""
    newest = _newest(events, pl.col(contract.RECEIVED_AT)) if settings.freshness is not None else None
    if settings.freshness is None or newest is None:
        return []
    from expectations import suites

    age = pl.DataFrame({"age_seconds": [(now - newest).total_seconds()]})
    note = f"the newest event was received within {settings.freshness} of the check"
    asked = between("age_seconds", None, settings.freshness.total_seconds(), note=note)
    suite = Suite("freshness", layout.EVENTS, (asked,))
    return [(suite, outcome) for outcome in suites.judge(age, [asked])]


def _drift(
    events: pl.LazyFrame, changed: list[date], measured: pl.DataFrame, limits: Drift, found: _Found
) -> pl.DataFrame:
    """Measure the days that changed, and compare those that are settled and were not compared since they changed."""
    if not limits.enabled or not changed:
        return measured
    anew = drift.measure(events.filter(pl.col(contract.EVENT_DATE).is_in(changed)))
    measured = pl.concat([measured.filter(~pl.col("day").is_in(changed)), anew])
    end = _newest(events, pl.min_horizontal(contract.OCCURRED_AT, contract.RECEIVED_AT))
    baseline = drift.settled(sorted(measured["day"].unique()), end, limits.settle)
    compared = measured.filter(pl.col("measure") == "settled")["day"].to_list()
    for day in sorted(set(baseline[-limits.days :]) - set(compared)):
        comparison = drift.compare(measured, day, baseline, limits)
        if comparison is not None:
            from expectations import suites

            suite = Suite("drift", layout.EVENTS, tuple(comparison.expectations))
            found.add(((suite, outcome) for outcome in suites.judge(*comparison)), day)
    marks = [(day, "settled", "", 1) for day in baseline if day not in compared]
    return pl.concat([measured, pl.DataFrame(marks, schema=checks.MEASURES, orient="row")])


def _seen_now(seen: pl.DataFrame, changes: Mapping[str, Landed]) -> pl.DataFrame:
    for name, change in changes.items():
        again = (pl.col("table") == name) & pl.col("day").is_in(change.days)
        seen = pl.concat([seen.filter(~again), change.seen])
    return seen
