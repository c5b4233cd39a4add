"""A frame that an earlier report has is published in steps of ten from it: counts, and what follows from them."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from reports.privacy import restated
from reports.privacy.flow import publishable_flow
from reports.privacy.steps import Steps
from tests.reports import fixtures

K = 10


def kept(table: str, **cells: int) -> Steps:
    """Steps from an earlier report with these counts; `_` stands for the sign between the names of a cell."""
    return Steps(K, {table: {name.replace("__", " · "): count for name, count in cells.items()}})


def one(frame: pl.DataFrame | None, row: int = 0) -> dict[str, Any]:
    assert frame is not None
    return frame.row(row, named=True)


def test_no_frame_is_no_frame_and_one_that_has_not_moved_stays() -> None:
    steps = Steps(K)
    for publish in (
        restated.goals_in_steps,
        restated.weeks_in_steps,
        restated.flow_in_steps,
        restated.moves_in_steps,
        restated.times_in_steps,
        restated.voice_in_steps,
        restated.changes_in_steps,
        restated.incidence_in_steps,
        restated.refused_in_steps,
    ):
        assert publish(None, steps) is None
    stages, voice, changes = fixtures.funnel_frame(), fixtures.voice_frame(), fixtures.changes_frame()
    assert restated.segments_in_steps(None, stages, steps) is None
    assert restated.linked_in_steps(None, 5, steps) is restated.shares_in_steps(None, steps, "t", ()) is None
    assert restated.changes_in_steps(changes, steps) is changes
    assert restated.linked_in_steps(voice, 5, steps) is voice


STAGES = {
    "name": ["Look", "Cart", "Buy"],
    "entered": [1_000] * 3,
    "reached": [1_000, 503, 97],
    "previous": [None, 1_000, 503],
    "dropped": [0, 497, 406],
    "touched": [1_000, 480, 97],
    "skipped": [0, 23, 0],
    "customers": [1_000, 503, 97],
    "value": [None, None, 1_234.5],
    **{f"share_of_{of}{end}": [None, 0.5, 0.2] for of in ("entered", "previous") for end in ("", "_low", "_high")},
}


def test_stages_have_counts_in_steps_and_shares_of_these() -> None:
    frame = pl.DataFrame(STAGES).with_columns(
        pl.col(f"share_of_{of}{end}") + gap
        for of in ("entered", "previous")
        for end, gap in (("_low", -0.02), ("_high", 0.02))
    )
    steps = kept("stages", Look__reached=1_000, Cart__reached=500, Buy__reached=90, Look__entered=1_000)
    found = restated.stages_in_steps(frame, steps)
    assert found["reached"].to_list() == [1_000, 500, 100]
    assert found["previous"].to_list() == [None, 1_000, 500]
    assert found["dropped"].to_list() == [0, 500, 400]
    assert found["touched"].to_list() == [1_000, 480, 100] and found["skipped"].to_list() == [0, 20, 0]
    assert found["share_of_entered"].to_list() == [None, 0.5, 0.1]
    assert found["share_of_previous"].to_list() == [None, 0.5, 0.2]
    assert found["share_of_entered_low"].to_list() == pytest.approx([None, 0.48, 0.08])
    assert found["share_of_entered_high"].to_list() == pytest.approx([None, 0.52, 0.12])
    assert found["value"].to_list() == [None, None, 1_200.0]  # ten of 100 bring 123, so steps of 150
    exact = Steps(K)
    assert restated.stages_in_steps(frame, exact) is frame


def test_a_rest_is_shown_where_it_is_none_or_k() -> None:
    rests = [restated._rest(*pair, K) for pair in ((30, 30), (30, 20), (30, 21), (20, 30), (None, 3), (30, None))]
    assert rests == [0, 10, None, None, None, None]


def test_goals_have_no_more_reached_than_mature_and_rates_of_published_counts() -> None:
    counts = {"mature": 208, "open": 31, "direct": 0, "late": 12, "reached": 104}
    rates = {"goal_rate": 0.5, "goal_rate_low": 0.43, "goal_rate_high": 0.57, "value": 1_000.0}
    frame = pl.DataFrame([{"goal": "Order", **counts, **rates}])
    steps = kept("goals", Order__mature=200, Order__open=30, Order__direct=0, Order__late=12, Order__reached=90)
    row = one(restated.goals_in_steps(frame, steps))
    assert [row[name] for name in counts] == [210, 30, 0, 12, 100]
    assert (row["goal_rate"], row["goal_rate_low"], row["goal_rate_high"]) == (0.4762, 0.3962, 0.5562)
    assert row["value"] == 1_000.0
    unmoved = kept("goals", **{f"Order__{name}": count for name, count in counts.items()})
    assert restated.goals_in_steps(frame, unmoved) is frame


def group(step: int, previous: int | None, reached: int | None, **more: Any) -> dict[str, Any]:
    rates = {"share": 0.5, "low": 0.45, "high": 0.55, "everyone": 0.4}
    gaps = {"difference": 0.1, "difference_low": 0.05, "difference_high": 0.15}
    return (
        {"dimension": "D", "segment": "a", "step": step, "previous": previous, "reached": reached} | rates | gaps | more
    )


def test_groups_have_counts_in_steps_and_their_share_of_these() -> None:
    rows = [group(2, 800, 404), group(3, 404, 203), group(4, 203, None, share=None, low=None, high=None)]
    frame = pl.DataFrame(rows)
    stages = pl.DataFrame({"step": [2, 3, 4], "share_of_previous": [0.41234, 0.3, 0.2]})
    steps = kept("segments", D__a__1=790, D__a__2=400, D__a__3=200)
    found = restated.segments_in_steps(frame, stages, steps)
    assert found is not None
    assert found["previous"].to_list() == [800, 400, 200] and found["reached"].to_list() == [400, 200, None]
    assert found["share"].to_list() == [0.5, 0.5, None]
    row = one(found)
    assert (row["everyone"], row["difference"]) == (0.4123, 0.1)
    assert (row["low"], row["high"]) == (0.44, 0.56)
    assert (row["difference_low"], row["difference_high"]) == (0.04, 0.16)
    assert found["difference"][2] == 0.1 and found["everyone"][2] == 0.4  # without a share nothing is derived
    withheld = pl.DataFrame([group(2, 800, None), group(3, None, None)], schema=frame.schema)
    shown = restated.segments_in_steps(withheld, stages, kept("segments", D__a__1=790))
    assert shown is not None and shown["share"].to_list() == [0.5, 0.5]  # no counts to make another of
    assert shown["previous"].to_list() == [800, None]
    same = kept("segments", D__a__1=800, D__a__2=404, D__a__3=203)
    assert restated.segments_in_steps(frame, stages, same) is frame


def test_a_week_of_an_earlier_report_is_in_steps_and_a_new_one_exact() -> None:
    weeks = [date(2026, 6, 1), date(2026, 6, 8)]
    frame = pl.DataFrame(
        {
            **{"step": 2, "week": weeks, "previous": 404, "share": 0.25},
            **{"low": 0.4123, "high": 0.6123, "unusual": True, "state": "shown"},
        }
    )
    steps = Steps(K, {"week 2026-06-01": {"2 · previous": 390, "2 · reached": 90}})
    first, second = (one(restated.weeks_in_steps(frame, steps), row) for row in (0, 1))
    assert (first["previous"], first["share"]) == (400, 0.25)  # 101 as 100
    assert (first["low"], first["high"]) == (0.4, 0.6)  # in steps of 0.05: ten of 400
    assert (first["unusual"], first["state"]) == (True, "shown")
    assert second == frame.row(1, named=True)


def test_a_week_that_cannot_be_said_in_steps_is_withheld() -> None:
    frame = pl.DataFrame(
        {
            **{"step": 2, "week": [date(2026, 6, 1)], "previous": 40, "share": 0.0},
            **{"low": 0.4, "high": 0.6, "unusual": True, "state": "shown"},
        }
    )
    steps = Steps(K, {"week 2026-06-01": {"2 · previous": 40, "2 · reached": 27}})
    row = one(restated.weeks_in_steps(frame, steps))
    assert (row["previous"], row["share"], row["state"]) == (40, None, "withheld")


def test_the_flow_has_counts_in_steps_and_shares_of_these() -> None:
    routes = [(["Ad", "Shop"], "abandoned", 400, 0), (["Ad", "Buy"], "converted", 600, 600)]
    flow = publishable_flow(fixtures.flow_frame(routes), {"Buy"}, K)
    steps = kept("flow", all=990, **{"1__Ad__units": 990, "2__Buy__units": 615, "2__Shop__units": 400})
    found = restated.flow_in_steps(flow, steps)
    assert found is not None and found.units == 1_000
    nodes = {row["touchpoint"]: row for row in found.nodes.to_dicts()}
    assert {name: row["units"] for name, row in nodes.items()} == {"Ad": 1_000, "Buy": 605, "Shop": 400}
    assert {name: row["share"] for name, row in nodes.items()} == {"Ad": 1.0, "Buy": 0.605, "Shop": 0.4}
    assert (nodes["Ad"]["goal_share"], nodes["Ad"]["goal_text"]) == (0.6, "60.0 %")
    links = {row["target"]: row for row in found.links.to_dicts()}
    assert (links["Buy"]["units"], links["Buy"]["share_of_source"]) == (600, 0.6)
    assert restated.flow_in_steps(flow, Steps(K)) is flow


def test_a_share_of_the_flow_that_is_a_bound_stays_and_others_are_rounded() -> None:
    row = {"units": 100, "left_share": 0.5678, "left_text": "56.8 %", "goal_share": 0.05, "goal_text": "under 10.0 %"}
    found = restated._rerouted(dict(row), K, ("left", "goal"))
    assert found == row | {"left_share": 0.55, "left_text": "55.0 %"}


def test_rows_with_a_share_have_that_of_the_published_count() -> None:
    frame = pl.DataFrame({"route": ["a", "b"], "units": [104, 50], "share": [0.208, 0.1]})
    steps = kept("paths", a__units=90, b__units=50)
    assert restated.shares_in_steps(frame, steps, "paths", ("route",), whole=500).rows() == [  # type: ignore[union-attr]
        ("a", 100, 0.2),
        ("b", 50, 0.1),
    ]
    implied = restated.shares_in_steps(frame, kept("paths", a__units=90, b__units=50), "paths", ("route",))
    assert implied is not None and implied["share"].to_list() == [0.2, 0.1]  # 104 are 20.8 % of 500
    gone = frame.with_columns(units=pl.Series([104, 0]))
    left = restated.shares_in_steps(gone, kept("paths", a__units=90, b__units=57), "paths", ("route",), whole=500)
    assert left is not None and left["route"].to_list() == ["a"]
    assert restated.shares_in_steps(frame, Steps(K), "paths", ("route",)) is frame
    whole = restated.shares_in_steps(frame[:1], kept("paths", a__units=90), "paths", ("route",), whole=60)
    assert whole is not None and whole["share"].to_list() == [1.0]


def test_the_whole_of_a_stage_is_implied_by_its_largest_row() -> None:
    frame = pl.DataFrame(
        {
            "stage": ["s", "s", "t"],
            "touchpoint": ["a", "b", "c"],
            "customers": [104, 300, 60],
            "share": [0.21, 0.6, 0.25],
        }
    )
    steps = kept("use", s__a__customers=90, s__b__customers=300, t__c__customers=60)
    found = restated.shares_in_steps(frame, steps, "use", ("stage", "touchpoint"))
    assert found is not None and found["share"].to_list() == [0.2, 0.6, 0.25]


def test_moves_and_times_are_in_steps_and_shares_of_times_are_of_their_sum() -> None:
    moves = pl.DataFrame({"source": ["a", "b"], "target": ["b", "c"], "transitions": [104, 0], "customers": [50, 0]})
    steps = kept("moves", a__b__transitions=90, b__c__transitions=17, a__b__customers=50, b__c__customers=10)
    assert restated.moves_in_steps(moves, steps).rows() == [("a", "b", 100, 50)]  # type: ignore[union-attr]
    times = pl.DataFrame({"name": ["day", "week"], "journeys": [104, 300], "share": [0.2574, 0.7426]})
    found = restated.times_in_steps(times, kept("times", day__journeys=90, week__journeys=300))
    assert found is not None and found["share"].to_list() == [0.25, 0.75]
    assert restated.times_in_steps(times, Steps(K)) is times


def test_satisfaction_is_the_share_of_published_answers() -> None:
    frame = pl.DataFrame({"stage": ["s"], "responses": [204], "satisfied": [0.5], "low": [0.43], "high": [0.57]})
    row = one(restated.voice_in_steps(frame, kept("voice", s__responses=190, s__satisfied=90)))
    assert (row["responses"], row["satisfied"]) == (200, 0.5)  # 102 as 100
    assert (row["low"], row["high"]) == (0.42, 0.58)
    assert restated.voice_in_steps(frame, Steps(K)) is frame


def test_changes_are_rounded_by_the_smaller_period() -> None:
    ends = {"entered_low": -0.02, "entered_high": 0.08, "previous_low": -0.02, "previous_high": 0.08}
    gaps = {"entered_difference": 0.0345, "previous_difference": 0.0345}
    frame = pl.DataFrame([{"step": 2, "earlier_entered": 504, "later_entered": 1_000, **gaps, **ends}])
    steps = kept("changes", **{"2__earlier_entered": 490, "2__later_entered": 1_000})
    row = one(restated.changes_in_steps(frame, steps))
    assert (row["earlier_entered"], row["later_entered"]) == (500, 1_000)
    assert (row["entered_difference"], row["previous_difference"]) == (0.04, 0.04)  # in steps of 0.02
    assert (row["entered_low"], row["entered_high"]) == (-0.02, 0.1)


def test_curves_and_links_are_rounded_once_their_counts_have_moved() -> None:
    curve = pl.DataFrame(
        {"group": ["a"], "days": [3], "journeys": [504], "share": [0.3456], "low": [0.3], "high": [0.4]}
    )
    moved = kept("incidence", a__3__journeys=490)
    assert restated.incidence_in_steps(curve, moved).rows() == [("a", 3, 500, 0.34, 0.3, 0.4)]  # type: ignore[union-attr]
    other = kept("times", day=90)
    other.count("times", ("day",), 104)
    assert one(restated.incidence_in_steps(curve, other))["share"] == 0.34
    assert restated.incidence_in_steps(curve, Steps(K)) is curve
    facts = kept("facts", touches=1_000)
    facts.count("facts", ("touches",), 1_050)
    linked = restated.linked_in_steps(pl.DataFrame({"way": ["login"], "share": [0.3456]}), 1_050, facts)
    assert one(linked)["share"] == 0.35  # in steps of 0.01
    refused = restated.refused_in_steps(
        pl.DataFrame({"reason": ["bad"], "messages": [57]}), kept("refused", bad__messages=50)
    )
    assert one(refused)["messages"] == 60
