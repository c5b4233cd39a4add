"""Is what has landed what we believe it is? Great Expectations' verdict on every day that changed since the last check.

- **What is checked.** Expectations about rows judge the rows that came since the version of the table that was checked
  last (`landed`). Expectations about many rows judge the whole of each day that has new ones. Profiles and links have
  no days: they are judged as one.
- **Memory** grows neither with the history nor, for the default suites, with a day: rows are judged by the chunk,
  values that occur twice by the piece of a day (`rowwise`, `daywise`). Only means, quantiles and the like, which an
  owner's suite may ask for, hold their column of a day.
- **Drift** compares days that are settled with the days before (`drift`).
- **What is kept** goes into the lake (`checks`): a check that is cut short is done again.

Great Expectations is loaded when there is something to judge, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

import polars as pl

from expectations import contract
from expectations.audit import day_measures, drift
from expectations.audit import results as checks
from expectations.audit.findings import Findings
from expectations.audit.landed import Table
from expectations.audit.table import TableAudit
from expectations.lake import layout
from expectations.lake.layout import Lake
from expectations.suites.defaults import between
from expectations.suites.expectation import Suite
from expectations.suites.references import as_suites, known_identities, with_known

if TYPE_CHECKING:
    from expectations.suites.settings import Drift, ExpectationSettings, Reference

DAYS: Final[Mapping[str, pl.Expr]] = {
    layout.EVENTS: pl.col(contract.EVENT_DATE),
    layout.PROFILES: pl.lit(None, pl.Date),
    layout.LINKS: pl.lit(None, pl.Date),
    layout.TOUCHES: pl.col("at").dt.date(),
}
"""The tables that are audited, and the day of a row; null where a table is judged as a whole."""

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class SuiteResult:
    """One suite in one check: on how many days, how many of its expectations were not met, by severity.

    `missed` are the beliefs that were not met, each with the number of its days, most first.
    """

    name: str
    days: int
    failed: int
    warned: int
    missed: tuple[tuple[str, int], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every expectation of severity `refuse` was met on every day."""
        return self.failed == 0


