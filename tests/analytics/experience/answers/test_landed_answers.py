"""The answers of a lake: found by the touches of its paths, in either form, and in no file of the paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analytics import CodedQuestion, Paths, coded_answers, landed_answers
from analytics.stitching.build import build
from analytics.stitching.privacy.forget import forget
from expectations.lake.layout import Lake
from tests.analytics.experience.texts.test_landed_texts import land

ASKED = [
    CodedQuestion(code="q-1", text="It is easy", answers={"1": "Agrees", "quite certainly not": "Disagrees"}),
    CodedQuestion(code="felt", kind="felt", text="You felt", answers={"true": "Well", "false": "Unwell"}),
]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    told: list[Any] = [
        {"question": "q-1", "answer": 1},
        {"answers": {"q-1": "quite certainly not", "felt": True}},
        {"question": "q-1", "answers": {"felt": None, "else": "x"}},
        {"question": "else", "answer": "1"},
        {"answers": ["q-1"], "note": '"answer'},
        {"question": "q-1", "answer": {"no": "code"}},
    ]
    land(lake, *({"customer_id": f"c{n}", "properties": json.dumps(one)} for n, one in enumerate(told)))
    build(lake)
    return lake


def counted(lake: Lake) -> list[tuple[str, str | None, int]]:
    found = coded_answers(Paths.open(lake), ASKED, landed_answers(lake, ASKED), by=())
    return found.select("question", "answer", "customers").rows()


def test_answers_are_found_in_both_forms_and_are_in_no_file_of_the_paths(lake: Lake) -> None:
    own = [
        ("q-1", "1", 1),
        ("q-1", "quite certainly not", 1),
        ("q-1", None, 1),
        ("felt", "true", 1),
        ("felt", "false", 0),
    ]
    assert counted(lake) == own
    files = [file.read_bytes() for file in Path(lake.address, "paths").rglob("*.parquet")]
    assert files and not any(b"quite certainly not" in content for content in files)


def test_a_customer_who_is_forgotten_has_no_answer(lake: Lake) -> None:
    forget(lake, "customer_id:c1")
    assert [row for row in counted(lake) if row[2]] == [("q-1", "1", 1), ("q-1", None, 1)]


def test_two_answers_under_one_event_id_are_none(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    yes, no = ({"question": "q-1", "answer": code} for code in ("1", "quite certainly not"))
    rows = [{"customer_id": "ann", "event_id": "e", "properties": json.dumps(one)} for one in (yes, no)]
    land(lake, *rows)
    assert landed_answers(lake, ASKED).rows.is_empty()
