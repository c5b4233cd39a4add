"""Looks after the tables while a service runs: counts the files of open days, compacts crowded ones, and does
maintenance when it is due."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import Final, Protocol, Self

from expectations.errors import StorageError
from expectations.lake.layout import Lake
from ingest.logs import told
from ingest.settings.ingest import MaintenanceSettings
from ingest.upkeep.maintenance import claim, closed_before, files_per_day, maintain, relieve

log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 10.0


class UpkeepCounts(Protocol):
    """Where the counts of finished upkeep are kept."""

    maintained: int
    removed_files: int
    relieved: int
    files_per_open_day: int


class Keeper:
    """A thread beside the loop for as long as the `with` block lasts; its failures are logged, and tried again later.

    When the block ends it finishes the step that it is at, if that does not take long: left in the middle, a step has
    done nothing.
    """

    def __init__(
        self, lake: Lake, settings: MaintenanceSettings, tally: UpkeepCounts, pause_seconds: float = _PAUSE_SECONDS
    ) -> None:
        self._lake, self._settings, self._tally, self._pause = lake, settings, tally, pause_seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(_PATIENCE_SECONDS)

    def _keep(self) -> None:
        while not self._done.wait(self._pause):
            try:
                self._turn(time.time())
            except StorageError as error:
                log.warning("maintenance failed, it is tried again", extra=told(error))

    def _turn(self, now: float) -> None:
        if self._settings.every is not None and claim(self._lake, self._settings, now):
            done = maintain(self._lake, self._settings, now=now, go_on=lambda: not self._done.is_set())
            self._tally.maintained += 1
            self._tally.removed_files += sum(done.removed.values())
        self._tally.relieved += relieve(self._lake, self._settings)
        self._tally.files_per_open_day = files_per_day(self._lake, closed_before(self._settings, now))
