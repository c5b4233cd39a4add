"""A steady stream of small commits, maintained as by a service: `python -m tests.ingest.upkeep.steady 20000`.

Prints the size of the log and the median CPU time of a commit as they develop. Fails when the log has a quarter of the
bytes of the rows, or a commit costs 1.3 times as much as one of the first hundred of a new table, measured at the end
since the speed of a machine changes. The mean is higher: every 25th commit writes a checkpoint, which lists the files
removed within 25 hours.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from expectations import contract
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.decoding.decode import decode
from ingest.landing.commit import Table, table_statistics
from ingest.landing.offsets import Claim
from ingest.message import Partition
from ingest.settings.ingest import Limits, MaintenanceSettings, Stream
from ingest.upkeep.maintenance import bound_logs, compact_crowded_days, maintain
from tests.ingest.streams import RECEIVED, Sent, event

EACH: Final = 500
"""Events per commit."""
MINUTE, HOUR = 12, 720
FIRST: Final = 100


class Steady(NamedTuple):
    """Bytes of the log and of the rows, files in the log, and CPU ms of a commit: of the first and of the last ones."""

    log: int
    rows: int
    files: int
    first: float
    last: float

    @property
    def is_bounded(self) -> bool:
        """Whether the log is less than a quarter of the rows, and a commit less than 1.3 times as expensive."""
        return self.log * 4 < self.rows and self.last < 1.3 * self.first


def steady(folder: Path, commits: int, settings: MaintenanceSettings, report: int = 0) -> Steady:
    """Land so many commits, with a service's steps of a minute after every 12 and of an hour after every 720."""
    lake, taken = Lake(str(folder)), list[float]()
    table = Table(lake, layout.EVENTS)
    sample = _sample()
    for number in range(commits):
        rows = _numbered(sample, number)
        began = time.process_time()
        assert table.append(rows, [Claim("app", number or None, number + 1)])
        taken.append((time.process_time() - began) * 1000)
        if number % MINUTE == 0:
            compact_crowded_days(lake, settings)
            bound_logs(lake, settings)
        if number % HOUR == HOUR - 1:
            maintain(lake, settings, now=RECEIVED / 1000)
        if report and number % report == report - 1:
            sys.stdout.write(f"{number + 1:,} commits: {_said(_measured(lake, taken))}\n")
            sys.stdout.flush()
    return _measured(lake, taken)


def _sample() -> pl.DataFrame:
    sent = [Sent(number, event(number, customer_id=f"c{number * 7919 % 100_003}")) for number in range(EACH)]
    return decode(sent, Partition("clicks", 0), Stream(topic="clicks", kind="clickstream"), Limits()).events


def _numbered(sample: pl.DataFrame, number: int) -> pl.DataFrame:
    """The sample as other events: random ids, one of 50,000 customers each, and offsets that no other commit has."""
    first, row = number * EACH, pl.int_range(pl.len())
    return sample.with_columns(
        pl.format("{}{}", row.hash(number), row.hash(number + 1)).alias(contract.EVENT_ID),
        pl.format("c{}", row.hash(number + 2) % 50_000).alias(contract.CUSTOMER_ID),
        pl.format("https://shop.example/{}", row.hash(number + 3) % 5_000).alias("url"),
        pl.int_range(first, first + EACH, dtype=sample.schema[contract.OFFSET]).alias(contract.OFFSET),
    )


def _measured(lake: Lake, taken: list[float]) -> Steady:
    log = [file.stat().st_size for file in (Path(lake.table(layout.EVENTS)) / "_delta_log").iterdir()]
    rows = table_statistics(lake, layout.EVENTS)["bytes"] or 0
    return Steady(sum(log), rows, len(log), statistics.median(taken[:FIRST]), statistics.median(taken[-5 * FIRST :]))


def _said(found: Steady) -> str:
    return (
        f"log {found.log / 1e6:.1f} MB in {found.files:,} files, rows {found.rows / 1e6:.1f} MB "
        f"({found.log / found.rows:.2f}); a commit {found.first:.1f} ms at first, {found.last:.1f} ms now "
        f"({found.last / found.first:.2f})"
    )


def _many(commits: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        found = steady(Path(folder) / "long", commits, MaintenanceSettings(), report=1000)
        new = steady(Path(folder) / "new", FIRST, MaintenanceSettings())
    found = found._replace(first=new.first)
    sys.stdout.write(f"beside a new table: {_said(found)}\n")
    return not found.is_bounded


if __name__ == "__main__":
    sys.exit(_many(int(sys.argv[1])))
