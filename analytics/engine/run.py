"""Runs a question over the parts of a store, one thread per core."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from analytics.store.parts import Part
from analytics.store.paths import Paths

S = TypeVar("S")


T = TypeVar("T")


def run(paths: Paths, partial: Callable[[Part], T]) -> list[T]:
    """The partial of every part, in their order; a thread a core, as many parts in memory as threads."""
    return on_threads(partial, paths.parts)


def on_threads(task: Callable[[S], T], given: Iterable[S]) -> list[T]:
    """What the task makes of each of the given, in their order; a thread a core."""
    each = list(given)
    if len(each) < 2:
        return [task(one) for one in each]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(task, each))
