"""Whole paths and positions are counted as their definitions say."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import Selection, step_matrix, variants, wilson
from analytics.store.ordering import split_at_customers
from expectations.errors import DefinitionError
from tests.analytics.paths.test_transitions import PEOPLE, SIZE, paths_of, units_of
from tests.oracles.moves import cells, customers_in, whole
from tests.written import START, paths

JOURNEYS = {"ann": "visit@0m[device=phone] pay@5m", "bo": "visit@0m[device=desk] pay@9m", "cy": "look@0m[device=desk]"}


def test_a_variant_has_its_share_of_all_units_also_when_only_the_top_is_asked_for() -> None:
    row = variants(paths(JOURNEYS), top=1).row(0, named=True)
    assert (row["path"], row["units"], row["share_of_units"]) == (["visit", "pay"], 2, pytest.approx(2 / 3))
    assert row["median_duration"] == timedelta(minutes=7)


def test_a_customer_counts_once_on_a_path_and_in_the_share_of_all_customers() -> None:
    again = "visit@0m[journey=1] pay@1m[journey=1] visit@9m[journey=2] pay@10m[journey=2] look@20m[journey=3]"
    table = variants(paths({"ann": again, "bo": "look@0m[journey=1]"}))
    assert table["path", "units", "share_of_units", "customers", "share_of_customers"].rows() == [
        (["look"], 2, 0.5, 2, 1.0),
        (["visit", "pay"], 2, 0.5, 1, 0.5),
    ]


def test_rare_variants_are_left_out_of_the_list_and_not_of_the_shares() -> None:
    expected = [(["visit", "pay"], 2, 2, 2 / 3)]
    assert variants(paths(JOURNEYS), min_units=2)["path", "units", "customers", "share_of_units"].rows() == expected
    grouped = variants(paths(JOURNEYS), by="device", min_units=2)
    assert grouped["is_total", "path", "units", "customers", "share_of_units"].rows() == [(True, *expected[0])]
    with pytest.warns(DeprecationWarning, match="min_units"):
        assert variants(paths(JOURNEYS), least=2)["units"].to_list() == [2]
    with pytest.raises(DefinitionError, match="min_units 0"):
        variants(paths(JOURNEYS), min_units=0)


def test_variants_and_cells_are_broken_down_with_totals_first() -> None:
    every = variants(paths(JOURNEYS))
    table = variants(paths(JOURNEYS), by="device")
    assert every["is_total"].all()
    assert table.head(len(every)).drop("device").equals(every)
    assert table.head(len(every))["device"].is_null().all()
    assert table.filter(~pl.col("is_total"))["device", "path", "share_of_units"].rows() == [
        ("desk", ["look"], 0.5),
        ("desk", ["visit", "pay"], 0.5),
        ("phone", ["visit", "pay"], 1.0),
    ]
    table = step_matrix(paths(JOURNEYS), 2, by="device")
    sums = table.group_by("device", "position").agg(pl.col("share_of_units").sum())["share_of_units"]
    assert sums.to_list() == [1.0] * 6
    assert table.filter("is_total").drop("device").equals(step_matrix(paths(JOURNEYS), 2))


@pytest.mark.parametrize(
    ("among", "units"),
    [
        (Selection(start="visit"), 2),
        (Selection(end=["look", "pay"]), 3),
        (Selection(through=["visit", "pay"]), 2),
        (Selection(through="nowhere"), 0),
        (Selection(where=pl.col("touchpoint") != "pay", end="visit"), 2),
        (Selection(where=(pl.col("touchpoint") != "pay") & (pl.col("touchpoint") != "look")), 2),
    ],
)
def test_units_are_selected(among: Selection, units: int) -> None:
    assert variants(paths(JOURNEYS), among=among)["units"].sum() == units
    assert step_matrix(paths(JOURNEYS), 1, among=among)["units"].sum() == units


def test_no_touches_and_wrong_words() -> None:
    assert variants(paths({})).is_empty()
    assert step_matrix(paths({})).columns == ["is_total", "position", "node", "units", "customers", "share_of_units"]
    with pytest.raises(DefinitionError, match="depth 0"):
        step_matrix(paths({}), 0)
    with pytest.raises(DefinitionError, match="No variant"):
        variants(paths({}), top=0)
    with pytest.raises(DefinitionError, match="cannot be a breakdown"):
        variants(paths({"ann": "a@0m[path=b]"}), by="path")


@settings(deadline=None, max_examples=80)
@given(PEOPLE, SIZE, st.booleans())
def test_variants_are_those_of_the_definition(people: list, size: int, collapse: bool) -> None:
    units = units_of(people)
    table = variants(paths_of(units, size), collapse=collapse)
    lasts = pl.col("median_duration").dt.total_milliseconds() / 1000
    rows = table.select("path", "units", "mature", "reached", lasts, "customers", "share_of_customers")
    expected = {path: pytest.approx(expected_row) for path, expected_row in whole(units, collapse).items()}
    assert {tuple(row[0]): row[1:] for row in rows.rows()} == expected
    assert table["share_of_units"].sum() == pytest.approx(1.0 if units else 0.0)


@settings(deadline=None, max_examples=80)
@given(PEOPLE, SIZE, st.integers(1, 6))
def test_every_position_sums_to_one_with_the_ended_units(people: list, size: int, depth: int) -> None:
    units = units_of(people)
    table = step_matrix(paths_of(units, size), depth)
    assert {row[:2]: row[2] for row in table["position", "node", "units"].rows()} == dict(cells(units, depth))
    assert {row[:2]: row[2] for row in table["position", "node", "customers"].rows()} == customers_in(units, depth)
    sums = table.group_by("position").agg(pl.col("share_of_units").sum())["share_of_units"]
    assert sums.to_list() == pytest.approx([1.0] * (depth if units else 0))


def test_a_goal_rate_is_judged_by_customers() -> None:
    journey = "a@{0}m[journey={1},outcome={2}] b@{0}m[journey={1},outcome={2}]"
    shop = {
        f"c{i}": " ".join(journey.format(9 * n, n + 1, "converted" if i < 2 else "abandoned") for n in range(4))
        for i in range(4)
    }
    row = variants(paths(shop, end="60d")).row(0, named=True)
    low, high = wilson(2, 4)
    assert (row["units"], row["reached"], row["goal_rate"]) == (16, 8, 0.5)
    assert (row["goal_rate_low"], row["goal_rate_high"]) == (pytest.approx(low.item()), pytest.approx(high.item()))


def test_only_units_count_that_begin_in_the_range() -> None:
    shop = paths({"ann": "a@0m[journey=1] b@9m[journey=1] c@20m[journey=2]"})
    times = {"start": START, "end": START + timedelta(minutes=20)}
    assert variants(shop, **times)["path"].to_list() == [["a", "b"]]
    assert variants(shop, start=times["end"], where=pl.col("touchpoint") != "b")["path"].to_list() == [["c"]]


def test_parts_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    journeys = {f"c{i}": "a@0m b@1m a@2m" for i in range(9)}
    tables = variants(paths(journeys)), step_matrix(paths(journeys))
    monkeypatch.setattr("analytics.store.paths.split_at_customers", lambda counts: split_at_customers(counts, 4))
    assert variants(paths(journeys)).equals(tables[0])
    assert step_matrix(paths(journeys)).equals(tables[1])


@settings(deadline=None, max_examples=60)
@given(PEOPLE, SIZE, st.integers(1, 4), st.booleans())
def test_the_top_are_the_first_rows_of_all(people: list, size: int, top: int, grouped: bool) -> None:
    shop, by = paths_of(units_of(people), size), ["customer"] if grouped else []
    every = variants(shop, by=by)
    first = every.filter(pl.int_range(pl.len()).over("is_total", *by) < top)
    assert_frame_equal(variants(shop, by=by, top=top), first, rel_tol=1e-14)
    order = sorted(
        every.rows(named=True),
        key=lambda row: (not row["is_total"], (row["customer"] or "") if grouped else "", -row["units"], row["path"]),
    )
    assert [row["path"] for row in order] == every["path"].to_list()
