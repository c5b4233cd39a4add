"""Does anything get lost or land twice when consumers are killed, stopped and told to end, hundreds of times?

    python benchmarks/faults.py [--faults 300] [--seed 7]

Consumers read three partitions of the embedded broker. Every fault is a signal at a named step of a consumer's work
(see `tests/ingest/service/faults.py`): kill -9, SIGSTOP until another has landed what it held, or SIGTERM. Prints how
often each was met, then what was sent, what landed, what was refused, and what was lost or doubled.
"""

from __future__ import annotations

import argparse
import tempfile
import time

from expectations.lake.layout import Lake
from ingest.kafka.topics import create_topics
from ingest.samples.broker import EmbeddedBroker
from tests.ingest.service.faults import TOPICS, Outcome, drawn, phases, suffer

SIGNALS = ("SIGKILL", "SIGSTOP", "SIGTERM")


def main() -> None:
    """Run the faults and print the table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--faults", type=int, default=300)
    asked.add_argument("--seed", type=int, default=7)
    given = asked.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker() as broker:
        create_topics([broker.address], TOPICS)
        outcome = suffer(broker.address, Lake(folder), drawn(given.seed), given.faults)
    show(outcome)
    print(f"{given.faults} faults in {time.monotonic() - began:.0f} s, seed {given.seed}")
    if outcome.lost or outcome.doubled:
        raise SystemExit(1)


def show(outcome: Outcome) -> None:
    """The table of faults, and the account."""
    print(f"{'step':<15}" + "".join(f"{name:>9}" for name in SIGNALS))
    for phase in phases():
        print(f"{phase:<15}" + "".join(f"{outcome.met[phase, name]:>9}" for name in SIGNALS))
    print(
        f"{'all':<15}" + "".join(f"{sum(n for (_, s), n in outcome.met.items() if s == name):>9}" for name in SIGNALS)
    )
    print(f"not reached: {outcome.missed.total()}")
    print(f"sent {outcome.sent:,}: {outcome.events:,} events, {outcome.refused:,} refused")
    print(f"lost {outcome.lost}, doubled {outcome.doubled}")


if __name__ == "__main__":
    main()
