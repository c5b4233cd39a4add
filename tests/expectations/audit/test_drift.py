"""A day unlike the days before is reported once late events are included; late events alone are not drift."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from expectations.audit import day_measures, drift
from expectations.audit.audit import check
from expectations.audit.landed import Table
from expectations.audit.results import MEASURES
from expectations.lake.layout import Lake
from expectations.suites.settings import Drift, ExpectationSettings
from tests.expectations.events import START, days_of, event, frame

SETTINGS = ExpectationSettings()
LAST = date(2026, 1, 14)  # the tenth day


def strayed(lake: Lake, rows: list[dict[str, Any]]) -> list[tuple[date, str]]:
    found = check(lake, {"events": Table(frame(rows).lazy())}, [], SETTINGS, now=START + timedelta(days=60)).results
    return found.filter(~pl.col("passed")).select("day", pl.col("columns").list.first()).rows()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_days_that_are_alike_do_not_stray(lake: Lake) -> None:
    found = check(lake, {"events": Table(frame(days_of(14)).lazy())}, [], SETTINGS).results
    assert found["passed"].all()
    assert found["day"].unique().sort().to_list() == [date(2026, 1, day) for day in range(12, 17)]


def test_a_lost_event_a_lost_column_and_a_silent_night_stray(lake: Lake) -> None:
    rows = [row for row in days_of(14, 40) if not (row["event_date"] == LAST and row["event_name"] == "order_placed")]
    rows = [row for row in rows if not (row["event_date"] == date(2026, 1, 15) and row["occurred_at"].hour < 4)]
    rows = [row | ({"customer_id": None} if row["event_date"] == date(2026, 1, 13) else {}) for row in rows]
    assert strayed(lake, rows) == [
        (date(2026, 1, 13), "customer_id.given"),
        (LAST, "event_name.divergence"),
        (LAST, "order_placed.share"),
        (LAST, "page_viewed.share"),  # what is left is more of the whole
        (LAST, "currency.given"),
        (LAST, "order_id.given"),
        (LAST, "revenue.given"),
        (date(2026, 1, 15), "hours.strayed"),
    ]


def test_the_day_that_is_filling_is_not_compared(lake: Lake) -> None:
    rows = days_of(10)
    started = [event(10_000 + number, 10, number) for number in range(3)]
    assert strayed(lake, rows + started) == []
    assert all(day < LAST for day in compared(lake))


def compared(lake: Lake) -> list[date]:
    from expectations.audit import results

    return results.results(lake)["day"].to_list()


def test_a_day_is_compared_when_it_has_settled_and_again_when_late_events_change_it(lake: Lake) -> None:
    rows = [row for row in days_of(10, 40) if not (row["event_date"] == LAST and row["occurred_at"].hour > 5)]
    assert strayed(lake, rows) == []
    onward = [row for row in days_of(13, 40) if row["event_date"] > LAST]
    assert (LAST, "hours.strayed") in strayed(lake, rows + onward)
    assert strayed(lake, days_of(13, 40)) == []  # the rest of that day came late, after all
    assert strayed(lake, days_of(13, 40)) == []


def test_settled_is_over_and_waited_for() -> None:
    days = [date(2026, 1, 5), date(2026, 1, 6)]
    end = START + timedelta(days=2)
    assert day_measures.settled(days, end, timedelta(0)) == days
    assert day_measures.settled(days, end, timedelta(days=1)) == days[:1]
    assert day_measures.settled(days, end - timedelta(microseconds=1), timedelta(days=1)) == []
    assert day_measures.settled(days, None, timedelta(0)) == []


def test_measures_count_rows_names_values_and_hours() -> None:
    measured = day_measures.measure(frame([event(0, 0, 1), event(3, 0, 2), event(4, 1, 2)]).lazy())
    assert measured.schema == MEASURES
    known = {(day.day, name, key): count for day, name, key, count in measured.iter_rows()}
    assert known[5, "rows", ""] == 2 and known[6, "rows", ""] == 1
    assert known[5, "name", "order_placed"] == 1 and known[5, "given", "order_id"] == 1
    assert known[5, "given", "campaign"] == 0 and known[6, "hour", "2"] == 1
    assert day_measures.measure(frame([]).lazy()).is_empty()


def test_few_days_before_say_nothing() -> None:
    measured = day_measures.measure(frame(days_of(5)).lazy())
    days = measured["day"].unique().sort().to_list()
    assert drift.compare(measured, days[-1:], days, Drift()).is_empty()
    compared = drift.compare(measured, days, days, Drift(least_days=4))
    assert compared.schema == drift.NUMBERS and compared["day"].unique().to_list() == days[-1:]


def test_a_new_name_is_no_infinite_divergence() -> None:
    rows = days_of(8)
    rows += [event(9_000 + number, 7, 5, event_name="dreamt") for number in range(10)]
    measured = day_measures.measure(frame(rows).lazy())
    days = measured["day"].unique().sort().to_list()
    compared = drift.compare(measured, days[-1:], days, Drift())
    divergence = compared.filter(number="event_name.divergence")["value"].item()
    assert 0 < divergence < 5


def test_a_small_lasting_decrease_shows_over_a_week_but_on_no_day() -> None:
    rows = [
        row
        for row in days_of(30, 20)
        if row["event_name"] != "order_placed" or row["offset"] < 20 * 480 or row["offset"] % 3
    ]
    measured = day_measures.measure(frame(rows).lazy())
    days = measured["day"].unique().sort().to_list()
    numbers = drift.compare(measured, days, days, Drift())
    beyond = numbers.filter((pl.col("value") < pl.col("minimum")) | (pl.col("value") > pl.col("maximum")))
    assert set(beyond["number"]) == {"order_placed.weekly"}
    assert START.date() + timedelta(days=20) < min(beyond["day"]) < START.date() + timedelta(days=27)


def small_shop(days: int, seed: int, visits: int = 20) -> list[dict[str, Any]]:
    """A shop of some visits of five events a day, at hours and in proportions that never change."""
    chance = random.Random(seed)
    rows = []
    for day in range(days):
        for _ in range(chance.randint(visits // 2, visits * 3 // 2)):
            known, hour = chance.random() < 0.4, chance.choices(range(24), [1] * 8 + [4] * 16)[0]
            names = chance.choices(["page_viewed", "search", "cart_viewed", "order_placed"], [6, 2, 1, 1], k=5)
            given = {"customer_id": "c1" if known else None, "anonymous_id": None if known else "a1"}
            rows += [event(len(rows) + place, day, hour, event_name=name, **given) for place, name in enumerate(names)]
    return rows


def stray(rows: list[dict[str, Any]]) -> pl.DataFrame:
    measured = day_measures.measure(frame(rows).lazy())
    days = measured["day"].unique().sort().to_list()
    numbers = drift.compare(measured, days, days, Drift())
    return numbers.with_columns(beyond=(pl.col("value") < pl.col("minimum")) | (pl.col("value") > pl.col("maximum")))


@pytest.mark.parametrize("seed", range(4))
def test_chance_in_a_small_shop_is_no_drift(seed: int) -> None:
    numbers = stray(small_shop(70, seed))
    assert numbers["day"].n_unique() == 63 and numbers["beyond"].sum() <= 0.003 * numbers.height


def test_a_fault_in_a_shop_with_bursts_of_events_is_reported() -> None:
    rows = [row | ({"customer_id": None} if row["event_date"] > LAST else {}) for row in small_shop(14, 9, 80)]
    found = stray(rows).filter("beyond").filter(number="customer_id.given")["day"].to_list()
    assert found[0] == LAST + timedelta(days=1)
