"""Commands note how they end, in the lake and in a file of metrics, and are themselves not changed by that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import typer

from expectations.errors import ConfigurationError, StorageError
from expectations.lake.commands import CommandRun, command_runs
from journeys.runs.noted import noted
from journeys.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "lake").mkdir()
    file = tmp_path / "journeys.toml"
    file.write_text('[metrics]\ntextfile = "journeys.prom"\n')
    return Settings(file)


def last(settings: Settings) -> CommandRun:
    [run] = command_runs(settings.lake)
    return run


def test_a_run_is_noted_with_its_rows_and_in_the_file_of_metrics(settings: Settings) -> None:
    with noted(settings, "load") as run:
        run.rows = 12
    assert (last(settings).exit_code, last(settings).rows) == (0, 12)
    assert last(settings).succeeded_at == last(settings).ended_at
    file = settings.folder / "journeys.prom"
    assert 'journeys_command_last_rows{command="load"} 12.0' in file.read_text()


def test_another_users_exporter_may_read_the_file_of_metrics(settings: Settings) -> None:
    before = os.umask(0o077)
    try:
        with noted(settings, "load"):
            pass
    finally:
        os.umask(before)
    assert (settings.folder / "journeys.prom").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StorageError("full"), 5),
        (typer.Exit(1), 1),
        (KeyboardInterrupt(), 130),
        (ModuleNotFoundError(name="great_expectations"), 2),
        (ModuleNotFoundError(name="unheard_of"), 70),
        (ZeroDivisionError(), 70),
        (OSError(28, "No space left on device", "lake/x"), 5),
    ],
)
def test_an_error_is_noted_by_its_exit_code_and_raised(settings: Settings, error: BaseException, code: int) -> None:
    with noted(settings, "check"):
        pass
    success = last(settings).ended_at
    with pytest.raises(type(error)), noted(settings, "check"):
        raise error
    assert (last(settings).exit_code, last(settings).succeeded_at) == (code, success)


def test_what_a_command_says_of_itself_is_noted(settings: Settings) -> None:
    with noted(settings, "check") as run:
        run.exit_code = 1
    assert (last(settings).exit_code, last(settings).succeeded_at) == (1, None)


def test_a_note_that_cannot_be_written_is_reported_and_changes_nothing(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    (settings.folder / "lake" / "commands").touch()
    with noted(settings, "stitch"):
        pass
    assert "cannot be noted in the lake" in capsys.readouterr().err
    assert 'exit_code{command="stitch"} 0.0' in (settings.folder / "journeys.prom").read_text()


def test_a_file_of_metrics_that_cannot_be_written_is_reported(
    tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.file.path.write_text('[metrics]\ntextfile = "none/journeys.prom"\n')
    with noted(Settings(settings.file.path), "stitch"):
        pass
    assert "The file of metrics cannot be written" in capsys.readouterr().err
    assert last(settings).exit_code == 0


def test_a_file_that_node_exporter_would_not_read_is_refused(settings: Settings) -> None:
    settings.file.path.write_text('[metrics]\ntextfile = "journeys.txt"\n')
    with pytest.raises(ConfigurationError, match=r"line 2.*textfile|textfile.*line 2|prom"):
        _ = Settings(settings.file.path).textfile
