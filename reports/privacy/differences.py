"""What moved between two reports, as it may be published.

Readers may have both reports, so a cell is shown to have moved by a multiple of `k`, or not at all: both of its counts
are rounded to multiples of `k`, and so is every cause of `k` or more, of `k` customers or more. What is smaller is in
`other`, so that causes still add up to the difference, and "deleted: -1" tells of nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from reports.privacy.rules import small

OTHER: Final = "other"
_INNER: Final = ("key", "cause", "week_end")


def publishable_differences(frame: pl.DataFrame, causes: Sequence[str], k: int, timezone: str) -> pl.DataFrame:
    """The rows of `analytics.diff` or of its restatements, as they may be published; without those that did not move.

    Columns: those of the frame but the customers and what tells of a single cause, and `other` Int64 behind the
    `causes`: what these do not explain. `week` Date is the first day of a week in the time zone. A count of 1 to
    `k - 1`, or of so few customers, is withheld: null, and so are the difference and all causes.
    """
    names = [name for name in frame.columns if not name.startswith("customers_") and name not in _INNER]
    frame = frame.with_columns(pl.col("week").dt.convert_time_zone(timezone).dt.date())
    at = names.index(causes[-1]) + 1
    columns = [*names[:at], OTHER, *names[at:]]
    schema = pl.Schema({name: frame.schema.get(name, pl.Int64()) for name in columns})
    found = [row for each in frame.to_dicts() if (row := _published(each, causes, k)) is not None]
    return pl.DataFrame([[row[name] for name in columns] for row in found], schema, orient="row")


def _published(row: dict[str, Any], causes: Sequence[str], k: int) -> dict[str, Any] | None:
    """One row; null where nothing of it moved that may be published."""
    for name in ("then", "now"):
        few = small(row[name], k) or small(row[f"customers_{name}"], k)
        row[name] = None if few else in_steps_of(row[name], k)
    if row["then"] is None or row["now"] is None:
        if row["then"] == row["now"]:
            return None
        return row | dict.fromkeys(("difference", OTHER, *causes))
    row["difference"] = row["now"] - row["then"]
    for cause in causes:
        is_small = abs(row[cause]) < k or abs(row[f"customers_{cause}"]) < k
        row[cause] = 0 if is_small else in_steps_of(row[cause], k)
    row[OTHER] = row["difference"] - sum(row[cause] for cause in causes)
    return row if any(row[name] for name in ("difference", *causes)) else None


def in_steps_of(count: int, k: int) -> int:
    """The nearest multiple of `k`.

    >>> [in_steps_of(count, 10) for count in (104, 105, -14, -15)]
    [100, 110, -10, -20]
    """
    steps = (2 * abs(count) + k) // (2 * k) * k
    return steps if count >= 0 else -steps
