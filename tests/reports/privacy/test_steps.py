"""Counts change by `k` or not at all, whatever the data does."""

from __future__ import annotations

from itertools import combinations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.privacy.steps import Steps, all_earlier, around, below, coarse, coarse_amount, in_steps, rate

counts = st.integers(0, 300).map(lambda count: 0 if count < 10 else count)


@given(st.lists(counts, min_size=2, max_size=8), st.integers(2, 10))
def test_any_two_of_many_reports_differ_by_k_or_not_at_all(series: list[int], k: int) -> None:
    """Withdrawn from the list or not, each report is anchored to all that are kept."""
    kept: list[dict[str, dict[str, int]]] = []
    published: list[int] = []
    for count in series:
        steps = Steps(k, all_earlier(kept))
        shown = steps.count("t", ("a",), count)
        steps.count("t", ("b",), 50)
        kept.insert(0, dict(steps.counts))
        if shown is not None:
            published.append(shown)
            assert abs(shown - count) <= k, (shown, count)
            assert shown == 0 or shown >= k
    for one, other in combinations(published, 2):
        assert one == other or abs(one - other) >= k


@given(st.lists(st.tuples(counts, st.integers(-9, 9)), min_size=2, max_size=6))
def test_no_sum_reveals_a_small_change(groups: list[tuple[int, int]]) -> None:
    """A total less all groups but one never gives the change of that one, unless it is 0 or at least k."""
    before = {str(number): count for number, (count, _) in enumerate(groups)} | {"total": sum(n for n, _ in groups)}
    now = {str(number): max(0, count + moved) for number, (count, moved) in enumerate(groups)}
    now = {name: 0 if count < 10 else count for name, count in now.items()}
    steps = Steps(10, {"t": before})
    shown = {name: steps.count("t", (name,), count) for name, count in now.items()}
    total = steps.count("t", ("total",), sum(now.values()))
    for name in now:
        others = [shown[other] for other in now if other != name]
        if total is not None and all(other is not None for other in others):
            rest = total - sum(other or 0 for other in others)
            moved = rest - (before["total"] - sum(before[other] for other in now if other != name))
            assert moved % 10 == 0


@given(counts, counts, st.integers(2, 10))
def test_zero_is_said_as_zero_or_not_at_all(count: int, earlier: int, k: int) -> None:
    shown = in_steps(count, earlier, k)
    assert shown is None or (shown == 0) == (count == 0)


@given(counts, counts)
def test_a_part_is_no_larger_than_its_whole_and_leaves_no_small_rest(count: int, whole: int) -> None:
    shown = below(count, whole, 10)
    assert shown is None or (shown <= whole and not 0 < whole - shown < 10 and (count - shown) % 10 == 0)


def test_without_an_earlier_report_counts_are_exact() -> None:
    steps = Steps(10)
    assert [steps.count("t", (n,), n) for n in (10, 17, 0, None)] == [10, 17, 0, None]  # type: ignore[list-item]
    assert not steps.rounded


def test_an_interval_moves_with_its_share_and_never_shrinks() -> None:
    low, high = around(0.4, 0.37, 0.33, 0.41)
    assert low is not None and high is not None
    assert 0.4 - 0.04 * 1.5 <= low <= 0.4 - 0.04 and 0.4 + 0.04 <= high <= 0.4 + 0.04 * 1.5


@pytest.mark.parametrize(
    ("count", "earlier", "published"),
    [
        (104, 100, 100),
        (105, 100, 110),
        (95, 100, 100),
        (94, 100, 90),
        (10, 27, 17),
        (12, 3, 13),
        (0, 0, 0),
        (27, 27, 27),
    ],
)
def test_a_count_is_the_nearest_of_those_in_steps_from_the_earlier_one(
    count: int, earlier: int, published: int
) -> None:
    assert in_steps(count, earlier, 10) == published


def test_none_is_said_only_where_the_steps_reach_it() -> None:
    assert [in_steps(0, earlier, 10) for earlier in (0, 20, 27, 5)] == [0, 0, None, None]


