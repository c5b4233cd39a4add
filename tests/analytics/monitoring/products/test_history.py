"""What was told of targets, kept in the lake: once each, again where it changed, and nothing of who is erased."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics import Goal, JourneyProduct, Paths, Target, product_cohorts, product_history, record_products
from analytics.stitching.privacy.journal import record_erasure
from analytics.stitching.privacy.kept.told_cohorts import forget_cohorts
from expectations.lake.layout import JOURNEYS, Lake
from expectations.lake.tables import table_version
from tests.written import START, at

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def shop(late: bool = False, end: str = "60d") -> Paths:
    visits = {f"c{n}": f"look@{n}d" + f" buy@{n + 1}d" * (n % 2) for n in range(40)}
    return Paths.from_text(visits | ({"late": "look@3d buy@4d"} if late else {}), end=end)


def table(paths: Paths, name: str = "First", **changed: Any) -> pl.DataFrame:
    targets = [Target("goal_rate", at_least=0.5, period="week"), Target("median_time", at_most="3d")]
    goal = Goal(name="Order", steps=["buy"], horizon="7d")
    return product_cohorts(paths, JourneyProduct(name, owner="Mara", goal=goal, targets=targets), **changed)


def record(lake: Lake, rows: pl.DataFrame, number: int, erased: int = 0) -> int:
    at_ = NOW + timedelta(days=number)
    return record_products(lake, rows, run=f"r{number}", at=at_, end_of_data=START, erased=erased)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "a lake"))


def test_running_again_adds_no_row_and_what_changed_stands_beside_what_was_told(lake: Lake) -> None:
    first = table(shop())
    told = len(first.filter(pl.col("status") != "open"))
    assert record(lake, first, 1) == told == len(product_history(lake))
    version = table_version(lake, JOURNEYS)
    assert record(lake, first, 2) == 0 and table_version(lake, JOURNEYS) == version
    assert record(lake, table(shop(late=True)), 3) == 2  # the week and the month of the late customer
    assert record(lake, table(shop(late=True)), 4) == 0
    assert record(lake, first, 5) == 2, "as it was told first, but not last"
    rows = product_history(lake, "First").filter(measure="goal_rate", cohort=START)
    assert rows["run"].to_list() == ["r1", "r3", "r5"] and rows["mature"].to_list() == [7, 8, 7]
    assert product_history(lake)["key"].n_unique() == told + 4
    assert product_history(lake, "Other").is_empty()


def test_other_digests_and_longer_data_are_told_beside(lake: Lake) -> None:
    first = table(shop(end="30d"))
    record(lake, first, 1)
    longer = table(shop())
    new = record(lake, longer, 2)
    over = [set(each.filter(pl.col("status") != "open").select("measure", "cohort").rows()) for each in (first, longer)]
    restated = [
        row for row in product_history(lake).filter(run="r2").select("measure", "cohort").rows() if row in over[0]
    ]
    assert new == len(over[1] - over[0]) + len(restated)
    assert record(lake, table(shop(), made_by="other rules"), 3) == len(over[1])
    assert record(lake, table(shop(), "Second"), 4) == len(over[1])
    assert record(lake, table(shop(), timezone="Europe/Berlin"), 5) > 0
    assert record(lake, table(shop()), 6) == 0


def test_an_erasure_removes_the_cohorts_that_may_count_the_customer(lake: Lake) -> None:
    nothing = forget_cohorts(lake, pl.Series([START]))
    assert (nothing.before, nothing.after) == (0, 0)
    record(lake, table(shop(), "It's"), 1)
    done = forget_cohorts(lake, pl.Series([at("3d"), at("14d"), at("60d"), None]))
    left = product_history(lake)
    assert done.before - done.after == 3 and done.after == len(left)
    assert not set(left["cohort"].dt.date()) & {START.date(), at("14d").date()}
    assert left.filter(period="month").is_empty()
    assert forget_cohorts(lake, pl.Series([], dtype=pl.Datetime("us", "UTC"))).after == done.after
    files = [file.read_bytes() for file in Path(lake.table(JOURNEYS)).rglob("*.parquet")]
    assert len(files) > 0 and table_version(lake, JOURNEYS) is not None


def test_nothing_is_told_when_a_customer_was_erased_meanwhile(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(lake.address).mkdir()
    record_erasure(lake)
    assert record(lake, table(shop()), 1, erased=0) == 0 and product_history(lake).is_empty()
    seen = iter([1, 2])
    monkeypatch.setattr("analytics.monitoring.products.history.erasures", lambda _: next(seen))
    assert record(lake, table(shop()), 2, erased=1) == 0 and product_history(lake).is_empty()
