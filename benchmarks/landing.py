"""How fast does one consumer process land events, against kafka-python's bare poll loop on the same topic?

    python benchmarks/landing.py [--events 400000] [--rounds 5] [--commits 1500]

A day of clickstream events of about 240 bytes on the embedded broker, in four partitions. Each side is a process of
its own that reads to the end: `poll` does nothing with what it reads, `land` decodes, judges and commits to a Delta
table by default limits, `half` does so with a topic of which every second message is cut off in the middle. Counted are
CPU seconds of the process, threads included. A machine's speed changes with its load, so a ratio is one of sides that
ran right after each other, and the median of the rounds counts. Then one table gets so many commits of 500 events, and
is relieved of its small files as a service does it, once a minute of twelve commits; the CPU time of the last two
hundred commits (one cycle of that) is compared with that of the hundred around the hundredth. Prints the ratios last:
0.5 of the bare poll says that landing costs as much again as polling.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ingest.kafka.producer import produce
from ingest.kafka.topics import create_topics
from ingest.message import Message
from ingest.samples.broker import EmbeddedBroker

PARTITIONS, START = 4, 1_767_225_600_000
SIDES = {"poll": ("events", 0.0), "land": ("events", 0.0), "half": ("half", 0.5)}
PAGES = ("home", "category", "product", "cart", "checkout", "help")


def messages(topic: str, count: int, bad: float, seed: int = 7) -> Iterator[Message]:
    """Events spread over one day; a share of them is cut off in the middle."""
    draw = random.Random(seed)
    for number in range(count):
        at = START + number * 86_000_000 // count
        page = draw.choice(PAGES)
        event: dict[str, object] = {
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
        yield Message(topic, str(event["anonymous_id"]).encode(), value, at + 700)


def poll(address: str, topic: str, count: int) -> None:
    """Read the topic to its end and do nothing with it."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, max_poll_records=5_000)
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(places)
    for place in places:
        consumer.seek(place, 0)
    while count > 0:
        count -= sum(map(len, consumer.poll(500).values()))
    consumer.close()


def land(address: str, topic: str, count: int) -> None:
    """Read the topic to its end and land it."""
    from expectations.lake.layout import Lake
    from ingest.service.service import run
    from ingest.settings.ingest import IngestSettings, Stream

    settings = IngestSettings(brokers=[address], streams=[Stream(topic=topic, kind="clickstream", channel="web")])
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
    import ingest.service.service  # noqa: F401

    before = cpu()
    (poll if side == "poll" else land)(address, SIDES[side][0], count)
    print(cpu() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main() -> None:
    """Measure both sides and print what they reach."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--events", type=int, default=400_000)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--commits", type=int, default=1_500)
    asked.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    asked.add_argument("--address", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.side:
        one_side(given.side, given.address, given.events)
        return
    with EmbeddedBroker() as broker:
        for topic, bad in set(SIDES.values()):
            create_topics([broker.address], {topic: PARTITIONS})
            produce([broker.address], messages(topic, given.events, bad))
        rounds, peak = list[dict[str, float]](), 0.0
        for _ in range(given.rounds):
            rounds.append({})
            for side in SIDES:
                rounds[-1][side], megabytes = measured(side, broker.address, given.events)
                peak = max(peak, megabytes)
                rate = given.events / rounds[-1][side]
                print(f"{side}: {rate:,.0f} events a CPU second, peak {megabytes:.0f} MB")
    early, late = commits(given.commits)
    print(f"a commit: {early:.0f} ms at first, {late:.0f} ms after {given.commits:,}")
    print(f"late commit / early commit: {late / early:.2f}")
    print(f"peak memory: {peak:.0f} MB")
    print(f"half of it bad / clean: {statistics.median(one['land'] / one['half'] for one in rounds):.2f}")
    print(f"landing / bare poll: {statistics.median(one['poll'] / one['land'] for one in rounds):.2f}")


def commits(count: int) -> tuple[float, float]:
    """The median CPU ms of commits 50 to 150, and of the last two hundred: load, check and write."""
    from expectations.lake.layout import Lake
    from ingest.decoding.decode import decode
    from ingest.landing.commit import Table
    from ingest.landing.offsets import Claim
    from ingest.message import Partition
    from ingest.settings.ingest import Limits, MaintenanceSettings, Stream
    from ingest.upkeep.maintenance import compact_crowded_days
    from tests.ingest.streams import Sent

    sent = [Sent(place, message.value, START) for place, message in enumerate(messages("events", 500, 0.0))]
    rows = decode(sent, Partition("events", 0), Stream(topic="events", kind="clickstream"), Limits()).events
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        table = Table(lake, "events")
        for number in range(count):
            began = time.process_time()
            assert table.append(rows, [Claim("app", number or None, number + 1)])
            taken.append((time.process_time() - began) * 1000)
            if number % 12 == 0:
                compact_crowded_days(lake, MaintenanceSettings())
    return statistics.median(taken[50:150]), statistics.median(taken[-200:])


if __name__ == "__main__":
    main()
