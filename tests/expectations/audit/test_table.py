"""Chunks, distinct values and smaller columns give the same outcomes as whole days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from expectations.audit import days as whole_days
from expectations.audit import great_expectations
from expectations.audit.days import judge_day, judge_unique
from expectations.audit.landed import DAY, within
from expectations.audit.rows import Verdicts, judge_rows
from expectations.compile.compile import narrowed
from expectations.suites.catalog import AUDITED, BY_VALUE, UNIQUE
from expectations.suites.columns import Columns
from expectations.suites.expectation import Expectation, absent, both, condition

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = [date(2026, 1, 1), date(2026, 1, 2), None]
SCHEMA = pl.Schema(
    {
        DAY: pl.Date,
        "word": pl.String,
        "other": pl.String,
        "amount": pl.Float64,
        "count": pl.Int32,
        "at": pl.Datetime("us", "UTC"),
    }
)
COLUMNS = Columns(SCHEMA)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    DAY: st.sampled_from(DAYS),
    "word": st.none() | st.sampled_from(["", "a", "b", "1", "2026-01-01", "{}", "[1]"]),
    "other": st.none() | st.sampled_from(["a", "b"]),
    "amount": st.none() | st.sampled_from([-1.0, 0.0, 0.5, 2.0, float("nan")]),
    "count": st.none() | st.integers(-2, 3),
    "at": st.none() | st.integers(0, 3).map(lambda days: START + timedelta(days=days)),
}
rows = st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=25)
conditions = st.sampled_from(
    [
        None,
        None,
        absent("other"),
        condition("word", "IN", ["a", "b"]),
        both(absent("other"), condition("count", ">", 0)),
    ]
)
words = st.lists(st.sampled_from(["a", "b", "1"]), min_size=1, max_size=3)
shares = st.sampled_from([0, 0.25, 0.5, 1])
counts = st.integers(0, 6)
numbers = st.sampled_from([-1, 0, 0.5, 1])


def on(column: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"column": st.just(column), **arguments})


def spans(column: str | None, ends: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    named = {"column": st.just(column)} if column else {}
    return st.fixed_dictionaries({**named, "min_value": ends}, optional={"strict_min": st.booleans()}) | (
        st.fixed_dictionaries({**named, "max_value": ends}, optional={"strict_max": st.booleans()})
    )


times = st.integers(0, 3).map(lambda days: (START + timedelta(days=days)).isoformat())
WHOLE: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    **{
        f"expect_column_distinct_values_to_{what}_set": on("word", value_set=words)
        | on("count", value_set=st.just([1, 2]))
        for what in ("be_in", "contain", "equal")
    },
    **{f"expect_column_{what}_to_be_between": spans("amount", numbers) for what in ("mean", "median", "stdev", "sum")},
    **{f"expect_column_{what}_to_be_between": spans("amount", numbers) | spans("at", times) for what in ("min", "max")},
    "expect_column_most_common_value_to_be_in_set": on("word", value_set=words, ties_okay=st.booleans()),
    "expect_column_proportion_of_non_null_values_to_be_between": spans("word", shares) | spans("amount", shares),
    "expect_column_proportion_of_unique_values_to_be_between": spans("word", shares) | spans("count", shares),
    "expect_column_unique_value_count_to_be_between": spans("word", counts) | spans("amount", counts),
    "expect_column_quantile_values_to_be_between": on(
        "amount", quantile_ranges=st.just({"quantiles": [0.5, 0.9], "value_ranges": [[None, 0.5], [0, None]]})
    ),
    "expect_column_kl_divergence_to_be_less_than": on(
        "word", partition_object=st.just({"values": ["a", "b"], "weights": [0.5, 0.5]}), threshold=numbers
    ),
    "expect_column_to_exist": on("word"),
    "expect_column_value_z_scores_to_be_less_than": on("amount", threshold=numbers, double_sided=st.booleans()),
    "expect_column_values_to_not_be_outliers": on("amount", method=st.sampled_from(["iqr", "std"])),
    "expect_table_row_count_to_be_between": spans(None, counts),
    "expect_table_row_count_to_equal": st.fixed_dictionaries({"value": counts}),
}
ignored = st.sampled_from(["all_values_are_missing", "any_value_is_missing", "never"])
TWICE: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "expect_column_values_to_be_unique": on("word") | on("amount") | on("at"),
    "expect_compound_columns_to_be_unique": st.fixed_dictionaries(
        {"column_list": st.just(["word", "count"])}, optional={"ignore_row_if": ignored}
    ),
}
ONE_BY_ONE: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "expect_column_values_to_be_dateutil_parseable": on("word"),
    "expect_column_values_to_be_json_parseable": on("word"),
    "expect_column_values_to_match_json_schema": on("word", json_schema=st.just({"type": "array"})),
    "expect_column_values_to_match_strftime_format": on("word", strftime_format=st.just("%Y-%m-%d")),
    "expect_column_values_to_not_be_null": on("word") | on("at"),
    "expect_column_values_to_be_null": on("other"),
    "expect_column_values_to_be_in_set": on("word", value_set=words, mostly=shares),
    "expect_column_values_to_be_between": spans("amount", numbers) | spans("at", times),
    "expect_column_pair_values_to_be_equal": st.just({"column_A": "word", "column_B": "other"}),
    "expect_column_values_to_match_regex": on("word", regex=st.just(r"(?i)\bA"), mostly=shares),
    "expect_column_values_to_not_match_regex_list": on("word", regex_list=st.just(["^a", "1$"])),
}


@st.composite
def asked(draw: st.DrawFn, types: dict[str, st.SearchStrategy[dict[str, Any]]]) -> list[Expectation]:
    """One expectation of every type, some of them about some rows only, in JSON or as text for pandas."""
    expectations = []
    for type_, arguments in types.items():
        kwargs, wanted = draw(arguments), draw(conditions)
        if wanted is not None and Expectation(type_, kwargs).takes_condition:
            text = {"row_condition": "other == 'a'", "condition_parser": "pandas"}
            kwargs = kwargs | (text if draw(st.integers(0, 3)) == 0 else {"row_condition": wanted})
        Expectation(type_, kwargs).require_valid()
        expectations.append(narrowed(Expectation(type_, kwargs), None))
    return expectations


def whole(frame: pl.DataFrame, day: date | None, expectations: list[Expectation]) -> list[dict[str, Any]]:
    """Great Expectations' own results on all rows of a day."""
    part = within(frame.lazy(), [day])
    return great_expectations.evaluate(COLUMNS.frame(part, SCHEMA.names()), expectations, {"result_format": "COMPLETE"})


