"""Two processes rewrite files at once while events land: every event stays in the lake once."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from analytics.store.manifest import publish
from expectations.lake import files, layout
from expectations.lake import lease as leases
from expectations.lake.layout import Lake
from expectations.lake.lease import Lease
from ingest.upkeep import rewrite
from ingest.upkeep.maintenance import maintain
from ingest.upkeep.restore import restore
from tests.ingest.streams import places
from tests.ingest.upkeep.overlaps import CLOSED, CROWDED, PAIRS, STEPS, land, overlaps

_KILLED = """
import os, signal, sys, time
from expectations.lake.lease import Lease
lease = Lease(sys.argv[1], clock=lambda: time.time() - 600)
assert lease.table() is not None
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_two_that_rewrite_one_day_at_once_keep_every_event_once_over_20_overlaps(tmp_path: Path) -> None:
    assert overlaps(tmp_path, 20 // len(PAIRS)) == ""


def test_a_process_killed_between_claim_and_commit_blocks_nothing_on_its_machine(lake: Lake) -> None:
    land(lake, 4)
    killed = subprocess.run([sys.executable, "-c", _KILLED, lake.table(layout.EVENTS)], check=False)
    assert killed.returncode == -9
    total = land(lake, 1)
    done = maintain(lake, CROWDED, now=CLOSED)
    assert done.left == set() and sum(done.ordered.values()) == total
    assert places(lake) == [("clicks", 0, offset) for offset in range(total)]


def test_a_process_killed_elsewhere_blocks_only_compaction_and_only_for_a_time(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(lake, 4)
    killed = subprocess.run([sys.executable, "-c", _KILLED, lake.table(layout.EVENTS)], check=False)
    assert killed.returncode == -9
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    total = land(lake, 1)
    assert STEPS["compact"](lake) == 0
    assert maintain(lake, CROWDED, now=CLOSED).left == {layout.EVENTS}
    monkeypatch.setattr(leases, "LEASE", timedelta(seconds=500))
    assert STEPS["compact"](lake) == 1
    assert places(lake) == [("clicks", 0, offset) for offset in range(total)]


@pytest.mark.parametrize("step", ["erase", "restore"])
def test_what_a_person_asks_for_takes_the_lease_from_maintenance(lake: Lake, step: str) -> None:
    land(lake, 1)
    then = datetime.now(UTC)
    land(lake, 3)
    with Lease(lake.table(layout.EVENTS)) as maintaining:
        assert maintaining.table() is not None
        STEPS["erase"](lake) if step == "erase" else restore(lake, then)
        assert not maintaining.is_held
    assert len(places(lake)) == (159 if step == "erase" else 40)


def test_the_version_that_the_newest_paths_were_built_from_is_pinned(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the process that stitched them was killed before it replaced the manifest."""
    monkeypatch.setattr(rewrite, "thin_log", lambda *arguments: arguments[-1])

    def pinned() -> int | None:
        return rewrite.bound_log(lake, layout.EVENTS, CROWDED)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    assert pinned() is None
    assert publish(lake.paths, "", {"generation": "one", "built_from": {layout.EVENTS: 4}})
    assert pinned() == 4
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(files, "write", killed)
        publish(lake.paths, "one", {"generation": "two", "built_from": {layout.EVENTS: 9}})
    assert pinned() == 9
    files.write(f"{lake.paths}/manifest.json", b"{damaged")
    assert pinned() is None
