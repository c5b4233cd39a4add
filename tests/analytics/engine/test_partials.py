"""Sums by cell and customer: against a loop over customers, for units in several cells and customers with a past."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from analytics.engine.partials import counted_by_customer, densely, sums_by_customer
from analytics.statistics.shares import square_columns

SHARE = ("won", "units")
Unit = tuple[int, list[int], int, int]
"""The customer of a unit, its cells (with repeats), whether it won, and what its customer has won elsewhere."""

units_of_customers = st.lists(
    st.lists(st.tuples(st.lists(st.integers(0, 3), max_size=4), st.integers(0, 1)), max_size=4), max_size=5
)


def loop(units: list[Unit], size: int) -> list[tuple[int, ...]]:
    """The columns of `sums_by_customer` for `units` and `won`, a customer at a time."""
    rows = []
    for cell in range(size):
        own: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for customer, cells, won, _ in units:
            if cell in cells:
                own[customer][0] += 1
                own[customer][1] += won
        elsewhere = {customer: before for customer, _, _, before in units}
        n = [n for n, _ in own.values()]
        y = [y + elsewhere[customer] for customer, (_, y) in own.items()]
        won = sum(y for _, y in own.values())
        products = [sum(a * b for a, b in zip(p, q, strict=True)) for p, q in ((n, n), (n, y), (y, y))]
        rows.append((sum(n), won, len(own), *products, len(own)))
    return rows


@given(units_of_customers, st.integers(0, 2))
def test_sums_by_customer_are_those_of_a_loop_over_customers(
    drawn: list[list[tuple[list[int], int]]], before: int
) -> None:
    units = [(who, cells, won, before * who) for who, own in enumerate(drawn) for cells, won in own]
    entries = [(cell, number) for number, (_, cells, _, _) in enumerate(units) for cell in cells]
    people, won, past = (np.array([unit[i] for unit in units], np.int64) for i in (0, 2, 3))
    found = sums_by_customer(
        np.array([cell for cell, _ in entries], np.int64),
        people,
        {"units": np.ones(len(units)), "won": won},
        4,
        shares=[SHARE],
        units=np.array([unit for _, unit in entries], np.int64),
        before={"units": np.zeros(len(units)), "won": past},
    )
    assert found.columns == ["units", "won", "customers", *square_columns(*SHARE)]
    assert found.rows() == loop(units, 4)


@given(units_of_customers)
def test_rows_are_counted_by_their_keys(drawn: list[list[tuple[list[int], int]]]) -> None:
    units = [(who, cells[:1], won, 0) for who, own in enumerate(drawn) for cells, won in own if cells]
    rows = pl.DataFrame(
        {
            " person": [who for who, *_ in units],
            "key": [f"k{cells[0]}" for _, cells, *_ in units],
            "won": [won for *_, won, _ in units],
            "unit": [number // 2 for number in range(len(units))],
            "wait": [len(cells) for _, cells, *_ in units],
        },
        schema={" person": pl.Int64, "key": pl.String, "won": pl.Int64, "unit": pl.Int64, "wait": pl.Int64},
    ).with_columns(pl.lit(1, pl.Int64).alias("units"))
    found = counted_by_customer(
        rows, ["key"], ["units", "won"], distinct={"things": "unit"}, spread=["wait"], shares=[SHARE]
    )
    expected = {f"k{cell}": row for cell, row in enumerate(loop(units, 4)) if row[0]}
    assert dict(zip(found["key"], found.drop("key", "things", "wait").rows(), strict=True)) == expected
    things = rows.group_by("key").agg(pl.col("unit").n_unique(), pl.len())
    assert found.select("key", "things").sort("key").rows() == things.select("key", "unit").sort("key").rows()
    spread = found.select("key", pl.col("wait").list.eval(pl.element().struct.field("count")).list.sum())
    assert spread.sort("key").rows() == things.select("key", "len").sort("key").rows()


@given(st.lists(st.integers(0, 50)), st.booleans())
def test_numbers_become_dense_in_a_table_as_by_sorting(numbers: list[int], is_wide: bool) -> None:
    size = 1 << 40 if is_wide else 51
    present, position = densely(np.array(numbers, np.int64), size)
    assert present.tolist() == sorted(set(numbers))
    assert present[position].tolist() == numbers
