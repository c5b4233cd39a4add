"""Of groups that are drawn by lot the Summary claims something in one report in twenty at most."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from analytics import PathRules, Paths, answered, main_goal, stage_funnel
from reports.questions.people import groups
from reports.questions.problems.drivers import group_drivers
from reports.settings import ReportSettings
from tests.reports.questions.problems.shuffled import GROUPS, RULES, START, columns_of, shop
from tests.reports.questions.stories import shuffled

WORLDS = 100


def settings(shuffle: int) -> ReportSettings:
    return ReportSettings(segments=columns_of(shuffle), window="4d", trend_window="4d")


def test_groups_by_lot_are_claimed_to_go_on_less_often_in_one_report_of_twenty_at_most() -> None:
    """All claims of groups on the Summary but for incidents, and the headline of the chart by group, are of these."""
    paths, goal = shop(seed=1, shuffles=WORLDS), main_goal(RULES.goal)
    claims, below = [], 0
    for shuffle in range(WORLDS):
        asked = settings(shuffle)
        segments = answered(paths, groups.segment_differences(asked, goal))
        assert segments is not None and segments["dimension"].n_unique() == len(GROUPS)
        found, _ = answered(paths, group_drivers(asked, goal, segments))
        below += bool((segments["verdict"] == "below").any())
        claims += [(shuffle, *row) for row in found.rows()]
    worlds = len({shuffle for shuffle, *_ in claims})
    assert binomtest(worlds, WORLDS, 1 / 20, alternative="greater").pvalue > 0.01, claims
    assert binomtest(below, WORLDS, 1 / 20, alternative="greater").pvalue > 0.01


def test_a_group_that_another_explains_is_no_driver() -> None:
    """Customers of the north are mostly on phones, on which fewer go on; the north itself makes no difference."""
    draw = np.random.default_rng(3)
    phone, north = draw.random(3_000) < 0.5, draw.random(3_000)
    region = np.where(north < np.where(phone, 0.8, 0.2), "north", "south")
    buys = draw.random(3_000) < np.where(phone, 0.3, 0.6)
    look = pl.DataFrame({"customer": np.arange(3_000), "at": START, "touchpoint": "look"})
    touches = pl.concat(
        [look, look.filter(buys).with_columns(pl.col("at") + timedelta(days=1), touchpoint=pl.lit("buy"))]
    )
    people = pl.DataFrame({"customer": np.arange(3_000), "device": np.where(phone, "phone", "desk"), "region": region})
    rules = PathRules.model_validate(
        {"goal": ["buy"], "stages": [{"name": name, "touchpoints": [name]} for name in ("look", "buy")], "after": []}
    )
    paths = Paths.from_frame(touches.join(people, on="customer"), end_of_data=START + timedelta(days=60), rules=rules)
    asked, goal = ReportSettings(segments=("device", "region")), main_goal(["buy"])
    segments = answered(paths, groups.segment_differences(asked, goal))
    assert segments is not None
    below = segments.filter(verdict="below")["segment"].to_list()
    assert set(below) == {"phone", "north"}
    found, _ = answered(paths, group_drivers(asked, goal, segments))
    row = found.row(0, named=True)
    assert (found.height, row["segment"], row["explained_by"]) == (1, "phone", "Region")
    assert row["adjusted"] == pytest.approx(-0.3, abs=0.05) and row["low"] < row["adjusted"] < row["high"] < 0


def test_a_shuffled_world_has_the_same_touches_and_each_customer_one_value_that_has_nothing_to_do_with_it() -> None:
    """The judge of stories shuffles by customer: whoever changes device has one device there, of a random customer."""
    paths = shop(seed=2, shuffles=1, customers=600)
    asked = settings(0)
    touches = paths.touches.collect()
    found = shuffled(paths, asked, RULES, 3)
    kept = ["customer", "at", "touchpoint"]
    again = found.touches.collect()
    assert again.select(kept).sort(kept).equals(touches.select(kept).sort(kept))
    counted = [stage_funnel(each, window="4d").drop(pl.selectors.float()) for each in (paths, found)]
    assert counted[0].equals(counted[1])
    people = again.group_by("customer").agg(pl.col(columns_of(0)).n_unique())
    assert len(people) == 600 and people.select(pl.col(columns_of(0)).max()).row(0) == (1,) * len(GROUPS)
    before, after = (each.unique("customer").sort("customer").select(columns_of(0)) for each in (touches, again))
    for column, shares in zip(columns_of(0), GROUPS.values(), strict=True):
        same = float((before[column].cast(pl.String) == after[column].cast(pl.String)).mean())  # type: ignore[arg-type]
        by_lot = sum(share * share for share in shares)
        assert abs(same - by_lot) < 4 * (by_lot * (1 - by_lot) / 600) ** 0.5 + 0.05
