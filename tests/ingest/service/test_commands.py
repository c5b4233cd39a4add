"""How commands ended is exported by a running service, and written to a file for node_exporter."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from expectations.config.retention import FOR_EVER
from expectations.errors import StorageError
from expectations.lake.commands import CommandRun, note_run
from expectations.lake.layout import Lake
from ingest.service.commands import command_metrics, write_textfile
from ingest.service.counters import Counters
from ingest.settings.ingest import MaintenanceSettings
from ingest.upkeep.schedule import MaintenanceScheduler

FAILED = CommandRun("check", ended_at=50.0, seconds=2.5, exit_code=1, rows=7, succeeded_at=20.0)
NEVER = CommandRun("report", ended_at=60.0, seconds=1.0, exit_code=5)


def test_facts_are_gauges_with_a_sample_per_command_that_has_them(tmp_path: Path) -> None:
    file = tmp_path / "journeys.prom"
    write_textfile(str(file), [FAILED])
    write_textfile(str(file), [FAILED, NEVER])
    read = {
        (sample.name.removeprefix("journeys_command_last_"), sample.labels["command"]): sample.value
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
    }
    assert read == {
        ("end_timestamp_seconds", "check"): 50.0,
        ("success_timestamp_seconds", "check"): 20.0,
        ("duration_seconds", "check"): 2.5,
        ("exit_code", "check"): 1.0,
        ("rows", "check"): 7.0,
        ("end_timestamp_seconds", "report"): 60.0,
        ("duration_seconds", "report"): 1.0,
        ("exit_code", "report"): 5.0,
    }
    assert [one.name for one in tmp_path.iterdir()] == ["journeys.prom"]


def test_without_runs_there_are_families_and_no_samples() -> None:
    assert [family.samples for family in command_metrics([])] == [[], [], [], [], []]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written") as failed:
        write_textfile(str(tmp_path / "none" / "journeys.prom"), [FAILED])
    assert failed.value.where.endswith("none/journeys.prom") and failed.value.found == "No such file or directory"


def test_a_running_service_reads_the_notes_of_its_lake(tmp_path: Path) -> None:
    lake, counters = Lake(str(tmp_path)), Counters()
    note_run(lake, NEVER)
    with MaintenanceScheduler(lake, MaintenanceSettings(), counters, FOR_EVER, pause_seconds=0.01):
        until = time.monotonic() + 30
        while not counters.command_runs and time.monotonic() < until:
            time.sleep(0.01)
        assert counters.command_runs == [NEVER]
        note_run(lake, FAILED)
        while len(counters.command_runs) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    assert counters.command_runs == [FAILED, NEVER]
