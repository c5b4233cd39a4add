"""Customers are the same whether they are resolved from all events or from what the last stitching remembers."""

from __future__ import annotations

import random
import tempfile
from typing import Any

import polars as pl
import pytest

from analytics.stitching.privacy import resolved
from analytics.stitching.privacy.selection import select_customers
from analytics.stitching.refresh import refresh
from analytics.touches.rules import PathRules, TouchpointRule
from expectations.lake.layout import Lake
from tests.analytics.stitching.test_refresh import event, land


def an_event(dice: random.Random, number: int) -> dict[str, Any]:
    who = {"customer_id": dice.choice([None, None, *"abcd"]), "anonymous_id": dice.choice([None, *"uvwxyz"])}
    device = dice.choice([{}, {}, {"device_id": "k"}, {"device_id": "l"}])
    name = dice.choice(["home", "home", "ping"])
    return event(name, f"{dice.choice([0, 5, 40, 45, 200])}m", number, identities=device, **who)


@pytest.mark.parametrize("seed", range(4))
def test_a_state_gives_the_customers_that_the_events_give(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed)
    rules = PathRules.model_validate(
        {"identities": {"max_degree": dice.choice([2, 20]), "salt": dice.choice([None, "a secret of the shop"])}}
    ).model_copy(update={"touchpoints": [TouchpointRule(events=["ping"], drop=True)]})
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        rows = [an_event(dice, number) for number in range(40)]
        for batch in (rows[:20], [*rows[20:], rows[3] | {"offset": 99}]):
            land(lake, *batch)
            refresh(lake, rules)
        asked = [f"customer_id:{who}" for who in "abcd"] + [f"anonymous_id:{who}" for who in "uvwxyz"]
        by_state = [select_customers(lake, [each], rules) for each in asked]
        all_at_once = select_customers(lake, asked, rules)
        monkeypatch.setattr(resolved, "load_state", lambda *_: None)
        by_events = [select_customers(lake, [each], rules) for each in asked]
    for one, other in zip(by_state, by_events, strict=True):
        assert one.unknown == other.unknown
        assert set(one.identities.rows()) == set(other.identities.rows())
        assert sorted(one.events.rows()) == sorted(other.events.rows())
    assert len(all_at_once.events) == len({row for each in by_events for row in each.events.rows()})
    assert isinstance(all_at_once.summary, pl.DataFrame) and any(len(each.events) > 3 for each in by_state)
