"""Families of routes are counted as their definition says, and add up to all journeys and all goals."""

from __future__ import annotations

import math
from datetime import timedelta
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from analytics import Goal, PathRules, Paths, Route, UnknownWordWarning, goal_routes
from analytics.touches.rules import StageRule
from expectations.errors import DefinitionError
from tests.oracles.journeys import journeys_of
from tests.oracles.why.routes import routes_of
from tests.written import START

CHANNEL = {
    "look": "web",
    "call": "phone",
    "visit": "store",
    "cart": "web",
    "buy": "web",
    "ask": "mail",
    "Page error": "web",
}
"""Touchpoints with their channels; `ask` is an answer."""
STAGES = {"look": "See", "call": "See", "visit": "See", "cart": "Want", "buy": "Act"}
ORDER = ("See", "Want", "Act")
RULES = PathRules(
    goal=["buy"],
    stages=[
        StageRule(name=s, touchpoints=[n for n, own in STAGES.items() if own == s]) for s in ("See", "Want", "Act")
    ],
    journey_gap=timedelta(days=5),
    session_gap=timedelta(hours=6),
    after=[],
)
FAMILIES: list[dict[str, Any]] = [
    {"name": "By phone first", "entered": ["phone"]},
    {"name": "Soon in the store", "pattern": "web <1d store"},
    {"name": "Looked last", "pattern": "look .* look $", "crosses": 2},
    {"name": "Helped", "through": ["visit", "call"], "crosses": 2},
    {"name": "Web, one visit", "without": ["store"], "visits": 1},
    {"name": "Often", "visits": {"at_least": 3}},
]
touch = st.tuples(st.sampled_from("abcd"), st.integers(0, 60), st.sampled_from([*CHANNEL, "look", "look"]))


def score(at: int) -> float:
    """The score of an answer at a time; 0 is none of the scale."""
    return float(at % 6)


