"""The lake's store misbehaves, or is older than we are: nothing is lost, and what cannot be is one clear error."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from expectations import contract, retries
from expectations.errors import StorageError
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.decoding.decode import decode
from ingest.landing import commit
from ingest.landing.commit import Table, scan
from ingest.landing.offsets import Claim
from ingest.message import Partition
from ingest.settings.ingest import Limits, Stream
from tests.ingest.streams import Sent, event, places

APP = "ingest/test/topic/0"
NEW = ("device", "part")
"""Columns that a table of an earlier version lacks."""
OLD = pl.Schema({name: dtype for name, dtype in contract.EVENTS.items() if name not in NEW})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def rows(first: int, last: int) -> pl.DataFrame:
    sent = [Sent(offset, event(offset, device="phone", url=os.urandom(40).hex())) for offset in range(first, last)]
    return decode(sent, Partition("clicks", 0), Stream(topic="clicks", kind="clickstream"), Limits()).events


@contextmanager
def full_disk(largest: int) -> Iterator[None]:
    """No file may grow beyond so many bytes: writing on fails as it does when the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_in_the_middle_of_a_file_lands_nothing_and_later_all(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 0.001)
    table = Table(lake, layout.EVENTS)
    assert table.append(rows(0, 10), [Claim(APP, None, 10)])
    with full_disk(8_000), pytest.raises(StorageError, match="cannot be written"):
        table.append(rows(10, 2_010), [Claim(APP, 10, 2_010)])
    assert len(places(lake)) == 10 and Table(lake, layout.EVENTS).decided(APP) == 10
    assert table.append(rows(10, 2_010), [Claim(APP, 10, 2_010)])
    assert len(places(lake)) == len(set(places(lake))) == 2_010


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else than the folder's owner")
def test_a_folder_that_others_own_is_one_clear_error() -> None:
    folder = tempfile.mkdtemp()
    try:
        Path(folder).chmod(0o755)
        Table(Lake(folder), layout.EVENTS)
        code = (
            "import os; os.setgid(65534); os.setuid(65534)\n"
            "from expectations.errors import StorageError\nfrom expectations.lake.layout import Lake\n"
            f"from ingest.landing.commit import Table\ntry: Table(Lake({folder!r}), 'events')\n"
            "except StorageError as error: print(error.message)"
        )
        code = "import expectations.lake.layout, ingest.landing.commit\n" + code  # while we may still read our own code
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        assert "cannot be written" in said.stdout and folder in said.stdout
    finally:
        shutil.rmtree(folder)


@contextmanager
def earlier_version(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The product as it was before some columns."""
    with monkeypatch.context() as before:
        before.setitem(commit.SCHEMAS, layout.EVENTS, OLD)
        yield


def test_a_table_of_an_earlier_version_gets_the_columns_and_keeps_its_rows(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with earlier_version(monkeypatch):
        assert Table(lake, layout.EVENTS).append(rows(0, 5).drop(NEW), [Claim(APP, None, 5)])
    table = Table(lake, layout.EVENTS)
    assert table.append(rows(5, 9), [Claim(APP, 5, 9)])
    devices = scan(lake, layout.EVENTS).sort("offset").select("device").collect()["device"].to_list()
    assert devices == [None] * 5 + ["phone"] * 4


def test_consumers_of_two_versions_land_side_by_side(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    with earlier_version(monkeypatch):
        old = Table(lake, layout.EVENTS)
        assert old.append(rows(0, 3).drop(NEW), [Claim(APP, None, 3)])
    new = Table(lake, layout.EVENTS)
    assert new.append(rows(3, 6), [Claim(APP, 3, 6)])
    with earlier_version(monkeypatch):
        old.reload()
        assert old.append(rows(6, 9).drop(NEW), [Claim(APP, 6, 9)])
        assert not old.append(rows(6, 9).drop(NEW), [Claim(APP, 6, 9)])
    new.reload()
    assert new.append(rows(9, 12), [Claim(APP, 9, 12)])
    assert len(places(lake)) == len(set(places(lake))) == 12
