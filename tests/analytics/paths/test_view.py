"""Every analysis of paths takes the same breakdowns and filters: it is then the analysis of those units alone."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import (
    Paths,
    Selection,
    channels,
    conformance,
    designed_steps,
    deviations,
    effort,
    flow,
    flow_routes,
    handoffs,
    match,
    matches,
    step_matrix,
    transitions,
    variants,
)
from expectations.errors import DefinitionError
from tests.analytics.experience.test_channels import staged
from tests.analytics.paths.test_transitions import PEOPLE, SIZE, units_of
from tests.oracles.paths import Unit
from tests.written import frame_in_parts, paths

DESIGN = ["a", "b"]
ANALYSES: list[tuple[Any, list[Any]]] = [
    (transitions, []),
    (flow, []),
    (flow_routes, []),
    (step_matrix, [4]),
    (variants, []),
    (match, ["a .* b"]),
    (conformance, [DESIGN]),
    (deviations, [DESIGN]),
    (designed_steps, [DESIGN]),
    (effort, []),
    (channels, []),
    (handoffs, []),
]
ONE_ROW = (match, conformance)
NAMES = st.lists(st.sampled_from("abc"), max_size=2, unique=True)


def grouped(units: list[Unit]) -> pl.DataFrame:
    """Touches of the units, whose channels are called as their touchpoints.

    Every other journey of a customer begins in group x, the others in group y; later touches are of group z.
    """
    frame = staged(units).touches.collect()
    odd, first = pl.col("journey") % 2 == 1, pl.int_range(pl.len()).over("customer", "journey") == 0
    name = pl.when(odd).then(pl.lit("x")).otherwise(pl.lit("y"))
    return frame.with_columns(pl.when(first).then(name).otherwise(pl.lit("z")).alias("group"), name.alias("of"))


@pytest.mark.parametrize(("analysis", "arguments"), ANALYSES)
@settings(deadline=None, max_examples=20)
@given(people=PEOPLE, size=SIZE)
def test_a_group_is_the_analysis_of_its_units_alone(
    analysis: Any, arguments: list[Any], people: list, size: int
) -> None:
    frame = grouped(units_of(people))
    table = analysis(frame_in_parts(frame, size), *arguments, by="group")
    assert set(table["group"].drop_nulls()) <= {"x", "y"}
    for name in ("x", "y"):
        own = frame.filter(pl.col("of") == name)
        apart = analysis(Paths.from_frame(own), *arguments)
        if own.is_empty() and analysis in ONE_ROW:
            apart = apart.head(0)
        assert_frame_equal(table.filter(pl.col("group") == name).drop("group", "is_total"), apart.drop("is_total"))


@pytest.mark.parametrize(("analysis", "arguments"), ANALYSES)
@pytest.mark.parametrize(
    "name", ["group", "person", "path", "cell", "code", "cost", "duration", "fitness", "key", "wait"]
)
def test_a_breakdown_has_any_name_or_is_refused(analysis: Any, arguments: list[Any], name: str) -> None:
    shop = Paths.from_frame(grouped(units_of([[("converted", [(0, "a"), (1, "b")]), ("open", [(0, "a")])]])))
    expected = analysis(shop, *arguments, by="group")
    try:
        table = analysis(shop, *arguments, by=pl.col("group").alias(name))
    except DefinitionError as error:
        assert name != "group" and "rename it" in str(error)
        return
    assert_frame_equal(table.rename({name: "group"}), expected)


@pytest.mark.parametrize(("analysis", "arguments"), [*ANALYSES, (matches, ["a .* b"])])
@settings(deadline=None, max_examples=20)
@given(people=PEOPLE, size=SIZE, start=NAMES, end=NAMES, through=NAMES)
def test_filters_leave_the_analysis_of_the_units_that_meet_them(
    analysis: Any, arguments: list[Any], people: list, size: int, start: list[str], end: list[str], through: list[str]
) -> None:
    units = units_of(people)
    frame = grouped(units)
    kept = [unit for unit in units if meets([name for _, name in unit[2]], start, end, through)]
    table = analysis(frame_in_parts(frame, size), *arguments, among=Selection(start=start, end=end, through=through))
    apart = analysis(Paths.from_frame(grouped(kept)), *arguments)
    if analysis is matches:
        assert table.drop("unit").rows() == apart.drop("unit").rows()
    else:
        assert_frame_equal(table, apart)


def meets(path: list[str], start: list[str], end: list[str], through: list[str]) -> bool:
    """Whether a path starts and ends with one of these, and passes through all of those."""
    return (not start or path[0] in start) and (not end or path[-1] in end) and all(name in path for name in through)


def test_several_columns_and_conditions_break_down_together() -> None:
    shop = paths({"ann": "a@0m[device=phone,value=3] b@1m[device=desk,value=9]", "bo": "a@0m[device=desk,value=8]"})
    table = variants(shop, by=["device", (pl.col("value") > 5).alias("dear")])
    assert table.filter("is_total")["device", "dear", "path"].rows() == [(None, None, ["a"]), (None, None, ["a", "b"])]
    groups = table.filter(~pl.col("is_total"))
    assert groups["device", "dear", "path"].rows() == [("desk", True, ["a"]), ("phone", False, ["a", "b"])]


def test_touches_are_left_out_before_paths_are_read() -> None:
    shop = paths({"ann": "a@0m[device=phone] b@1m[device=desk] c@2m[device=phone]"})
    kept = Selection(where=pl.col("device") == "phone", start="a", end="c")
    assert variants(shop, among=kept)["path"].to_list() == [["a", "c"]]
    assert transitions(shop, among=kept)["source", "target"].sort("source").rows() == [
        ("START", "a"),
        ("a", "c"),
        ("c", "END_open"),
    ]


def test_a_condition_of_no_column_is_met_by_all_touches_or_by_none() -> None:
    shop = paths({"ann": "a@0m b@1m", "bo": "c@0m"})
    assert variants(shop, where=pl.lit(True)).equals(variants(shop))
    assert variants(shop, where=pl.lit(False)).is_empty()
