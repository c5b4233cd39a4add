"""One process at a time: a second one says who works on the lake, and a killed one leaves no lock."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from expectations.errors import BusyError, StorageError
from expectations.lake.layout import Lake
from journeys.runs.lock import held

HOLD = """
import sys
from expectations.lake.layout import Lake
from journeys.runs.lock import held
with held(Lake(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("address", ["lake", "s3://bucket/a lake"])
def test_a_second_process_says_who_holds_the_lock_until_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert first.stdout is not None and first.stdout.readline() == "held\n"
    with (
        pytest.raises(BusyError, match=f"(?s)one at a time.*process {first.pid} on .*, since 20") as busy,
        held(Lake(address)),
    ):
        raise AssertionError
    assert busy.value.exit_code == 12
    first.kill()
    first.communicate()
    with held(Lake(address)), pytest.raises(BusyError, match=f"process {os.getpid()}"), held(Lake(address)):
        raise AssertionError
    with held(Lake(address)):
        pass


def test_a_lock_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "lake").touch()
    with pytest.raises(StorageError, match=r"(?s)lock of the pipeline.*run\.lock"), held(Lake(str(tmp_path / "lake"))):
        raise AssertionError


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of a lake in a store lies where anybody can write."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with held(Lake("s3://bucket/lake")):
        (lock,) = tmp_path.glob("journeys-*.lock")
    lock.unlink()
    (tmp_path / "mine.txt").write_text("mine")
    lock.symlink_to(tmp_path / "mine.txt")
    with pytest.raises(StorageError, match="lock of the pipeline"), held(Lake("s3://bucket/lake")):
        raise AssertionError
    assert (tmp_path / "mine.txt").read_text() == "mine"
