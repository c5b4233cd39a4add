r"""Does a day's work of rebalancing lose or double anything? Two hours of a shop, with consumers that come and go.

    JOURNEYS_KAFKA_HOME=.cache/kafka python benchmarks/hours.py [--hours 2] [--rate 200] [--minutes 4] [--seed 7]
    JOURNEYS_KAFKA_HOME=.cache/kafka python benchmarks/hours.py --hours 1 --rate 400 --minutes 60 \
        --flush-age 500ms --undisturbed

As many messages as a shop with that rate sends in those hours (2 h x 200/s: 1,440,000; one of ten is no event) are
sent within some minutes to two topics of eight partitions. Two `journeys ingest` processes land them as one group,
while a third comes and goes all the time (not if `--undisturbed`): every second time it is killed, else told to stop.
Then all is told to stop, what is left is landed, and the places (topic, partition, offset, part) in events and
quarantine are compared with what was sent. The broker is Apache Kafka where JOURNEYS_KAFKA_HOME names it (`make
kafka`), else the embedded one.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.kafka.producer import produce
from ingest.kafka.topics import create_topics
from ingest.landing.commit import scan
from ingest.message import Message
from ingest.samples.broker import EmbeddedBroker
from ingest.service.service import run
from ingest.settings.ingest import IngestSettings
from tests.ingest.streams import messages
from tests.services.apache_kafka import ApacheKafka

TOPICS = {"hours-clicks": 6, "hours-orders": 2}
PLACE = ["topic", "partition", "offset", "part"]
CONFIG = """
[lake]
address = "{lake}"
[ingest]
brokers = ["{broker}"]
group = "hours"
flush_age = "{flush_age}"
session_timeout = "6s"
heartbeat = "1s"
[[ingest.streams]]
topic = "hours-clicks"
kind = "clickstream"
[[ingest.streams]]
topic = "hours-orders"
kind = "order"
"""


@contextmanager
def broker(folder: Path) -> Iterator[tuple[str, str]]:
    """A broker with the topics: its address, and what it is."""
    if "JOURNEYS_KAFKA_HOME" not in os.environ:
        with EmbeddedBroker() as embedded:
            create_topics([embedded.address], TOPICS)
            yield embedded.address, "the embedded broker"
        return
    with ApacheKafka(folder / "kafka") as kafka:
        for topic, partitions in TOPICS.items():
            kafka.create_topic(topic, partitions, retention_ms="-1")
        yield kafka.address, f"Apache Kafka {kafka.version}"


def paced(count: int, seconds: float) -> Iterator[Message]:
    """The messages of both topics, spread evenly over the time."""
    began, (clicks, orders) = time.monotonic(), TOPICS
    for number in range(count):
        yield from messages(orders if number % 5 == 0 else clicks, [number])
        if number % 500 == 0:
            time.sleep(max(0.0, began + seconds * number / count - time.monotonic()))


def consumer(folder: Path) -> subprocess.Popen[bytes]:
    """One more member of the group."""
    command = [sys.executable, "-m", "journeys", "ingest", "--config", str(folder / "journeys.toml")]
    with (folder / "said.txt").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def come_and_go(folder: Path, over: threading.Event, seed: int) -> dict[str, int]:
    """The third process, again and again; how often it was killed and told to stop."""
    draw, ends = random.Random(seed), {"killed": 0, "told to stop": 0}
    while not over.is_set():
        third = consumer(folder)
        over.wait(draw.uniform(6, 14))
        end = "killed" if sum(ends.values()) % 2 else "told to stop"
        (third.kill if end == "killed" else third.terminate)()
        third.wait(40)
        ends[end] += 1
        over.wait(draw.uniform(1, 6))
    return ends


def compare(lake: Lake, count: int) -> bool:
    """Say what is there; whether every message is, once."""
    events, refused = (scan(lake, name).select(PLACE).collect() for name in (layout.EVENTS, layout.QUARANTINE))
    every = pl.concat([events, refused.with_columns(pl.col("part").fill_null(0))])
    ends = every.group_by("topic", "partition").agg(pl.col("offset").n_unique(), last=pl.col("offset").max() + 1)
    once = every.n_unique()
    print(f"{events.height:,} events, {refused.height:,} refused, of {count:,} sent")
    print(f"lost {count - once}, doubled {every.height - once}")
    holes = int((ends["last"] - ends["offset"]).sum())
    print(f"partitions {ends.height}, holes between offsets {holes}")
    bad = sum(number % 10 == 3 for number in range(count))
    return once == count == every.height and refused.height == bad


def main() -> None:
    """Send, land, disturb, compare."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--hours", type=float, default=2)
    asked.add_argument("--rate", type=int, default=200, help="messages a second of the shop")
    asked.add_argument("--minutes", type=float, default=4, help="in which they are sent")
    asked.add_argument("--seed", type=int, default=7)
    asked.add_argument("--flush-age", default="2s")
    asked.add_argument("--undisturbed", action="store_true", help="without the third process")
    given = asked.parse_args()
    count, began = int(given.hours * 3600 * given.rate), time.monotonic()
    with tempfile.TemporaryDirectory() as where, broker(Path(where)) as (address, name):
        folder, lake = Path(where), Lake(str(Path(where) / "lake"))
        config = CONFIG.format(lake=lake.address, broker=address, flush_age=given.flush_age)
        (folder / "journeys.toml").write_text(config)
        ends = disturbed(folder, address, count, given)
        run(settings(address), lake, until_caught_up=True)
        print(f"{name}: {given.hours:g} h at {given.rate} messages a second in {time.monotonic() - began:.0f} s")
        for how, times in ends.items():
            print(f"the third process was {how} {times} times")
        exact = compare(lake, count)
    raise SystemExit(0 if exact else 1)


def disturbed(folder: Path, address: str, count: int, given: Any) -> dict[str, int]:
    """Everything is sent while two processes land it and a third disturbs them; returns how the third ended."""
    two, over, ends = [consumer(folder) for _ in range(2)], threading.Event(), dict[str, int]()
    third = threading.Thread(target=lambda: ends.update(come_and_go(folder, over, given.seed)))
    if not given.undisturbed:
        third.start()
    try:
        produce([address], paced(count, given.minutes * 60))
    finally:
        over.set()
        if not given.undisturbed:
            third.join()
        for process in two:
            process.terminate()
        codes = [process.wait(60) for process in two]
    print(f"the two processes ended with {codes}")
    return ends


def settings(address: str) -> IngestSettings:
    """The same pipeline, for one process that lands what is left."""
    streams = [{"topic": topic, "kind": kind} for topic, kind in zip(TOPICS, ("clickstream", "order"), strict=True)]
    return IngestSettings.model_validate({"brokers": [address], "streams": streams})


if __name__ == "__main__":
    main()
