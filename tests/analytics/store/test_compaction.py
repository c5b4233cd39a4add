"""Which parts are rewritten, and into how many: old files neither grow nor are rewritten for small changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import analytics.store.compaction
from analytics.store.columns import AT, CUSTOMER, TIME, TOUCHES, TOUCHPOINT
from analytics.store.compaction import MAX_SMALL_PARTS, compact
from analytics.store.parts import Part
from analytics.store.writer import StoreWriter
from tests.written import START

NOBODY = np.array([], np.int64)


def part(keys: Sequence[str]) -> Part:
    """Customers with one touch each."""
    table = pl.DataFrame({AT: pl.repeat(0, len(keys), dtype=pl.UInt32, eager=True), TOUCHPOINT: [0] * len(keys)})
    people = {CUSTOMER: keys, TOUCHES: [1] * len(keys), "last": START, "settled": False}
    schema = {CUSTOMER: pl.String, TOUCHES: pl.UInt32, "last": TIME, "settled": pl.Boolean}
    return Part(0, len(table), len(keys), frames=(table, pl.DataFrame(people, schema=schema)))


def compacted(writer: StoreWriter, *changed: Part) -> list[Part]:
    """The parts of a writer after compaction, with those that a refresh has changed."""
    writer.wait()
    writer.parts += changed
    compact(writer)
    return writer.parts


def keys_of(parts: Sequence[Part]) -> list[str]:
    return sorted(pl.concat(part.keys() for part in parts))


@pytest.mark.parametrize(
    ("gone", "later", "worn"),
    [(20, 0, False), (21, 0, True), (0, 10, False), (0, 11, True), (15, 10, False), (32, 1, True)],
)
def test_a_part_that_lost_more_than_half_or_gained_more_than_a_quarter_is_rewritten(
    tmp_path: Path, gone: int, later: int, worn: bool
) -> None:
    everyone = [f"c{number}" for number in range(40)]
    old = part(everyone).save(f"{tmp_path}/old")
    kept = np.array([0] * gone + [1] * (40 - gone))
    changed = old.with_changes(kept, np.arange(40 - later, 40), part(everyone[:later]))
    with StoreWriter(tmp_path / "store") as writer:
        (found,) = compacted(writer, changed)
        assert found.changed is not worn
        assert (found.touches, found.customers) == (40 - gone + later, 40 - gone)
        assert keys_of([found]) == sorted(everyone[gone:])
        assert len(found.read([AT])) == found.touches
        assert bool(list(tmp_path.glob("old.*"))) is not worn, "what nobody reads any more is removed"


def test_a_part_that_nothing_has_changed_is_left_alone(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store") as writer:
        writer.add_part(part(["ann", "bob"]))
        before = list(writer.parts)
        assert compacted(writer) == before


def small_parts(writer: StoreWriter, count: int) -> None:
    for number in range(count):
        writer.add_part(part([f"c{number}"]))


def test_small_parts_are_merged_as_soon_as_there_are_many(tmp_path: Path) -> None:
    for count, left in ((MAX_SMALL_PARTS, MAX_SMALL_PARTS), (MAX_SMALL_PARTS + 1, 1)):
        with StoreWriter(tmp_path / "store") as writer:
            small_parts(writer, count)
            found = compacted(writer)
            assert len(found) == left
            assert keys_of(found) == [f"c{number}" for number in range(count)]


def test_parts_are_merged_up_to_the_usual_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analytics.store.compaction, "TOUCHES_PER_PART", 4)
    with StoreWriter(tmp_path / "store") as writer:
        writer.add_part(part(["large", "enough"]))
        small_parts(writer, 10)
        found = compacted(writer)
        assert [each.touches for each in found] == [2, 4, 4, 2]
        assert keys_of(found[:1]) == ["enough", "large"], "half the usual size is not small"


def test_a_small_worn_part_is_merged_once(tmp_path: Path) -> None:
    old = part(["ann", "bob", "cid"]).save(f"{tmp_path}/old")
    with StoreWriter(tmp_path / "store") as writer:
        small_parts(writer, MAX_SMALL_PARTS)
        found = compacted(writer, old.with_changes(np.array([1, 0, 0]), NOBODY, part([])))
        assert keys_of(found) == sorted(["ann", *(f"c{number}" for number in range(MAX_SMALL_PARTS))])
        assert len(found) == 1
