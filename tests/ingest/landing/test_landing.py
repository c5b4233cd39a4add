"""Thousands of schedules: whatever is delivered again, rewound, taken away, or crashes, every record lands once.

The streams are lists, the lake is in memory; several workers that know nothing of each other share both. A schedule is
drawn from a seed: polls (with records delivered twice and gaps in the offsets), flushes that crash before or after the
commit, partitions that move with or without notice (zombies).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest

from expectations.errors import LandingError, StorageError
from expectations.gate import Rule
from ingest.landing.landing import Landing
from ingest.landing.offsets import Claim
from ingest.message import Chunk, Partition
from ingest.settings.ingest import IngestSettings, Stream
from tests.ingest.streams import BAD, Sent, event

SETTINGS = IngestSettings(streams=[Stream(topic="clicks", kind="clickstream"), Stream(topic="orders", kind="order")])
RULE = Rule("odd names are refused", "event_name", "not_allowed", pl.col("event_name") != "odd", "another name")


class Crash(Exception):
    """The process is gone."""


@dataclass
class Store:
    """A table in memory: what is visible, and the offsets, with every version kept for old snapshots."""

    rows: list[tuple[str, int, int]] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    commits: int = 0


class Handle:
    """A worker's snapshot of a store: compares against what it last saw, and against what has become of it since."""

    def __init__(self, store: Store, trouble: Callable[[], str]) -> None:
        self._store, self._trouble = store, trouble
        self.reload()

    def reload(self) -> None:
        self._seen = dict(self._store.versions)

    def decided(self, application: str) -> int | None:
        return self._seen.get(application)

    def append(self, rows: pl.DataFrame, claims: Sequence[Claim]) -> bool:
        if self._trouble() == "crash":
            raise Crash
        stale = any(self._seen.get(c.application) != self._store.versions.get(c.application) for c in claims)
        wrong = any(claim.base != self._seen.get(claim.application) for claim in claims)
        if stale or wrong:
            return False
        self._store.rows += rows.select("topic", "partition", "offset").rows()
        self._store.versions |= {claim.application: claim.next for claim in claims}
        self._seen |= {claim.application: claim.next for claim in claims}
        self._store.commits += 1
        if self._trouble() == "crash":
            raise Crash
        return True


class Careless(Handle):
    """The negative control: it looks at the newest offsets while it writes, not at those that were checked."""

    def append(self, rows: pl.DataFrame, claims: Sequence[Claim]) -> bool:
        self._store.rows += rows.select("topic", "partition", "offset").rows()
        self._store.versions |= {claim.application: claim.next for claim in claims}
        self._seen |= {claim.application: claim.next for claim in claims}
        return True


class World:
    """Partitions with records, two tables, and workers that come and go."""

    def __init__(self, seed: int, handle: type[Handle] = Handle) -> None:
        self.draw = random.Random(seed)
        self.crashes = 0.08
        self.handle = handle
        self.events, self.refused = Store(), Store()
        self.streams = {
            Partition(topic, number): self._records() for topic in ("clicks", "orders") for number in range(2)
        }
        self.workers: list[dict[str, Any]] = []

    def _records(self) -> list[Sent]:
        """Records with gaps in their offsets; some are no JSON, some are refused by the gate."""
        records, offset = [], self.draw.choice([0, 0, 7])
        for number in range(self.draw.randrange(40)):
            offset += self.draw.choice([1, 1, 1, 2, 5])
            kind = self.draw.random()
            odd = {"event_name": "odd"} if kind > 0.9 else {}
            records.append(Sent(offset, BAD if kind < 0.1 else event(number, **odd)))
        return records

    def trouble(self) -> str:
        return "crash" if self.draw.random() < self.crashes else ""

    def start(self) -> None:
        handles = [self.handle(store, self.trouble) for store in (self.events, self.refused)]
        landing = Landing(handles[0], handles[1], SETTINGS, [RULE])
        self.workers.append({"landing": landing, "at": {}})

    def take_over(self, worker: dict[str, Any], partition: Partition) -> None:
        """A partition comes to a worker; who had it may not have heard of it."""
        for other in self.workers:
            if self.draw.random() < 0.7:
                other["landing"].drop(partition)
                other["at"].pop(partition, None)
        worker["landing"].reload()
        beginning = self._beginning(partition)
        worker["at"][partition] = worker["landing"].begin(partition, partition.topic, beginning, accept_gap=False)

    def _beginning(self, partition: Partition) -> int:
        return self.streams[partition][0].offset if self.streams[partition] else 0

    def poll(self, worker: dict[str, Any], partition: Partition) -> None:
        at = worker["at"][partition]
        again = max(at - self.draw.choice([0, 0, 0, 3]), 0)  # delivered a second time
        chosen = [record for record in self.streams[partition] if record.offset >= again][: self.draw.randrange(1, 12)]
        if chosen:
            following = max(at, chosen[-1].offset + self.draw.choice([1, 1, 3]))
            following = min([following, *self._after(partition, chosen[-1].offset)])
            worker["landing"].take(Chunk(partition, chosen, max(at, following)), 0.0)
            worker["at"][partition] = max(at, following)

    def _after(self, partition: Partition, offset: int) -> Iterable[int]:
        return [record.offset for record in self.streams[partition] if record.offset > offset][:1]

    def flush(self, worker: dict[str, Any]) -> None:
        try:
            rewound = worker["landing"].flush().rewound
        except Crash:
            self.workers.remove(worker)
        else:
            worker["at"] |= rewound

    def run(self, steps: int) -> None:
        for _ in range(steps):
            if not self.workers or (len(self.workers) < 3 and self.draw.random() < 0.1):
                self.start()
            worker = self.draw.choice(self.workers)
            act = self.draw.random()
            if act < 0.15 or not worker["at"]:
                self.take_over(worker, self.draw.choice(list(self.streams)))
            elif act < 0.75:
                self.poll(worker, self.draw.choice(list(worker["at"])))
            elif act < 0.97:
                self.flush(worker)
            else:
                self.workers.remove(worker)  # killed

    def finish(self) -> None:
        """One worker reads everything to its end; nothing goes wrong any more."""
        self.crashes = 0.0
        self.workers = []
        self.start()
        worker = self.workers[0]
        for partition, records in self.streams.items():
            worker["landing"].reload()
            self.take_over(worker, partition)
            worker["at"].setdefault(partition, 0)
            while records and worker["at"][partition] <= records[-1].offset:
                self.poll(worker, partition)
            self.flush(worker)

    def expected(self, bad: bool) -> list[tuple[str, int, int]]:
        def is_bad(record: Sent) -> bool:
            return record.value is None or record.value == BAD or b"odd" in record.value

        return sorted(
            (*partition, record.offset)
            for partition, records in self.streams.items()
            for record in records
            if is_bad(record) is bad
        )


