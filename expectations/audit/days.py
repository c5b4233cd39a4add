"""Evaluates expectations about a whole day: duplicates with polars, others on a smaller column for the library.

| expectation about                     | column for Great Expectations                             |
| ------------------------------------- | --------------------------------------------------------- |
| distinct values and their number      | each value once                                           |
| minimum, maximum                      | that value                                                |
| most common value                     | the most common values, each once                         |
| share of unique values                | a number per row in place of the value                    |
| share of non-null values, row counts  | per row whether it has a value                            |
| mean, median, sum, quantiles, others  | the column                                                |

Duplicates are searched in pieces of a day, with equal values in the same piece, so memory does not grow with the day.
The other columns take at most one number per row of a day; strings are loaded only for expectations about the shares of
strings (Kullback-Leibler). Row conditions are applied first. A property test compares the outcomes with those on the
whole day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

import polars as pl

from expectations.audit.findings import Outcome
from expectations.audit.landed import DAY, within
from expectations.audit.rows import COUNT, Counts, Day
from expectations.compile.conditions import considered, where
from expectations.suites.columns import Columns
from expectations.suites.expectation import Expectation

MAX_ROWS: Final = 1_000_000
"""Rows of neighbouring days in which duplicates are searched in one pass; a larger day takes several passes."""
_KEY: Final = "_key"

_SMALLER: Final[Mapping[str, Callable[[pl.Expr], pl.Expr]]] = {
    **dict.fromkeys(
        (
            "expect_column_distinct_values_to_be_in_set",
            "expect_column_distinct_values_to_contain_set",
            "expect_column_distinct_values_to_equal_set",
            "expect_column_unique_value_count_to_be_between",
        ),
        lambda column: column.drop_nulls().unique(),
    ),
    "expect_column_min_to_be_between": lambda column: column.min(),
    "expect_column_max_to_be_between": lambda column: column.max(),
    "expect_column_most_common_value_to_be_in_set": lambda column: column.drop_nulls().mode(),
    "expect_column_proportion_of_unique_values_to_be_between": lambda column: _numbers(column.drop_nulls()),
    "expect_column_proportion_of_non_null_values_to_be_between": lambda column: (
        pl.when(column.is_not_null()).then(1.0).alias(column.meta.output_name())
    ),
    "expect_column_to_exist": lambda column: column.head(1),
}


def judge_day(rows: pl.LazyFrame, columns: Columns, expectations: Sequence[Expectation]) -> list[Outcome]:
    """Evaluate expectations on the rows of one day; `judged` of an outcome counts the rows with a value."""
    return [_judge(rows, columns, expectation) for expectation in expectations]


def _judge(rows: pl.LazyFrame, columns: Columns, expectation: Expectation) -> Outcome:
    names = sorted({*expectation.columns, *expectation.condition_columns})
    used = rows.select(DAY, *(columns.expression(name).alias(name) for name in names))
    condition = expectation.kwargs.get("row_condition")
    if condition is not None:
        used = used.filter(where(condition, Columns(used.collect_schema())))
    column = pl.col(expectation.columns[0]) if expectation.columns else pl.col(DAY).is_null()
    smaller = _SMALLER.get(expectation.type, _unchanged)
    frame, counted = pl.collect_all(
        [used.select(smaller(column), *expectation.columns[1:]), used.select(column.count())], engine="streaming"
    )
    kwargs = {
        name: value for name, value in expectation.kwargs.items() if name not in ("row_condition", "condition_parser")
    }
    from expectations.audit.great_expectations import evaluate_frame

    outcome = evaluate_frame(frame, [replace(expectation, kwargs=kwargs)])[0]
    return outcome._replace(expectation=expectation, judged=counted.item())


def _unchanged(column: pl.Expr) -> pl.Expr:
    return column


def _numbers(column: pl.Expr) -> pl.Expr:
    """Numbers that are equal for equal values; collisions are negligibly rare."""
    return column.hash() // 2


def judge_unique(
    rows: pl.LazyFrame, columns: Columns, expectation: Expectation, sizes: Mapping[Day, int]
) -> Iterator[tuple[Day, Counts]]:
    """For each day (`sizes` holds its number of rows): the rows evaluated, and those with duplicate values."""
    names = sorted({*expectation.columns, *expectation.condition_columns})
    used = rows.select(DAY, *(columns.expression(name).alias(name) for name in names))
    judged = Columns(used.collect_schema())
    single = "column" in expectation.kwargs
    keeps = pl.col(expectation.columns[0]).is_not_null() if single else considered(expectation.kwargs, judged)
    condition = expectation.kwargs.get("row_condition")
    if condition is not None:
        keeps &= where(condition, judged)
    key = pl.struct(expectation.columns).hash().alias(_KEY)
    for days in _spans(sizes):
        kept = within(used, days).filter(keeps).select(DAY, key, *expectation.columns)
        counts = {day: Counts() for day in days}
        pieces = -(-sum(sizes[day] for day in days) // MAX_ROWS)  # equal values are in the same piece
        for piece in range(pieces):
            _count_unique(kept.filter(pl.col(_KEY) % pieces == piece), expectation, counts)
        yield from counts.items()


def _count_unique(rows: pl.LazyFrame, expectation: Expectation, counts: Mapping[Day, Counts]) -> None:
    """Add the rows, and those with duplicate values on the same day, to the counts of their days."""
    keys = rows.select(DAY, _KEY).collect(engine="streaming")
    repeated = keys.group_by(DAY, _KEY).len(COUNT).filter(pl.col(COUNT) > 1).drop(COUNT)
    duplicates = (
        rows.join(repeated.lazy(), on=[DAY, _KEY], how="semi", nulls_equal=True)
        .group_by(DAY, *expectation.columns)
        .len(COUNT)
        .collect(engine="streaming")
    )
    for day, judged in keys.group_by(DAY).len().iter_rows():
        counts[day].judged += judged
    for day, failed in duplicates.filter(pl.col(COUNT) > 1).group_by(DAY).agg(pl.col(COUNT).sum()).iter_rows():
        counts[day].failed += failed


def _spans(sizes: Mapping[Day, int]) -> Iterator[list[Day]]:
    """Neighbouring days with at most `MAX_ROWS` rows together; a larger day alone."""
    span: list[Day] = []
    size = 0
    for day in sorted(sizes, key=lambda day: day or date.min):
        if span and size + sizes[day] > MAX_ROWS:
            yield span
            span, size = [], 0
        span.append(day)
        size += sizes[day]
    if span:
        yield span
