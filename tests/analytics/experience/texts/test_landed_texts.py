"""The texts of a lake: found by the touches of its paths, and gone with their customer, their age, or their id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics import Paths, Theme, landed_texts, quotes, suggest_themes, themes
from analytics.stitching.build import build
from analytics.stitching.privacy.forget import forget
from expectations.lake.layout import Lake
from expectations.lake.tables import conform
from tests.written import START, at

BOOK = [Theme(name="Slow", any=["slow"])]


def land(lake: Lake, *rows: dict[str, Any], mode: Any = "append") -> None:
    known = {"event_name": "tell", "kind": "feedback", "channel": "web", "topic": "t", "partition": 0, "survey": "nps"}
    made = [
        known
        | {"event_id": f"e{n}", "offset": n, "occurred_at": at(f"{n}m"), "event_date": START.date(), "score": 3.0}
        | row
        for n, row in enumerate(rows)
    ]
    conform(pl.DataFrame(made)).collect().write_delta(lake.table("events"), mode=mode)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    land(
        lake,
        {"customer_id": "ann", "feedback_text": "So slow, ask Mr Smith"},
        {"customer_id": "bo", "feedback_text": "slow"},
        {"customer_id": "cy", "feedback_text": "fine"},
        {"customer_id": "cy", "feedback_text": "  "},
    )
    build(lake)
    return lake


def counted(lake: Lake) -> list[tuple[int, int]]:
    found = themes(Paths.open(lake), BOOK, landed_texts(lake))
    return found.select("texts", "responses").rows()


def test_texts_are_found_and_no_text_is_in_the_paths(lake: Lake) -> None:
    assert counted(lake) == [(3, 2), (3, 1)]
    files = [file.read_bytes() for file in Path(lake.address, "paths").rglob("*.parquet")]
    assert files and not any(b"Smith" in content for content in files)
    found = quotes(Paths.open(lake), BOOK, landed_texts(lake))
    assert found.columns == ["theme", "id", "quote", "responses", "customers"]
    assert found["quote"].to_list() == ["So slow, ask [name]", "slow"] and found["customers"].to_list() == [2, 2]


def test_a_customer_who_is_forgotten_has_no_text_and_no_quote(lake: Lake) -> None:
    forget(lake, "customer_id:ann")
    assert counted(lake) == [(2, 1), (2, 1)]
    assert quotes(Paths.open(lake), BOOK, landed_texts(lake))["quote"].to_list() == ["slow"]


def test_a_text_that_is_removed_for_its_age_is_nowhere_at_once(lake: Lake) -> None:
    rows = pl.read_delta(lake.table("events")).with_columns(feedback_text=pl.lit(None, pl.String))
    rows.write_delta(lake.table("events"), mode="overwrite")
    assert counted(lake) == [(0, 0), (0, 0)]
    assert quotes(Paths.open(lake), BOOK, landed_texts(lake)).is_empty()


def test_two_texts_under_one_id_are_none(lake: Lake) -> None:
    land(lake, {"customer_id": "bo", "feedback_text": "other", "event_id": "e1", "offset": 9})
    build(lake)
    assert counted(lake) == [(2, 1), (2, 1)]


def test_who_objects_is_counted_and_not_quoted(lake: Lake) -> None:
    paths = Paths.open(lake)
    known = Paths(paths.parts, paths.schema, paths.dictionaries, paths.end_of_data, objected=["customer_id:ann"])
    assert themes(known, BOOK, landed_texts(lake))["responses"][0] == 2
    assert quotes(known, BOOK, landed_texts(lake))["quote"].to_list() == ["slow"]


def test_few_texts_suggest_nothing(lake: Lake) -> None:
    assert suggest_themes(Paths.open(lake), BOOK, landed_texts(lake)).is_empty()
