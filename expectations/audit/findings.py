"""What one check finds, as it comes: verdicts become rows of `checks.RESULTS`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from expectations.audit import results
from expectations.suites.expectation import Expectation, Suite

if TYPE_CHECKING:
    from expectations.audit.great_expectations import Outcome

MEASURED: Final = ("drift", "freshness")
"""Suites about numbers that were measured, of which a result says the number and counts no rows."""
_SAID_BY_NOTE: Final = (*MEASURED, "references")
"""Suites about columns that are made for them, which only their notes explain."""

Judged = tuple[Suite, "Outcome"]


class Findings:
    """The results of one check."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self._rows: list[tuple[Any, ...]] = []
        self._prose: dict[int, str] = {}

    def add(
        self, judged: Iterable[Judged], day: date | None, since: int | None = None, version: int | None = None
    ) -> None:
        """Add verdicts on a day of a version of their table; `since` as in `checks.RESULTS`."""
        for suite, outcome in judged:
            asked = outcome.expectation
            said = (suite.name, suite.table, day, asked.type, asked.columns, self._belief(suite, asked), asked.severity)
            verdict = (outcome.passed, outcome.judged, outcome.failed, outcome.observed, outcome.failure)
            self._rows.append((self.at, *said, *verdict, since, version))

    @property
    def frame(self) -> pl.DataFrame:
        """What was found so far (columns and dtypes of `checks.RESULTS`)."""
        if not self._rows:
            return results.RESULTS.to_frame(eager=True)
        return pl.DataFrame(
            dict(zip(results.RESULTS, zip(*self._rows, strict=True), strict=True)), schema=results.RESULTS
        )

    def _belief(self, suite: Suite, expectation: Expectation) -> str:
        if suite.name in _SAID_BY_NOTE:
            return expectation.note
        key = id(expectation)
        if key not in self._prose:
            from expectations.audit.great_expectations import in_prose

            note = f" Expected: {expectation.note}." if expectation.note else ""
            self._prose[key] = in_prose(expectation) + note
        return self._prose[key]
