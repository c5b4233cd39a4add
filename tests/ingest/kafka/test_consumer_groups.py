"""Groups of Apache Kafka under stress: members join and leave with either assignor, and zombies return."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from expectations.lake.layout import Lake
from tests.ingest.kafka import test_consumer as single
from tests.ingest.kafka.test_consumer import (
    Processes,
    Running,
    assert_exactly,
    count,
    members,
    send,
    settings,
    wait_for,
)
from tests.services.apache_kafka import ApacheKafka

pytestmark = pytest.mark.kafka
kafka, topic, lake = single.kafka, single.topic, single.lake


# The client leaves the socket of a connection that ends while it is made to the garbage collector, which then warns.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("assignor", ["cooperative-sticky", "range"])
def test_a_storm_of_rebalances_loses_and_duplicates_nothing(
    kafka: ApacheKafka, topic: str, lake: Lake, assignor: str
) -> None:
    kafka.create_topic(topic, 6)
    given = settings(kafka, topic, assignor=assignor, assignment="group", flush_age="150ms", poll_records=40)
    draw, sent, there = random.Random(7), 0, list[Running]()
    try:
        for _ in range(12):
            if len(there) < 3 and draw.random() < 0.7:
                there.append(Running(given, lake))
                there[-1].__enter__()
            elif there:
                there.pop(draw.randrange(len(there))).__exit__()
            send(kafka, topic, range(sent, sent + 150), 6)
            sent += 150
            time.sleep(draw.random() * 0.8)
        there.append(Running(given, lake))
        there[-1].__enter__()
        wait_for(lambda: count(lake) >= sent)
    finally:
        errors = [running.__exit__() or running.error for running in there]
    assert errors == [None] * len(errors)
    assert_exactly(lake, range(sent))


def test_a_zombie_lands_nothing_that_its_successor_has_landed(kafka: ApacheKafka, topic: str, tmp_path: Path) -> None:
    kafka.create_topic(topic, 3)
    lake = Lake(str(tmp_path / "lake"))
    with Processes(tmp_path, kafka, topic, flush_age="2s") as processes:
        zombie = processes.start()
        send(kafka, topic, range(30), 3)
        wait_for(lambda: count(lake) == 30)
        send(kafka, topic, range(30, 330), 3)
        time.sleep(0.8)  # it holds them, and has not landed them
        zombie.send_signal(signal.SIGSTOP)
        assert count(lake) == 30
        heir = processes.start()
        wait_for(lambda: count(lake) == 330)
        zombie.send_signal(signal.SIGCONT)
        send(kafka, topic, range(330, 430), 3)
        wait_for(lambda: count(lake) >= 430 and members(kafka, topic) == 2)
        for process in (zombie, heir):
            process.terminate()
            assert process.wait(45) == 0
    assert_exactly(lake, range(430))
