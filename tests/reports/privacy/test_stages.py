"""Counts of journeys are judged by the customers behind them, and none is known from its neighbours; no published sum
tells what one customer has paid or returned.
"""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from analytics import PathRules, Paths, stage_funnel
from analytics.touches.rules import StageRule
from reports.privacy.stages import is_total_withheld, publishable_stages, publishable_voice
from tests.reports import fixtures

K = 10
RULES = PathRules(goal=["buy"], stages=[StageRule(name="Look", touchpoints=["look"])], after=["back"])


def published(step: int, **changed: Any) -> dict[str, Any]:
    """A row of the funnel of the fixtures, in which some numbers of that row are others."""
    funnel = fixtures.funnel_frame().with_columns(
        pl.when(pl.col("step") == step).then(pl.lit(value)).otherwise(name).alias(name)
        for name, value in changed.items()
    )
    return publishable_stages(funnel, K, 30).row(step - 1, named=True)


def test_touched_is_withheld_with_skipped_as_it_is_the_rest_of_reached() -> None:
    row = published(2, customers_skipped=9)
    assert row["reached"] is not None
    assert (row["touched"], row["skipped"]) == (None, None)


def test_counts_beside_are_judged_by_customers() -> None:
    shown = published(2)
    assert None not in (shown["late"], shown["waits"], shown["median_wait"])
    few = published(2, customers_late=9, customers_waited=9, customers_backward=9)
    assert (few["late"], few["waits"], few["backward"]) == (None, None, None)
    assert (few["median_wait"], few["p90_wait"]) == (None, None)


def test_open_journeys_are_judged_by_customers() -> None:
    assert published(5)["open"] == 262
    assert published(5, customers_open=9)["open"] is None
    assert published(5, customers_open_lost=9)["open"] is None  # the row before is known


def test_late_is_withheld_where_few_of_the_others_lost_have_no_goal() -> None:
    assert published(2, customers_never=9)["late"] is None


def test_all_stages_are_withheld_where_few_reached_the_goal_another_way() -> None:
    assert published(5)["all_stages"] is not None
    assert published(5, customers_not_all_stages=9)["all_stages"] is None


def test_few_direct_journeys_are_not_known_from_the_open_ones_and_the_total() -> None:
    row = published(1, direct=12, customers_direct=9)
    assert (row["direct"], row["open"]) == (None, None)
    alone = fixtures.funnel_frame().with_columns(open=0, customers_open=0, direct=12, customers_direct=9)
    assert is_total_withheld(alone, K) and not is_total_withheld(fixtures.funnel_frame(), K)


def test_satisfaction_is_judged_by_customers() -> None:
    answers = pl.DataFrame({"stage": ["a", "b", "c"], "csat_n": 200, "csat": 0.5, "csat_low": 0.4, "csat_high": 0.6})
    people = answers.with_columns(
        customers_csat=pl.Series([100, 40, 29]),
        customers_satisfied=pl.Series([50, 9, 20]),
        customers_dissatisfied=pl.Series([50, 31, 9]),
    )
    shown = publishable_voice(people, K, 30)
    assert shown is not None and shown["satisfied"].to_list() == [0.5, None, None]
    assert publishable_voice(people.tail(2), K, 30) is None


def sums(paid: list[float], returned: dict[int, float]) -> dict[str, Any]:
    """The goal's row as it is published; every customer pays once, those of `returned` return something."""
    visits = {
        f"c{number}": f"look@0d buy@1d[revenue={amount},kind=order]"
        + (f" back@2d[revenue={returned[number]},kind=order]" if number in returned else "")
        for number, amount in enumerate(paid)
    }
    counts = stage_funnel(Paths.from_text(visits, end="60d", rules=RULES), value="revenue")
    return publishable_stages(counts, K, 30).row(-1, named=True)


def test_a_sum_of_many_is_published_with_its_returns() -> None:
    row = sums([5.0] * 40, dict.fromkeys(range(12), 2.0))
    assert (row["value"], row["net_value"], row["returns"], row["value_left_out"]) == (200, 176, 12, 0)


@pytest.mark.parametrize(("most", "value"), [(195.0, 390), (195.01, None)])
def test_a_sum_is_withheld_when_one_customer_brings_more_than_half(most: float, value: float | None) -> None:
    row = sums([5.0] * 39 + [most], {})
    assert (row["value"], row["net_value"]) == (value, value)


def test_a_net_value_is_withheld_when_its_difference_to_the_value_tells_of_a_customer() -> None:
    few = sums([5.0] * 40, dict.fromkeys(range(9), 2.0))
    assert (few["value"], few["net_value"], few["returns"]) == (200, None, None)
    one = sums([5.0] * 39 + [100.0], {**dict.fromkeys(range(12), 2.0), 39: 25.0})
    assert (one["value"], one["net_value"], one["returns"]) == (295, None, None)


def test_without_returns_both_sums_are_the_same() -> None:
    row = sums([5.0] * 40, {})
    assert (row["value"], row["net_value"], row["returns"]) == (200, 200, 0)


def test_a_goal_of_few_customers_has_no_value() -> None:
    row = sums([5.0] * 9, {})
    assert (row["reached"], row["value"], row["net_value"], row["returns"]) == (None, None, None, None)


def test_the_columns_by_which_sums_are_judged_are_not_sums() -> None:
    visits = {f"c{number}": "look@0d buy@1d[revenue=1,kind=order]" for number in range(40)}
    paths = Paths.from_text(visits, end="60d", rules=RULES)
    with_money, without = (publishable_stages(stage_funnel(paths, value=of), K, 30) for of in ("revenue", None))
    assert not {"value_dominated", "net_value_dominated", "customers_returned"} & set(with_money.columns)
    assert not {"net_value", "returns", "value_left_out"} & set(without.columns)
    assert pl.Series(without["value"]).null_count() == len(without)
