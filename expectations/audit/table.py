"""One table in one check: the rows to evaluate, and the outcomes day by day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import polars as pl

from expectations.audit.days import judge_day, judge_unique
from expectations.audit.findings import Findings, Judged, Outcome
from expectations.audit.landed import DAY, Landed, Table, landed_since, within
from expectations.audit.rows import Counts, Day, Verdicts, is_by_value, judge_rows
from expectations.compile.compile import narrowed, require_evaluable
from expectations.suites.catalog import UNIQUE
from expectations.suites.columns import Columns
from expectations.suites.expectation import Expectation, Suite

CHUNK: Final = 250_000
"""Rows in memory at one time."""


class TableAudit:
    """A table, its expectations, and the rows that have landed since the last check.

    Raises:
        ConfigurationError: an expectation names a column that the table does not have.
    """

    def __init__(self, name: str, table: Table, day: pl.Expr, suites: Sequence[Suite], before: pl.DataFrame) -> None:
        self.name = name
        self._columns = Columns(table.rows.collect_schema())
        self._expectations: list[tuple[Suite, Expectation]] = []
        for suite in suites:
            for expectation in suite.expectations:
                require_evaluable(expectation, self._columns, suite.table)
                self._expectations.append((suite, narrowed(expectation, suite.kind)))
        named = {
            name
            for _, expectation in self._expectations
            for name in [*expectation.columns, *expectation.condition_columns]
        }
        used = [self._columns.expression(column).alias(column) for column in sorted(named)]
        self.landed: Landed = landed_since(name, table, day, used, before)
        self.rows: int = self.landed.new.select(pl.len()).collect(engine="streaming").item()
        self.days: list[Day] = []

    def judge(self, findings: Findings, advance: Callable[[int], None]) -> None:
        """Evaluate the new rows; `advance` receives the number of rows done."""
        if not self.rows:
            return
        by_value = [
            position for position, (_, expectation) in enumerate(self._expectations) if is_by_value(expectation)
        ]
        done, verdicts = 0, Verdicts()
        expectations = [self._expectations[position][1] for position in by_value]
        for height in judge_rows(self.landed.new, self._columns, expectations, CHUNK, verdicts):
            done += height
            advance(done)
        self.days = sorted(verdicts.rows, key=lambda day: (day is not None, day))
        unique = self._unique()
        rest = [
            (position, expectation)
            for position, (_, expectation) in enumerate(self._expectations)
            if position not in by_value and position not in unique
        ]
        for day in self.days:
            outcomes = {
                position: _outcome(self._expectations[position][1], verdicts.of(number, day))
                for number, position in enumerate(by_value)
            }
            outcomes |= {
                position: _outcome(self._expectations[position][1], counts[day]) for position, counts in unique.items()
            }
            if rest:
                whole = within(self.landed.whole, [day])
                judged = judge_day(whole, self._columns, [expectation for _, expectation in rest])
                outcomes |= {position: outcome for (position, _), outcome in zip(rest, judged, strict=True)}
            self._add(findings, day, outcomes)

    def _unique(self) -> dict[int, dict[Day, Counts]]:
        """The counts of the expectations about duplicate values, by their positions."""
        positions = [
            position for position, (_, expectation) in enumerate(self._expectations) if expectation.type in UNIQUE
        ]
        if not positions:
            return {}
        rows = within(self.landed.whole, self.days)
        sizes = dict(rows.group_by(DAY).len().collect(engine="streaming").iter_rows())
        return {
            position: dict(judge_unique(rows, self._columns, self._expectations[position][1], sizes))
            for position in positions
        }

    def _add(self, findings: Findings, day: Day, outcomes: dict[int, Outcome]) -> None:
        for position in sorted(outcomes):
            judged: Judged = (self._expectations[position][0], outcomes[position])
            since = self.landed.since if is_by_value(outcomes[position].expectation) else None
            findings.add([judged], day, since, self.landed.version)


def _outcome(expectation: Expectation, counts: Counts) -> Outcome:
    share = (counts.judged - counts.failed) / counts.judged if counts.judged else 1.0
    passed = share >= expectation.kwargs.get("mostly", 1) and not counts.failure
    return Outcome(expectation, passed, counts.judged, counts.failed, None, counts.failure)
