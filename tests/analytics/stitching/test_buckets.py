from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from analytics.stitching.buckets import BUCKET, Buckets, remove_orphans
from analytics.stitching.refresh import refresh
from expectations.lake.layout import Lake

SCHEMA = pl.Schema({"n": pl.Int64(), "word": pl.Categorical()})


@pytest.mark.parametrize("budget", [0, 100, 10_000_000])
def test_rows_come_back_by_bucket_from_memory_and_from_disk(budget: int) -> None:
    with Buckets(3, SCHEMA, budget) as buckets:
        for start in range(0, 90, 10):
            numbers = list(range(start, start + 10))
            frame = pl.DataFrame(
                {"n": numbers, "word": [f"w{n % 4}" for n in numbers], BUCKET: [n % 2 for n in numbers]}
            )
            buckets.add(frame.with_columns(pl.col("word").cast(pl.Categorical)))
        assert buckets.rows == 90
        found = list(buckets.read())
    assert [len(rows) for rows in found] == [45, 45, 0]
    assert all(rows.schema == SCHEMA for rows in found)
    assert sorted(found[1]["n"]) == list(range(1, 90, 2))
    assert found[1].filter(pl.col("word") == "w3")["n"].to_list() == list(range(3, 90, 4))


def test_full_buffers_are_written_to_disk_and_filled_again() -> None:
    frame = pl.DataFrame({"n": [1, 2], "word": ["a", "b"], BUCKET: [0, 0]})
    frame = frame.with_columns(pl.col("word").cast(pl.Categorical))
    size = frame.drop(BUCKET).estimated_size()
    with Buckets(1, SCHEMA, int(size * 2)) as buckets:
        files = []
        for _ in range(7):
            buckets.add(frame)
            files.append(len(list(buckets._folder.path.glob("*.parquet"))) if buckets._folder else 0)
        assert files == [0, 0, 1, 1, 1, 2, 2]
        (found,) = buckets.read()
    assert found["n"].to_list() == [1, 2] * 7


def test_nothing_is_left_on_disk() -> None:
    with Buckets(1, SCHEMA, 0) as buckets:
        buckets.add(
            pl.DataFrame({"n": [1], "word": ["a"], BUCKET: [0]}).with_columns(pl.col("word").cast(pl.Categorical))
        )
        assert buckets._folder is not None and (buckets._folder.path / "0-0.parquet").exists()
        assert remove_orphans() == 0, "a folder in use is no orphan"
        folder = buckets._folder.path
    assert not folder.exists()


def test_files_of_a_killed_process_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spills = (
        "import polars as pl, tempfile\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        "from analytics.stitching.buckets import BUCKET, Buckets\n"
        "with Buckets(1, pl.Schema({'n': pl.Int64()}), 0) as buckets:\n"
        "    buckets.add(pl.DataFrame({'n': [1], BUCKET: [0]}))\n"
        "    print('spilled', flush=True)\n"
        "    input()\n"
    )
    (tmp_path / "journeys-spool-of-others").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", spills], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as living:
        assert living.stdout and living.stdout.readline() == "spilled\n"
        assert remove_orphans() == 0 and len(list(tmp_path.glob("*/*.parquet"))) == 1
        living.kill()
    refresh(Lake(str(tmp_path / "lake")))
    assert list(tmp_path.glob("*/*.parquet")) == []
    assert [folder.name for folder in tmp_path.glob("journeys-*")] == ["journeys-spool-of-others"]
