"""Evaluates expectations about rows, and counts by day.

Expectations that the gate can evaluate are evaluated with its expressions (`expectations.compile.masks`), in one pass
over all rows. `texts` evaluates JSON schemas, and Great Expectations the rest: it takes time for each value, so it gets
distinct values. Rows are read in chunks; in each, the values that an expectation uses are counted by day, every
distinct value is evaluated once, and the counts give the number of rows evaluated and unexpected on each day. Where
only presence matters, values are reduced to it. A property test compares all counts with those of Great Expectations on
the rows themselves.
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
    """Evaluate rows with a column `DAY`, and add to `verdicts`; yields numbers of rows that are done.

    Of rows for Great Expectations, at most `chunk` are in memory at a time.
    """
    numbered = list(enumerate(expectations))
    compiled = {position: masks for position, each in numbered if (masks := _compiled(each, columns)) is not None}
    done = _count(rows, compiled, verdicts)
    others = [pair for pair in numbered if pair[0] not in compiled]
    if not others:
        yield done
        return
    groups = [_Group(list(members)) for _, members in _grouped(others)]
    needed = {name for _, expectation in others for name in [*expectation.columns, *expectation.condition_columns]}
    for part in _chunks(rows.select(DAY, *(columns.expression(name).alias(name) for name in sorted(needed))), chunk):
        for group, counted in zip(groups, pl.collect_all([group.counted(part) for group in groups]), strict=True):
            group.judge(counted, verdicts)
        yield part.height


def _compiled(expectation: Expectation, columns: Columns) -> tuple[pl.Expr, pl.Expr] | None:
    """The rows that are evaluated, and the unexpected ones among them; None when polars cannot tell."""
    try:
        rows = judged(expectation.type, expectation.kwargs, columns)
        return rows, rows & unexpected(alone(expectation), columns)
    except NotCompiled:
        return None


def _count(rows: pl.LazyFrame, compiled: Mapping[int, tuple[pl.Expr, pl.Expr]], verdicts: Verdicts) -> int:
    """Count rows by day, and those of compiled expectations; returns the number of rows."""
    names = [(f"_judged {position}", f"_failed {position}") for position in compiled]
    masks = [
        mask.alias(name)
        for pair, both in zip(names, compiled.values(), strict=True)
        for name, mask in zip(pair, both, strict=True)
    ]
    by_day = rows.select(DAY, *masks).group_by(DAY).agg(pl.len().alias(COUNT), pl.exclude(DAY).sum())
    total = 0
    for day, count, *numbers in by_day.collect(engine="streaming").iter_rows():
        verdicts.rows[day] = count
        total += count
        for position, evaluated, failed in zip(compiled, numbers[::2], numbers[1::2], strict=True):
            counts = verdicts.of(position, day)
            counts.judged, counts.failed = evaluated, failed
    return total


def _chunks(rows: pl.LazyFrame, chunk: int) -> Iterator[pl.DataFrame]:
    """The rows in slices; unlike the batches of a stream, none is read ahead."""
    start = 0
    while (part := rows.slice(start, chunk).collect(engine="streaming")).height:
        yield part
        start += chunk


def _grouped(
    numbered: Sequence[tuple[int, Expectation]],
) -> Iterable[tuple[list[str], Iterator[tuple[int, Expectation]]]]:
    """The expectations with their positions, grouped by the columns whose values they use."""

    def values(pair: tuple[int, Expectation]) -> list[str]:
        return sorted(name for name, presence in _uses(pair[1]).items() if not presence)

    return groupby(sorted(numbered, key=values), key=values)


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
    from expectations.audit.great_expectations import unexpected_rows

    return unexpected_rows(values, [expectation])[0]
