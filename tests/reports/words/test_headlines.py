from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

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


@pytest.mark.parametrize(
    ("share", "half", "words"),
    [
        (1.0, 0.2, "Every journey reaches"),
        (0.9995, 0.0004, "Nearly every journey reaches"),
        (0.999, 0.001, "99.9 % of journeys reach"),
        (0.5, 0.049, "Half of the journeys reach"),
        (0.5, 0.06, "Between 44 % and 56 % of journeys reach"),
        (0.435, 0.145, "Between 29 % and 58 % of journeys reach"),
        (0.504, 0.01, "Half of the journeys reach"),
        (0.506, 0.01, "50.6 % of journeys reach"),
        (2 / 3, 0.02, "About two in three journeys reach"),
        (0.678, 0.02, "About two in three journeys reach"),
        (0.682, 0.02, "68.2 % of journeys reach"),
        (0.75, 0.02, "About three in four journeys reach"),
        (1 / 3, 0.01, "One in three journeys reaches"),
        (0.2, 0.01, "One in five journeys reaches"),
        (0.206, 0.01, "About one in five journeys reaches"),
        (0.209, 0.01, "20.9 % of journeys reach"),
        (0.1, 0.005, "One in ten journeys reaches"),
        (1 / 11, 0.005, "9.1 % of journeys reach"),
        (0.0, 0.0, "0.0 % of journeys reach"),
    ],
)
def test_a_share_is_a_fraction_in_words_where_one_is_near(share: float, half: float, words: str) -> None:
    assert headlines.in_words(share, round(share - half, 4), round(share + half, 4)).replace("\u202f", " ") == words


def steps(*rows: dict[str, Any]) -> pl.DataFrame:
    """Stages of which only these numbers are published."""
    names = ("share_of_previous", "share_of_previous_low", "share_of_previous_high", "bound_low", "previous", "reached")
    known = [
        {"step": n, "name": f"s{n}", "dropped": None} | dict.fromkeys(names) | row for n, row in enumerate(rows, 1)
    ]
    return pl.DataFrame(known, infer_schema_length=None)


def rate(share: float, half: float) -> dict[str, Any]:
    ends = {"share_of_previous_low": share - half, "share_of_previous_high": share + half}
    return {"share_of_previous": share} | ends


def test_the_weakest_step_lies_below_what_is_known_of_each_other_one() -> None:
    assert headlines.weakest_step(steps({}, rate(0.3, 0.05), rate(0.5, 0.1))) == 2
    assert headlines.weakest_step(steps({}, rate(0.3, 0.1), rate(0.5, 0.1))) is None  # 0.4 is no lower than 0.4
    assert headlines.weakest_step(steps({}, rate(0.3, 0.05))) is None  # nothing to compare with
    three = rate(0.3, 0.05), rate(0.6, 0.05)
    assert headlines.weakest_step(steps({}, *three, {"bound_low": 0.36})) == 2
    assert headlines.weakest_step(steps({}, *three, {"bound_low": 0.34})) is None
    assert headlines.weakest_step(steps({}, *three, {"previous": 20, "reached": 15})) == 2
    assert headlines.weakest_step(steps({}, *three, {"previous": 20, "reached": 8})) is None
    assert headlines.weakest_step(steps({}, *three, {"previous": 0, "reached": 0})) == 2
    assert headlines.weakest_step(steps({}, *three, {"previous": 20})) is None


def test_the_largest_loss_is_that_of_a_step_where_all_are_known() -> None:
    def lost(*dropped: int | None) -> int | None:
        rows = [{"dropped": n, "reached": 1_000} for n in (0, *dropped)]
        return headlines.largest_loss(steps(*rows).with_columns(customers=1_000))

    assert lost(100, 400) == 3 and lost(400, 100) == 2 and lost(5) == 2
    assert lost(100, None) is None and lost(0, 0) is None and lost() is None and lost(300, 310) is None


def test_a_journey_is_worth_no_more_than_one() -> None:
    first = pl.DataFrame({"customers": [50], "reached": [200]})
    assert headlines.journey_worth(first) == 0.25
    assert headlines.journey_worth(first.with_columns(reached=20)) == 1.0
    for name in ("customers", "reached"):
        assert headlines.journey_worth(first.with_columns(pl.lit(None, pl.Int64).alias(name))) == 1.0
        assert headlines.journey_worth(first.with_columns(pl.lit(0).alias(name))) == 1.0


