"""The gate selects the rows that Great Expectations reports, for every expectation that the gate supports."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from expectations.audit import great_expectations
from expectations.compile.conditions import NotCompiled, judged
from expectations.compile.masks import BUILDERS, unexpected
from expectations.suites.catalog import ROW_LEVEL
from expectations.suites.columns import Columns
from expectations.suites.expectation import Expectation

MANY = int(os.environ.get("JOURNEYS_EXAMPLES", "12"))
Mask = Callable[[Expectation, Columns], pl.Expr]
START = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMA = pl.Schema(
    {
        "word": pl.String,
        "other word": pl.String,
        "level": pl.Enum(["low", "high", "1"]),
        "amount": pl.Float64,
        "price": pl.Decimal(18, 2),
        "count": pl.Int32,
        "more": pl.Int64,
        "at": pl.Datetime("us", "UTC"),
        "until": pl.Datetime("us", "UTC"),
        "day": pl.Date,
        "flag": pl.Boolean,
        "tags": pl.List(pl.String),
        "properties": pl.String,
    }
)
COLUMNS = Columns(SCHEMA)
WORDS = ["", "a", "b", "ab", "A", "1", "12", "a\n", "\n", "é", "٣", "a b", "x_1", "\x1c", "low", "high", "nan", "None"]
PATTERNS = [
    *("a", "^a", "a$", "^a$", "^$", "$", "a|b", "^(a|b)$", "[a-c]", "[^a]", "^[^a]$", ".", "^.$", r"\d", r"^\d+$"),
    *(r"\w", r"^\w*$", r"\W", r"\s", r"\S$", r"[\w\s]{2}", "(a)(b)?", "a*?b", "^(?:ab?){1,2}$", r"\Aa\Z", "a{2,}"),
    *("(?i)a", "(?i:A)b", "(?i)[^a]", "(?s)a.", "(?m)^$", r"\bb", r"a\b", r"\Ba", "(?x) a b", "(?i)(?-i:a)b"),
    *("[^\\d]", "é", "(a$|b)", "(?P<x>a)", "\\n", "^[A-Z0-9_]*$", "^a\\.b$", "x_\\d"),
]
NUMBERS = [-2, -1, 0, 1, 2, 3, 0.1, 0.5, 1.5]
moments = st.integers(-2, 4).map(lambda days: START + timedelta(days=days))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "word": st.sampled_from(WORDS) | st.text(max_size=3),
    "other word": st.sampled_from(WORDS),
    "level": st.sampled_from(["low", "high", "1"]),
    "amount": st.sampled_from([*NUMBERS, float("nan"), float("inf")]),
    "price": st.sampled_from(["0.10", "0.50", "1.50", "-1.00", "2.00"]),
    "count": st.integers(-3, 4),
    "more": st.integers(-3, 4),
    "at": moments,
    "until": moments,
    "day": moments.map(datetime.date),
    "flag": st.booleans(),
    "tags": st.lists(st.just("x"), max_size=2),
    "properties": st.sampled_from(['{"sku":"a"}', '{"sku":1}', '{"sku":null}', "{}", '{"sku":{"a":1}}']),
}
frames = st.integers(0, 12).flatmap(
    lambda height: st.fixed_dictionaries(
        {name: st.lists(st.none() | values, min_size=height, max_size=height) for name, values in VALUES.items()}
    )
)

texts = st.sampled_from(["word", "other word", "level", "properties.sku"])
numbers = st.sampled_from(["amount", "price", "count", "more"])
times = st.sampled_from(["at", "until", "day"])
anything = st.sampled_from([*SCHEMA, "properties.sku"])
words, plain_numbers = st.sampled_from(WORDS), st.sampled_from(NUMBERS)
instants = moments.map(datetime.isoformat)


def sets_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | values, min_size=1, max_size=4)


def spans(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    ends = st.lists(values, min_size=2, max_size=2).map(sorted)
    which = st.sampled_from([("min_value", "max_value"), ("min_value",), ("max_value",)])
    strict = st.fixed_dictionaries({}, optional={"strict_min": st.booleans(), "strict_max": st.booleans()})
    return st.tuples(ends, which, strict).map(lambda t: {**dict(zip(t[1], t[0], strict=False)), **t[2]})


def comparisons() -> st.SearchStrategy[dict[str, Any]]:
    def one(column: st.SearchStrategy[str], operators: list[str], values: st.SearchStrategy[Any]) -> Any:
        parts = {"column": column.map(lambda name: {"name": name}), "operator": st.sampled_from(operators)}
        return st.fixed_dictionaries({"type": st.just("comparison"), **parts, "parameter": values})

    orders = ["==", "!=", "<", "<=", ">", ">="]
    nullity = {"type": st.just("nullity"), "column": anything.map(lambda n: {"name": n}), "is_null": st.booleans()}
    return st.one_of(
        one(texts, ["==", "!="], words),
        one(numbers, orders, plain_numbers),
        one(texts, ["IN", "NOT_IN"], st.lists(words, min_size=1, max_size=3)),
        one(numbers, ["IN", "NOT_IN"], st.lists(plain_numbers, min_size=1, max_size=3)),
        st.fixed_dictionaries(nullity),
    )


def conditions() -> st.SearchStrategy[dict[str, Any] | None]:
    joined = st.fixed_dictionaries(
        {"type": st.sampled_from(["and", "or"]), "conditions": st.lists(comparisons(), min_size=2, max_size=3)}
    )
    return st.none() | comparisons() | joined


def on(column: st.SearchStrategy[str], **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"column": column, **arguments})


def merged(column: st.SearchStrategy[str], span: st.SearchStrategy[dict[str, Any]]) -> Any:
    return st.tuples(column, span).map(lambda pair: {"column": pair[0], **pair[1]})


def pairs(column: st.SearchStrategy[str], **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    ignore = st.sampled_from(["both_values_are_missing", "either_value_is_missing", "neither"])
    given = {"column_A": column, "column_B": column, **arguments}
    return st.fixed_dictionaries(given, optional={"ignore_row_if": ignore})


def several(column: st.SearchStrategy[str], **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    ignore = st.sampled_from(["all_values_are_missing", "any_value_is_missing", "never"])
    columns = st.lists(column, min_size=2, max_size=3, unique=True)
    return st.fixed_dictionaries({"column_list": columns, **arguments}, optional={"ignore_row_if": ignore})


patterns = st.sampled_from(PATTERNS)
wholes = st.sampled_from(["count", "more"])
ARGUMENTS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "expect_column_values_to_not_be_null": on(anything),
    "expect_column_values_to_be_null": on(anything),
    "expect_column_values_to_be_in_set": on(texts, value_set=sets_of(words))
    | on(numbers, value_set=sets_of(plain_numbers))
    | on(st.just("flag"), value_set=sets_of(st.booleans())),
    "expect_column_values_to_not_be_in_set": on(texts, value_set=sets_of(words))
    | on(numbers, value_set=sets_of(plain_numbers)),
    "expect_column_values_to_be_between": merged(numbers, spans(plain_numbers)) | merged(times, spans(instants)),
    "expect_column_value_lengths_to_be_between": merged(texts, spans(st.integers(0, 3))),
    "expect_column_value_lengths_to_equal": on(texts, value=st.integers(0, 3)),
    "expect_column_values_to_match_regex": on(texts, regex=patterns),
    "expect_column_values_to_not_match_regex": on(texts, regex=patterns),
    "expect_column_values_to_match_regex_list": on(
        texts, regex_list=st.lists(patterns, min_size=1, max_size=3), match_on=st.sampled_from(["any", "all"])
    ),
    "expect_column_values_to_not_match_regex_list": on(texts, regex_list=st.lists(patterns, min_size=1, max_size=3)),
    "expect_column_pair_values_to_be_equal": pairs(texts) | pairs(wholes) | pairs(st.sampled_from(["at", "until"])),
    "expect_column_pair_values_a_to_be_greater_than_b": pairs(wholes, or_equal=st.booleans())
    | pairs(st.sampled_from(["amount", "price"]), or_equal=st.booleans())
    | pairs(times, or_equal=st.booleans()),
    "expect_column_pair_values_to_be_in_set": pairs(
        texts, value_pairs_set=st.lists(st.tuples(st.none() | words, st.none() | words), min_size=1, max_size=4)
    )
    | pairs(
        wholes, value_pairs_set=st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2)), min_size=1, max_size=4)
    ),
    "expect_multicolumn_sum_to_equal": several(wholes, sum_total=st.integers(-2, 4)),
    "expect_multicolumn_values_to_be_equal": several(texts) | several(wholes) | several(times),
    "expect_select_column_values_to_be_unique_within_record": several(st.sampled_from(["word", "other word", "level"]))
    | several(st.sampled_from(["at", "until", "day"])),
}
WITHOUT_CONDITION = {"expect_column_pair_values_to_be_in_set"}


@st.composite
def asked(draw: st.DrawFn) -> list[Expectation]:
    """One expectation of every type."""
    expectations = []
    for type_, arguments in ARGUMENTS.items():
        kwargs = draw(arguments)
        condition = None if type_ in WITHOUT_CONDITION else draw(conditions())
        expectations.append(Expectation(type_, {**kwargs, "row_condition": condition} if condition else kwargs))
    return expectations


def test_every_row_level_expectation_is_compiled_and_tried() -> None:
    assert set(ROW_LEVEL) == set(BUILDERS) == set(ARGUMENTS)


def reported(frame: pl.DataFrame, expectations: list[Expectation]) -> list[dict[str, Any]]:
    """What Great Expectations says of a frame."""
    named = sorted({name for each in expectations for name in [*each.columns, *each.condition_columns]})
    rows = COLUMNS.frame(frame.lazy(), named)
    return great_expectations.evaluate(rows, expectations, {"result_format": "COMPLETE"})


def disagreements(
    frame: pl.DataFrame, expectations: list[Expectation], results: list[dict[str, Any]], masks: Mask = unexpected
) -> list[Expectation]:
    """The expectations of which the masks find other rows than Great Expectations reports, or judge other ones."""
    wrong = []
    for expectation, result in zip(expectations, results, strict=True):
        assert not great_expectations._failure(result["exception_info"]), (expectation, result["exception_info"])
        height = pl.int_range(pl.len()) >= 0  # a mask may be one literal
        found = frame.select((masks(expectation, COLUMNS) & height).alias("mask")).to_series()
        judges = frame.select(judged(expectation.type, expectation.kwargs, COLUMNS).alias("judged")).to_series()
        said = result["result"]
        count = said["element_count"] - (said.get("missing_count") or 0)
        same = found.arg_true().to_list() == sorted(said.get("unexpected_index_list") or [])
        if not (same and found.null_count() == 0 and judges.sum() == count):
            wrong.append(expectation)
    return wrong


def frame_of(rows: dict[str, list[Any]]) -> pl.DataFrame:
    price = pl.Series("price", rows["price"], pl.String).cast(SCHEMA["price"])
    return pl.DataFrame({**rows, "price": price}, schema=SCHEMA)


@settings(max_examples=MANY, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=frames, expectations=asked())
def test_the_gate_finds_the_rows_that_great_expectations_reports(
    rows: dict[str, list[Any]], expectations: list[Expectation]
) -> None:
    frame = frame_of(rows)
    assert disagreements(frame, expectations, reported(frame, expectations)) == []


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(rows=frames.filter(lambda rows: len(rows["word"]) > 3), expectations=asked())
def test_the_comparison_catches_a_mask_that_is_wrong_in_one_row(
    rows: dict[str, list[Any]], expectations: list[Expectation]
) -> None:
    """A control: for every type, a mask that is right but for its first row, or for its nulls, is found out."""
    frame = frame_of(rows)
    results = reported(frame, expectations)
    assert disagreements(frame, expectations, results) == []

    def first_row_turned(expectation: Expectation, columns: Columns) -> pl.Expr:
        return unexpected(expectation, columns) ^ (pl.int_range(pl.len()) == 0)

    def null_where_none_is_unexpected(expectation: Expectation, columns: Columns) -> pl.Expr:
        return pl.when(unexpected(expectation, columns) & (pl.int_range(pl.len()) >= 0)).then(True)

    assert {each.type for each in disagreements(frame, expectations, results, first_row_turned)} == set(ROW_LEVEL)
    wrong = disagreements(frame, expectations, results, null_where_none_is_unexpected)
    assert {each.type for each in wrong} <= set(ROW_LEVEL) and wrong


@pytest.mark.parametrize(
    ("type_", "kwargs", "why"),
    [
        ("expect_column_values_to_match_regex", {"column": "word", "regex": "(?a)a"}, "flags"),
        ("expect_column_values_to_match_regex", {"column": "word", "regex": "a(?=b)"}, "assert"),
        ("expect_column_values_to_match_regex", {"column": "word", "regex": r"(a)\1"}, "groupref"),
        ("expect_column_values_to_match_regex", {"column": "word", "regex": "a$b"}, "inside"),
        ("expect_column_values_to_match_regex", {"column": "count", "regex": "1"}, "not text"),
        ("expect_column_values_to_be_between", {"column": "word", "min_value": "a"}, "types"),
        ("expect_column_values_to_be_between", {"column": "at", "min_value": "2026-01-01T00:00:00"}, "zone"),
        ("expect_column_values_to_be_in_set", {"column": "count", "value_set": ["1"]}, "types"),
        ("expect_column_values_to_not_be_null", {"column": "word", "mostly": 0.9}, "share"),
        ("expect_column_values_to_not_be_null", {"column": "word", "row_condition": "word.strip() == 'a'"}, "strip"),
        ("expect_multicolumn_sum_to_equal", {"column_list": ["amount", "price"], "sum_total": 1}, "whole"),
        ("expect_column_values_to_be_unique", {"column": "word"}, "many rows"),
    ],
)
def test_expectations_that_polars_interprets_differently_are_left_to_the_audit(
    type_: str, kwargs: dict[str, Any], why: str
) -> None:
    with pytest.raises(NotCompiled) as caught:
        unexpected(Expectation(type_, kwargs), COLUMNS)
    assert why in str(caught.value)


def masked(type_: str, **kwargs: Any) -> list[bool]:
    rows = {"word": ["a", "b", None], "count": [1, 2, None], "more": [1, 3, None]}
    frame = pl.DataFrame(rows, schema={name: SCHEMA[name] for name in rows})
    return frame.select((unexpected(Expectation(type_, kwargs), COLUMNS) & (pl.int_range(pl.len()) >= 0)).alias("m"))[
        "m"
    ].to_list()


def test_without_a_set_there_is_nothing_to_be_in() -> None:
    for type_ in ("expect_column_values_to_be_in_set", "expect_column_values_to_not_be_in_set"):
        assert masked(type_, column="word", value_set=None) == [False] * 3
    pairs_ = "expect_column_pair_values_to_be_in_set"
    assert masked(pairs_, column_A="count", column_B="more", value_pairs_set=None) == [False] * 3


def test_one_pair_to_two_hundred_are_compared_and_no_more() -> None:
    type_, columns = "expect_column_pair_values_to_be_in_set", {"column_A": "count", "column_B": "more"}
    assert masked(type_, **columns, value_pairs_set=[(1, 1)]) == [False, True, False]
    assert masked(type_, **columns, value_pairs_set=[(1, 1), *((9, n) for n in range(199))]) == [False, True, False]
    for pairs_ in ([], [(1, 1)] * 201):
        with pytest.raises(NotCompiled, match="pairs"):
            masked(type_, **columns, value_pairs_set=pairs_)


def test_patterns_match_on_any_unless_another_is_named() -> None:
    type_ = "expect_column_values_to_match_regex_list"
    for match_on, found in (
        (None, [False, False, False]),
        ("any", [False, False, False]),
        ("all", [True, True, False]),
    ):
        assert masked(type_, column="word", regex_list=["a", "b"], match_on=match_on) == found
    with pytest.raises(NotCompiled, match="match_on"):
        masked(type_, column="word", regex_list=["a"], match_on="some")
    with pytest.raises(NotCompiled, match="empty"):
        masked(type_, column="word", regex_list=[])


def test_two_columns_can_differ_and_one_cannot() -> None:
    type_ = "expect_select_column_values_to_be_unique_within_record"
    assert masked(type_, column_list=["count", "more"]) == [True, False, False]
    with pytest.raises(NotCompiled, match="two columns"):
        masked(type_, column_list=["count"])
    with pytest.raises(NotCompiled, match="different types"):
        masked("expect_column_pair_values_to_be_equal", column_A="tags", column_B="tags")


@pytest.mark.parametrize(
    ("ignore", "found"),
    [
        (None, [False, True, True, False]),
        ("all_values_are_missing", [False, True, True, False]),
        ("any_value_is_missing", [False, True, False, False]),
        ("never", [False, True, True, True]),
    ],
)
def test_rows_with_missing_values_are_judged_as_asked(ignore: str | None, found: list[bool]) -> None:
    kwargs = {"column_list": ["count", "more"], "sum_total": 2, "ignore_row_if": ignore}
    frame = pl.DataFrame(
        {"count": [1, 1, 1, None], "more": [1, 2, None, None]}, schema=pl.Schema({"count": pl.Int32, "more": pl.Int64})
    )
    mask = unexpected(Expectation("expect_multicolumn_sum_to_equal", kwargs), COLUMNS)
    assert frame.select(mask.alias("m"))["m"].to_list() == found
    with pytest.raises(NotCompiled, match="ignore_row_if"):
        unexpected(Expectation("expect_multicolumn_sum_to_equal", {**kwargs, "ignore_row_if": "soon"}), COLUMNS)


PAIRS = pl.DataFrame(
    {"count": [1, 2, 3, 1, None, None], "more": [1, 1, 4, None, 1, None]},
    schema={"count": SCHEMA["count"], "more": SCHEMA["more"]},
)


@pytest.mark.parametrize(
    ("type_", "more", "found"),
    [
        ("expect_column_pair_values_to_be_equal", {}, [1, 2, 3, 4]),
        ("expect_column_pair_values_to_be_equal", {"ignore_row_if": "either_value_is_missing"}, [1, 2]),
        ("expect_column_pair_values_to_be_equal", {"ignore_row_if": "neither"}, [1, 2, 3, 4, 5]),
        ("expect_column_pair_values_a_to_be_greater_than_b", {}, [0, 2, 3, 4]),
        ("expect_column_pair_values_a_to_be_greater_than_b", {"or_equal": True}, [2, 3, 4]),
        ("expect_column_pair_values_to_be_in_set", {"value_pairs_set": [(1, 1), (3, 4)]}, [1, 3, 4]),
        ("expect_column_pair_values_to_be_in_set", {"value_pairs_set": [(1, None), (2, 1)]}, [0, 2, 4]),
    ],
)
def test_pairs_with_a_missing_value_fail_unless_they_are_ignored(
    type_: str, more: dict[str, Any], found: list[int]
) -> None:
    kwargs = {"column_A": "count", "column_B": "more", **more}
    mask = unexpected(Expectation(type_, kwargs), COLUMNS)
    assert PAIRS.select(mask.alias("m"))["m"].arg_true().to_list() == found
    rows = PAIRS.select(judged(type_, kwargs, COLUMNS).alias("j"))["j"].sum()
    assert rows == {"neither": 6, "either_value_is_missing": 3}.get(more.get("ignore_row_if", ""), 5)


@pytest.mark.parametrize(
    ("type_", "of_all", "of_one"), [("not_be_null", 6, 3), ("be_null", 6, 3), ("be_between", 4, 2)]
)
def test_a_row_without_a_value_is_judged_only_where_nulls_are_the_question(
    type_: str, of_all: int, of_one: int
) -> None:
    kwargs = {"column": "count", "min_value": 1}
    for condition, rows in (({}, of_all), ({"row_condition": "more == 1"}, of_one)):
        mask = judged(f"expect_column_values_to_{type_}", kwargs | condition, COLUMNS)
        assert PAIRS.select(mask.alias("j"))["j"].sum() == rows


@pytest.mark.parametrize(
    ("type_", "ignore", "found"),
    [
        ("expect_multicolumn_values_to_be_equal", "all_values_are_missing", [1, 2, 3, 4]),
        ("expect_multicolumn_values_to_be_equal", "any_value_is_missing", [1, 2]),
        ("expect_select_column_values_to_be_unique_within_record", "all_values_are_missing", [0]),
        ("expect_select_column_values_to_be_unique_within_record", "never", [0, 5]),
    ],
)
def test_columns_with_missing_values_are_compared_unless_they_are_ignored(
    type_: str, ignore: str, found: list[int]
) -> None:
    mask = unexpected(Expectation(type_, {"column_list": ["count", "more"], "ignore_row_if": ignore}), COLUMNS)
    assert PAIRS.select(mask.alias("m"))["m"].arg_true().to_list() == found
