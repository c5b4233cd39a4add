"""Touchpoints, stages and a goal that events suggest, and the forms of times."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from ingest.files.guess.touchpoints import directories, near_duplicates, plan_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def events(*names: str, urls: list[str] | None = None) -> pl.DataFrame:
    """Events of one customer, a minute apart."""
    rows: list[dict[str, Any]] = [
        {
            "customer_id": "c1",
            "anonymous_id": None,
            "occurred_at": BEGIN + timedelta(minutes=n),
            "event_name": name,
            "url": None,
        }
        for n, name in enumerate(names)
    ]
    for row, url in zip(rows, urls or [], strict=False):
        row["url"] = url
    schema = {"customer_id": pl.String, "anonymous_id": pl.String, "occurred_at": pl.Datetime("us", "UTC")}
    return pl.DataFrame(rows, schema | {"event_name": pl.String, "url": pl.String})


def test_names_that_differ_in_endings_are_one_touchpoint_to_review() -> None:
    plan = plan_of(events("view", "view", "order_completed", "order_complete", "order_completed"))
    [view, order] = sorted(plan.touchpoints, key=lambda one: len(one.events))
    assert (order.name, order.events) == ("Order completed", ("order_completed", "order_complete")) and order.doubt
    assert not view.doubt and plan.goal == ["Order completed"] and not plan.goal_doubt
    assert plan.stages == [("Interest", ["View"]), ("Action", ["Order completed"])]


def test_pages_of_one_directory_are_one_touchpoint_to_review() -> None:
    urls = ["https://x.example/", *(f"https://x.example/product/{n}?a=1" for n in range(5)), "https://x.example/cart/"]
    plan = plan_of(events(*["page_viewed"] * 7, "purchase", urls=urls))
    folded = {one.name: (one.url, bool(one.doubt)) for one in plan.touchpoints if one.url}
    assert folded == {
        "Product page": ("/product/{page}", True),
        "Home page": ("/", False),
        "Cart page": ("/cart", False),
    }
    assert plan.goal == ["Purchase"]
    assert [name for name, _ in plan.stages] == ["Awareness", "Interest", "Desire", "Action"]


def test_a_failed_payment_is_no_goal_and_names_that_say_nothing_are_put_in_order() -> None:
    assert plan_of(events("payment_failed", "payment_succeeded")).goal == ["Payment succeeded"]
    assert plan_of(events("angebot_angefordert", "vertrag")).goal == ["Vertrag"], "order is in it by chance"
    plan = plan_of(events("zeta", "beta", "alpha"))
    assert [name for name, _ in plan.stages] == ["Zeta", "Beta", "Alpha"]
    assert plan.goal == ["Alpha"] and plan.goal_doubt and plan.stages_doubt


@pytest.mark.parametrize("name", ["", "   ", "🙂", "x" * 300, 'a "b"\n'])
def test_any_name_has_a_touchpoint(name: str) -> None:
    assert near_duplicates([name]) == [[name]]
    assert plan_of(events(name)).goal


def test_few_pages_of_a_directory_stay_apart() -> None:
    assert directories(Counter({"/a/1": 2, "/a/2": 1})) == [("/a/1", 1), ("/a/2", 1)]
