"""The log of a table stays small, and what it keeps can be opened; versions are as old as their entries say."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from expectations.lake.log import actions, oldest_version, thin_log, version_at

COMMITS, LATEST, EVERY = 130, 40, 5
HOUR = timedelta(hours=1)
BEGAN = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A table with a commit an hour, of which every tenth compacts; its checkpoints are made after five commits."""
    address = str(tmp_path_factory.mktemp("log") / "t")
    rows = pl.DataFrame({"number": [1]})
    settings = {"delta.checkpointInterval": str(EVERY), "delta.deletedFileRetentionDuration": "interval 0 hours"}
    DeltaTable.create(address, schema=rows.to_arrow().schema, configuration=settings)
    for number in range(1, COMMITS):
        DeltaTable(address).optimize.compact() if number % 10 == 0 else rows.write_delta(address, mode="append")
    for number in range(COMMITS):
        date_back(address, number, BEGAN + number * HOUR)
    return address


@pytest.fixture
def address(made: str, tmp_path: Path) -> str:
    return shutil.copytree(made, str(tmp_path / "t"), copy_function=shutil.copyfile)


def date_back(address: str, version: int, when: datetime) -> None:
    entry = Path(address) / "_delta_log" / f"{version:020}.json"
    was = actions(address, version)[0]["commitInfo"]["timestamp"]
    entry.write_text(entry.read_text().replace(str(was), f"{when.timestamp() * 1000:.0f}", 1))


def rows_by_version(address: str) -> dict[int, int]:
    """The rows of each version that can be opened and read."""
    found = {}
    for version in range(COMMITS):
        with suppress(DeltaError):
            found[version] = pl.scan_delta(DeltaTable(address, version=version)).collect().height
    return found


def thinned(address: str, keep: timedelta) -> int:
    return thin_log(address, LATEST, keep, BEGAN + COMMITS * HOUR)


def test_the_latest_versions_stay_and_some_older_ones_and_all_of_them_can_be_read(address: str) -> None:
    before = rows_by_version(address)
    assert len(before) == COMMITS and thinned(address, 60 * HOUR) > 100
    assert rows_by_version(address) == {number: before[number] for number in (74, 79, 84, *range(89, COMMITS))}
    assert thinned(address, 60 * HOUR) == 0
    pl.DataFrame({"number": [1]}).write_delta(address, mode="append")
    assert pl.read_delta(address).height == before[COMMITS - 1] + 1


def test_a_pinned_version_stays(address: str) -> None:
    before = rows_by_version(address)
    thin_log(address, LATEST, 60 * HOUR, BEGAN + COMMITS * HOUR, pinned=33)
    after = rows_by_version(address)
    assert min(after) == 33 and after[33] == before[33] and len(after) == len(range(89, COMMITS)) + 4
    assert DeltaTable(address).version() == COMMITS - 1 and pl.read_delta(address).height == before[COMMITS - 1]


def test_older_ones_are_evenly_spaced_in_time(address: str) -> None:
    thinned(address, 2000 * HOUR)
    older = [number for number in rows_by_version(address) if number < 89]
    assert [later - number for number, later in pairwise(older)] == [20] * 4


def test_a_log_that_is_hardly_longer_is_left_alone(address: str) -> None:
    assert thin_log(address, COMMITS - 2, 60 * HOUR, BEGAN) == 0
    assert thin_log(f"{address}/none", LATEST, 60 * HOUR, BEGAN) == 0
    assert len(rows_by_version(address)) == COMMITS


def test_a_version_is_as_old_as_its_entry_says_whatever_the_files_say(address: str) -> None:
    for number, file in enumerate(sorted((Path(address) / "_delta_log").iterdir())):
        os.utime(file, (number * 7919 % 100, number * 7919 % 100))
    assert version_at(address, BEGAN + 10.5 * HOUR) == (10, BEGAN + 10 * HOUR)
    assert version_at(address, BEGAN - HOUR) is None and oldest_version(address) == (0, BEGAN)
    thinned(address, 60 * HOUR)
    assert version_at(address, BEGAN + 78.9 * HOUR) == (74, BEGAN + 74 * HOUR)
    assert version_at(address, BEGAN + 73 * HOUR) is None and oldest_version(address) == (74, BEGAN + 74 * HOUR)
