"""A short run of the attacks on what docs/security.md promises; `make promises` runs all."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import expectations.compile.compile
from benchmarks.promises import ROWS, Command, deletion


@pytest.mark.parametrize("row", ["configuration", "network"])
def test_what_is_promised_holds(row: str, tmp_path: Path) -> None:
    found = list(ROWS[row](tmp_path / "work", random.Random(7), 1))
    assert len(found) > 10 and [attack for attack, held in found if not held] == []


def test_a_condition_that_is_not_refused_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expectations.compile.compile, "compile_own", lambda _: None)
    found = list(ROWS["configuration"](tmp_path / "work", random.Random(7), 0))
    assert sum(not held for _, held in found) > len(found) / 2


def test_files_that_are_gone_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(shop: Command, *arguments: str) -> tuple[int, str]:
        for file in [*shop.folder.rglob("*.csv"), *shop.folder.rglob("*.txt")]:
            file.unlink()
        return 0, "[]"

    monkeypatch.setattr(Command, "run", run)
    lost = [attack for attack, held in deletion(tmp_path / "work", random.Random(7), 1) if not held]
    assert [attack for attack in lost if attack.endswith("data.csv is gone")] and len(lost) > 3
