"""Effort of stages, journeys across channels, hand-offs."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings

from analytics import Paths, channels, effort, handoffs
from expectations.errors import DefinitionError
from tests.analytics.test_transitions import PEOPLE, paths_of, units_of
from tests.journeys import paths
from tests.oracles.moves import friction, switches

STAGES = {"a": "Interest", "b": "Action", "c": None}
SHOP = {
    "ann": "look@0m[channel=web,device=phone] buy@1m[channel=store]",
    "bo": "look@0m[channel=web,device=desk] look@2m[channel=web]",
}


def staged(units: list) -> Paths:
    frame = paths_of(units).touches.collect()
    stage = pl.col("touchpoint").replace_strict(STAGES, default=None, return_dtype=pl.String)
    return Paths.from_frame(frame.with_columns(stage.alias("stage"), pl.col("touchpoint").alias("channel")))


def test_units_in_one_channel_stand_beside_those_that_cross() -> None:
    assert channels(paths(SHOP))["reach", "channel", "units", "share"].rows() == [
        ("one", None, 1, 0.5),
        ("one", "web", 1, 0.5),
        ("several", None, 1, 0.5),
    ]


def test_slow_pages_and_errors_are_counted_at_their_stage() -> None:
    journey = {"ann": "a@0m[stage=Interest,load=4] error_page@1m[stage=Interest,load=1]"}
    row = effort(paths(journey), load_seconds="load").row(0, named=True)
    assert (row["slow"], row["errors"], row["touches"]) == (1, 1, 2)


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(DefinitionError, match="no place in the order"):
        effort(paths({"ann": "a@0m[stage=Loyalty]"}))
    assert effort(paths({"ann": "a@0m[stage=Loyalty]"}), stages=["Loyalty"])["units"].item() == 1


def test_no_touches_give_no_rows() -> None:
    empty = paths({"ann": "a@0m[channel=web,stage=Action]"}).touches.collect().head(0)
    for analysis in (channels, handoffs, effort):
        assert analysis(Paths.from_frame(empty)).is_empty()


@settings(deadline=None, max_examples=60)
@given(PEOPLE)
def test_effort_and_handoffs_are_those_of_the_definition(people: list) -> None:
    units = units_of(people)
    table = effort(staged(units))
    expected = friction(units, STAGES, ["Interest", "Action"])
    assert set(table["stage"]) == set(expected)
    for row in table.iter_rows(named=True):
        own = expected[row["stage"]]
        assert {name: row[name] for name in own if name != "entropy"} == {
            k: v for k, v in own.items() if k != "entropy"
        }
        assert row["next_entropy"] == pytest.approx(own["entropy"], abs=1e-9)
    moves = handoffs(staged(units))["source", "target", "handoffs", "lost"].rows()
    assert {row[:2]: row[2:] for row in moves} == switches(units)
