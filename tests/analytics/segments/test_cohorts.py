"""Who comes back is counted by the calendar, and only in periods that are over."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Paths, retention, returns
from analytics.statistics.intervals import wilson
from expectations.errors import DefinitionError
from tests.written import START, frame_in_parts, paths

TOUCHES = st.lists(st.tuples(st.integers(0, 12 * 24), st.booleans()), min_size=1, max_size=5)
PEOPLE = st.sampled_from([2, 3, 4, 5, 6, 1, 0]).flatmap(
    lambda people: st.lists(TOUCHES, min_size=people, max_size=people)
)
SHOP = {"ann": "visit@0d pay@1d visit@3d", "bo": "visit@0d visit@2d", "cy": "visit@1d"}


RULES = ("on", "on_or_after", "bracket")


def shop_of(people: list[list[tuple[int, bool]]]) -> pl.DataFrame:
    """The touches of people, each with hours and whether it buys."""
    schema = {"customer": pl.Int64, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String}
    touches = [
        (who, START + timedelta(hours=hours), "buy" if buy else "look")
        for who, own in enumerate(people)
        for hours, buy in sorted(own)
    ]
    return pl.DataFrame(touches, schema=schema, orient="row")


def rows(**options: object) -> list[tuple[object, ...]]:
    table = retention(paths(SHOP, end="4d"), period="day", periods=3, **options)  # type: ignore[arg-type]
    days = (pl.col("cohort") - START).dt.total_days()
    return table.filter(~pl.col("is_total")).select(days, "size", "after", "returned").rows()


def test_a_total_counts_the_cohorts_whose_cell_is_over() -> None:
    table = retention(paths(SHOP, end="4d"), period="day", periods=3)
    assert table.head(3)["is_total", "cohort", "cohorts", "size", "after", "returned"].rows() == [
        (True, None, 2, 3, 1, 1),
        (True, None, 2, 3, 2, 1),
        (True, None, 1, 2, 3, 1),
    ]
    assert table["is_total"].to_list() == [True] * 3 + [False] * 5
    assert table["share"].head(3).to_list() == [1 / 3, 1 / 3, 1 / 2]
    assert table.filter(~pl.col("is_total"))["cohorts"].unique().to_list() == [1]


def test_a_large_cohort_weighs_as_much_as_its_members_in_the_total() -> None:
    small = {f"s{i}": "a@0d a@1d" if i < 2 else "a@0d" for i in range(10)}
    large = {f"l{i}": "a@1d" for i in range(100)}
    total = retention(paths(small | large, end="9d"), period="day", periods=1).row(0, named=True)
    assert (total["cohorts"], total["size"], total["returned"]) == (2, 110, 2)


def test_a_customer_in_many_cohorts_counts_as_one_in_the_interval_of_the_total() -> None:
    daily = " ".join(f"a@{day}d" for day in range(11))
    rare = " ".join(f"a@{day}d" for day in range(0, 20, 2))
    people = {f"d{i}": daily for i in range(20)} | {f"r{i}": rare for i in range(20)}
    total = retention(paths(people, end="30d"), period="day", periods=1, cohort="every").row(0, named=True)
    assert (total["size"], total["returned"]) == (420, 200)
    low, high = wilson(20, 40)
    assert total["share_high"] - total["share_low"] == pytest.approx(high.item() - low.item(), rel=0.15)
    first = retention(paths(people, end="30d"), period="day", periods=1).row(0, named=True)
    assert (first["share_low"], first["share_high"]) == pytest.approx((low.item(), high.item()))


def test_a_week_is_one_of_the_time_zone_also_where_its_clock_was_set_back_over_midnight() -> None:
    """In St. John's the clock was set back at 00:01 on 7 November 2010, so that 6 November was over twice."""
    times = [datetime(2010, 11, 7, 2, minute, tzinfo=UTC) for minute in (29, 30, 31)]
    touches = pl.DataFrame({"customer": "ann", "at": times, "touchpoint": "a"})
    shop = Paths.from_frame(touches, end_of_data=datetime(2010, 11, 20, tzinfo=UTC))
    options: dict[str, Any] = {"period": "day", "timezone": "America/St_Johns"}
    assert returns(shop, **options)["after"].to_list() == [[0, 1]]
    assert retention(shop, periods=1, **options)["size", "returned"].rows() == [(1, 1), (1, 1)]


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "America/Havana")
CHANGES = [datetime(*day, tzinfo=UTC) for day in ((2024, 3, 9), (2024, 3, 30), (2024, 4, 6), (2024, 11, 2))]
VISITS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(CHANGES), st.integers(0, 200)), min_size=1, max_size=14
)


