"""Effort of stages, journeys across channels, hand-offs."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal

from analytics import Paths, channels, effort, handoffs
from analytics.engine.analysis import MEASURES
from analytics.statistics.intervals import wilson
from analytics.store.ordering import TOUCHES_PER_PART
from expectations.errors import DefinitionError
from tests.analytics.paths.test_transitions import LATER, PEOPLE, SIZE, paths_of, units_of
from tests.oracles.moves import friction, reaches, switches
from tests.written import assert_counts_add_up, at, frame_in_parts, paths

STAGES = {"a": "Interest", "b": "Action", "c": None}
SHOP = {
    "ann": "look@0m[channel=web,device=phone] buy@1m[channel=store]",
    "bo": "look@0m[channel=web,device=desk] look@2m[channel=web]",
}


def staged(units: list, size: int = TOUCHES_PER_PART) -> Paths:
    frame = paths_of(units).touches.collect()
    stage = pl.col("touchpoint").replace_strict(STAGES, default=None, return_dtype=pl.String)
    return frame_in_parts(frame.with_columns(stage.alias("stage"), pl.col("touchpoint").alias("channel")), size, LATER)


def test_units_in_one_channel_are_compared_with_units_in_several() -> None:
    assert channels(paths(SHOP))["reach", "channel", "units", "share_of_units"].rows() == [
        ("one", None, 1, 0.5),
        ("one", "web", 1, 0.5),
        ("several", None, 1, 0.5),
    ]


def test_slow_pages_and_errors_are_counted_at_their_stage() -> None:
    journey = {"ann": "a@0m[stage=Interest,load=4] error_page@1m[stage=Interest,load=1]"}
    row = effort(paths(journey), load_seconds="load").row(0, named=True)
    assert (row["slow"], row["errors"], row["touches"]) == (1, 1, 2)


CROSSING = {
    "ann": "look@0m[channel=web,outcome=abandoned,stage=Interest] "
    "call@10m[channel=phone,outcome=abandoned,stage=Desire]",
    "bo": "look@0m[channel=web,outcome=converted,stage=Interest] "
    "call@20m[channel=phone,outcome=converted,stage=Desire] buy@30m[channel=phone,outcome=converted,stage=Action]",
    "cy": "look@0m[channel=web,outcome=open,stage=Interest] call@60m[channel=phone,outcome=open,stage=Desire]",
    "di": "call@0m[channel=phone,outcome=abandoned,stage=Desire] call@1m[channel=phone,outcome=abandoned,stage=Desire]",
}


def test_a_change_of_channel_loses_the_customer_when_nothing_follows_it_and_the_journey_is_abandoned() -> None:
    row = handoffs(paths(CROSSING)).row(0, named=True)
    assert (row["source"], row["target"], row["handoffs"], row["customers"]) == ("web", "phone", 3, 3)
    assert (row["lost"], row["lost_share"]) == (1, pytest.approx(1 / 3))
    assert row["lost_share_staying"] == 0.5  # of two moves within the phone one is the last of an abandoned journey
    assert row["median_wait"] == timedelta(minutes=20)
    low, high = wilson(1, 3)
    assert (row["lost_share_low"], row["lost_share_high"]) == pytest.approx((low.item(), high.item()))
    assert handoffs(paths(CROSSING), at="stage")["stage", "handoffs"].rows() == [("Desire", 3)]


def test_units_that_cross_channels_are_compared_with_those_that_do_not() -> None:
    table = channels(paths(CROSSING, end="60d"))
    assert table["reach", "channel", "units", "mature", "reached", "goal_rate"].rows() == [
        ("one", None, 1, 1, 0, 0.0),
        ("one", "phone", 1, 1, 0, 0.0),
        ("several", None, 3, 3, 1, 1 / 3),
    ]


def alike(customers: int, journeys: int) -> Paths:
    """Customers whose own journeys all end alike: every other customer converts, by one change of channel."""
    ends = {0: "abandoned", 1: "converted"}
    told = {
        f"c{who}": " ".join(
            f"look@{day}d[channel=web,journey={day},outcome={ends[who % 2]}] "
            f"call@{day}d[channel=phone,journey={day},outcome={ends[who % 2]}]"
            for day in range(journeys)
        )
        for who in range(customers)
    }
    return paths(told, end="60d")


def test_journeys_of_one_customer_widen_the_intervals_as_customers_alone_would() -> None:
    low, high = wilson(20, 40)
    found = channels(alike(40, 5)).row(0, named=True)
    assert (found["units"], found["mature"], found["reached"], found["goal_rate"]) == (200, 200, 100, 0.5)
    assert (found["goal_rate_low"], found["goal_rate_high"]) == pytest.approx((low.item(), high.item()))
    moved = handoffs(alike(40, 5)).row(0, named=True)
    assert (moved["handoffs"], moved["lost"], moved["customers"]) == (200, 100, 40)
    assert (moved["lost_share_low"], moved["lost_share_high"]) == pytest.approx((low.item(), high.item()))


def test_the_total_comes_first_and_is_the_answer_without_groups() -> None:
    for measure in (channels, handoffs, effort):
        shop = paths(CROSSING)
        table, whole = measure(shop, by="outcome"), measure(shop)
        assert table.columns[:2] == ["outcome", "is_total"]
        assert table["is_total"].to_list() == [True] * len(whole) + [False] * (len(table) - len(whole))
        assert_frame_equal(table.head(len(whole)).drop("outcome"), whole)
        assert table.head(len(whole))["outcome"].null_count() == len(whole)


def test_ranges_and_conditions_select_units() -> None:
    later = {"ann": "look@0d[channel=web,journey=1] call@1d[channel=phone,journey=1] look@9d[channel=web,journey=2]"}
    assert channels(paths(later), start=at("2d"))["reach", "channel", "units"].rows() == [
        ("one", None, 1),
        ("one", "web", 1),
    ]
    assert handoffs(paths(later), start=at("2d")).is_empty()
    assert handoffs(paths(later), end=at("2d"))["handoffs"].item() == 1
    assert handoffs(paths(later), where=pl.col("channel") == "web").is_empty()


def test_medians_of_many_units_are_near_and_exact_on_request() -> None:
    many = {f"c{i}": f"look@0s[channel=web] look@{7 * i * i + 1}s[channel=web]" for i in range(1501)}
    exact = timedelta(seconds=7 * 750 * 750 + 1)
    near, found = (
        channels(paths(many), exact=wanted).row(0, named=True)["median_duration"] for wanted in (False, True)
    )
    assert found == exact != near
    assert abs(near / exact - 1) < 0.001


def test_hand_offs_are_not_listed_by_a_column_that_the_answer_has_already() -> None:
    renamed = paths({"ann": "look@0m[channel=web,lost=x] call@1m[channel=phone,lost=y]"})
    with pytest.raises(DefinitionError, match="'lost' cannot list hand-offs"):
        handoffs(renamed, at="lost")
    with pytest.raises(DefinitionError, match="'channel' cannot list hand-offs"):
        handoffs(paths(SHOP), at="channel", by="channel")


def test_turning_back_changing_channel_and_sessions_are_counted_at_their_stage() -> None:
    first = "a@0m[stage=Desire,channel=web,session=1] b@1m[channel=web,session=1]"
    walk = f"{first} c@9m[stage=Interest,channel=app,session=2]"
    assert effort(paths({"ann": walk}))["stage", "touches", "sessions", "backtracks", "handoffs"].rows() == [
        ("Interest", 1, 1, 0, 1),
        ("Desire", 1, 1, 1, 0),
    ]


def test_an_unknown_stage_raises_an_error() -> None:
    with pytest.raises(DefinitionError, match="no place in the order"):
        effort(paths({"ann": "a@0m[stage=Loyalty]"}))
    assert effort(paths({"ann": "a@0m[stage=Loyalty]"}), stages=["Loyalty"])["units"].item() == 1


def test_no_touches_give_no_rows() -> None:
    empty = paths({"ann": "a@0m[channel=web,stage=Action]"}).touches.collect().head(0)
    for analysis in (channels, handoffs, effort):
        assert analysis(Paths.from_frame(empty)).is_empty()


@settings(deadline=None, max_examples=60)
@given(PEOPLE, SIZE)
def test_effort_channels_and_handoffs_are_those_of_the_definition(people: list, size: int) -> None:
    units = units_of(people)
    shop = staged(units, size)
    table = effort(shop)
    expected = friction(units, STAGES, ["Interest", "Action"])
    assert set(table["stage"]) == set(expected)
    for row in table.iter_rows(named=True):
        own = expected[row["stage"]]
        assert {name: row[name] for name in own if name != "entropy"} == {
            k: v for k, v in own.items() if k != "entropy"
        }
        assert row["next_entropy"] == pytest.approx(own["entropy"], abs=1e-9)
    wait = pl.col("median_wait").dt.total_milliseconds() / 1000
    moves = handoffs(shop).select("source", "target", "handoffs", "lost", "units", "customers", wait)
    assert {row[:2]: row[2:] for row in moves.rows()} == switches(units)
    found = channels(shop)["reach", "channel", "units", "customers", "mature", "reached", "median_touches"].rows()
    assert {row[:2]: row[2:] for row in found} == reaches(units)


@settings(deadline=None, max_examples=25)
@given(PEOPLE, SIZE)
def test_counts_add_up_over_any_parts_in_any_order(people: list, size: int) -> None:
    shop = staged(units_of(people))
    options = {"channels": {}, "handoffs": {"at": "stage"}, "effort": {}}
    for name, own in options.items():
        assert_counts_add_up(MEASURES[name].bound(shop, by="touchpoint", **own), shop, size)
