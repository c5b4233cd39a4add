"""One pipeline at a time: who runs it holds a lock, which the system gives back when the process ends, however it ends.

The lock of a lake on this machine, or on a disk that machines share, lies in the lake. For a lake in an object store
it lies on this machine: only processes of one machine keep out of each other's way.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO

from expectations.errors import BusyError, StorageError, said
from expectations.lake import files
from expectations.lake.layout import Lake

_HELD = "run.lock"


@contextmanager
def held(lake: Lake) -> Iterator[None]:
    """Hold the lock of a lake's pipeline.

    Raises `BusyError` with the process that holds it, and `StorageError` where the lock cannot be written.
    """
    place = _place(lake)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)  # a link is no lock
        file = os.fdopen(handle, "a+", encoding="utf-8")
    except OSError as error:
        raise StorageError(
            "The lock of the pipeline cannot be written.",
            where=str(place),
            found=said(error),
            do="check the free space, and who may write there",
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(file, place) from None
        except OSError as error:
            raise StorageError(
                "The file system of the lake has no locks.",
                where=str(place),
                found=said(error),
                do="run the pipeline where no second one can start, and its commands one by one: stitch, check, report",
            ) from error
        file.truncate(0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(json.dumps({"host": socket.gethostname(), "process": os.getpid(), "since": now}))
        file.flush()
        yield


def _place(lake: Lake) -> Path:
    here = files.local(lake.address)
    if here is not None:
        return here / "commands" / _HELD
    name = sha256(lake.address.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"journeys-{name}.lock"


def _busy(file: IO[str], place: Path) -> BusyError:
    """The error that says who holds the lock."""
    file.seek(0)
    try:
        by = json.loads(file.read())
        found = f"process {by['process']} on {by['host']}, since {by['since']}"
    except (ValueError, KeyError, TypeError):  # it has not written who it is yet
        found = "another process"
    return BusyError(
        "Another `journeys run` works on this lake.",
        where=str(place),
        expected="one at a time",
        found=found,
        do="wait until it has ended, or stop it (SIGTERM): the lock goes with the process",
    )
