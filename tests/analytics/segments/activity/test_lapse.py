"""Lapses and comebacks are those of the definition, and nobody is lost for having come lately."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analytics import comeback, lapse
from expectations.errors import DefinitionError
from tests.analytics.segments.activity.test_lifecycle import customers, shop
from tests.oracles.why import activity as oracle

DAY = timedelta(days=1)


def rows(table: pl.DataFrame) -> list[tuple[float, int, int, int, float]]:
    shown = table.filter("is_total").select(pl.col("time") / DAY, "at_risk", "events", "censored", "active")
    return [pytest.approx(row) for row in shown.rows()]


@settings(deadline=None, max_examples=120)
@given(customers, st.integers(2, 6), st.integers(14, 20))
def test_durations_are_those_of_the_definition(given_: dict[str, list[int]], gap: int, end: int) -> None:
    people = {who: [at / 4 for at in times] for who, times in given_.items()}
    spans = oracle.spans(people, gap, end)
    paths, length = shop(people, end), timedelta(days=gap)
    stays = [(((end - gap if at is None else at) - begin) // 1, at is not None) for begin, at, _ in spans.values()]
    assert [tuple(row) for row in oracle.curve(stays)] == rows(lapse(paths, gap=length))
    away = [
        (((end if then is None else then) - at) // 1, then is not None)
        for _, at, then in spans.values()
        if at is not None
    ]
    assert [tuple(row) for row in oracle.curve(away)] == rows(comeback(paths, gap=length))
    if spans:
        first = lapse(paths, gap=length).row(0, named=True)
        assert (first["customers"], first["left_out"]) == (len(spans), len(people) - len(spans))


def test_durations_are_whole_days_cut_down() -> None:
    paths = shop({"ann": [0.0, 0.6], "bo": [0.0, 1.0], "cy": [0.0, 1.9, 40.0]}, 99)
    assert lapse(paths, gap="30d").select("time", "at_risk", "events").rows() == [(0 * DAY, 3, 1), (DAY, 2, 2)]
    assert comeback(paths, gap="30d")["time"].to_list() == [38 * DAY, 98 * DAY]


def test_durations_of_many_customers_stay_whole_days() -> None:
    paths = shop({f"c{n}": [0.0, n / 2] for n in range(1100)}, 999)
    found = lapse(paths, gap="800d")["time"]
    assert found.to_list() == [day * DAY for day in range(200)]


def test_groups_are_compared_by_the_log_rank_test_of_scipy() -> None:
    people = {f"a{n}": [0.0, float(n % 9)] for n in range(40)} | {f"b{n}": [0.0, float(n % 4)] for n in range(40)}
    device = ["phone" if who.startswith("a") else "desk" for who, times in people.items() for _ in times]
    found = lapse(shop(people, 60, device=device), gap="10d", by="device")
    sides = [[float(n % days) for n in range(40)] for days in (9, 4)]
    expected = stats.logrank(*(stats.CensoredData(uncensored=side) for side in sides))
    total = found.filter("is_total").row(0, named=True)
    assert total["p_value"] == pytest.approx(expected.pvalue)
    assert total["log_rank"] == pytest.approx(expected.statistic**2)
    assert found.filter(pl.col("device") == "phone")["customers"].unique().to_list() == [40]


def test_the_newest_customers_are_left_out_and_not_called_lost() -> None:
    found = lapse(shop({"ann": [0.0, 5.0], "bo": [99.0]}, 100), gap="30d")
    assert found.select("time", "events", "left_out").rows() == [(5 * DAY, 1, 1)]
    alone = lapse(shop({"bo": [99.0]}, 100), gap="30d")
    assert alone.select("is_total", "time", "customers", "left_out").rows() == [(True, None, 0, 1)]
    assert comeback(shop({"bo": [99.0]}, 100), gap="30d").is_empty()
    assert lapse(shop({}, 100), gap="30d").is_empty()


@pytest.mark.parametrize("gap", ["0d", "30", "-3d"])
def test_a_gap_is_some_time(gap: str) -> None:
    with pytest.raises(DefinitionError):
        lapse(shop({"ann": [0.0]}, 9), gap=gap)
