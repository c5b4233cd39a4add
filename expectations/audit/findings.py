"""Collects the outcomes of one check as rows with the schema `results.RESULTS`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Final, NamedTuple

import polars as pl

from expectations.audit import results
from expectations.suites.expectation import Expectation, Suite
from expectations.suites.prose import in_words

MEASURED: Final = ("drift", "freshness")
"""Suites about measured numbers: their results hold the number and count no rows."""
_DESCRIBED_BY_NOTE: Final = (*MEASURED, "references", "landed once")
"""Suites about derived columns: their notes describe the expectations."""


class Outcome(NamedTuple):
    """The outcome of one expectation: `judged` rows with a value, `failed` unexpected ones among them.

    For an expectation about many rows both are None, and `observed` is the measured value if it is a number.
    `failure` names the exception when it could not be evaluated; `passed` is then False.
    """

    expectation: Expectation
    passed: bool
    judged: int | None
    failed: int | None
    observed: float | None
    failure: str


Judged = tuple[Suite, Outcome]


class Findings:
    """The results of one check."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self._rows: list[tuple[Any, ...]] = []
        self._prose: dict[int, str] = {}

    def add(
        self, judged: Iterable[Judged], day: date | None, since: int | None = None, version: int | None = None
    ) -> None:
        """Add outcomes for a day and a version of their table; `since` as in `results.RESULTS`."""
        for suite, outcome in judged:
            expectation = outcome.expectation
            belief = self._belief(suite, expectation)
            subject = (
                suite.name,
                suite.table,
                day,
                expectation.type,
                expectation.columns,
                belief,
                expectation.severity,
            )
            verdict = (outcome.passed, outcome.judged, outcome.failed, outcome.observed, outcome.failure)
            self._rows.append((self.at, *subject, *verdict, since, version))

    @property
    def frame(self) -> pl.DataFrame:
        """The results so far (schema `results.RESULTS`)."""
        if not self._rows:
            return results.RESULTS.to_frame(eager=True)
        return pl.DataFrame(
            dict(zip(results.RESULTS, zip(*self._rows, strict=True), strict=True)), schema=results.RESULTS
        )

    def _belief(self, suite: Suite, expectation: Expectation) -> str:
        if suite.name in _DESCRIBED_BY_NOTE:
            return expectation.note
        key = id(expectation)
        if key not in self._prose:
            note = f" Expected: {expectation.note}." if expectation.note else ""
            self._prose[key] = (in_words(expectation) or _in_prose(expectation)) + note
        return self._prose[key]


def _in_prose(expectation: Expectation) -> str:
    from expectations.audit.great_expectations import in_prose

    return in_prose(expectation)
