"""No published sum tells what one customer has paid or returned."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from analytics import PathRules, Paths, stage_funnel
from analytics.touches.rules import StageRule
from reports.privacy.stages import publishable_stages

RULES = PathRules(goal=["buy"], stages=[StageRule(name="Look", touchpoints=["look"])], after=["back"])
K = 10


def published(paid: list[float], returned: dict[int, float]) -> dict[str, Any]:
    """The goal's row as it is published; every customer pays once, those of `returned` return something."""
    visits = {
        f"c{number}": f"look@0d buy@1d[revenue={amount},kind=order]"
        + (f" back@2d[revenue={returned[number]},kind=order]" if number in returned else "")
        for number, amount in enumerate(paid)
    }
    counts = stage_funnel(Paths.from_text(visits, end="60d", rules=RULES), value="revenue")
    return publishable_stages(counts, K, 30).row(-1, named=True)


def test_a_sum_of_many_is_published_with_its_returns() -> None:
    row = published([5.0] * 40, dict.fromkeys(range(12), 2.0))
    assert (row["value"], row["net_value"], row["returns"], row["value_left_out"]) == (200, 176, 12, 0)


@pytest.mark.parametrize(("most", "value"), [(195.0, 390), (195.01, None)])
def test_a_sum_is_withheld_when_one_customer_brings_more_than_half(most: float, value: float | None) -> None:
    row = published([5.0] * 39 + [most], {})
    assert (row["value"], row["net_value"]) == (value, value)


def test_a_net_value_is_withheld_when_its_difference_to_the_value_tells_of_a_customer() -> None:
    few = published([5.0] * 40, dict.fromkeys(range(9), 2.0))
    assert (few["value"], few["net_value"], few["returns"]) == (200, None, None)
    one = published([5.0] * 39 + [100.0], {**dict.fromkeys(range(12), 2.0), 39: 25.0})
    assert (one["value"], one["net_value"], one["returns"]) == (295, None, None)


def test_without_returns_both_sums_are_the_same() -> None:
    row = published([5.0] * 40, {})
    assert (row["value"], row["net_value"], row["returns"]) == (200, 200, 0)


def test_a_goal_of_few_customers_has_no_value() -> None:
    row = published([5.0] * 9, {})
    assert (row["reached"], row["value"], row["net_value"], row["returns"]) == (None, None, None, None)


def test_the_columns_by_which_sums_are_judged_are_not_published() -> None:
    visits = {f"c{number}": "look@0d buy@1d[revenue=1,kind=order]" for number in range(40)}
    paths = Paths.from_text(visits, end="60d", rules=RULES)
    with_money, without = (publishable_stages(stage_funnel(paths, value=of), K, 30) for of in ("revenue", None))
    assert not {"value_dominated", "net_value_dominated", "customers_returned"} & set(with_money.columns)
    assert not {"net_value", "returns", "value_left_out"} & set(without.columns)
    assert pl.Series(without["value"]).null_count() == len(without)
