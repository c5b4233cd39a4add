"""Stops the process on SIGTERM and SIGINT: in order at the first, at once at the second or after a timeout."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Final

EXIT_AT_ONCE: Final = 75  # EX_TEMPFAIL: nothing is lost, start the process again


@contextmanager
def stop_on_signals(stopping: threading.Event, patience: timedelta) -> Iterator[threading.Event]:
    """Set `stopping` at the first signal; exit the process at the second, or `patience` after the first.

    Outside the main thread, where Python receives no signals, only the event counts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            os._exit(EXIT_AT_ONCE)
        stopping.set()
        timer.start()

    timer = threading.Timer(patience.total_seconds(), os._exit, [EXIT_AT_ONCE])
    timer.daemon = True
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    finally:
        timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
