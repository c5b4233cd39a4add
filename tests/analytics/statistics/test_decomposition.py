"""The parts of a change add up exactly, and are those of all orders of switching."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.statistics.decomposition import known_in_both, mix_and_rate, worth_of_factors
from tests.oracles.why.change import times

PAIR = st.tuples(st.integers(0, 40), st.integers(0, 40))


@settings(max_examples=60)
@given(st.lists(PAIR, min_size=1, max_size=5))
def test_the_worth_of_a_factor_is_the_mean_over_all_orders(pairs: list[tuple[int, int]]) -> None:
    factors = {str(number): (Fraction(a, 7), Fraction(b, 7)) for number, (a, b) in enumerate(pairs)}
    before, after = (np.array([float(pair[k]) for pair in factors.values()]) for k in (0, 1))
    expected = [float(times(name, factors)) for name in factors]
    assert worth_of_factors(before, after) == pytest.approx(expected, rel=1e-12)
    change = ((after - before) * worth_of_factors(before, after)).sum()
    assert change == pytest.approx(after.prod() - before.prod(), rel=1e-9, abs=1e-9)


def test_sixty_factors_take_no_longer_than_two() -> None:
    before, after = np.linspace(0.9, 1, 60), np.linspace(0.95, 0.99, 60)
    parts = (after - before) * worth_of_factors(before, after)
    assert parts.sum() == pytest.approx(after.prod() - before.prod(), rel=1e-12)


def test_a_published_change_of_five_channels() -> None:
    """The inputs of xiebro.cool/post/twofactor."""
    w, r = np.array([0.2, 0.3, 0.1, 0.2, 0.2]), np.array([0.10, 0.20, 0.15, 0.12, 0.05])
    w2, r2 = np.array([0.25, 0.25, 0.15, 0.20, 0.15]), np.array([0.08, 0.15, 0.09, 0.10, 0.07])
    parts = mix_and_rate(w, r, w2, r2)
    assert (w @ r, w2 @ r2) == pytest.approx((0.1290, 0.1015))
    assert (parts.mix.sum(), parts.rate.sum()) == pytest.approx((-0.00125, -0.02625))


def test_a_segment_of_one_period_only_has_all_in_its_mix() -> None:
    parts = mix_and_rate([1, 0], [0.2, np.nan], [0.5, 0.5], [0.2, 0.1])
    assert (parts.mix.tolist(), parts.rate.tolist()) == (pytest.approx([-0.0125, -0.0375]), [0.0, 0.0])
    nobody = known_in_both(np.array([np.nan]), np.array([np.nan]))
    assert [each.tolist() for each in nobody] == [[0.0], [0.0]]
