"""One consumer at its limits and with minor faults: memory, late events, rejected offset commits, a corrupt batch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import CoordinatorNotAvailableError
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords

from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.kafka.producer import produce
from ingest.kafka.topics import create_topics
from ingest.landing.commit import scan
from ingest.message import Message
from ingest.samples.broker import EmbeddedBroker
from ingest.service import service
from ingest.service.counters import Counters
from ingest.service.service import run
from ingest.settings.ingest import IngestSettings
from tests.ingest.streams import RECEIVED, event, messages, places

pytestmark = pytest.mark.broker
MEGABYTES = 700
ALONE = """
import re, sys
from pathlib import Path
from expectations.lake.layout import Lake
from ingest.service.service import run
from ingest.settings.ingest import IngestSettings
done = run(IngestSettings.model_validate_json(sys.argv[1]), Lake(sys.argv[2]), until_caught_up=True)
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())  # rusage has the parent's in it
print(done.landed, int(peak.group(1)) // 1024)
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with EmbeddedBroker() as embedded:
        yield embedded.address


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def settings(broker: str, topic: str, **other: Any) -> IngestSettings:
    streams = [{"topic": topic, "kind": "clickstream"}]
    return IngestSettings.model_validate({"brokers": [broker], "streams": streams, "connect_timeout": "3s", **other})


def test_memory_stays_under_its_ceiling_at_the_default_limits(broker: str, lake: Lake) -> None:
    create_topics([broker], {"heavy": 4})
    rest = "x" * 900
    produce([broker], (Message("heavy", b"%d" % n, event(n, text=rest), RECEIVED + n) for n in range(60_000)))
    given = settings(broker, "heavy").model_dump_json(exclude={"security"})
    command = [sys.executable, "-c", ALONE, given, lake.address]
    landed, megabytes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert int(landed) == 60_000 and int(megabytes) < MEGABYTES


def test_buffers_hold_at_most_the_limits_and_one_poll(broker: str, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    create_topics([broker], {"held": 3})
    produce([broker], messages("held", range(2_000)))
    counters, held = Counters(), list[tuple[int, int]]()
    monkeypatch.setattr(service, "Counters", lambda: counters)
    given = settings(broker, "held", flush_rows=300, flush_bytes=20_000, poll_records=50)
    run(
        given,
        lake,
        until_caught_up=True,
        on_progress=lambda _: held.append((counters.buffered_rows, counters.buffered_bytes)),
    )
    assert max(rows for rows, _ in held) <= 350 and max(size for _, size in held) <= 20_000 + 50 * 150
    assert len(places(lake)) == 1_800


def test_a_poll_ends_with_the_bytes_of_a_flush_however_many_records_it_may_have(
    broker: str, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_topics([broker], {"wide": 2})
    wide = [
        Message("wide", b"%d" % n, event(n, text="x" * 300_000), RECEIVED, (("h", b"y" * 9_000),)) for n in range(60)
    ]
    produce([broker], wide)
    counters, held = Counters(), list[int]()
    monkeypatch.setattr(service, "Counters", lambda: counters)
    given = settings(broker, "wide", flush_bytes=1_000_000)
    run(given, lake, until_caught_up=True, on_progress=lambda _: held.append(counters.buffered_bytes))
    assert len(places(lake)) == 60 and 1_000_000 <= max(held) <= 1_000_000 + 310_000


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_batch_that_expands_beyond_its_limit_goes_to_quarantine_and_its_neighbours_land(
    broker: str, lake: Lake, codec: str
) -> None:
    create_topics([broker], {f"bomb-{codec}": 1})
    producer = KafkaProducer(bootstrap_servers=[broker], compression_type=codec, max_request_size=8 << 20)
    for value in (event(0), b"a" * (4 << 20), event(2)):
        producer.send(f"bomb-{codec}", value, timestamp_ms=RECEIVED).get(10)
    producer.close()
    done = run(settings(broker, f"bomb-{codec}", limits={"largest_batch": 2 << 20}), lake, until_caught_up=True)
    assert (done.landed, done.quarantined, done.restarts) == (2, {"batch_too_large": 1}, 0)
    [row] = scan(lake, layout.QUARANTINE).collect().iter_rows(named=True)
    assert row["offset"] == 1 and "offsets 1 to 1" in row["message"]
    kept = MemoryRecords(row["raw"]).next_batch()
    assert next(iter(kept)).value == b"a" * (4 << 20), "quarantine has the batch as the broker held it"
    assert run(settings(broker, f"bomb-{codec}"), lake, until_caught_up=True).polled == 0


def test_a_broker_that_rejects_offset_commits_changes_nothing(
    broker: str, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise CoordinatorNotAvailableError

    create_topics([broker], {"deaf": 2})
    produce([broker], messages("deaf", range(200)))
    monkeypatch.setattr(KafkaConsumer, "commit", refuses)
    for polled in (200, 0):
        done = run(settings(broker, "deaf", flush_rows=40), lake, until_caught_up=True)
        assert (done.polled, done.restarts) == (polled, 0)
    assert len(set(places(lake) + places(lake, layout.QUARANTINE))) == 200


def test_a_corrupt_batch_replaces_the_consumer_and_is_read_again(
    broker: str, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_topics([broker], {"broken": 2})
    produce([broker], messages("broken", range(300)))
    real, checks = DefaultRecordBatch.validate_crc, 0

    def fails_once(self: DefaultRecordBatch) -> bool:
        nonlocal checks
        checks += 1
        return checks != 2 and bool(real(self))

    monkeypatch.setattr(DefaultRecordBatch, "validate_crc", fails_once)
    monkeypatch.setattr(service, "_BACKOFF_SECONDS", (0.01,) * 6)
    done = run(settings(broker, "broken"), lake, until_caught_up=True)
    assert checks > 2 and done.restarts == 1
    assert len(set(places(lake) + places(lake, layout.QUARANTINE))) == 300


def test_late_events_land_on_their_own_day_and_future_ones_are_refused(broker: str, lake: Lake) -> None:
    day = 86_400_000
    create_topics([broker], {"late": 1})
    late = [0, -3 * day, -399 * day, 3_600_000, -401 * day, 2 * day]
    produce(
        [broker], [Message("late", b"k", event(n, occurred_at=RECEIVED + at), RECEIVED) for n, at in enumerate(late)]
    )
    done = run(settings(broker, "late"), lake, until_caught_up=True)
    assert (done.landed, done.quarantined) == (4, {"time_out_of_range": 2})
    rows = scan(lake, layout.EVENTS).sort("offset").collect()
    assert rows["event_date"].to_list() == rows["occurred_at"].dt.date().to_list()
    ages = (rows["received_at"] - rows["occurred_at"]).to_list()
    assert ages == [timedelta(milliseconds=-at) for at in late[:4]]
