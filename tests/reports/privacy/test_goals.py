"""Goals are published without small counts, counts that reveal them, and sums that one customer dominates."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from analytics import Goal, PathRules, Paths, goal_attainment
from reports.privacy.goals import publishable_goals

RULES = PathRules.model_validate({"goal": ["buy"], "stages": [{"name": "Look", "touchpoints": ["look"]}]})


def published(
    bought: int, reviewed: int, of: int, goals: list[Goal] | None = None, withheld: list[str] | None = None
) -> list[dict[str, Any]]:
    """The published rows of a shop of so many customers, each with one journey."""
    visits = {}
    for n in range(of):
        visit = f"look@0d{' buy@1d[worth=2]' if n < bought else ''}"
        visits[f"c{n}"] = f"{visit}{' review@2d' if n < reviewed else ''}"
    paths = Paths.from_text(visits, end="60d", rules=RULES)
    asked = goals or [Goal(name="Order", steps=["buy"], value=3), Goal(name="Review", steps=["review"])]
    found = goal_attainment(paths, asked)
    return publishable_goals(found, [goal.steps for goal in asked], withheld or [], 10, 30).rows(named=True)


def test_large_counts_are_shown() -> None:
    order, review = published(50, 20, 100)
    assert (order["reached"], order["goal_rate"], order["value"], order["state"]) == (50, 0.5, 150.0, "shown")
    assert (review["reached"], review["mature"], review["state"]) == (20, 100, "shown")


@pytest.mark.parametrize("bought", [3, 97])
def test_a_few_who_reach_it_or_do_not_are_withheld(bought: int) -> None:
    order, _ = published(bought, 20, 100)
    assert order["state"] == "withheld"
    assert [order[name] for name in ("reached", "late", "goal_rate", "goal_rate_low", "value")] == [None] * 5


def test_few_customers_have_counts_and_no_rate() -> None:
    order, _ = published(12, 12, 25)
    assert (order["state"], order["mature"], order["reached"], order["goal_rate"]) == ("few", 25, 12, None)
    assert published(0, 0, 5)[0]["mature"] is None
    assert [published(12, 12, of)[0]["state"] for of in (29, 30)] == ["few", "shown"]


def test_a_goal_does_not_reveal_the_rest_of_one_that_has_its_steps_and_more() -> None:
    goals = [Goal(name="Order", steps=["buy"]), Goal(name="Either", steps=["buy", "review"])]
    assert [row["state"] for row in published(50, 53, 100, goals)] == ["shown", "withheld"]
    assert [row["state"] for row in published(50, 65, 100, goals)] == ["shown", "shown"]


def test_what_is_withheld_elsewhere_is_withheld_here() -> None:
    assert [row["state"] for row in published(50, 20, 100, withheld=["Order"])] == ["withheld", "shown"]


def test_goals_of_two_horizons_do_not_reveal_a_few_journeys() -> None:
    frame = pl.DataFrame(
        {
            "goal": ["a", "b"],
            "horizon": [timedelta(days=30), timedelta(days=29)],
            **dict.fromkeys(("open", "direct", "late"), (0, 0)),
            "mature": [100, 104],
            **dict.fromkeys(("reached", "customers_reached", "customers_lost"), (50, 50)),
            "customers": [100, 100],
            **dict.fromkeys(("customers_open", "customers_direct", "customers_late", "customers_never"), (0, 0)),
            "customers_left_out": [0, 0],
            **dict.fromkeys(("goal_rate", "goal_rate_low", "goal_rate_high"), (0.5, 0.5)),
            "value": [1.0, 1.0],
            "largest_value": [0.0, 0.0],
            "value_left_out": [0, 0],
            "for_customer": ["", ""],
        }
    )
    assert publishable_goals(frame, [["x"], ["y"]], [], 10, 30)["state"].to_list() == ["shown", "withheld"]


def test_a_sum_of_which_one_customer_brings_more_than_half_is_withheld() -> None:
    worth = {n: 1000 if n == 0 else 1 for n in range(40)}
    visits = {f"c{n}": f"look@0d buy@1d[worth={worth[n]}]" if n < 20 else "look@0d" for n in worth}
    paths, goal = Paths.from_text(visits, end="60d", rules=RULES), Goal(name="Order", steps=["buy"], value="worth")
    row = publishable_goals(goal_attainment(paths, goal), [goal.steps], [], 10, 30).row(0, named=True)
    assert (row["reached"], row["value"], row["state"]) == (20, None, "shown")