@pytest.mark.parametrize(
    ("count", "whole", "published"),
    [
        *((103, 100, 83), (100, 100, 100), (91, 100, 81), (90, 100, 90), (13, 10, None), (19, 20, None), (25, 30, 15)),
        *((None, 10, None), (40, None, 40), (20, 20, 20), (20, 25, 10)),
    ],
)
def test_a_part_goes_down_in_steps_until_it_leaves_none_or_k(
    count: int | None, whole: int | None, published: int | None
) -> None:
    assert below(count, whole, 10) == published


def test_a_part_is_kept_as_it_was_published_beside_its_whole() -> None:
    steps = Steps(10, {"t": {"whole": 100, "part": 65}})
    whole = steps.count("t", ("whole",), 104)
    assert (whole, steps.part("t", ("part",), 97, 104, whole)) == (100, 85)
    assert steps.part("t", ("none",), 100, 104, whole) == 100
    assert steps.part("t", ("few",), 12, 20, 10) == 10
    assert steps.part("t", ("gone",), 17, 20, 15) is None
    assert steps.counts["t"] == {"whole": 100, "part": 85, "none": 100, "few": 10}
    exact = Steps(10)
    assert exact.part("t", ("part",), 97, 104, 104) == 97  # the other rules have seen it; nothing is in steps


def test_a_table_has_moved_when_one_of_its_counts_has() -> None:
    steps = Steps(10, {"a": {"x": 50}, "b": {"y": 70}})
    assert (steps.count("a", ("x",), 50), steps.moved("a"), steps.rounded) == (50, False, False)
    assert (steps.count("a", ("new",), 47), steps.moved("a"), steps.moved("b"), steps.rounded) == (
        50,
        True,
        False,
        True,
    )
    assert steps.moved("b", "a") and steps.count("c", ("z",), 43) == 43


def test_a_frame_is_published_row_by_row_under_the_names_of_its_keys() -> None:
    frame = pl.DataFrame(
        {"path": [["a", "b"], ["c"]], "n": [52, None], "m": [30, 48]}, schema_overrides={"n": pl.Int64}
    )
    steps = Steps(10, {"t": {"a → b · n": 50, "c · m": 40}})
    assert steps.frame("t", frame, ["path"], "n", "m").rows() == [(["a", "b"], 50, 30), (["c"], None, 50)]
    assert dict(steps.counts) == {"t": {"a → b · n": 50, "a → b · m": 30, "c · m": 50}}


def test_rates_need_both_counts() -> None:
    assert [rate(*pair) for pair in ((1, 4), (None, 4), (1, None), (0, 0), (0, 4))] == [0.25, None, None, None, 0.0]


def test_the_ends_of_an_interval_are_as_far_or_a_little_farther_from_the_published_share() -> None:
    assert around(0.5, 0.52, 0.47, 0.56, None) == [0.44, 0.54, None]
    assert around(None, 0.5, 0.4) == around(0.5, None, 0.4) == [None]
    assert around(0.3, 0.3, 0.3) == [0.3]
    assert around(0.3, 0.3, 0.289, 0.3221) == [0.285, 0.33]


def test_shares_and_sums_are_rounded_by_what_k_customers_are() -> None:
    sizes = (10_000, 9_999, 5_000, 2_000, 1_000, 500, 200, 199, None)
    assert [coarse(0.23456, size, 10) for size in sizes] == [0.235, 0.234, 0.234, 0.235, 0.23, 0.24, 0.25, 0.25, 0.25]
    assert coarse(None, 500, 10) is None
    assert coarse_amount(1_234.5, 100, 10) == 1_200.0  # ten bring 123, so steps of 150
    assert coarse_amount(-1_234.5, 100, 10) == -1_200.0
    assert (
        coarse_amount(0.0, 100, 10) == 0.0 and coarse_amount(5.0, 0, 10) is None and coarse_amount(None, 5, 10) is None
    )
