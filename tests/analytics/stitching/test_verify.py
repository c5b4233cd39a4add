from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics.stitching.refresh import refresh
from analytics.stitching.verify import Agreement, agreement, stored_agreement, verify
from analytics.store.paths import Paths
from expectations.errors import StorageError
from expectations.lake.layout import Lake
from expectations.lake.tables import conform
from tests.written import at


def land(lake: Lake, *names: str, first: int = 0) -> None:
    rows: list[dict[str, Any]] = [
        {"event_id": f"e{n}", "event_name": name, "occurred_at": at(f"{n}m"), "customer_id": f"c{n % 2}", "offset": n}
        for n, name in enumerate(names, start=first)
    ]
    conform(pl.DataFrame(rows)).collect().write_delta(lake.table("events"), mode="append")


def test_stored_paths_are_verified_by_computing_them_again(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    land(lake, "home", "cart", "home")
    refresh(lake)
    land(lake, "cart", first=3)
    refresh(lake)
    found = verify(lake)
    assert (found.holds, found.current, found.touches) == (True, True, 4)


def test_a_changed_touch_is_found(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    land(lake, "home", "cart", "home")
    refresh(lake)
    file = Path(f"{Paths.open(lake).parts[0].address}.touches.parquet")
    touches = pl.read_parquet(file)
    touches.with_columns(session=touches["session"] + 1).write_parquet(file)
    found = verify(lake)
    assert (found.holds, found.missing, found.surplus) == (False, 3, 3)


def test_events_that_landed_later_are_distinguished_from_faults(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    land(lake, "search")
    refresh(lake)
    land(lake, "cart", first=1)
    found = verify(lake)
    assert (found.current, found.missing, found.surplus) == (False, 1, 0)


def test_there_is_nothing_to_verify_without_paths(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no path store"):
        verify(Lake(str(tmp_path)))


def test_customers_agree_with_a_truth_by_pairs_of_identities() -> None:
    """Found are {a, b, c} and {d, e}; in truth {a, b}, {c, d} and e are apart. f is not known, g was not found."""
    nodes = pl.DataFrame({"kind": "k", "value": list("abcdef"), "customer": [1, 1, 1, 2, 2, 2]})
    truth = pl.DataFrame({"identity_kind": "k", "identity": list("abcdeg"), "customer": list("AABBCA")})
    found = agreement(nodes, truth)
    assert found == Agreement(planted=2, found=4, right=1)
    assert (found.precision, found.recall) == (0.25, 0.5)
    other = agreement(nodes.with_columns(kind=pl.lit("other")), truth)
    assert (other, other.precision, other.recall) == (Agreement(0, 0, 0), 1.0, 1.0)


def test_stored_paths_agree_with_a_truth(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    land(lake, "home", "cart", "home")
    truth = pl.DataFrame({"identity_kind": "customer_id", "identity": ["c0", "c1"], "customer": ["x", "x"]})
    refresh(lake)
    assert stored_agreement(lake, truth) == Agreement(planted=1, found=0, right=0)