def test_the_summary_names_where_most_stop_or_the_weakest_step() -> None:
    assert headlines.summary_headline(_stages(2000, 1900, 500), "Order").endswith(
        "; most stop at “Interest” → “Desire”"
    )
    weakest = headlines.summary_headline(_stages(*fixtures.COUNTS), "Order placed")
    assert weakest.endswith("; the weakest step is “Action” → “Order placed”")


def test_direct_journeys_are_said_only_where_there_are_no_others() -> None:
    stages = _stages(0, 0).with_columns(open=0, direct=96)
    for others in ({"open": 3}, {"direct": 0}):
        text = headlines.summary_headline(
            stages.with_columns(**{name: pl.lit(n) for name, n in others.items()}), "Order"
        )
        assert not text.startswith("All journeys are direct")


@pytest.mark.parametrize(
    ("customers", "said"), [(30, "is withheld"), (29, "Too few journeys"), (None, "Too few journeys")]
)
def test_a_rate_is_withheld_from_thirty_customers_and_unknown_before(customers: int | None, said: str) -> None:
    hidden = pl.lit(None, pl.Float64).alias("share_of_entered")
    stages = _stages(300, 120).with_columns(hidden, customers=pl.lit(customers, pl.Int64))
    assert said in headlines.summary_headline(stages, "Order")
    lede = headlines.summary_lede(stages, timedelta(days=30), 10)
    assert ("is withheld: a group of fewer than 10 customers" in lede) == (customers == 30)
    assert headlines.summary_headline(stages, "Order", 100).startswith("Too few journeys")
    unknown = stages.with_columns(entered=pl.lit(None, pl.Int64))
    assert "fewer than 10" in headlines.summary_lede(unknown, timedelta(days=30), 10)


def test_the_lede_counts_direct_journeys_and_no_stages_of_one() -> None:
    several = _stages(*fixtures.COUNTS).with_columns(direct=41, open=0)
    lede = headlines.summary_lede(several, timedelta(days=30), 10)
    assert lede.endswith(" 41 more are direct: the goal without another stage before it.") and "younger" not in lede
    one = several.tail(1)
    assert "all stages" in lede and "all stages" not in headlines.summary_lede(one, timedelta(days=30), 10)


def groups(**changed: Any) -> pl.DataFrame:
    rows = {
        **{"dimension": "Device", "segment": ["a", "b", NO_VALUE], "name": "Buy", "previous": [100, 1_000, 9_000]},
        **{"share": [0.2, 0.3, 0.1], "difference": [-0.2, -0.1, -0.3], "difference_low": [-0.25, -0.13, -0.4]},
        **{"difference_high": [-0.15, -0.07, -0.2], "verdict": "below", "state": "shown"},
    }
    return pl.DataFrame(rows | changed)


def test_the_group_is_named_that_costs_most_journeys() -> None:
    assert headlines.segments_headline(groups()) == "Device “b” goes on to “Buy” less often"
    detail = headlines.segments_detail(groups()).replace("\u202f", " ")
    assert detail == "30.0 % go on, 10.0 pp (7.0–13.0) below the others. "
    unknown = groups(previous=[None, 1_000, 9_000])  # withheld: how many journeys it costs is not known
    assert headlines.segments_headline(unknown) == "Device “b” goes on to “Buy” less often"
    ahead = groups(verdict=["above", "below", "below"], difference=[0.9, -0.01, -0.3])
    assert headlines.segments_headline(ahead) == "Device “b” goes on to “Buy” less often"  # who is behind comes first
    assert headlines.segments_headline(groups(verdict="above")) == "Device “b” goes on to “Buy” more often"


def test_the_title_says_whether_all_groups_are_known() -> None:
    same = groups(verdict="same")
    assert headlines.segments_headline(same) == "No group differs clearly from the others"
    assert headlines.segments_detail(same) == ""
    some = groups(verdict="same", state=["shown", "few", "shown"])
    assert headlines.segments_headline(some) == "No group of which enough is known differs clearly from the others"
    unknown = groups(verdict="same", state=["shown", "shown", "few"])  # of no value, which no title names
    assert headlines.segments_headline(unknown) == "No group differs clearly from the others"
    assert headlines.segments_headline(groups(verdict=["same", None, None])).startswith("No group")


def test_a_single_or_a_first_path_is_the_commonest_whatever_follows_the_second() -> None:
    none = pl.DataFrame({"route": [], "units": []}, schema={"route": pl.List(pl.String), "units": pl.Int64})
    single = pl.DataFrame({"route": [["a", "b", "c"]], "units": [40]})
    assert headlines.commonest_headline(none, single).endswith("without the goal is “a” → “b” → “c”")
    assert headlines.commonest_headline(single, none).startswith("The commonest path to the goal")
    assert headlines.commonest_headline(none, none) == "The commonest complete paths"


