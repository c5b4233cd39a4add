"""Touches that leave the lake have pseudonyms and no objectors."""

from __future__ import annotations

import polars as pl

from analytics import Paths, touches_to_share

TOUCHES = {"ann": "visit@0m pay@2d", "bo": "visit@1m visit@3m", "cy": "pay@5m"}


def test_a_customer_has_one_pseudonym_and_all_touches() -> None:
    shop = Paths.from_text(TOUCHES)
    shared = touches_to_share(shop, "one secret of the shop").collect()
    own = shop.touches.collect()
    assert shared.drop("customer").equals(own.drop("customer"))
    names = dict(zip(own["customer"], shared["customer"], strict=True))
    assert len(set(names.values())) == 3 and all(name.startswith("customer:") for name in names.values())
    assert shared["customer"].to_list() == [names[key] for key in own["customer"]]
    again = touches_to_share(shop, "one secret of the shop").collect()
    other = touches_to_share(shop, "another secret of it").collect()
    assert shared.equals(again) and not set(shared["customer"]) & set(other["customer"])


def test_objectors_stay_in_the_lake() -> None:
    shop = Paths.from_text(TOUCHES)
    asked = Paths(shop.parts, shop.schema, shop.dictionaries, shop.end_of_data, objected=["bo"])
    assert touches_to_share(asked, None).select(pl.col("customer").unique().sort()).collect().to_series().to_list() == [
        "ann",
        "cy",
    ]
