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
