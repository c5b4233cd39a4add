"""Touches come into order by customer and time, and are cut into parts between customers."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.store.ordering import by_code_and_time, in_order, sorted_touches, split_at_customers
from tests.written import START, frame

seconds = st.sampled_from([0, 0, 1, 2, 60, 0.5, 0.000_001, 2**31])
touches = st.lists(st.tuples(st.integers(0, 5), seconds), max_size=30)


def columns(rows: list[tuple[int, float]]) -> tuple[pl.Series, pl.Series]:
    times = [START + timedelta(seconds=time) for _, time in rows]
    return pl.Series([who for who, _ in rows], dtype=pl.UInt32), pl.Series(times, dtype=pl.Datetime("us", "UTC"))


@given(touches, st.sampled_from([1, 2**13, 2**31]))
def test_the_order_is_by_customer_then_by_time(rows: list[tuple[int, float]], apart: int) -> None:
    codes, times = columns(rows)
    far = [who * apart for who, _ in rows]
    order = by_code_and_time(pl.Series(far, dtype=pl.Int64), times).to_list()
    assert sorted(order) == list(range(len(rows)))
    assert [rows[place] for place in order] == sorted(rows)
    assert in_order(codes, times) == (rows == sorted(rows))


@pytest.mark.parametrize("code", [2**12, 2**13 - 1, 2**13, 2**14])
def test_customers_and_times_that_just_fit_into_64_bits_or_do_not_are_ordered(code: int) -> None:
    times = pl.Series([START + timedelta(microseconds=far) for far in (0, 2**51 - 1, 1)])
    assert by_code_and_time(pl.Series([code, 0, 1]), times).to_list() == [1, 2, 0]


def test_ties_follow_the_sequence_else_the_order_given() -> None:
    rows = frame({"bob": "z@1m[n=1] a@1m[n=1] c@1m[n=0] b@0m[n=9]", "ann": "x@1m[n=1]" + " y@1m[n=1] x@1m[n=1]" * 50})
    ordered, keys, counts = sorted_touches(rows)
    assert (keys.to_list(), counts.to_list()) == (["ann", "bob"], [101, 4])
    assert ordered["touchpoint"].to_list() == ["x", *["y", "x"] * 50, "b", "z", "a", "c"]
    assert sorted_touches(rows, "n")[0]["touchpoint"].to_list()[101:] == ["b", "c", "z", "a"]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=20), st.integers(1, 8))
def test_parts_hold_whole_customers_and_as_many_as_fit(counts: list[int], size: int) -> None:
    expected, person = [], 0
    while person < len(counts):
        stop = person + 1
        while stop < len(counts) and sum(counts[person : stop + 1]) <= size:
            stop += 1
        expected.append((slice(sum(counts[:person]), sum(counts[:stop])), slice(person, stop)))
        person = stop
    assert list(split_at_customers(pl.Series(counts, dtype=pl.UInt32), size)) == expected


def test_no_touches_are_one_empty_part() -> None:
    assert list(split_at_customers(pl.Series([], dtype=pl.UInt32), 5)) == [(slice(0, 0), slice(0, 0))]
