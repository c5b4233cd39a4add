from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from analytics.touches.naming import with_stages, with_touchpoints
from analytics.touches.rules import StageRule, TouchpointRule

SHOP = "https://shop.example"


def shown(events: dict[str, list[Any]], *rules: dict[str, Any]) -> list[str]:
    frame = pl.DataFrame(events, schema_overrides={"event_name": pl.String})
    return with_touchpoints(frame, [TouchpointRule(**rule) for rule in rules])["touchpoint"].to_list()


def test_a_touchpoint_is_the_event_name_by_default() -> None:
    assert shown({"event_name": ["home", "cart"]}) == ["home", "cart"]


def test_rules_rename_group_and_drop_and_the_first_one_wins() -> None:
    found = shown(
        {"event_name": ["ping", "email_open", "email_click", "cart", "home"]},
        {"events": ["ping"], "drop": True},
        {"events": ["email_open"], "name": "Opened"},
        {"events": ["email_*"], "name": "E-mail"},
        {"pattern": "^ca.t$", "name": "Basket"},
    )
    assert found == ["Opened", "E-mail", "Basket", "home"]


def test_a_star_is_any_letters_and_nothing_else_is_special() -> None:
    assert shown({"event_name": ["a.b", "axb", "a.bc"]}, {"events": ["a.*b"], "name": "x"}) == ["x", "axb", "a.bc"]


def test_every_condition_of_a_rule_must_hold() -> None:
    events = {"event_name": ["page", "page", "click"], "channel": ["web", "app", "app"]}
    rule = {"events": ["page"], "pattern": "app", "column": "channel", "name": "App page"}
    assert shown(events, rule) == ["page", "App page", "click"]


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        (f"{SHOP}/product/12", True),
        (f"{SHOP}/product/12/?ref=mail#top", True),
        ("/product/12", True),
        (f"{SHOP}/product/12/reviews", False),
        (f"{SHOP}/product/", False),
        (f"{SHOP}/en/product/12", False),
        (None, False),
    ],
)
def test_an_address_fits_its_template(url: str | None, fits: bool) -> None:
    events = {"event_name": ["page"], "url": pl.Series([url], dtype=pl.String)}
    assert shown(events, {"url": "/product/{id}", "name": "Product"}) == ["Product" if fits else "page"]  # type: ignore[arg-type]


def test_bots_are_dropped_by_a_property() -> None:
    events = {
        "event_name": ["page", "page", "page"],
        "properties": ['{"agent":"SomeBot/1"}', '{"agent":"Firefox"}', None],
    }
    rule = {"column": "properties.agent", "pattern": "(?i)bot", "drop": True}
    assert shown(events, rule) == ["page", "page"]


TEXTS: list[pl.DataType] = [pl.String(), pl.Categorical(), pl.Enum(["help", "buy", "cart", "cart_paid"])]


@pytest.mark.parametrize("text", TEXTS)
def test_stages_name_touchpoints_and_others_have_none(text: pl.DataType) -> None:
    rules = [
        StageRule(name="Desire", touchpoints=["cart*"]),
        StageRule(name="Action", touchpoints=["cart_paid", "buy"]),
    ]
    touches = pl.DataFrame({"touchpoint": ["cart", "cart_paid", "buy", "help"]}, schema={"touchpoint": text})
    assert with_stages(touches, rules)["stage"].to_list() == ["Desire", "Desire", "Action", None]


@pytest.mark.parametrize("text", TEXTS)
def test_no_rules_give_no_stage(text: pl.DataType) -> None:
    touches = pl.DataFrame({"touchpoint": ["buy", "help"]}, schema={"touchpoint": text})
    assert with_stages(touches, [])["stage"].to_list() == [None, None]
    assert with_stages(touches.clear(), []).columns == ["touchpoint", "stage"]


def test_no_events_give_no_touches() -> None:
    assert shown({"event_name": []}, {"events": ["x"], "drop": True}) == []
    assert with_stages(pl.DataFrame(schema={"touchpoint": pl.String}), []).schema["stage"] == pl.String
