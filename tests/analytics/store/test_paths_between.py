"""Paths of a range of time: as if the other touches had never been, without a copy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import Funnel, Paths, funnel, members, transitions
from analytics.store.definition import JourneyDefinition
from expectations.errors import DefinitionError
from tests.written import START, at, in_parts, paths

SHOP = {
    "ann": "visit@0m[device=phone] cart@1d pay@2d[device=desk]",
    "bo": "visit@1d[device=desk] visit@3d",
    "cy": "pay@5d",
}
TIMES = st.one_of(st.none(), st.integers(-1, 150).map(lambda hours: START + timedelta(hours=hours)))


@settings(deadline=None, max_examples=40)
@given(start=TIMES, end=TIMES, size=st.integers(1, 6))
def test_a_range_is_the_frame_cut_by_hand(start: object, end: object, size: int) -> None:
    shop = in_parts(paths(SHOP, end="9d"), size)
    cut = shop.between(start, end)  # type: ignore[arg-type]
    rows = shop.touches.collect()
    rows = rows if start is None else rows.filter(pl.col("at") >= start)
    rows = rows if end is None else rows.filter(pl.col("at") < end)
    expected = Paths.from_frame(rows, end_of_data=shop.end_of_data)
    assert_frame_equal(cut.touches.collect(), expected.touches.collect())
    assert (len(cut), cut.customers, cut.end_of_data) == (len(expected), expected.customers, at("9d"))
    asked = Funnel(["visit", "pay"], "2d", by="device")
    assert_frame_equal(funnel(cut, asked), funnel(expected, asked))
    assert_frame_equal(transitions(cut, by="device"), transitions(expected, by="device"))


def test_a_range_of_a_stored_part_reads_its_changes(tmp_path: Path) -> None:
    paths(SHOP).save(tmp_path / "store")
    stored = Paths.open(tmp_path / "store").between(at("1d"), at("3d"))
    assert stored.touches.select("customer", "touchpoint").collect().rows() == [
        ("ann", "cart"),
        ("ann", "pay"),
        ("bo", "visit"),
    ]
    assert [part.keys().to_list() for part in stored.parts] == [["ann", "bo"]]


def test_a_saved_range_has_its_touches_alone(tmp_path: Path) -> None:
    cut = paths(SHOP).between(at("1d"), at("3d"))
    cut.save(tmp_path / "of memory")
    paths(SHOP).save(tmp_path / "store")
    Paths.open(tmp_path / "store").between(at("1d"), at("3d")).save(tmp_path / "of files")
    for folder in ("of memory", "of files"):
        saved = Paths.open(tmp_path / folder)
        assert saved.touches.collect().equals(cut.touches.collect())
        assert (len(saved), saved.customers) == (3, 2)


def test_a_range_is_not_taken_for_the_store_that_was_stitched() -> None:
    shop = paths(SHOP)
    stitched = Paths(shop.parts, shop.schema, shop.dictionaries, shop.end_of_data, {"events": 7})
    assert stitched.between(at("1d")).built_from == {}


def test_a_range_of_a_range_is_their_overlap() -> None:
    twice = paths(SHOP).between(at("1d")).between(None, at("3d"))
    assert twice.touches.collect().equals(paths(SHOP).between(at("1d"), at("3d")).touches.collect())


def test_a_range_without_touches_has_no_customers() -> None:
    assert repr(paths(SHOP).between(at("7d"), at("8d"))).startswith("Paths(0 touches of 0 customers")


def test_a_range_of_no_time_raises_an_error() -> None:
    with pytest.raises(DefinitionError, match="not a time"):
        paths(SHOP).between("monday")  # type: ignore[arg-type]


JOURNEYS = {
    "ann": "login@0h look@1d[journey=1] buy@4d[journey=1] answer@6d[journey=1] look@7d[journey=2]",
    "bo": "look@3d[journey=1] look@5d[journey=1]",
    "cy": "look@1d[journey=1]",
}


@settings(deadline=None, max_examples=40)
@given(start=TIMES, end=TIMES, size=st.integers(1, 6))
def test_journeys_are_chosen_by_when_they_begin_and_keep_their_later_touches(
    start: object, end: object, size: int
) -> None:
    shop = in_parts(paths(JOURNEYS, end="9d"), size)
    cut = shop.begun_between(start, end)  # type: ignore[arg-type]
    rows = shop.touches.collect().with_columns(begin=pl.col("at").min().over("customer", "journey"))
    rows = rows.with_columns(begin=pl.when(pl.col("journey").is_null()).then("at").otherwise("begin"))
    rows = rows if start is None else rows.filter(pl.col("begin") >= start)
    rows = rows if end is None else rows.filter(pl.col("begin") < end)
    assert_frame_equal(cut.touches.collect(), rows.drop("begin"))
    assert (len(cut), cut.customers, cut.end_of_data) == (len(rows), rows["customer"].n_unique(), at("9d"))


def test_paths_without_journeys_are_cut_by_their_touches() -> None:
    assert paths(SHOP).begun_between(at("1d")).touches.collect().equals(paths(SHOP).between(at("1d")).touches.collect())


def test_paths_that_are_cut_or_defined_otherwise_keep_who_objects() -> None:
    shop = Paths.from_text({"ann": "visit@0m[journey=1]", "bo": "visit@1d[journey=1]"})
    asked = Paths(shop.parts, shop.schema, shop.dictionaries, shop.end_of_data, objected=["bo"])
    definition = JourneyDefinition(("Awareness",), ("visit",), 0, timedelta(days=30))
    for cut in (asked.between(), asked.begun_between(), asked.of_journeys(), asked.defined_by(definition)):
        assert cut.objected == {"bo"}
        assert members(cut, Funnel(["visit"]))["customer"].to_list() == ["ann"]
