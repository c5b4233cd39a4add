"""The verdict on each of many days, with few calls of Great Expectations, each of which costs a second however small.

Days are judged together as long as their rows fit in one batch. What all their rows meet, the rows of each day meet;
only what they do not is judged again, day by day. A day that is larger than a batch is judged in parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final

import polars as pl

from expectations import suites
from expectations.catalog import ROW_LEVEL
from expectations.columns import Columns
from expectations.conditions import NotCompiled, where
from expectations.expectation import Expectation
from expectations.suites import Outcome

UNIQUE: Final = frozenset({"expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"})
"""Expectations about many rows that every day meets when all days together do."""


def judge_days(
    rows: Callable[[date], pl.LazyFrame], sizes: Mapping[date, int], asked: Sequence[Expectation], batch: int
) -> Iterator[tuple[date, list[Outcome]]]:
    """Judge days of `rows`, whose columns are in their judged form, with at most `batch` rows in pandas at a time.

    `sizes` says how many rows each day has. Expectations that are neither row-level nor of `UNIQUE` are judged
    with all rows of a day at once. Yields the days in their order, outcomes in order of `asked`.
    """
    if not asked:
        yield from ((day, []) for day in sorted(sizes))
        return
    shared = [each for each in asked if each.type in ROW_LEVEL or each.type in UNIQUE]
    for days in _spans(sizes, batch):
        frames = {day: rows(day) for day in days}
        if len(days) == 1 and sizes[days[0]] > batch:
            verdicts = {days[0]: _in_parts(frames[days[0]], shared, batch)}
        else:
            verdicts = _at_once({day: frame.collect(engine="streaming") for day, frame in frames.items()}, shared)
        for day in days:
            found = dict(zip(map(id, shared), verdicts[day], strict=True))
            alone = [each for each in asked if id(each) not in found]
            whole = suites.judge(frames[day].collect(engine="streaming"), alone) if alone else []
            found |= dict(zip(map(id, alone), whole, strict=True))
            yield day, [found[id(each)] for each in asked]


def _spans(sizes: Mapping[date, int], batch: int) -> Iterator[list[date]]:
    """Neighbouring days whose rows fit in a batch together."""
    span: list[date] = []
    held = 0
    for day in sorted(sizes):
        if span and held + sizes[day] > batch:
            yield span
            span, held = [], 0
        span.append(day)
        held += sizes[day]
    if span:
        yield span


def _in_parts(rows: pl.LazyFrame, asked: Sequence[Expectation], batch: int) -> list[Outcome]:
    """Row-level verdicts add up over parts of a day; values that may occur twice are judged together."""
    by_row = [each for each in asked if each.type in ROW_LEVEL]
    read = rows.collect_batches(chunk_size=batch, engine="streaming") if by_row else ()
    parts = [suites.judge(part, by_row) for part in read]
    verdicts = dict(zip(map(id, by_row), (suites.together(each) for each in zip(*parts, strict=True)), strict=True))
    return [verdicts[id(each)] if id(each) in verdicts else _unique(rows, each) for each in asked]


def _unique(rows: pl.LazyFrame, asked: Expectation) -> Outcome:
    """Only rows that share the hash of their values with another can be duplicates; pandas gets to see those."""
    rows = rows.select(sorted({*asked.columns, *asked.condition_columns}))
    applies = _applies(asked, Columns(rows.collect_schema()))
    if applies is None:
        return suites.judge(rows.collect(engine="streaming"), [asked])[0]
    judged = rows.filter(applies)
    key = pl.struct(asked.columns).hash()
    keys = judged.select(key.alias("key")).collect(engine="streaming")["key"]
    twice = keys.filter(keys.is_duplicated()).unique()
    found = suites.judge(judged.filter(key.is_in(twice.implode())).collect(engine="streaming"), [asked])[0]
    kept = 1 - (found.failed or 0) / max(len(keys), 1) >= asked.kwargs.get("mostly", 1)
    return found._replace(judged=len(keys), passed=kept and not found.failure)


def _at_once(frames: Mapping[date, pl.DataFrame], asked: Sequence[Expectation]) -> dict[date, list[Outcome]]:
    together = suites.judge(pl.concat(frames.values()), asked)
    if len(frames) == 1:
        return dict.fromkeys(frames, together)
    counts = [_applies(each, Columns(next(iter(frames.values())).schema)) for each in asked]
    again = [
        each
        for each, outcome, count in zip(asked, together, counts, strict=True)
        if count is None or outcome.failed or not outcome.passed
    ]
    verdicts = {}
    for day, frame in frames.items():
        known = dict(zip(map(id, again), suites.judge(frame, again), strict=True))
        judged = frame.select(
            (pl.lit(0) if count is None else count.sum()).alias(str(place)) for place, count in enumerate(counts)
        )
        verdicts[day] = [
            known.get(id(each)) or outcome._replace(judged=rows)
            for each, outcome, rows in zip(asked, together, judged.row(0), strict=True)
        ]
    return verdicts


def _applies(asked: Expectation, columns: Columns) -> pl.Expr | None:
    """The rows that an expectation judges; None when polars cannot say."""
    condition = asked.kwargs.get("row_condition")
    try:
        rows = where(condition, columns) if condition else pl.lit(True)
    except NotCompiled:
        return None
    about_null = asked.type.endswith("be_null")
    if "column" not in asked.kwargs or about_null:
        return rows & (pl.int_range(pl.len()) >= 0)
    return rows & columns.expression(asked.kwargs["column"]).is_not_null()
