"""A share has the interval of its customers: worked out by hand, and beside statsmodels."""

from __future__ import annotations

import polars as pl
import pytest
from statsmodels.stats.proportion import proportion_confint

from analytics import Funnel, Paths, funnel
from analytics.statistics.shares import customer_columns, customers_of, effective, effective_size, share_columns


def table(**columns: list[int]) -> pl.DataFrame:
    """Counts of journeys and of those that reach the goal, with their sums over customers in this order."""
    squares = {"nn": "all x all", "ny": "all x reached", "yy": "reached x reached", "customers": "customers of all"}
    return pl.DataFrame({squares.get(name, name): column for name, column in columns.items()})


def test_counts_of_customers_keep_their_own_interval() -> None:
    shares = pl.DataFrame(share_columns(table(reached=[8, 0, 30], all=[16, 5, 30]), "share", "reached", "all"))
    assert shares.columns == ["share", "share_low", "share_high"]
    assert shares["share"].to_list() == [0.5, 0.0, 1.0]
    peer = proportion_confint([8, 0, 30], [16, 5, 30], method="wilson")
    assert shares["share_low"].to_list() == pytest.approx(peer[0], abs=1e-12)
    assert shares["share_high"].to_list() == pytest.approx(peer[1], abs=1e-12)


def test_journeys_of_one_kind_per_customer_are_worth_their_customers() -> None:
    """Four customers with four journeys each, two of them with the goal in all: two of four, not eight of sixteen."""
    counted = table(reached=[8], all=[16], nn=[64], ny=[32], yy=[32], customers=[4])
    assert [array.tolist() for array in effective(counted, "reached", "all")] == [[2.0], [4.0]]
    share, low, high = (column.item() for column in share_columns(counted, "share", "reached", "all"))
    assert (share, low, high) == pytest.approx((0.5, *proportion_confint(2, 4, method="wilson")))


def test_a_share_of_no_journeys_is_unknown_and_worth_nothing() -> None:
    for counted in (table(reached=[0], all=[0]), table(reached=[0], all=[0], nn=[0], ny=[0], yy=[0], customers=[0])):
        assert [column.item() for column in share_columns(counted, "share", "reached", "all")] == [None] * 3
        assert [array.tolist() for array in effective(counted, "reached", "all")] == [[0.0], [0.0]]


@pytest.mark.parametrize(("reached", "squares"), [(0, (64, 0, 0)), (16, (64, 64, 64))])
def test_a_share_of_none_or_of_all_is_worth_its_customers(reached: int, squares: tuple[int, int, int]) -> None:
    assert effective_size(reached, 16, squares, 4).item() == 4


def test_journeys_that_are_less_alike_than_by_chance_are_worth_no_more_than_themselves() -> None:
    """Two customers with two journeys each, one of which reaches the goal: the design effect is 0."""
    assert effective_size(2, 4, (8, 4, 2), 2).item() == 4
    assert effective_size(2, 4, (4, 2, 2), 4).item() == 4  # a journey each: the design effect is 1


def test_the_design_effect_is_kishs() -> None:
    """Customers with 1 of 3, 2 of 2 and 0 of 1 journeys: p = 1/2, deviations -1/2, 1 and -1/2, deff = 1.5 / 1.5.

    With 3 of 3, 0 of 2 and 0 of 1 they are 3/2, -1 and -1/2: deff = 3.5 / 1.5.
    """
    assert effective_size(3, 6, (14, 7, 5), 3).item() == pytest.approx(6)
    assert effective_size(3, 6, (14, 9, 9), 3).item() == pytest.approx(6 * 1.5 / 3.5)


def test_customers_behind_a_count_are_shown_under_the_name_of_the_answer() -> None:
    frame = pl.DataFrame({customers_of("late"): [3]})
    assert frame.select(customer_columns({"customers_late": "late"})).to_dict(as_series=False) == {
        "customers_late": [3]
    }


@pytest.mark.parametrize(("customers", "enough"), [(29, False), (30, True)])
def test_thirty_customers_are_enough_for_a_share(customers: int, enough: bool) -> None:
    paths = Paths.from_text({f"c{who}": "visit@0m pay@1m look@2d" for who in range(customers)})
    assert funnel(paths, Funnel(["visit", "pay"], window="1h"))["enough"].to_list()[-1] is enough
