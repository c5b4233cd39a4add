"""Differences within strata are those of the papers and of statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import StratifiedTable

from analytics.statistics.intervals import newcombe
from analytics.statistics.strata import cochran_mantel_haenszel, interaction_of, stratified_difference

MEN = [(512, 313), (353, 207), (120, 205), (138, 279), (53, 138), (22, 351)]
WOMEN = [(89, 19), (17, 8), (202, 391), (131, 244), (94, 299), (24, 317)]
"""Admitted and rejected by department: Bickel, Hammel and O'Connell (1975)."""


def rejected(people: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [no for _, no in people], [yes + no for yes, no in people]


def test_the_admissions_of_berkeley() -> None:
    found = stratified_difference(*rejected(WOMEN), *rejected(MEN))
    assert (found.difference, found.adjusted) == pytest.approx((0.1417, -0.0011), abs=1e-4)
    assert (found.adjusted_low, found.adjusted_high, found.overlap) == pytest.approx((-0.0315, 0.0303, 1), abs=1e-4)
    assert (found.cmh, found.p_value) == pytest.approx((1.5246, 0.2169), abs=1e-4)


def test_the_migraine_of_sas() -> None:
    found = stratified_difference([16, 12], [27, 28], [5, 7], [25, 26])
    assert (found.cmh, found.p_value) == pytest.approx((8.3052, 0.0040), abs=1e-4)
    assert (found.adjusted, found.adjusted_low, found.adjusted_high) == pytest.approx(
        (0.2739, 0.0907, 0.4233), abs=1e-4
    )


def test_the_test_is_that_of_the_library() -> None:
    draw = np.random.default_rng(1)
    for _ in range(20):
        n1, n0 = draw.integers(1, 60, (2, 4))
        k1, k0 = draw.binomial(n1, 0.4), draw.binomial(n0, 0.5)
        tables = [np.array([[a, b - a], [c, d - c]]) for a, b, c, d in zip(k1, n1, k0, n0, strict=True)]
        peer = StratifiedTable(tables).test_null_odds(correction=False)
        assert cochran_mantel_haenszel(k1, n1, k0, n0) == pytest.approx((peer.statistic, peer.pvalue))


def test_many_at_once_are_each_alone() -> None:
    counts = np.array([[[3, 5], [9, 0]], [[10, 9], [20, 4]], [[5, 1], [2, 0]], [[9, 8], [7, 0]]])
    both = stratified_difference(*counts)
    for row in (0, 1):
        alone = stratified_difference(*counts[:, row])
        assert [float(each[row]) for each in both] == pytest.approx([float(each) for each in alone], nan_ok=True)
    assert np.isnan(both.adjusted[1]) and both.overlap[1] == pytest.approx(20 / 24)
    single = stratified_difference([30], [60], [20], [80])
    assert (single.adjusted_low, single.adjusted_high) == pytest.approx(tuple(newcombe(30, 60, 20, 80)))


def test_strata_of_one_unit_or_one_kind_say_nothing() -> None:
    found, alone = (
        cochran_mantel_haenszel(*each) for each in (([3, 1, 2], [9, 1, 5], [4, 0, 0], [8, 0, 0]), ([3], [9], [4], [8]))
    )
    assert (float(found.statistic), float(found.p_value)) == pytest.approx(
        (float(alone.statistic), float(alone.p_value))
    )
    assert np.isnan(cochran_mantel_haenszel([1], [2], [0], [0])).all()
    nobody = stratified_difference([0], [0], [1], [2])
    assert np.isnan([nobody.difference, nobody.adjusted, nobody.overlap]).all()


def test_an_interaction_is_tested_where_each_cell_has_enough() -> None:
    found = interaction_of([50, 27, 26, 40], [100, 100, 100, 200])
    assert (found.interaction, found.standard_error) == pytest.approx((0.17, 0.08482334584299302))
    assert found.tested and found.p_value == pytest.approx(0.04505236434824432)
    assert interaction_of([50, 10, 26, 40], [100, 100, 36, 200]).tested, "ten of each outcome are enough"
    for k, n in (([15, 27, 26, 40], [29, 100, 100, 200]), ([50, 9, 26, 40], [100, 100, 100, 200])):
        few = interaction_of(k, n)
        assert not few.tested and np.isnan(few.p_value)


def test_an_interaction_without_units_is_not_known() -> None:
    found = interaction_of([1, 1, 1, 1], [0, 2, 2, 2])
    assert np.isnan(found.interaction) and np.isnan(found.p_value) and not found.tested
