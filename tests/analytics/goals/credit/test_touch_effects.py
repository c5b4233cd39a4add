"""Paths with a value and without it are compared as the definition says, and the intervals hold what is true."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import Attribution, Paths, UnknownWordWarning, touch_effects
from analytics.store.parts import split_part
from expectations.errors import DefinitionError
from ingest.samples.shop.catalogue import DAY
from ingest.samples.shop.lives import BY_CHANNEL, Shop, live
from ingest.samples.shop.people import person_of
from ingest.samples.shop.stories import Stories
from ingest.samples.shop.visits import Fact
from ingest.samples.simulator import START as BEGIN
from tests.oracles.why import credit as oracle
from tests.written import START

touch = st.tuples(st.integers(0, 12), st.sampled_from(["a", "b", "c", "direct", None]), st.sampled_from([0, 0, 1]))
customers = st.lists(st.lists(touch, max_size=9), min_size=1, max_size=5)
PEOPLE, DAYS, LOOKBACK, SEED = 3000, 90, 30 * DAY, 7
NO_CHANNEL = ("login", "feedback_submitted", "order_returned")


def ordered(given_: Any) -> list[list[oracle.Touch]]:
    return [sorted(((at, value, bool(goal)) for at, value, goal in touches), key=lambda t: t[0]) for touches in given_]


def shop(people: Any, end: int) -> Paths:
    rows = [
        (f"c{who}", START + timedelta(days=at), "pay" if goal else "see", value)
        for who, touches in enumerate(people)
        for at, value, goal in touches
    ]
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String, "channel": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return Paths.from_frame(frame, end_of_data=START + timedelta(days=end))


def assert_same(row: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name, expected in wanted.items():
        if expected is None:
            assert row[name] is None, name
        else:
            assert math.isclose(row[name], expected, abs_tol=1e-9), (name, row[name], expected)


@settings(deadline=None, max_examples=60)
@given(customers, st.integers(1, 6), st.integers(8, 20), st.booleans())
def test_effects_are_those_of_the_definition(given_: Any, lookback: int, end: int, alike: bool) -> None:
    people = ordered(given_)
    asked = Attribution("pay", lookback=timedelta(days=lookback), ignore="direct")
    paths = shop(people, end)
    first = pl.col("channel").fill_null("").alias("first")
    found = touch_effects(paths, asked, adjust=[first] if alike else ())
    expected, young = oracle.followed(people, lookback=lookback, end=end, ignored=["direct"])
    values = {value for path in expected for value in path.values}
    assert {*found["credited"]} == values
    for row in found.iter_rows(named=True):
        assert_same(row, {**oracle.effect(expected, row["credited"], alike=alike), "open": young})


@settings(deadline=None, max_examples=12)
@given(customers)
def test_another_layout_of_parts_gives_the_same_bits(given_: Any) -> None:
    whole = shop([touches for touches in ordered(given_) if touches], 20)
    parts = [piece for part in whole.parts for piece in split_part(part, np.arange(part.customers + 1))]
    split = Paths(parts, whole.schema, whole.dictionaries, whole.end_of_data)
    asked = Attribution("pay", lookback="4d")
    options: dict[str, Any] = {"by": "touchpoint", "adjust": "channel"}
    assert_frame_equal(touch_effects(whole, asked, **options), touch_effects(split, asked, **options), check_exact=True)


def test_paths_with_and_without_a_goal_are_followed_for_as_long() -> None:
    visits = {
        "ann": "see@0d[channel=ad] see@20d[channel=mail] pay@40d see@41d[channel=ad] pay@42d",
        "bo": "see@0d[channel=ad] see@31d[channel=mail]",
        "cy": "see@50d[channel=ad] pay@51d",
    }
    found = touch_effects(Paths.from_text(visits, end="75d"), "pay")
    rows = found.select("credited", "with", "reached_with", "without", "reached_without", "open").rows()
    assert rows == [("ad", 3, 1, 1, 0, 1), ("mail", 2, 0, 2, 1, 1)]


def test_intervals_are_those_of_the_jackknife_over_replicates_of_customers() -> None:
    visits = {f"c{n}": "see@0d[channel=ad] pay@2d" if n % 3 else "see@0d[channel=ad]" for n in range(90)}
    visits |= {f"d{n}": "see@0d[channel=mail]" if n % 4 else "see@0d[channel=mail] pay@1d" for n in range(60)}
    row = touch_effects(Paths.from_text(visits, end="60d"), "pay").row(
        by_predicate=pl.col("credited") == "ad", named=True
    )
    assert row["difference"] == pytest.approx(2 / 3 - 1 / 4)
    error = math.sqrt(2 / 9 / 90 + 3 / 16 / 60)  # of two independent shares
    assert (row["high"] - row["low"]) / 2 == pytest.approx(1.98 * error, rel=0.15)
    assert row["adjusted_low"] == pytest.approx(row["low"])
    assert row["incremental_low"] == pytest.approx(90 * row["low"])


def test_an_adjusted_difference_needs_paths_that_are_alike() -> None:
    visits = {f"c{n}": f"see@0d[channel=ad,device={'phone' if n % 2 else 'desk'}] pay@2d" for n in range(20)}
    visits |= {f"d{n}": "see@0d[channel=mail,device=desk]" for n in range(20)}
    ad = touch_effects(Paths.from_text(visits, end="60d"), "pay", adjust="device").row(0, named=True)
    assert (ad["credited"], ad["overlap"], ad["difference"]) == ("ad", 0.5, 1.0)
    assert (ad["adjusted"], ad["incremental"], ad["enough"], ad["low"]) == (None, None, False, None)


def test_whom_a_login_tells_is_said_and_makes_no_stratum() -> None:
    frame = pl.DataFrame(
        {
            "customer": ["ann", "bo"],
            "at": [START, START],
            "touchpoint": ["see", "see"],
            "channel": ["ad", "mail"],
            "linked": ["login", "anonymous"],
        }
    )
    paths = Paths.from_frame(frame, end_of_data=START + timedelta(days=60))
    with pytest.warns(UnknownWordWarning):
        found = touch_effects(paths, "pay")
    assert found.select("credited", "login_with", "login_without").rows() == [("ad", 1.0, 0.0), ("mail", 0.0, 1.0)]
    with pytest.raises(DefinitionError):
        touch_effects(paths, "see", adjust="linked")


def test_no_path_that_is_mature_gives_no_rows_but_all_columns() -> None:
    found = touch_effects(Paths.from_text({"ann": "see@1d[channel=a] pay@2d"}), "pay", by="channel")
    assert found.is_empty()
    assert found.columns[:3] == ["channel", "is_total", "credited"]


def test_the_intervals_hold_what_each_channel_brings_against_the_twin_world_without_it() -> None:
    world = [lived(None, number) for number in range(PEOPLE)]
    rows = [(f"p{number}", fact.at, fact.name, fact.channel) for number, facts in enumerate(world) for fact in facts]
    frame = pl.DataFrame(rows, schema=["customer", "at", "touchpoint", "channel"], orient="row")
    paths = Paths.from_frame(
        frame.with_columns(pl.from_epoch("at", "ms").dt.replace_time_zone("UTC")),
        end_of_data=BEGIN + timedelta(days=DAYS),
    )
    found = touch_effects(paths, "order_placed")
    for channel in BY_CHANNEL:
        row = found.row(by_predicate=pl.col("credited") == channel, named=True)
        met = [number for number, facts in enumerate(world) if any(fact.channel == channel for fact in facts)]
        brought = sum(reached(world[number]) - reached(lived(channel, number)) for number in met)
        assert row["incremental_low"] <= brought <= row["incremental_high"], channel
    assert found.filter(credited="partner")["incremental_low"][0] > 0


def lived(without: str | None, number: int) -> list[Fact]:
    """What a person does in the shop, or in its twin without a channel, by time."""
    first = int(BEGIN.timestamp()) * 1000
    world = Shop(SEED, first, first + DAYS * DAY, Stories(SEED), without)
    facts = live(world, person_of(SEED, number, first, DAYS))
    return sorted((fact for fact in facts if fact.name not in NO_CHANNEL), key=lambda fact: fact.at)


def reached(facts: list[Fact]) -> int:
    """The goals of one person's paths that are followed for the whole lookback."""
    touches = [(fact.at, fact.channel, fact.name == "order_placed") for fact in facts]
    end = int(BEGIN.timestamp()) * 1000 + DAYS * DAY
    found, _ = oracle.followed([touches], lookback=LOOKBACK, end=end)
    return sum(path.reached for path in found)
