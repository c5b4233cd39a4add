"""Goals by name are counted as their definition says, alike by every function, in journeys and in their aftermath."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from analytics import (
    Goal,
    Money,
    PathRules,
    Paths,
    UnknownWordWarning,
    compare,
    goal_attainment,
    goal_rate,
    goal_times,
    stage_funnel,
    time_to_goal,
    wilson,
)
from analytics.goals.goal_attainment import GoalAttainment
from analytics.touches.rules import StageRule
from expectations.errors import DefinitionError
from tests.oracles.goals import attained_of
from tests.oracles.journeys import Touch, journeys_of
from tests.written import START, assert_counts_add_up, in_parts

MANY = int(os.environ.get("JOURNEYS_EXAMPLES", "60"))
STAGES = {"ad": "Know", "look": "Like", "cart": "Want", "buy": "Act", "refer": "Love"}
ORDER = ("Know", "Like", "Want", "Act", "Love")
AFTER = ["review", "cart"]  # a touchpoint of a stage that begins no journey
DAYS = [*range(9), 10, 12, 15, 20, 31, 40, 41]
STEPS = [
    ["buy"],
    ["review"],
    ["login"],
    ["ad"],
    ["stage:Want"],
    ["refer", "stage:Like"],
    ["review", "buy"],
    ["stage:Love", "stage:Know"],
]
touch = st.tuples(st.sampled_from("abcd"), st.sampled_from(DAYS), st.sampled_from([*STAGES, "review", "login", "buy"]))
touches = st.lists(touch, max_size=24)


def rules_of(stages: dict[str, str]) -> PathRules:
    named = [(stage, [name for name, own in stages.items() if own == stage]) for stage in ORDER]
    found = [StageRule(name=stage, touchpoints=names) for stage, names in named if names]
    return PathRules(goal=["buy"], stages=found, journey_gap=timedelta(days=10), after=AFTER)


def shop(rows: Sequence[Touch], end: float, stages: dict[str, str] = STAGES) -> Paths:
    frame = pl.DataFrame(
        [(who, START + timedelta(days=day), name, float(n)) for n, (who, day, name) in enumerate(rows)],
        schema={"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String, "price": pl.Float64},
        orient="row",
    )
    return Paths.from_frame(frame, end_of_data=START + timedelta(days=end), rules=rules_of(stages))


@settings(deadline=None, max_examples=MANY)
@given(
    touches,
    st.sampled_from(STEPS),
    st.sampled_from([0, 1, 5, 30]),
    st.sampled_from([3, 10]),
    st.sampled_from([STAGES, {"look": "Like", "cart": "Want"}, {}]),  # without a stage for the goal; without any
)
def test_counts_are_those_of_a_walk_over_journeys_and_their_aftermath(
    rows: list[Touch], steps: list[str], later: int, horizon: int, stages: dict[str, str]
) -> None:
    end = max((day for _, day, _ in rows), default=0) + later
    order = [stage for stage in ORDER if stage in stages.values()]
    found = journeys_of(rows, stages, order, {"buy"}, 10, end, set(AFTER))
    expected = attained_of(rows, found, stages, {"buy"}, steps, horizon, end, range(len(rows)))
    paths = in_parts(shop(rows, end, stages), 5)
    goal = Goal(name="it", steps=steps, value="price", horizon=f"{horizon}d")
    row = goal_attainment(paths, goal).row(0, named=True)
    for name in ("units", "mature", "direct", "reached", "late"):
        assert row[name] == getattr(expected, name), name
    for name in ("customers", "customers_reached", "customers_lost"):
        assert row[name] == len(getattr(expected, name)), name
    assert row["open"] == expected.units - expected.mature
    assert row["value"] == pytest.approx(expected.value)
    assert row["largest_value"] == pytest.approx(max(expected.by_customer.values(), default=0.0))
    assert row["goal_rate"] == (expected.reached / expected.mature if expected.mature else None)
    rate = goal_rate(paths, goal).row(0, named=True)
    same = ("units", "mature", "open", "direct", "reached", "customers", "goal_rate", "goal_rate_low", "goal_rate_high")
    assert {name: rate[name] for name in same} == {name: row[name] for name in same}
    last = stage_funnel(paths, goal=goal, value="price").row(-1, named=True)
    assert (last["name"], last["kind"]) == ("it", "goal")
    assert [last[n] for n in ("entered", "reached", "direct", "late")] == [
        row[n] for n in ("mature", "reached", "direct", "late")
    ]
    assert last["value"] == row["value"] and last["share_of_entered_low"] == row["goal_rate_low"]
    times = goal_times(paths, ["0s", "2d"], goal=goal)
    bins = [sum(time < 2 for time in expected.times), sum(time >= 2 for time in expected.times)]
    assert times["reached"].to_list() == (bins if expected.times else [])
    assert time_to_goal(paths, goal=goal)["reached"][0] == expected.reached


@settings(deadline=None, max_examples=40)
@given(touches)
def test_the_main_goal_by_name_is_the_goal_of_the_paths(rows: list[Touch]) -> None:
    paths, goal = shop(rows, 60), Goal(name="Order", steps=["buy"])
    assert goal_rate(paths, goal, window="5d").equals(goal_rate(paths, window="5d"))
    assert goal_times(paths, goal=goal).equals(goal_times(paths))
    named, plain = (stage_funnel(paths, goal=each) for each in (goal, None))
    assert named.drop("name").equals(plain.drop("name")) and named["name"][-1] == "Order"


@settings(deadline=None, max_examples=40)
@given(touches)
def test_an_earlier_end_of_data_does_not_change_journeys_mature_at_both(rows: list[Touch]) -> None:
    early, horizon = 25, timedelta(days=3)
    seen = [touch for touch in rows if touch[1] <= early]
    last = START + timedelta(days=early) - horizon + timedelta(microseconds=1)
    goals = [Goal(name=" ".join(steps), steps=steps, horizon="3d") for steps in STEPS]
    then, now = (goal_attainment(shop(own, end), goals, end=last) for own, end in ((seen, early), (rows, 60)))
    if any(name in STAGES for *_, name in seen):  # else any touch began a journey then
        assert then.select("goal", "reached", "customers_reached").equals(
            now.select("goal", "reached", "customers_reached")
        )


VISITS = {
    "ann": "look@0d[price=1,device=phone] buy@1d[price=5] review@3d[price=2]",
    "bo": "look@0d[device=phone] buy@9d[price=7]",
    "cy": "look@0d[device=desk] look@2d",
    "di": "buy@1d[price=9]",
}
GOALS = [
    Goal(name="Order", steps=["buy"], value="price", horizon="7d", for_customer="Has the right product"),
    Goal(name="Review", steps=["review"], value=4),
    Goal(name="Look", steps=["stage:Like"]),
]


def text(visits: dict[str, str] = VISITS) -> Paths:
    return Paths.from_text(visits, end="60d", rules=rules_of(STAGES))


def test_each_goal_has_its_own_horizon_and_value() -> None:
    table = goal_attainment(text(), GOALS)
    columns = ("goal", "horizon", "mature", "reached", "late", "direct", "value", "largest_value", "for_customer")
    assert table.select(columns).rows() == [
        ("Order", timedelta(days=7), 3, 1, 1, 1, 5.0, 5.0, "Has the right product"),
        ("Review", timedelta(days=10), 4, 1, 0, 0, 4.0, 4.0, ""),
        ("Look", timedelta(days=10), 1, 0, 0, 3, None, None, ""),
    ]
    low, high = wilson(1, 3)
    row = table.row(0, named=True)
    assert (row["goal_rate_low"], row["goal_rate_high"]) == pytest.approx((low.item(), high.item()))
    assert goal_attainment(text(), GOALS[1], window="2d")["reached"].to_list() == [0]


def test_groups_are_of_the_beginning_and_ranges_choose_journeys_by_it() -> None:
    table = goal_attainment(text(), GOALS[0], by="device")
    assert table["device", "is_total", "mature", "reached"].rows() == [
        (None, True, 3, 1),
        ("desk", False, 1, 0),
        ("phone", False, 2, 1),
        (None, False, 0, 0),
    ]
    assert goal_attainment(text(), GOALS[0], start=START + timedelta(hours=1))["mature"].to_list() == [0]


def test_nothing_gives_rows_of_zeros() -> None:
    table = goal_attainment(shop([], 60), GOALS)
    assert table["goal", "mature", "reached", "goal_rate", "value"].rows() == [
        ("Order", 0, 0, None, 0.0),
        ("Review", 0, 0, None, 0.0),
        ("Look", 0, 0, None, None),
    ]
    assert goal_attainment(shop([], 60), GOALS, by="touchpoint").is_empty()
    assert goal_attainment(shop([("ann", 0, "buy")], 60), GOALS)["direct"].to_list() == [1, 0, 0]


def test_counts_of_parts_add_up() -> None:
    visits = {f"c{n}": f"look@{n % 7}d[price={n}] buy@{n % 7 + n % 12}d[price={n}] review@22d" for n in range(40)}
    asked = GoalAttainment.of(text(visits), goals=GOALS, by="touchpoint")
    assert_counts_add_up(asked, text(visits), 9)


def test_groups_of_journeys_are_compared_by_goal() -> None:
    table = compare(text(), goal_attainment, GOALS[:2], group=pl.col("device") == "phone")
    assert table["goal", "count", "of", "count_other", "of_other"].rows() == [
        ("Order", 1, 2, 0, 1),
        ("Review", 1, 2, 0, 1),
    ]


@pytest.mark.parametrize(
    ("goals", "message"),
    [
        ([], "No goal is named"),
        ([GOALS[0], GOALS[0]], "Two goals are called 'Order'"),
        (Goal(name="x", steps=["buy"], value="cost"), "no column 'cost'"),
        (Goal(name="x", steps=["buy"], value="touchpoint"), "cannot be added up"),
        (Goal(name="x", steps=["buy"], horizon="11d"), "longer than the journey gap"),
    ],
)
def test_a_question_that_has_no_answer_is_refused(goals: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        goal_attainment(text(), goals)


def test_a_step_that_no_touch_has_is_told_and_reached_by_nobody() -> None:
    wrong = Goal(name="x", steps=["reviw", "stage:Lik"])
    for ask in (goal_attainment, goal_rate, lambda paths, goal: stage_funnel(paths, goal=goal)):
        with pytest.warns(UnknownWordWarning) as told:
            ask(text(), wrong)
        assert {str(each.message) for each in told} == {
            "No touch has the touchpoint 'reviw': did you mean 'review'?",
            "No touch has the stage 'Lik': did you mean 'Like'?",
        }


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "", "steps": ["buy"]}, "at least 1 character"),
        ({"name": "x", "steps": []}, "at least 1 item"),
        ({"name": "x", "steps": ["stage:"]}, "a step is a touchpoint, or a stage"),
        ({"name": "x", "steps": ["buy"], "value": -1}, "an amount from 0"),
        ({"name": "x", "steps": ["buy"], "value": float("nan")}, "an amount from 0"),
        ({"name": "x", "steps": ["buy"], "value": True}, "an amount per goal, or the name"),
        ({"name": "x", "steps": ["buy"], "value": ""}, "an amount per goal, or the name"),
        ({"name": "x", "steps": ["buy"], "horizon": "0d"}, "longer than 0"),
        ({"name": "x", "steps": ["buy"], "horizon": "30"}, "not a duration"),
        ({"name": "x", "step": ["buy"], "steps": ["buy"]}, "Extra inputs"),
    ],
)
def test_an_invalid_goal_is_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Goal.model_validate(table)


def test_a_value_in_several_currencies_is_added_up_in_one() -> None:
    rules = PathRules(goal=["buy"], stages=[{"name": "Look", "touchpoints": ["look"]}])
    visits = {
        "ann": "look@0d buy@1d[revenue=10,currency=EUR]",
        "bo": "look@0d buy@1d[revenue=10,currency=USD]",
        "cy": "look@0d buy@1d[revenue=10,currency=GBP]",
    }
    shop = Paths.from_text(visits, end="60d", rules=rules)
    order = Goal(name="Order", steps=["buy"], value="revenue")
    with pytest.raises(DefinitionError, match="3 currencies") as raised:
        goal_attainment(shop, order)
    assert "Order" in raised.value.where
    rates = pl.DataFrame({"date": ["2000-01-01"], "currency": ["USD"], "rate": [0.5]})
    row = goal_attainment(shop, order, money=[Money("revenue", "EUR", rates)]).row(0, named=True)
    assert (row["reached"], row["value"], row["largest_value"], row["value_left_out"]) == (3, 15.0, 10.0, 1)
