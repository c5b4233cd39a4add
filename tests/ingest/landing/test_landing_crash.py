"""A consumer killed at any moment restarts with every event exactly once, in events and in quarantine."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.kafka.producer import produce
from ingest.kafka.topics import create_topics
from ingest.message import Message
from ingest.samples.broker import EmbeddedBroker
from ingest.service.service import run
from ingest.settings.ingest import IngestSettings, Stream
from tests.ingest.streams import BAD, RECEIVED, event, places

KILLS, MESSAGES, SEED = 10, 6_000, 7
TOPICS = {"crash-clicks": 2, "crash-orders": 1}


def settings(broker: str) -> IngestSettings:
    """Small and frequent flushes, so that a random moment is often inside one."""
    streams = [Stream(topic=topic, kind="clickstream") for topic in TOPICS]
    given = {"flush_rows": 150, "flush_age": "100ms", "poll_records": 60, "poll_wait": "50ms", "assignment": "all"}
    return IngestSettings.model_validate({"brokers": [broker], "streams": streams, **given})


def start(settings: IngestSettings, lake: Lake) -> subprocess.Popen[bytes]:
    """`journeys ingest`, as a user starts it: on a configuration file, here with what the environment overrides."""
    config = Path(lake.address).with_suffix(".toml")
    config.write_text(f'[lake]\naddress = "{lake.address}"\n')
    given = settings.model_dump(mode="json", include={"flush_rows", "poll_records", "assignment"})
    given |= {"flush_age": "100ms", "poll_wait": "50ms"}
    given |= {
        "brokers": json.dumps(settings.brokers),
        "streams": json.dumps([{"topic": t, "kind": "clickstream"} for t in TOPICS]),
    }
    variables = {f"JOURNEYS_INGEST__{name.upper()}": str(value) for name, value in given.items()}
    command = [sys.executable, "-m", "journeys", "ingest", "--config", str(config)]
    return subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def sent(count: int) -> list[Message]:
    topics = list(TOPICS)
    return [
        Message(topics[n % 3 == 0], b"%d" % (n % 31), BAD if n % 20 == 3 else event(n), RECEIVED + n)
        for n in range(count)
    ]


def progressed(lake: Lake, rows: int) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if len(places(lake)) > rows:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.broker
def test_a_consumer_killed_ten_times_lands_everything_once(tmp_path: Path) -> None:
    draw, lake = random.Random(SEED), Lake(str(tmp_path / "lake"))
    with EmbeddedBroker() as broker:
        create_topics([broker.address], TOPICS)
        given, waiting = settings(broker.address), sent(MESSAGES)
        for kill in range(KILLS):
            produce([broker.address], waiting[kill * MESSAGES // KILLS : (kill + 1) * MESSAGES // KILLS])
            consumer = start(given, lake)
            assert progressed(lake, len(places(lake)))
            time.sleep(draw.random() * 0.25)
            consumer.kill()
            consumer.wait()
        run(given, lake, until_caught_up=True)
    events, bad = places(lake), places(lake, layout.QUARANTINE)
    assert len(bad) == MESSAGES // 20 and len(events) == MESSAGES - len(bad)
    assert len(set(events + bad)) == MESSAGES
    for topic, partitions in TOPICS.items():
        for number in range(partitions):
            offsets = sorted(offset for name, part, offset in events + bad if (name, part) == (topic, number))
            assert offsets == list(range(len(offsets)))


@pytest.mark.broker
def test_a_consumer_that_is_told_to_stop_flushes_and_ends_with_zero(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with EmbeddedBroker() as broker:
        create_topics([broker.address], TOPICS)
        produce([broker.address], sent(500))
        given = settings(broker.address).model_copy(update={"flush_rows": 10_000_000})
        consumer = start(given, lake)
        assert progressed(lake, 0)
        consumer.send_signal(signal.SIGTERM)
        assert consumer.wait(10) == 0
        polled = len(places(lake)) + len(places(lake, layout.QUARANTINE))
        assert run(given, lake, until_caught_up=True).polled == 500 - polled
