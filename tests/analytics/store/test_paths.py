"""The path store keeps every touch, in order, whatever it was made from, and survives a killed writer."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analytics.store.frames import as_utc
from analytics.store.ordering import split_at_customers
from analytics.store.parts import bucket_of
from analytics.store.paths import Paths
from analytics.store.writer import StoreWriter
from expectations.errors import DefinitionError, InputError, StorageError
from expectations.lake.layout import Lake
from tests.written import at, frame, paths

JOURNEYS = {
    "bo": "visit@1m[device=phone] pay@5m[device=desk]",
    "ann": "pay@9m visit@0m[device=phone] cart@3m",
}


def test_touches_come_back_by_customer_and_time_with_every_column() -> None:
    touches = paths(JOURNEYS).touches.collect()
    assert touches["customer"].to_list() == ["ann"] * 3 + ["bo"] * 2
    assert touches["touchpoint"].to_list() == ["visit", "cart", "pay", "visit", "pay"]
    assert touches["device"].to_list() == ["phone", None, None, "phone", "desk"]
    assert touches["at"].dtype == pl.Datetime("us", "UTC")


def test_a_saved_store_opens_as_it_was(tmp_path: Path) -> None:
    made = paths(JOURNEYS, end="2d")
    made.save(tmp_path / "store")
    opened = Paths.open(tmp_path / "store")
    assert_frame_equal(opened.touches.collect(), made.touches.collect())
    assert opened.end_of_data == made.end_of_data == at("2d")
    assert (len(opened), opened.customers, opened.columns) == (5, 2, made.columns)
    assert opened.values_of("device").to_list() == made.values_of("device").to_list()


def test_a_time_without_a_zone_is_utc() -> None:
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    assert as_utc(datetime(2024, 1, 1, 12)) == noon  # noqa: DTZ001 - that is what is asked
    assert as_utc(datetime(2024, 1, 1, 13, tzinfo=timezone(timedelta(hours=1)))) == noon


def test_an_end_of_data_that_is_no_time_is_named() -> None:
    touches = paths(JOURNEYS).touches.collect()
    with pytest.raises(DefinitionError, match="not a time"):
        Paths.from_frame(touches, end_of_data="2024-01-02")  # type: ignore[arg-type]


def test_a_lake_is_opened_at_its_folder_of_paths(tmp_path: Path) -> None:
    paths(JOURNEYS).save(Lake(str(tmp_path)))
    assert len(Paths.open(Lake(str(tmp_path)))) == len(Paths.open(str(tmp_path))) == 5


def test_paths_may_be_empty(tmp_path: Path) -> None:
    empty = paths({})
    empty.save(tmp_path)
    assert (len(empty), empty.customers, empty.end_of_data) == (0, 0, None)
    assert Paths.open(tmp_path).touches.collect().is_empty()
    assert Paths.open(tmp_path).columns == ["customer", "at", "touchpoint"]


def test_one_touch_is_a_path(tmp_path: Path) -> None:
    paths({"ann": "visit@0m"}).save(tmp_path)
    assert Paths.open(tmp_path).touches.collect().rows() == [("ann", at("0m"), "visit")]


def test_any_customer_key_and_names_are_taken() -> None:
    table = pl.DataFrame(
        {"id": [7, 3, 7], "t": [date(2024, 1, 2), date(2024, 1, 1), date(2024, 1, 1)], "e": ["b", "a", "a"]}
    )
    made = Paths.from_frame(table, customer="id", at="t", touchpoint="e")
    assert made.touches.collect()["customer"].to_list() == [3, 7, 7]
    assert made.touches.collect()["touchpoint"].to_list() == ["a", "a", "b"]


def test_a_time_without_zone_is_utc_and_another_zone_is_converted() -> None:
    utc = pl.DataFrame({"customer": ["a"], "at": [datetime(2024, 1, 1, 12, tzinfo=UTC)], "touchpoint": ["x"]})
    naive = utc.with_columns(pl.col("at").dt.replace_time_zone(None))
    oslo = naive.with_columns(pl.col("at").dt.replace_time_zone("Europe/Oslo"))
    assert Paths.from_frame(naive).touches.collect()["at"].item() == datetime(2024, 1, 1, 12, tzinfo=UTC)
    assert Paths.from_frame(oslo).touches.collect()["at"].item() == datetime(2024, 1, 1, 11, tzinfo=UTC)


def test_times_between_seconds_are_kept_to_the_microsecond() -> None:
    table = frame({"ann": "visit@0s pay@1s"}).with_columns(pl.col("at") + pl.duration(microseconds=1))
    assert Paths.from_frame(table).touches.collect()["at"].to_list() == table["at"].to_list()


def test_touches_of_one_instant_keep_the_order_of_the_frame_or_of_their_sequence() -> None:
    table = frame({"ann": "c@0s b@0s a@0s"}).with_columns(sequence=pl.Series([3, 2, 1]))
    assert Paths.from_frame(table).touches.collect()["touchpoint"].to_list() == ["c", "b", "a"]
    assert Paths.from_frame(table, sequence="sequence").touches.collect()["touchpoint"].to_list() == ["a", "b", "c"]


def test_a_missing_customer_raises_an_error_that_names_no_customer() -> None:
    table = frame({"ann": "visit@0s"}).with_columns(customer=pl.lit(None, pl.String))
    with pytest.raises(InputError, match="1 touches have no customer"):
        Paths.from_frame(table)


def test_an_unknown_column_raises_an_error_with_the_nearest_name() -> None:
    with pytest.raises(DefinitionError, match="did you mean 'touchpoint'"):
        Paths.from_frame(frame({"ann": "visit@0s"}), touchpoint="touchpiont")
    with pytest.raises(DefinitionError, match="did you mean 'device'"):
        paths(JOURNEYS).require("divice")


def test_a_folder_without_a_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="There is no path store"):
        Paths.open(tmp_path)


def test_a_killed_writer_leaves_the_old_store_as_it_was(tmp_path: Path) -> None:
    before = paths(JOURNEYS)
    before.save(tmp_path)
    with pytest.raises(RuntimeError), StoreWriter(tmp_path) as writer:
        writer.add(frame({"cy": "visit@0m"}))
        raise RuntimeError("killed")
    assert_frame_equal(Paths.open(tmp_path).touches.collect(), before.touches.collect())


def test_a_reader_that_opened_before_a_new_generation_goes_on_reading(tmp_path: Path) -> None:
    paths(JOURNEYS).save(tmp_path)
    reader = Paths.open(tmp_path)
    paths({"cy": "visit@0m"}).save(tmp_path)
    assert len(reader.touches.collect()) == 5
    assert len(Paths.open(tmp_path).touches.collect()) == 1


def test_parts_written_one_by_one_share_their_dictionaries(tmp_path: Path) -> None:
    with StoreWriter(tmp_path) as writer:
        writer.add(frame({"ann": "visit@0m cart@1m"}))
        writer.add(frame({"bo": "pay@0m visit@1m"}))
        writer.finish(end_of_data=at("1d"), built_from={"events": 4})
    opened = Paths.open(tmp_path)
    assert opened.touches.collect()["touchpoint"].to_list() == ["visit", "cart", "pay", "visit"]
    assert opened.built_from == {"events": 4}


def test_more_words_than_fit_into_a_byte(tmp_path: Path) -> None:
    with StoreWriter(tmp_path) as writer:
        writer.add(frame({"ann": "visit@0m"}))
        writer.add(frame({"bo": " ".join(f"page{i}@{i}m" for i in range(300))}))
        writer.finish()
    assert Paths.open(tmp_path).touches.collect()["touchpoint"].to_list() == ["visit"] + [
        f"page{i}" for i in range(300)
    ]


def test_unsorted_touches_raise_an_error(tmp_path: Path) -> None:
    table = pl.concat([frame({"ann": "visit@0m"}), frame({"bo": "visit@0m"}), frame({"ann": "pay@1m"})])
    with pytest.raises(DefinitionError, match="not sorted"), StoreWriter(tmp_path) as writer:
        writer.add(table)


def test_parts_never_cut_a_customer_in_two() -> None:
    counts = pl.Series([3, 3, 10, 1], dtype=pl.UInt32)
    assert list(split_at_customers(counts, 5)) == [
        (slice(0, 3), slice(0, 1)),
        (slice(3, 6), slice(1, 2)),
        (slice(6, 16), slice(2, 3)),
        (slice(16, 17), slice(3, 4)),
    ]


def test_the_bucket_of_a_customer_never_changes() -> None:
    assert [bucket_of(key, 16) for key in ("ann", "bo", "ævar")] == [3, 3, 11]


@pytest.mark.parametrize("wrong", [5, "text", None, [{"customer": "a"}]])
def test_paths_of_no_table_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match="Paths are made of a table"):
        Paths.from_frame(wrong)
