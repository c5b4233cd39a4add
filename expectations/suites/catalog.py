"""The expectation types of Great Expectations 1.24 with their arguments, by whether gate or audit evaluates them.

A test compares every name, argument and type with the library, so the gate need not load it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Signature = Mapping[str, str]
"""Arguments by name, each with its type in `arguments.TYPES`; `!` marks required arguments."""

_CONDITION: Final = {"row_condition": "condition", "condition_parser": "parser", "windows": "windows"}
_MOSTLY: Final = {**_CONDITION, "mostly": "share"}
_COLUMN: Final = {**_MOSTLY, "column": "column!"}
_PAIR: Final = {**_MOSTLY, "column_A": "column!", "column_B": "column!", "ignore_row_if": "ignored pairs"}
_MANY: Final = {**_MOSTLY, "column_list": "columns!", "ignore_row_if": "ignored rows"}
_WHOLE: Final = {**_CONDITION, "column": "column!"}
_STRICT: Final = {"strict_min": "flag", "strict_max": "flag"}
_BOUNDS: Final = {"min_value": "bound", "max_value": "bound", **_STRICT}
_NUMBERS: Final = {"min_value": "number", "max_value": "number", **_STRICT}
_COUNTS: Final = {"min_value": "whole", "max_value": "whole", **_STRICT}
RANGE: Final = frozenset(_BOUNDS)

ROW_LEVEL: Final[Mapping[str, Signature]] = {
    "expect_column_values_to_not_be_null": _COLUMN,
    "expect_column_values_to_be_null": _COLUMN,
    "expect_column_values_to_be_in_set": {**_COLUMN, "value_set": "values!"},
    "expect_column_values_to_not_be_in_set": {**_COLUMN, "value_set": "values!"},
    "expect_column_values_to_be_between": {**_COLUMN, **_BOUNDS},
    "expect_column_value_lengths_to_be_between": {**_COLUMN, **_COUNTS},
    "expect_column_value_lengths_to_equal": {**_COLUMN, "value": "number!"},
    "expect_column_values_to_match_regex": {**_COLUMN, "regex": "pattern!"},
    "expect_column_values_to_not_match_regex": {**_COLUMN, "regex": "pattern!"},
    "expect_column_values_to_match_regex_list": {**_COLUMN, "regex_list": "patterns!", "match_on": "any or all"},
    "expect_column_values_to_not_match_regex_list": {**_COLUMN, "regex_list": "patterns!"},
    "expect_column_pair_values_to_be_equal": _PAIR,
    "expect_column_pair_values_a_to_be_greater_than_b": {**_PAIR, "or_equal": "flag"},
    "expect_column_pair_values_to_be_in_set": {**_PAIR, "value_pairs_set": "pairs!"},
    "expect_multicolumn_sum_to_equal": {**_MANY, "sum_total": "number!"},
    "expect_multicolumn_values_to_be_equal": _MANY,
    "expect_select_column_values_to_be_unique_within_record": _MANY,
}
"""Expectations that are evaluated row by row."""

AUDITED: Final[Mapping[str, Signature]] = {
    "expect_column_distinct_values_to_be_in_set": {**_WHOLE, "value_set": "values!"},
    "expect_column_distinct_values_to_contain_set": {**_WHOLE, "value_set": "values!"},
    "expect_column_distinct_values_to_equal_set": {**_WHOLE, "value_set": "values!"},
    "expect_column_kl_divergence_to_be_less_than": {
        **_WHOLE,
        "partition_object": "partition!",
        "threshold": "number!",
        "internal_weight_holdout": "share",
        "tail_weight_holdout": "share",
        "bucketize_data": "flag",
        "min_value": "bound",
        "max_value": "bound",
    },
    "expect_column_max_to_be_between": {**_WHOLE, **_BOUNDS},
    "expect_column_mean_to_be_between": {**_WHOLE, **_BOUNDS},
    "expect_column_median_to_be_between": {**_WHOLE, **_BOUNDS},
    "expect_column_min_to_be_between": {**_WHOLE, **_BOUNDS},
    "expect_column_most_common_value_to_be_in_set": {**_WHOLE, "value_set": "values!", "ties_okay": "flag"},
    "expect_column_proportion_of_non_null_values_to_be_between": {**_WHOLE, **_NUMBERS},
    "expect_column_proportion_of_unique_values_to_be_between": {**_WHOLE, **_NUMBERS},
    "expect_column_quantile_values_to_be_between": {
        **_WHOLE,
        "quantile_ranges": "quantiles!",
        "allow_relative_error": "relative error",
    },
    "expect_column_stdev_to_be_between": {**_WHOLE, **_NUMBERS},
    "expect_column_sum_to_be_between": {**_WHOLE, **_BOUNDS},
    "expect_column_to_exist": {"column": "column!", "column_index": "whole", "windows": "windows"},
    "expect_column_unique_value_count_to_be_between": {**_WHOLE, **_COUNTS},
    "expect_column_value_z_scores_to_be_less_than": {**_COLUMN, "threshold": "number!", "double_sided": "flag!"},
    "expect_column_values_to_be_dateutil_parseable": _COLUMN,
    "expect_column_values_to_be_json_parseable": _COLUMN,
    "expect_column_values_to_be_unique": _COLUMN,
    "expect_column_values_to_match_json_schema": {**_COLUMN, "json_schema": "schema!"},
    "expect_column_values_to_match_strftime_format": {**_COLUMN, "strftime_format": "format!"},
    "expect_column_values_to_not_be_outliers": {**_COLUMN, "method": "iqr or std", "multiplier": "positive"},
    "expect_compound_columns_to_be_unique": _MANY,
    "expect_table_row_count_to_be_between": {**_CONDITION, **_COUNTS},
    "expect_table_row_count_to_equal": {**_CONDITION, "value": "whole!"},
}
"""Expectations that Great Expectations evaluates on the rows of a day, and the gate cannot evaluate on a row."""

SIGNATURES: Final[Mapping[str, Signature]] = {**ROW_LEVEL, **AUDITED}
"""All supported expectations, with their arguments."""

BY_VALUE: Final = frozenset(
    {
        "expect_column_values_to_be_dateutil_parseable",
        "expect_column_values_to_be_json_parseable",
        "expect_column_values_to_match_json_schema",
        "expect_column_values_to_match_strftime_format",
    }
)
"""Audited expectations that look at each row alone; only Python can evaluate them."""

UNIQUE: Final = frozenset({"expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"})
"""Audited expectations about duplicate values."""

UNSUITED: Final = frozenset(
    {
        "expect_column_pair_cramers_phi_value_to_be_less_than",
        "expect_column_type_to_be",
        "expect_column_values_to_be_decreasing",
        "expect_column_values_to_be_in_type_list",
        "expect_column_values_to_be_increasing",
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
"""Unsupported expectations: about SQL databases, about types and columns (which the contract fixes), about the order of
rows (which a lake does not have), or without an implementation for pandas."""

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
"""The default reason of a failing row in quarantine, by type."""
