"""Journeys begin, end and have an aftermath as semantics has it, read instant by instant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.touches.journeys import journeys
from analytics.touches.rules import PathRules, StageRule
from tests.oracles.journeys import journeys_of, touch_rows
from tests.written import START, at, frame

STAGES = {"ad": "Know", "look": "Like", "cart": "Want", "buy": "Act", "receipt": "Act", "refer": "Love"}
ORDER = ("Know", "Like", "Want", "Act", "Love")
RULES = [StageRule(name=stage, touchpoints=[n for n, s in STAGES.items() if s == stage]) for stage in ORDER]
DAYS = [*range(8), 10, 12, 15, 20, 40]  # equal times, and gaps of exactly the journey gap, are common
touch = st.tuples(st.sampled_from("abcdef"), st.sampled_from(DAYS), st.sampled_from([*STAGES, "login", "survey"]))
touches = st.lists(touch, max_size=25)


def rules(gap: str = "30d", **changes: Any) -> PathRules:
    return PathRules.model_validate({"goal": ["buy"], "stages": RULES, "journey_gap": gap, **changes})


def found(text: str, end: str | None = None, **changes: Any) -> list[tuple[Any, ...]]:
    table = journeys(frame({"ann": text}), rules(**changes), at(end) if end else None)
    return table.select("journey", "outcome", "after_goal").rows()


def in_journey(number: int, outcome: str, touches: int) -> list[tuple[Any, ...]]:
    return [(number, outcome, False)] * touches


AFTER, NONE = (1, "converted", True), (None, None, None)


@given(
    touches,
    st.sampled_from([0, 1, 5, 6, 20]),
    st.sampled_from([RULES, RULES[:3], []]),
    st.sampled_from([{"buy"}, {"buy", "cart"}, {"survey"}, set()]),
    st.sampled_from([set(), {"survey"}, {"cart"}]),
)
def test_journeys_are_those_of_a_walk_over_instants(
    rows: list[tuple[str, int, str]], later: int, staged: list[StageRule], goal: set[str], after: set[str]
) -> None:
    end = max((day for _, day, _ in rows), default=0) + later
    given_ = pl.DataFrame(
        [{"customer": who, "at": START + timedelta(days=day), "touchpoint": name} for who, day, name in rows],
        schema={"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String},
    )
    asked = rules("5d", stages=staged, goal=sorted(goal), after=sorted(after))
    table = journeys(given_, asked, START + timedelta(days=end))
    order = [rule.name for rule in staged]
    named = {name: stage for name, stage in STAGES.items() if stage in order}
    slow = journeys_of(rows, named, order, goal, 5, end, after)
    assert table.select("journey", "outcome", "after_goal", "direct").rows() == touch_rows(rows, slow)


def test_an_answer_after_the_goal_begins_no_journey() -> None:
    assert found("look@0d buy@1d survey@3d look@50d") == [
        *in_journey(1, "converted", 2),
        AFTER,
        *in_journey(2, "open", 1),
    ]


def test_a_look_and_a_purchase_after_a_purchase_are_one_journey() -> None:
    assert found("look@0d buy@1d look@2d buy@3d") == [*in_journey(1, "converted", 2), *in_journey(2, "converted", 2)]


def test_a_touch_without_a_stage_begins_no_journey_and_keeps_one_going() -> None:
    assert found("login@0d look@1d") == [NONE, *in_journey(1, "open", 1)]
    assert found("look@0d login@20d buy@45d") == in_journey(1, "converted", 3)


def test_aftermath_is_at_most_the_gap_after_the_goal() -> None:
    text = "look@0d buy@1d return@20d return@31d return@32d"
    assert found(text) == [*in_journey(1, "converted", 2), AFTER, AFTER, NONE]


def test_a_gap_of_exactly_the_journey_gap_goes_on() -> None:
    assert found("look@0d look@30d look@61d") == [*in_journey(1, "abandoned", 2), *in_journey(2, "open", 1)]


def test_a_journey_is_open_while_its_gap_may_still_end() -> None:
    assert found("look@0d", end="30d") == in_journey(1, "open", 1)
    assert found("look@0d", end="30.1d") == in_journey(1, "abandoned", 1)


@pytest.mark.parametrize("instant", ["buy@1d look@1d", "look@1d buy@1d", "buy@1d survey@1d", "buy@1d buy@1d"])
def test_all_touches_at_the_instant_of_the_goal_belong_to_its_journey(instant: str) -> None:
    assert found(f"look@0d {instant} look@2d") == [*in_journey(1, "converted", 3), *in_journey(2, "open", 1)]


def test_a_stage_behind_the_goal_begins_no_journey() -> None:
    assert found("refer@0d look@1d refer@2d buy@3d refer@4d") == [NONE, *in_journey(1, "converted", 3), AFTER]


def test_feedback_begins_no_journey_though_a_rule_gives_it_a_stage_unless_the_rules_name_others() -> None:
    table = pl.DataFrame({"customer": "ann", "at": [START], "touchpoint": ["look"], "kind": ["feedback"]})
    assert journeys(table, rules())["journey"].to_list() == [None]
    assert journeys(table, rules(after=["cart"]))["journey"].to_list() == [1]
    assert found("cart@0d look@1d cart@2d", after=["cart"]) == [NONE, *in_journey(1, "open", 2)]


def test_direct_is_a_goal_without_another_staged_touch() -> None:
    for text, direct in (("login@0d buy@1d", True), ("buy@1d receipt@1d", False), ("buy@1d login@1d", True)):
        table = journeys(frame({"ann": text}), rules())
        assert table["direct"].drop_nulls().unique().to_list() == [direct], text


def test_an_open_journey_is_not_closed_by_the_next_customer() -> None:
    table = journeys(frame({"ann": "look@0d", "bob": "buy@0d"}), rules())
    assert table.select("journey", "outcome").rows() == [(1, "open"), (1, "converted")]


def test_no_touches_give_no_journeys() -> None:
    assert journeys(frame({}), rules()).schema["outcome"] == pl.String
