from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from analytics import PathRules, Paths
from analytics.touches.sessions import sessions
from expectations.errors import DefinitionError
from tests.oracles.sessions import sessions as slow
from tests.written import START, frame

MINUTES = [*range(0, 150, 15), 29, 31, 61, 300]  # equal times, and gaps of exactly the session gap, are common
touch = st.tuples(st.sampled_from("abcdef"), st.sampled_from(MINUTES), st.sampled_from(["web", "app", None]))
touches = st.lists(touch, max_size=30)
Row = tuple[str, int, str | None]


def as_frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "customer": [row[0] for row in rows],
            "at": [START + timedelta(minutes=row[1]) for row in rows],
            "channel": [row[2] for row in rows],
        },
        schema={"customer": pl.String, "at": pl.Datetime("us", "UTC"), "channel": pl.String},
    )


@given(touches, st.booleans())
def test_sessions_are_numbered_as_by_hand(rows: list[Row], split: bool) -> None:
    expected = slow([(who, at) for who, at, _ in rows], 30, [channel for *_, channel in rows] if split else None)
    assert sessions(as_frame(rows), "30m", split_on_channel=split)["session"].to_list() == expected


@given(touches, st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"]))
def test_midnight_ends_a_session_in_its_zone(rows: list[Row], zone: str) -> None:
    late = [(who, at * 12, channel) for who, at, channel in rows]  # up to sixty hours: several midnights
    days = [str((START + timedelta(minutes=at)).astimezone(ZoneInfo(zone)).date()) for _, at, _ in late]
    expected = slow([(who, at) for who, at, _ in late], 600, days)
    assert sessions(as_frame(late), "600m", midnight=zone)["session"].to_list() == expected


def test_midnight_is_a_rule_of_stitching() -> None:
    rows = frame({"ann": "a@1430m b@1450m", "bob": "a@0m b@10m"})
    split = [Paths.from_frame(rows, rules=PathRules(split_at_midnight=zone)) for zone in (None, "UTC")]
    assert [paths.touches.collect().sort("customer", "at")["session"].to_list() for paths in split] == [
        [1, 1, 1, 1],
        [1, 2, 1, 1],
    ]
    with pytest.raises(ValidationError, match="no time zone"):
        PathRules(split_at_midnight="Europe/Berlni")


def test_a_gap_of_exactly_the_session_gap_stays_in_the_session() -> None:
    found = sessions(frame({"ann": "a@0m b@30m c@60.1m", "bob": "a@0m"}))
    assert found["session"].to_list() == [1, 1, 2, 1]


@given(touches, st.sampled_from([pl.Int64, pl.UInt8, pl.Int32]), st.booleans())
def test_customers_may_be_numbers_and_rows_may_lie_in_order(rows: list[Row], kind: type, below: bool) -> None:
    expected = slow([(who, at) for who, at, _ in rows], 30)
    codes = [7, 0, 3, 100, 1, 2] if kind == pl.UInt8 or not below else [7, -1, 3, 100, 1, -100]
    numbers = as_frame(rows).with_columns(
        pl.col("customer").replace_strict(dict(zip("abcdef", codes, strict=True)), return_dtype=kind)
    )
    assert sessions(numbers)["session"].to_list() == expected
    in_order = numbers.with_columns(expected=pl.Series(expected, dtype=pl.UInt32)).sort("customer", "at")
    assert sessions(in_order)["session"].to_list() == in_order["expected"].to_list()


def test_a_touch_without_a_customer_belongs_to_nobodys_session() -> None:
    rows = frame({"ann": "a@0m b@20m", "bob": "a@1h b@0m"}).with_columns(customer=pl.Series([5, 5, None, None]))
    assert sessions(rows)["session"].to_list() == [1, 1, 1, 1]
    assert sessions(rows[::-1])["session"].to_list() == [1, 1, 1, 1]
    nobody = rows[::-1].with_columns(customer=pl.lit(None, pl.Int64))
    assert sessions(nobody)["session"].to_list() == [1, 1, 1, 1]


def test_touches_of_one_instant_split_by_channel_in_the_order_given() -> None:
    channels = ["web", "app", "app", "web"] * 100
    rows = pl.DataFrame({"customer": [1, 0] * 200, "at": START, "channel": channels})
    found = sessions(rows, split_on_channel=True)["session"].to_list()
    assert found == slow([(str(n % 2), 0) for n in range(400)], 30, channels)
    assert max(found) == 200


def test_times_far_apart_are_sorted_with_large_numbers_of_customers() -> None:
    times = [START + timedelta(microseconds=1), START.replace(year=9000), START, START.replace(year=9000)]
    rows = pl.DataFrame({"customer": [2**62, 2**62, 2**62, 5], "at": times})
    assert sessions(rows)["session"].to_list() == [1, 2, 1, 1]


def test_rows_come_back_in_the_order_given() -> None:
    rows = frame({"ann": "c@90m a@0m b@20m"})
    found = sessions(rows)
    assert found["touchpoint"].to_list() == ["c", "a", "b"]
    assert found["session"].to_list() == [2, 1, 1]


def test_no_touches_give_no_sessions() -> None:
    assert sessions(as_frame([])).schema["session"] == pl.UInt32


def test_a_gap_needs_a_unit() -> None:
    with pytest.raises(DefinitionError, match="length of time"):
        sessions(as_frame([]), "30")
