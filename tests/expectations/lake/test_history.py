"""A history of runs holds every run once, and nothing of one that was withdrawn."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from expectations.errors import StorageError
from expectations.lake.history import keep_history


def rows(**runs: int | str) -> pl.DataFrame:
    return pl.DataFrame([{"report": run, "customers": value} for run, value in runs.items()])


def held(table: Path) -> list[tuple[object, ...]]:
    return sorted(pl.read_delta(str(table)).rows())


def test_new_runs_are_added_and_known_ones_are_not_written_again(tmp_path: Path) -> None:
    table = tmp_path / "answers" / "goals"
    assert keep_history(str(table), rows(a=10)) == 1
    assert keep_history(str(table), rows(a=10, b=20)) == 1
    assert keep_history(str(table), rows(a=10, b=20)) == 0
    assert held(table) == [("a", 10), ("b", 20)] and DeltaTable(table).version() == 1


def test_a_run_that_is_gone_is_in_no_file(tmp_path: Path) -> None:
    table = tmp_path / "goals"
    keep_history(str(table), rows(a=10))
    keep_history(str(table), rows(a=10, b=20))
    assert keep_history(str(table), rows(b=20, c=30)) == 2
    files = [pl.read_parquet(file) for file in table.rglob("*.parquet")]
    assert held(table) == [("b", 20), ("c", 30)] == sorted(pl.concat(files).rows()) and DeltaTable(table).version() == 0


def test_columns_may_be_added_and_may_change_their_type(tmp_path: Path) -> None:
    table = tmp_path / "goals"
    keep_history(str(table), rows(a=10))
    wider = rows(a=10, b=20).with_columns(pl.lit("web").alias("channel"))
    assert keep_history(str(table), wider) == 1 and held(table) == [("a", 10, None), ("b", 20, "web")]
    assert keep_history(str(table), wider.with_columns(pl.col("customers").cast(pl.String))) == 2
    assert held(table) == [("a", "10", "web"), ("b", "20", "web")]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    pl.DataFrame({"a": [1]}).write_delta(tmp_path / "other")
    for name in ("notes", "other"):
        with pytest.raises(StorageError, match="something else"):
            keep_history(str(tmp_path / name), rows(a=10))
    assert (tmp_path / "notes" / "mine.txt").read_text() == "mine" and len(pl.read_delta(str(tmp_path / "other"))) == 1
