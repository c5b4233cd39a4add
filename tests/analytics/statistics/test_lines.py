"""A line of weighted least squares: against its normal equations, and where nothing can be said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analytics.statistics.lines import weighted_line
from tests.oracles.why.products import line_at

values = st.lists(st.tuples(st.floats(0, 1), st.floats(0.001, 0.2)), min_size=3, max_size=8)


@given(values, st.integers(-5, 20))
def test_the_line_is_that_of_the_normal_equations(points: list[tuple[float, float]], at: int) -> None:
    x, y, error = list(range(len(points))), [y for y, _ in points], [e for _, e in points]
    found = weighted_line(x, y, error, at)
    assert found is not None and found.low <= found.value <= found.high
    assert found.value == pytest.approx(line_at(x, y, error, at), abs=1e-9)


def test_the_band_is_that_of_a_fit_to_points_as_scattered_as_their_errors_explain_or_more() -> None:
    x = np.arange(6.0)
    for scale in (0.001, 0.2):
        y = 0.2 + 0.01 * x + scale * np.array([1, -1, 1, -1, 1, -1])
        found = weighted_line(x, y, [0.01] * 6, 5.0)
        assert found is not None
        residuals = y - np.polyval(np.polyfit(x, y, 1), x)
        sigma = max(0.01, math.sqrt((residuals**2).sum() / 4))
        reach = stats.t.ppf(0.975, 4) * sigma * math.sqrt(1 / 6 + 2.5**2 / 17.5)
        assert found.high - found.value == pytest.approx(reach)


def test_two_points_lead_nowhere_and_dates_are_as_good_as_small_numbers() -> None:
    assert weighted_line([0, 1], [0.1, 0.2], [0.1, 0.1], 2) is None
    y, error = [0.1, 0.15, 0.12], [0.01, 0.02, 0.01]
    small = weighted_line([0, 1, 2], y, error, 3)
    large = weighted_line([1.7e9 + 86400 * n for n in range(3)], y, error, 1.7e9 + 3 * 86400)
    assert small is not None and large is not None and small == pytest.approx(large)
