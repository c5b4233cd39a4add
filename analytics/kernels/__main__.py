"""Compiles every scan once and keeps it on disk, so that nobody waits for it later: `python -m analytics.kernels`.

Each scan is asked a small question through the measure that uses it, of paths on disk, so that it is compiled for the
very types that measures hand in. Where everything is compiled already this takes about a second.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from analytics.definitions import Funnel, Step
from analytics.funnels import funnel
from analytics.store import Paths
from analytics.transitions import transitions

QUESTIONS: Final = (
    Funnel(["a", "b"]),
    Funnel(["a", Step("b", within="1h")]),
    Funnel(["a", "b"], order="unordered"),
    Funnel(["a", "b"], stop=["repeat"]),
    Funnel(["a", "b"], count="entries"),
)
"""One funnel for each scan."""


def compile_all() -> None:
    """Ask each scan once."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    touches = pl.DataFrame(
        {"customer": ["ann"] * 3, "at": [start + timedelta(hours=h) for h in range(3)], "touchpoint": ["a", "b", "a"]}
    )
    with tempfile.TemporaryDirectory() as folder:
        Paths.from_frame(touches).save(folder)
        paths = Paths.open(folder)
        for question in QUESTIONS:
            funnel(paths, question)
        transitions(paths)


if __name__ == "__main__":
    begun = time.perf_counter()
    compile_all()
    sys.stdout.write(f"Scans compiled, in {time.perf_counter() - begun:.0f} s.\n")
