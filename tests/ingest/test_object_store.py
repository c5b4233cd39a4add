"""Lake, files and a broker on an object store; a broker that goes away and comes back with all that it had."""

from __future__ import annotations

import gc
import gzip
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from expectations import layout
from expectations.errors import InputError
from expectations.layout import Lake
from ingest import loop
from ingest.broker import EmbeddedBroker
from ingest.commit import Table
from ingest.files import like, load_events
from ingest.folders import at_hand, files_of
from ingest.loop import IngestSummary, run
from ingest.offsets import Claim
from ingest.settings import IngestSettings
from ingest.source.producer import produce
from ingest.source.topics import create_topics
from ingest.tally import Tally
from tests.ingest.streams import event, messages, places
from tests.ingest.test_commit import APP, rows
from tests.object_store import BUCKET, object_store, put


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    with object_store() as environment:
        yield environment


@pytest.fixture
def bucket(store: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The store, found by whatever asks the environment for it."""
    for name, value in store.items():
        monkeypatch.setenv(name, value)
    return store


def settings(broker: str, topic: str, **other: Any) -> IngestSettings:
    fast = {"session_timeout": "2s", "heartbeat": "400ms", "connect_timeout": "3s", "flush_age": "200ms"}
    streams = [{"topic": topic, "kind": "clickstream"}]
    given = {"brokers": [broker], "streams": streams, "assignment": "all", **fast, **other}
    return IngestSettings.model_validate(given)


def everything(lake: Lake) -> list[tuple[str, int, int]]:
    return places(lake) + places(lake, layout.QUARANTINE)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.broker
def test_a_lake_on_an_object_store_has_every_record_once(bucket: dict[str, str]) -> None:
    lake = Lake(f"s3://{BUCKET}/landed")
    with EmbeddedBroker() as broker:
        create_topics([broker.address], {"clicks": 2})
        for first in (0, 200):
            produce([broker.address], messages("clicks", range(first, first + 200)))
            assert run(settings(broker.address, "clicks", flush_rows=60), lake, until_caught_up=True).polled == 200
    assert len(places(lake)) == 360 and len(everything(lake)) == len(set(everything(lake))) == 400


def test_a_zombie_on_an_object_store_lands_nothing(bucket: dict[str, str]) -> None:
    lake = Lake(f"s3://{BUCKET}/zombie")
    zombie, owner = Table(lake, layout.EVENTS), Table(lake, layout.EVENTS)
    assert owner.append(rows(0, 1, 2), [Claim(APP, None, 3)])
    assert not zombie.append(rows(0, 1), [Claim(APP, None, 2)])
    assert len(places(lake)) == 3


# The client leaves the sockets of connections that were refused to the garbage collector, which then warns.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.broker
def test_a_broker_that_is_killed_and_comes_back_with_its_records_is_read_on(
    bucket: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "kafka")  # lines of the client's log hold its sockets
    lake, stop, done = Lake(str(tmp_path / "lake")), threading.Event(), list[IngestSummary]()
    tallies: list[Tally] = []
    monkeypatch.setattr(loop, "Tally", lambda: tallies.append(Tally()) or tallies[-1])
    broker = EmbeddedBroker(bucket=f"s3://{BUCKET}", environment=bucket)
    broker.start()
    port = int(broker.address.rpartition(":")[2])
    try:
        create_topics([broker.address], {"kept": 2})
        produce([broker.address], messages("kept", range(300)))
        given = settings(broker.address, "kept")
        service = threading.Thread(target=lambda: done.append(run(given, lake, stop=stop)))
        service.start()
        wait_for(lambda: len(everything(lake)) == 300)
        broker.stop()
        heard, away = time.time(), time.monotonic() + 6
        while time.monotonic() < away:  # polls come back empty, without an error, and do not count as heard
            time.sleep(0.2)
        assert service.is_alive() and tallies[0].last_poll < heard + 1.5
        broker = EmbeddedBroker(port=port, bucket=f"s3://{BUCKET}", environment=bucket)
        broker.start()
        produce([broker.address], messages("kept", range(300, 400)))
        wait_for(lambda: len(everything(lake)) == 400)
        assert tallies[0].last_poll > heard + 5
    finally:
        stop.set()
        service.join(30)
        broker.stop()
    assert done[0].landed == 360 and done[0].quarantined == {"not_json": 40}
    assert len(set(everything(lake))) == 400
    gc.collect()


def test_files_of_an_object_store_are_loaded_once_whichever_way_they_are_named(
    bucket: dict[str, str], tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    lines = [event(number) + b"\n" for number in range(30)]
    first = put(bucket, "old/2025/a.ndjson", b"".join(lines[:10]))
    put(bucket, "old/2025/deep/b.ndjson.gz", gzip.compress(b"".join(lines[10:])))
    put(bucket, "old/2025/readme.txt", b"no events")
    put(bucket, "old/20251/c.ndjson", b"another folder")
    folder = f"s3://{BUCKET}/old/2025"
    assert files_of([folder]) == files_of([folder + "/"]) == [first, f"{folder}/deep/b.ndjson.gz"]
    assert [loaded(place, lake) for place in files_of([folder])] == [10, 20]
    assert loaded(first, lake) == 0 and len(places(lake)) == 30
    with pytest.raises(InputError, match="cannot be read"):
        loaded(f"{folder}/missing.ndjson", lake)
    with pytest.raises(InputError, match="nothing to load"):
        files_of([f"s3://{BUCKET}/none/"])


def loaded(place: str, lake: Lake) -> int:
    given = IngestSettings()
    with at_hand(place) as file:
        return load_events(file, like(given), given, lake).landed
