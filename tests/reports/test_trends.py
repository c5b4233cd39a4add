from __future__ import annotations

from datetime import date

import polars as pl

from reports import trends
from tests.reports import fixtures


def test_planted_fall_is_found_and_nothing_else() -> None:
    found = trends.runs(fixtures.weeks_frame())
    assert [(run["segment"], run["step"]) for run in found] == [("Mobile web", 5), (None, 5)]
    assert found[0]["first"] == date(2026, 7, 20)
    assert found[0]["last"] == date(2026, 7, 27)
    assert found[0]["difference"] < -0.15


def test_week_whose_customers_still_have_time_is_compared_with_nothing() -> None:
    last = fixtures.weeks_frame().filter(pl.col("week") == date(2026, 8, 17))
    assert set(last["state"]) == {trends.OPEN}
    assert not last["unusual"].any()


def test_small_weeks_are_withheld_or_too_few() -> None:
    rows = [
        (None, None, 2, "b", date(2026, 6, 1), previous, reached, False)
        for previous, reached in ((400, 200), (400, 395), (400, 4), (28, 14), (8, 8))
    ]
    columns = ("dimension", "segment", "step", "name", "week", "previous", "reached", "is_open")
    counts = pl.DataFrame(rows, schema=columns, orient="row", schema_overrides={"dimension": pl.String})
    weekly = trends.weekly(counts.with_columns(pl.col("segment").cast(pl.String)), 10, 30)
    assert weekly["state"].to_list() == ["shown", "withheld", "withheld", "few", "withheld"]
    assert weekly["share"].null_count() == 4


def test_no_weeks_give_an_empty_frame() -> None:
    empty = fixtures.weeks_frame().head(0).select("dimension", "segment", "step", "name", "week", "previous")
    counts = empty.with_columns(reached=pl.col("previous"), is_open=pl.lit(False))
    assert trends.weekly(counts, 10, 30).schema == trends.SCHEMA
