"""Schedules maintenance while a service runs: compacts crowded days at once, maintains the tables when due, and counts
every hour the rows that tables hold more than once. It also reads how the last run of each command ended."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import Final, Protocol, Self

from expectations.config.retention import FOR_EVER, Retention
from expectations.errors import StorageError
from expectations.lake.commands import CommandRun, command_runs
from expectations.lake.layout import Lake
from ingest.logs import error_fields, log_fields
from ingest.settings.ingest import MaintenanceSettings
from ingest.upkeep.maintenance import (
    bound_logs,
    claim_maintenance,
    compact_crowded_days,
    files_per_open_day,
    first_open_day,
    maintain,
    seconds_overdue,
)
from ingest.upkeep.repair import repeats

log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 10.0
_COUNT_SECONDS: Final = 3600.0


class MaintenanceCounters(Protocol):
    """The counters that the scheduler updates; `ingest.service.counters.Counters` has them."""

    maintained: int
    removed_files: int
    expired_rows: int
    expired_texts: int
    relieved: int
    files_per_open_day: int
    surplus_rows: int
    overdue_seconds: float
    command_runs: list[CommandRun]


class MaintenanceScheduler:
    """Runs maintenance in a thread while the `with` block runs, or once where there is no thread (`run_once`).

    When the block ends, the current step may finish if it takes less than ten seconds; an interrupted step has no
    effect.
    """

    def __init__(
        self,
        lake: Lake,
        settings: MaintenanceSettings,
        counters: MaintenanceCounters,
        keep: Retention = FOR_EVER,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self._lake, self._settings, self._counters, self._pause = lake, settings, counters, pause_seconds
        self._keep = keep
        self._counted = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="maintenance", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(_PATIENCE_SECONDS)

    def run_once(self) -> None:
        """Do now what is due. Failures are logged and tried again later."""
        try:
            self._maintain(time.time())
        except StorageError as error:
            log.warning("maintenance failed, it is tried again", extra=error_fields(error))

    def _run(self) -> None:
        while not self._done.wait(self._pause):
            self.run_once()

    def _maintain(self, now: float) -> None:
        self._counters.command_runs = command_runs(self._lake)
        self._counters.overdue_seconds = seconds_overdue(self._lake, self._settings, now) or 0.0
        if claim_maintenance(self._lake, self._settings, now):
            done = maintain(self._lake, self._settings, self._keep, now=now, go_on=lambda: not self._done.is_set())
            self._counters.maintained += 1
            self._counters.removed_files += sum(done.removed.values())
            self._counters.expired_rows += sum(done.expired.values())
            self._counters.expired_texts += done.expired_texts
        self._counters.relieved += compact_crowded_days(self._lake, self._settings)
        bound_logs(self._lake, self._settings)
        self._counters.files_per_open_day = files_per_open_day(self._lake, first_open_day(self._settings, now))
        if self._thread.is_alive() and now - self._counted >= _COUNT_SECONDS:
            self._counters.surplus_rows, self._counted = self._surplus_rows(), now

    def _surplus_rows(self) -> int:
        found = repeats(self._lake)
        surplus = int(found["surplus"].sum())
        if surplus:
            fields = log_fields(
                surplus=surplus, tables=found["table"].unique().to_list(), do="journeys maintain --repair"
            )
            log.error("tables hold rows more than once", extra=fields)
        return surplus
