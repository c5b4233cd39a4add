"""A flow counts each unit once per position; its anchored prefix is the strict funnel of the same steps."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Funnel, Step, flow, flow_cells, flow_routes, funnel
from expectations.errors import DefinitionError
from tests.analytics.paths.test_transitions import PEOPLE, SIZE, paths_of, units_of
from tests.oracles.paths import links, routes
from tests.written import START, paths

MANY = int(os.environ.get("JOURNEYS_EXAMPLES", "40"))
ANCHOR = st.sampled_from([None, "a", "b"])


def test_links_lead_from_position_to_position_and_out() -> None:
    journeys = {"ann": "visit@0m cart@1m pay@2m", "bo": "visit@0m cart@1m", "cy": "visit@0m"}
    assert flow(paths(journeys))["position", "source", "target", "units"].rows() == [
        (1, "visit", "cart", 2),
        (1, "visit", "END_open", 1),
        (2, "cart", "END_open", 1),
        (2, "cart", "pay", 1),
        (3, "pay", "END_open", 1),
    ]


def test_the_rest_of_a_position_is_other() -> None:
    journeys = {"ann": "visit@0m", "bo": "visit@0m", "cy": "ad@0m", "di": "mail@0m"}
    assert flow(paths(journeys), top=1)["source", "units"].rows() == [("other", 2), ("visit", 2)]


def test_a_flow_runs_backwards_from_its_last_goal() -> None:
    table = flow(paths({"ann": "ad@0m visit@1m pay@2m look@3m"}), target="pay")
    assert table["source", "target"].rows() == [("pay", "visit"), ("visit", "ad"), ("ad", "START")]


def test_between_two_anchors_a_path_ends_with_the_second() -> None:
    table = flow_routes(
        paths({"ann": "ad@0m visit@1m look@2m pay@3m look@4m", "bo": "visit@0m"}), source="visit", target="pay"
    )
    assert table.rows() == [(True, ["visit", "look", "pay"], None, 1, 0, 0)]


def test_a_long_pause_ends_the_path() -> None:
    assert flow_routes(paths({"ann": "a@0m b@1m c@99m"}), gap="5m").rows() == [
        (True, ["a", "b"], "END_abandoned", 1, 0, 0)
    ]


def test_a_flow_back_from_the_first_goal_on_request() -> None:
    journey = {"ann": "ad@0m pay@1m visit@2m pay@3m"}
    assert flow(paths(journey), target="pay", occurrence="first")["source", "target"].rows() == [
        ("pay", "ad"),
        ("ad", "START"),
    ]


def test_an_anchor_may_be_any_of_several() -> None:
    assert flow(paths({"ann": "ad@0m b@1m c@2m"}), source=["c", "b"])["source"].to_list() == ["b", "c"]


def test_groups_share_what_is_kept_and_other_counts_customers_as_a_set() -> None:
    journeys = {
        "ann": "a@0m[device=phone,journey=1] b@1m[device=phone,journey=1] "
        "a@2m[device=phone,journey=2] c@3m[device=phone,journey=2]",
        "bo": "a@0m[device=desk,journey=1] d@1m[device=desk,journey=1] ",
        "cy": "a@0m[device=desk,journey=1] d@1m[device=desk,journey=1] ",
    }
    table = flow(paths(journeys), by="device", top=1).filter(pl.col("position") == 1)
    assert table.filter("is_total")["target", "units", "customers"].rows() == [("d", 2, 2), ("other", 2, 1)]
    table = table.filter(~pl.col("is_total"))
    assert table["device", "target", "units", "customers"].rows() == [("desk", "d", 2, 2), ("phone", "other", 2, 1)]


@pytest.mark.parametrize("function", [flow, flow_routes])
def test_the_total_is_the_answer_without_a_breakdown(function: Callable[..., pl.DataFrame]) -> None:
    journeys = {"ann": "a@0m[device=phone] b@1m", "bo": "a@0m[device=desk] c@1m", "cy": "b@0m[device=desk]"}
    table = function(paths(journeys), by="device", top=1)
    assert table.filter("is_total").drop("device").equals(function(paths(journeys), top=1))
    groups = table.filter(~pl.col("is_total")).group_by(table.columns[2:4]).agg(pl.col("units").sum())
    assert groups["units"].sum() == table.filter("is_total")["units"].sum()


def test_texts_as_start_and_end_are_read_as_source_and_target() -> None:
    shop = paths({"ann": "ad@0m visit@1m pay@2m"})
    with pytest.warns(DeprecationWarning, match="source"):
        assert flow(shop, start="visit").equals(flow(shop, source="visit"))  # type: ignore[arg-type]
    with pytest.warns(DeprecationWarning, match="target"):
        assert flow_routes(shop, end=["pay"]).equals(flow_routes(shop, target=["pay"]))  # type: ignore[arg-type]


def test_only_units_count_that_begin_in_the_range() -> None:
    shop = paths({"ann": "a@0m[journey=1] b@9m[journey=1] c@20m[journey=2]"})
    assert flow_routes(shop, end=START + timedelta(minutes=20))["route"].to_list() == [["a", "b"]]
    assert flow(shop, start=START + timedelta(minutes=1))["source"].to_list() == ["c"]


def test_a_mean_wait_is_exact_over_parts() -> None:
    waits = [1, 2, 3, 59, 60 * 24 * 90]
    journeys = {f"c{i}": f"a@0m b@{wait}m" for i, wait in enumerate(waits)}
    row = flow(paths(journeys)).row(0, named=True)
    assert row["mean_wait"] == timedelta(minutes=sum(waits)) / len(waits)
    assert row["median_wait"] == timedelta(minutes=3)


def test_repeats_are_merged_and_waits_reported() -> None:
    row = flow(paths({"ann": "a@0m a@1m b@5m"}), collapse=True).row(0, named=True)
    assert (row["source"], row["target"], row["mean_wait"]) == ("a", "b", timedelta(minutes=5))


def test_a_depth_of_one_raises_an_error_and_an_empty_flow_has_no_rows() -> None:
    with pytest.raises(DefinitionError, match="too small"):
        flow(paths({}), depth=1)
    assert flow(paths({})).is_empty()
    assert flow(paths({"ann": "a@0m"}), source="nowhere").is_empty()


@settings(deadline=None, max_examples=MANY)
@given(PEOPLE, SIZE, ANCHOR, ANCHOR, st.integers(2, 4), st.integers(1, 2), st.sampled_from([None, 5]))
def test_routes_and_links_are_those_of_the_definition(
    people: list, size: int, start: str | None, end: str | None, depth: int, top: int, gap: int | None
) -> None:
    units = units_of(people)
    pause = None if gap is None else timedelta(seconds=gap)
    shop = paths_of(units, size)
    table = flow_routes(shop, source=start, target=end, depth=depth, top=top, gap=pause)
    found = Counter({(tuple(row["route"]), row["ended"]): row["units"] for row in table.iter_rows(named=True)})
    assert found == routes(units, start, end, depth, top, gap)
    table = flow(shop, source=start, target=end, depth=depth, top=top, gap=pause)
    rows = table["position", "source", "target", "units", "customers", "reached"].rows()
    assert {row[:3]: row[3:] for row in rows} == links(units, start, end, depth, top, gap)
    cells = flow_cells(shop, source=start, target=end, depth=depth, top=top, gap=pause)
    linked = cells.filter(pl.col("target").is_not_null(), pl.col("through").is_null())
    assert sorted(linked["position", "source", "target", "units", "customers", "reached"].rows()) == sorted(rows)


def test_the_cells_of_a_flow_count_a_customer_once() -> None:
    won, lost = "[journey={0},outcome=converted]", "[journey={0},outcome=abandoned]"
    ann = f"a@0d{won} pay@1d{won}".replace("{0}", "1") + f" a@9d{won} pay@10d{won}".replace("{0}", "2")
    bo = f"a@0d{lost} b@1d{lost}".replace("{0}", "1")
    cells = flow_cells(paths({"ann": ann, "bo": bo}, end="90d"), depth=3)
    columns = ("units", "customers", "mature", "reached", "customers_reached", "customers_lost")
    found = {(row["position"], row["source"], row["target"], row["through"]): [row[name] for name in columns]
             for row in cells.rows(named=True)}  # fmt: skip
    assert found[1, "a", None, None][:3] == [3, 2, 3]
    assert found[1, "a", "pay", None][:2] == [2, 1]
    assert found[1, "a", "pay", "a"][:2] == found[1, "a", "pay", "pay"][:2] == [2, 1]
    assert found[2, "b", "END_abandoned", None][:2] == [1, 1]
    assert (1, "a", "pay", "b") not in found


def test_no_touches_give_no_cells_of_a_flow() -> None:
    assert flow_cells(paths({})).is_empty()


@settings(deadline=None, max_examples=60)
@given(PEOPLE, SIZE, st.sampled_from(["ab", "aab", "abc", "ba"]))
def test_an_anchored_prefix_is_the_strict_funnel_of_the_same_steps(people: list, size: int, steps: str) -> None:
    shop = paths_of(units_of(people), size)
    table = flow_routes(shop, source=steps[0], unit="customer", depth=4, top=9)
    taken = [
        table.filter(pl.col("route").list.head(k + 1) == list(steps[: k + 1]))["units"].sum() for k in range(len(steps))
    ]
    first, *rest = steps
    asked = Funnel([Step(first, first_time="any"), *rest], "300d", order="strict", maturity="clip", ties="sequence")
    assert funnel(shop, asked)["reached"].to_list() == taken


def test_a_value_called_other_is_apart_from_the_values_that_are_not_named() -> None:
    seconds = ["other"] * 7 + ["B"] * 9 + [f"rare{number}" for number in range(5)]
    table = flow(paths({f"c{number}": f"A@0m {name}@1m" for number, name in enumerate(seconds)}), depth=2, top=2)
    assert dict(table.filter(position=1)["target", "units"].rows()) == {"B": 9, "'other'": 7, "other": 5}
