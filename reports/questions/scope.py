"""Limits a report to the configured days and checks its breakdowns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from analytics import Paths, summary
from expectations.errors import DefinitionError
from reports.settings import ReportSettings

WORDS: Final = (pl.String, pl.Categorical, pl.Enum, pl.Boolean)


def within(paths: Paths, settings: ReportSettings) -> Paths:
    """The journeys that begin from the first to the last configured day, with all their later touches.

    The end of the data stays as it is. The paths are unchanged where no day is set.
    """
    first, last = (
        None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)
        for day in (settings.first_day, settings.last_day)
    )
    if first is None and last is None:
        return paths
    return paths.begun_between(first, None if last is None else last + timedelta(days=1))


def no_such_days(paths: Paths, settings: ReportSettings) -> DefinitionError:
    """The error for days without touches; it names the days that have some."""
    row = summary(paths).row(0, named=True)
    return DefinitionError(
        "No journey begins in the requested days.",
        expected=f"days from {row['first_at']:%Y-%m-%d} to {row['last_at']:%Y-%m-%d}",
        found=f"{settings.first_day or 'the first'} to {settings.last_day or 'the last'}",
    )


def check_breakdowns(paths: Paths, names: Sequence[str]) -> None:
    """Raises `DefinitionError` for a breakdown by a column that is not text, or by the customer key."""
    paths.require(*names)
    known = [name for name, dtype in paths.schema.items() if dtype in WORDS and name != "customer"]
    for name in names:
        if name not in known:
            raise DefinitionError(
                f"Customers cannot be broken down by '{name}'.", expected=f"a text column: {', '.join(known)}"
            )
