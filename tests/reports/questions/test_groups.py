"""Counts by several columns are those by each of them, and compare every group with the rest."""

from __future__ import annotations

import polars as pl

from analytics import Funnel, Paths, funnel
from reports.questions.groups import by_column

SHOP = Paths.from_text(
    {
        "ann": "look@0m[device=app, vip=yes] pay@1d",
        "bo": "look@0m[device=app, vip=no]",
        "cy": "look@0m[device=web, vip=yes] pay@2d",
        "di": "look@0m[vip=no] pay@2d",
    },
    end="60d",
)


def test_counts_by_one_column_are_those_of_its_own_funnel_with_totals_first() -> None:
    both = funnel(SHOP, Funnel(["look", "pay"], by=["device", "vip"]))
    for column in ("device", "vip"):
        alone = funnel(SHOP, Funnel(["look", "pay"], by=column))
        names = [column, "is_total", "step", "name", "entered", "reached", "dropped", "open"]
        assert by_column(both, column).select(names).equals(alone.select(names))


def test_groups_without_a_value_stay_a_group_and_totals_are_counted_once() -> None:
    counts = by_column(funnel(SHOP, Funnel(["look", "pay"], by=["device", "vip"])), "device")
    assert counts.filter("is_total")["reached"].to_list() == [4, 3]
    assert counts.filter(~pl.col("is_total"), pl.col("step") == 2).select("device", "reached").rows() == [
        ("app", 1),
        ("web", 1),
        (None, 1),
    ]
