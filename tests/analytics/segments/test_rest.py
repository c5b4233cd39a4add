"""Counts by several columns are those by each of them; every group is compared with all others together."""

from __future__ import annotations

import polars as pl

from analytics import Funnel, Paths, against_the_rest, counts_by, funnel, newcombe, two_proportions_z, wilson

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
        assert counts_by(both, column).select(names).equals(alone.select(names))


def test_groups_without_a_value_stay_a_group_and_totals_are_counted_once() -> None:
    counts = counts_by(funnel(SHOP, Funnel(["look", "pay"], by=["device", "vip"])), "device")
    assert counts.filter("is_total")["reached"].to_list() == [4, 3]
    assert counts.filter(~pl.col("is_total"), pl.col("step") == 2).select("device", "reached").rows() == [
        ("app", 1),
        ("web", 1),
        (None, 1),
    ]


def test_every_group_is_compared_with_all_others_together() -> None:
    counts = funnel(SHOP, Funnel(["look", "pay"], window="5d", by="device"))
    found = {row["device"]: row for row in against_the_rest(counts, "device").iter_rows(named=True)}
    assert set(found) == {"app", "web", None}
    app = found["app"]
    assert (app["step"], app["previous"], app["reached"], app["share_of_previous_total"]) == (2, 2, 1, 0.75)
    assert app["difference"] == 1 / 2 - 2 / 2
    own, gap = wilson(1, 2), newcombe(1, 2, 2, 2)
    assert (app["share_of_previous_low"], app["share_of_previous_high"]) == (own.low, own.high)
    assert (app["difference_low"], app["difference_high"]) == (gap.low, gap.high)
    assert app["p_value"] == two_proportions_z(1, 2, 2, 2).p_value


def test_a_group_without_others_has_no_difference() -> None:
    alone = funnel(Paths.from_text({"ann": "look@0m[device=app] pay@1m"}), Funnel(["look", "pay"], by="device"))
    assert against_the_rest(alone, "device")["difference"].to_list() == [None]
