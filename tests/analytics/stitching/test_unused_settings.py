"""Settings that match nothing that landed are reported, with the nearest name; matching settings are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics import Goal
from analytics.stitching.refresh import refresh
from analytics.stitching.unused_settings import unused_settings
from analytics.touches.rules import PathRules
from expectations import contract
from expectations.lake.layout import Lake
from tests.analytics.stitching.test_refresh import event, land
from tests.written import START


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    land(
        lake,
        event("ad_clicked", "0m", 0, customer_id="ann", device="phone"),
        event("order_placed", "1m", 1, customer_id="ann", properties='{"page": "cart"}'),
        event("order_placed", "2m", 2, identities={"loyalty_id": "7"}),
    )
    place = {"valid_from": START, "topic": "p", "partition": 0, "offset": 0}
    row = {"identity_kind": "customer_id", "identity": "ann", "attribute": "loyalty_tier", "value": "gold"} | place
    pl.DataFrame([row]).cast(contract.PROFILES).write_delta(lake.table("profiles"))
    return lake


FITTING: dict[str, Any] = {
    "attributes": ["loyalty_tier"],
    "context": ["device", "campaign", "properties.page"],
    "identities": {"kinds": ["customer_id", "loyalty_id", "card"], "logins": ["customer_id"]},
    "touchpoints": [{"events": ["ad_*"], "name": "Ad"}, {"events": ["login"], "drop": True}],
    "stages": [{"name": "See", "touchpoints": ["Ad"]}, {"name": "Do", "touchpoints": ["order*"]}],
}


@pytest.mark.parametrize(
    ("table", "key", "message", "near"),
    [
        ({"goal": ["order_plced"]}, ("goal",), "'order_plced'", "order_placed"),
        ({"attributes": ["loyality_tier"]}, ("attributes",), "'loyality_tier'", "loyalty_tier"),
        ({"context": ["properties.pge"]}, ("context",), "properties.pge", ""),
        ({"touchpoints": [{"events": ["ad_clickd"], "name": "Advert"}]}, ("touchpoints", 0), "'Advert'", ""),
        (
            {"stages": [{"name": "A", "touchpoints": ["order*"]}, {"name": "B", "touchpoints": ["ad_clickd"]}]},
            ("stages", 1, "touchpoints"),
            "'ad_clickd'",
            "ad_clicked",
        ),
        ({"stages": [{"name": "A", "touchpoints": ["cart*"]}]}, ("stages", 0, "touchpoints"), "'cart*'", ""),
        ({"identities": {"kinds": ["custmer_id"]}}, ("identities", "kinds"), "'custmer_id'", "customer_id"),
        ({"identities": {"logins": ["loyality_id"]}}, ("identities", "logins"), "'loyality_id'", "loyalty_id"),
        ({"identities": {"lower": ["anonymus_id"]}}, ("identities", "lower"), "'anonymus_id'", "anonymous_id"),
    ],
)
def test_a_name_that_matches_nothing_is_reported(
    lake: Lake, table: dict[str, Any], key: tuple[str | int, ...], message: str, near: str
) -> None:
    rules = PathRules.model_validate(table)
    refresh(lake, rules)
    (setting,) = unused_settings(lake, rules)
    assert setting.key == ("paths", *key) and message in setting.what
    assert setting.do == (f"did you mean {near!r}?" if near else "")


def test_a_step_of_a_goal_that_matches_nothing_is_reported_with_its_place(lake: Lake) -> None:
    rules = PathRules(goal=["order_placed"])
    refresh(lake, rules)
    goals = [Goal(name="Order", steps=["order_placed"]), Goal(name="Ad", steps=["ad_clickd", "stage:Desire"])]
    (setting,) = unused_settings(lake, rules, goals)
    assert setting.key == ("goals", 1, "steps") and "'ad_clickd'" in setting.what
    assert setting.do == "did you mean 'ad_clicked'?"


def test_matching_settings_and_defaults_are_not_reported(lake: Lake) -> None:
    for rules in (PathRules(), PathRules.model_validate(FITTING)):
        refresh(lake, rules)
        assert unused_settings(lake, rules) == []


def test_without_touches_nothing_is_reported(tmp_path: Path) -> None:
    lake, rules = Lake(str(tmp_path)), PathRules(goal=["nothing"])
    refresh(lake, rules)
    assert unused_settings(lake, rules) == []
