"""What has come into a table since it was checked last? Told by the version of the table, never by the clock.

A Delta table knows which files each version added; files that were only written anew, to have fewer of them, bring
nothing. Where versions can no longer tell (their history was vacuumed, or rows went, as when somebody was forgotten),
the whole table counts as new, and that is said. A table without versions (the path store's touches, which a refresh may
change anywhere) is compared day by day by a fingerprint of its rows.
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
    """The rows of one version of a table; `since(v)` are those that came after version `v`, None where none can tell.

    Without a `version`, days of the table are compared by their content.
    """

    rows: pl.LazyFrame
    version: int | None = None
    since: Callable[[int], pl.LazyFrame | None] = lambda _: None

    def mapped(self, change: Callable[[pl.LazyFrame], pl.LazyFrame]) -> Table:
        """The table with every frame of it changed the same way."""

        def since(version: int) -> pl.LazyFrame | None:
            rows = self.since(version)
            return None if rows is None else change(rows)

        return Table(change(self.rows), self.version, since)


@dataclass(frozen=True)
class Landed:
    """`new` rows came after version `since` of the table (None: all rows of the days they belong to are there).

    `whole` are all rows of the table, `seen` is what to remember (columns and dtypes of `checks.SEEN`), `note` says why
    more is checked than has landed.
    """

    new: pl.LazyFrame
    whole: pl.LazyFrame
    since: int | None
    version: int | None
    seen: pl.DataFrame
    note: str = ""


def landed_since(name: str, table: Table, day: pl.Expr, columns: Sequence[pl.Expr], before: pl.DataFrame) -> Landed:
    """What is to be checked of a table, after what was seen `before` (columns and dtypes of `checks.SEEN`).

    `day` is the day of a row, null in a table that is judged as a whole; `columns` are those that are judged.
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
        note = f"{name}: what came after version {since} can no longer be told, so all of version {table.version} is"
        return Landed(rows, rows, None, table.version, seen, f"{note} checked")
    return Landed(new.with_columns(day.alias(DAY)), rows, since, table.version, seen)


def _compared(name: str, rows: pl.LazyFrame, columns: Sequence[pl.Expr], old: pl.DataFrame) -> Landed:
    """The days whose rows are not those that were seen: other ones, more, or fewer."""
    print_of = pl.struct(pl.col(DAY), *columns).hash().sum()
    prints = rows.group_by(DAY).agg(print_of.alias("mark"), pl.len().alias(_ROWS)).collect(engine="streaming")
    seen = prints.select(
        pl.lit(name).alias("table"),
        pl.col(DAY).cast(pl.Date).alias("day"),
        pl.format("{}/{}", _ROWS, "mark").alias("mark"),
    )
    changed = seen.join(old, on=["day", "mark"], how="anti", nulls_equal=True)["day"]
    new = within(rows, changed.to_list())
    return Landed(new, rows, None, None, seen)


def within(rows: pl.LazyFrame, days: Sequence[date | None]) -> pl.LazyFrame:
    """The rows of some days; None stands for the rows without one."""
    dated = pl.col(DAY).is_in([day for day in days if day is not None])
    return rows.filter(dated.fill_null(None in days))
