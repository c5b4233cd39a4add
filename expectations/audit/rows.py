"""Great Expectations' verdict on rows, at the cost of their distinct values: what holds of a value holds of its rows.

Rows are read a chunk at a time. Of each chunk, the values that an expectation looks at are counted by day, Great
Expectations judges every distinct one once, and the counts tell how many rows of each day it judged and found against
it. That is exact: a property test compares the counts with those of Great Expectations on the rows themselves. Where
only presence matters, values are reduced to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Any, Final

import polars as pl

from expectations.audit import great_expectations
from expectations.audit.landed import DAY
from expectations.compile.conditions import NotCompiled, judged
from expectations.suites.catalog import BY_VALUE, ROW_LEVEL
from expectations.suites.columns import Columns
from expectations.suites.expectation import Expectation

COUNT: Final = "_count"
_ABOUT_NULL: Final = ("expect_column_values_to_not_be_null", "expect_column_values_to_be_null")
Day = date | None


@dataclass
class Counts:
    """Of one expectation on one day: rows `judged`, rows `failed`, and the exception that kept it from being judged."""

    judged: int = 0
    failed: int = 0
    failure: str = ""


@dataclass
class Verdicts:
    """Rows of each day, and the counts of each expectation (by its place in what was asked) on each day."""

    rows: dict[Day, int] = field(default_factory=dict)
    counts: dict[tuple[int, Day], Counts] = field(default_factory=dict)

    def of(self, place: int, day: Day) -> Counts:
        """The counts of one expectation on one day; zero when no row was looked at."""
        return self.counts.setdefault((place, day), Counts())


def is_by_value(expectation: Expectation) -> bool:
    """Whether the verdict on a row depends on its values alone, though the gate may not be able to compile it."""
    return expectation.type in ROW_LEVEL or expectation.type in BY_VALUE


def judge_rows(
    rows: pl.LazyFrame, columns: Columns, asked: Sequence[Expectation], chunk: int, found: Verdicts
) -> Iterator[int]:
    """Judge rows that have a column `DAY`, at most `chunk` of them in memory at a time, and add to what was `found`.

    Yields after each chunk how many rows it had.
    """
    groups = [_Group(list(members)) for _, members in _grouped(asked)]
    needed = {name for each in asked for name in [*each.columns, *each.condition_columns]}
    read = rows.select(DAY, *(columns.expression(name).alias(name) for name in sorted(needed)))
    for part in _chunks(read, chunk):
        for day, count in part.group_by(DAY).len().iter_rows():
            found.rows[day] = found.rows.get(day, 0) + count
        for group, counted in zip(groups, pl.collect_all([each.counted(part) for each in groups]), strict=True):
            group.judge(counted, found)
        yield part.height


def _chunks(rows: pl.LazyFrame, chunk: int) -> Iterator[pl.DataFrame]:
    """The rows in slices: unlike batches of a stream, nothing is read ahead of what is judged."""
    place = 0
    while (part := rows.slice(place, chunk).collect(engine="streaming")).height:
        yield part
        place += chunk


def _grouped(asked: Sequence[Expectation]) -> Iterable[tuple[list[str], Iterator[tuple[int, Expectation]]]]:
    """The expectations with their places, by the columns whose values they look at."""

    def values(pair: tuple[int, Expectation]) -> list[str]:
        return sorted(name for name, presence in _uses(pair[1]).items() if not presence)

    return groupby(sorted(enumerate(asked), key=values), key=values)


class _Group:
    """Expectations that look at the values of the same columns, and at the presence of any."""

    def __init__(self, asked: list[tuple[int, Expectation]]) -> None:
        self._asked = asked
        uses = [_uses(each) for _, each in asked]
        names = sorted({name for use in uses for name in use})
        self._forms = [
            pl.when(pl.col(name).is_not_null()).then(pl.lit(True)).alias(name)
            if all(use.get(name, True) for use in uses)
            else pl.col(name)
            for name in names
        ]

    def counted(self, part: pl.DataFrame) -> pl.LazyFrame:
        """How many rows of each day have the same values."""
        return part.lazy().group_by(DAY, *self._forms).agg(pl.len().alias(COUNT))

    def judge(self, counted: pl.DataFrame, found: Verdicts) -> None:
        """Add the verdicts on counted values."""
        names = [name for name in counted.columns if name not in (DAY, COUNT)]
        distinct = counted.select(names).unique().with_row_index("_place")
        values, asked = distinct.drop("_place"), [each for _, each in self._asked]
        applies = [_applies(each, values) for each in asked]
        wrong = great_expectations.unexpected(values, asked)
        flags = distinct.with_columns(
            *(mask.alias(f"_judged {n}") for n, mask in enumerate(applies)),
            *(pl.col("_place").is_in(places).alias(f"_failed {n}") for n, (places, _) in enumerate(wrong)),
        )
        sums = [
            (pl.col(COUNT) * pl.col(f"_{word} {n}")).sum() for n in range(len(asked)) for word in ("judged", "failed")
        ]
        totals = (
            counted.join(flags, on=names, how="left", nulls_equal=True)
            .group_by(DAY)
            .agg(total.alias(str(place)) for place, total in enumerate(sums))
        )
        for day, *numbers in totals.iter_rows():
            for n, (place, _) in enumerate(self._asked):
                counts = found.of(place, day)
                counts.judged += numbers[2 * n]
                counts.failed += numbers[2 * n + 1]
                counts.failure = counts.failure or wrong[n][1]


def _uses(expectation: Expectation) -> Mapping[str, bool]:
    """The columns that an expectation looks at, and whether only at their presence."""
    about_null = expectation.type in _ABOUT_NULL
    uses = dict.fromkeys(expectation.columns, about_null)
    for name, presence in _conditions(expectation.kwargs.get("row_condition")):
        uses[name] = uses.get(name, True) and presence
    if isinstance(expectation.kwargs.get("row_condition"), str):
        return uses | dict.fromkeys(expectation.condition_columns, False)
    return uses


def _conditions(asked: Any) -> Iterator[tuple[str, bool]]:
    if isinstance(asked, dict):
        if isinstance(asked.get("column"), dict):
            yield asked["column"]["name"], asked.get("type") == "nullity"
        for inner in asked.get("conditions", []):
            yield from _conditions(inner)


def _applies(expectation: Expectation, values: pl.DataFrame) -> pl.Series:
    """Which values an expectation judges."""
    try:
        rows = judged(expectation.type, expectation.kwargs, Columns(values.schema))
    except NotCompiled:
        return great_expectations.selected(values, expectation)
    return values.select(rows.alias("rows")).to_series()
