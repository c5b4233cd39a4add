from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from analytics.parts import Part
from analytics.refresh import refresh, verify
from analytics.rules import PathRules
from analytics.store import Paths
from expectations.errors import StorageError
from expectations.layout import Lake
from tests.journeys import START, at


def land(lake: Lake, *names: str, first: int = 0) -> None:
    rows = [
        {
            "event_id": f"e{number}",
            "event_name": name,
            "kind": "clickstream",
            "channel": "web",
            "occurred_at": at(f"{number}m"),
            "received_at": at(f"{number}m"),
            "event_date": START.date(),
            "customer_id": f"c{number % 2}",
            "topic": "t",
            "partition": 0,
            "offset": number,
        }
        for number, name in enumerate(names, start=first)
    ]
    pl.DataFrame(rows).write_delta(lake.table("events"), mode="append")


def test_paths_are_built_when_something_changed_and_only_then(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    land(lake, "home", "cart")
    assert refresh(lake) is not None
    assert refresh(lake) is None
    land(lake, "order_placed", first=2)
    summary = refresh(lake)
    assert summary is not None
    assert summary.touches == len(Paths.open(lake)) == 3
    assert refresh(lake, PathRules(goal=["cart"])) is not None
    assert refresh(lake, PathRules(goal=["cart"]), end_of_data=at("90d")) is not None


def test_stored_paths_are_verified_by_computing_them_anew(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    land(lake, "home", "cart", "home")
    refresh(lake)
    found = verify(lake)
    assert (found.holds, found.current, found.touches) == (True, True, 3)


def test_a_changed_touch_is_found(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    land(lake, "home", "cart", "home")
    refresh(lake)
    part: Part = Paths.open(lake).parts[0]
    file = Path(f"{part.address}.touches.parquet")
    touches = pl.read_parquet(file)
    touches.with_columns(session=touches["session"] + 1).write_parquet(file)
    found = verify(lake)
    assert (found.holds, found.missing, found.surplus) == (False, 3, 3)


def test_events_that_landed_later_are_told_apart_from_faults(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    land(lake, "home")
    refresh(lake)
    land(lake, "cart", first=1)
    found = verify(lake)
    assert (found.current, found.missing, found.surplus) == (False, 1, 0)


def test_there_is_nothing_to_verify_without_paths(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no path store"):
        verify(Lake(str(tmp_path)))
