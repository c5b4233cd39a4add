"""Kills, stops or terminates consumers at a named step of their work, and checks that nothing is lost or duplicated.

Each consumer is a process, forked from one that has loaded the libraries. Before it starts, one step of its work is
wrapped so that the consumer sends itself a signal the n-th time it reaches the step. A stopped consumer is resumed
after another has landed its records: then it is a zombie. New messages are produced before every fault.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.kafka.consumer import Source
from ingest.kafka.producer import produce
from ingest.landing.landing import Landing
from ingest.message import Message
from ingest.service.service import run
from ingest.settings.ingest import IngestSettings
from tests.ingest.streams import BAD, RECEIVED, event, places

TOPICS = {"faults-clicks": 2, "faults-orders": 1}
EACH = 90
_START = multiprocessing.get_context("forkserver")
_START.set_forkserver_preload(["tests.ingest.service.faults"])

Step = tuple[type, str, bool, str | None]
"""Class, method, whether the signal comes before the call, and the name of the table (None: any)."""


def phases() -> dict[str, Step]:
    """Every named step of a consumer's work."""
    from ingest.landing.commit import Table

    return {
        "assign": (Landing, "begin", False, None),
        "poll": (Source, "poll", False, None),
        "parse": (Landing, "_prepare", True, None),
        "parsed": (Landing, "_prepare", False, None),
        "load": (Table, "reload", False, None),
        "q-write": (Table, "_write", True, layout.QUARANTINE),
        "q-landed": (Table, "_write", False, layout.QUARANTINE),
        "write": (Table, "_write", True, layout.EVENTS),
        "landed": (Table, "_write", False, layout.EVENTS),
        "before commit": (Source, "commit", True, None),
        "after commit": (Source, "commit", False, None),
        "close": (Source, "close", True, None),
    }


class Fault(NamedTuple):
    """A signal that is sent the n-th time a step is reached."""

    phase: str
    number: signal.Signals
    nth: int


@dataclass
class Outcome:
    """How often each fault occurred, by phase and signal, and how often its step was not reached; and the counts."""

    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: Counter[tuple[str, str]] = field(default_factory=Counter)
    sent: int = 0
    events: int = 0
    refused: int = 0
    lost: int = 0
    doubled: int = 0


def drawn(seed: int) -> Iterator[Fault]:
    """Endless faults: every phase in turn, with a random signal."""
    draw, every = random.Random(seed), list(phases())
    while True:
        draw.shuffle(every)
        for phase in every:
            number = draw.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
            if phase == "close" and number is not signal.SIGKILL:
                number = signal.SIGKILL  # SIGTERM is what makes it reach this step
            yield Fault(phase, number, draw.choice([1, 1, 2]) if phase in ("poll", "load", "assign") else 1)


def suffer(broker: str, lake: Lake, faults: Iterator[Fault], count: int) -> Outcome:
    """Cause `count` faults, land the rest without one, and compare the lake with the sent messages."""
    outcome, given = Outcome(), settings(broker)
    for fault in (next(faults) for _ in range(count)):
        produce([broker], _sent(range(outcome.sent, outcome.sent + EACH)))
        outcome.sent += EACH
        name = (fault.phase, fault.number.name)
        (outcome.met if _one(given, lake, fault) else outcome.missed)[name] += 1
    run(given, lake, until_caught_up=True)
    _compare(lake, outcome)
    return outcome


def settings(broker: str) -> IngestSettings:
    """Small and frequent flushes; every consumer reads all partitions, so concurrent consumers share them."""
    streams = [{"topic": topic, "kind": "clickstream"} for topic in TOPICS]
    given = {"flush_rows": 40, "flush_age": "50ms", "poll_records": 25, "poll_wait": "20ms", "assignment": "all"}
    return IngestSettings.model_validate({"brokers": [broker], "streams": streams, **given})


def _one(given: IngestSettings, lake: Lake, fault: Fault) -> bool:
    """Run one consumer with its fault; returns whether the fault occurred."""
    consumer = _START.Process(target=_consume, args=(given.model_dump_json(), lake.address, fault), daemon=True)
    before = _commits(lake)
    consumer.start()
    assert consumer.pid is not None
    try:
        if fault.phase == "close":
            _await_commit(lake, before)
            os.kill(consumer.pid, signal.SIGTERM)
        met = _await(consumer, stopped=fault.number is signal.SIGSTOP)
        if met and fault.number is signal.SIGSTOP:
            run(given, lake, until_caught_up=True)
            os.kill(consumer.pid, signal.SIGCONT)
            time.sleep(0.3)
        if consumer.is_alive():
            os.kill(consumer.pid, signal.SIGTERM)
            consumer.join(20)
    finally:
        if consumer.is_alive():
            consumer.kill()
            consumer.join()
    expected = {signal.SIGKILL: -9}.get(fault.number, 0)
    assert not met or consumer.exitcode == expected, (fault, consumer.exitcode)
    return met


def _await(consumer: Any, *, stopped: bool) -> bool:
    """Wait until a consumer has ended or, with `stopped`, is stopped; returns whether that is how it went."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not consumer.is_alive():
            return not stopped
        if stopped and Path(f"/proc/{consumer.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
            return True
        time.sleep(0.01)
    return False


def _commits(lake: Lake) -> int:
    return sum(1 for _ in Path(lake.table(layout.EVENTS), "_delta_log").glob("*.json"))


def _await_commit(lake: Lake, before: int) -> None:
    deadline = time.monotonic() + 10
    while _commits(lake) <= before + 1 and time.monotonic() < deadline:
        time.sleep(0.01)


def _consume(given: str, lake: str, fault: Fault) -> None:
    owner, method, before, table = phases()[fault.phase]
    setattr(owner, method, _wrapped(getattr(owner, method), fault, before, table))
    run(IngestSettings.model_validate_json(given), Lake(lake))


def _wrapped(real: Callable[..., Any], fault: Fault, before: bool, table: str | None) -> Callable[..., Any]:
    times = 0

    def come(self: Any) -> None:
        nonlocal times
        if table is None or self.name == table:
            times += 1
            if times == fault.nth:
                os.kill(os.getpid(), fault.number)

    @functools.wraps(real)
    def step(self: Any, *given: Any, **named: Any) -> Any:
        if before:
            come(self)
        done = real(self, *given, **named)
        if not before:
            come(self)
        return done

    return step


def _sent(numbers: range) -> list[Message]:
    topics = list(TOPICS)
    return [
        Message(topics[n % 3 == 0], b"%d" % (n % 31), BAD if n % 5 == 3 else event(n), RECEIVED + n) for n in numbers
    ]


def _compare(lake: Lake, outcome: Outcome) -> None:
    events, refused = places(lake), places(lake, layout.QUARANTINE)
    every = events + refused
    outcome.events, outcome.refused = len(events), len(refused)
    outcome.lost, outcome.doubled = outcome.sent - len(set(every)), len(every) - len(set(every))
    bad = sum(n % 5 == 3 for n in range(outcome.sent))
    assert len(set(refused)) == bad or outcome.lost, "an event is in quarantine, or a refused message in events"
