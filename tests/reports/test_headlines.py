from __future__ import annotations

import polars as pl

from reports import headlines, published
from tests.reports import fixtures


def _stages(*counts: int) -> pl.DataFrame:
    return published.stages(fixtures.funnel_frame(counts, fixtures.STAGES[: len(counts)]), 10, 30)


def test_weakest_step_is_claimed_where_its_interval_lies_below_all_others() -> None:
    assert headlines.weakest_step(_stages(*fixtures.COUNTS)) == 5
    assert "44.6" in headlines.funnel(_stages(*fixtures.COUNTS))


def test_nothing_is_claimed_where_intervals_overlap() -> None:
    stages = _stages(200, 120, 70)
    assert headlines.weakest_step(stages) is None
    assert headlines.funnel(stages) == "How far customers get, stage by stage"
    assert ";" not in headlines.overview(stages, "Order")


def test_title_names_the_largest_loss_too_where_it_is_another_step() -> None:
    assert headlines.funnel(_stages(*fixtures.COUNTS)).endswith("the largest loss, 5,952, is before “Interest”")


def test_group_without_a_value_is_never_the_headline() -> None:
    groups = {"Device": {"(no value)": (0.3, 0.5), "App": (0.3, 0.9), "Web": (0.4, 1.2)}}
    frame = published.segments(fixtures.segment_frame(groups), 10, 30)
    assert headlines.segments(frame).startswith("Device “App” is")


def test_groups_that_do_not_differ_are_said_not_to() -> None:
    groups = {"Device": {"App": (0.5, 1.0), "Web": (0.5, 1.0)}}
    frame = published.segments(fixtures.segment_frame(groups), 10, 30)
    assert headlines.segments(frame) == "No group of customers differs clearly from the rest"