@dataclass(frozen=True)
class CheckSummary:
    """One check: `rows` that were new, on `days` days; `results` has the columns and dtypes of `checks.RESULTS`.

    `notes` say why more was checked than has landed.
    """

    checked_at: datetime
    days: int
    rows: int
    results: pl.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every expectation of severity `refuse` was met."""
        return all(suite.passed for suite in self.suites)

    @cached_property
    def suites(self) -> tuple[SuiteResult, ...]:
        """The suites in the order in which they were judged."""
        return tuple(_summary(str(name), held) for (name,), held in self.results.group_by("suite", maintain_order=True))


def check(
    lake: Lake,
    tables: Mapping[str, Table],
    suites: Sequence[Suite],
    settings: ExpectationSettings,
    *,
    now: datetime | None = None,
    on_progress: Advance | None = None,
) -> CheckSummary:
    """Judge what has come into `tables` since the last check, and keep the results in the lake.

    `tables` are those of the lake by name: events, profiles, links, touches; one that is left out is not judged.
    `suites` are the default ones and the owner's. `now` is for freshness and the name of the results. `on_progress`
    gets rows done and rows to do. Where nothing has changed, nothing is judged but freshness.

    Raises:
        ConfigurationError: an expectation names a column that its table does not have, or has impossible arguments.
        StorageError: the results of checks cannot be read or written.
    """
    at = now or datetime.now(UTC)
    before, found = checks.seen(lake), Findings(at)
    audits = _audits(tables, suites, settings.references, before)
    total, done = sum(audit.rows for audit in audits), 0
    for audit in audits:
        audit.judge(found, partial(_advance, on_progress, done, total))
        done += audit.rows
    measured = checks.measures(lake)
    if layout.EVENTS in tables:
        events = tables[layout.EVENTS].rows
        days = [day for audit in audits if audit.name == layout.EVENTS for day in audit.days if day is not None]
        _judge_freshness(events, settings, found)
        measured = _judge_drift(events, days, measured, settings.drift, found)
    results = found.frame
    if not results.is_empty():
        checks.add_results(lake, results)
    others = before.filter(~pl.col("table").is_in([audit.name for audit in audits]))
    seen = pl.concat([others, *(audit.landed.seen for audit in audits)]).sort("table", "day")
    if not seen.equals(before):
        checks.keep(lake, seen, measured)
    notes = tuple(audit.landed.note for audit in audits if audit.landed.note)
    return CheckSummary(at, sum(len(audit.days) for audit in audits), total, results, notes)


def _advance(on_progress: Advance | None, done: int, total: int, rows: int) -> None:
    if on_progress is not None:
        on_progress(done + rows, total)


def _audits(
    tables: Mapping[str, Table], suites: Sequence[Suite], references: Sequence[Reference], before: pl.DataFrame
) -> list[TableAudit]:
    asked = [*suites, *as_suites(references)]
    held = {name: table for name, table in tables.items() if name in DAYS}
    if layout.EVENTS in held and references:
        profiles = held[layout.PROFILES].rows if layout.PROFILES in held else None
        known = known_identities(profiles, references)
        held[layout.EVENTS] = held[layout.EVENTS].mapped(lambda rows: with_known(rows, known))
    return [
        TableAudit(name, table, DAYS[name], [suite for suite in asked if suite.table == name], before)
        for name, table in held.items()
    ]


def _summary(name: str, held: pl.DataFrame) -> SuiteResult:
    missed = held.filter(~pl.col("passed"))
    failed = missed.filter(pl.col("severity") == "refuse").height
    beliefs = missed.group_by("belief", maintain_order=True).len().sort("len", descending=True, maintain_order=True)
    return SuiteResult(name, held["day"].n_unique(), failed, missed.height - failed, tuple(beliefs.iter_rows()))


def _newest(events: pl.LazyFrame, column: pl.Expr) -> datetime | None:
    """The largest value of a time in the newest days."""
    last = events.select(pl.col(contract.EVENT_DATE).max()).collect().item()
    recent = events.filter(pl.col(contract.EVENT_DATE) >= last - timedelta(days=1)) if last else events
    found: datetime | None = recent.select(column.max()).collect().item()
    return found


def _judge_freshness(events: pl.LazyFrame, settings: ExpectationSettings, found: Findings) -> None:
    """Whether the newest event was received lately."""
    newest = _newest(events, pl.col(contract.RECEIVED_AT)) if settings.freshness is not None else None
    if settings.freshness is None or newest is None:
        return
    from expectations.audit import great_expectations as suites

    age = pl.DataFrame({"age_seconds": [(found.at - newest).total_seconds()]})
    note = f"the newest event was received within {settings.freshness} of the check"
    asked = between("age_seconds", None, settings.freshness.total_seconds(), note=note)
    outcome = suites.judge(age, [asked])[0]._replace(judged=None, failed=None, observed=age.item())
    found.add([(Suite("freshness", layout.EVENTS, (asked,)), outcome)], None)


def _judge_drift(
    events: pl.LazyFrame, changed: list[date], measured: pl.DataFrame, limits: Drift, found: Findings
) -> pl.DataFrame:
    """Measure the days that changed, and compare those that are settled and were not compared since they changed."""
    if not limits.enabled or not changed:
        return measured
    anew = day_measures.measure(events.filter(pl.col(contract.EVENT_DATE).is_in(changed)))
    measured = pl.concat([measured.filter(~pl.col("day").is_in(changed)), anew])
    end = _newest(events, pl.min_horizontal(contract.OCCURRED_AT, contract.RECEIVED_AT))
    baseline = day_measures.settled(sorted(measured["day"].unique()), end, limits.settle)
    compared = measured.filter(pl.col("measure") == "settled")["day"].to_list()
    numbers = drift.compare(measured, sorted(set(baseline) - set(compared)), baseline, limits)
    if numbers.height:
        from expectations.audit import great_expectations as suites

        passed = suites.within_ends(numbers)
        for (day, number, value, _, _, belief), held in zip(numbers.iter_rows(), passed, strict=True):
            asked = between(number, None, None, severity=limits.severity, note=belief)
            outcome = suites.Outcome(asked, held, None, None, value, "")
            found.add([(Suite("drift", layout.EVENTS, (asked,)), outcome)], day)
    marks = [(day, "settled", "", 1) for day in baseline if day not in compared]
    return pl.concat([measured, pl.DataFrame(marks, schema=checks.MEASURES, orient="row")])
