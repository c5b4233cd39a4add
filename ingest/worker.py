"""One consumer at work: follow the assignment, poll, hold, flush. From the client's birth to its end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from ingest.landing import Flushed, Landing
from ingest.message import Chunk, Partition
from ingest.offsets import check_end


class Reader(Protocol):
    """What a worker asks of a stream (`ingest.source.Source`)."""

    @property
    def joined(self) -> bool: ...  # noqa: D102
    @property
    def topic_ids(self) -> Mapping[str, str]: ...  # noqa: D102
    def changes(self) -> tuple[list[Partition], list[Partition]]: ...  # noqa: D102
    def assigned(self) -> set[Partition]: ...  # noqa: D102
    def begin(self, partition: Partition, offset: int) -> None: ...  # noqa: D102
    def poll(self, wait: timedelta) -> list[Chunk]: ...  # noqa: D102
    def position(self, partition: Partition) -> int | None: ...  # noqa: D102
    def highwater(self, partition: Partition) -> int | None: ...  # noqa: D102
    def beginnings(self, partitions: Sequence[Partition]) -> dict[Partition, int]: ...  # noqa: D102
    def commit(self, offsets: Mapping[Partition, int]) -> None: ...  # noqa: D102


@dataclass(slots=True)
class Tally:
    """What a run has done so far, over all its consumers."""

    polled: int = 0
    landed: int = 0
    commits: int = 0
    fenced: int = 0
    restarts: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    warned: Counter[str] = field(default_factory=Counter)

    def add(self, flushed: Flushed) -> None:
        """Count one flush."""
        self.landed += flushed.landed
        self.refused += flushed.refused
        self.warned += flushed.warned
        self.fenced += len(flushed.rewound)
        self.commits += bool(flushed.decided)


class Worker:
    """Reads one consumer's partitions into one landing."""

    def __init__(
        self,
        source: Reader,
        landing: Landing,
        tally: Tally,
        *,
        wait: timedelta,
        accept_gap: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._landing, self._tally = source, landing, tally
        self._wait, self._accept_gap, self._clock = wait, accept_gap, clock
        self._begun: set[Partition] = set()
        self._targets: dict[Partition, int] = {}

    def step(self) -> None:
        """One poll, and a flush when it is due."""
        chunks = self._source.poll(self._wait)
        moved = self._reassign()
        for chunk in chunks:
            if chunk.partition not in moved:  # what was read before a partition moved is read again after it
                self._tally.polled += self._landing.take(chunk, self._clock())
        self._check_ends()
        if self._landing.due(self._clock()):
            self.flush()

    def flush(self) -> None:
        """Land what is held, tell the broker, and go back where another process was first."""
        flushed = self._landing.flush()
        self._tally.add(flushed)
        for partition, offset in flushed.rewound.items():
            self._source.begin(partition, offset)
        if flushed.decided:
            self._source.commit(flushed.decided)

    def is_caught_up(self) -> bool:
        """Whether everything that each partition held when we first saw its end has been read."""
        if not self._source.joined or self._source.assigned() != self._begun:
            return False
        return self._begun <= self._targets.keys() and all(
            (self._source.position(partition) or 0) >= self._targets[partition] for partition in self._begun
        )

    def lag(self) -> int | None:
        """Records between the reader's positions and the ends of the partitions; None while an end is unknown."""
        total = 0
        for partition in self._begun:
            highwater, position = self._source.highwater(partition), self._source.position(partition)
            if highwater is None or position is None:
                return None
            total += max(highwater - position, 0)
        return total

    def _reassign(self) -> set[Partition]:
        """Follow what the group decided; returns the partitions that came or went."""
        gained, lost = self._source.changes()
        for partition in lost:
            self._landing.drop(partition)
            self._begun.discard(partition)
            self._targets.pop(partition, None)
        if gained:
            self._landing.reload()
            beginnings = self._source.beginnings(gained)
            for partition in gained:
                topic_id = self._source.topic_ids[partition.topic]
                offset = self._landing.begin(partition, topic_id, beginnings[partition], accept_gap=self._accept_gap)
                self._source.begin(partition, offset)
                self._begun.add(partition)
        return {*gained, *lost}

    def _check_ends(self) -> None:
        """Note the end of each partition when it is first known, and refuse one that lies before what was landed."""
        for partition in self._begun - self._targets.keys():
            highwater = self._source.highwater(partition)
            if highwater is not None:
                check_end(partition, self._source.position(partition) or 0, highwater)
                self._targets[partition] = highwater
