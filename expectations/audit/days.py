"""Great Expectations' verdict on a day as a whole, from a column of the same answer that is smaller.

| expectation about                     | Great Expectations is given                               |
| ------------------------------------- | --------------------------------------------------------- |
| unique values                         | what may occur twice on a day: two rows of each           |
| distinct values and their number      | each value once                                           |
| the least, the greatest               | those two                                                 |
| the most common                       | the values that are, each once                            |
| the share of unique ones              | a number for each row in place of the value               |
| the share of given ones, row counts   | for each row whether it has one                           |
| mean, median, sum, quantiles, others  | the column                                                |

Values that occur twice are sought in pieces of a day, with like values in one piece: memory does not grow with the day.
For all others it is bounded by a number for each row of a day, and by the texts of a column only where an expectation
is about the shares of texts (Kullback-Leibler). Row conditions are applied before; a property test compares the
verdicts with those on the whole day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

import polars as pl

from expectations.audit import great_expectations
from expectations.audit.great_expectations import Outcome
from expectations.audit.landed import DAY, within
from expectations.audit.rows import COUNT, Counts, Day
from expectations.compile.conditions import NotCompiled, considered, where
from expectations.suites.catalog import UNIQUE
from expectations.suites.columns import Columns
from expectations.suites.expectation import Expectation

SPAN: Final = 1_000_000
"""Rows of neighbouring days whose values are sought twice in one pass; a day that has more takes several."""
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


def judge_day(rows: pl.LazyFrame, columns: Columns, asked: Sequence[Expectation]) -> list[Outcome]:
    """Judge the rows of one day; `judged` of an outcome is the number of those that have a value."""
    return [_judge(rows, columns, each) for each in asked]


def _judge(rows: pl.LazyFrame, columns: Columns, asked: Expectation) -> Outcome:
    names = sorted({*asked.columns, *asked.condition_columns})
    given = rows.select(DAY, *(columns.expression(name).alias(name) for name in names))
    condition = asked.kwargs.get("row_condition")
    if condition is not None:
        try:
            given = given.filter(where(condition, Columns(given.collect_schema())))
        except NotCompiled:
            return great_expectations.judge(given.drop(DAY).collect(engine="streaming"), [asked])[0]
    column = pl.col(asked.columns[0]) if asked.columns else pl.col(DAY).is_null()
    smaller = _SMALLER.get(asked.type, _as_it_is)
    frame, counted = pl.collect_all(
        [given.select(smaller(column), *asked.columns[1:]), given.select(column.count())], engine="streaming"
    )
    kwargs = {name: value for name, value in asked.kwargs.items() if name not in ("row_condition", "condition_parser")}
    outcome = great_expectations.judge(frame, [replace(asked, kwargs=kwargs)])[0]
    return outcome._replace(expectation=asked, judged=counted.item())


def _as_it_is(column: pl.Expr) -> pl.Expr:
    return column


def _numbers(column: pl.Expr) -> pl.Expr:
    """Numbers that are alike where values are alike; that others share one is unlikely beyond concern."""
    return column.hash() // 2


def judge_unique(
    rows: pl.LazyFrame, columns: Columns, asked: Expectation, sizes: Mapping[Day, int]
) -> Iterator[tuple[Day, Counts]]:
    """Of each day (`sizes` says how many rows it has), the rows judged, and those whose values others have too."""
    names = sorted({*asked.columns, *asked.condition_columns})
    given = rows.select(DAY, *(columns.expression(name).alias(name) for name in names))
    judged = Columns(given.collect_schema())
    single = "column" in asked.kwargs
    keeps = pl.col(asked.columns[0]).is_not_null() if single else considered(asked.kwargs, judged)
    condition = asked.kwargs.get("row_condition")
    if condition is not None:
        keeps &= where(condition, judged)
    key = pl.struct(asked.columns).hash().alias(_KEY)
    for days in _spans(sizes):
        some = within(given, days).filter(keeps).select(DAY, key, *asked.columns)
        found = {day: Counts() for day in days}
        pieces = -(-sum(sizes[day] for day in days) // SPAN)  # of a day with more rows: like values are in like pieces
        for piece in range(pieces):
            _count_unique(some.filter(pl.col(_KEY) % pieces == piece), asked, found)
        yield from found.items()


def _count_unique(rows: pl.LazyFrame, asked: Expectation, found: Mapping[Day, Counts]) -> None:
    """Add the rows of some days, and those whose values others of them have too, to what was found."""
    keys = rows.select(DAY, _KEY).collect(engine="streaming")
    twice = keys.group_by(DAY, _KEY).len(COUNT).filter(pl.col(COUNT) > 1).drop(COUNT)
    again = (
        rows.join(twice.lazy(), on=[DAY, _KEY], how="semi", nulls_equal=True)
        .group_by(DAY, *asked.columns)
        .len(COUNT)
        .collect(engine="streaming")
    )
    shown = again.select(pl.all().repeat_by(pl.min_horizontal(COUNT, 2)).explode()) if again.height else again
    wanted = Expectation(
        "expect_compound_columns_to_be_unique", {"column_list": [DAY, *asked.columns], "ignore_row_if": "never"}
    )
    places, failure = great_expectations.unexpected(
        shown.drop(COUNT).with_columns(pl.col(DAY).cast(pl.String)), [wanted]
    )[0]
    for day, judged in keys.group_by(DAY).len().iter_rows():
        found[day].judged += judged
        found[day].failure = found[day].failure or failure
    for day, failed in shown[places].unique().group_by(DAY).agg(pl.col(COUNT).sum()).iter_rows():
        found[day].failed += failed


def _spans(sizes: Mapping[Day, int]) -> Iterator[list[Day]]:
    """Neighbouring days whose rows are not too many together."""
    span: list[Day] = []
    held = 0
    for day in sorted(sizes, key=lambda day: day or date.min):
        if span and held + sizes[day] > SPAN:
            yield span
            span, held = [], 0
        span.append(day)
        held += sizes[day]
    if span:
        yield span


def is_unique(asked: Expectation, columns: Columns) -> bool:
    """Whether an expectation is about values that occur twice, and polars can tell which rows it is about."""
    if asked.type not in UNIQUE:
        return False
    try:
        if asked.kwargs.get("row_condition") is not None:
            where(asked.kwargs["row_condition"], columns)
    except NotCompiled:
        return False
    return True
