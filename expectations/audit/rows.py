"""Evaluates expectations about rows on their distinct values: rows with equal values have equal outcomes.

Rows are read in chunks. In each chunk, the values that an expectation uses are counted by day, every distinct value is
evaluated once, and the counts give the number of rows evaluated and unexpected on each day. The expressions of the gate
evaluate (`expectations.compile.masks`); `texts` evaluates JSON schemas, and Great Expectations what has another meaning
in polars. The result is exact: a property test compares it with that of Great Expectations on the rows themselves.
Where only presence matters, values are reduced to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Any, Final

import polars as pl

from expectations.audit.landed import DAY
from expectations.audit.texts import SCHEMA, misfits
from expectations.compile.conditions import NotCompiled, judged, where
from expectations.compile.masks import alone, unexpected
from expectations.suites.catalog import BY_VALUE, ROW_LEVEL
from expectations.suites.columns import Columns
from expectations.suites.expectation import Expectation

COUNT: Final = "_count"
_ABOUT_NULL: Final = ("expect_column_values_to_not_be_null", "expect_column_values_to_be_null")
Day = date | None


@dataclass
class Counts:
    """Counts of one expectation on one day: rows `judged`, rows `failed`, and the exception that prevented it."""

    judged: int = 0
    failed: int = 0
    failure: str = ""


@dataclass
class Verdicts:
    """Number of rows per day, and the counts per expectation (by its position) and day."""

    rows: dict[Day, int] = field(default_factory=dict)
    counts: dict[tuple[int, Day], Counts] = field(default_factory=dict)

    def of(self, position: int, day: Day) -> Counts:
        """The counts of one expectation on one day; zero when no row was evaluated."""
        return self.counts.setdefault((position, day), Counts())


def is_by_value(expectation: Expectation) -> bool:
    """Whether the outcome for a row depends on its values alone, even if the gate cannot compile the expectation."""
    return expectation.type in ROW_LEVEL or expectation.type in BY_VALUE


def judge_rows(
    rows: pl.LazyFrame, columns: Columns, expectations: Sequence[Expectation], chunk: int, verdicts: Verdicts
) -> Iterator[int]:
    """Evaluate rows with a column `DAY`, at most `chunk` of them in memory at a time, and add to `verdicts`.

    Yields the number of rows of each chunk.
    """
    groups = [_Group(list(members)) for _, members in _grouped(expectations)]
    needed = {name for expectation in expectations for name in [*expectation.columns, *expectation.condition_columns]}
    read = rows.select(DAY, *(columns.expression(name).alias(name) for name in sorted(needed)))
    for part in _chunks(read, chunk):
        for day, count in part.group_by(DAY).len().iter_rows():
            verdicts.rows[day] = verdicts.rows.get(day, 0) + count
        for group, counted in zip(groups, pl.collect_all([group.counted(part) for group in groups]), strict=True):
            group.judge(counted, verdicts)
        yield part.height


def _chunks(rows: pl.LazyFrame, chunk: int) -> Iterator[pl.DataFrame]:
    """The rows in slices; unlike the batches of a stream, none is read ahead."""
    start = 0
    while (part := rows.slice(start, chunk).collect(engine="streaming")).height:
        yield part
        start += chunk


def _grouped(expectations: Sequence[Expectation]) -> Iterable[tuple[list[str], Iterator[tuple[int, Expectation]]]]:
    """The expectations with their positions, grouped by the columns whose values they use."""

    def values(pair: tuple[int, Expectation]) -> list[str]:
        return sorted(name for name, presence in _uses(pair[1]).items() if not presence)

    return groupby(sorted(enumerate(expectations), key=values), key=values)


class _Group:
    """Expectations that use the values of the same columns, and the presence of any others."""

    def __init__(self, numbered: list[tuple[int, Expectation]]) -> None:
        self._numbered = numbered
        uses = [_uses(expectation) for _, expectation in numbered]
        names = sorted({name for use in uses for name in use})
        self._forms = [
            pl.when(pl.col(name).is_not_null()).then(pl.lit(True)).alias(name)
            if all(use.get(name, True) for use in uses)
            else pl.col(name)
            for name in names
        ]

    def counted(self, part: pl.DataFrame) -> pl.LazyFrame:
        """The number of rows per day and combination of values."""
        return part.lazy().group_by(DAY, *self._forms).agg(pl.len().alias(COUNT))

    def judge(self, counted: pl.DataFrame, verdicts: Verdicts) -> None:
        """Evaluate the counted values, and add the counts to `verdicts`."""
        names = [name for name in counted.columns if name not in (DAY, COUNT)]
        distinct = counted.select(names).unique().with_row_index("_position")
        values, expectations = distinct.drop("_position"), [expectation for _, expectation in self._numbered]
        columns = Columns(values.schema)
        masks = (judged(expectation.type, expectation.kwargs, columns) for expectation in expectations)
        applies = values.select(mask.alias(str(n)) for n, mask in enumerate(masks)).get_columns()
        unexpected = _unexpected_rows(values, expectations)
        flags = distinct.with_columns(
            *(mask.alias(f"_judged {n}") for n, mask in enumerate(applies)),
            *(
                pl.col("_position").is_in(positions).alias(f"_failed {n}")
                for n, (positions, _) in enumerate(unexpected)
            ),
        )
        sums = [
            (pl.col(COUNT) * pl.col(f"_{word} {n}")).sum()
            for n in range(len(expectations))
            for word in ("judged", "failed")
        ]
        totals = (
            counted.join(flags, on=names, how="left", nulls_equal=True)
            .group_by(DAY)
            .agg(total.alias(str(index)) for index, total in enumerate(sums))
        )
        for day, *numbers in totals.iter_rows():
            for n, (position, _) in enumerate(self._numbered):
                counts = verdicts.of(position, day)
                counts.judged += numbers[2 * n]
                counts.failed += numbers[2 * n + 1]
                counts.failure = counts.failure or unexpected[n][1]


def _uses(expectation: Expectation) -> Mapping[str, bool]:
    """The columns that an expectation uses, and whether it uses only their presence."""
    about_null = expectation.type in _ABOUT_NULL
    uses = dict.fromkeys(expectation.columns, about_null)
    for name, presence in _conditions(expectation.kwargs.get("row_condition")):
        uses[name] = uses.get(name, True) and presence
    return uses


def _conditions(row_condition: Any) -> Iterator[tuple[str, bool]]:
    """The columns of a row condition, and whether it uses only their presence."""
    if isinstance(row_condition, dict):
        if isinstance(row_condition.get("column"), dict):
            yield row_condition["column"]["name"], row_condition.get("type") == "nullity"
        for inner in row_condition.get("conditions", []):
            yield from _conditions(inner)


def _unexpected_rows(values: pl.DataFrame, expectations: Sequence[Expectation]) -> list[tuple[list[int], str]]:
    """For each expectation, the indexes of the unexpected rows among those that its row condition selects, and the name
    of the exception if any.
    """
    by_condition: dict[str, list[int]] = {}
    for number, expectation in enumerate(expectations):
        text = json.dumps(expectation.kwargs.get("row_condition"), sort_keys=True)
        by_condition.setdefault(text, []).append(number)
    found: dict[int, tuple[list[int], str]] = {}
    for text, numbers in by_condition.items():
        condition = json.loads(text)
        holds = where(condition, Columns(values.schema)) if condition is not None else pl.lit(True)
        rows = values.select((holds & (pl.int_range(pl.len()) >= 0)).alias("rows"))["rows"].arg_true()
        part = values[rows]
        for number in numbers:
            positions, failure = _unexpected(part, alone(expectations[number]))
            found[number] = (rows[positions].to_list(), failure)
    return [found[number] for number in range(len(expectations))]


def _unexpected(values: pl.DataFrame, expectation: Expectation) -> tuple[list[int], str]:
    """The indexes of the unexpected rows, and the name of the exception if any."""
    if expectation.type == SCHEMA:
        return misfits(values, expectation)
    try:
        mask = unexpected(expectation, Columns(values.schema))
    except NotCompiled:
        from expectations.audit.great_expectations import unexpected_rows

        return unexpected_rows(values, [expectation])[0]
    return values.select(mask.alias("mask"))["mask"].arg_true().to_list(), ""
