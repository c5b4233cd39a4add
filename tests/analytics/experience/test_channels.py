"""Effort of stages, journeys across channels, hand-offs."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings

from analytics import Paths, channels, effort, handoffs
from analytics.statistics.intervals import wilson
from analytics.store.ordering import TOUCHES_PER_PART
from expectations.errors import DefinitionError
from tests.analytics.paths.test_transitions import PEOPLE, SIZE, paths_of, units_of
from tests.oracles.moves import friction, reaches, switches
from tests.written import frame_in_parts, paths

STAGES = {"a": "Interest", "b": "Action", "c": None}
SHOP = {
    "ann": "look@0m[channel=web,device=phone] buy@1m[channel=store]",
    "bo": "look@0m[channel=web,device=desk] look@2m[channel=web]",
}


def staged(units: list, size: int = TOUCHES_PER_PART) -> Paths:
    frame = paths_of(units).touches.collect()
    stage = pl.col("touchpoint").replace_strict(STAGES, default=None, return_dtype=pl.String)
    return frame_in_parts(frame.with_columns(stage.alias("stage"), pl.col("touchpoint").alias("channel")), size)


def test_units_in_one_channel_are_compared_with_units_in_several() -> None:
    assert channels(paths(SHOP))["reach", "channel", "units", "share"].rows() == [
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
    table = channels(paths(CROSSING))
    assert table["reach", "channel", "units", "over", "converted", "goal_rate"].rows() == [
        ("one", None, 1, 1, 0, 0.0),
        ("one", "phone", 1, 1, 0, 0.0),
        ("several", None, 3, 2, 1, 0.5),
    ]


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
    found = channels(shop)["reach", "channel", "units", "customers", "over", "converted", "median_touches"].rows()
    assert {row[:2]: row[2:] for row in found} == reaches(units)
