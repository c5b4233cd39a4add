"""One table in one check: what of it is to be judged, and the verdicts on it, day by day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import polars as pl

from expectations.audit.findings import Findings, Judged
from expectations.audit.landed import DAY, Landed, Table, landed_since, within
from expectations.compile.compile import narrowed, require_columns
from expectations.suites.columns import Columns
from expectations.suites.expectation import Expectation, Suite

if TYPE_CHECKING:
    from expectations.audit.great_expectations import Outcome
    from expectations.audit.rows import Counts, Day

CHUNK: Final = 250_000
"""Rows that are in memory at one time."""


class TableAudit:
    """A table, what is asked of it, and what has landed in it since it was seen last.

    Raises:
        ConfigurationError: an expectation names a column that the table does not have.
    """

    def __init__(self, name: str, table: Table, day: pl.Expr, suites: Sequence[Suite], before: pl.DataFrame) -> None:
        self.name = name
        self._columns = Columns(table.rows.collect_schema())
        self._asked: list[tuple[Suite, Expectation]] = []
        for suite in suites:
            for expectation in suite.expectations:
                require_columns(expectation, self._columns, suite.table)
                self._asked.append((suite, narrowed(expectation, suite.kind)))
        named = {name for _, asked in self._asked for name in [*asked.columns, *asked.condition_columns]}
        looked_at = [self._columns.expression(each).alias(each) for each in sorted(named)]
        self.landed: Landed = landed_since(name, table, day, looked_at, before)
        self.rows: int = self.landed.new.select(pl.len()).collect(engine="streaming").item()
        self.days: list[Day] = []

    def judge(self, found: Findings, advance: Callable[[int], None]) -> None:
        """Judge what has landed; `advance` gets how many of its rows are done."""
        if not self.rows:
            return
        from expectations.audit.days import judge_day
        from expectations.audit.rows import Verdicts, is_by_value, judge_rows

        by_value = [place for place, (_, asked) in enumerate(self._asked) if is_by_value(asked)]
        done, verdicts = 0, Verdicts()
        asked = [self._asked[place][1] for place in by_value]
        for height in judge_rows(self.landed.new, self._columns, asked, CHUNK, verdicts):
            done += height
            advance(done)
        self.days = sorted(verdicts.rows, key=lambda day: (day is not None, day))
        unique = self._unique()
        rest = [
            (place, asked)
            for place, (_, asked) in enumerate(self._asked)
            if place not in by_value and place not in unique
        ]
        for day in self.days:
            outcomes = {
                place: _outcome(self._asked[place][1], verdicts.of(number, day))
                for number, place in enumerate(by_value)
            }
            outcomes |= {place: _outcome(self._asked[place][1], counts[day]) for place, counts in unique.items()}
            if rest:
                whole = within(self.landed.whole, [day])
                judged = judge_day(whole, self._columns, [asked for _, asked in rest])
                outcomes |= {place: outcome for (place, _), outcome in zip(rest, judged, strict=True)}
            self._add(found, day, outcomes)

    def _unique(self) -> dict[int, dict[Day, Counts]]:
        """The counts of the expectations about values that occur twice, by their places."""
        from expectations.audit.days import is_unique, judge_unique

        places = [place for place, (_, asked) in enumerate(self._asked) if is_unique(asked, self._columns)]
        if not places:
            return {}
        rows = within(self.landed.whole, self.days)
        sizes = dict(rows.group_by(DAY).len().collect(engine="streaming").iter_rows())
        return {place: dict(judge_unique(rows, self._columns, self._asked[place][1], sizes)) for place in places}

    def _add(self, found: Findings, day: Day, outcomes: dict[int, Outcome]) -> None:
        from expectations.audit.rows import is_by_value

        for place in sorted(outcomes):
            judged: Judged = (self._asked[place][0], outcomes[place])
            since = self.landed.since if is_by_value(outcomes[place].expectation) else None
            found.add([judged], day, since, self.landed.version)


def _outcome(asked: Expectation, counts: Counts) -> Outcome:
    from expectations.audit.great_expectations import Outcome

    share = (counts.judged - counts.failed) / counts.judged if counts.judged else 1.0
    passed = share >= asked.kwargs.get("mostly", 1) and not counts.failure
    return Outcome(asked, passed, counts.judged, counts.failed, None, counts.failure)
