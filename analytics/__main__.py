"""Compiles the numba kernels and caches them on disk: `python -m analytics`.

Without it, the first question of each kind waits for the compiler. Each kernel is compiled through the measure that
uses it, on a small store read from disk, so that the cached versions have the types that measures pass in: codes of one
byte or more, times in seconds or microseconds. With a warm cache this takes about a second.
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

FUNNELS: Final = (
    Funnel(["a", "b"]),
    Funnel(["a", Step("b", within="1h")]),
    Funnel(["a", "b"], order="unordered"),
    Funnel(["a", "b"], stop=["repeat"]),
    Funnel(["a", "b"], count="entries"),
)
"""One funnel per kernel."""
EXTRA_WORDS: Final = 300
"""Enough words to need codes of more than one byte."""


def compile_all() -> None:
    """Run each kernel once for every combination of time and code types."""
    for microseconds in (0, 1):
        for words in (0, EXTRA_WORDS):
            paths = _on_disk(microseconds, words)
            for definition in FUNNELS:
                funnel(paths, definition)
            transitions(paths)


def _on_disk(microseconds: int, words: int) -> Paths:
    """A few touches read from disk, two of them at one instant, followed by touches of `words` other touchpoints."""
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
    started = time.perf_counter()
    compile_all()
    sys.stdout.write(f"Kernels compiled in {time.perf_counter() - started:.0f} s.\n")
