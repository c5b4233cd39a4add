"""Which expectations are there? The names that Great Expectations 1.24 knows, by who can judge them here.

A test holds the lists against the library, so that neither goes stale and the gate need not load it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_COMMON: Final = frozenset({"mostly", "row_condition", "condition_parser", "windows"})
_COLUMN: Final = _COMMON | {"column"}
_PAIR: Final = _COMMON | {"column_A", "column_B", "ignore_row_if"}
_MANY: Final = _COMMON | {"column_list", "ignore_row_if"}
RANGE: Final = frozenset({"min_value", "max_value", "strict_min", "strict_max"})

ROW_LEVEL: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    "expect_column_values_to_not_be_null": (_COLUMN, frozenset({"column"})),
    "expect_column_values_to_be_null": (_COLUMN, frozenset({"column"})),
    "expect_column_values_to_be_in_set": (_COLUMN | {"value_set"}, frozenset({"column", "value_set"})),
    "expect_column_values_to_not_be_in_set": (_COLUMN | {"value_set"}, frozenset({"column", "value_set"})),
    "expect_column_values_to_be_between": (_COLUMN | RANGE, frozenset({"column"})),
    "expect_column_value_lengths_to_be_between": (_COLUMN | RANGE, frozenset({"column"})),
    "expect_column_value_lengths_to_equal": (_COLUMN | {"value"}, frozenset({"column", "value"})),
    "expect_column_values_to_match_regex": (_COLUMN | {"regex"}, frozenset({"column", "regex"})),
    "expect_column_values_to_not_match_regex": (_COLUMN | {"regex"}, frozenset({"column", "regex"})),
    "expect_column_values_to_match_regex_list": (
        _COLUMN | {"regex_list", "match_on"},
        frozenset({"column", "regex_list"}),
    ),
    "expect_column_values_to_not_match_regex_list": (_COLUMN | {"regex_list"}, frozenset({"column", "regex_list"})),
    "expect_column_pair_values_to_be_equal": (_PAIR, frozenset({"column_A", "column_B"})),
    "expect_column_pair_values_a_to_be_greater_than_b": (_PAIR | {"or_equal"}, frozenset({"column_A", "column_B"})),
    "expect_column_pair_values_to_be_in_set": (
        _PAIR | {"value_pairs_set"},
        frozenset({"column_A", "column_B", "value_pairs_set"}),
    ),
    "expect_multicolumn_sum_to_equal": (_MANY | {"sum_total"}, frozenset({"column_list", "sum_total"})),
    "expect_multicolumn_values_to_be_equal": (_MANY, frozenset({"column_list"})),
    "expect_select_column_values_to_be_unique_within_record": (_MANY, frozenset({"column_list"})),
}
"""Every expectation that is judged row by row: its arguments, and those of them it cannot do without."""

AUDITED: Final = frozenset(
    {
        "expect_column_distinct_values_to_be_in_set",
        "expect_column_distinct_values_to_contain_set",
        "expect_column_distinct_values_to_equal_set",
        "expect_column_kl_divergence_to_be_less_than",
        "expect_column_max_to_be_between",
        "expect_column_mean_to_be_between",
        "expect_column_median_to_be_between",
        "expect_column_min_to_be_between",
        "expect_column_most_common_value_to_be_in_set",
        "expect_column_proportion_of_non_null_values_to_be_between",
        "expect_column_proportion_of_unique_values_to_be_between",
        "expect_column_quantile_values_to_be_between",
        "expect_column_stdev_to_be_between",
        "expect_column_sum_to_be_between",
        "expect_column_to_exist",
        "expect_column_unique_value_count_to_be_between",
        "expect_column_value_z_scores_to_be_less_than",
        "expect_column_values_to_be_dateutil_parseable",
        "expect_column_values_to_be_decreasing",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_json_parseable",
        "expect_column_values_to_be_unique",
        "expect_column_values_to_match_json_schema",
        "expect_column_values_to_match_strftime_format",
        "expect_column_values_to_not_be_outliers",
        "expect_compound_columns_to_be_unique",
        "expect_table_row_count_to_be_between",
        "expect_table_row_count_to_equal",
    }
)
"""Expectations that Great Expectations can judge on a day of the lake, and the gate cannot on a row."""

UNSUITED: Final = frozenset(
    {
        "expect_column_pair_cramers_phi_value_to_be_less_than",
        "expect_column_type_to_be",
        "expect_column_values_to_be_in_type_list",
        "expect_column_values_to_be_of_type",
        "expect_column_values_to_match_like_pattern",
        "expect_column_values_to_match_like_pattern_list",
        "expect_column_values_to_not_match_like_pattern",
        "expect_column_values_to_not_match_like_pattern_list",
        "expect_query_results_to_match_comparison",
        "expect_table_column_count_to_be_between",
        "expect_table_column_count_to_equal",
        "expect_table_columns_to_match_ordered_list",
        "expect_table_columns_to_match_set",
        "expect_table_row_count_to_equal_other_table",
        "unexpected_rows_expectation",
    }
)
"""Expectations about SQL databases, about types and columns, which the contract fixes, or without a pandas engine."""

REASONS: Final[Mapping[str, str]] = {
    "expect_column_values_to_not_be_null": "missing_field",
    "expect_column_values_to_be_null": "unwanted_field",
    "expect_column_values_to_be_in_set": "not_allowed",
    "expect_column_values_to_not_be_in_set": "not_allowed",
    "expect_column_values_to_be_between": "out_of_range",
    "expect_column_value_lengths_to_be_between": "bad_length",
    "expect_column_value_lengths_to_equal": "bad_length",
    "expect_column_values_to_match_regex": "bad_format",
    "expect_column_values_to_not_match_regex": "bad_format",
    "expect_column_values_to_match_regex_list": "bad_format",
    "expect_column_values_to_not_match_regex_list": "bad_format",
}
"""The code in the quarantine of a row that fails, unless the expectation names another."""
