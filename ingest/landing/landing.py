"""Lands buffered records in the lake exactly once: decode, judge by the gate, commit.

Invariants that hold for every partition, whichever process is killed and whenever:
1. The lake's transaction version v states that every record below v is decided: landed in `events`, or written to
   `quarantine` before; its customer attributes are in `profiles`.
2. A flush moves v from the value it started from to the consumer's next offset, or changes nothing (compare-and-swap).
3. A flush that has lost a partition to another process drops its buffer and reads again from the lake's v.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import polars as pl

from expectations import contract
from expectations.errors import JourneysError, StorageError
from expectations.gate import Rule
from ingest.decoding.decode import TOMBSTONE
from ingest.decoding.schemas import schema_finder
from ingest.landing.batch import Buffer, FlushLimits, is_due
from ingest.landing.flush_result import FlushResult, count_duplicates, measure_lateness
from ingest.landing.marks import DEATHS, Marks
from ingest.landing.offsets import Claim, application, check_generation, fingerprint, generation, offset_missing, resume
from ingest.landing.prepare import Prepared, Task, prepare
from ingest.landing.trial import Outcome, Suspect, try_records
from ingest.logs import log_fields
from ingest.message import Chunk, Partition, Unread, record_times
from ingest.settings.ingest import IngestSettings

log = logging.getLogger(__name__)

STOPS_CONSUMER: Final = "stops_consumer"
"""The reason of a message that processes died of."""
_TRIES: Final = 20
_LONGEST_SHARE: Final = 8
"""A step may take this part of the time for a trial: a message that never ends takes three steps."""


class Ledger(Protocol):
    """A table appended to by compare-and-swap; `ingest.landing.commit.Table` implements it."""

    def decided(self, application: str) -> int | None: ...  # noqa: D102
    def reload(self) -> None: ...  # noqa: D102
    def append(self, rows: pl.DataFrame, claims: Sequence[Claim]) -> bool: ...  # noqa: D102


class Landing:
    """Buffers the records of each partition and lands them."""

    def __init__(
        self,
        events: Ledger,
        refused: Ledger,
        settings: IngestSettings,
        rules: Sequence[Rule],
        *,
        profiles: Ledger | None = None,
        marks: Marks | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._clock = clock
        self._events, self._refused, self._profiles, self._marks = events, refused, profiles, marks
        self._settings, self._rules = settings, rules
        self._streams, self._find = settings.by_topic, schema_finder(settings.schemas)
        self._limits = FlushLimits(settings.flush_rows, settings.flush_bytes, settings.flush_age)
        self._buffers: dict[Partition, Buffer] = {}
        self._oldest: float | None = None

    def remember(self, topic: str, topic_id: str, *, new_generation: bool) -> None:
        """Store the topic's id in the lake. Raises LandingError if the topic was recreated (`check_generation`)."""
        name = generation(self._settings.pipeline, topic)
        for _ in range(_TRIES):
            known = self._events.decided(name)
            if not check_generation(topic, topic_id, known, new_generation=new_generation):
                return
            if self._events.append(contract.EVENTS.to_frame(eager=True), [Claim(name, known, fingerprint(topic_id))]):
                return
            self._events.reload()
        raise _crowded(name)

    def begin(self, partition: Partition, topic_id: str, beginning: int, *, accept_gap: bool) -> int:
        """Start a partition; returns the offset to read from. Raises LandingError if records are gone (`resume`)."""
        name = application(self._settings.pipeline, topic_id, partition.number)
        landed = self._events.decided(name)
        start = resume(partition, landed, beginning, accept_gap=accept_gap)
        died = self._marks.died(name, start) if self._marks else None
        if died is not None and died.deaths >= DEATHS:
            where = _place(partition, start, deaths=died.deaths)
            log.warning("processes died at this offset, trying its records in another process", extra=where)
        self._buffers[partition] = Buffer(partition, name, landed, start, died)
        return start

    def reload(self) -> None:
        """Read the lake's offsets again, before partitions are started."""
        self._events.reload()
        self._refused.reload()
        if self._profiles is not None:
            self._profiles.reload()
        if self._marks is not None:
            self._marks.read()

    def drop(self, partition: Partition) -> None:
        """Drop a partition and its buffer. Nothing is lost, since its offset in the lake has not moved."""
        self._buffers.pop(partition, None)
        if self.is_idle:
            self._oldest = None

    def drop_all(self) -> None:
        """Drop every partition."""
        for partition in list(self._buffers):
            self.drop(partition)

    def advance(self, partition: Partition, position: int, now: float) -> None:
        """Move a buffer past offsets without records, such as transaction markers: they count as decided."""
        buffer = self._buffers.get(partition)
        if buffer is not None and position > buffer.next_offset:
            buffer.next_offset = position
            self._oldest = now if self._oldest is None else self._oldest

    def take(self, chunk: Chunk, now: float) -> int:
        """Buffer a chunk if its partition is assigned to us; returns the number of new records."""
        buffer = self._buffers.get(chunk.partition)
        kept = buffer.add(chunk) if buffer else 0
        if kept and self._oldest is None:
            self._oldest = now
        return kept

    def decided(self, partition: Partition) -> int:
        """The offset below which every record of an assigned partition is decided."""
        return self._buffers[partition].start

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to land."""
        return not any(buffer.has_moved for buffer in self._buffers.values())

    @property
    def rows(self) -> int:
        """The number of buffered records."""
        return sum(buffer.rows for buffer in self._buffers.values())

    @property
    def bytes(self) -> int:
        """The bytes of buffered messages."""
        return sum(buffer.bytes for buffer in self._buffers.values())

    def due(self, now: float) -> bool:
        """Whether it is time to flush."""
        return is_due(self.rows, self.bytes, self._oldest, now, self._limits)

    def flush(self) -> FlushResult:
        """Land the buffers of all partitions still owned, and rewind the others to the lake's offsets."""
        held = [buffer for buffer in self._buffers.values() if buffer.has_moved]
        if self._marks is None:
            return self._flush(held)
        try:
            self._marks.write({buffer.application: buffer.mark() for buffer in held})
            return self._flush(held)
        except JourneysError:
            with suppress(StorageError):
                self._marks.clear()  # this process lives, and says what has failed
            raise

    def close(self) -> None:
        """Say that the work has ended in order."""
        if self._marks is not None:
            self._marks.clear()

    def _flush(self, held: list[Buffer]) -> FlushResult:
        done = FlushResult()
        prepared: dict[Partition, Prepared] = {}
        self._set_culprits_aside(held)
        held = [buffer for buffer in held if buffer.has_moved]
        for _ in range(_TRIES):
            held = [buffer for buffer in held if not self._is_fenced(buffer, done)]
            if not held:
                break
            began = self._clock()
            for buffer in held:
                if buffer.partition not in prepared:
                    prepared[buffer.partition] = self._prepare(buffer)
            done.decode_seconds += self._clock() - began
            if self._land(held, prepared, done):
                _settle(held, prepared, done)
                break
            done.conflicts += 1
            self._events.reload()
        else:
            raise _crowded("the offsets of this pipeline")
        for buffer in self._buffers.values():
            if buffer.is_cut:
                done.rewound[buffer.partition] = buffer.start
                buffer.is_cut = False
        self._oldest = None
        return done

    def _is_fenced(self, buffer: Buffer, done: FlushResult) -> bool:
        """Whether another process has moved the partition; if so, rewind it to the stored offset.

        Raises LandingError when the lake no longer has an offset for it.
        """
        landed = self._events.decided(buffer.application)
        if landed == buffer.base:
            return False
        if landed is None:
            raise offset_missing(buffer.partition, buffer.start)
        self._buffers[buffer.partition] = Buffer(buffer.partition, buffer.application, landed, landed)
        done.rewound[buffer.partition] = landed
        return True

    def _set_culprits_aside(self, held: Sequence[Buffer]) -> None:
        """Try the records that processes may have died of in other processes, and put those that they die of into
        quarantine undecoded.

        This takes at most half of the time after which the group or the watchdog gives this process up; records that
        have not been tried by then are read again.
        """
        seconds = min(self._settings.max_poll_interval, self._settings.watchdog).total_seconds() / 2
        until = time.monotonic() + seconds
        for buffer in held:
            # those below the offset of the quarantine were decoded before, and their refusals are there
            suspects = buffer.suspects(self._refused.decided(buffer.application) or 0)
            if not suspects:
                continue
            is_late = time.monotonic() >= until  # other partitions took the time
            task, schemas = self._task(buffer), self._settings.schemas
            outcome = try_records(task, suspects, schemas, until=until, patience=seconds / _LONGEST_SHARE)
            _quarantine(buffer, outcome)
            if outcome.untried is not None and (is_late or outcome.untried > buffer.start):
                buffer.cut(outcome.untried)

    def _task(self, buffer: Buffer) -> Task:
        stream = self._streams[buffer.partition.topic]
        return Task(buffer.partition, stream, self._settings.limits, self._rules, self._profiles is not None)

    def _prepare(self, buffer: Buffer) -> Prepared:
        return prepare(self._task(buffer), buffer.records, self._find, buffer.columns)

    def _land(self, held: Sequence[Buffer], prepared: dict[Partition, Prepared], done: FlushResult) -> bool:
        """Commit quarantine and customer attributes first, then events. A crash in between leaves v unchanged, and each
        table has its own offset, so nothing is written twice."""
        began = self._clock()
        profiles = {where: ready.attributes for where, ready in prepared.items() if ready.attributes is not None}
        quarantined = {where: ready.quarantined for where, ready in prepared.items()}
        if not self._land_first(self._refused, held, quarantined):
            return False
        if self._profiles is not None and not self._land_first(self._profiles, held, profiles):
            return False
        rows = pl.concat([prepared[buffer.partition].events for buffer in held])
        customer = pl.coalesce(contract.CUSTOMER_ID, contract.ANONYMOUS_ID)
        claims = [Claim(buffer.application, buffer.base, buffer.next_offset) for buffer in held]
        landed = self._events.append(rows.sort(customer, contract.OCCURRED_AT), claims)
        done.commit_seconds += self._clock() - began
        if landed:
            done.lateness, done.lateness_seconds = measure_lateness(rows)
            done.duplicates, done.conflicting = count_duplicates(rows)
        return landed

    def _land_first(self, table: Ledger, held: Sequence[Buffer], by_partition: dict[Partition, pl.DataFrame]) -> bool:
        """Commit the rows that accompany the events, unless they are there already.

        Returns False if another process has moved an offset meanwhile: the caller must check again which partitions it
        still owns.
        """
        frames, claims = [], []
        for buffer in held:
            rows, known = by_partition.get(buffer.partition), table.decided(buffer.application)
            if rows is not None and rows.height and (known is None or known < buffer.next_offset):
                frames.append(rows.filter(pl.col(contract.OFFSET) >= (-1 if known is None else known)))
                claims.append(Claim(buffer.application, known, buffer.next_offset))
        if not claims or table.append(pl.concat(frames), claims):
            return True
        table.reload()
        return False


