"""The lake knows how the last run of each command ended, and when it last succeeded."""

from __future__ import annotations

from pathlib import Path

import pytest

from expectations.errors import StorageError
from expectations.lake.commands import CommandRun, command_runs, note_run
from expectations.lake.layout import Lake


def test_each_command_keeps_its_last_run(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    check = CommandRun("check", ended_at=10.0, seconds=1.5, exit_code=1, rows=7, succeeded_at=4.0)
    load = CommandRun("load", ended_at=9.0, seconds=0.5, exit_code=0, rows=3, succeeded_at=9.0)
    note_run(lake, CommandRun("check", ended_at=4.0, seconds=1.0, exit_code=0))
    note_run(lake, check)
    note_run(lake, load)
    assert command_runs(lake) == [load, check]


def test_a_failed_run_keeps_the_time_of_the_last_success() -> None:
    first = CommandRun("report", ended_at=10.0, seconds=1.0, exit_code=0).after([])
    failed = CommandRun("report", ended_at=20.0, seconds=1.0, exit_code=5).after([first])
    assert (first.succeeded_at, failed.succeeded_at) == (10.0, 10.0)
    assert CommandRun("stitch", ended_at=20.0, seconds=1.0, exit_code=5).after([first]).succeeded_at is None
    assert CommandRun("report", ended_at=30.0, seconds=1.0, exit_code=0).after([failed]).succeeded_at == 30.0


def test_without_a_lake_nothing_is_noted_and_nothing_is_known(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "none"))
    note_run(lake, CommandRun("check", ended_at=4.0, seconds=1.0, exit_code=5))
    assert command_runs(lake) == [] and list(tmp_path.iterdir()) == []


def test_a_note_that_cannot_be_written_or_read_says_where(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    (tmp_path / "commands").touch()
    with pytest.raises(StorageError, match="cannot be noted") as failed:
        note_run(lake, CommandRun("check", ended_at=4.0, seconds=1.0, exit_code=0))
    assert failed.value.where.endswith("commands/check.json")
    (tmp_path / "commands").unlink()
    (tmp_path / "commands").mkdir()
    for content in ("{", '{"other": 1}', "[1]"):
        (tmp_path / "commands" / "load.json").write_text(content)
        with pytest.raises(StorageError, match="cannot be read") as broken:
            command_runs(lake)
        assert broken.value.where.endswith("commands/load.json") and "remove this file" in broken.value.do
