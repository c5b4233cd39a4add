"""Marks in the lake what a process works on, so that the next one knows where it died.

A message can end the process that reads it: by a fault in a library, for want of memory, by taking for ever. Before a
flush the process writes, for each partition, the offset where its work begins. A later process that begins at the same
offset knows that the one before died there, since a flush would have moved the offset in the lake; so no mark has to be
removed after a flush. After two deaths the records are tried in other processes (`ingest.landing.trial`).

Marks are one small file per process, `landing/<pipeline>/<process>.json` in the lake.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Final

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from expectations.lake import files
from expectations.lake.layout import Lake
from expectations.processes import Process
from ingest.landing.commit import read_errors, write_errors

DEATHS: Final = 2
"""Deaths at one offset after which its records are tried in other processes."""
_OTHER_RUN: Final = ""
"""The marks of this process are not read; those of its number are of an earlier one, as in a container."""
_KEPT_SECONDS: Final = 7 * 86_400.0
_SESSION_SECONDS: Final = 10.0


class Mark(BaseModel):
    """The work on one partition: records from the landed offset `start` to before `last`, after `deaths` processes have
    died there."""

    model_config = ConfigDict(frozen=True)

    start: int
    last: int
    deaths: int = 0


class _Marks(BaseModel):
    """The marks of a process: where it runs, and when it wrote them."""

    host: str
    process: int
    at: float
    marks: dict[str, Mark]

    def is_of_living(self) -> bool:
        """Whether the process may live. One of another machine lives as long as its marks are young: a partition that
        has moved here from a dead one had to wait for the end of its session."""
        if self.host != socket.gethostname():
            return time.time() - self.at < _SESSION_SECONDS
        return not Process(self.host, self.process, _OTHER_RUN).is_known_dead


class Marks:
    """The marks of this process, and those that others have left."""

    def __init__(self, lake: Lake, pipeline: str) -> None:
        self._folder = lake.table(f"landing/{pipeline}")
        self._name = f"{uuid.uuid4().hex}.json"
        self._left: list[dict[str, Mark]] = []

    def read(self) -> None:
        """Read the marks that processes have left, before partitions begin; old ones are removed."""
        with read_errors(self._folder):
            recent = [left for name, left in self._files() if self._is_recent(name, left)]
        self._left = [left.marks for left in recent if not left.is_of_living()]

    def died(self, application: str, start: int) -> Mark | None:
        """What processes that died while they worked from this offset on have left; None if none did."""
        found = [marks[application] for marks in self._left if application in marks]
        died = [mark for mark in found if mark.start == start]
        if not died:
            return None
        deaths = 1 + max(mark.deaths for mark in died)
        return Mark(start=start, last=max(mark.last for mark in died), deaths=deaths)

    def write(self, marks: Mapping[str, Mark]) -> None:
        """Mark the work that begins; other partitions of this process are no longer in work."""
        own = _Marks(host=socket.gethostname(), process=os.getpid(), at=time.time(), marks=dict(marks))
        with write_errors(self._folder):
            files.write(f"{self._folder}/{self._name}", own.model_dump_json().encode())

    def clear(self) -> None:
        """Remove the marks of this process: its work has ended in order, or failed without a death."""
        with write_errors(self._folder):
            files.discard(self._folder, [self._name])

    def _files(self) -> Iterator[tuple[str, _Marks]]:
        for name in files.names(self._folder):
            is_mark = name.endswith(".json") and name != self._name
            content = files.read(f"{self._folder}/{name}") if is_mark else None
            if content is not None:
                try:
                    yield name, _Marks.model_validate(orjson.loads(content))
                except (ValidationError, orjson.JSONDecodeError):
                    continue  # of another version; it counts no deaths

    def _is_recent(self, name: str, left: _Marks) -> bool:
        if time.time() - left.at < _KEPT_SECONDS:
            return True
        files.discard(self._folder, [name])
        return False
