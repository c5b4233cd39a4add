"""A service whose broker is killed and stays away while other tests run: half a minute of waiting costs no time."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.kafka.producer import produce
from ingest.kafka.topics import create_topics
from ingest.samples.broker import HOST, EmbeddedBroker
from tests.ingest.streams import messages, places
from tests.services.object_store import BUCKET, object_store

TOPIC = "kept"
SECONDS = 30.0
"""How long the broker is away at least."""


class Outage:
    """A consumer, started as a user starts it, whose broker keeps its records in an object store."""

    def __init__(self, folder: Path, store: dict[str, str]) -> None:
        self.lake = Lake(str(folder / "lake"))
        self._store, self._metrics = store, _free_port()
        self._broker = EmbeddedBroker(bucket=f"s3://{BUCKET}", environment=store)
        self._broker.start()
        self._port, self._gone = int(self._broker.address.rpartition(":")[2]), 0.0
        create_topics([self._broker.address], {TOPIC: 2})
        self.service = self._start(folder / "journeys.toml")

    def _start(self, config: Path) -> subprocess.Popen[bytes]:
        config.write_text(f'[lake]\naddress = "{self.lake.address}"\n')
        given = {
            "brokers": json.dumps([self._broker.address]),
            "streams": json.dumps([{"topic": TOPIC, "kind": "clickstream"}]),
            "assignment": "all",
            "flush_age": "200ms",
            "http_port": str(self._metrics),
        }
        variables = {f"JOURNEYS_INGEST__{name.upper()}": value for name, value in given.items()}
        command = [sys.executable, "-m", "journeys", "ingest", "--config", str(config)]
        return subprocess.Popen(
            command, env=os.environ | variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def send(self, first: int, last: int) -> None:
        """Have messages sent, and wait until the service has landed everything up to them."""
        produce([self._broker.address], messages(TOPIC, range(first, last)))
        wait_for(lambda: len(self.landed()) == last)

    def landed(self) -> list[tuple[str, int, int]]:
        """The places of all that is in events or in quarantine."""
        return places(self.lake) + places(self.lake, layout.QUARANTINE)

    def begin(self) -> None:
        """Kill the broker."""
        self._broker.stop()
        self._gone = time.monotonic()

    def end(self) -> None:
        """Have the broker come back, when it has been away for long enough."""
        time.sleep(max(SECONDS - (time.monotonic() - self._gone), 0))
        self._broker = EmbeddedBroker(port=self._port, bucket=f"s3://{BUCKET}", environment=self._store)
        self._broker.start()

    @property
    def heard(self) -> float:
        """Seconds since the service last heard of its broker."""
        with urlopen(f"http://{HOST}:{self._metrics}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        [last] = [line for line in lines if line.startswith("journeys_last_successful_poll_timestamp_seconds ")]
        return time.time() - float(last.split()[1])

    def close(self) -> None:
        """End everything."""
        self.service.kill()
        self.service.wait()
        self._broker.stop()


@contextmanager
def outage_in(folder: Path) -> Iterator[Outage]:
    """A service that has landed 300 messages, and whose broker has just been killed."""
    with object_store() as store:
        outage = Outage(folder, store)
        try:
            outage.send(0, 300)
            outage.begin()
            yield outage
        finally:
            outage.close()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
