from __future__ import annotations

import re
from datetime import timedelta

import polars as pl

from reports.privacy import flow
from reports.privacy.stages import NO_VALUE, publishable_segments, publishable_stages
from reports.words import headlines
from tests.reports import fixtures


def _stages(*counts: int) -> pl.DataFrame:
    return publishable_stages(fixtures.funnel_frame(counts, fixtures.STAGES[: len(counts)]), 10, 30)


def test_the_weakest_step_is_named_where_its_interval_lies_below_all_others() -> None:
    assert headlines.weakest_step(_stages(*fixtures.COUNTS)) == 5
    assert headlines.funnel_headline(_stages(*fixtures.COUNTS)) == (
        "The weakest step is between “Action” and “Order placed”"
    )


def test_nothing_is_claimed_where_intervals_overlap() -> None:
    stages = _stages(200, 120, 70)
    assert headlines.weakest_step(stages) is None
    assert headlines.funnel_headline(stages) == "How far journeys get, stage by stage"
    assert ";" not in headlines.summary_headline(stages, "Order")


def test_the_title_says_where_most_stop_where_the_weakest_step_loses_most() -> None:
    assert headlines.funnel_headline(_stages(2000, 1900, 500)) == "Most journeys stop between “Interest” and “Desire”"


def test_group_without_a_value_is_never_the_headline() -> None:
    groups = {"Device": {NO_VALUE: (0.3, 0.5), "App": (0.3, 0.9), "Web": (0.4, 1.2)}}
    frame = publishable_segments(fixtures.segment_frame(groups), 10, 30)
    assert re.fullmatch(r"Device “App” goes on to “[\w ]+” less often", headlines.segments_headline(frame))


def test_a_group_that_is_ahead_is_named_where_none_is_behind() -> None:
    groups = {"Device": {NO_VALUE: (0.6, 0.8), "App": (0.2, 1.2), "Web": (0.2, 1.0)}}
    frame = publishable_segments(fixtures.segment_frame(groups), 10, 30)
    assert re.fullmatch(r"Device “App” goes on to “[\w ]+” more often", headlines.segments_headline(frame))
    assert re.match(
        r"[\d.]+\u202f% go on, [\d.]+\u202fpp \([\d.]+–[\d.]+\) above the others\. ", headlines.segments_detail(frame)
    )


def test_the_title_says_when_no_group_differs() -> None:
    groups = {"Device": {"App": (0.5, 1.0), "Web": (0.5, 1.0)}}
    frame = publishable_segments(fixtures.segment_frame(groups), 10, 30)
    assert headlines.segments_headline(frame) == "No group differs clearly from the others"


def test_no_step_is_the_weakest_where_a_withheld_one_may_be_weaker() -> None:
    """Of 300, 4 go on: the counts of that step are withheld, and its loss may be the largest."""
    stages = _stages(2000, 1400, 700, 4, 0)
    assert headlines.weakest_step(stages) is None
    assert headlines.largest_loss(stages) is None


def test_a_step_of_few_customers_is_compared_by_its_counts() -> None:
    assert headlines.weakest_step(_stages(2000, 1900, 27, 14)) == 3
    assert headlines.weakest_step(_stages(2000, 1900, 950, 27, 14)) == 4
    assert headlines.weakest_step(_stages(2000, 400, 22, 0)) is None


def test_the_largest_loss_is_named_only_beyond_chance() -> None:
    assert headlines.largest_loss(_stages(1000, 700, 420)) is None
    assert headlines.largest_loss(_stages(1000, 650, 420)) == 2


