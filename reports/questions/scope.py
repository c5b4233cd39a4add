"""Limits a report to the configured days and checks its breakdowns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import polars as pl

from analytics import Paths, day_start, summary
from expectations.errors import DefinitionError
from reports.settings import ReportSettings

WORDS: Final = (pl.String, pl.Categorical, pl.Enum, pl.Boolean)


def within(paths: Paths, settings: ReportSettings) -> Paths:
    """The journeys that begin from the first to the last configured day of the zone, with all their later touches.

    The end of the data stays as it is. The paths are unchanged where no day is set.
    """
    first, last = settings.first_day, settings.last_day
    if first is None and last is None:
        return paths
    return paths.begun_between(
        None if first is None else day_start(first, settings.timezone),
        None if last is None else day_start(last + timedelta(days=1), settings.timezone),
    )


def no_such_days(paths: Paths, settings: ReportSettings) -> DefinitionError:
    """The error for days without touches; it names the days that have some."""
    row = summary(paths).row(0, named=True)
    first, last = (row[name].astimezone(settings.zone) for name in ("first_at", "last_at"))
    return DefinitionError(
        "No journey begins in the requested days.",
        expected=f"days from {first:%Y-%m-%d} to {last:%Y-%m-%d}",
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
