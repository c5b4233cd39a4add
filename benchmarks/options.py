"""What does every option of a funnel cost beside the plain funnel, on data with ties, bots and a heavy tail?

    python benchmarks/options.py [EVENTS] [FOLDER]

Makes three logs in FOLDER (default: a temporary one): EVENTS touches (default 10 million) with times in milliseconds,
the same in whole seconds, and a million touches of one customer (`benchmarks/peers/logs.py`). Asks the five-step,
seven-day funnel of their path stores on disk, plain and with every option, and measures what scans the same steps.
Seconds are of the processor, of the quickest of three runs, of fewer where one takes longer than five seconds. The
ratios are to the plain funnel of the same log. Scans are compiled, and files are in the cache of the system, before.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analytics import Funnel, Paths, Step, funnel, retention, step_matrix, transitions, trend, variants
from benchmarks.peers.logs import NAMES, heavy_tailed, one_customer

STEPS = [NAMES[k] for k in (0, 2, 5, 9, 14)]
OPTIONS: dict[str, Callable[[Paths], pl.DataFrame]] = {
    "plain": lambda paths: funnel(paths, Funnel(STEPS, "7d")),
    "by device": lambda paths: funnel(paths, Funnel(STEPS, "7d", by="device")),
    "condition": lambda paths: funnel(
        paths, Funnel([Step(STEPS[0], where=pl.col("device") == "phone"), *STEPS[1:]], "7d")
    ),
    "only": lambda paths: funnel(paths, Funnel(STEPS, "7d", only=pl.col("device") == "phone")),
    "ties adverse": lambda paths: funnel(paths, Funnel(STEPS, "7d", ties="adverse")),
    "ties in sequence": lambda paths: funnel(paths, Funnel(STEPS, "7d", ties="sequence")),
    "strict": lambda paths: funnel(paths, Funnel(STEPS, "7d", order="strict")),
    "unordered": lambda paths: funnel(paths, Funnel(STEPS, "7d", order="unordered")),
    "exclusion": lambda paths: funnel(paths, Funnel(STEPS, "7d", exclude=NAMES[3])),
    "exclusion drops": lambda paths: funnel(
        paths, Funnel(STEPS, "7d", exclude=NAMES[3], exclude_effect="drop_customer")
    ),
    "step windows": lambda paths: funnel(
        paths, Funnel([STEPS[0], *(Step(step, within="1d") for step in STEPS[1:])], "7d")
    ),
    "optional step": lambda paths: funnel(paths, Funnel([*STEPS[:2], Step(STEPS[2], optional=True), *STEPS[3:]], "7d")),
    "entries": lambda paths: funnel(paths, Funnel(STEPS, "7d", count="entries")),
    "count country": lambda paths: funnel(paths, Funnel(STEPS, "7d", count="country")),
    "same device": lambda paths: funnel(paths, Funnel(STEPS, "7d", same="device")),
    "attribution every": lambda paths: funnel(paths, Funnel(STEPS, "7d", by="device", attribution="every")),
    "trend by day": lambda paths: trend(paths, Funnel(STEPS, "7d"), period="day"),
    "trend by hour": lambda paths: trend(paths, Funnel(STEPS, "7d"), period="hour"),
    "retention by week": lambda paths: retention(paths, period="week", periods=12),
    "transitions": transitions,
    "step matrix": step_matrix,
    "variants": variants,
}


def made(folder: Path, table: Callable[[], pl.DataFrame]) -> Paths:
    """The path store of a log; kept where it is there already."""
    if not (folder / "manifest.json").exists():
        Paths.from_frame(table()).save(folder)
    return Paths.open(folder)


def seconds_of(paths: Paths, ask: Callable[[Paths], pl.DataFrame]) -> float:
    """Processor seconds of the quickest run."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        ask(paths)
        took = time.process_time() - began
        best = min(best, took)
        if took > 5:
            break
    return best


def main(count: int, folder: Path) -> None:
    """Prints the table."""
    logs = {
        "milliseconds": made(folder / f"ms-{count}", partial(heavy_tailed, count, 1_000)),
        "whole seconds": made(folder / f"s-{count}", partial(heavy_tailed, count, 1_000_000)),
        "one customer": made(folder / "one", partial(one_customer, 1_000_000, 1_000)),
    }
    warm = [made(folder / f"warm-{clock}", partial(heavy_tailed, 20_000, clock)) for clock in (1_000, 1_000_000)]
    print(
        *(f"{name}: {len(paths):,} touches of {paths.customers:,} customers" for name, paths in logs.items()), sep="\n"
    )
    print(f"{'':20s}" + "".join(f"{name:>26s}" for name in logs))
    plain = dict.fromkeys(logs, 0.0)
    for option, ask in OPTIONS.items():
        for paths in (*warm, *logs.values()) if option == "plain" else warm:
            ask(paths)
        cells = []
        for name, paths in logs.items():
            took = seconds_of(paths, ask)
            plain[name] = plain[name] or took
            cells.append(f"{took:10.3f} s  {took / plain[name]:8.1f} times")
        print(f"{option:20s}" + "".join(f"{cell:>26s}" for cell in cells), flush=True)


if __name__ == "__main__":
    if "--help" in sys.argv:
        sys.exit(print(__doc__))
    asked = int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory() as temporary:
        main(asked, Path(sys.argv[2] if len(sys.argv) > 2 else temporary))
