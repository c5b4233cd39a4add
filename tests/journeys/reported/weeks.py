"""A simulated shop that lands week by week, by commands, with a report after each.

`python -m tests.journeys.reported.weeks 2000` prints what moved from report to report, of so many customers.

Part of the second week's orders lands a week late, customers are forgotten, and a definition changes.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ingest.samples.shop.delivery import Sent
from ingest.samples.simulator import START, Simulation, simulate
from journeys.settings import template
from tests.journeys.shapes.chain import Said, run

WEEKS: Final = 3
WEEK: Final = timedelta(weeks=1)
LATE: Final = "orders", START + WEEK, START + WEEK + timedelta(days=5)
"""The topic whose messages of this time are in a file that lands late."""


@dataclass
class WeeklyShop:
    """The folder of a shop, and the verbs on it."""

    folder: Path
    customers: int

    def __post_init__(self) -> None:
        self.config = self.folder / "journeys.toml"
        self.config.write_text(template("shop").replace("\n[report]\n", '\n[report]\npages = ["change"]\n'))
        self.simulated: Simulation = simulate(self.customers, days=WEEKS * 7)

    def __call__(self, verb: str, *words: str) -> Said:
        """A verb; fails where it ends with another exit code than 0."""
        said = run(verb, *words, "--config", str(self.config))
        assert said.code == 0, f"journeys {verb}\n{said.text}"
        return said

    def load(self, name: str, sent: Iterable[Sent]) -> None:
        """Lands a file for each topic of some messages."""
        lines: dict[str, list[bytes]] = {}
        for each in sent:
            lines.setdefault(each.topic, []).append(each.value + b"\n")
        for topic, some in lines.items():
            file = self.folder / f"{name}-{topic}.ndjson"
            file.write_bytes(b"".join(some))
            self("load", str(file), "--stream", topic)

    def report(self) -> None:
        """Publishes a report of all that has landed."""
        self("stitch")
        self("report")

    def land_weeks(self) -> None:
        """Lands the weeks but what is late, each with a report after it; what arrives later comes with the last."""
        for week in range(WEEKS):
            self.load(
                f"week-{week}", (each for each in self.simulated.sent if _week(each) == week and not _is_late(each))
            )
            self.report()

    def land_late_file(self) -> None:
        """Lands what was missing from the second week, with a report."""
        self.load("late", filter(_is_late, self.simulated.sent))
        self.report()

    def forget(self, customers: int, already: int = 0) -> None:
        """Removes some customers who ordered in the second week, with a report."""
        known = set(self.simulated.identities.filter(identity_kind="customer_id")["identity"])
        orders = (json.loads(each.value).get("customer_id") for each in self.simulated.sent if _is_late(each))
        logins = [f"customer_id:{login}" for login in dict.fromkeys(orders) if login in known]
        self("forget", *logins[already : already + customers], "--yes")
        self.report()

    def change_goal(self) -> None:
        """Counts who reads a review as one who asks for advice, too, with a report."""
        text = self.config.read_text()
        changed = text.replace('"Quote requested"]\nfor_customer', '"Quote requested", "Review read"]\nfor_customer')
        assert changed != text
        self.config.write_text(changed)
        self.report()

    def moved(self) -> list[dict[str, Any]]:
        """What moved between the last two reports."""
        found: list[dict[str, Any]] = json.loads(self("diff", "--json").out)
        return found


def _arrived(sent: Sent) -> datetime:
    return datetime.fromtimestamp(sent.arrived / 1000, START.tzinfo)


def _week(sent: Sent) -> int:
    return min((_arrived(sent) - START) // WEEK, WEEKS - 1)


def _is_late(sent: Sent) -> bool:
    topic, first, end = LATE
    return sent.topic == topic and first <= _arrived(sent) < end


def main(customers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = WeeklyShop(Path(folder), customers)
        shop.land_weeks()
        sys.stdout.write(f"Three weeks, the third beside the second:\n{shop('diff').out}\n")
        shop.land_late_file()
        sys.stdout.write(f"A late file:\n{shop('diff').out}\n")
        shop.forget(1)
        sys.stdout.write(f"One customer is forgotten:\n{shop('diff').out}\n")
        shop.forget(40, already=1)
        sys.stdout.write(f"Forty are:\n{shop('diff').out}\n")
        shop.change_goal()
        sys.stdout.write(f"Another goal:\n{shop('diff').out}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
