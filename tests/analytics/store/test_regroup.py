"""The values of a column in the place of customers, in memory or through a temporary store."""

from __future__ import annotations

import polars as pl
import pytest

from analytics import Funnel, Paths, funnel
from analytics.store import regroup
from analytics.store.regroup import regrouped
from tests.written import in_parts, paths

ORDERS = {
    f"c{number}": f"a@{number}m[order={number % 7},price=1] b@{number + 5}m[order={number % 3}]" for number in range(50)
}


def test_touches_lie_by_the_values_of_the_column_in_time_order() -> None:
    found = regrouped(paths({"ann": "a@0m[order=1] b@2m", "bo": "c@1m[order=1] d@3m[order=2]"}), "order", [])
    assert found.touches.select("customer", "touchpoint").collect().rows() == [(1.0, "a"), (1.0, "c"), (2.0, "d")]


def test_only_the_columns_asked_for_are_kept() -> None:
    assert regrouped(paths(ORDERS), "order", ["price"]).columns == ["customer", "at", "touchpoint", "order", "price"]
    assert "price" not in regrouped(paths(ORDERS), "order", []).columns


@pytest.mark.parametrize("at_once", [1, 10, 99])
def test_many_touches_are_regrouped_a_share_at_a_time(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, asked = in_parts(paths(ORDERS, end="9d"), 10), Funnel(["a", "b"], "1d", count="order")
    whole, expected = regrouped(shop, "order", []), funnel(shop, asked)
    monkeypatch.setattr(regroup, "TOUCHES_AT_ONCE", at_once)
    parted = regrouped(shop, "order", [])
    assert len(parted.parts) > 1
    assert parted.end_of_data == whole.end_of_data
    every = [each.touches.collect().sort(pl.all()) for each in (parted, whole)]
    assert every[0].equals(every[1])
    assert funnel(shop, asked).equals(expected)


def test_no_touches_have_no_values() -> None:
    assert len(regrouped(Paths.from_text({}), "touchpoint", [])) == 0
