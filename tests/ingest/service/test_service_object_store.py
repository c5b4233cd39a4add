"""Lake, files and a broker on an object store; a broker that is restarted and still has its records."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from expectations.errors import InputError, StorageError
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.files.load import file_stream, load_events
from ingest.files.places import list_files, local_copy
from ingest.kafka.producer import produce
from ingest.kafka.topics import create_topics
from ingest.landing import commit
from ingest.landing.commit import Table
from ingest.landing.offsets import Claim
from ingest.samples.broker import EmbeddedBroker
from ingest.service.service import run
from ingest.settings.ingest import IngestSettings
from tests.ingest.landing.test_commit import APP, rows
from tests.ingest.streams import event, messages, places
from tests.services.object_store import BUCKET, object_store, put
from tests.services.outage import SECONDS, Outage

ACCESS = {"AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}


@pytest.mark.broker
def test_a_service_outlives_a_broker_that_is_killed(outage: Outage) -> None:
    """The broker stays away until `test_a_broker_that_returns_after_half_a_minute_is_read_on`."""
    assert outage.service.poll() is None and len(outage.landed()) == 300


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every request that the store has answered, one per line."""
    return tmp_path_factory.mktemp("store") / "requests"


@pytest.fixture(scope="module")
def store(requests: Path) -> Iterator[dict[str, str]]:
    with object_store(requests) as environment:
        yield environment


@pytest.fixture
def bucket(store: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The store, with its address and keys in the environment."""
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


def test_requests_of_a_commit_do_not_grow_with_the_log(
    bucket: dict[str, str], requests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    period = 5
    monkeypatch.setattr(commit, "_CHECKPOINT_EVERY", period)
    monkeypatch.setattr(commit, "_CONFIGURATION", commit._CONFIGURATION | {"delta.checkpointInterval": str(period)})
    table = Table(Lake(f"s3://{BUCKET}/long"), layout.EVENTS, reload_every=period)

    def commits(first: int, last: int) -> tuple[int, int]:
        """The number of listings, and of log entries that were read."""
        before = len(requests.read_bytes())
        for offset in range(first, last):
            assert table.append(rows(offset), [Claim(APP, offset or None, offset + 1)])
        asked = requests.read_bytes()[before:].decode().splitlines()
        return sum("GET" in line and "list-type" in line for line in asked), sum("GET" in line for line in asked)

    commits(0, period)
    early = commits(period, 2 * period)
    commits(2 * period, 6 * period)
    late = commits(6 * period, 7 * period)
    assert (
        late[0] <= early[0] <= 2 * period + 3
    )  # two per commit, and three more for checkpoint, cleaning and reloading
    assert late[1] <= early[1] + 2


def test_a_store_that_never_answers_fails_before_the_watchdog_barks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits, asked = IngestSettings(), float(commit._STORE["retry_timeout"].removesuffix("s"))
    assert 2 * (asked + 30) < limits.watchdog.total_seconds()  # a write and the look at what became of it; 30 s each
    monkeypatch.setattr(commit, "_STORE", {"retry_timeout": "1s", "timeout": "1s"})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for name, value in {"AWS_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}", **ACCESS}.items():
            monkeypatch.setenv(name, value)
        began = time.monotonic()
        with pytest.raises(StorageError, match="cannot be read") as failed:
            commit.open_table(f"s3://{BUCKET}/silent")
    assert time.monotonic() - began < 10 and "timed out" in failed.value.found


@pytest.mark.broker
def test_a_broker_that_returns_after_half_a_minute_is_read_on(outage: Outage) -> None:
    """During the outage, polls return empty without an error and do not count as answers."""
    outage.end()
    assert outage.service.poll() is None and outage.heard > SECONDS - 1.5
    outage.send(300, 400)
    assert outage.heard < 5 and len(set(outage.landed())) == 400
    assert len(places(outage.lake, layout.QUARANTINE)) == 40
    outage.service.terminate()
    assert outage.service.wait(30) == 0


def test_files_of_an_object_store_are_loaded_once_under_any_address(bucket: dict[str, str], tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    lines = [event(number) + b"\n" for number in range(30)]
    first = put(bucket, "old/2025/a.ndjson", b"".join(lines[:10]))
    put(bucket, "old/2025/deep/b.ndjson.gz", gzip.compress(b"".join(lines[10:])))
    put(bucket, "old/2025/readme.txt", b"no events")
    put(bucket, "old/20251/c.ndjson", b"another folder")
    folder = f"s3://{BUCKET}/old/2025"
    assert list_files([folder]) == list_files([folder + "/"]) == [first, f"{folder}/deep/b.ndjson.gz"]
    assert [loaded(place, lake) for place in list_files([folder])] == [10, 20]
    assert loaded(first, lake) == 0 and len(places(lake)) == 30
    with pytest.raises(InputError, match="cannot be read"):
        loaded(f"{folder}/missing.ndjson", lake)
    with pytest.raises(InputError, match="nothing to load"):
        list_files([f"s3://{BUCKET}/none/"])


def loaded(place: str, lake: Lake) -> int:
    given = IngestSettings()
    with local_copy(place) as file:
        return load_events(file, file_stream(given), given, lake).landed