def shop(rows: list[tuple[str, int, str]], end: float) -> Paths:
    frame = pl.DataFrame(
        [
            (
                who,
                START + timedelta(hours=4 * at),
                name,
                CHANNEL[name],
                *(("csat", score(at)) if name == "ask" else (None, None)),
            )
            for who, at, name in rows
        ],
        schema={
            **{"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String, "channel": pl.String},
            **{"survey": pl.String, "score": pl.Float64},
        },
        orient="row",
    )
    return Paths.from_frame(frame, end_of_data=START + timedelta(days=end), rules=RULES)


@settings(deadline=None, max_examples=120)
@given(st.lists(touch, max_size=30), st.integers(11, 16))
def test_families_are_those_of_the_definition(rows: list[tuple[str, int, str]], end: int) -> None:
    timed = [(who, Fraction(at, 6), name) for who, at, name in rows]  # so that no limit is missed by rounding
    session: dict[int, int] = {}
    for who in "abcd":
        last, number = -9.0, 0
        for row in sorted((row for row, (own, _, _) in enumerate(timed) if own == who), key=lambda row: timed[row][1]):
            number += timed[row][1] - last > 0.25
            last, session[row] = timed[row][1], number
    cut = journeys_of(timed, STAGES, ["See", "Want", "Act"], {"buy"}, 5, end)
    journeys = [
        ([(timed[row][1], timed[row][2], CHANNEL[timed[row][2]], session[row]) for row in each.touches], each.direct)
        for each in cut
    ]
    rank = {name: ORDER.index(stage) for name, stage in STAGES.items()}
    scores = [
        [(timed[row][1], score(rows[row][1])) for row in (*each.touches, *each.aftermath) if rows[row][2] == "ask"]
        for each in cut
    ]
    scores = [[answer for answer in own if answer[1]] for own in scores]
    expected = routes_of(journeys, "buy", FAMILIES, 3, end, rank=rank, scores=scores)
    routes = [Route.model_validate(family) for family in FAMILIES]
    found = goal_routes(shop(rows, end), Goal(name="Order", steps=["buy"], horizon="3d"), routes)
    assert set(expected) == set(found.filter(pl.col("units") > 0)["family"])
    for row in found.filter(pl.col("units") > 0).to_dicts():
        own = expected[row["family"]]
        assert {name: row[name] for name in ("units", "mature", "reached")} == {
            name: own[name] for name in ("units", "mature", "reached")
        }
        assert (row["median_touches"], row["median_sessions"]) == (own["touches"], own["sessions"])
        assert row["csat_n"] == own["csat_n"]
        assert row["csat"] == (own["satisfied"] / own["csat_n"] if own["csat_n"] else None)
        for name in ("handoffs", "effort"):
            assert row[name] == (own[name] / own["reached"] if own["reached"] else None)
        days = None if row["median_time"] is None else row["median_time"] / timedelta(days=1)
        assert days == own["time"] or math.isclose(days, own["time"])
    if journeys:
        assert math.isclose(found["share_of_units"].sum(), 1)
        assert found["reached"].sum() == 0 or math.isclose(found["share_of_goals"].sum(), 1)


@settings(deadline=None, max_examples=40)
@given(st.lists(touch, max_size=30))
def test_an_earlier_end_of_the_data_does_not_change_mature_journeys(rows: list[tuple[str, int, str]]) -> None:
    goal, routes = Goal(name="Order", steps=["buy"], horizon="1d"), [Route(name="Helped", through=["phone", "store"])]
    until = START + timedelta(days=8)
    rows = [*rows, ("d", 0, "look")]  # without any stage all touches would count as staged
    early = [row for row in rows if row[1] <= 8 * 6]
    begun = until - timedelta(days=1)
    answers = [goal_routes(shop(own, end), goal, routes, end=begun) for own, end in ((rows, 12), (early, 8))]
    reached = [each.filter(pl.col("reached") > 0).select("family", "reached").rows() for each in answers]
    assert reached[0] == reached[1]
    assert answers[0]["mature"].sum() == answers[1]["mature"].sum()


def test_default_families_are_what_the_paths_can_tell() -> None:
    visits = {
        "ann": "look@0d[channel=web] buy@1h[channel=web]",
        "bo": "look@0d[channel=web] see@1d[channel=store] buy@2d[channel=web]",
        "cy": "buy@3d[channel=web]",
    }
    shop_ = Paths.from_text(visits, end="60d", rules=PathRules(goal=["buy"], stages=[], after=[]))
    found = goal_routes(shop_)
    assert found["family"].to_list() == [
        "helped, several visits, several channels",
        "alone, one visit, one channel",
        "direct",
    ]
    assert found["goal_rate"].to_list() == [1.0, 1.0, None]
    assert found["share_of_goals"].to_list() == pytest.approx([1 / 3] * 3)


def test_a_family_of_those_who_were_nearly_there_is_marked() -> None:
    visits = {f"a{n}": "look@0d cart@1d buy@2d" for n in range(30)}
    visits |= {f"b{n}": "look@0d" for n in range(9)}
    shop_ = Paths.from_text(visits, end="60d", rules=RULES)
    routes = [Route(name="With a cart", through=["cart"]), Route(name="By stage", through=["stage:See"])]
    found = goal_routes(shop_, None, routes)
    assert found.select("family", "units", "late_share", "nearly_there").rows() == [
        ("With a cart", 30, 1.0, True),
        ("By stage", 9, 0.0, False),
    ]


def test_a_named_family_that_nobody_fits_is_told() -> None:
    with pytest.warns(UnknownWordWarning, match="helicopter"):
        found = goal_routes(
            Paths.from_text({"ann": "look@0d buy@1d"}, end="60d"),
            Goal(name="Order", steps=["buy"], routes=[Route(name="By air", through=["helicopter"])]),
            unit="customer",
        )
    assert found.select("family", "units", "share_of_units").rows() == [("By air", 0, 0.0), ("other", 1, 1.0)]


def test_a_breakdown_has_the_families_of_every_group_and_its_value() -> None:
    visits = {
        "ann": "look@0d[device=phone] buy@1d[worth=5]",
        "bo": "look@0d[device=desk] call@1d buy@2d[worth=7]",
        "cy": "look@0d[device=desk]",
    }
    written = Paths.from_text(visits, end="60d")
    touches = written.touches.with_columns(pl.col("worth").cast(pl.Float64))
    paths = Paths.from_frame(touches, end_of_data=written.end_of_data)
    goal = Goal(name="Order", steps=["buy"], value="worth", routes=[Route(name="Helped", through=["call"])])
    found = goal_routes(paths, goal, unit="customer", by="device")
    assert found.select("device", "family", "units", "value").rows() == [
        (None, "Helped", 1, 7.0),
        (None, "other", 2, 5.0),
        ("desk", "Helped", 1, 7.0),
        ("desk", "other", 1, 0.0),
        ("phone", "other", 1, 5.0),
    ]


@pytest.mark.parametrize(
    "rules",
    [
        {"name": ""},
        {"name": "Empty"},
        {"name": "direct", "visits": 1},
        {"name": "other", "visits": 1},
        {"name": "None", "visits": 0},
        {"name": "None", "crosses": 0},
        {"name": "None", "pattern": ""},
        {"name": "None", "visits": {"at_least": 0}},
        {"name": "None", "vists": 2},
    ],
)
def test_a_route_that_says_nothing_is_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Route.model_validate(rules)


def test_routes_that_cannot_be_told_apart_or_name_the_goal_are_refused() -> None:
    paths = Paths.from_text({"ann": "look@0d buy@1d"}, end="60d")
    for routes, words in (
        ([Route(name="A", through=["look"]), Route(name="A", visits=1)], "Two routes are called 'A'"),
        ([Route(name="A", through=["buy"])], "names the goal"),
        ([Route(name="A", visits=1)], "no column 'session'"),
        ([Route(name="A", crosses=2)], "no column 'channel'"),
        ([Route(name="A", pattern="look .* buy")], "names the goal"),
        ([Route(name="A", pattern="(look")], "pattern is invalid"),
        ([Route(name="A", pattern="look*")], "matches a path without touches"),
    ):
        with pytest.raises(DefinitionError, match=words):
            goal_routes(paths, "buy", routes, unit="customer")
    with pytest.raises(DefinitionError, match="No goal is named"):
        goal_routes(paths, unit="customer")


def test_a_pattern_names_touchpoints_channels_and_stages() -> None:
    visits = {
        "ann": "look@0d[channel=web] cart@1d[channel=web] buy@2d[channel=web]",
        "bo": "cart@0d[channel=web] look@1d[channel=store]",
        "cy": "look@0d[channel=store] cart@9d[channel=web]",
        "di": "buy@0d[channel=web]",
    }
    rules = RULES.model_copy(update={"journey_gap": timedelta(days=20)})
    shop_ = Paths.from_text(visits, end="60d", rules=rules)
    routes = [
        Route(name="At once", pattern="'stage:See' <2d 'stage:Want'"),
        Route(name="Store last", pattern="cart (?!web)+ $"),
    ]
    found = goal_routes(shop_, None, routes)
    assert found.select("family", "units").rows() == [("At once", 1), ("Store last", 1), ("other", 1), ("direct", 1)]
    with pytest.warns(UnknownWordWarning, match="helicopter"):
        goal_routes(shop_, None, [Route(name="By air", pattern="helicopter+")])


def test_what_a_family_takes_and_how_it_felt_are_told_of_those_that_reached() -> None:
    visits = {
        "ann": "look@0d look@1h call@1d buy@2d ask@3d[survey=csat,score=5] ask@8d[survey=csat,score=2]"
        " ask@10d[survey=csat,score=5]",
        "bo": "look@0d cart@1d look@2d buy@3d ask@4d[survey=csat,score=9] ask@4d[survey=nps,score=9]",
        "cy": "look@0d call@1d ask@2d[survey=csat,score=5]",
    }
    written = Paths.from_text(visits, end="90d", rules=RULES).touches.drop(
        "journey", "outcome", "session", strict=False
    )
    touches = written.select("customer", "at", "touchpoint", "survey", pl.col("score").cast(pl.Float64)).with_columns(
        pl.col("touchpoint").cast(pl.String).replace_strict(CHANNEL).alias("channel")
    )
    rules = RULES.model_copy(update={"journey_gap": timedelta(days=20)})
    paths = Paths.from_frame(touches, end_of_data=START + timedelta(days=90), rules=rules)
    found = goal_routes(paths, None, [Route(name="Helped", through=["call"])])
    told = found.select("family", "reached", "handoffs", "effort", "csat_n", "csat", "customers_csat")
    assert told.rows() == [("Helped", 1, 2.0, 3.0, 2, 0.5, 1), ("other", 1, 0.0, 1.0, 0, None, 0)]
