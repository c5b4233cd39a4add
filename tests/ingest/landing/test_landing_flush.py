"""What one flush lands, in which order its rows lie, and when the next one is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from operator import itemgetter

import polars as pl
import pytest

from ingest.landing.batch import Buffer
from ingest.landing.landing import Landing
from ingest.landing.offsets import Claim
from ingest.message import Chunk, Partition
from ingest.settings.ingest import IngestSettings, Stream
from tests.ingest.landing.test_landing import Crash, Handle, Store, calm
from tests.ingest.streams import BAD, RECEIVED, Sent, event

HERE, THERE = Partition("clicks", 0), Partition("clicks", 1)
SETTINGS = IngestSettings(
    streams=[Stream(topic="clicks", kind="clickstream")], flush_age=timedelta(seconds=5), flush_rows=100
)


class Kept(Handle):
    """A table that keeps the frames it is given."""

    frames: list[pl.DataFrame]

    def append(self, rows: pl.DataFrame, claims: Sequence[Claim]) -> bool:
        self.frames = [*getattr(self, "frames", []), rows]
        return super().append(rows, claims)


def landing_of(events: Handle | None = None, refused: Store | None = None, *places: Partition) -> Landing:
    landing = Landing(events or calm(Store()), calm(refused or Store()), SETTINGS, [])
    for place in places or (HERE,):
        landing.begin(place, "id", 0, accept_gap=False)
    return landing


def take(landing: Landing, *offsets: int, now: float = 0.0, place: Partition = HERE) -> None:
    landing.take(Chunk(place, [Sent(offset, event(offset)) for offset in offsets], offsets[-1] + 1), now)


def test_places_passed_without_a_record_are_landed() -> None:
    events = Store()
    landing = landing_of(calm(events))
    assert landing.is_idle and landing.flush().decided == {}
    landing.take(Chunk(HERE, [], 4), 0.0)  # only markers of transactions
    assert not landing.is_idle and landing.rows == 0
    assert landing.flush().decided == {HERE: 4}
    landing.advance(HERE, 7, 0.0)
    assert not landing.is_idle
    assert landing.flush().decided == {HERE: 7} and landing.decided(HERE) == 7
    assert landing.is_idle and events.rows == [] and list(events.versions.values()) == [7]


def test_a_buffer_has_moved_when_it_holds_a_record_or_passed_a_place() -> None:
    buffer = Buffer(HERE, "app", 5, 5)
    assert not buffer.has_moved
    buffer.add(Chunk(HERE, [Sent(3, b"x")], 4))
    assert not buffer.has_moved and buffer.next_offset == 5, "what was delivered before moves nothing"
    buffer.add(Chunk(HERE, [], 6))
    assert buffer.has_moved
    buffer.settle()
    assert not buffer.has_moved


def test_a_flush_is_due_by_the_age_of_the_oldest_record_held() -> None:
    landing = landing_of()
    take(landing, 0, now=10.0)
    take(landing, 1, now=14.0)
    assert not landing.due(14.9) and landing.due(15.0)
    landing.flush()
    assert not landing.due(1_000.0), "nothing is held"
    take(landing, 0, 1, now=20.0)
    assert not landing.due(1_000.0), "what was delivered before is not held"
    take(landing, 2, now=1_000.0)
    assert not landing.due(1_004.9) and landing.due(1_005.0)


def test_places_passed_are_as_old_as_the_first_of_them() -> None:
    landing = landing_of()
    landing.advance(HERE, 0, 1.0)
    assert not landing.due(100.0), "nothing was passed"
    landing.advance(HERE, 3, 10.0)
    landing.advance(HERE, 4, 14.0)
    assert not landing.due(14.9) and landing.due(15.0)


def test_a_partition_that_is_dropped_takes_the_age_of_what_it_held_along() -> None:
    landing = landing_of(None, None, HERE, THERE)
    take(landing, 0, now=10.0)
    take(landing, 0, now=12.0, place=THERE)
    landing.drop(HERE)
    assert landing.due(15.0), "the other partition still holds a record, and when it was read is not known apart"
    landing.drop(THERE)
    landing.begin(HERE, "id", 0, accept_gap=False)
    assert not landing.due(1_000.0)


def test_rows_land_in_the_order_of_customers_and_times_over_all_partitions() -> None:
    kept = Kept(Store(), lambda: "")
    landing = landing_of(kept, None, HERE, THERE)
    people = [{"customer_id": f"c{n * 5 % 7}"} if n % 3 else {"anonymous_id": f"b{n % 4}"} for n in range(24)]
    for place in (HERE, THERE):
        told = [
            event(n, **{"anonymous_id": None} | who, occurred_at=RECEIVED - n * 1000) for n, who in enumerate(people)
        ]
        landing.take(Chunk(place, [Sent(n, value) for n, value in enumerate(told)], len(told)), 0.0)
    landing.flush()
    (rows,) = kept.frames
    found = rows.select(pl.coalesce("customer_id", "anonymous_id"), "occurred_at").rows()
    assert len(found) == 48 and found == sorted(found, key=itemgetter(0, 1))
    assert rows["partition"].n_unique() == 2


@pytest.mark.parametrize(
    ("times", "newest"),
    [([5, 9], 9.0), ([9, 5], 5.0), ([9, -RECEIVED - 1], None), ([9, RECEIVED * 999], None)],  # microseconds
)
def test_the_newest_time_is_that_of_the_last_record_if_it_has_one(times: list[int], newest: float | None) -> None:
    landing = landing_of()
    records = [Sent(offset, event(offset), RECEIVED + moment) for offset, moment in enumerate(times)]
    landing.take(Chunk(HERE, records, 2), 0.0)
    assert landing.flush().newest == ({} if newest is None else {HERE: (RECEIVED + newest) / 1000})


def test_what_is_in_quarantine_already_is_not_committed_again() -> None:
    events, refused = Store(), Store()
    steps = iter(["crash"])
    for handle in (Handle(events, lambda: next(steps, "")), calm(events)):
        landing = landing_of(handle, refused)
        landing.take(Chunk(HERE, [Sent(0, BAD), Sent(1, event(1))], 2), 0.0)
        if not refused.commits:
            with pytest.raises(Crash):
                landing.flush()
        else:
            landing.flush()
    assert (refused.commits, events.commits) == (1, 1)


def test_a_quarantine_that_another_process_moved_is_read_anew() -> None:
    refused = Store()
    first, second = landing_of(None, refused), landing_of(None, refused)
    for landing, offset in ((first, 0), (second, 0)):
        landing.take(Chunk(HERE, [Sent(offset, BAD)], offset + 1), 0.0)
        assert landing.flush().decided == {HERE: 1}
    assert refused.rows == [("clicks", 0, 0)]
