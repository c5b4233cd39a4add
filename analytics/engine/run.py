"""Runs a question over the parts of a store, one thread per core."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from analytics.store.parts import Part
from analytics.store.paths import Paths

_S = TypeVar("_S")


_T = TypeVar("_T")


def run(paths: Paths, partial: Callable[[Part], _T]) -> list[_T]:
    """The partial of every part, in order: one thread per core, as many parts in memory as threads."""
    return on_threads(partial, paths.parts)


def on_threads(task: Callable[[_S], _T], items: Iterable[_S]) -> list[_T]:
    """The result of the task for each item, in order: one thread per core."""
    arguments = list(items)
    if len(arguments) < 2:
        return [task(one) for one in arguments]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(task, arguments))
