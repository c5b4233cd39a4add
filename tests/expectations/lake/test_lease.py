"""A table's files are rewritten by one process at a time; what was begun under an earlier lease fails at its commit."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from expectations.lake import lease as leases
from expectations.lake.lease import Lease

OTHER_RUN = "0" * 32
DAY = date(2026, 11, 28)
ROWS, EACH = 60, 10


@pytest.fixture
def address(tmp_path: Path) -> str:
    for begin in range(0, ROWS, EACH):
        add(str(tmp_path / "t"), begin)
    return str(tmp_path / "t")


def add(target: str | DeltaTable, begin: int) -> None:
    numbers = range(begin, begin + EACH)
    rows = pl.DataFrame({"day": [DAY] * EACH, "number": numbers, "name": [f"n{number % 3}" for number in numbers]})
    rows.write_delta(target, mode="append", delta_write_options={"partition_by": ["day"]})


def numbers(address: str) -> list[int]:
    return sorted(pl.read_delta(address)["number"])


def snapshot(lease: Lease) -> DeltaTable:
    table = lease.table()
    assert table is not None
    return table


REWRITES: dict[str, Callable[[DeltaTable], object]] = {
    "compact": lambda table: table.optimize.compact(),
    "order": lambda table: table.optimize.z_order(["name"]),
    "delete": lambda table: table.delete("name = 'n0'"),
    "restore": lambda table: table.restore(ROWS // EACH - 1),
}


@pytest.mark.parametrize(("first", "later"), list(itertools.product(REWRITES, REWRITES)))
@pytest.mark.parametrize("appends", [0, 2])
def test_what_began_under_an_earlier_lease_fails_at_its_commit(
    address: str, first: str, later: str, appends: int
) -> None:
    stopped, urgent = Lease(address), Lease(address, urgent=True)
    late = snapshot(stopped)
    REWRITES[first](snapshot(urgent))
    for number in range(appends):
        add(address, ROWS + number * EACH)
    before = numbers(address)
    with pytest.raises(CommitFailedError):
        REWRITES[later](late)
    assert numbers(address) == before and len(before) == len(set(before))
    assert not stopped.is_held


def test_negative_control_without_a_lease_every_row_is_there_twice(address: str) -> None:
    one, other = DeltaTable(address), DeltaTable(address)
    one.optimize.compact()
    other.optimize.compact()
    assert numbers(address) == sorted(2 * list(range(ROWS)))


def test_one_of_two_processes_holds_it_and_the_other_has_it_afterwards(address: str) -> None:
    other = Lease(address)
    with Lease(address) as one:
        assert one.table() is not None and one.is_held
        assert other.table() is None
    assert not one.is_held and other.table() is not None and one.table() is None


def test_of_many_that_take_it_at_once_one_gets_it(address: str) -> None:
    for _ in range(5):
        taken, together = [Lease(address) for _ in range(4)], threading.Barrier(4)
        held: list[bool] = []

        def take(lease: Lease, together: threading.Barrier = together, held: list[bool] = held) -> None:
            together.wait()
            held.append(lease.table() is not None)

        threads = [threading.Thread(target=take, args=[lease]) for lease in taken]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(held) == 1 and sum(lease.is_held for lease in taken) == 1
        for lease in taken:
            lease.__exit__(None, None, None)


@pytest.mark.parametrize("apart", [0, -86_400, 86_400])
def test_that_of_a_killed_process_lapses_whatever_its_clock_said(address: str, apart: float) -> None:
    now = 1_800_000_000.0
    killed = Lease(address, clock=lambda: now + apart)
    late = snapshot(killed)
    assert apart or Lease(address, clock=lambda: now + leases.LEASE.total_seconds() - 1).table() is None
    table = Lease(address, clock=lambda: now + leases.LEASE.total_seconds()).table()
    assert table is not None
    table.optimize.compact()
    with pytest.raises(CommitFailedError):
        late.optimize.compact()
    assert numbers(address) == list(range(ROWS))


@pytest.mark.parametrize(
    ("owner", "is_taken"),
    [
        (f"id/{OTHER_RUN}/{os.getpid()}/{socket.gethostname()}", True),  # a container has started again
        (f"id/{OTHER_RUN}/{os.getppid()}/{socket.gethostname()}", False),
        (f"id/{OTHER_RUN}/{os.getpid()}/another/host", False),
        ("0123456789abcdef", False),  # of an earlier version
        (f"id/run/one/{socket.gethostname()}", False),
    ],
    ids=["another run of our number", "a living process", "another host", "of an earlier version", "no process"],
)
def test_it_is_taken_at_once_from_a_process_that_is_known_to_be_dead(address: str, owner: str, is_taken: bool) -> None:
    held = {leases.PROPERTY: f"{owner} {time.time():.0f}"}
    DeltaTable(address).alter.set_table_properties(held, raise_if_not_exists=False)
    assert (Lease(address).table() is not None) == is_taken


def test_it_is_renewed_between_two_rewrites(address: str) -> None:
    now = 1_800_000_000.0
    lease = Lease(address, clock=lambda: now)
    version = snapshot(lease).version()
    assert snapshot(lease).version() == version
    now += leases.LEASE.total_seconds() * 0.6
    assert snapshot(lease).version() == version + 1
    now += leases.LEASE.total_seconds() * 0.6
    assert Lease(address, clock=lambda: now).table() is None


def test_it_is_released_by_its_owner_only(address: str) -> None:
    with Lease(address) as lost:
        lost.table()
        taken = Lease(address, urgent=True)
        assert taken.table() is not None
    assert taken.is_held


def test_a_table_that_nobody_rewrites_is_left_as_it_is(address: str) -> None:
    version = DeltaTable(address).version()
    with Lease(address):
        pass
    assert DeltaTable(address).version() == version
