"""One consumer at work: follow the assignment, poll, hold, flush. From the client's birth to its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final, NamedTuple

from expectations.errors import RegistryError, StorageError
from ingest.landing.flush_result import FlushResult
from ingest.landing.landing import Landing
from ingest.landing.offsets import check_end
from ingest.logs import error_fields, log_fields
from ingest.message import Chunk, Partition
from ingest.service.counters import Counters
from ingest.source_protocol import RecordSource, SourceFailed

log = logging.getLogger(__name__)

_QUIET_SECONDS: Final = 5.0
"""How long nothing must come before an end that the broker tells is believed over the highwater."""
_FIRST_PAUSE_SECONDS: Final = 1.0


class Patience(NamedTuple):
    """How long to wait: for the first record of a poll, for an assignment, for a registry or a lake that is away."""

    poll: timedelta
    join: timedelta = timedelta(seconds=36)
    away: timedelta = timedelta(0)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


class Worker:
    """Reads one consumer's partitions into one landing."""

    def __init__(
        self,
        source: RecordSource,
        landing: Landing,
        counters: Counters,
        *,
        patience: Patience,
        accept_gap: bool,
        beat: Callable[[], None] = lambda: None,
        rest: Callable[[float], bool] = _sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._landing, self._counters = source, landing, counters
        self._patience, self._accept_gap = patience, accept_gap
        self._beat, self._rest, self._clock = beat, rest, clock
        self._begun: set[Partition] = set()
        self._targets: dict[Partition, int] = {}
        self._began = self._last_record = clock()

    def step(self) -> None:
        """One poll, and a flush when it is due."""
        chunks = self._source.poll(self._patience.poll)
        self._beat()
        self._counters.last_poll = time.time() - self._source.silence
        moved = self._reassign()
        for chunk in chunks:
            if chunk.partition not in moved:  # what was read before a partition moved is read again after it
                self._take(chunk)
        self._check_ends()
        self._note_state()
        if self._landing.due(self._clock()):
            self.flush()

    def flush(self) -> None:
        """Land what is held, tell the broker, and go back where another process was first."""
        now = self._clock()
        for partition in self._begun:
            self._landing.advance(partition, self._source.position(partition) or 0, now)
        if self._landing.is_idle:
            return
        self._source.check_topics()
        flushed = self._landed()
        self._beat()
        self._counters.add_flush(flushed, time.time())
        _log_flush(flushed)
        for partition, offset in flushed.rewound.items():
            self._source.begin(partition, offset)
        if flushed.decided:
            self._source.commit(flushed.decided)

    def _landed(self) -> FlushResult:
        """Land what is held; while the lake or the registry of schemas is away, keep it and try again, as long as the
        group allows.

        Raises StorageError or RegistryError when that is over, or when we are told to stop.
        """
        until, pause = self._clock() + self._patience.away.total_seconds(), _FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._landing.flush()
            except (RegistryError, StorageError) as error:
                if self._clock() + pause > until:
                    raise
                self._counters.add_failure(error)
                log.warning("what is held cannot land now, it is tried again", extra=error_fields(error))
            self._beat()
            if self._rest(pause):
                return self._landing.flush()
            pause *= 2

    def is_caught_up(self) -> bool:
        """Whether everything that each partition held when we first saw its end has been read."""
        if not self._source.joined or self._source.assigned() != self._begun or self._begun > self._targets.keys():
            return False
        behind = [place for place in self._begun if (self._source.position(place) or 0) < self._targets[place]]
        if behind and self._clock() - self._last_record > _QUIET_SECONDS:
            # an open transaction lies before the highwater, and whoever opened it may never come back
            self._targets |= self._source.readable_ends(behind)
            self._last_record = self._clock()
            return self.is_caught_up()
        return not behind

    def lag(self) -> int | None:
        """Records between the reader's positions and the ends of the partitions; None while an end is unknown."""
        total = 0
        for partition in self._begun:
            highwater, position = self._source.highwater(partition), self._source.position(partition)
            if highwater is None or position is None:
                return None
            total += max(highwater - position, 0)
        return total

    def _take(self, chunk: Chunk) -> None:
        before = self._landing.bytes
        kept = self._landing.take(chunk, self._clock())
        self._counters.add_read(chunk.partition.topic, kept, self._landing.bytes - before)
        if kept < len(chunk.records):
            self._counters.redelivered[chunk.partition.topic] += len(chunk.records) - kept
        self._last_record = self._clock()

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
        if gained or lost:
            self._counters.rebalances += 1
            self._last_record = self._clock()
        elif not self._source.joined and self._clock() - self._began > self._patience.join.total_seconds():
            raise SourceFailed("the group gives us no assignment")
        return {*gained, *lost}

    def _check_ends(self) -> None:
        """Note the end of each partition when it is first known, and refuse one that lies before what was landed."""
        for partition in self._begun - self._targets.keys():
            highwater = self._source.highwater(partition)
            if highwater is not None:
                check_end(partition, self._source.position(partition) or 0, highwater)
                self._targets[partition] = highwater

    def _note_state(self) -> None:
        counters, landing = self._counters, self._landing
        counters.assigned, counters.joined = len(self._begun), self._source.joined
        counters.held_rows, counters.held_bytes = landing.rows, landing.bytes
        counters.lag = {
            partition: max(highwater - landing.decided(partition), 0)
            for partition in self._begun
            if (highwater := self._source.highwater(partition)) is not None
        }
        if counters.joined and len(counters.lag) == len(self._begun) and not any(counters.lag.values()):
            counters.lake_is_away = False  # another process has landed what we could not


def _log_flush(flushed: FlushResult) -> None:
    refused, seconds = flushed.refused.total(), round(flushed.decode_seconds + flushed.commit_seconds, 3)
    log.info("landed", extra=log_fields(landed=flushed.landed.total(), quarantined=refused, seconds=seconds))
    for partition, offset in flushed.rewound.items():
        moved = log_fields(topic=partition.topic, partition=partition.number, offset=offset)
        log.warning("another process has moved a partition, it is read again", extra=moved)
