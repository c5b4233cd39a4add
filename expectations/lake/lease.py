"""Leases a table to one process that rewrites its files: a claim in the table's log, checked again at every commit.

Delta lets two processes compact the same files at once: both commits succeed, and every row is there twice. A lease
prevents that. It is a property of the table, which names its owner and when it was taken. Delta refuses

- every commit that began before a change of the properties, so of two processes that take the lease at once one gets
  it, and a rewrite that began under an earlier lease fails at its commit, however long its process was stopped;
- a compaction after rows were deleted or restored, and the other way round.

A rewrite begins from a snapshot in which the lease is held (`Lease.table`). So each rewrite has seen all earlier ones.
Commits that only add rows, as those of consumers, are tried again after the properties changed, and lose nothing.

A lease lapses after `LEASE`, so a killed process blocks nothing for longer. It names its process: on the same machine
others see that it was killed, and take the lease at once. Clocks and processes decide only how long others wait: if
they are judged wrongly, a rewrite may be in vain, but never wrong.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from expectations.lake.tables import open_delta
from expectations.processes import Process
from expectations.retries import TRIES

LEASE: Final = timedelta(minutes=30)
"""How long a lease holds; it is renewed between two rewrites. One rewrite that takes longer may lose it."""
PROPERTY: Final = "journeys.lease"


class Lease:
    """The right to rewrite the files of one table; taken when `table` is first called, released by the `with` block.

    An `urgent` lease is taken from whoever holds it: what a person asked for goes before maintenance.
    """

    def __init__(self, address: str, *, urgent: bool = False, clock: Callable[[], float] = time.time) -> None:
        self.address: Final = address
        self._urgent, self._clock = urgent, clock
        self._owner: Final = _owner()
        self._taken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._taken:
            with suppress(DeltaError, OSError):  # then it lapses
                self._release()

    @property
    def is_held(self) -> bool:
        """Whether nobody has taken the lease from this process."""
        return _holder(open_delta(self.address))[0] == self._owner

    def table(self) -> DeltaTable | None:
        """A snapshot in which this process holds the lease, to rewrite files from; None if another process holds it.

        Raises what Delta raises when the table cannot be read or written.
        """
        for _ in range(TRIES):
            table = open_delta(self.address)
            owner, since = _holder(table)
            age = abs(self._clock() - since)
            if owner == self._owner and age < LEASE.total_seconds() / 2:
                return table
            if self._must_wait(owner, age):
                return None
            with suppress(CommitFailedError):  # another process was faster: look again
                _set(table, f"{self._owner} {self._clock():.0f}")
                self._taken = True
        return None

    def _must_wait(self, owner: str, age: float) -> bool:
        if owner in ("", self._owner) or self._urgent or age >= LEASE.total_seconds():
            return False
        process = _process(owner)
        return process is None or not process.is_known_dead

    def _release(self) -> None:
        table = open_delta(self.address)
        if _holder(table)[0] == self._owner:
            _set(table, "")


def _holder(table: DeltaTable) -> tuple[str, float]:
    """The owner of a table's lease, empty if there is none, and since when, in Unix seconds."""
    owner, _, since = table.metadata().configuration.get(PROPERTY, "").partition(" ")
    return owner, float(since or 0)


def _owner() -> str:
    """A new owner, `id/run/number/host`, without a blank."""
    here = Process.current()
    return f"{uuid.uuid4().hex}/{here.run}/{here.number}/{here.host}".replace(" ", "-")


def _process(owner: str) -> Process | None:
    """The process of an owner, `id/run/number/host`; None for one of an earlier version, which names none."""
    _, *parts = owner.split("/", 3)
    if len(parts) != 3 or not parts[1].isdecimal():
        return None
    return Process(parts[2], int(parts[1]), parts[0])


def _set(table: DeltaTable, lease: str) -> None:
    table.alter.set_table_properties({PROPERTY: lease}, raise_if_not_exists=False)
