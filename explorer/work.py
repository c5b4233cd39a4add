"""Runs questions: a few at a time, each within a limit of time, none twice, none that nobody waits for any more."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from analytics import Funnel, Paths, funnel, generation_of, trend
from expectations.errors import JourneysError
from explorer.source import Source
from explorer.vocabulary import Vocabulary

_T = TypeVar("_T")
LIMIT_SECONDS: Final = 30.0
KEPT: Final = 256
"""Answers that are kept."""
_CORES: Final = os.cpu_count() or 1


class TookTooLongError(JourneysError):
    """A question was not answered within the limit of time."""

    code = "TIME"


class StoppedError(Exception):
    """Nobody waits for the answer any more."""


@dataclass
class Watcher:
    """Says whether a question should go on; reads the parts of the paths as their runner, and asks before each."""

    limit: float = LIMIT_SECONDS
    stopped: threading.Event = field(default_factory=threading.Event)
    since: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        """Raises `StoppedError` when nobody waits, and `TookTooLongError` past the limit."""
        if self.stopped.is_set():
            raise StoppedError
        if time.monotonic() - self.since > self.limit:
            raise TookTooLongError(
                f"The question took longer than {self.limit:.0f} seconds.",
                do="ask for fewer weeks, or without the breakdown; the commands of journeys have no limit",
            )

    def results(
        self,
        paths: Paths,
        task: Callable[[Any, Any], _T],
        gather: Callable[[Sequence[_T]], _T] | None = None,
    ) -> list[_T]:
        """The result of the task for every part, in order: one thread per core."""

        def checked(part: Any) -> _T:
            self.check()
            return task(part, paths.dictionaries)

        found: list[_T] = []
        for first in range(0, len(paths.parts), 8 * _CORES):
            if gather is not None and found:
                found = [gather(found)]
            some = paths.parts[first : first + 8 * _CORES]
            if len(some) == 1:
                found.append(checked(some[0]))
                continue
            with ThreadPoolExecutor(_CORES) as threads:
                found += threads.map(checked, some)
        return found


@dataclass(frozen=True)
class Opened:
    """One generation of the store."""

    generation: str
    paths: Paths
    vocabulary: Vocabulary


class Work:
    """Answers questions from a pool of threads; answers are kept until the store has another generation."""

    def __init__(self, source: Source) -> None:
        self.source: Final = source
        self.pool: Final = ThreadPoolExecutor(max(2, _CORES - 1), thread_name_prefix="question")
        self._kept: Final[OrderedDict[Hashable, Any]] = OrderedDict()
        self._lock: Final = threading.Lock()
        self._opening: Final = threading.Lock()
        self._opened: Opened | None = None

    def opened(self) -> Opened:
        """The current generation of the store, opened once."""
        generation = generation_of(self.source.lake)
        with self._opening:
            if self._opened is None or self._opened.generation != generation:
                paths = Paths.open(self.source.lake)
                generation = paths.home.rpartition("/")[2]
                self._opened = Opened(generation, paths, Vocabulary.of(paths, self.source))
                with self._lock:
                    self._kept.clear()
            return self._opened

    def answer(self, key: Hashable, watcher: Watcher, make: Callable[[Opened, Paths], _T]) -> _T:
        """The answer that is kept for this key, or the one that `make` makes of the paths, read by the watcher."""
        watcher.check()
        opened = self.opened()
        full = (opened.generation, key)
        with self._lock:
            if full in self._kept:
                self._kept.move_to_end(full)
                kept: _T = self._kept[full]
                return kept
        made = make(opened, opened.paths.read_by(watcher))
        with self._lock:
            self._kept[full] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made

    def warm_up(self) -> None:
        """Opens the store, and asks what compiles the scans of most funnels, of walks, and of weeks of entry."""
        opened = self.opened()
        words = [word.word for word in opened.vocabulary.words if word.on == "touchpoint"][:2]
        if words:
            funnel(opened.paths, Funnel(words))
            funnel(opened.paths, Funnel(words, order="strict"))
            trend(opened.paths, Funnel(words[:1]), period="month")
