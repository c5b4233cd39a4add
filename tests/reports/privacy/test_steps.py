"""Counts change by `k` or not at all, whatever the data does."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from reports.privacy.steps import Steps, all_earlier, around, below, in_steps

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
