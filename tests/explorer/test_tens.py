"""What readers behind a proxy see follows from counts in tens alone."""

from __future__ import annotations

import random

import polars as pl
import pytest

from analytics import Funnel, Paths, StepText, funnel, trend, wilson
from explorer.tens import ENOUGH, in_tens, told
from tests.explorer.asking import drawn
from tests.explorer.shop import written

COUNTS = ("entered", "reached", "dropped", "open", "tie_sensitive")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return Paths.open(str(written(tmp_path_factory.mktemp("lake")).parent / "lake"))


def test_a_count_of_fewer_than_k_is_none() -> None:
    assert [told(number, 10) for number in (0, 1, 9, 10, 14, 15, 104, 105)] == [0, 0, 0, 10, 10, 20, 100, 110]
    assert [told(number, 25) for number in (24, 25, 26)] == [0, 30, 30]
    numbers = [told(number, 10) for number in range(300)]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("seed", range(8))
def test_a_funnel_in_tens_is_of_counts_in_tens(paths: Paths, seed: int) -> None:
    question = drawn(random.Random(seed))
    steps = [StepText.read(step).step for step in [*question["steps"], "Order"]]
    exact = funnel(paths, Funnel(steps, question["window"], by=["device"]))
    frame = in_tens(exact, 10)
    assert frame.schema == exact.schema
    assert all((frame[name] % 10 == 0).all() and (frame[name] >= 0).all() for name in COUNTS)
    whole, own = (exact["entered"] + exact["open"], frame["entered"] + frame["open"])
    first = exact["step"] == 1
    assert own.filter(first).to_list() == [told(number, 10) for number in whole.filter(first)]
    rated = frame.filter(pl.col("share_of_entered").is_not_null())
    assert (rated["reached"] > 0).all()
    assert (rated["share_of_entered"] == rated["reached"] / rated["entered"]).all()
    assert (
        rated["share_of_entered_low"].to_list()
        == wilson(rated["reached"].to_numpy(), rated["entered"].to_numpy()).low.tolist()
    )
    assert frame.filter(pl.col("reached") < ENOUGH)["median_wait"].null_count() == (frame["reached"] < ENOUGH).sum()


def test_a_trend_in_tens_adds_up(paths: Paths) -> None:
    exact = trend(paths, Funnel(["Home", "Order"], "3d"), period="week")
    frame = in_tens(exact, 10)
    assert frame.schema == exact.schema and all((frame[name] % 10 == 0).all() for name in COUNTS[:2])
    assert (frame["entered"] + frame["open"]).to_list() == [told(n, 10) for n in exact["entered"] + exact["open"]]
    rated = frame.filter(pl.col("reached") > 0)
    assert frame.filter(pl.col("reached") == 0)["share_of_entered"].null_count() == (frame["reached"] == 0).sum()
    assert (rated["share_of_entered"] == rated["reached"] / rated["entered"]).all()
