from __future__ import annotations

from typing import Any

import pytest

from expectations.suites.catalog import AUDITED, ROW_LEVEL, UNIQUE
from expectations.suites.defaults import default_suites
from expectations.suites.expectation import Expectation, absent, both, condition
from expectations.suites.prose import in_words

PAIR = {"column_A": "until", "column_B": "at"}
MANY = {"column_list": ["a", "b", "c"]}
WORDS: list[tuple[str, dict[str, Any], str]] = [
    ("column_values_to_not_be_null", {"column": "a"}, "a has a value."),
    ("column_values_to_be_null", {"column": "a"}, "a has no value."),
    ("column_values_to_be_in_set", {"column": "a", "value_set": ["x", "y"]}, "a is one of: x, y."),
    ("column_values_to_not_be_in_set", {"column": "a", "value_set": ["x"]}, "a is none of: x."),
    (
        "column_values_to_be_between",
        {"column": "a", "min_value": 1, "max_value": 2.5},
        "a is at least 1 and at most 2.5.",
    ),
    ("column_values_to_be_between", {"column": "a", "min_value": 1, "strict_min": True}, "a is more than 1."),
    ("column_values_to_be_between", {"column": "a", "max_value": 34_560_000.0}, "a is at most 34,560,000."),
    ("column_values_to_be_between", {"column": "a", "max_value": 9, "strict_max": True}, "a is less than 9."),
    ("column_value_lengths_to_be_between", {"column": "a", "min_value": 1}, "a has at least 1 characters."),
    ("column_value_lengths_to_equal", {"column": "a", "value": 3}, "a has 3 characters."),
    ("column_values_to_match_regex", {"column": "a", "regex": "^x"}, "a matches ^x."),
    ("column_values_to_not_match_regex", {"column": "a", "regex": "^x"}, "a does not match ^x."),
    ("column_values_to_match_regex_list", {"column": "a", "regex_list": ["^x", "y$"]}, "a matches any of: ^x, y$."),
    (
        "column_values_to_match_regex_list",
        {"column": "a", "regex_list": ["y"], "match_on": "all"},
        "a matches all of: y.",
    ),
    ("column_values_to_not_match_regex_list", {"column": "a", "regex_list": ["y"]}, "a matches none of: y."),
    ("column_pair_values_to_be_equal", PAIR, "until equals at."),
    ("column_pair_values_a_to_be_greater_than_b", PAIR, "until is more than at."),
    ("column_pair_values_a_to_be_greater_than_b", {**PAIR, "or_equal": True}, "until is at least at."),
    ("column_pair_values_to_be_in_set", {**PAIR, "value_pairs_set": [[1, 2]]}, "(until, at) is one of: (1, 2)."),
    ("multicolumn_sum_to_equal", {**MANY, "sum_total": 1}, "a, b and c add up to 1."),
    ("multicolumn_values_to_be_equal", MANY, "a, b and c are equal."),
    ("select_column_values_to_be_unique_within_record", MANY, "a, b and c are all different."),
    ("column_values_to_be_unique", {"column": "a"}, "a is in no other row of the day."),
    ("compound_columns_to_be_unique", MANY, "a, b and c together are in no other row of the day."),
]


@pytest.mark.parametrize(("type_", "kwargs", "words"), WORDS)
def test_an_expectation_is_a_sentence(type_: str, kwargs: dict[str, Any], words: str) -> None:
    assert in_words(Expectation(f"expect_{type_}", kwargs)) == words


def test_every_type_that_polars_evaluates_has_words_and_no_other() -> None:
    assert {f"expect_{type_}" for type_, *_ in WORDS} == {*ROW_LEVEL, *UNIQUE}
    for type_ in AUDITED.keys() - UNIQUE:
        assert in_words(Expectation(type_, {"column": "a"})) == ""
    assert all(in_words(each) for suite in default_suites() for each in suite.expectations)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("b == 'x'", "Where b == 'x': "),
        (absent("b"), "Where b has no value: "),
        (condition("b", "NOT_IN", ["x", "y"]), "Where b is none of x, y: "),
        (both(condition("b", ">=", 3), absent("c")), "Where b is at least 3 and c has no value: "),
        (
            {"type": "or", "conditions": [absent("b"), both(absent("c"), absent("d"))]},
            "Where b has no value or (c has no value and d has no value): ",
        ),
    ],
)
def test_a_condition_comes_first_and_a_share_last(where: Any, words: str) -> None:
    asked = {"column": "a", "row_condition": where, "mostly": 0.95}
    expected = f"{words}a has a value, in at least 95 % of rows."
    assert in_words(Expectation("expect_column_values_to_not_be_null", asked)) == expected


def test_a_long_set_is_cut() -> None:
    asked = Expectation("expect_column_values_to_be_in_set", {"column": "a", "value_set": list(range(100))})
    assert in_words(asked).endswith("18, 19 and 80 more.")
