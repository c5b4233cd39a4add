"""Paths of a range of time: as if the other touches had never been, without a copy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import Funnel, Paths, funnel, transitions
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