def test_alike_journeys_of_a_customer_make_no_difference_clear() -> None:
    stages = _stages(1000, 650, 420)
    assert headlines.journey_worth(stages.with_columns(customers="reached")) == 1
    alike = stages.with_columns(customers=pl.col("reached") // 10)
    assert headlines.journey_worth(alike) == 0.1 and headlines.largest_loss(alike) is None
    clear = pl.DataFrame({"route": [["a", "b"], ["c"]], "units": [200, 100]})
    assert headlines.commonest_headline(clear, clear).startswith("The commonest path to the goal")
    assert headlines.commonest_headline(clear, clear, 0.05) == "The commonest complete paths"


def test_an_uncertain_share_is_given_as_an_interval() -> None:
    text = headlines.summary_headline(_stages(60, 45, 30), "Order").replace("\u202f", " ")
    assert text == "Between 37 % and 63 % of journeys reach “Order”"


def _flow(first: int, second: int, reached: int) -> tuple[str, str]:
    routes = [
        (["Ad", "Shop"], "converted", reached, reached),
        (["Ad", "Shop"], "abandoned", first - reached, 0),
        (["Mail", "Shop"], "abandoned", second, 0),
    ]
    published = flow.publishable_flow(fixtures.flow_frame(routes), {"Shop"}, 10)
    detail = headlines.flow_detail(published, timedelta(days=30))
    return headlines.flow_headline(published), detail.replace("\u202f", " ")


def test_the_commonest_start_is_named_only_beyond_chance() -> None:
    assert _flow(600, 400, 150) == (
        "The commonest start is “Ad” then “Shop”",
        "60.0 % of journeys start so; 25.0 % of these reach the goal within 30 days. ",
    )
    assert _flow(510, 490, 150) == ("The routes customers take", "")
    assert "; under 1.7 % of these reach the goal" in _flow(600, 400, 3)[1]


def test_the_commonest_paths_are_named_only_beyond_chance() -> None:
    clear = pl.DataFrame({"route": [["a", "b"], ["c"]], "units": [500, 100]})
    close = pl.DataFrame({"route": [["a", "b"], ["c"]], "units": [500, 490]})
    assert headlines.commonest_headline(clear, close) == "The commonest path to the goal is “a” → “b”"
    assert headlines.commonest_headline(close, clear) == "The commonest path without the goal is “a” → “b”"
    assert headlines.commonest_headline(close, close) == "The commonest complete paths"


def _curves(first: tuple[float, float, float], second: tuple[float, float, float]) -> pl.DataFrame:
    rows = [(group, 14.0, *ends) for group, ends in (("App", first), ("Web", second))]
    return pl.DataFrame(rows, schema=["group", "days", "share", "low", "high"], orient="row")


def test_a_group_is_ahead_only_where_its_band_clears_the_others() -> None:
    ahead = headlines.incidence_headline(_curves((0.4, 0.37, 0.43), (0.3, 0.27, 0.33)), "Device").replace("\u202f", " ")
    assert ahead == "Device “App” gets furthest within 14 days"
    assert headlines.incidence_headline(_curves((0.4, 0.3, 0.5), (0.3, 0.2, 0.4)), "Device").startswith("No group")


def test_the_lowest_satisfaction_is_named_among_the_known_ones() -> None:
    stages, voice = _stages(*fixtures.COUNTS), fixtures.voice_frame()
    assert headlines.journey_map_headline(stages, voice).startswith("Satisfaction is lowest at “Action”; ")
    some = voice.with_columns(satisfied=pl.when(pl.col("stage") != "Interest").then("satisfied"))
    assert "lowest at “Action” of 4 stages with enough answers" in headlines.journey_map_headline(stages, some)
    close = voice.with_columns(high=pl.col("satisfied") + 0.2, low=pl.col("satisfied") - 0.2)
    assert "atisfaction" not in headlines.journey_map_headline(stages, close)


def test_groups_without_a_rate_are_not_called_equal() -> None:
    frame = publishable_segments(fixtures.segment_frame(size=0.001), 10, 30)
    assert headlines.segments_headline(frame) == "From stage to stage, by group"


def test_a_title_has_no_interval_and_at_most_twelve_words() -> None:
    frame = publishable_segments(fixtures.segment_frame(), 10, 30)
    title = headlines.segments_headline(frame)
    assert "–" not in title and len(title.split()) <= 12


def test_the_lede_tells_any_route_and_all_stages_as_what_they_are() -> None:
    lede = headlines.summary_lede(_stages(*fixtures.COUNTS), timedelta(days=30), 10).replace("\u202f", " ")
    assert lede == (
        "By any route, within 30 days of their beginning: 2,445 of 18,240 journeys (95 %: 12.9–13.9). 10.7 % went "
        "through "
        "all stages in order. 1,312 journeys are younger than 30 days and not counted yet."
    )
    assert "needs more mature journeys: 22 so far" in headlines.summary_lede(_stages(22, 12), timedelta(days=30), 10)


def test_a_goal_that_no_journey_has_reached_is_said_so() -> None:
    assert headlines.summary_headline(_stages(2000, 1400, 0), "Order") == (
        "No journey has reached “Order” within its window yet"
    )


def test_a_goal_rate_that_is_withheld_is_not_said_to_be_of_too_few_journeys() -> None:
    stages = _stages(2000, 1998)
    assert headlines.summary_headline(stages, "Order") == (
        "The share of journeys that reach “Order” is withheld: it would reveal few customers"
    )
    assert headlines.summary_lede(stages, timedelta(days=30), 10).startswith("How many of 2,000 journeys reach it")
    assert headlines.summary_headline(_stages(22, 12), "Order").startswith("Too few journeys")


def test_journeys_that_are_all_direct_are_said_to_be_so() -> None:
    stages = _stages(0, 0).with_columns(open=0, direct=96)
    assert headlines.summary_headline(stages, "Order") == (
        "All journeys are direct: “Order” without another stage before it"
    )


def test_every_journey_is_said_of_all_and_of_no_fewer() -> None:
    assert headlines.summary_headline(_stages(2000, 2000), "Order") == "Every journey reaches “Order”"


def test_a_fall_is_an_alert_with_its_days_and_a_standing_weakness_is_none() -> None:
    problems = fixtures.answers().problems
    assert problems is not None
    (alert,) = headlines.alerts(problems)
    start = "◆ Device “Mobile web”: going on to “Order placed” was 20.5 pp below usual, 21 Jul to 1 Aug. See Change."
    assert alert.replace("\u202f", " ") == start
    assert headlines.alerts(None) == headlines.alerts(problems.filter(pl.col("first").is_null())) == ()
