"""A part that refreshes changed reads as if it had been rewritten, whatever the width of its columns."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import Paths
from analytics.store.columns import AT, CUSTOMER, TIME, TOUCHES, TOUCHPOINT
from analytics.store.parts import Part, interleaved_rows
from expectations.errors import StorageError

Rows = list[tuple[int, int]]


def part(customers: dict[str, Rows], at: pl.DataType, code: pl.DataType) -> Part:
    """Customers with (time, code of touchpoint) of each touch."""
    rows = [row for touches in customers.values() for row in touches]
    table = pl.DataFrame(rows, schema={AT: at, TOUCHPOINT: code}, orient="row")
    last = [max((time for time, _ in touches), default=0) for touches in customers.values()]
    people = pl.DataFrame(
        {
            CUSTOMER: pl.Series(list(customers), dtype=pl.String),
            TOUCHES: pl.Series([len(touches) for touches in customers.values()], dtype=pl.UInt32),
            "last": pl.Series(last, dtype=pl.Int64).cast(TIME),
            "settled": pl.Series([False] * len(customers), dtype=pl.Boolean),
        }
    )
    return Part(0, len(table), len(people), frames=(table, people))


def shown(part: Part) -> dict[str, Rows]:
    table, bounds = part.read([AT, TOUCHPOINT]), part.bounds()
    assert (part.touches, part.customers) == (len(table), len(bounds) - 1)
    return {key: table[bounds[i] : bounds[i + 1]].rows() for i, key in enumerate(part.keys())}


def test_later_touches_follow_those_that_are_kept(tmp_path: Path) -> None:
    seconds, micros = pl.UInt32(), pl.Int64()
    first = part({"ann": [(1, 0), (2, 1)], "bob": [(3, 2)], "cid": [(4, 1)]}, seconds, pl.UInt8()).save(f"{tmp_path}/p")
    kept, places = np.array([1, 0, 1]), np.array([0, 2])
    second = first.with_changes(kept, places, part({"ann": [(5, 300)], "cid": [(6, 0)]}, seconds, pl.UInt16()))
    assert shown(second) == {"ann": [(1, 0), (5, 300)], "cid": [(4, 1), (6, 0)]}
    assert second.people(["last"])["last"].to_physical().to_list() == [5, 6]
    assert second.read([TOUCHPOINT], np.array([False, True, False, True])).rows() == [(300,), (0,)]

    third = second.with_changes(np.array([2, 1]), np.array([1]), part({"cid": [(7_500_000, 2)]}, micros, pl.UInt8()))
    assert shown(third)["ann"] == [(1_000_000, 0), (5_000_000, 300)], "times in microseconds, as soon as some must be"
    assert shown(third)["cid"] == [(4_000_000, 1), (7_500_000, 2)]


def test_changing_a_part_leaves_the_files_of_other_generations_unchanged(tmp_path: Path) -> None:
    first = part({"ann": [(1, 0), (2, 1)]}, pl.UInt32(), pl.UInt8()).save(f"{tmp_path}/p")
    tail = part({"ann": [(3, 2)]}, pl.UInt32(), pl.UInt8())
    second = first.with_changes(np.array([2]), np.array([0]), tail)
    copy = second.copied(1, f"{tmp_path}/q").with_changes(
        np.array([0]), np.array([], np.int64), part({}, pl.UInt32(), pl.UInt8())
    )
    assert shown(copy) == {}
    assert shown(second) == {"ann": [(1, 0), (2, 1), (3, 2)]}
    second.remove()
    assert {file.name[0] for file in tmp_path.iterdir()} == {"q"}


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), max_size=8))
def test_rows_of_two_tables_are_interleaved_by_customer(customers: list[tuple[int, int, int]]) -> None:
    one = [(who, "one", n) for who, (held, _, _) in enumerate(customers) for n in range(held)]
    two = [(who, "two", n) for who, (_, _, more) in enumerate(customers) for n in range(more)]
    expected = []
    for who, (held, kept, more) in enumerate(customers):
        expected += [(who, "one", n) for n in range(min(kept, held))] + [(who, "two", n) for n in range(more)]
    counts = np.array(customers, np.int64).reshape(-1, 3)
    rows = interleaved_rows(counts[:, 0], np.minimum(counts[:, 0], counts[:, 1]), counts[:, 2])
    assert [(one + two)[row] for row in rows] == expected


def test_a_held_part_reads_a_column_once_and_a_copy_of_it_keeps_nothing(tmp_path: Path) -> None:
    paths = Paths.from_text({"ann": "look@0d buy@1d", "bo": "look@2d"}, end="60d")
    paths.save(tmp_path)
    stored = Paths.open(tmp_path).parts[0]
    held = stored.held()
    assert held == stored and held.held() is held
    first, made = held.read(["at", "touchpoint"]), count(1)
    (tmp_path / "gone").mkdir()
    for file in tmp_path.rglob("*.touches.parquet"):
        file.rename(tmp_path / "gone" / file.name)
    assert held.read(["touchpoint", "at"]).equals(first.select("touchpoint", "at"))
    assert held.read(["at"], np.array([True, False, True])).equals(first.select("at")[[0, 2]])
    assert [held.once("key", lambda: next(made)) for _ in range(2)] == [1, 1]
    assert [stored.once("key", lambda: next(made)) for _ in range(2)] == [2, 3]
    with pytest.raises((FileNotFoundError, StorageError)):
        held.between(0, 10**18).read(["at"])


def test_a_held_part_that_is_cut_reads_what_is_left() -> None:
    paths = Paths.from_text({"ann": "look@0d buy@1d", "bo": "look@2d"}, end="60d")
    cut = paths.between(datetime(2024, 1, 2, tzinfo=UTC))
    for each in cut.parts:
        held = each.held()
        for columns in (["at"], ["touchpoint", "at"]):
            assert held.read(columns).equals(each.read(columns))
        assert held.bounds().tolist() == each.bounds().tolist() == held.bounds().tolist()
