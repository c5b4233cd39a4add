"""A fall is found with its days; what moves everybody is none, and noise rarely is one."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import polars as pl
import pytest

from analytics import benjamini_hochberg, falls, lowest_run
from expectations.errors import DefinitionError


def series(shares: list[float], others: list[float], n: int = 200) -> pl.DataFrame:
    rows = [(day, n, n * own, n, n * other) for day, (own, other) in enumerate(zip(shares, others, strict=True))]
    names = ["period", "n", "reached", "others_n", "others_reached"]
    floats = [pl.col(name).cast(pl.Float64) for name in names[1:]]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(*floats, of=pl.lit("a"))


CALM = [0.5] * 12


def test_a_fall_is_found_with_its_days_and_what_it_would_have_been() -> None:
    found = falls(series([*CALM[:7], 0.3, 0.3, 0.5, 0.5, 0.5], CALM), ["of"]).row(0, named=True)
    assert (found["first"], found["last"], found["n"]) == (7, 8, 400.0)
    assert (found["share"], found["usual"]) == pytest.approx((0.3, 0.5))
    inside, before, both = (120, 400), (700, 1400), (820, 1800)  # the oracle: twice the log of the likelihood ratio
    of = [k * log(k / n) + (n - k) * log(1 - k / n) for k, n in (inside, before, both)]
    assert found["z"] == pytest.approx(sqrt(2 * (of[0] + of[1] - of[2])))
    assert found["p_value"] < 1e-6


def test_what_moves_everybody_and_a_rise_of_the_others_alone_are_no_falls() -> None:
    fallen = [*CALM[:7], *[0.3] * 5]
    assert falls(series(fallen, fallen), ["of"])["p_value"].to_list() == [1.0]
    assert falls(series(CALM, [*CALM[:7], *[0.8] * 5]), ["of"])["p_value"].to_list() == [1.0]


def test_where_everybody_falls_no_group_is_named_by_chance() -> None:
    draw = np.random.default_rng(6)
    shares = [0.5] * 40 + [0.35] * 20
    reached = draw.binomial(100, np.tile(shares, (30, 1))).astype(float)
    rows = [
        pl.DataFrame({"period": range(60), "n": 100.0, "reached": own, "others_n": 2900.0}).with_columns(
            others_reached=pl.Series(reached.sum(0) - own), of=pl.lit(str(number))
        )
        for number, own in enumerate(reached)
    ]
    found = falls(pl.concat(rows), ["of"], min_before=28)
    assert len(found) == 30 and (benjamini_hochberg(found["p_value"]) >= 0.02).all()


def test_a_group_of_nearly_all_is_not_named_for_falling_with_the_few_others() -> None:
    """So few others show no fall of their own, though they have the same."""
    draw = np.random.default_rng(7)
    shares = [0.6] * 50 + [0.45] * 34
    names = [str(number) for number in range(60)]
    sizes = {"": 85, "others_": 15}
    found = falls(
        pl.concat(
            pl.DataFrame({"of": name, "period": range(84)}).with_columns(
                *(pl.lit(float(n)).alias(f"{of}n") for of, n in sizes.items()),
                *(pl.Series(f"{of}reached", draw.binomial(n, shares).astype(float)) for of, n in sizes.items()),
            )
            for name in names
        ),
        ["of"],
        min_before=28,
    )
    assert len(found) == 60 and found["z"].median() > 3
    assert (found["p_value"] < 0.01).sum() <= 3


def test_one_of_eighty_groups_that_falls_by_seven_standard_errors_is_named_and_its_p_value_stays_the_same() -> None:
    draw = np.random.default_rng(8)
    chances = np.full((80, 84), 0.6)
    chances[0, 60:70] -= 7 * sqrt(0.6 * 0.4 / (20 * 10))
    reached = draw.binomial(20, chances).astype(float)
    counts = pl.concat(
        pl.DataFrame(
            {"of": str(number), "period": range(84), "n": 20.0, "reached": own, "others_n": 1580.0}
        ).with_columns(others_reached=pl.Series(reached.sum(0) - own))
        for number, own in enumerate(reached)
    )
    found = falls(counts, ["of"], min_before=28)
    clear = found.filter(pl.Series(benjamini_hochberg(found["p_value"]) < 0.02))
    assert clear["of"].to_list() == ["0"] and clear["first"][0] >= 58 and clear["last"][0] <= 71
    assert falls(counts, ["of"], min_before=28).equals(found)


def test_without_others_a_series_is_judged_by_its_own_past() -> None:
    alone = series([*CALM[:7], *[0.3] * 5], CALM).with_columns(others_n=pl.lit(0.0), others_reached=pl.lit(0.0))
    found = falls(alone, ["of"]).row(0, named=True)
    assert (found["first"], found["last"], found["z_before"]) == (7, 11, None)


def test_noise_is_a_fall_less_than_once_in_twenty_series() -> None:
    draw = np.random.default_rng(5)
    noise = [
        series((draw.binomial(60, 0.9, 60) / 60).tolist(), (draw.binomial(60, 0.9, 60) / 60).tolist(), 60)
        for _ in range(200)
    ]
    table = pl.concat(frame.with_columns(of=pl.lit(str(number))) for number, frame in enumerate(noise))
    assert (falls(table, ["of"], min_before=20)["p_value"] < 0.05).sum() <= 10


def test_the_lowest_run_is_that_of_the_largest_likelihood_ratio() -> None:
    days = pl.DataFrame({"n": [50, 50, 50, 50, 50], "reached": [25, 10, 12, 24, 26]})
    assert lowest_run(days, 0.5) == (1, 2)
    assert lowest_run(days[:1], 0.5) == (0, 0)


def test_no_periods_give_no_rows_and_a_fall_needs_periods_before() -> None:
    empty = series([], [])
    assert falls(empty, ["of"]).is_empty()
    assert falls(series(CALM[:3], CALM[:3]), ["of"]).is_empty()
    with pytest.raises(DefinitionError, match="min_before"):
        falls(empty, ["of"], min_before=0)