@settings(deadline=None, max_examples=60)
@given(VISITS, st.sampled_from(ZONES), st.sampled_from(["day", "week"]))
def test_cohorts_are_of_local_days_and_weeks(
    visits: list[tuple[str, datetime, int]], zone: str, period: Literal["day", "week"]
) -> None:
    rows = [(who, change + timedelta(minutes=31 * steps)) for who, change, steps in visits]
    frame = pl.DataFrame(rows, schema={"customer": pl.String, "at": pl.Datetime("us", "UTC")}, orient="row")
    found = returns(Paths.from_frame(frame.with_columns(touchpoint=pl.lit("a"))), period=period, timezone=zone)
    for who, cohort, after in found.iter_rows():
        days = sorted(at.astimezone(ZoneInfo(zone)).date() for name, at in rows if name == who)
        length, first = (1, days[0]) if period == "day" else (7, days[0] - timedelta(days=days[0].weekday()))
        assert cohort.date() == first
        assert after == sorted({(day - first).days // length for day in days})


def test_a_cell_is_shown_when_its_period_is_over() -> None:
    assert rows() == [(0, 2, 1, 1), (0, 2, 2, 1), (0, 2, 3, 1), (1, 1, 1, 0), (1, 1, 2, 0)]


def test_on_or_after_counts_all_that_comes_later() -> None:
    assert rows(returns="on_or_after")[:3] == [(0, 2, 1, 2), (0, 2, 2, 2), (0, 2, 3, 1)]


def test_brackets_join_periods() -> None:
    assert rows(returns="bracket", brackets=[1, 3])[0] == (0, 2, 1, 2)


def test_every_period_with_a_start_is_a_cohort_on_request() -> None:
    found = returns(paths(SHOP), "visit", "visit", period="day", cohort="every")
    assert found["customer", "after"].rows() == [
        ("ann", [0, 3]),
        ("bo", [0, 2]),
        ("cy", [0]),
        ("bo", [0]),
        ("ann", [0]),
    ]


def test_no_touches_and_wrong_words() -> None:
    assert retention(paths({})).is_empty()
    with pytest.raises(DefinitionError, match="period"):
        retention(paths({}), period="fortnight")
    with pytest.raises(DefinitionError, match="upwards"):
        retention(paths({}), returns="bracket", brackets=[3, 1])


@settings(deadline=None, max_examples=50)
@given(PEOPLE, st.integers(1, 15))
def test_cells_are_those_of_the_definition(people: list[list[tuple[int, bool]]], size: int) -> None:
    shop = frame_in_parts(shop_of(people), size, START + timedelta(days=20))
    sizes: dict[int, int] = defaultdict(int)
    back: dict[tuple[int, int], int] = defaultdict(int)
    for own in people:
        buys = [hours // 24 for hours, buy in sorted(own) if buy]
        if buys:
            sizes[buys[0]] += 1
            for day in {hours // 24 - buys[0] for hours, _ in own if hours // 24 > buys[0]}:
                back[buys[0], day] += 1
    table = retention(shop, "buy", period="day", periods=5)
    days = (pl.col("cohort") - START).dt.total_days()
    found = table.filter(~pl.col("is_total")).select(days, "after", "size", "returned").rows()
    assert found == [(day, n, sizes[day], back[day, n]) for day in sorted(sizes) for n in range(1, 6)]


@settings(deadline=None, max_examples=40)
@given(PEOPLE, st.integers(1, 15), st.sampled_from(["first", "every"]), st.sampled_from(RULES), st.integers(1, 16))
def test_cells_are_those_of_the_periods_of_each_member(
    people: list[list[tuple[int, bool]]], size: int, cohort: Any, rule: Any, end: int
) -> None:
    shop = frame_in_parts(shop_of(people), size, START + timedelta(days=end))
    members = returns(shop, "buy", period="day", cohort=cohort)
    spans = {"bracket": {1: 2, 3: 3, 4: 4}}.get(rule, {n: n for n in range(1, 6)})
    expected: dict[tuple[int | None, int], list[int]] = defaultdict(lambda: [0, 0])
    for begin, periods in members.with_columns((pl.col("cohort") - START).dt.total_days())["cohort", "after"].rows():
        for first, last in spans.items():
            if begin + last < end:
                hit = any(first <= n and (rule == "on_or_after" or n <= last) for n in periods)
                for key in ((None, first), (begin, first)):
                    expected[key] = [expected[key][0] + 1, expected[key][1] + hit]
    table = retention(shop, "buy", period="day", cohort=cohort, returns=rule, periods=5, brackets=[1, 3, 4])
    found = table.select((pl.col("cohort") - START).dt.total_days(), "after", "size", "returned")
    assert {row[:2]: [*row[2:]] for row in found.rows()} == dict(expected)
    assert len(found) == len(expected)
