"""Ends a process whose loop has stopped, so that the platform starts a new one.

The client library can fall into an endless loop and a store can hang, both without an exception. The process exits
without a flush, which is safe: the offsets are in the lake.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

EXIT_STUCK: Final = 70  # EX_SOFTWARE


def count_restarts(folder: str | None = None) -> int:
    """Count the processes of this user that the watchdog has ended, since the temporary folder of the machine or
    container was created."""
    try:
        return _notes(folder).stat().st_size
    except OSError:
        return 0


def _end_process() -> None:
    faulthandler.dump_traceback(file=sys.__stderr__ or 2, all_threads=True)
    _note()
    os._exit(EXIT_STUCK)


def _note(folder: str | None = None) -> None:
    """Append one byte per ended process, so that the next process can count them."""
    with suppress(OSError):
        file = os.open(_notes(folder), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        os.write(file, b".")
        os.close(file)


def _notes(folder: str | None) -> Path:
    return Path(folder or tempfile.gettempdir()) / f"journeys-watchdog-{os.getuid()}"


class Watchdog:
    """Calls `bark` when `beat` has not been called for `patience`, while the `with` block runs."""

    def __init__(self, patience: timedelta, bark: Callable[[], None] = _end_process) -> None:
        self._patience = patience.total_seconds()
        self._bark = bark
        self._done = threading.Event()
        self._last = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def beat(self) -> None:
        """Report that the loop is running."""
        self._last = time.monotonic()

    @property
    def silence(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._last

    @property
    def is_patient(self) -> bool:
        """Whether the last beat is recent enough."""
        return self.silence < self._patience

    def __enter__(self) -> Self:
        self.beat()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self._patience / 10):
            if not self.is_patient:
                self._bark()
                return
