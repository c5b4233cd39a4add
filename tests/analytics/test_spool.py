from __future__ import annotations

import polars as pl
import pytest

from analytics.spool import BUCKET, Spool

SCHEMA = pl.Schema({"n": pl.Int64(), "word": pl.Categorical()})


@pytest.mark.parametrize("budget", [0, 100, 10_000_000])
def test_rows_come_back_by_bucket_from_memory_and_from_disk(budget: int) -> None:
    with Spool(3, SCHEMA, budget) as spool:
        for start in range(0, 90, 10):
            numbers = list(range(start, start + 10))
            frame = pl.DataFrame(
                {"n": numbers, "word": [f"w{n % 4}" for n in numbers], BUCKET: [n % 2 for n in numbers]}
            )
            spool.add(frame.with_columns(pl.col("word").cast(pl.Categorical)))
        assert spool.rows == 90
        found = list(spool.buckets())
    assert [len(rows) for rows in found] == [45, 45, 0]
    assert all(rows.schema == SCHEMA for rows in found)
    assert sorted(found[1]["n"]) == list(range(1, 90, 2))
    assert found[1].filter(pl.col("word") == "w3")["n"].to_list() == list(range(3, 90, 4))


def test_nothing_is_left_on_disk() -> None:
    with Spool(1, SCHEMA, 0) as spool:
        spool.add(
            pl.DataFrame({"n": [1], "word": ["a"], BUCKET: [0]}).with_columns(pl.col("word").cast(pl.Categorical))
        )
        assert spool._folder is not None
        folder = spool._folder.name
    with pytest.raises(FileNotFoundError):
        pl.read_parquet(f"{folder}/0-0.parquet")
