"""The worker follows assignments, flushes, retries and stops as it should, on a scripted source."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

import polars as pl
import pytest

from expectations.errors import LandingError, RegistryError, StorageError
from ingest.landing.flush_result import FlushResult
from ingest.landing.landing import Landing
from ingest.landing.offsets import Claim
from ingest.message import Chunk, Partition
from ingest.service.counters import Counters
from ingest.service.worker import Patience, Worker
from ingest.settings.ingest import IngestSettings, Stream
from ingest.source_protocol import AssignmentChanges, SourceFailed
from tests.ingest.streams import Sent, event

A, B = Partition("clicks", 0), Partition("clicks", 1)
SETTINGS = IngestSettings(streams=[Stream(topic="clicks", kind="clickstream")])


class Table:
    def __init__(self) -> None:
        self.rows: list[tuple[str, int, int]] = []
        self.versions: dict[str, int] = {}

    def decided(self, application: str) -> int | None:
        return self.versions.get(application)

    def reload(self) -> None: ...

    def append(self, rows: pl.DataFrame, claims: Sequence[Claim]) -> bool:
        if any(claim.base != self.versions.get(claim.application) for claim in claims):
            return False
        self.rows += rows.select("topic", "partition", "offset").rows()
        self.versions |= {claim.application: claim.next for claim in claims}
        return True


class Script:
    """A source whose answers are set by the test."""

    def __init__(self, *gained: Partition) -> None:
        self.next_changes = AssignmentChanges(list(gained), [])
        self.ours = set(gained)
        self.joined = True
        self.topic_ids: Mapping[str, str] = {"clicks": "id"}
        self.chunks: list[Chunk] = []
        self.at: dict[Partition, int] = {}
        self.ends: dict[Partition, int | None] = dict.fromkeys(gained, 0)
        self.end_offsets: dict[Partition, int] = {}
        self.stable: dict[Partition, int] = {}
        self.oldest = 0
        self.committed: dict[Partition, int] = {}
        self.recreated = False
        self.silence = 0.0

    def check_topics(self) -> None:
        if self.recreated:
            raise LandingError("recreated")

    def changes(self) -> AssignmentChanges:
        now, self.next_changes = self.next_changes, AssignmentChanges([], [])
        return now

    def assigned(self) -> set[Partition]:
        return self.ours

    def begin(self, partition: Partition, offset: int) -> None:
        self.at[partition] = offset

    def poll(self, wait: timedelta) -> list[Chunk]:  # noqa: ARG002 - the signature is the reader's
        now, self.chunks = self.chunks, []
        self.at |= {chunk.partition: chunk.next_offset for chunk in now}
        return now

    def position(self, partition: Partition) -> int | None:
        return self.at.get(partition)

    def highwater(self, partition: Partition) -> int | None:
        return self.ends[partition]

    def last_stable(self, partition: Partition) -> int | None:
        return self.stable.get(partition)

    def readable_ends(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        return {partition: self.end_offsets[partition] for partition in partitions}

    def beginnings(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        return dict.fromkeys(partitions, self.oldest)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        self.committed |= offsets


class Clock:
    now = 0.0
    stopped = False

    def rest(self, seconds: float) -> bool:
        self.now += seconds
        return self.stopped

    def __call__(self) -> float:
        return self.now


class Bench:
    """A worker with a scripted source, tables in memory, counters and a clock."""

    def __init__(self, *gained: Partition) -> None:
        self.events, self.script, self.counters, self.clock = Table(), Script(*gained), Counters(), Clock()
        self.landing = Landing(self.events, Table(), SETTINGS, [])
        self.worker = Worker(
            self.script,
            self.landing,
            self.counters,
            patience=Patience(timedelta(0), timedelta(seconds=30), unavailable=timedelta(seconds=60)),
            accept_gap=False,
            rest=self.clock.rest,
            clock=self.clock,
        )

    def deliver(self, partition: Partition, *offsets: int, next_offset: int | None = None) -> None:
        records = [Sent(offset, event(offset)) for offset in offsets]
        self.script.chunks.append(Chunk(partition, records, next_offset or offsets[-1] + 1))
        self.worker.step()


def test_buffers_land_when_they_are_old_enough_and_offsets_are_committed() -> None:
    bench = Bench(A)
    bench.worker.step()
    bench.deliver(A, 0, 1)
    assert bench.events.rows == []
    bench.clock.now = 5.0
    bench.worker.step()
    assert len(bench.events.rows) == 2 and bench.script.committed == {A: 2}
    assert (bench.counters.polled.total(), bench.counters.landed.total(), bench.counters.buffered_rows) == (2, 2, 2)


def test_records_polled_before_a_partition_moved_are_read_again() -> None:
    bench = Bench(A)
    bench.worker.step()
    bench.deliver(A, 0, 1)
    bench.script.next_changes = AssignmentChanges([A], [A])
    bench.deliver(A, 2, 3)  # polled in the moment in which the partition went and came back
    assert bench.script.at[A] == 0
    bench.deliver(A, 0, 1, 2, 3)
    bench.worker.flush()
    assert sorted(offset for _, _, offset in bench.events.rows) == [0, 1, 2, 3]


def test_the_buffer_of_a_lost_partition_is_dropped() -> None:
    bench = Bench(A, B)
    bench.worker.step()
    bench.deliver(A, 0)
    bench.deliver(B, 0)
    bench.script.next_changes, bench.script.ours = AssignmentChanges([], [A]), {B}
    bench.worker.step()
    bench.worker.flush()
    assert bench.events.rows == [("clicks", 1, 0)]


def test_caught_up_means_the_end_as_first_seen() -> None:
    bench = Bench(A, B)
    bench.script.ends = {A: 2, B: None}
    bench.worker.step()
    bench.deliver(A, 0, 1)
    assert not bench.worker.is_caught_up()  # nothing is known of B yet
    bench.script.ends = {A: 100, B: 0}
    bench.worker.step()
    assert bench.worker.is_caught_up()
    assert bench.worker.lag() == 98


def test_an_open_transaction_is_not_waited_for_on_a_quiet_stream() -> None:
    bench = Bench(A)
    bench.script.ends, bench.script.end_offsets = {A: 20}, {A: 11}
    bench.worker.step()
    bench.deliver(A, *range(10), next_offset=11)
    assert not bench.worker.is_caught_up()
    bench.clock.now = 6.0
    assert bench.worker.is_caught_up() and bench.worker.is_caught_up()


def test_records_behind_an_open_transaction_are_counted_until_it_ends() -> None:
    bench = Bench(A, B)
    bench.script.ends, bench.script.stable = {A: 20, B: 5}, {A: 11}
    bench.deliver(A, *range(10), next_offset=11)
    assert bench.counters.waiting == {A: 9, B: 0}
    bench.script.stable = {A: 20, B: 5}
    bench.worker.step()
    assert bench.counters.waiting == {A: 0, B: 0}


def test_offsets_without_records_are_decided_too() -> None:
    bench = Bench(A)
    bench.worker.step()
    bench.deliver(A, 0, 1)
    bench.script.at[A] = 7  # markers of an aborted transaction
    bench.worker.flush()
    assert list(bench.events.versions.values()) == [7]


def test_a_topic_recreated_before_a_flush_lands_nothing() -> None:
    bench = Bench(A)
    bench.worker.step()
    bench.deliver(A, 0)
    bench.script.recreated = True
    with pytest.raises(LandingError, match="recreated"):
        bench.worker.flush()
    assert bench.events.rows == []


def test_a_partition_moved_by_another_process_is_rewound() -> None:
    bench = Bench(A)
    bench.worker.step()
    bench.deliver(A, 0, 1, 2)
    bench.events.versions["ingest/journeys/id/0"] = 2
    bench.worker.flush()
    assert bench.script.at[A] == 2 and bench.counters.fenced == 1 and bench.events.rows == []
    bench.deliver(A, 2, 3)
    bench.worker.flush()
    assert [offset for _, _, offset in bench.events.rows] == [2, 3]


def test_a_group_without_an_assignment_fails_the_consumer() -> None:
    bench = Bench()
    bench.script.joined = False
    bench.worker.step()
    bench.clock.now = 31.0
    with pytest.raises(SourceFailed, match="not assigned any partition"):
        bench.worker.step()


def test_a_partition_that_ends_before_the_landed_offset_stops_the_run() -> None:
    bench = Bench(A)
    bench.events.versions["ingest/journeys/id/0"] = 50
    bench.script.ends = {A: 20}
    with pytest.raises(LandingError, match="ends before") as stopped:
        bench.worker.step()
    assert "pipeline" in stopped.value.do and "--" not in stopped.value.do  # it is the same topic: no switch helps


REGISTRY = RegistryError("The schema registry does not answer.")
STORE = StorageError("The lake cannot be written.")


def fail(bench: Bench, monkeypatch: pytest.MonkeyPatch, failures: int, error: Exception = REGISTRY) -> None:
    """Let the next flushes fail with `error`."""
    real, left = bench.landing.flush, [failures]

    def flush() -> FlushResult:
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return real()

    monkeypatch.setattr(bench.landing, "flush", flush)


def test_after_a_registry_outage_the_buffers_land(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(A)
    bench.worker.step()
    bench.deliver(A, 0, 1, 2)
    fail(bench, monkeypatch, failures=4)
    bench.worker.flush()
    assert bench.clock.now == 1 + 2 + 4 + 8 and bench.counters.registry_failures == 4
    assert len(bench.events.rows) == 3 and bench.counters.quarantined.total() == 0


def test_a_long_registry_outage_fails_the_consumer_and_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(A)
    bench.worker.step()
    bench.deliver(A, 0, 1, 2)
    fail(bench, monkeypatch, failures=99)
    with pytest.raises(RegistryError):
        bench.worker.flush()
    assert bench.clock.now <= 60 and bench.events.rows == [] and bench.events.versions == {}


def test_waiting_for_the_registry_ends_on_a_request_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(A)
    bench.worker.step()
    bench.deliver(A, 0, 1, 2)
    fail(bench, monkeypatch, failures=99)
    bench.clock.stopped = True
    with pytest.raises(RegistryError):
        bench.worker.flush()
    assert bench.clock.now == 1


def test_after_a_lake_outage_the_buffers_land(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(A)
    bench.worker.step()
    bench.deliver(A, 0, 1, 2)
    fail(bench, monkeypatch, failures=3, error=STORE)
    seen: list[bool] = []
    monkeypatch.setattr(bench.worker, "_rest", lambda _: seen.append(bench.counters.lake_is_unavailable))
    bench.worker.flush()
    assert seen == [True] * 3 and bench.counters.storage_failures == 3 and bench.counters.registry_failures == 0
    assert len(bench.events.rows) == 3 and bench.script.committed == {A: 3} and not bench.counters.lake_is_unavailable


def test_a_long_lake_outage_fails_the_consumer_and_commits_no_offsets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(A)
    bench.worker.step()
    bench.deliver(A, 0, 1, 2)
    fail(bench, monkeypatch, failures=99, error=STORE)
    with pytest.raises(StorageError):
        bench.worker.flush()
    assert bench.clock.now <= 60 and bench.script.committed == {} and bench.counters.lake_is_unavailable


def test_a_consumer_is_ready_again_once_another_has_landed_its_records() -> None:
    bench = Bench(A)
    bench.counters.lake_is_unavailable, bench.script.ends = True, {A: 3}
    bench.worker.step()
    assert bench.counters.lake_is_unavailable
    bench.events.versions["ingest/journeys/id/0"] = 3
    bench.script.next_changes = AssignmentChanges([A], [A])
    bench.worker.step()
    assert not bench.counters.lake_is_unavailable


def test_a_replaced_lake_stops_the_run() -> None:
    bench = Bench(A)
    bench.worker.step()
    bench.deliver(A, 0, 1, 2)
    bench.worker.flush()
    bench.events.versions.clear()
    bench.deliver(A, 3)
    with pytest.raises(LandingError, match="no longer says how far") as stopped:
        bench.worker.flush()
    assert stopped.value.expected.startswith("offset 3") and len(bench.events.rows) == 3


def test_a_poll_counts_only_if_a_broker_has_answered() -> None:
    bench = Bench(A)
    bench.script.silence = 300.0
    bench.worker.step()
    assert time.time() - bench.counters.last_poll == pytest.approx(300, abs=5)
