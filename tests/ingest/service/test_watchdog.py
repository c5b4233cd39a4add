"""The watchdog ends a process whose loop has stopped, and no other."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

from ingest.service.watchdog import EXIT_STUCK, Watchdog, _note, count_restarts


def test_processes_ended_by_the_watchdog_are_counted(tmp_path: Path) -> None:
    assert count_restarts(str(tmp_path)) == 0
    _note(str(tmp_path))
    _note(str(tmp_path))
    assert count_restarts(str(tmp_path)) == 2


def test_it_barks_once_when_the_loop_stops() -> None:
    barked = threading.Event()
    with Watchdog(timedelta(milliseconds=50), bark=barked.set) as watchdog:
        assert barked.wait(5)
        assert not watchdog.is_patient


def test_it_is_quiet_while_the_loop_runs_and_afterwards() -> None:
    barked = threading.Event()
    with Watchdog(timedelta(seconds=2), bark=barked.set) as watchdog:
        for _ in range(5):
            time.sleep(0.01)
            watchdog.beat()
            assert watchdog.is_patient
    assert not barked.is_set()


def test_a_stuck_process_ends_and_writes_its_stacks() -> None:
    stuck = """
from datetime import timedelta
from ingest.service.watchdog import Watchdog
def spins_forever():
    while True: pass
with Watchdog(timedelta(milliseconds=200)):
    spins_forever()
"""
    ended = subprocess.run([sys.executable, "-c", stuck], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == EXIT_STUCK and "spins_forever" in ended.stderr
