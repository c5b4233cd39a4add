"""The page for who is on call: its commands run on a small lake, in its order, and print what it shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake

from expectations.lake import layout

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "when_things_go_wrong.md").read_text(encoding="utf-8")
SECTIONS = dict(part.split("\n", 1) for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:])
CONFIGURATION = """
[lake]
address = "lake"

[ingest]
brokers = ["127.0.0.1:9"]

[[ingest.streams]]
topic = "clickstream"
kind = "clickstream"
channel = "web"

[paths]
goal = ["order_placed"]
"""
FIELDS = """
[ingest.streams.fields]
event_id = "id"
event_name = "event"
occurred_at = "occurred_at"
customer_id = "customer_id"
"""
FAILS = {("Rows are there twice", "journeys check"): 1}
"""The commands that end with an exit code other than 0."""


class Shop:
    """A lake of 79 events, three refused messages, and the faults that the page mends."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "journeys.toml"
        self.before = ""
        self.config.write_text(CONFIGURATION)
        names = ["page_viewed", "product_viewed", "order_placed"]
        rows = [self.event(f"e{c}-{n}", names[n], c, n) for c in range(40) for n in range(1 + c % 3)]
        renamed = {"event": "page_viewed", "occurred_at": "2026-11-20T11:00:00Z", "customer_id": "C1"}
        rows += [json.dumps({"id": f"x{n}", **renamed}) for n in range(3)]
        self.load("clicks.ndjson", rows)
        self.run("journeys stitch")

    @staticmethod
    def event(key: str, name: str, customer: int, minute: int) -> str:
        at = f"2026-11-{1 + customer % 20:02d}T10:{minute:02d}:00Z"
        return json.dumps({"event_id": key, "event_name": name, "occurred_at": at, "customer_id": f"C{customer}"})

    def load(self, name: str, rows: list[str]) -> None:
        (self.folder / name).write_text("\n".join(rows) + "\n")
        self.run(f"journeys load {name} --stream clickstream")

    def run(self, line: str, code: int = 0) -> str:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "JOURNEYS_CONFIG": str(self.config)}
        done = subprocess.run(
            [sys.executable, "-m", *self.given(line).split()],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=environment,
            check=False,
        )
        assert done.returncode == code, f"{line}\n{done.stdout}{done.stderr}"
        return self.shown(done.stdout)

    def given(self, line: str) -> str:
        """A command of the page with the time and the place that this lake has."""
        line = line.replace("2026-01-31T12:00:00Z", self.before)
        return line.replace("clickstream/0", f"{self.source()}/0") if "clickstream/0" in line else line

    def shown(self, text: str) -> str:
        return re.sub(r"file:[0-9a-f]{32}", "clickstream", text)

    def source(self) -> str:
        """The topic under which the rows of the file are known."""
        table = DeltaTable(str(self.folder / "lake" / layout.QUARANTINE))
        return str(table.to_pyarrow_table(columns=["topic"])["topic"][0])

    def double(self) -> None:
        events = str(self.folder / "lake" / layout.EVENTS)
        rows = DeltaTable(events).to_pyarrow_table(filters=[("event_date", "=", datetime(2026, 11, 3).date())])  # noqa: DTZ001
        write_deltalake(events, rows, mode="append")

    def land_wrongly(self) -> None:
        self.before = datetime.now(UTC).isoformat()
        self.load("wrong.ndjson", [self.event(f"w{n}", "page_viewed", n, 5) for n in range(5)])

    def correct_the_mapping(self) -> None:
        text = self.config.read_text()
        self.config.write_text(text.replace('channel = "web"\n', f'channel = "web"\n{FIELDS}'))


RESTORED = "Something wrong has landed, or a backup is put back"
HAPPENS: dict[tuple[str, str], Callable[[Shop], None]] = {
    ("Rows are there twice", "journeys check"): Shop.double,
    (RESTORED, "journeys restore 2026-01-31T12:00:00Z --yes"): Shop.land_wrongly,
    ("Messages change their fields", "journeys quarantine replay --stream clickstream"): Shop.correct_the_mapping,
}
"""What has happened before a command is run."""


def commands(section: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a section, each with the lines that it prints according to the page."""
    for block in re.findall(r"```console\n(.*?)```", SECTIONS[section], flags=re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, *printed = part.splitlines()
            yield line, [each for each in printed if each != "..."]


def form(line: str) -> str:
    """A line without what differs between two lakes: numbers, and the width of columns."""
    return re.sub(r"\s+", " ", re.sub(r"\d[\d,]*", "0", line)).strip()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("shop"))


@pytest.mark.parametrize("section", [section for section in SECTIONS if any(commands(section))])
def test_the_commands_of_a_section_print_what_it_shows(shop: Shop, section: str) -> None:
    for line, printed in commands(section):
        if (happens := HAPPENS.get((section, line))) is not None:
            happens(shop)
        lines = [form(each) for each in shop.run(line, FAILS.get((section, line), 0)).splitlines()]
        assert [each for each in printed if form(each) not in lines] == [], f"{line}\n" + "\n".join(lines)


def test_after_all_of_them_every_table_has_the_lowest_protocol(shop: Shop) -> None:
    tables = {str(log.parent.relative_to(shop.folder / "lake")) for log in (shop.folder / "lake").rglob("_delta_log")}
    assert {layout.EVENTS, layout.QUARANTINE, layout.RESULTS} <= tables
    for table in tables:
        protocol = DeltaTable(str(shop.folder / "lake" / table)).protocol()
        assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2), table
        assert not protocol.reader_features and not protocol.writer_features
