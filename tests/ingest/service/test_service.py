"""The consumer process on the embedded broker: several topics to their ends, and clear errors."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from expectations.errors import BrokerError, ConfigurationError, LandingError, RegistryError, StorageError
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.kafka.consumer import Source
from ingest.kafka.producer import produce
from ingest.kafka.topics import create_topics, describe_topics, readable_codecs
from ingest.landing.commit import scan
from ingest.landing.flush_result import FlushResult
from ingest.landing.landing import Landing
from ingest.message import Chunk, Message, Partition
from ingest.quarantine.quarantine import refusal_counts
from ingest.samples.broker import EmbeddedBroker
from ingest.service import service as loop
from ingest.service.counters import Counters
from ingest.service.service import IngestSummary, Progress, run
from ingest.service.status import freshness, partition_lag, table_status
from ingest.settings.ingest import IngestSettings
from ingest.source_protocol import SourceFailed
from tests.ingest.streams import BAD, RECEIVED, event, messages, places

FAST = {"session_timeout": "2s", "heartbeat": "400ms", "connect_timeout": "3s", "poll_wait": "100ms"}


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with EmbeddedBroker() as embedded:
        yield embedded.address


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def settings(broker: str, *topics: str, **other: Any) -> IngestSettings:
    streams = [{"topic": topic, "kind": "clickstream", "channel": "web"} for topic in topics]
    return IngestSettings.model_validate({"brokers": [broker], "group": topics[0], "streams": streams, **FAST, **other})


def fill(broker: str, topic: str, count: int, partitions: int = 3) -> None:
    create_topics([broker], {topic: partitions})
    assert produce([broker], messages(topic, range(count))) == count


def caught_up(settings: IngestSettings, lake: Lake, **how: Any) -> IngestSummary:
    return run(settings, lake, until_caught_up=True, **how)


@pytest.mark.broker
def test_several_topics_are_landed_to_their_ends(broker: str, lake: Lake) -> None:
    fill(broker, "several-a", 500)
    fill(broker, "several-b", 200, partitions=1)
    create_topics([broker], {"several-empty": 2})
    seen: list[Progress] = []
    done = caught_up(settings(broker, "several-a", "several-b", "several-empty"), lake, on_progress=seen.append)
    assert (done.polled, done.landed, done.quarantined) == (700, 630, {"not_json": 70})
    events, bad = places(lake), places(lake, layout.QUARANTINE)
    assert len(events) == 630 and len(bad) == 70 and len(set(events + bad)) == 700
    assert seen[-1].landed == 630 and seen[-1].lag == 0 and seen[-1].expected == 700


@pytest.mark.broker
def test_a_second_run_lands_only_what_is_new(broker: str, lake: Lake) -> None:
    fill(broker, "again", 50)
    assert caught_up(settings(broker, "again"), lake).polled == 50
    assert caught_up(settings(broker, "again"), lake).polled == 0
    produce([broker], messages("again", range(50, 80)))
    assert caught_up(settings(broker, "again"), lake).polled == 30
    assert len(set(places(lake) + places(lake, layout.QUARANTINE))) == 80


@pytest.mark.broker
def test_an_empty_topic_is_caught_up_at_once(broker: str, lake: Lake) -> None:
    create_topics([broker], {"empty": 4})
    began = time.monotonic()
    done = caught_up(settings(broker, "empty"), lake)
    assert (done.polled, done.landed, done.commits) == (0, 0, 0) and time.monotonic() - began < 5
    assert scan(lake, layout.EVENTS).collect().height == 0


@pytest.mark.broker
def test_a_member_of_a_group_lands_its_assigned_partitions(broker: str, lake: Lake) -> None:
    fill(broker, "grouped", 300)
    assert caught_up(settings(broker, "grouped", assignment="group"), lake).polled == 300
    assert len(set(places(lake) + places(lake, layout.QUARANTINE))) == 300


@pytest.mark.broker
def test_a_service_flushes_by_age_and_stops_in_order_on_request(broker: str, lake: Lake) -> None:
    fill(broker, "service", 40)
    stop = threading.Event()
    results: list[IngestSummary] = []
    given = settings(broker, "service", assignment="all", flush_age="200ms")
    service = threading.Thread(target=lambda: results.append(run(given, lake, stop=stop)))
    service.start()
    try:
        deadline = time.monotonic() + 20
        while len(places(lake)) < 36 and time.monotonic() < deadline:
            time.sleep(0.05)
        produce([broker], messages("service", range(40, 45)))
    finally:
        stop.set()
        service.join(20)
    assert results[0].landed >= 36
    assert caught_up(given, lake).polled + results[0].polled == 45


@pytest.mark.broker
def test_flushes_by_rows_land_the_same(broker: str, lake: Lake) -> None:
    fill(broker, "rows", 1_000)
    done = caught_up(settings(broker, "rows", flush_rows=100, poll_records=37), lake)
    assert done.commits >= 8 and done.landed == 900
    assert len(set(places(lake))) == len(places(lake)) == 900


@pytest.mark.broker
def test_defaults_keys_and_record_times_arrive(broker: str, lake: Lake) -> None:
    create_topics([broker], {"fields": 1})
    produce([broker], [Message("fields", b"ann", event(1), RECEIVED), Message("fields", b"ben", BAD, RECEIVED + 5)])
    caught_up(settings(broker, "fields"), lake)
    row = scan(lake, layout.EVENTS).collect().row(0, named=True)
    assert (row["channel"], row["kind"], row["event_id"], row["topic"]) == ("web", "clickstream", "e1", "fields")
    assert int(row["received_at"].timestamp() * 1000) == RECEIVED
    bad = scan(lake, layout.QUARANTINE).collect().row(0, named=True)
    assert (bad["raw"], bad["key"], bad["reason"], bad["offset"]) == (BAD, b"ben", "not_json", 1)


@pytest.mark.broker
def test_the_status_counts_the_rows_of_the_tables(broker: str, lake: Lake) -> None:
    assert table_status(lake)["rows"].to_list() == [None, None, None]
    fill(broker, "status", 100, partitions=1)
    caught_up(settings(broker, "status"), lake)
    assert table_status(lake).select("table", "rows").rows()[:2] == [("events", 90), ("quarantine", 10)]
    assert refusal_counts(lake).select("topic", "reason", "field", "messages").rows() == [
        ("status", "not_json", None, 10)
    ]


@pytest.mark.broker
def test_the_status_reports_the_freshness_of_each_stream(broker: str, lake: Lake) -> None:
    now = datetime.fromtimestamp(RECEIVED / 1000, UTC) + timedelta(hours=1)
    given = settings(broker, "fresh-a", "fresh-b", "fresh-never")
    assert freshness(given, lake, now)["newest"].to_list() == [None] * 3
    fill(broker, "fresh-a", 100, partitions=1)
    fill(broker, "fresh-b", 20, partitions=1)
    create_topics([broker], {"fresh-never": 1})
    caught_up(given, lake)
    for later, age in ((timedelta(0), 3599.901), (timedelta(days=30), 30 * 86_400 + 3599.901)):
        found = freshness(given, lake, now + later)
        assert found["topic"].to_list() == ["fresh-a", "fresh-b", "fresh-never"]
        assert found["age_seconds"].to_list() == [pytest.approx(age), pytest.approx(age + 0.08), None]


@pytest.mark.broker
def test_the_status_reports_the_lag_of_each_partition(broker: str, lake: Lake) -> None:
    fill(broker, "waits", 100, partitions=1)
    given = settings(broker, "waits")
    assert partition_lag(given, lake).rows() == [("waits", 0, 0, 100, 100)] and not Path(lake.address).exists()
    caught_up(given, lake)
    produce([broker], messages("waits", range(100, 107)))
    assert partition_lag(given, lake).rows() == [("waits", 0, 100, 107, 7)]
    assert len(places(lake)) == 90


@pytest.mark.broker
def test_an_unknown_topic_is_one_clear_error(broker: str, lake: Lake) -> None:
    with pytest.raises(BrokerError, match="does not know the topic nowhere") as failed:
        caught_up(settings(broker, "nowhere"), lake)
    assert failed.value.do and not Path(lake.address).exists()


def test_an_unreachable_broker_is_one_clear_error(lake: Lake) -> None:
    with pytest.raises(BrokerError, match="was not reached") as failed:
        caught_up(settings("127.0.0.1:1", "clicks", connect_timeout="1s"), lake)
    assert "127.0.0.1:1" in failed.value.where and not Path(lake.address).exists()


@pytest.mark.broker
def test_a_lake_that_cannot_be_written_is_one_clear_error(broker: str, tmp_path: Path) -> None:
    create_topics([broker], {"unwritable": 1})
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="cannot be written"):
        caught_up(settings(broker, "unwritable"), Lake(str(tmp_path / "file" / "lake")))


def test_no_stream_is_one_clear_error(lake: Lake) -> None:
    with pytest.raises(ConfigurationError, match="No stream"):
        caught_up(IngestSettings(), lake)


@pytest.mark.broker
def test_a_recreated_topic_stops_the_run_until_it_is_accepted(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    for generation in range(2):
        with EmbeddedBroker() as embedded:  # it forgets everything when it stops
            fill(embedded.address, "recreated", 20 + generation, partitions=1)
            given = settings(embedded.address, "recreated")
            if generation == 0:
                caught_up(given, lake)
                continue
            with pytest.raises(LandingError, match="recreated") as stopped:
                caught_up(given, lake)
            assert "--new-generation" in stopped.value.do
            assert caught_up(given, lake, new_generation=True).polled == 21
            assert caught_up(given, lake).polled == 0


@pytest.mark.broker
def test_partitions_and_codecs_are_described(broker: str) -> None:
    create_topics([broker], {"described": 3})
    create_topics([broker], {"described": 3})
    assert describe_topics(settings(broker, "described")) == {"described": 3}
    assert {"gzip", "lz4", "zstd"} <= set(readable_codecs())


@pytest.mark.broker
def test_a_consumer_that_fails_is_replaced_and_nothing_is_lost(
    broker: str, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(broker, "failing", 600, partitions=2)
    real, polls = Source.poll, 0

    def fails_twice(self: Source, wait: timedelta) -> list[Chunk]:
        nonlocal polls
        polls += 1
        chunks = real(self, wait)
        if polls in (3, 6):
            raise SourceFailed("CorruptRecordError")
        return chunks

    monkeypatch.setattr(Source, "poll", fails_twice)
    monkeypatch.setattr(loop, "_BACKOFF_SECONDS", (0.01,) * 6)
    done = caught_up(settings(broker, "failing", poll_records=50), lake)
    assert done.restarts == 2
    assert len(set(places(lake) + places(lake, layout.QUARANTINE))) == 600 == len(places(lake)) + 60


@pytest.mark.broker
def test_a_run_that_keeps_failing_ends_with_an_error(broker: str, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    create_topics([broker], {"hopeless": 1})

    def fails(self: Source, wait: timedelta) -> list[Chunk]:
        raise SourceFailed("UnsupportedCodecError")

    monkeypatch.setattr(Source, "poll", fails)
    monkeypatch.setattr(loop, "_BACKOFF_SECONDS", (0.01,) * 3)
    with pytest.raises(BrokerError, match="keeps failing") as failed:
        caught_up(settings(broker, "hopeless"), lake)
    assert "UnsupportedCodecError" in failed.value.found


@pytest.mark.broker
@pytest.mark.parametrize("seconds", [(0.01,) * 6])
def test_a_registry_outage_quarantines_and_loses_nothing(
    broker: str, lake: Lake, monkeypatch: pytest.MonkeyPatch, seconds: tuple[float, ...]
) -> None:
    fill(broker, "registry", 60, partitions=2)
    real, looks = Landing.flush, 0

    def fails_twice(self: Landing) -> FlushResult:
        nonlocal looks
        looks += 1
        if looks <= 2:
            raise RegistryError("The schema registry does not answer.")
        return real(self)

    monkeypatch.setattr(Landing, "flush", fails_twice)
    monkeypatch.setattr(loop, "_BACKOFF_SECONDS", seconds)
    done = caught_up(settings(broker, "registry"), lake)
    assert (done.landed, done.quarantined, done.restarts) == (54, {"not_json": 6}, 2)
    monkeypatch.setattr(Landing, "flush", lambda self: real(self) if self.is_idle else fails(self))
    produce([broker], messages("registry", range(60, 70)))
    with pytest.raises(RegistryError):  # a run that is to end does not wait for ever
        caught_up(settings(broker, "registry"), lake)
    monkeypatch.setattr(Landing, "flush", real)
    assert caught_up(settings(broker, "registry"), lake).polled == 10


@pytest.mark.broker
def test_a_service_waits_for_an_unavailable_lake_and_loses_and_duplicates_nothing(
    broker: str, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def until(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    monkeypatch.setattr(loop, "_BACKOFF_SECONDS", (0.2,) * 6)
    counters, stop, done = Counters(), threading.Event(), list[IngestSummary]()
    monkeypatch.setattr(loop, "Counters", lambda: counters)
    fill(broker, "afloat", 100, partitions=2)
    given = settings(broker, "afloat", assignment="all", flush_age="100ms", max_poll_interval="2s")
    service = threading.Thread(target=lambda: done.append(run(given, lake, stop=stop)))
    service.start()
    try:
        until(lambda: counters.polled.total() == 100 and counters.buffered_rows == 0)
        here, aside = Path(lake.address), Path(lake.address + ".aside")
        here.rename(aside)
        here.write_text("no folder")  # as a file system that is not there: nothing can be read or written
        produce([broker], messages("afloat", range(100, 200)))
        until(lambda: counters.storage_failures > 0 and counters.restarts > 1 and counters.lake_is_unavailable)
        with pytest.raises(StorageError, match="The lake cannot be"):  # a run that is to end does not wait
            caught_up(given, lake)
        here.unlink()
        aside.rename(here)
        until(lambda: len(places(lake) + places(lake, layout.QUARANTINE)) == 200)
        until(lambda: not counters.lake_is_unavailable)
    finally:
        stop.set()
        service.join(20)
    assert done[0].landed == 180 and done[0].quarantined == {"not_json": 20}
    assert len(set(places(lake) + places(lake, layout.QUARANTINE))) == 200


def fails(_: object) -> FlushResult:
    raise RegistryError("The schema registry does not answer.")


@pytest.mark.broker
def test_an_unreadable_compression_stops_at_once_and_names_the_package(
    broker: str, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(broker, "squeezed", 50, partitions=1)
    monkeypatch.setattr("kafka.codec.has_lz4", lambda: False)
    began = time.monotonic()
    with pytest.raises(BrokerError, match="compressed with lz4") as stopped:
        caught_up(settings(broker, "squeezed"), lake)
    assert "kafka-python[lz4]" in stopped.value.do and time.monotonic() - began < 10 and places(lake) == []
    monkeypatch.undo()
    assert caught_up(settings(broker, "squeezed"), lake).polled == 50


# The client leaves the sockets of connections that were refused to the garbage collector, which then warns.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.broker
def test_empty_polls_during_a_broker_outage_do_not_count_as_answers(tmp_path: Path) -> None:
    with EmbeddedBroker() as embedded:
        fill(embedded.address, "silent", 5, partitions=1)
        with Source(settings(embedded.address, "silent", assignment="all")) as source:
            source.begin(Partition("silent", 0), 0)
            deadline = time.monotonic() + 10
            while not source.poll(timedelta(milliseconds=100)) and time.monotonic() < deadline:
                continue
            source.poll(timedelta(seconds=1))
            assert source.silence < 1
            embedded.stop()
            away = time.monotonic()
            while time.monotonic() - away < 2:
                assert source.poll(timedelta(milliseconds=100)) == []
            assert source.silence > 1.4
    gc.collect()


# Connections that were refused in tests before leave their sockets to the garbage collector, which then warns here.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.broker
def test_replaced_consumers_leave_no_open_sockets(broker: str, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(broker, "thrown", 30, partitions=1)
    made: list[weakref.ref[Source]] = []
    real, polls = Source.poll, 0

    def fails_often(self: Source, wait: timedelta) -> list[Chunk]:
        nonlocal polls
        polls += 1
        if polls <= 4:
            made.append(weakref.ref(self))
            raise SourceFailed("CorruptRecordError")
        return real(self, wait)

    monkeypatch.setattr(Source, "poll", fails_often)
    monkeypatch.setattr(loop, "_BACKOFF_SECONDS", (0.01,) * 6)
    gc.disable()
    try:
        assert caught_up(settings(broker, "thrown"), lake).restarts == 4
        left = [source for gone in made if (source := gone()) is not None]
        assert len(left) <= 1  # the thread of the last may have been ending still
    finally:
        gc.enable()
