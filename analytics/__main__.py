"""Compiles every scan once and keeps it on disk, so that nobody waits for it later: `python -m analytics`.

Each scan is asked a small question through the measure that uses it, of paths from disk, so that it is compiled for the
very types that measures hand in: codes of one byte or more, times in seconds or microseconds. Where everything is
compiled already this takes about a second.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from analytics.engine.conditions import Step
from analytics.funnels.definition import Funnel
from analytics.funnels.funnel import funnel
from analytics.paths.transitions import transitions
from analytics.store.paths import Paths

QUESTIONS: Final = (
    Funnel(["a", "b"]),
    Funnel(["a", Step("b", within="1h")]),
    Funnel(["a", "b"], order="unordered"),
    Funnel(["a", "b"], stop=["repeat"]),
    Funnel(["a", "b"], count="entries"),
)
"""One funnel for each scan."""
MANY: Final = 300
"""More words than codes of one byte tell apart."""


def compile_all() -> None:
    """Ask each scan once, of every kind of times and codes."""
    for microseconds in (0, 1):
        for words in (0, MANY):
            paths = _on_disk(microseconds, words)
            for question in QUESTIONS:
                funnel(paths, question)
            transitions(paths)


def _on_disk(microseconds: int, words: int) -> Paths:
    """A few touches as they come from disk, two of them at one instant, with as many further words."""
    start = datetime(2024, 1, 1, microsecond=microseconds, tzinfo=UTC)
    names = ["a", "b", "b", "a", *(f"word {n}" for n in range(words))]
    times = [start + timedelta(hours=max(0, hour - 1)) for hour in range(len(names))]
    touches = pl.DataFrame({"customer": ["ann"] * len(names), "at": times, "touchpoint": names})
    with tempfile.TemporaryDirectory() as folder:
        Paths.from_frame(touches).save(folder)
        saved = Paths.open(folder)
        parts = [replace(part, frames=part.physical()) for part in saved.parts]
    return Paths(parts, saved.schema, saved.dictionaries, saved.end_of_data)


if __name__ == "__main__":
    begun = time.perf_counter()
    compile_all()
    sys.stdout.write(f"Scans compiled, in {time.perf_counter() - begun:.0f} s.\n")
