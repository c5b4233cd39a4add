"""A share is unusual outside the range of the periods before it, whatever the order of rows; noise rarely is."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from analytics import unusual_periods

CALM = [0.50, 0.52, 0.49, 0.50, 0.51]


def weeks(shares: list[float | None], n: int = 400, settled: list[bool] | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {"period": range(len(shares)), "n": n, "share": shares, "settled": settled or [True] * len(shares)},
        schema_overrides={"share": pl.Float64},
    )


def test_the_range_is_the_median_of_the_weeks_before_and_four_spreads() -> None:
    row = unusual_periods(weeks([*CALM, 0.3])).row(-1, named=True)
    spread = max(1.4826 * 0.01, (0.5 * 0.5 / 400) ** 0.5)
    assert (row["usual"], row["unusual"]) == (0.5, True)
    assert (row["low"], row["high"]) == pytest.approx((0.5 - 4 * spread, 0.5 + 4 * spread))


def test_the_first_four_settled_periods_are_not_judged() -> None:
    found = unusual_periods(weeks([*CALM[:3], None, 0.5, 0.9]))
    assert found["usual"].to_list() == [None] * 5 + [0.5]
    assert found["unusual"].to_list() == [False] * 5 + [True]


def test_an_unusual_or_unsettled_period_is_no_history() -> None:
    found = unusual_periods(weeks([*CALM, 0.1, 0.9, 0.5], settled=[True] * 6 + [False, True]))
    assert found["unusual"].to_list() == [False] * 5 + [True, False, False]
    assert found["usual"].to_list()[5:] == [0.5, 0.5, 0.5]


def test_series_are_apart_and_the_order_of_rows_does_not_matter() -> None:
    both = pl.concat(
        [weeks([*CALM, 0.1]).with_columns(of=pl.lit("a")), weeks([*CALM, 0.5]).with_columns(of=pl.lit("b"))]
    )
    shuffled = both.sample(fraction=1, shuffle=True, seed=3)
    found = unusual_periods(shuffled, ["of"])
    assert found.filter("unusual").select("of", "period").rows() == [("a", 5)]
    assert found.sort("of", "period").equals(unusual_periods(both, ["of"]).sort("of", "period"))


def test_noise_is_unusual_less_than_once_in_a_hundred_periods() -> None:
    draw = np.random.default_rng(4)
    shares = draw.binomial(400, 0.3, (100, 26)) / 400
    frames = [weeks(row.tolist()).with_columns(of=pl.lit(i)) for i, row in enumerate(shares)]
    assert unusual_periods(pl.concat(frames), ["of"])["unusual"].mean() < 0.01


def test_no_periods_give_no_rows() -> None:
    assert unusual_periods(weeks([])).columns == ["period", "n", "share", "settled", "usual", "low", "high", "unusual"]


def test_the_range_is_of_the_last_eight_periods_or_as_many_as_asked_for() -> None:
    moved = [0.40, *[0.50] * 3, *[0.50, 0.51, 0.52, 0.53, 0.54]]
    usual = unusual_periods(weeks([*moved, 0.5], n=40))["usual"].to_list()
    assert usual[-1] == pytest.approx(0.505)  # 0.50 four times, 0.51, 0.52, 0.53, 0.54: the first period is too old
    assert unusual_periods(weeks([*moved, 0.5], n=40), periods_before=3)["usual"].to_list()[-1] == 0.53
    assert unusual_periods(weeks([*moved, 0.5], n=40), min_periods=2)["usual"].to_list()[:3] == [None, None, 0.45]


def test_a_share_on_the_edge_of_the_range_is_not_unusual() -> None:
    """Of 100 with 50 % before, the spread is 5 points: two of them are 40 % to 60 %."""
    for share, verdict in ((0.40, False), (0.60, False), (0.399, True), (0.601, True)):
        found = unusual_periods(weeks([0.5, 0.5, 0.5, 0.5, share], n=100), spreads=2.0).row(-1, named=True)
        assert (found["low"], found["high"]) == (0.4, 0.6)
        assert found["unusual"] is verdict


def test_the_spread_is_the_larger_of_the_periods_own_and_that_of_a_share() -> None:
    """Median 50 %, median deviation 4 points; the standard error of 100 000 is far smaller."""
    row = unusual_periods(weeks([0.44, 0.54, 0.55, 0.46, 0.5, 0.5], n=100_000), spreads=1.0).row(-1, named=True)
    assert (row["low"], row["high"]) == pytest.approx((0.5 - 1.4826 * 0.04, 0.5 + 1.4826 * 0.04))


def test_a_range_of_shares_ends_at_none_and_at_all() -> None:
    low, high = (unusual_periods(weeks([share] * 5, n=10)).row(-1, named=True) for share in (0.1, 0.9))
    assert (low["low"], high["high"]) == (0.0, 1.0)
    assert low["high"] < 1 and high["low"] > 0
