"""Which rows of a table have come since it was looked at last? By day, and in a day by their positions in the stream.

How many rows each day, topic and partition had, and up to which offset, is remembered (`checks.SEEN`). The rows beyond
the offset are the new ones, provided they are as many as were added; where they are not (a quarantine was replayed,
rows were erased) or where a table has no positions, the whole day counts as new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from expectations import contract
from expectations.checks import SEEN

_STREAM: Final = [contract.TOPIC, contract.PARTITION]
_DAY: Final = "day"
_MARK: Final = "mark"


@dataclass(frozen=True)
class Landed:
    """What has changed in a table: how many `rows` of each changed day are new, and what is to be remembered."""

    rows: Mapping[date, int]
    seen: pl.DataFrame
    _frame: pl.LazyFrame
    _day: pl.Expr
    _marks: pl.DataFrame

    @property
    def days(self) -> list[date]:
        """The days in which something is new, in their order."""
        return sorted(self.rows)

    @property
    def sizes(self) -> dict[date, int]:
        """How many rows each of these days has, the new ones included."""
        sizes = self.seen.group_by(_DAY).agg(pl.col("rows").sum())
        return dict(sizes.filter(pl.col(_DAY).is_in(self.days)).iter_rows())

    def whole(self, day: date) -> pl.LazyFrame:
        """All rows of the day, as far as they were there when this was made."""
        rows = self._frame.filter(self._day == day)
        if contract.OFFSET not in self._frame.collect_schema():
            return rows
        ends = self.seen.filter(pl.col(_DAY) == day).select(*_STREAM, pl.col(contract.OFFSET).alias(_MARK))
        return _up_to(rows, ends, pl.col(contract.OFFSET) <= pl.col(_MARK))

    def new(self, day: date) -> pl.LazyFrame:
        """The new rows of the day."""
        marks = self._marks.filter(pl.col(_DAY) == day).select(*_STREAM, pl.col(contract.OFFSET).alias(_MARK))
        if marks.is_empty():
            return self.whole(day)
        beyond = pl.col(_MARK).is_null() | (pl.col(contract.OFFSET) > pl.col(_MARK))
        return _up_to(self.whole(day), marks, beyond)


def landed_since(table: str, frame: pl.LazyFrame, day: pl.Expr, before: pl.DataFrame) -> Landed:
    """What has come into a table since `before` (columns and dtypes of `checks.SEEN`); `day` is the day of a row.

    Rows without a day are not looked at. An empty table gives no days.
    """
    old = before.filter(pl.col("table") == table)
    counts = frame.select(day.alias(_DAY)).drop_nulls().group_by(_DAY).len("rows").collect(engine="streaming")
    known = old.group_by(_DAY).agg(pl.col("rows").sum().alias("known"))
    changed = counts.join(known, on=_DAY, how="left").filter(pl.col("rows") != pl.col("known").fill_null(0))
    days = changed[_DAY].to_list()
    now = _seen(table, frame, day, days)
    marks = old.filter(pl.col(_DAY).is_in(days), pl.col(contract.OFFSET).is_not_null())
    landed = Landed({}, now, frame, day, marks)
    rows, unclear = {}, []
    for each, total, had in now.group_by(_DAY).agg(pl.col("rows").sum()).join(known, on=_DAY, how="left").iter_rows():
        rows[each] = landed.new(each).select(pl.len()).collect().item() if had else total
        if had and rows[each] != total - had:
            unclear.append(each)
            rows[each] = total
    return Landed(rows, now, frame, day, marks.filter(~pl.col(_DAY).is_in(unclear)))


def _seen(table: str, frame: pl.LazyFrame, day: pl.Expr, days: list[date]) -> pl.DataFrame:
    held = frame.collect_schema()
    places = [contract.TOPIC, contract.PARTITION, contract.OFFSET]
    known = [pl.col(name) if name in held else pl.lit(None, SEEN[name]).alias(name) for name in places]
    rows = frame.select(day.alias(_DAY), *known).filter(pl.col(_DAY).is_in(days))
    counted = rows.group_by(_DAY, *_STREAM).agg(pl.len().alias("rows"), pl.col(contract.OFFSET).max())
    return counted.select(
        pl.lit(table).alias("table"), *(pl.col(name).cast(SEEN[name]) for name in list(SEEN)[1:])
    ).collect(engine="streaming")


def _up_to(rows: pl.LazyFrame, marks: pl.DataFrame, keep: pl.Expr) -> pl.LazyFrame:
    return rows.join(marks.lazy(), on=_STREAM, how="left", nulls_equal=True).filter(keep).drop(_MARK)
