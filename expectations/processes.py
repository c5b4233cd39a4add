"""Says whether a process that left its name in the lake may still run."""

from __future__ import annotations

import os
import socket
import uuid
from typing import Final, NamedTuple

_RUN: Final = uuid.uuid4().hex
"""Tells this process from an earlier one of the same number: a container that starts again has the same host, and 1."""


class Process(NamedTuple):
    """A process: its machine, its number there, and what tells it from others that had the number before."""

    host: str
    number: int
    run: str

    @classmethod
    def current(cls) -> Process:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), _RUN)

    @property
    def is_known_dead(self) -> bool:
        """Whether it was a process of this machine and runs no longer; False where that is unknown."""
        here = Process.current()
        if self.host != here.host:
            return False
        if self.number == here.number:
            return self.run != here.run
        try:
            os.kill(self.number, 0)
        except ProcessLookupError:
            return True
        except OSError:  # of another user
            return False
        return False
