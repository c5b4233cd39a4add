"""Runs a measure over the parts of a store, one thread per core."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import polars as pl

from analytics.engine.analysis import Additive, Analysis
from analytics.store.parts import Part
from analytics.store.paths import Paths

_S = TypeVar("_S")


_T = TypeVar("_T")


def run(paths: Paths, analysis: Analysis, *, exact: bool = False) -> pl.DataFrame:
    """The answer of a measure: every part is counted, the counts are added up, and finished.

    Broken down by customer, it has no rows of those who object to profiling; totals count them.
    `exact` counts the parts twice, so that quantiles of waits are exact where there are many of them.
    """
    merged = counted(paths, analysis)
    if exact:
        analysis = analysis.exactly(merged)
        merged = counted(paths, analysis)
    return paths.without_objectors(analysis.finish(merged))


def counted(paths: Paths, analysis: Additive) -> pl.DataFrame:
    """The counts of a measure over all parts."""
    return analysis.merge(on_parts(paths, lambda part: analysis.partial(part, paths.dictionaries)))


def on_parts(paths: Paths, task: Callable[[Part], _T]) -> list[_T]:
    """The result of a task for every part, in order: one thread per core, as many parts in memory as threads."""
    return on_threads(task, paths.parts)


def on_threads(task: Callable[[_S], _T], items: Iterable[_S]) -> list[_T]:
    """The result of the task for each item, in order: one thread per core."""
    arguments = list(items)
    if len(arguments) < 2:
        return [task(one) for one in arguments]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(task, arguments))