SCHEDULES = int(os.environ.get("JOURNEYS_SCHEDULES", "300"))
"""How many schedules are tried: a few hundred in every run of the tests, thousands when asked for."""


@pytest.mark.parametrize("block", range(10))
def test_every_record_lands_once_whatever_the_schedule(block: int) -> None:
    for seed in range(block, SCHEDULES, 10):
        world = World(seed)
        world.run(60)
        world.finish()
        assert sorted(world.events.rows) == world.expected(bad=False), f"events, seed {seed}"
        assert sorted(world.refused.rows) == world.expected(bad=True), f"quarantine, seed {seed}"


def test_negative_control_without_the_comparison_the_same_schedules_land_rows_twice() -> None:
    doubled = 0
    for seed in range(30):
        world = World(seed, Careless)
        world.run(60)
        world.finish()
        doubled += len(world.events.rows) - len(set(world.events.rows))
    assert doubled > 0


def calm(store: Store) -> Handle:
    return Handle(store, lambda: "")


def test_quarantine_comes_first_and_is_not_repeated_after_a_crash_in_between() -> None:
    events, refused = Store(), Store()
    steps = iter(["crash"])
    here, records = Partition("clicks", 0), [Sent(0, event(0)), Sent(1, BAD)]
    for handle in (Handle(events, lambda: next(steps, "")), calm(events)):
        landing = Landing(handle, calm(refused), SETTINGS, [])
        assert landing.begin(here, "id", 0, accept_gap=False) == 0
        landing.take(Chunk(here, records, 2), 0.0)
        if not events.rows and not refused.rows:
            with pytest.raises(Crash):
                landing.flush()
        else:
            assert landing.flush().refused == {("clicks", "not_json"): 1}
    assert events.rows == [("clicks", 0, 0)] and refused.rows == [("clicks", 0, 1)]


def test_tombstones_move_the_offset_and_leave_no_row() -> None:
    events, refused = Store(), Store()
    landing = Landing(calm(events), calm(refused), SETTINGS, [])
    here = Partition("clicks", 0)
    landing.begin(here, "id", 0, accept_gap=False)
    landing.take(Chunk(here, [Sent(0, None), Sent(1, None)], 2), 0.0)
    done = landing.flush()
    assert done.tombstones == {"clicks": 2} and not done.refused and done.decided == {here: 2}
    assert events.rows == refused.rows == [] and refused.commits == 0


def test_events_of_one_id_are_counted_and_those_that_differ() -> None:
    landing = Landing(calm(Store()), calm(Store()), SETTINGS, [])
    here = Partition("clicks", 0)
    landing.begin(here, "id", 0, accept_gap=False)
    told = [event(1), event(1), event(1, url="/other"), event(2)]
    landing.take(Chunk(here, [Sent(offset, value) for offset, value in enumerate(told)], 4), 0.0)
    done = landing.flush()
    assert (done.landed, done.duplicates, done.conflicting) == ({"clicks": 4}, {"clicks": 2}, {"clicks": 1})


def test_what_nobody_gave_us_is_not_taken() -> None:
    landing = Landing(calm(Store()), calm(Store()), SETTINGS, [])
    assert landing.take(Chunk(Partition("clicks", 0), [Sent(0, event(0))], 1), 0.0) == 0
    assert landing.flush().decided == {}


def test_a_topic_made_anew_is_remembered_once_accepted() -> None:
    events = Store()
    landing = Landing(calm(events), calm(Store()), SETTINGS, [])
    landing.remember("clicks", "id-1", new_generation=False)
    landing.remember("clicks", "id-1", new_generation=False)
    assert events.commits == 1
    with pytest.raises(LandingError):
        landing.remember("clicks", "id-2", new_generation=False)
    landing.remember("clicks", "id-2", new_generation=True)
    landing.remember("clicks", "id-2", new_generation=False)
    assert events.commits == 2


def test_two_processes_that_start_together_remember_a_topic_once() -> None:
    events = Store()
    handles = [calm(events), calm(events)]
    for handle in handles:
        Landing(handle, calm(Store()), SETTINGS, []).remember("clicks", "id-1", new_generation=False)
    assert events.commits == 1


def test_a_pipeline_that_is_always_overtaken_says_so() -> None:
    class Overtaken(Handle):
        def append(self, *_: object) -> bool:
            return False

    landing = Landing(Overtaken(Store(), lambda: ""), calm(Store()), SETTINGS, [])
    here = Partition("clicks", 0)
    landing.begin(here, "id", 0, accept_gap=False)
    landing.take(Chunk(here, [Sent(0, event(0))], 1), 0.0)
    with pytest.raises(StorageError, match="keeps moving"):
        landing.flush()
