"""How fast does one consumer process land events, against kafka-python's bare poll loop on the same topic?

    python benchmarks/landing.py [--events 400000] [--bad 0.0] [--rounds 3]

A day of clickstream events of about 240 bytes on the embedded broker, in four partitions. Each side is a process of
its own that reads to the end: one only polls, the other decodes, judges and commits to a Delta table by default
limits. Counted are CPU seconds of the process, threads included; rounds alternate, and each side's best counts.
Prints the ratio last: 0.5 says that landing costs as much again as polling.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ingest.broker import EmbeddedBroker
from ingest.message import Message
from ingest.source.producer import produce
from ingest.source.topics import create_topics

TOPIC, PARTITIONS, START = "events", 4, 1_767_225_600_000
PAGES = ("home", "category", "product", "cart", "checkout", "help")


def messages(count: int, bad: float, seed: int = 7) -> Iterator[Message]:
    """Events spread over one day; a share of them is cut off in the middle."""
    draw = random.Random(seed)
    for number in range(count):
        at = START + number * 86_000_000 // count
        page = draw.choice(PAGES)
        event = {
            "event_id": f"{draw.getrandbits(96):024x}",
            "event_name": "page_viewed",
            "occurred_at": at,
            "channel": draw.choice(("web", "app")),
            "anonymous_id": f"a{draw.randrange(count // 10):09d}",
            "session_id": f"s{number // 5:012d}",
            "device": draw.choice(("mobile", "desktop")),
            "country": "DE",
            "url": f"https://shop.example/{page}/{draw.randrange(5_000)}",
        }
        value = json.dumps(event, separators=(",", ":")).encode()
        value = value[:100] if draw.random() < bad else value
        yield Message(TOPIC, event["anonymous_id"].encode(), value, at + 700)


def poll(address: str, count: int) -> None:
    """Read the topic to its end and do nothing with it."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, max_poll_records=5_000)
    places = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
    consumer.assign(places)
    for place in places:
        consumer.seek(place, 0)
    while count > 0:
        count -= sum(map(len, consumer.poll(500).values()))
    consumer.close()


def land(address: str, count: int) -> None:
    """Read the topic to its end and land it."""
    from expectations.layout import Lake
    from ingest.loop import run
    from ingest.settings import IngestSettings, Stream

    settings = IngestSettings(brokers=[address], streams=[Stream(topic=TOPIC, kind="clickstream", channel="web")])
    with tempfile.TemporaryDirectory() as folder:
        summary = run(settings, Lake(str(Path(folder) / "lake")), until_caught_up=True)
    assert summary.landed + sum(summary.quarantined.values()) == count


def measured(side: str, address: str, count: int) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of one side in a process of its own, less what it costs to start one."""
    command = [sys.executable, __file__, "--side", side, "--address", address, "--events", str(count)]
    seconds, kilobytes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-2:]
    return float(seconds), float(kilobytes) / 1024


def cpu() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def one_side(side: str, address: str, count: int) -> None:
    """Run one side here; the libraries are loaded before the clock starts."""
    import ingest.loop  # noqa: F401

    before = cpu()
    (poll if side == "poll" else land)(address, count)
    print(cpu() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main() -> None:
    """Measure both sides and print what they reach."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--events", type=int, default=400_000)
    asked.add_argument("--bad", type=float, default=0.0)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--side", choices=["poll", "land"], help=argparse.SUPPRESS)
    asked.add_argument("--address", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.side:
        one_side(given.side, given.address, given.events)
        return
    with EmbeddedBroker() as broker:
        create_topics([broker.address], {TOPIC: PARTITIONS})
        produce([broker.address], messages(given.events, given.bad))
        best = {"poll": 1e9, "land": 1e9}
        for _ in range(given.rounds):
            for side, so_far in best.items():
                seconds, megabytes = measured(side, broker.address, given.events)
                best[side] = min(so_far, seconds)
                print(f"{side}: {given.events / seconds:,.0f} events a CPU second, peak {megabytes:.0f} MB")
    print(f"landing / bare poll: {best['poll'] / best['land']:.2f}")


if __name__ == "__main__":
    main()
