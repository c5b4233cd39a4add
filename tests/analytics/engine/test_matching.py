"""The matcher finds the conditions that each touch meets, however many there are."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from analytics import Funnel, Step, funnel
from analytics.engine.matching import UNIVERSE, Matcher
from tests.written import paths

WIDTHS = pytest.mark.parametrize("conditions", [1, 7, 8, 9, 15, 16, 17, 60])


def valued(touches: int) -> str:
    """A journey whose first touch has value 0, the next 1, and so on."""
    return " ".join(f"t{place}@{place}m[value={place}]" for place in range(touches))


def steps(conditions: int) -> list[Step]:
    return [Step("*", pl.col("value") == place, name=f"step {place + 1}") for place in range(conditions)]


@WIDTHS
@pytest.mark.parametrize("universe", [None, pl.col("value") >= 0])
def test_a_touch_meets_its_own_condition_and_no_other(conditions: int, universe: pl.Expr | None) -> None:
    shop = paths({"ann": valued(conditions + 1)})
    matcher = Matcher(tuple(steps(conditions)), universe=universe)
    codes, bits = matcher.match(shop.parts[0], shop.parts[0].read(matcher.columns), shop.dictionaries)
    seen = 0 if universe is None else 1 << UNIVERSE
    assert bits[codes].tolist() == [*(seen | 1 << place for place in range(conditions)), seen]
    assert bits.dtype == np.uint64


@WIDTHS
@pytest.mark.parametrize("order", ["ordered", "strict", "unordered"])
def test_a_funnel_reaches_every_step_that_has_a_condition(conditions: int, order: str) -> None:
    shop = paths({"ann": valued(conditions), "bo": valued(conditions - 1)}, end="400d")
    table = funnel(shop, Funnel(steps(conditions), order=order))  # type: ignore[arg-type]
    assert table["reached"].to_list() == [2] * (conditions - 1) + [1]
