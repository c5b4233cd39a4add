"""Worked cases of other tools give their numbers, as far as the product has words for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import KINDS, judge

FOLDER = Path(__file__).parent / "conformance"
CASES = [case for file in sorted(FOLDER.glob("*.json")) for case in json.loads(file.read_text())["cases"]]


@pytest.mark.parametrize("case", [c for c in CASES if c["params"]["kind"] in KINDS], ids=lambda case: case["id"])
def test_a_worked_case_gives_its_numbers(case: dict[str, Any]) -> None:
    verdict, found = judge(case)
    assert verdict == "passed", f"{case['what']}: expected {case['expected']}, found {found}"
