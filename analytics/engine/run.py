"""Runs measures over the parts of a store, one thread per core.

Several measures are asked of a part before the next one is read (`answer_all`): what they read and make of it alike is
made once, and no more than one part per thread is in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import polars as pl

from analytics.engine.analysis import ASKED, Additive, Analysis
from analytics.engine.spark import on_spark
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from analytics.store.paths import Paths
from expectations.errors import DefinitionError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_K = TypeVar("_K", bound=Hashable)
_S = TypeVar("_S")
_T = TypeVar("_T")
Asking = Generator[Mapping[Any, partial[pl.DataFrame]], dict[Any, pl.DataFrame], _T]
"""Code that yields questions by key as often as it needs answers, and gets these in return (`answered`)."""
_PARTS_PER_CORE: Final = 8
"""After so many parts their counts are added up, so that they take no more memory in a store of more parts."""


def run(paths: Paths, analysis: Analysis, *, exact: bool = False, on: SparkSession | None = None) -> pl.DataFrame:
    """The answer of a measure: every part is counted, the counts are added up, and finished.

    Broken down by customer, it has no rows of those who object to profiling; totals count them.
    `exact` counts the parts twice, so that quantiles of waits are exact where there are many of them. With a session of
    Spark, its cluster counts the parts (`analytics.engine.spark.on_spark`).
    """
    if on is not None:
        paths = on_spark(paths, on)
    merged = counted(paths, analysis)
    if exact:
        analysis = analysis.exactly(merged)
        merged = counted(paths, analysis)
    return paths.without_objectors(analysis.finish(merged))


def answer_all(paths: Paths, questions: Mapping[_K, partial[pl.DataFrame]]) -> dict[_K, pl.DataFrame]:
    """The answers of several questions by their keys, each as it is alone; every part of the paths is read once.

    A question is a measure, or `compare`, with all its arguments but the paths, by keyword. Raises `DefinitionError`
    for another function, and as the functions themselves do.

    >>> from functools import partial
    >>> from analytics import Paths, goal_rate, transitions
    >>> shop = Paths.from_text({"ann": "look@0d buy@1d", "bo": "look@0d"}, end="60d")
    >>> asked = {"rate": partial(goal_rate, goal="buy", unit="customer"), "moves": partial(transitions)}
    >>> answer_all(shop, asked)["rate"]["goal_rate"].item()
    0.5
    """
    if not questions:
        return {}
    if unknown := [asked.func.__name__ for asked in questions.values() if asked.func not in ASKED]:
        expected = f"one of {', '.join(sorted(function.__name__ for function in ASKED))}"
        raise DefinitionError("This function cannot be asked with others.", expected=expected, found=unknown[0])
    analyses = [ASKED[asked.func](paths, **asked.keywords) for asked in questions.values()]
    answers = (
        paths.without_objectors(analysis.finish(merged))
        for analysis, merged in zip(analyses, counted_all(paths, analyses), strict=True)
    )
    return dict(zip(questions, answers, strict=True))


def answered(paths: Paths, asking: Asking[_T]) -> _T:
    """What an asking returns; the questions of each of its rounds are answered in one pass over the parts.

    >>> from functools import partial
    >>> from analytics import Paths, goal_rate
    >>> def rate(goal: str) -> Asking[float]:
    ...     found = yield {"rate": partial(goal_rate, goal=goal, unit="customer")}
    ...     return float(found["rate"]["goal_rate"].item())
    >>> shop = Paths.from_text({"ann": "look@0d buy@1d", "bo": "look@0d"}, end="60d")
    >>> answered(shop, together(rate("buy"), rate("look")))
    [0.5, 1.0]
    """
    answers: Any = None
    while True:
        try:
            questions = asking.send(answers)
        except StopIteration as end:
            found: _T = end.value
            return found
        answers = answer_all(paths, questions)


def together(*askings: Asking[Any]) -> Asking[list[Any]]:
    """What several askings return, in order; the first rounds of all are one round, and so on."""
    results: list[Any] = [None] * len(askings)
    waiting: dict[int, Mapping[Any, partial[pl.DataFrame]]] = {}

    def go_on(number: int, answers: Any) -> None:
        try:
            waiting[number] = askings[number].send(answers)
        except StopIteration as end:
            results[number] = end.value

    for number in range(len(askings)):
        go_on(number, None)
    while waiting:
        asked = waiting.copy()
        waiting.clear()
        answers = yield {(number, key): one for number, own in asked.items() for key, one in own.items()}
        for number, own in asked.items():
            go_on(number, {key: answers[number, key] for key in own})
    return results


def counted(paths: Paths, analysis: Additive) -> pl.DataFrame:
    """The counts of a measure over all parts."""
    return counted_all(paths, [analysis])[0]


def counted_all(paths: Paths, analyses: Sequence[Additive]) -> list[pl.DataFrame]:
    """The counts of several measures over all parts."""
    every = _Every(tuple(analyses))
    if paths.runner is not None:
        return every.merge(on_parts(paths, every.partials, every.merge))
    merged: list[list[pl.DataFrame]] = []
    at_once = _PARTS_PER_CORE * (os.cpu_count() or 1)
    for first in range(0, len(paths.parts), at_once):
        found = on_threads(lambda part: every.partials(part, paths.dictionaries), paths.parts[first : first + at_once])
        merged = [every.merge([*merged, *found])]
    return merged[0] if merged else every.merge([])


@dataclass(frozen=True)
class _Every:
    """Several measures, counted part by part."""

    analyses: tuple[Additive, ...]

    def partials(self, part: Part, words: Dictionaries) -> list[pl.DataFrame]:
        """The counts of each measure in a part, which is read once."""
        held = part.held()
        return [analysis.partial(held, words) for analysis in self.analyses]

    def merge(self, tables: Sequence[list[pl.DataFrame]]) -> list[pl.DataFrame]:
        """Adds up the counts of each measure."""
        return [analysis.merge([own[number] for own in tables]) for number, analysis in enumerate(self.analyses)]


def on_parts(
    paths: Paths,
    task: Callable[[Part, Dictionaries], _T],
    gather: Callable[[Sequence[_T]], _T] | None = None,
) -> list[_T]:
    """The result of a task for every part, in order: one thread per core, as many parts in memory as threads.

    Where a cluster reads the parts, the task must be picklable, and results that `gather` adds up may come together.
    """
    if paths.runner is not None:
        return paths.runner.results(paths, task, gather)
    return on_threads(lambda part: task(part, paths.dictionaries), paths.parts)


def on_threads(task: Callable[[_S], _T], items: Iterable[_S]) -> list[_T]:
    """The result of the task for each item, in order: one thread per core."""
    arguments = list(items)
    if len(arguments) < 2:
        return [task(one) for one in arguments]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(task, arguments))
