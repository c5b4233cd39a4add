"""Who objects to profiling is counted, is named nowhere, and is given their data when they ask for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

import analytics
from analytics import Did, Funnel, PathRules, Paths, Segment
from analytics.engine.analysis import MEASURES
from analytics.stitching.build import build
from analytics.stitching.privacy.export import customer_data
from analytics.stitching.privacy.forget import forget
from analytics.stitching.privacy.objection import customers_named, unknown_objectors
from analytics.stitching.refresh import refresh
from analytics.stitching.verify import is_current, verify
from expectations.errors import DefinitionError
from expectations.lake.layout import Lake
from expectations.lake.tables import conform
from tests.written import START, at

FUNNEL = Funnel(["look", "buy"], window="3d", by="customer")
RANGE = (START, at("9d"))
JOURNEYS: dict[str, Any] = {"stages": ["Interest", "Action"], "goal": "buy", "window": "7d"}
TEST = analytics.Experiment(
    "channels",
    analytics.Step(["look", "cart"], (pl.col("at") == at("0m")) | (pl.col("at") == at("3m"))),
    variant="channel",
    control="web",
    metrics="buy",
    window="3d",
)
DESIGN = ["look", "cart", "buy"]
BY_CUSTOMER: dict[str, Callable[[Paths], pl.DataFrame]] = {
    "funnel": lambda paths: analytics.funnel(paths, FUNNEL),
    "trend": lambda paths: analytics.trend(paths, FUNNEL, period="week"),
    "funnel_by_range": lambda paths: analytics.funnel_by_range(paths, FUNNEL, [RANGE]),
    "time_to_convert": lambda paths: analytics.time_to_convert(paths, FUNNEL),
    "survival": lambda paths: analytics.survival(paths, FUNNEL),
    "experiment": lambda paths: analytics.experiment(paths, TEST, by="customer"),
    "experiment_health": lambda paths: analytics.experiment_health(paths, TEST, by="customer"),
    "transitions": lambda paths: analytics.transitions(paths, by="customer"),
    "next_touch_quality": lambda paths: analytics.next_touch_quality(paths, RANGE[1]),
    "next_touch": lambda paths: analytics.next_touch(paths, "look", by="customer"),
    "step_matrix": lambda paths: analytics.step_matrix(paths, 6, by="customer"),
    "flow": lambda paths: analytics.flow(paths, by="customer"),
    "flow_cells": lambda paths: analytics.flow_cells(paths, by="customer"),
    "flow_routes": lambda paths: analytics.flow_routes(paths, by="customer"),
    "variants": lambda paths: analytics.variants(paths, by="customer"),
    "match": lambda paths: analytics.match(paths, "look .* buy", by="customer"),
    "conformance": lambda paths: analytics.conformance(paths, DESIGN, by="customer"),
    "deviations": lambda paths: analytics.deviations(paths, DESIGN, by="customer"),
    "designed_steps": lambda paths: analytics.designed_steps(paths, DESIGN, by="customer"),
    "channels": lambda paths: analytics.channels(paths, by="customer"),
    "handoffs": lambda paths: analytics.handoffs(paths, by="customer"),
    "effort": lambda paths: analytics.effort(paths, by="customer"),
    "time_to_goal": lambda paths: analytics.time_to_goal(paths, by="customer"),
    "goal_times": lambda paths: analytics.goal_times(paths, ["0s", "1d"], by="customer"),
    "goal_incidence": lambda paths: analytics.goal_incidence(paths, ["1d"], by="customer"),
    "retention": analytics.retention,
    "response_rate": lambda paths: analytics.response_rate(paths, "look", "feedback", by="customer"),
    "moments": lambda paths: analytics.moments(
        paths,
        [analytics.Intent(name="look", touchpoints=["look"])],
        device="channel",
        handheld=["app", "web"],
        by="customer",
    ),
    "contacts": lambda paths: analytics.contacts(paths, "cart", by="customer"),
    "contact_rate": lambda paths: analytics.contact_rate(paths, "cart", by="customer"),
    "standing": lambda paths: analytics.standing(
        under_way(paths), by="customer", stages=JOURNEYS["stages"], goal=JOURNEYS["goal"]
    ),
    "lifecycle": lambda paths: analytics.lifecycle(paths, by="customer"),
    "stickiness": lambda paths: analytics.stickiness(paths, by="customer"),
    "lapse": lambda paths: analytics.lapse(paths, gap="3d", by="customer"),
    "comeback": lambda paths: analytics.comeback(paths, gap="3d", by="customer"),
    "goal_attainment": lambda paths: analytics.goal_attainment(paths, "buy", by="customer"),
    "goal_routes": lambda paths: analytics.goal_routes(paths, "buy", by="customer"),
    "goal_rate": lambda paths: analytics.goal_rate(paths, "buy", by="customer"),
    "stage_funnel": lambda paths: analytics.stage_funnel(paths, by="customer", **JOURNEYS),
    "pains": lambda paths: analytics.pains(paths, "cart", by="customer", **JOURNEYS),
    "moments_of_truth": lambda paths: analytics.moments_of_truth(paths, "cart", by="customer", **JOURNEYS),
    "stage_groups": lambda paths: analytics.stage_groups(paths, "customer", **JOURNEYS),
    "attribution": lambda paths: analytics.attribution(paths, "buy", by="customer"),
    "touch_effects": lambda paths: analytics.touch_effects(
        paths, analytics.Attribution("buy", lookback="5d"), by="customer"
    ),
    "goal_change": lambda paths: analytics.goal_change(
        paths,
        **JOURNEYS,
        before=(START, at("5d")),
        after=(at("18d"), at("30d")),
        by=["customer"],
    ),
    "change": lambda paths: analytics.change(
        paths,
        Funnel(["look", "buy"], window="3d"),
        before=(START, at("5d")),
        after=(at("18d"), at("30d")),
        by=["customer"],
    ),
}
LISTS: dict[str, Callable[[Paths], pl.DataFrame]] = {
    "members": lambda paths: analytics.members(paths, Funnel(["look", "buy"])),
    "members by customer": lambda paths: analytics.members(paths, FUNNEL, step=2),
    "matches": lambda paths: analytics.matches(paths, "look"),
    "returns": analytics.returns,
    "responses": analytics.responses,
    "membership": lambda paths: analytics.membership(paths, Segment("Lookers", Did("look"))),
    "persona_placement": analytics.persona_placement,
    "persona_members": lambda paths: analytics.persona_members(
        paths,
        analytics.PersonaRules([analytics.PersonaRule("Everybody")]),
    ),
    "rfm": lambda paths: analytics.rfm(paths, "buy"),
}

PERSONAS = {"personas", "persona_traits", "persona_profile"}
"""Who objects is in no persona, and in no count of them."""
STEPS = {"look": "web", "cart": "app", "buy": "web", "feedback": "web"}


def shop(*objected: str) -> Paths:
    """Two customers who buy and answer a survey; one looks again later."""
    known = {"stage": "Action", "outcome": "converted", "journey": 1, "session": 1, "survey": None, "score": None}
    rows = [
        known | {"customer": who, "touchpoint": name, "channel": channel, "at": at(f"{2 * place + turn}m")}
        for who, turn in (("ann", 0), ("bob", 1))
        for place, (name, channel) in enumerate(STEPS.items())
    ]
    rows = [row | {"survey": "nps", "score": 9.0} if row["touchpoint"] == "feedback" else row for row in rows]
    late = known | {
        "customer": "bob",
        "touchpoint": "look",
        "channel": "web",
        "at": at("20d"),
        "journey": 2,
        "session": 2,
    }
    rows = [row | {"stage": "Interest"} if row["touchpoint"] == "look" else row for row in [*rows, known | late]]
    made = Paths.from_frame(pl.DataFrame(rows, infer_schema_length=None), end_of_data=at("60d"))
    return Paths(made.parts, made.schema, made.dictionaries, made.end_of_data, objected=objected)


def under_way(paths: Paths) -> Paths:
    """The same, but with all journeys under way."""
    made = Paths.from_frame(paths.touches.collect().with_columns(outcome=pl.lit("open")), end_of_data=paths.end_of_data)
    return Paths(made.parts, made.schema, made.dictionaries, made.end_of_data, objected=paths.objected)


def test_every_measure_is_asked_here_but_for_those_that_refuse_a_breakdown_by_customer() -> None:
    assert set(BY_CUSTOMER) | {
        "usage",
        "voice",
        "themes",
        "coded_answers",
        "experiment_size",
        "drivers",
        "watch_counts",
    } | PERSONAS == set(MEASURES)
    for measure in (analytics.usage, analytics.voice):
        with pytest.raises(DefinitionError, match="cannot be a breakdown"):
            measure(shop(), by=["stage", "customer"])
    with pytest.raises(DefinitionError, match="cannot be a factor"):
        analytics.drivers(shop(), Funnel(["look", "buy"], window="3d"), factors=["customer"])
    with pytest.raises(DefinitionError, match="cannot be watched by group"):
        analytics.watch_counts(shop(), groups=["customer"])


@pytest.mark.parametrize("name", BY_CUSTOMER)
def test_no_answer_by_customer_names_who_objects_and_the_total_counts_them(name: str) -> None:
    everyone, without = BY_CUSTOMER[name](shop()), BY_CUSTOMER[name](shop("ann"))
    if "customer" not in everyone.columns:
        assert without.equals(everyone)
        return
    assert "ann" in everyone["customer"].to_list() and "bob" in everyone["customer"].to_list()
    left = everyone.filter(pl.col("customer").cast(pl.String).ne_missing("ann"))
    assert without.equals(left) and without["customer"].null_count() == everyone["customer"].null_count()


@pytest.mark.parametrize("name", LISTS)
def test_no_list_of_customers_has_who_objects(name: str) -> None:
    everyone, without = LISTS[name](shop()), LISTS[name](shop("ann"))
    assert set(everyone["customer"]) == {"ann", "bob"}
    assert without.equals(everyone.filter(pl.col("customer").cast(pl.String) != "ann"))
    assert LISTS[name](shop("ann", "bob")).schema == everyone.schema


def test_to_explain_a_difference_everyone_is_counted() -> None:
    funnel = Funnel(["look", "buy"])
    rows = [analytics.explain_difference(paths, funnel, "posthog") for paths in (shop(), shop("ann", "bob"))]
    assert rows[0].equals(rows[1])
    assert len(analytics.members(shop("ann"), funnel, with_objectors=True)) == 2


def test_a_cut_and_a_saved_copy_remember_who_objects(tmp_path: Path) -> None:
    shop("ann").save(tmp_path)
    assert Paths.open(tmp_path).objected == shop("ann").between(START).objected == {"ann"}


def land(lake: Lake, *rows: dict[str, Any]) -> None:
    known = {"event_name": "look", "kind": "clickstream", "channel": "web", "topic": "t", "partition": 0}
    made = [
        known | {"event_id": f"e{n}", "offset": n, "occurred_at": at(f"{n}m"), "event_date": START.date()} | row
        for n, row in enumerate(rows)
    ]
    schema = dict.fromkeys(("customer_id", "anonymous_id"), pl.String)
    conform(pl.DataFrame(made, schema_overrides=schema)).collect().write_delta(lake.table("events"), mode="append")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    ann = {"customer_id": "Ann", "anonymous_id": "x"}
    land(lake, ann, {"customer_id": "bob", "anonymous_id": None}, {"customer_id": None, "anonymous_id": "x"})
    return lake


def objecting(*identities: str, **identity_rules: Any) -> PathRules:
    return PathRules.model_validate({"objected": list(identities), "identities": identity_rules})


def listed(lake: Lake) -> set[str]:
    return set(analytics.members(Paths.open(lake), Funnel(["look", "buy"]))["customer"])


@pytest.mark.parametrize("identity", ["customer_id: Ann ", "anonymous_id:x"])
def test_any_identity_of_a_customer_objects_for_all_of_them(lake: Lake, identity: str) -> None:
    build(lake, objecting(identity))
    assert listed(lake) == {"customer_id:bob"}
    assert len(Paths.open(lake)) == 3 and Paths.open(lake).customers == 2


def test_hashed_and_pseudonymous_customers_object_too(lake: Lake) -> None:
    land(lake, {"event_id": "m", "offset": 9, "customer_id": "ann@example.com"})
    rules = objecting("customer_id:Ann@Example.com", hash_email=["customer_id"], salt="a secret of length")
    build(lake, rules)
    assert len(Paths.open(lake).objected) == 1 and unknown_objectors(lake, rules) == []
    assert not any("ann" in key.lower() for key in Paths.open(lake).objected)


def test_an_objection_and_its_end_take_effect_with_the_next_stitch_although_nothing_landed(lake: Lake) -> None:
    build(lake)
    rules = objecting("customer_id:bob")
    assert not is_current(lake, rules) and refresh(lake, rules) is not None
    assert listed(lake) == {"customer_id:Ann"} and is_current(lake, rules) and refresh(lake, rules) is None
    assert verify(lake, rules).holds
    assert refresh(lake, PathRules()) is not None and listed(lake) == {"customer_id:Ann", "customer_id:bob"}


def test_an_objection_is_no_change_of_the_rules(lake: Lake) -> None:
    build(lake)
    before = Paths.open(lake).built_from
    build(lake, objecting("customer_id:bob"))
    assert Paths.open(lake).built_from == before
    assert objecting("customer_id:bob").model_dump_json() == PathRules().model_dump_json()


def test_an_unknown_identity_is_named_and_objects_once_it_comes(lake: Lake) -> None:
    rules = objecting("customer_id:carl", "customer_id:unknown", "customer_id:bob")
    assert unknown_objectors(lake, rules) == list(rules.objected), "nothing is stitched yet"
    build(lake, rules)
    assert unknown_objectors(lake, rules) == ["customer_id:carl", "customer_id:unknown"]
    land(lake, {"event_id": "c", "offset": 9, "customer_id": "carl"})
    refresh(lake, rules)
    assert unknown_objectors(lake, rules) == ["customer_id:unknown"] and listed(lake) == {"customer_id:Ann"}
    built = Paths.open(lake).objected
    build(lake, rules)
    assert Paths.open(lake).objected == built == {"customer_id:bob", "customer_id:carl"}


def test_customers_who_become_one_object_together(lake: Lake) -> None:
    rules = objecting("anonymous_id:y")
    land(lake, {"event_id": "y", "offset": 9, "anonymous_id": "y", "customer_id": None})
    build(lake, rules)
    assert listed(lake) == {"customer_id:Ann", "customer_id:bob"}
    land(lake, {"event_id": "yb", "offset": 10, "anonymous_id": "y", "customer_id": "bob"})
    refresh(lake, rules)
    assert listed(lake) == {"customer_id:Ann"}


def test_who_objects_still_gets_their_data_and_can_be_forgotten(lake: Lake) -> None:
    rules = objecting("customer_id:Ann")
    build(lake, rules)
    assert {name: len(rows) for name, rows in customer_data(lake, "customer_id:Ann", rules).items()} == {
        "identities": 2,
        "events": 2,
        "profiles": 0,
        "links": 0,
        "touches": 2,
        "quarantine": 0,
        "personas": 0,
        "snapshots": 0,
    }
    forget(lake, "customer_id:Ann", rules)
    assert Paths.open(lake).objected == frozenset() and listed(lake) == {"customer_id:bob"}


def test_who_objects_or_is_forgotten_is_in_no_segment(lake: Lake) -> None:
    rules, lookers = objecting("anonymous_id:x"), Segment("Lookers", Did("look"))
    build(lake, rules)
    assert analytics.membership(Paths.open(lake), lookers)["customer"].to_list() == ["customer_id:bob"]
    assert Paths.open(lake).with_segments(lookers).touches.collect()["Lookers"].to_list().count(None) == 2
    forget(lake, "customer_id:bob", rules)
    assert analytics.membership(Paths.open(lake), lookers).is_empty()
    assert analytics.segment_sizes(Paths.open(lake), lookers, every="1d")["members"].sum() == 0


def test_listed_identities_become_the_keys_of_their_customers(lake: Lake) -> None:
    for rules in (PathRules(), objecting(salt="a secret of length")):
        build(lake, rules)
        found = customers_named(
            lake, rules, ["customer_id: Ann ", "anonymous_id:x", "customer_id:zoe", "customer_id:bob"]
        )
        ann, same, nobody, bob = found["customer"].to_list()
        assert ann == same and nobody is None and {ann, bob} == set(Paths.open(lake).touches.collect()["customer"])
    with pytest.raises(DefinitionError, match="no identity"):
        customers_named(lake, PathRules(), ["zoe"])


def test_a_text_that_is_no_identity_is_refused() -> None:
    for text in ("ann", ":ann", "customer_id:", ""):
        with pytest.raises(ValidationError, match="kind:value"):
            objecting(text)
