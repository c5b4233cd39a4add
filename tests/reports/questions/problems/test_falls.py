"""Of groups that are drawn by lot the Summary claims something in one report in twenty at most."""

from __future__ import annotations

import polars as pl
from scipy.stats import binomtest

from analytics import answered, main_goal, stage_funnel
from reports.privacy.stages import publishable_stages
from reports.questions import ask, groups
from reports.questions.problems import weeks
from reports.questions.problems.act_first import goals_later, problems
from reports.questions.problems.falls import group_falls
from reports.settings import ReportSettings
from tests.reports.questions.problems.shuffled import GROUPS, RULES, columns_of, shop
from tests.reports.questions.stories import shuffled

WORLDS = 100


def settings(shuffle: int) -> ReportSettings:
    return ReportSettings(segments=columns_of(shuffle), window="4d", trend_window="4d")


def test_groups_by_lot_are_claimed_to_go_on_less_often_in_one_report_of_twenty_at_most() -> None:
    """All claims of groups on the Summary and its alerts, and the headline of the chart by group, are of these rows."""
    paths, goal = shop(seed=1, shuffles=WORLDS), main_goal(RULES.goal)
    stages = publishable_stages(stage_funnel(paths, goal=goal, window="4d"), 10, 30)
    facts, claims, below = ask._facts(paths, settings(0)), [], 0
    for shuffle in range(WORLDS):
        asked = settings(shuffle)
        segments = answered(paths, groups.segment_differences(asked, goal))
        assert segments is not None and segments["dimension"].n_unique() == len(GROUPS)
        daily = answered(paths, weeks.step_counts(asked, facts, goal, "day"))
        fallen = answered(paths, group_falls(asked, daily, goal, goals_later(stages)))
        found = problems(stages, segments, None, fallen)
        below += bool((segments["verdict"] == "below").any())
        claims += [] if found is None else [(shuffle, *row) for row in found.rows()]
    worlds = len({shuffle for shuffle, *_ in claims})
    assert binomtest(worlds, WORLDS, 1 / 20, alternative="greater").pvalue > 0.01, claims
    assert binomtest(below, WORLDS, 1 / 20, alternative="greater").pvalue > 0.01


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
