"""The pipeline as a data engineer runs it: configuration, broker, `journeys run`, again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.kafka.topics import create_topics
from ingest.samples.broker import EmbeddedBroker

pytestmark = pytest.mark.broker

Journeys = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as embedded:
        yield embedded


@pytest.fixture(scope="module")
def journeys(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Journeys:
    folder = tmp_path_factory.mktemp("pipeline")

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "journeys", *arguments],
            cwd=folder,
            env={"JOURNEYS_INGEST__BROKERS": f'["{broker.address}"]', "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return command


def test_the_pipeline_runs_from_configuration_to_report_and_again(journeys: Journeys) -> None:
    assert journeys("init").returncode == 0
    unknown = journeys("ingest", "--until-caught-up")
    assert (unknown.returncode, "Traceback" in unknown.stderr) == (3, False)
    assert "clickstream" in unknown.stderr
    assert journeys("simulate", "--customers", "300", "--days", "5").returncode == 0
    doctor = journeys("doctor")
    assert doctor.returncode == 0, doctor.stdout
    first = journeys("run")
    assert first.returncode == 0, first.stderr
    assert "0 failed" in first.stdout or "all met" in first.stdout
    assert first.stdout.count("kinds of identity that no setting names") == 1 and "Warning" not in first.stderr
    again = journeys("run")
    assert again.returncode == 0
    assert "  0 events landed" in again.stdout
    assert "0 new rows" in again.stdout


def test_topics_that_never_contained_a_record_are_named(
    journeys: Journeys, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    config = tmp_path / "journeys.toml"
    config.write_text('[[ingest.streams]]\ntopic = "quiet"\nkind = "clickstream"\n')
    create_topics([broker.address], {"quiet": 2})
    done = journeys("ingest", "--until-caught-up", "--config", str(config))
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert "quiet" in done.stderr and "hold no record" in done.stderr