def _quarantine(buffer: Buffer, outcome: Outcome) -> None:
    """Replace culprits by records that are not decoded."""
    for index, record in enumerate(buffer.records):
        if (message := outcome.culprits.get(record.offset)) is not None:
            value = Unread(record.value or b"", STOPS_CONSUMER, message)
            buffer.records[index] = Suspect.of(record)._replace(value=value)
            log.warning("a message ends the process that decodes it", extra=_place(buffer.partition, record.offset))
    buffer.tried = buffer.next_offset if outcome.untried is None else outcome.untried


def _place(partition: Partition, offset: int, **more: object) -> dict[str, Any]:
    return log_fields(topic=partition.topic, partition=partition.number, offset=offset, **more)


def _settle(held: Sequence[Buffer], prepared: dict[Partition, Prepared], done: FlushResult) -> None:
    for buffer in held:
        ready = prepared[buffer.partition]
        topic = buffer.partition.topic
        done.rows += buffer.rows
        done.landed[topic] += ready.landed
        done.tombstones[topic] += ready.refused.pop(TOMBSTONE, 0)
        done.refused += Counter({(topic, reason): count for reason, count in ready.refused.items()})
        done.warned += ready.warned
        done.decided[buffer.partition] = buffer.next_offset
        for newest in record_times(record.timestamp for record in buffer.records[-1:]):
            if newest is not None:
                done.newest[buffer.partition] = newest / 1000
        buffer.settle()


def _crowded(what: str) -> StorageError:
    return StorageError(
        "Another process keeps moving the same offsets in the lake.",
        where=what,
        expected="one owner of each partition",
        found=f"{_TRIES} conflicts in a row",
        do="let one group of consumers alone use this [ingest] pipeline",
    )
