"""Drives one Kafka client over its lifetime: follow the assignment, poll, buffer, flush."""

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
"""Time without records after which the broker's end offset is used in place of the high watermark."""
_FIRST_PAUSE_SECONDS: Final = 1.0


class Patience(NamedTuple):
    """How long to wait for the first record of a poll, for an assignment, and for an unavailable registry or lake."""

    poll: timedelta
    join: timedelta = timedelta(seconds=36)
    unavailable: timedelta = timedelta(0)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


class Worker:
    """Reads the partitions of one consumer into the landing."""

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
            if chunk.partition not in moved:  # records polled before a partition moved are read again
                self._take(chunk)
        self._check_ends()
        self._note_state()
        if self._landing.due(self._clock()):
            self.flush()

    def flush(self) -> None:
        """Land the buffers, commit offsets to the broker, and rewind partitions moved by another process."""
        now = self._clock()
        for partition in self._begun:
            self._landing.advance(partition, self._source.position(partition) or 0, now)
        if self._landing.is_idle:
            return
        self._source.check_topics()
        result = self._landed()
        self._beat()
        self._counters.add_flush(result, time.time())
        _log_flush(result)
        for partition, offset in result.rewound.items():
            self._source.begin(partition, offset)
        if result.decided:
            self._source.commit(result.decided)

    def _landed(self) -> FlushResult:
        """Land the buffers. While the lake or registry is unavailable, keep them and try again for as long as the
        group allows.

        Raises StorageError or RegistryError when that time is over, or on a request to stop.
        """
        until, pause = self._clock() + self._patience.unavailable.total_seconds(), _FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._landing.flush()
            except (RegistryError, StorageError) as error:
                if self._clock() + pause > until:
                    raise
                self._counters.add_failure(error)
                log.warning("the buffers cannot land now, trying again", extra=error_fields(error))
            self._beat()
            if self._rest(pause):
                return self._landing.flush()
            pause *= 2

    def is_caught_up(self) -> bool:
        """Whether every partition has been read up to its end as first seen, or to an open transaction before it:
        `counters.waiting` are the records that cannot be read yet."""
        if not self._source.joined or self._source.assigned() != self._begun or self._begun > self._targets.keys():
            return False
        behind = [it for it in self._begun if (self._source.position(it) or 0) < self._targets[it]]
        if behind and self._clock() - self._last_record > _QUIET_SECONDS:
            # an open transaction ends before the high watermark, and its producer may never return
            self._targets |= self._source.readable_ends(behind)
            self._last_record = self._clock()
            return self.is_caught_up()
        return not behind

    def lag(self) -> int | None:
        """The number of records between our positions and the ends of the partitions; None while an end is unknown."""
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
        """Follow the group's assignment; returns the partitions gained or lost."""
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
            raise SourceFailed("the group has not assigned any partition")
        return {*gained, *lost}

    def _check_ends(self) -> None:
        """Store the end of each partition once it is known; raises LandingError if it lies before the landed offset."""
        for partition in self._begun - self._targets.keys():
            highwater = self._source.highwater(partition)
            if highwater is not None:
                check_end(partition, self._source.position(partition) or 0, highwater)
                self._targets[partition] = highwater

    def _note_state(self) -> None:
        counters, landing = self._counters, self._landing
        counters.assigned, counters.joined = len(self._begun), self._source.joined
        counters.buffered_rows, counters.buffered_bytes = landing.rows, landing.bytes
        counters.lag = {
            partition: max(highwater - landing.decided(partition), 0)
            for partition in self._begun
            if (highwater := self._source.highwater(partition)) is not None
        }
        counters.waiting = {partition: self._waiting(partition) for partition in self._begun}
        if counters.joined and len(counters.lag) == len(self._begun) and not any(counters.lag.values()):
            counters.lake_is_unavailable = False  # another process has landed our records

    def _waiting(self, partition: Partition) -> int:
        """The records that cannot be read before an open transaction has ended."""
        highwater, stable = self._source.highwater(partition), self._source.last_stable(partition)
        return 0 if highwater is None or stable is None else max(highwater - stable, 0)


def _log_flush(result: FlushResult) -> None:
    refused, seconds = result.refused.total(), round(result.decode_seconds + result.commit_seconds, 3)
    log.info("landed", extra=log_fields(landed=result.landed.total(), quarantined=refused, seconds=seconds))
    for partition, offset in result.rewound.items():
        moved = log_fields(topic=partition.topic, partition=partition.number, offset=offset)
        log.warning("reading a partition again from the offset in the lake", extra=moved)
