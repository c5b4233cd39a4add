"""Whole paths and positions are counted as their definitions say."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import Selection, step_matrix, variants
from analytics.store.ordering import split_at_customers
from expectations.errors import DefinitionError
from tests.analytics.paths.test_transitions import PEOPLE, SIZE, paths_of, units_of
from tests.oracles.moves import cells, whole
from tests.written import paths

JOURNEYS = {"ann": "visit@0m[device=phone] pay@5m", "bo": "visit@0m[device=desk] pay@9m", "cy": "look@0m[device=desk]"}


def test_a_variant_has_its_share_of_all_units_also_when_only_the_top_is_asked_for() -> None:
    row = variants(paths(JOURNEYS), top=1).row(0, named=True)
    assert (row["path"], row["units"], row["share"]) == (["visit", "pay"], 2, pytest.approx(2 / 3))
    assert row["median_duration"] == timedelta(minutes=7)


def test_a_customer_counts_once_on_a_path_and_in_the_share_of_all_customers() -> None:
    again = "visit@0m[journey=1] pay@1m[journey=1] visit@9m[journey=2] pay@10m[journey=2] look@20m[journey=3]"
    table = variants(paths({"ann": again, "bo": "look@0m[journey=1]"}))
    assert table["path", "units", "share", "customers", "share_of_customers"].rows() == [
        (["look"], 2, 0.5, 2, 1.0),
        (["visit", "pay"], 2, 0.5, 1, 0.5),
    ]


def test_rare_variants_are_left_out_of_the_list_and_not_of_the_shares() -> None:
    assert variants(paths(JOURNEYS), least=2)["path", "units", "share"].rows() == [(["visit", "pay"], 2, 2 / 3)]
    assert variants(paths(JOURNEYS), by="device", least=2).is_empty()
    with pytest.raises(DefinitionError, match="least 0"):
        variants(paths(JOURNEYS), least=0)


def test_variants_and_cells_are_broken_down() -> None:
    assert variants(paths(JOURNEYS), by="device")["device", "path", "share"].rows() == [
        ("desk", ["look"], 0.5),
        ("desk", ["visit", "pay"], 0.5),
        ("phone", ["visit", "pay"], 1.0),
    ]
    table = step_matrix(paths(JOURNEYS), 2, by="device")
    assert table.group_by("device", "position").agg(pl.col("share").sum())["share"].to_list() == [1.0] * 4


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
    assert step_matrix(paths({})).columns == ["position", "node", "units", "share"]
    with pytest.raises(DefinitionError, match="depth 0"):
        step_matrix(paths({}), 0)
    with pytest.raises(DefinitionError, match="No variant"):
        variants(paths({}), top=0)
    with pytest.raises(DefinitionError, match="cannot be a breakdown"):
        variants(paths({"ann": "a@0m[share=b]"}), by="share")


@settings(deadline=None, max_examples=80)
@given(PEOPLE, SIZE, st.booleans())
def test_variants_are_those_of_the_definition(people: list, size: int, collapse: bool) -> None:
    units = units_of(people)
    table = variants(paths_of(units, size), collapse=collapse)
    lasts = pl.col("median_duration").dt.total_milliseconds() / 1000
    rows = table.select("path", "units", "over", "converted", lasts, "customers", "share_of_customers")
    expected = {path: pytest.approx(expected_row) for path, expected_row in whole(units, collapse).items()}
    assert {tuple(row[0]): row[1:] for row in rows.rows()} == expected
    assert table["share"].sum() == pytest.approx(1.0 if units else 0.0)


@settings(deadline=None, max_examples=80)
@given(PEOPLE, SIZE, st.integers(1, 6))
def test_every_position_sums_to_one_with_the_ended_units(people: list, size: int, depth: int) -> None:
    units = units_of(people)
    table = step_matrix(paths_of(units, size), depth)
    assert {row[:2]: row[2] for row in table["position", "node", "units"].rows()} == dict(cells(units, depth))
    sums = table.group_by("position").agg(pl.col("share").sum())["share"]
    assert sums.to_list() == pytest.approx([1.0] * (depth if units else 0))


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
    first = every.filter(pl.int_range(pl.len()).over(by) < top) if grouped else every.head(top)
    assert variants(shop, by=by, top=top).equals(first)
    order = sorted(
        every.rows(named=True), key=lambda row: (row["customer"] if grouped else "", -row["units"], row["path"])
    )
    assert [row["path"] for row in order] == every["path"].to_list()
