"""The Routes page shows the numbers of the public functions."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from analytics import step_matrix, variants
from analytics.touches.rules import PathRules
from reports.privacy.paths import publishable_moves, publishable_paths, publishable_positions, publishable_use
from reports.questions.ask import answers_about
from reports.settings import ReportSettings
from tests.written import START, Paths, at, frame

KINDS = {
    "END_converted": "ad@0m look@1m cart@2m pay@3m",
    "END_abandoned": "ad@0m look@1m",
    "END_open": "look@0m look@1m cart@2m",
}
TAKEN = {"END_converted": 31, "END_abandoned": 57, "END_open": 12}


def shop() -> Paths:
    """Journeys with one path per outcome, each taken by a known number of customers."""
    parts = []
    for kind, path in KINDS.items():
        rows = frame({f"{kind} {number}": path for number in range(TAKEN[kind])})
        parts.append(rows.with_columns(outcome=pl.lit(kind.removeprefix("END_"))))
    stage = {"ad": "Awareness", "look": "Interest", "cart": "Desire", "pay": "Action"}
    touches = pl.concat(parts).with_columns(
        journey=pl.lit(1, pl.UInt32), stage=pl.col("touchpoint").replace_strict(stage, return_dtype=pl.String)
    )
    return Paths.from_frame(touches, end_of_data=START + timedelta(days=60))


def test_the_page_shows_the_numbers_of_variants_and_step_matrix() -> None:
    paths = shop()
    answers = answers_about(paths, ReportSettings(segments=[]), PathRules(goal=["pay"]))
    whole = variants(paths)
    assert answers.paths is not None and answers.positions is not None
    assert answers.paths.rows() == [
        (["ad", "look", "cart", "pay"], "reached", 31, 0.31),
        (["ad", "look"], "abandoned", 57, 0.57),
    ]
    shown, listed = answers.paths.sort("units", descending=True), whole.filter(pl.col("units") >= 30)
    assert shown["route"].to_list() == listed["path"].to_list()
    assert shown["units"].to_list() == listed["mature"].to_list()
    assert shown["share"].to_list() == listed["share_of_units"].round(4).to_list()
    ends = {"reached": "END_converted", "abandoned": "END_abandoned", "open": "END_open"}
    cells = answers.positions.select("position", pl.col("touchpoint").replace(ends), "units", "share")
    matrix = step_matrix(paths, 8).select("position", "node", "units", pl.col("share_of_units").round(3))
    assert sorted(cells.rows()) == sorted(matrix.rows())


def test_a_path_that_ends_both_ways_is_listed_in_both_and_long_ones_are_not() -> None:
    paths = [["a"], ["b"] * 11, ["c"]]
    table = pl.DataFrame({"path": paths, "units": [99, 60, 40], "mature": [70, 60, 40], "reached": [30, 0, 39]})
    table = table.with_columns(customers_reached="reached", customers_lost=pl.col("mature") - pl.col("reached"))
    assert publishable_paths(table, 200, 10, 30).rows() == [
        (["c"], "reached", 39, 0.195),
        (["a"], "reached", 30, 0.15),
        (["a"], "abandoned", 40, 0.2),
    ]


def test_rare_touchpoints_are_merged_and_small_cells_left_out() -> None:
    cells = {"position": pl.Series([1, 1, 1, 1], dtype=pl.UInt32), "node": ["a", "b", "c", "END_open"]}
    matrix = pl.DataFrame({**cells, "units": [60, 11, 25, 4], "share_of_units": [0.6, 0.11, 0.25, 0.04]})
    matrix = matrix.with_columns(customers="units")
    assert publishable_positions(matrix, 10, max_touchpoints=1).rows() == [
        (1, "a", "touchpoint", 60, 0.6),
        (1, "other", "touchpoint", 40, 0.4),
    ]


def test_a_report_counts_who_objects_to_profiling_like_everyone() -> None:
    stages = [{"name": "Awareness", "touchpoints": ["ad"]}, {"name": "Interest", "touchpoints": ["look"]}]
    rules = PathRules.model_validate({"goal": ["pay"], "stages": stages})
    journeys = {f"{day} {n}": f"ad@{day}d look@{day + 1}d" for day in range(0, 60, 7) for n in range(90)}
    touches = frame(journeys).with_columns(device=pl.lit("mobile"), channel=pl.lit("web"))
    everyone = Paths.from_frame(touches, end_of_data=at("150d"), rules=rules)
    objecting = Paths(
        everyone.parts,
        everyone.schema,
        everyone.dictionaries,
        everyone.end_of_data,
        definition=everyone.definition,
        objected=list(journeys)[:300],
    )
    answers = [answers_about(paths, ReportSettings(segments=["device"]), rules) for paths in (everyone, objecting)]
    assert answers[0].cube is not None and answers[1].cube is not None
    assert answers[0].cube.cells.equals(answers[1].cube.cells)
    assert answers[0].stages.equals(answers[1].stages)


def test_a_share_at_a_position_is_of_the_true_count_not_of_the_rounded_one() -> None:
    counts = {"Ad": 7326, "Mail": 5, "Home": 22394}
    matrix = pl.DataFrame(
        {"position": 1, "node": list(counts), "units": list(counts.values())}, schema_overrides={"position": pl.UInt32}
    ).with_columns(customers="units", share_of_units=pl.col("units") / sum(counts.values()))
    shown = publishable_positions(matrix, 10).filter(touchpoint="Ad").row(0, named=True)
    assert (shown["units"], shown["share"]) == (7330, 0.246)  # 7,330 would be 0.247


def test_paths_and_cells_of_few_customers_are_left_out_however_many_journeys_they_have() -> None:
    table = pl.DataFrame({"path": [["a"], ["b"]], "units": [99, 60], "mature": [99, 60], "reached": [40, 0]})
    people = table.with_columns(customers_reached=pl.Series([9, 0]), customers_lost=pl.Series([12, 9]))
    assert publishable_paths(people, 200, 10, 30)["route", "ended"].rows() == [(["a"], "abandoned")]
    cells = {"position": pl.Series([1, 1], dtype=pl.UInt32), "node": ["a", "b"], "units": [63, 12]}
    matrix = pl.DataFrame({**cells, "customers": [63, 9], "share_of_units": [0.84, 0.16]})
    assert publishable_positions(matrix, 10).rows() == [(1, "a", "touchpoint", 60, 0.8)]


def test_paths_and_touchpoints_that_are_as_frequent_are_in_the_order_of_their_names() -> None:
    table = pl.DataFrame({"path": [["b"], ["a"], ["c"]], "units": 40, "mature": 40, "reached": [40, 40, 0]})
    people = table.with_columns(customers_reached="reached", customers_lost=pl.col("mature") - pl.col("reached"))
    assert publishable_paths(people, 200, 10, 30)["route"].to_list() == [["a"], ["b"], ["c"]]
    assert publishable_paths(people, 200, 10, 30, max_paths=1)["route"].to_list() == [["a"], ["c"]]
    cells = {"position": pl.Series([1, 1, 1], dtype=pl.UInt32), "node": ["b", "a", "c"], "units": 40}
    matrix = pl.DataFrame({**cells, "customers": 40, "share_of_units": 1 / 3})
    assert publishable_positions(matrix, 10, 1)["touchpoint"].to_list() == ["a", "other"]
    assert publishable_positions(matrix, 10)["share"].to_list() == [0.333] * 3
    assert publishable_positions(matrix, 10, 1, is_rounded=True)["share"].to_list() == [0.3, 0.7]


def test_moves_and_uses_of_few_are_left_out_and_the_others_rounded() -> None:
    moves = pl.DataFrame(
        {"source": ["b", "a", "c"], "target": ["x", "y", "z"], "transitions": [56, 56, 99], "customers": [13, 10, 9]}
    )
    assert publishable_moves(moves, 10).rows() == [("a", "y", 60, 10), ("b", "x", 60, 10)]
    assert publishable_moves(moves[:2], 10).rows() == [("a", "y", 56, 10), ("b", "x", 56, 13)]
    use = pl.DataFrame({"stage": "s", "touchpoint": list("abc"), "customers": [10, 9, 12], "of": [500, 500, 601]})
    assert publishable_use(use, 10).rows() == [("s", "a", 10, 0.02)]  # 12 of 601 are fewer than 2 %
    assert publishable_use(use, 10, min_share=0.0)["share"].to_list() == [0.02, 0.02]
