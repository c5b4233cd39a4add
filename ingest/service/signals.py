"""SIGTERM and SIGINT ask for an orderly end; a second one, or patience run out, ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Final

EXIT_AT_ONCE: Final = 75  # EX_TEMPFAIL: nothing is lost, start me again


@contextmanager
def stop_on_signals(stopping: threading.Event, patience: timedelta) -> Iterator[threading.Event]:
    """Set `stopping` at the first signal; leave the process at the second, or when `patience` is over.

    Outside the main thread, where Python takes no signals, only the event counts.
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