def days_of(frame: pl.DataFrame) -> Iterable[date | None]:
    return frame[DAY].unique().to_list()


def counts_of(result: dict[str, Any]) -> tuple[int, int]:
    said = result["result"]
    return said["element_count"] - (said.get("missing_count") or 0), said["unexpected_count"]


quick = settings(max_examples=12, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


def test_every_audited_expectation_is_tried() -> None:
    assert {*WHOLE, *TWICE, *ONE_BY_ONE} >= AUDITED.keys()
    assert TWICE.keys() == UNIQUE and ONE_BY_ONE.keys() >= BY_VALUE


@quick
@given(given_rows=rows, expectations=asked(ONE_BY_ONE), chunk=st.sampled_from([3, 10, 100]))
def test_rows_are_judged_as_on_the_whole_day(
    given_rows: list[dict[str, Any]], expectations: list[Expectation], chunk: int
) -> None:
    frame, found = pl.DataFrame(given_rows, schema=SCHEMA), Verdicts()
    assert sum(judge_rows(frame.lazy(), COLUMNS, expectations, chunk, found)) == frame.height
    for day in days_of(frame):
        assert found.rows[day] == within(frame.lazy(), [day]).collect().height
        for place, result in enumerate(whole(frame, day, expectations)):
            counted, failure = found.of(place, day), great_expectations._failure(result["exception_info"])
            assert counted.failure or not failure, expectations[place]
            if not counted.failure:
                assert (counted.judged, counted.failed) == counts_of(result), expectations[place]


@quick
@given(given_rows=rows, expectations=asked(TWICE), span=st.sampled_from([1, 100]))
def test_duplicates_are_found_as_on_the_whole_day(
    given_rows: list[dict[str, Any]], expectations: list[Expectation], span: int
) -> None:
    frame = pl.DataFrame(given_rows, schema=SCHEMA)
    sizes = dict(frame.group_by(DAY).len().iter_rows())
    for asked_for in expectations:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(whole_days, "MAX_ROWS", span)
            found = dict(judge_unique(frame.lazy(), COLUMNS, asked_for, sizes))
        for day in days_of(frame):
            [result] = whole(frame, day, [asked_for])
            assert (found[day].judged, found[day].failed) == counts_of(result), asked_for


@quick
@given(given_rows=rows, expectations=asked(WHOLE))
def test_a_smaller_column_has_the_answer_of_the_whole_day(
    given_rows: list[dict[str, Any]], expectations: list[Expectation]
) -> None:
    frame = pl.DataFrame(given_rows, schema=SCHEMA)
    for day in days_of(frame):
        found = judge_day(within(frame.lazy(), [day]), COLUMNS, expectations)
        for outcome, result in zip(found, whole(frame, day, expectations), strict=True):
            failure = great_expectations._failure(result["exception_info"])
            assert (outcome.passed, outcome.failure) == (result["success"], failure), outcome.expectation
