"""A fall is found with its days; what moves everybody is none, and noise rarely is one."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit, xlogy
from scipy.stats import gumbel_r
from statsmodels.stats.proportion import proportions_ztest

from analytics import benjamini_hochberg, falls, lowest_run
from analytics.monitoring.falls import _gumbel, _moving_alike, _runs
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


def test_a_fall_is_measured_against_what_the_others_did() -> None:
    """The others go from 50 % to 40 %: so would the group, but for the half units of log odds."""
    found = falls(series([0.4] * 6 + [0.2], [0.5] * 6 + [0.4], 400), ["of"]).row(0, named=True)
    odds = [log((k + 0.5) / (n - k + 0.5)) for k, n in ((960, 2400), (160, 400), (1200, 2400), (80, 400))]
    assert (found["first"], found["last"], found["n"], found["share"]) == (6, 6, 400.0, 0.2)
    assert found["usual"] == pytest.approx(expit(odds[0] + odds[1] - odds[2]))
    assert found["z_before"] == pytest.approx(-proportions_ztest([960, 1200], [2400, 2400])[0])
    assert 0 < found["p_value"] < 1e-4


def test_a_fall_is_as_clear_as_the_less_clear_of_its_own_past_and_of_the_others() -> None:
    """Few others may have fallen as well, so that the same fall of the group is no longer clear."""
    shares = [*CALM[:7], *[0.3] * 5]
    clear = falls(series(shares, CALM), ["of"])
    few = series(shares, CALM).with_columns(pl.col("others_n", "others_reached") / 20)
    assert falls(few, ["of"])["z"][0] == pytest.approx(clear["z"][0])
    assert clear["p_value"][0] < 1e-9
    assert falls(few, ["of"])["p_value"][0] > 0.001


@pytest.mark.parametrize("share", [0.48, 0.5, 0.53, 0.0, 1.0])
def test_a_small_fall_a_rise_and_a_share_of_none_or_all_are_measured_alike(share: float) -> None:
    found = falls(series([*CALM[:4], share], CALM[:5]), ["of"])["z"][0]
    k, n, both = 200 * share, 200, 400 + 200 * share
    of = [xlogy(k, k / n) + xlogy(n - k, 1 - k / n), 800 * log(0.5), xlogy(both, both / 1000)]
    ratio = 2 * (of[0] + of[1] - of[2] - xlogy(1000 - both, 1 - both / 1000))
    assert found == pytest.approx(np.sign(0.5 - share) * sqrt(max(ratio, 0)), abs=1e-6)


@pytest.mark.parametrize(("units", "rows"), [(29, 0), (30, 1)])
def test_a_run_has_thirty_units_or_as_many_as_asked_for(units: int, rows: int) -> None:
    last = series(CALM[:5], CALM[:5], units)
    assert len(falls(last, ["of"])) == rows
    assert len(falls(last, ["of"], min_units=units)) == 1


def test_a_run_begins_after_four_periods_or_as_many_as_asked_for() -> None:
    assert len(falls(series(CALM[:5], CALM[:5]), ["of"])) == 1
    assert falls(series(CALM[:4], CALM[:4]), ["of"]).is_empty()
    found = falls(series([0.5, 0.2], [0.5, 0.5]), ["of"], min_before=1)
    assert found.select("first", "last").row(0) == (1, 1)


def test_a_period_without_units_before_the_run_judges_nothing() -> None:
    empty = series([0.5] * 4 + [0.2], CALM[:5]).with_columns(
        pl.when(pl.col("period") < 4).then(0.0).otherwise(pl.col(name)).alias(name) for name in ("n", "reached")
    )
    assert falls(empty, ["of"]).is_empty()


def test_runs_grow_by_a_quarter_and_begin_a_quarter_of_their_length_apart() -> None:
    first, last = _runs(30, 4)
    runs = list(zip(first.tolist(), last.tolist(), strict=True))
    assert {end - begin + 1 for begin, end in runs} == {1, 2, 3, 4, 5, 6, 7, 9, 12, 15, 18, 23}
    begins = {length: [begin for begin, end in runs if end - begin + 1 == length] for length in (1, 7, 12, 23)}
    assert begins[1] == list(range(4, 30)) and begins[7] == [*range(4, 23), 23]
    assert begins[12] == [4, 7, 10, 13, 16, 18] and begins[23] == [4, 7]
    assert [each.tolist() for each in _runs(6, 4)] == [[4, 5, 4], [4, 5, 5]]
    assert [each.size for each in _runs(0, 4)] == [each.size for each in _runs(4, 4)] == [0, 0]


def test_the_chance_of_a_clear_fall_is_that_of_the_gumbel_distribution() -> None:
    drawn = np.random.default_rng(2).exponential(size=500)
    scale = drawn.std() * sqrt(6) / np.pi
    peer = gumbel_r(drawn.mean() - np.euler_gamma * scale, scale)
    for found in (0.5, 4.0, 12.0):
        assert _gumbel(drawn, found) == pytest.approx(peer.sf(found))
    assert _gumbel(np.zeros(500), 1.0) == 0.0


@pytest.mark.parametrize("lost", [400, 60, 3])
def test_a_group_that_moves_as_the_others_keeps_its_sum_and_its_distance_in_log_odds(lost: int) -> None:
    days = np.arange(20)
    counts = {"n": np.full(20, 100.0), "others_n": np.full(20, 300.0)}
    counts["reached"] = 100 - np.full(20, lost / 20)
    counts["others_reached"] = 200.0 - days
    everyone = logit((counts["reached"] + counts["others_reached"] + 0.5) / 401)
    for of in ("", "others_"):
        chance = _moving_alike(counts, of)
        assert (counts[f"{of}n"] * chance).sum() == pytest.approx(counts[f"{of}reached"].sum(), rel=1e-6)
        assert np.ptp(logit(chance) - everyone) < 1e-9
    alone = {**counts, "others_n": np.zeros(20), "others_reached": np.zeros(20)}
    assert _moving_alike(alone, "").tolist() == pytest.approx([1 - lost / 2000] * 20)


def test_about_one_series_of_noise_in_fifty_falls_at_two_percent() -> None:
    draw = np.random.default_rng(11)
    names = [str(number) for number in range(300)]
    table = pl.concat(
        series(
            (draw.binomial(100, 0.5, 30) / 100).tolist(), (draw.binomial(100, 0.5, 30) / 100).tolist(), 100
        ).with_columns(of=pl.lit(name))
        for name in names
    )
    p = falls(table, ["of"])["p_value"]
    assert len(p) == 300 and 1 <= (p <= 0.02).sum() <= 13
    of_draws = p.filter((p >= 0.005) & (p < 1)) * 1000  # with the series itself 1,000 or 200 are compared
    assert len(of_draws) and (of_draws - of_draws.round()).abs().max() < 1e-6


def test_days_without_units_are_part_of_no_run_alone() -> None:
    days = pl.DataFrame({"n": [10, 0, 10, 0, 10], "reached": [5, 0, 1, 0, 6]})
    assert lowest_run(days, 0.5) in {(1, 2), (2, 2), (2, 3), (1, 3)}
    assert lowest_run(pl.DataFrame({"n": [0, 10], "reached": [0, 2]}), 0.5)[1] == 1
    rise = pl.DataFrame({"n": [10, 10, 10], "reached": [9, 4, 9]})
    assert lowest_run(rise, 0.5) == (1, 1)  # a rise is farther from the usual share, but no fall
