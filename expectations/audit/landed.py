"""Determines which rows a table has gained since its last check, by version of the table, never by the clock.

A Delta table knows which files each version added; compacted files add no rows. When the versions no longer show it
(their history was vacuumed, or rows were removed, for example to forget a customer), the whole table counts as new,
with a note. A table without versions (the touches of the path store, which a refresh may change anywhere) is compared
day by day with a fingerprint of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from expectations.audit.results import SEEN

DAY: Final = "_day"
_ROWS: Final = "_rows"


@dataclass(frozen=True)
class Table:
    """The rows of one version of a table; `since(v)` returns those added after version `v`, None when unknown.

    Days of a table without a `version` are compared by their content.
    """

    rows: pl.LazyFrame
    version: int | None = None
    since: Callable[[int], pl.LazyFrame | None] = lambda _: None

    def mapped(self, change: Callable[[pl.LazyFrame], pl.LazyFrame]) -> Table:
        """The table with `change` applied to each of its frames."""

        def since(version: int) -> pl.LazyFrame | None:
            rows = self.since(version)
            return None if rows is None else change(rows)

        return Table(change(self.rows), self.version, since)


@dataclass(frozen=True)
class Landed:
    """`new` rows were added after version `since` of the table (None: `new` contains all rows of its days).

    `whole` are all rows of the table, `seen` is the state to store (schema `results.SEEN`), `note` says why more is
    checked than has landed.
    """

    new: pl.LazyFrame
    whole: pl.LazyFrame
    since: int | None
    version: int | None
    seen: pl.DataFrame
    note: str = ""


def landed_since(name: str, table: Table, day: pl.Expr, columns: Sequence[pl.Expr], before: pl.DataFrame) -> Landed:
    """The rows of a table to check, given the state `before` (schema `results.SEEN`).

    `day` is the day of a row, null in a table that is evaluated as a whole; `columns` are those used by expectations.
    """
    old = before.filter(pl.col("table") == name)
    rows = table.rows.with_columns(day.alias(DAY))
    if table.version is None:
        return _compared(name, rows, columns, old)
    marks = old.filter(pl.col("day").is_null())["mark"]
    since = int(marks[0]) if len(marks) and marks[0].isdecimal() else None
    seen = pl.DataFrame([(name, None, str(table.version))], schema=SEEN, orient="row")
    if since is None:
        return Landed(rows, rows, None, table.version, seen)
    new = rows.head(0) if since == table.version else table.since(since) if since < table.version else None
    if new is None:
        note = f"{name}: the rows added after version {since} are unknown, so all of version {table.version} is checked"
        return Landed(rows, rows, None, table.version, seen, note)
    return Landed(new.with_columns(day.alias(DAY)), rows, since, table.version, seen)


def _compared(name: str, rows: pl.LazyFrame, columns: Sequence[pl.Expr], old: pl.DataFrame) -> Landed:
    """The days whose rows have changed since they were seen."""
    fingerprint = pl.struct(pl.col(DAY), *columns).hash().sum()
    fingerprints = rows.group_by(DAY).agg(fingerprint.alias("mark"), pl.len().alias(_ROWS)).collect(engine="streaming")
    seen = fingerprints.select(
        pl.lit(name).alias("table"),
        pl.col(DAY).cast(pl.Date).alias("day"),
        pl.concat_str(_ROWS, pl.lit("/"), "mark").alias("mark"),
    )
    changed = seen.join(old, on=["day", "mark"], how="anti", nulls_equal=True)["day"]
    new = within(rows, changed.to_list())
    return Landed(new, rows, None, None, seen)


def within(rows: pl.LazyFrame, days: Sequence[date | None]) -> pl.LazyFrame:
    """The rows of these days; None stands for rows without a day."""
    dated = pl.col(DAY).is_in([day for day in days if day is not None])
    return rows.filter(dated.fill_null(None in days))
