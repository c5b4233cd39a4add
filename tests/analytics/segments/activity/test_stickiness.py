"""Counts by active days are those of the definition."""

from __future__ import annotations

import math
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings

from analytics import stickiness
from expectations.errors import DefinitionError
from tests.analytics.segments.activity.test_lifecycle import customers, shop
from tests.oracles.why import activity as oracle
from tests.written import START


@settings(deadline=None, max_examples=80)
@given(customers)
def test_counts_are_those_of_the_definition(given_: dict[str, list[int]]) -> None:
    people = {who: [at / 4 for at in times] for who, times in given_.items()}
    assert START.weekday() == 0
    found = stickiness(shop(people, 15))
    expected = oracle.stickiness(people, 15, 7)
    rows = {
        (START + timedelta(weeks=week), days): count
        for week, counts in expected.items()
        for days, count in counts.items()
    }
    assert {(row["period"], row["active_units"]): row["customers"] for row in found.to_dicts()} == rows
    for (_,), own in found.partition_by("period", as_dict=True).items():
        assert own["at_least"][0] == own["active"][0] == own["customers"].sum()
        days = (own["active_units"] * own["customers"]).sum()
        assert math.isclose(own["ratio"][0], days / (7 * own["active"][0]))


def test_a_ratio_has_an_interval_of_customers_from_thirty_on() -> None:
    people = {f"c{n}": [0.0, 1.0][: 1 + n % 2] for n in range(40)}
    row = stickiness(shop(people, 7)).row(0, named=True)
    assert row["enough"] and row["ratio"] == 1.5 / 7
    error = 0.5 / math.sqrt(39)
    assert math.isclose(row["ratio_high"] - row["ratio"], 2.0227 * error / 7, rel_tol=1e-3)
    few = stickiness(shop({"ann": [0.0]}, 7)).row(0, named=True)
    assert (few["enough"], few["ratio_low"]) == (False, None)


def test_a_day_of_a_changed_clock_has_its_own_hours() -> None:
    paths = shop({"ann": [89.5]}, 100)  # 30 March 2024, noon; the clocks of Berlin change on the 31st
    found = stickiness(paths, period="day", unit="hour", timezone="Europe/Berlin")
    assert found["units"].to_list() == [24]
    changed = stickiness(shop({"ann": [90.5]}, 100), period="day", unit="hour", timezone="Europe/Berlin")
    assert changed["units"].to_list() == [23]


@pytest.mark.parametrize(("period", "unit"), [("day", "day"), ("week", "month"), ("hour", "hour"), ("day", "week")])
def test_a_unit_is_shorter_than_its_period(period: str, unit: str) -> None:
    with pytest.raises(DefinitionError, match="not made of such units"):
        stickiness(shop({"ann": [0.5]}, 9), period=period, unit=unit)  # type: ignore[arg-type]


def test_groups_are_those_of_the_first_touch_of_the_period() -> None:
    paths = shop({"ann": [0.0, 1.0], "bo": [1.0]}, 7, device=["phone", "desk", "desk"])
    found = stickiness(paths, by="device").filter(~pl.col("is_total"))
    assert found.select("device", "active_units", "customers").rows() == [("desk", 1, 1), ("phone", 2, 1)]