def test_the_flow_begins_with_its_largest_first_move() -> None:
    routes = [
        (["Mail", "Shop"], "abandoned", 200, 0),
        (["Ad", "other"], "abandoned", 700, 0),
        (["other", "Shop"], "abandoned", 900, 0),
        (["Ad", "Home", "Shop"], "abandoned", 100, 0),
    ]
    published = flow.publishable_flow(fixtures.flow_frame(routes), {"Shop"}, 10)
    assert headlines.flow_headline(published) == "The commonest start is “Ad” then another touchpoint"
    assert headlines.flow_detail(published, timedelta(days=30)).startswith("36.8")  # 700 of 1,900
    assert headlines.flow_headline(published, 0.01) == "The routes customers take"


def test_a_group_falls_behind_where_its_band_lies_below_all_others() -> None:
    behind = pl.concat(
        [
            _curves((0.4, 0.35, 0.45), (0.1, 0.08, 0.12)),
            _curves((0.42, 0.38, 0.46), (0.1, 0.08, 0.12))[:1].with_columns(group=pl.lit("Kiosk")),
        ]
    )
    assert headlines.incidence_headline(behind, "Device") == "Device “Web” falls behind within 14 days"
    touching = _curves((0.4, 0.35, 0.45), (0.3, 0.25, 0.35))
    assert headlines.incidence_headline(touching, "Device") == "No group of Device is clearly ahead after 14 days"
    neutral = "How many journeys have reached the goal by which day"
    assert headlines.incidence_headline(touching, None) == neutral
    assert headlines.incidence_headline(touching[:1], "Device") == neutral


def test_the_last_day_of_a_curve_counts() -> None:
    rows = [("App", 1.0, 0.1, 0.05, 0.15), ("App", 14.0, 0.4, 0.37, 0.43)]
    rows += [("Web", 1.0, 0.2, 0.16, 0.24), ("Web", 14.0, 0.3, 0.27, 0.33)]
    curves = pl.DataFrame(rows, schema=["group", "days", "share", "low", "high"], orient="row")
    assert headlines.incidence_headline(curves, "Device") == "Device “App” gets furthest within 14 days"


def test_satisfaction_is_lowest_only_where_its_interval_lies_below_all_others() -> None:
    stages = _stages(200, 120, 70)  # no weakest step
    voice = pl.DataFrame({"stage": ["a", "b"], "satisfied": [0.4, 0.6], "low": [0.3, 0.5], "high": [0.49, 0.7]})
    assert headlines.journey_map_headline(stages, voice) == "Satisfaction is lowest at “a”"
    neutral = "The journey, stage by stage"
    assert headlines.journey_map_headline(stages, voice.with_columns(high=pl.Series([0.5, 0.7]))) == neutral
    assert headlines.journey_map_headline(stages, voice[:1]) == headlines.journey_map_headline(stages, None) == neutral
    weakest = headlines.journey_map_headline(_stages(*fixtures.COUNTS), None)
    assert weakest == "The largest share leaves after “Action”"


def test_the_weeks_name_the_steps_with_an_alert() -> None:
    weeks = fixtures.answers().weeks
    assert weeks is not None
    assert headlines.trend_headline(weeks) == "Conversion week by week, with an alert before “Order placed”"
    assert headlines.trend_headline(fixtures.weeks_frame()) == "Conversion week by week"
    both = pl.DataFrame({"step": [2, 3], "name": ["Cart", "Paid"], "unusual": [True, True]})
    assert headlines.trend_headline(both) == "Conversion week by week, with alerts before “Cart” and “Paid”"


def test_the_change_is_that_of_the_step_that_moved_most_of_those_that_clearly_did() -> None:
    frame = pl.DataFrame(
        {
            "name": ["Look", "Cart", "Buy", "Pay"],
            "previous_difference": [0.3, -0.2, 0.1, 0.0],
            "previous_low": [-0.1, -0.3, 0.05, 0.0],
            "previous_high": [0.7, -0.1, 0.15, 0.0],
        }
    )
    assert headlines.changes_headline(frame) == "Going on to “Cart” fell clearly"
    assert headlines.changes_headline(frame[2:]) == "Going on to “Buy” rose clearly"
    assert (
        headlines.changes_headline(frame[3:]) == headlines.changes_headline(frame[:1]) == "No step has clearly changed"
    )
