"""`journeys run --every` as an operator meets it: real processes, log lines, metrics, the lock, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import journeys.runs.pipeline as module
from expectations.errors import ConfigurationError, DefinitionError
from expectations.lake.commands import CommandRun, command_runs, note_run
from expectations.lake.layout import Lake
from journeys.runs.pipeline import Pipeline, interval_of
from journeys.runs.steps import Ended
from tests.analytics.monitoring.runs.histories import History

TOML = """
[lake]
address = "lake"
[[ingest.files]]
match = ["*.csv"]
kind = "clickstream"
channel = "web"
[paths]
goal = ["buy"]
[report]
window = "7d"
pages = ["trust"]
[metrics]
textfile = "journeys.prom"
"""


def process(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "journeys", "run", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def test_a_step_that_fails_is_told_while_the_rounds_go_on_and_a_second_process_waits_outside(tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text(TOML)
    shop = History(tmp_path / "lake")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("somebody else's")
    shop.land(*((name, number % 20, f"c{number}", None) for number in range(60) for name in ("look", "buy")))
    service = process(tmp_path, "--every", "1h", "--log", "json")
    try:
        lines: list[dict[str, Any]] = []
        assert service.stderr is not None
        while not lines or lines[-1].get("message") != "round ended":
            line = service.stderr.readline()
            assert line, lines
            lines += [json.loads(line)] if line.startswith("{") else []
        second = process(tmp_path)
        _, told = second.communicate(timeout=120)
        assert second.returncode == 12 and f"process {service.pid} on " in told
    finally:
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=120)
    found = {line["step"]: line for line in lines if line["message"] == "step ended"}
    assert {name: line["status"] for name, line in found.items()} == {
        "ingest": "off",
        "stitch": "done",
        "check": "done",
        "report": "failed",
        "watch": "off",
        "products": "off",
        "brief": "skipped",
    }
    assert service.returncode == 5
    report = found["report"]
    assert (report["level"], report["code"], report["exit_code"]) == ("error", "STORAGE", 5) and report[
        "found"
    ] == "index.html"
    assert found["stitch"]["touches"] == 120 and found["brief"]["reason"] == "report failed"
    assert lines[-1]["steps_failed"] == ["report"]
    metrics = (tmp_path / "journeys.prom").read_text()
    assert 'exit_code{command="report"} 5.0' in metrics and 'exit_code{command="check"} 0.0' in metrics
    assert {run.command: run.exit_code for run in command_runs(shop.lake)}["run"] == 5


class Rounds:
    """Rounds that end at once, the last one with a signal; `told` has what is told of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        self.begun: list[float] = []
        rounds = self

        class Fake:
            def __init__(self, settings: Any, *, stop: Any, **_: Any) -> None:
                self.stop, self.settings = stop, settings

            def ended(self) -> list[Ended]:
                rounds.begun.append(time.monotonic())
                if len(rounds.begun) == count:
                    self.stop.set()
                return [Ended("stitch", "failed" if len(rounds.begun) == 1 else "done", exit_code=5)]

        monkeypatch.setattr(module, "Round", Fake)


def pipeline(folder: Path, **options: Any) -> Pipeline:
    (folder / "journeys.toml").write_text('[lake]\naddress = "lake"\n')
    (folder / "lake").mkdir(exist_ok=True)
    return Pipeline(folder / "journeys.toml", **options)


def test_rounds_begin_at_the_interval_and_a_signal_ends_them_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = Rounds(monkeypatch, 3)
    assert pipeline(tmp_path, interval=0.2).run() == 0  # that of the second round: the third was interrupted
    gaps = [later - one for one, later in zip(rounds.begun, rounds.begun[1:], strict=False)]
    assert len(gaps) == 2 and all(0.15 < gap < 5 for gap in gaps)
    assert [run.exit_code for run in command_runs(Lake(str(tmp_path / "lake"))) if run.command == "run"] == [130]
    Rounds(monkeypatch, 9)
    assert pipeline(tmp_path).run() == 5


def test_a_round_after_a_pause_says_that_it_catches_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for days, is_told in ((1, False), (3, True)):
        Rounds(monkeypatch, 1)
        service = pipeline(tmp_path, interval=86400.0)
        note_run(Lake(str(tmp_path / "lake")), CommandRun("run", time.time() - days * 86400, 1.0, 0))
        service.run()
        assert ("The last round ended 3 d ago" in capsys.readouterr().out) is is_told


def test_a_machine_that_slept_begins_at_once_and_a_clock_set_back_waits_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = pipeline(tmp_path, interval=60.0)
    now = time.time()
    clock = SimpleNamespace(time=lambda: now + 3600, monotonic=time.monotonic)
    monkeypatch.setattr(module, "time", clock)
    began = time.monotonic()
    assert service._waited(now + 60, began + 60) is False
    clock.time = lambda: now - 3600
    assert service._waited(now + 60, began) is False
    assert time.monotonic() - began < 30


def test_the_configuration_is_read_again_and_an_invalid_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service = pipeline(tmp_path, interval=60.0)
    lake = service._settings.lake.address
    for text, said in (
        ("[lake\n", "configuration failed"),
        ('[lake]\naddress = "other"\n', "cannot be another one"),
        ('[metrics]\ntextfile = "a.txt"\n', "prom"),
    ):
        (tmp_path / "journeys.toml").write_text(text)
        assert service._read_again(lake) is service._settings
        assert said in capsys.readouterr().err
    (tmp_path / "journeys.toml").write_text('[lake]\naddress = "lake"\n# reviewed\n')
    assert service._read_again(lake) is not service._settings


def test_an_interval_has_a_unit_and_some_time() -> None:
    for wrong in ("0s", "15", "soon"):
        with pytest.raises(DefinitionError):
            interval_of(wrong)
    with pytest.raises(ConfigurationError):
        Pipeline(Path("absent.toml"))
