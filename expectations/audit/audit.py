"""The audit behind `journeys check`: evaluates expectations on every day that changed since the last check.

- **Scope.** Expectations about rows evaluate the rows added since the version of the table that was last checked
  (`landed`). Expectations about many rows evaluate the whole of each day with new rows. Profiles and links have no days
  and are evaluated as a whole.
- **Memory** grows neither with the history nor, for the default suites, with a day: rows are evaluated in chunks,
  duplicates in pieces of a day (`rows`, `days`). Only means, quantiles and the like, which a user's suite may contain,
  load their column of a day.
- **Drift** compares settled days with the days before them (`drift`).
- **Repeats** are looked for in days whose number of rows has changed (`expectations.lake.repeats`).
- **Results** are stored in the lake (`results`). A check that is interrupted is repeated.

Polars evaluates what the gate can evaluate, and duplicates; Great Expectations, which takes seconds to load, the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

import polars as pl

from expectations import contract
from expectations.audit import day_measures, drift, results
from expectations.audit.findings import Findings, Outcome
from expectations.audit.landed import Table
from expectations.audit.table import TableAudit
from expectations.lake import layout
from expectations.lake.layout import Lake
from expectations.lake.repeats import LANDED, find_repeats
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
"""The audited tables, and the day of a row; null for a table that is evaluated as a whole."""

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class SuiteResult:
    """One suite in one check: the number of days, and of failed expectations by severity.

    `missed` lists the failed expectations in words, each with its number of days, most days first.
    """

    name: str
    days: int
    failed: int
    warned: int
    missed: tuple[tuple[str, int], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every expectation of severity `refuse` passed on every day."""
        return self.failed == 0


