"""Chances over horizons follow from hazards as in a loop over intervals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import horizon_chances
from expectations.errors import DefinitionError

intervals = st.lists(st.tuples(st.floats(0.01, 30), st.floats(0, 1)), min_size=1, max_size=6)


@given(intervals)
def test_chances_and_expected_days_are_those_of_a_loop_over_intervals(intervals: list[tuple[float, float]]) -> None:
    edges = [sum(length for length, _ in intervals[: place + 1]) for place in range(len(intervals))]
    found = horizon_chances(edges, [hazard for _, hazard in intervals])
    survival, days = 1.0, 0.0
    for place, (length, hazard) in enumerate(intervals):
        days += length * (survival + survival * (1 - hazard)) / 2
        survival *= 1 - hazard
        assert found.chances[place] == pytest.approx(1 - survival, abs=1e-12)
    assert found.expected_days == pytest.approx(days)
    assert list(found.chances) == sorted(found.chances)


@pytest.mark.parametrize(
    ("edges", "hazards", "words"),
    [
        ([], [], "an edge and a hazard"),
        ([1, 3], [0.1], "an edge and a hazard"),
        ([3, 1], [0.1, 0.1], "rise"),
        ([0, 1], [0.1, 0.1], "rise"),
        ([1, float("inf")], [0.1, 0.1], "rise"),
        ([1], [1.1], "chance"),
        ([1], [float("nan")], "chance"),
    ],
)
def test_what_are_no_hazards_is_refused(edges: list[float], hazards: list[float], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        horizon_chances(edges, hazards)
