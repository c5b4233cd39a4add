"""Records that end every process are found by processes that may die; a death by chance accuses no record."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from expectations.gate import contract_rules
from ingest.landing import trial as module
from ingest.landing.prepare import Task
from ingest.landing.trial import Outcome, try_records
from ingest.message import Partition
from ingest.settings.ingest import Limits, SchemaSettings, Stream
from tests.ingest.streams import Sent, event

TASK = Task(
    Partition("clicks", 0), Stream(topic="clicks", kind="clickstream"), Limits(), contract_rules(), has_profiles=False
)
POISON = str(Path(__file__).parent / "poison")
UNKNOWN_SCHEMA = b"\x00\x00\x00\x00\x07x"


def tried(*values: bytes, seconds: float = 120.0, patience: float = 20.0, **schemas: object) -> Outcome:
    records = [Sent(offset, value) for offset, value in enumerate(values)]
    settings = SchemaSettings.model_validate(schemas)
    return try_records(TASK, records, settings, until=time.monotonic() + seconds, patience=patience)


def poisoned(how: str) -> bytes:
    return event(1, url=f"poison: {how}")


def test_a_message_that_never_ends_or_takes_all_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(POISON)
    found = tried(event(0), poisoned("hang"), poisoned("take all memory"), event(3), patience=1.0)
    assert found.untried is None and found.culprits.keys() == {1, 2}
    assert found.culprits[1].endswith("took too long") and found.culprits[2].endswith("exit code 1")


def test_a_message_that_a_process_died_of_once_is_no_culprit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(POISON)
    monkeypatch.setenv("POISON_WORKED", str(tmp_path / "worked"))
    assert tried(event(0), poisoned("once"), event(2)) == Outcome({})
    assert (tmp_path / "worked").exists()


def test_processes_that_die_before_their_first_record_accuse_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os\nos._exit(1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert tried(event(0), poisoned("kill")) == Outcome({})


def test_without_an_interpreter_no_record_is_accused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert tried(event(0)) == Outcome({})


def test_a_registry_that_does_not_answer_accuses_no_record_and_its_login_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    def run(command: list[str], *, real: Any = subprocess.run, **how: Any) -> Any:
        seen.append(f"{command}{how['env']}")
        ended = real(command, **how)
        seen.append(f"{ended.returncode}")
        return ended

    monkeypatch.setattr(subprocess, "run", run)
    assert tried(UNKNOWN_SCHEMA, address="http://127.0.0.1:1", token="hidden") == Outcome({})
    assert seen[1:] == [str(module._GAVE_UP)] and "hidden" not in seen[0]
    assert "hidden" not in "".join(capfd.readouterr())


class Processes:
    """Stand in for trial processes: they die of `culprits` always, of `unlucky` records once."""

    def __init__(self, culprits: set[int], unlucky: set[int]) -> None:
        self.culprits, self.unlucky, self.count = culprits, set(unlucky), 0

    def run(self, work: module._Work, _until: float) -> tuple[int, int]:
        self.count += 1
        for index, record in enumerate(work.records):
            if record.offset in self.culprits | self.unlucky:
                self.unlucky.discard(record.offset)
                return -9, index // work.size + 1
        return 0, -(-len(work.records) // work.size)


@pytest.mark.parametrize("seed", range(20))
def test_all_culprits_and_no_others_are_found_among_many_records(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    count = draw.choice((1, 2, 255, 257, 3_000))
    culprits, unlucky = ({draw.randrange(count) for _ in range(draw.randrange(6))} for _ in range(2))
    processes = Processes(culprits, unlucky - culprits)
    monkeypatch.setattr(module, "_run", processes.run)
    found = tried(*[b"x"] * count)
    assert found.culprits.keys() == culprits and found.untried is None
    assert processes.count <= 1 + 3 * len(culprits | unlucky)


def test_records_that_the_time_was_too_short_for_are_untried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_run", Processes({3, 700}, set()).run)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=iter(range(100)).__next__))
    records = [Sent(offset, b"x") for offset in range(1_000)]
    found = [try_records(TASK, records, SchemaSettings(), until=until, patience=1.0) for until in (1, 4 + 3, 100)]
    assert [(each.culprits.keys(), each.untried) for each in found] == [(set(), 3), ({3}, 700), ({3, 700}, None)]


def test_a_process_that_cannot_start_in_time_leaves_all_records_untried() -> None:
    assert tried(event(0), event(1), seconds=0.0) == Outcome({}, 0)
