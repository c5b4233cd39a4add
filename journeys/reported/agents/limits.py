"""How long a question of an agent may take: until the limit of time, or until its call is cancelled."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from explorer.work import Watcher

CANCELLED: Final[ContextVar[threading.Event]] = ContextVar("cancelled")
"""The event that is set when nobody waits for the answer of the present call any more."""


def watcher_of_call() -> Watcher:
    """Watches the present call: it raises past the limit of time, and when the call is cancelled."""
    from explorer.work import Watcher

    cancelled = CANCELLED.get(None)
    return Watcher() if cancelled is None else Watcher(stopped=cancelled)
