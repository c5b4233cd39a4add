from __future__ import annotations

import polars as pl
import pytest

from analytics.stitching.build import stitch
from analytics.store.paths import Paths
from analytics.store.summary import summary
from analytics.touches.rules import PathRules
from tests.written import START, at, frame, paths


def test_everything_is_counted_once() -> None:
    rows = frame({"ann": "search@0m order_placed@5m search@2h", "bob": "search@1h"})
    events = rows.select(customer_id="customer", occurred_at="at", event_name="touchpoint")
    found = summary(Paths.from_frame(stitch(events, PathRules()))).row(0, named=True)
    assert found == {
        "touches": 4,
        "customers": 2,
        "sessions": 3,
        "journeys": 3,
        "converted": 1,
        "abandoned": 0,
        "open": 2,
        "first_at": START,
        "last_at": at("2h"),
        "end_of_data": at("2h"),
        "linked_login": 1.0,
        "linked_device": 0.0,
        "linked_session": 0.0,
        "linked_anonymous": 0.0,
    }


def test_columns_that_the_paths_lack_give_null_counts() -> None:
    found = summary(paths({"ann": "home@0m"}, end="1d"))
    assert found.select("customers", "sessions", "open", "linked_login").row(0) == (1, None, None, None)
    assert found["end_of_data"].item() == at("1d")


@pytest.mark.parametrize("rows", [pl.DataFrame(), frame({})])
def test_no_touches_count_nothing(rows: pl.DataFrame) -> None:
    empty = stitch(
        pl.DataFrame(schema={"customer_id": pl.String, "occurred_at": pl.Datetime("us"), "event_name": pl.String})
    )
    found = summary(Paths.from_frame(empty)).row(0, named=True)
    assert (found["touches"], found["customers"], found["journeys"]) == (0, 0, 0)
    assert found["first_at"] is None
    assert found["linked_login"] is None
