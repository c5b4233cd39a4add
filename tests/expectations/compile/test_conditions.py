from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from expectations.compile.conditions import NotCompiled, instant, is_number


@pytest.mark.parametrize("text", ["2026-01-31", "2026-01-31T12:00:00", "2026-01-31 12:00:00+00:00"])
def test_a_bound_without_a_zone_is_not_compiled(text: str) -> None:
    with pytest.raises(NotCompiled, match="no time zone"):
        instant(text)


@pytest.mark.parametrize("text", ["soon", "", "0001-01-01T00:00:00+02:00"])
def test_a_bound_that_is_no_time_is_not_compiled(text: str) -> None:
    with pytest.raises(NotCompiled, match="not a time"):
        instant(text)


def test_a_bound_is_the_instant_that_it_names() -> None:
    assert pl.select(instant("2026-01-31T12:00:00+02:00")).item() == datetime(2026, 1, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((1, True), (2.5, True), (True, False), (float("inf"), False), (float("nan"), False), ("1", False)),
        *((2**53 - 1, True), (2**53, False), (-(2**53), False)),
    ],
)
def test_a_number_is_finite_and_exact(value: object, expected: bool) -> None:
    assert is_number(value) is expected
