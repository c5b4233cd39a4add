"""Every message lands once, whichever step a consumer is killed, stopped or terminated at."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from expectations.lake.layout import Lake
from ingest.kafka.topics import create_topics
from ingest.samples.broker import EmbeddedBroker
from tests.ingest.service.faults import EACH, TOPICS, Fault, drawn, phases, suffer


@pytest.mark.broker
def test_a_fault_at_every_step_loses_and_duplicates_nothing(tmp_path: Path) -> None:
    killed = [Fault(phase, signal.SIGKILL, 1) for phase in phases()]
    zombies = [Fault(phase, signal.SIGSTOP, 1) for phase in ("parsed", "q-write", "write", "landed")]
    terminated = [Fault(phase, signal.SIGTERM, 1) for phase in ("poll", "q-landed", "write")]
    faults = [*killed, *zombies, *terminated]
    with EmbeddedBroker() as broker:
        create_topics([broker.address], TOPICS)
        outcome = suffer(broker.address, Lake(str(tmp_path / "lake")), iter(faults), len(faults))
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert outcome.events + outcome.refused == outcome.sent == EACH * len(faults)
    assert outcome.met.total() == len(faults), outcome.missed


def test_a_seed_draws_the_same_faults_and_every_phase() -> None:
    some = [fault for fault, _ in zip(drawn(7), range(48), strict=False)]
    assert some == [fault for fault, _ in zip(drawn(7), range(48), strict=False)]
    assert {fault.phase for fault in some} == set(phases())