@dataclass(frozen=True)
class CheckSummary:
    """One check: number of new `rows` and of `days` with new rows; `results` has the schema `results.RESULTS`.

    `notes` say why more was checked than has landed.
    """

    checked_at: datetime
    days: int
    rows: int
    results: pl.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every expectation of severity `refuse` passed."""
        return all(suite.passed for suite in self.suites)

    @cached_property
    def suites(self) -> tuple[SuiteResult, ...]:
        """The suites, in order of evaluation."""
        return tuple(_summary(str(name), part) for (name,), part in self.results.group_by("suite", maintain_order=True))


def check(
    lake: Lake,
    tables: Mapping[str, Table],
    suites: Sequence[Suite],
    settings: ExpectationSettings,
    *,
    now: datetime | None = None,
    on_progress: Advance | None = None,
) -> CheckSummary:
    """Check what has come into `tables` since the last check, and store the results in the lake.

    `tables` are those of the lake by name: events, profiles, links, touches; a table that is missing is not checked.
    `suites` are the default suites and the user's. `now` is the time of the check, for freshness and results.
    `on_progress` receives rows done and rows in total. When nothing has changed, only freshness is evaluated.

    Raises:
        ConfigurationError: an expectation names a column that its table does not have, or has invalid arguments.
        StorageError: results of checks cannot be read or written.
    """
    at = now or datetime.now(UTC)
    before, findings = results.seen(lake), Findings(at)
    audits = _audits(tables, suites, settings.references, before)
    total, done = sum(audit.rows for audit in audits), 0
    for audit in audits:
        audit.judge(findings, partial(_advance, on_progress, done, total))
        done += audit.rows
    measured = results.measures(lake)
    if layout.EVENTS in tables:
        events = tables[layout.EVENTS].rows
        days = [day for audit in audits if audit.name == layout.EVENTS for day in audit.days if day is not None]
        _judge_freshness(events, settings, findings)
        measured = _judge_drift(events, days, measured, settings.drift, findings)
    once = _judge_repeats(lake, before, findings)
    new_results = findings.frame
    if not new_results.is_empty():
        results.add_results(lake, new_results)
    others = before.filter(~pl.col("table").is_in([audit.name for audit in audits]))
    others = others.join(once, on=["table", "day"], how="anti", nulls_equal=True)
    seen = pl.concat([others, once, *(audit.landed.seen for audit in audits)]).sort("table", "day")
    if not seen.equals(before):
        results.keep(lake, seen, measured)
    notes = tuple(audit.landed.note for audit in audits if audit.landed.note)
    return CheckSummary(at, sum(len(audit.days) for audit in audits), total, new_results, notes)


def _advance(on_progress: Advance | None, done: int, total: int, rows: int) -> None:
    if on_progress is not None:
        on_progress(done + rows, total)


def _audits(
    tables: Mapping[str, Table], suites: Sequence[Suite], references: Sequence[Reference], before: pl.DataFrame
) -> list[TableAudit]:
    all_suites = [*suites, *as_suites(references)]
    audited = {name: table for name, table in tables.items() if name in DAYS}
    if layout.EVENTS in audited and references:
        profiles = audited[layout.PROFILES].rows if layout.PROFILES in audited else None
        known = known_identities(profiles, references)
        audited[layout.EVENTS] = audited[layout.EVENTS].mapped(lambda rows: with_known(rows, known))
    return [
        TableAudit(name, table, DAYS[name], [suite for suite in all_suites if suite.table == name], before)
        for name, table in audited.items()
    ]


def _summary(name: str, outcomes: pl.DataFrame) -> SuiteResult:
    missed = outcomes.filter(~pl.col("passed"))
    failed = missed.filter(pl.col("severity") == "refuse").height
    beliefs = missed.group_by("belief", maintain_order=True).len().sort("len", descending=True, maintain_order=True)
    return SuiteResult(name, outcomes["day"].n_unique(), failed, missed.height - failed, tuple(beliefs.iter_rows()))


def _newest(events: pl.LazyFrame, column: pl.Expr) -> datetime | None:
    """The largest value of a time column in the newest days."""
    last = events.select(pl.col(contract.EVENT_DATE).max()).collect().item()
    recent = events.filter(pl.col(contract.EVENT_DATE) >= last - timedelta(days=1)) if last else events
    newest: datetime | None = recent.select(column.max()).collect().item()
    return newest


def _judge_freshness(events: pl.LazyFrame, settings: ExpectationSettings, findings: Findings) -> None:
    """Check that the newest event was received recently enough."""
    newest = _newest(events, pl.col(contract.RECEIVED_AT)) if settings.freshness is not None else None
    if settings.freshness is None or newest is None:
        return
    age, most = (findings.at - newest).total_seconds(), settings.freshness.total_seconds()
    note = f"the newest event was received within {settings.freshness} of the check"
    expectation = between("age_seconds", None, most, note=note)
    outcome = Outcome(expectation, age <= most, None, None, age, "")
    findings.add([(Suite("freshness", layout.EVENTS, (expectation,)), outcome)], None)


def _judge_repeats(lake: Lake, before: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Check that no table of landed rows holds a row twice; returns what was seen (schema `results.SEEN`).

    Only days whose number of rows has changed since such a check are read.
    """
    once = [results.SEEN.to_frame(eager=True)]
    for name in LANDED:
        mark = f"{name}, once"
        known = before.filter(pl.col("table") == mark).select("day", pl.col("mark").cast(pl.Int64))
        found = find_repeats(lake, name, dict(known.iter_rows()))
        if found.height:
            note = "no row is there twice; `journeys maintain --repair` removes the surplus"
            expectation = between("surplus", None, 0, note=note)
            for day, rows, surplus in found.select("day", "rows", "surplus").iter_rows():
                outcome = Outcome(expectation, surplus == 0, rows, surplus, None, "")
                findings.add([(Suite("landed once", name, (expectation,)), outcome)], day)
        distinct = pl.when(pl.col("surplus") == 0).then("rows").otherwise(0)  # a day with repeats is read again
        once.append(found.select(pl.lit(mark).alias("table"), "day", distinct.cast(pl.String).alias("mark")))
    return pl.concat(once)


def _judge_drift(
    events: pl.LazyFrame, changed: list[date], measured: pl.DataFrame, limits: Drift, findings: Findings
) -> pl.DataFrame:
    """Measure the changed days, and compare the settled ones that were not compared since they changed."""
    if not limits.enabled or not changed:
        return measured
    remeasured = day_measures.measure(events.filter(pl.col(contract.EVENT_DATE).is_in(changed)))
    measured = pl.concat([measured.filter(~pl.col("day").is_in(changed)), remeasured])
    end = _newest(events, pl.min_horizontal(contract.OCCURRED_AT, contract.RECEIVED_AT))
    baseline = day_measures.settled(sorted(measured["day"].unique()), end, limits.settle)
    compared = measured.filter(pl.col("measure") == "settled")["day"].to_list()
    numbers = drift.compare(measured, sorted(set(baseline) - set(compared)), baseline, limits)
    for day, number, value, low, high, belief in numbers.iter_rows():
        outside = (low is not None and value < low) or (high is not None and value > high)
        expectation = between(number, None, None, severity=limits.severity, note=belief)
        outcome = Outcome(expectation, not outside, None, None, value, "")
        findings.add([(Suite("drift", layout.EVENTS, (expectation,)), outcome)], day)
    marks = [(day, "settled", "", 1) for day in baseline if day not in compared]
    return pl.concat([measured, pl.DataFrame(marks, schema=results.MEASURES, orient="row")])
