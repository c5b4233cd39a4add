"""Goals are published without small counts, counts that reveal them, and sums that one customer dominates."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from analytics import Goal, PathRules, Paths, Route, goal_attainment, goal_routes
from reports.privacy.goals import FAMILIES, publishable_families, publishable_goals
from tests.written import START

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


def families(few: int = 0) -> pl.DataFrame | None:
    """Customers who order alone or with help; `few` do it by way of a fair."""
    channels = {"look": "web", "call": "phone", "fair": "fair", "buy": "web", "tell": "web"}
    bought = " buy@1d[worth=10] tell@2d[survey=csat,score=5]"
    visits = {f"a{n}": f"look@0d{bought if n % 4 == 0 else ''}" for n in range(200)}
    visits |= {f"h{n}": f"look@0d call@1d{' buy@3d[worth=30]' if n % 2 == 0 else ''}" for n in range(100)}
    visits |= {f"f{n}": "look@0d fair@1h buy@1d[worth=1]" for n in range(few)}
    touches = Paths.from_text(visits, end="60d").touches
    columns = [pl.col(name).cast(pl.Float64) for name in ("worth", "score")]
    touches = touches.select("customer", "at", "touchpoint", "survey", *columns).with_columns(
        pl.col("touchpoint").cast(pl.String).replace_strict(channels).alias("channel")
    )
    paths = Paths.from_frame(touches, end_of_data=START + timedelta(days=60), rules=RULES)
    routes = [Route(name="Fair", through=["fair"]), Route(name="Helped", through=["phone"])]
    goal = Goal(name="Order", steps=["buy"], value="worth")
    return publishable_families(goal_routes(paths, goal, routes[0 if few else 1 :]), 100 + few, 10, 30)


def test_shares_of_families_cover_k_customers_and_intervals_are_no_narrower() -> None:
    found = families()
    assert found is not None and found.schema == FAMILIES
    helped = found.row(by_predicate=pl.col("family") == "Helped", named=True)
    assert (helped["share_of_goals"], helped["goal_rate"], helped["value_per_goal"]) == (0.5, 0.5, 30.0)
    assert (helped["goal_rate_low"], helped["goal_rate_high"]) == (0.4, 0.6)
    assert (helped["handoffs"], helped["median_touches"], helped["csat"]) == (2.0, 3.0, None)
    other = found.row(by_predicate=pl.col("family") == "other", named=True)
    assert (other["goal_rate"], other["csat"], other["median_time"]) == (0.25, 1.0, timedelta(days=1))


def test_a_family_of_few_is_left_out_and_its_few_change_nothing_else() -> None:
    one, other = families(12), families(14)
    assert one is not None and other is not None and "Fair" not in one["family"].to_list()
    assert one.equals(other)


def test_one_family_is_no_card() -> None:
    visits = {f"c{n}": "look@0d buy@1d" for n in range(50)}
    paths = Paths.from_text(visits, end="60d", rules=RULES)
    assert publishable_families(goal_routes(paths, None, [Route(name="Look", through=["look"])]), 50, 10, 30) is None
