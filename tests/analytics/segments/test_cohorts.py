"""Who comes back is counted by the calendar, and only in periods that are over."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import retention, returns
from expectations.errors import DefinitionError
from tests.written import START, frame_in_parts, paths

TOUCHES = st.lists(st.tuples(st.integers(0, 12 * 24), st.booleans()), min_size=1, max_size=5)
PEOPLE = st.sampled_from([2, 3, 4, 5, 6, 1, 0]).flatmap(
    lambda people: st.lists(TOUCHES, min_size=people, max_size=people)
)
SHOP = {"ann": "visit@0d pay@1d visit@3d", "bo": "visit@0d visit@2d", "cy": "visit@1d"}


def rows(**options: object) -> list[tuple[object, ...]]:
    table = retention(paths(SHOP, end="4d"), period="day", periods=3, **options)  # type: ignore[arg-type]
    return table.select((pl.col("cohort") - START).dt.total_days(), "size", "after", "returned").rows()


def test_a_cell_is_shown_when_its_period_is_over() -> None:
    assert rows() == [(0, 2, 1, 1), (0, 2, 2, 1), (0, 2, 3, 1), (1, 1, 1, 0), (1, 1, 2, 0)]


def test_on_or_after_counts_all_that_comes_later() -> None:
    assert rows(returns="on_or_after")[:3] == [(0, 2, 1, 2), (0, 2, 2, 2), (0, 2, 3, 1)]


def test_brackets_join_periods() -> None:
    assert rows(returns="bracket", brackets=[1, 3])[0] == (0, 2, 1, 2)


def test_every_period_with_a_start_is_a_cohort_on_request() -> None:
    found = returns(paths(SHOP), "visit", "visit", period="day", cohort="every")
    assert found["customer", "after"].rows() == [
        ("ann", [0, 3]),
        ("bo", [0, 2]),
        ("cy", [0]),
        ("bo", [0]),
        ("ann", [0]),
    ]


def test_no_touches_and_wrong_words() -> None:
    assert retention(paths({})).is_empty()
    with pytest.raises(DefinitionError, match="period"):
        retention(paths({}), period="fortnight")
    with pytest.raises(DefinitionError, match="upwards"):
        retention(paths({}), returns="bracket", brackets=[3, 1])


@settings(deadline=None, max_examples=50)
@given(PEOPLE, st.integers(1, 15))
def test_cells_are_those_of_the_definition(people: list[list[tuple[int, bool]]], size: int) -> None:
    schema = {"customer": pl.Int64, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String}
    touches = [
        (who, START + timedelta(hours=hours), "buy" if buy else "look")
        for who, own in enumerate(people)
        for hours, buy in sorted(own)
    ]
    shop = frame_in_parts(pl.DataFrame(touches, schema=schema, orient="row"), size, START + timedelta(days=20))
    sizes: dict[int, int] = defaultdict(int)
    back: dict[tuple[int, int], int] = defaultdict(int)
    for own in people:
        buys = [hours // 24 for hours, buy in sorted(own) if buy]
        if buys:
            sizes[buys[0]] += 1
            for day in {hours // 24 - buys[0] for hours, _ in own if hours // 24 > buys[0]}:
                back[buys[0], day] += 1
    table = retention(shop, "buy", period="day", periods=5)
    found = table.select((pl.col("cohort") - START).dt.total_days(), "after", "size", "returned").rows()
    assert found == [(day, n, sizes[day], back[day, n]) for day in sorted(sizes) for n in range(1, 6)]
