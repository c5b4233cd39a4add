"""What is predicted: horizons rise, and the cutoffs that are learned from are over before the test begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import Prediction, PredictionSettings
from analytics.goals.ahead.definition import Cutoffs
from expectations.errors import DefinitionError

DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 5, tzinfo=UTC)


@given(st.integers(58, 200), st.integers(2, 12), st.integers(0, 10))
def test_every_cutoff_learned_from_is_over_before_the_test_and_the_test_has_arrived(
    days: int, cutoffs: int, late: int
) -> None:
    asked, end = Prediction("buy", cutoffs=cutoffs), FIRST + days * DAY
    try:
        found = Cutoffs.of(asked, FIRST, end, end - late * DAY)
    except DefinitionError as error:
        assert "No cutoff is over" in error.what
        return
    assert found.tested + asked.longest <= end - late * DAY < found.tested + asked.longest + asked.apart
    assert all(at + asked.longest <= found.tested and at >= FIRST + asked.longest for at in found.learned)
    assert all(at.weekday() == 0 and at.hour == 0 for at in (*found.learned, found.tested))
    assert list(found.learned) == sorted(set(found.learned)) and len(found.learned) < cutoffs


def test_short_data_say_from_when_on_they_will_do() -> None:
    with pytest.raises(DefinitionError, match="from 04 March 2026 on"):
        Cutoffs.of(Prediction("buy"), FIRST, FIRST + 57 * DAY, FIRST + 57 * DAY)


def test_events_that_were_loaded_long_after_they_happened_are_said_to_have_arrived_then() -> None:
    with pytest.raises(DefinitionError, match=r"(?s)up to 25 December 2025 arrived in time.*when they are loaded"):
        Cutoffs.of(Prediction("buy"), FIRST, FIRST + 90 * DAY, FIRST - 11 * DAY)


@pytest.mark.parametrize("wrong", [
    {"horizons": ()},
    {"horizons": ("7d", "1d")},
    {"horizons": ("1d", "1d")},
    {"horizons": ("0d", "1d")},
    {"horizons": tuple(f"{n}d" for n in range(1, 14))},
    {"lookback": "0d"},
    {"every": "0d"},
    {"cutoffs": 1},
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError):
        Prediction("buy", **wrong)


def test_settings_give_the_definition() -> None:
    settings = PredictionSettings.model_validate({"horizons": ["1d", "2d"], "never": ["tier"], "first": True})
    asked = settings.definition(Prediction("buy").named)
    assert asked.days == (1.0, 2.0) and asked.never == ("tier",) and asked.first
