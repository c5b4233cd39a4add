"""Measures what `journeys report` costs on a large lake: processor time, seconds, memory.

    python benchmarks/report.py [--touches 10_000_000] [--folder FOLDER]

FOLDER is what `journeys demo` leaves; without one the demo runs first. The path store of the copy holds every customer
of the demo as often as the touches need, each time under another name; the report is made by a process of its own. The
targets are 60 s of processor time for 10 M touches, and 10 minutes and 2 GB for 100 M.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from analytics import Paths
from analytics.store.columns import CUSTOMER
from analytics.store.parts import Part


def enlarged(paths: Paths, touches: int) -> Paths:
    """The same paths of more customers."""
    frames = [part.physical() for part in paths.parts]
    parts: list[Part] = []
    for copy in range(-(-touches // len(paths))):
        for table, people in frames:
            named = people.with_columns(pl.col(CUSTOMER) + f"~{copy}")
            parts.append(Part(len(parts), len(table), len(people), frames=(table, named)))
    return Paths(
        parts, paths.schema, paths.dictionaries, paths.end_of_data, paths.built_from, definition=paths.definition
    )


def main() -> None:
    """Makes the lake, reports, prints."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--touches", type=int, default=10_000_000)
    asked.add_argument("--folder", type=Path)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, copy = given.folder, Path(temporary) / "copy"
        if folder is None:
            folder = Path(temporary) / "demo"
            subprocess.run([sys.executable, "-m", "journeys", "demo", "--folder", str(folder)], check=True)
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("paths", "site"))
        paths = enlarged(Paths.open(folder / "lake"), given.touches)
        paths.save(copy / "lake" / "paths")
        print(f"{len(paths):,} touches of {paths.customers:,} customers")
        del paths
        began = time.monotonic()
        command = [sys.executable, "-m", "journeys", "report", "--config", str(copy / "journeys.toml")]
        process = subprocess.Popen(command)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
    processor, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6
    print(f"report: {processor:.1f} s of processor time, {seconds:.1f} s, {memory:.2f} GB at most")
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
