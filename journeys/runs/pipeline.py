"""Runs the pipeline without a person: round after round, under a lock, each step told as it ends."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from expectations.errors import ConfigurationError, DefinitionError, JourneysError, StorageError
from journeys import terminal
from journeys.app import EXIT_INTERRUPTED, settings_of
from journeys.runs.lock import held
from journeys.runs.noted import noted
from journeys.runs.steps import Ended, Log, Round, first_exit_code

if TYPE_CHECKING:
    from journeys.settings import Settings

_LOOK: Final = 30.0
"""Seconds after which the wall clock is read again: a machine that slept begins the next round when it wakes."""
_LATE: Final = 1.5
"""Intervals since the last round after which a round catches up."""


class Pipeline:
    """`journeys run` with its options: `interval` in seconds between the beginnings of two rounds; None runs one."""

    def __init__(
        self, config: Path, *, interval: float | None = None, fail_on: Sequence[str] = (), log: Log = None
    ) -> None:
        self._config, self._interval, self._fail_on, self._log = config, interval, fail_on, log
        self._settings = settings_of(config)
        self._stop = threading.Event()

    def run(self) -> int:
        """Runs every round until SIGTERM; returns the exit code of the last whole one, that of its first failed step.

        A signal ends a round before its next step. Raises `BusyError` where another process runs the pipeline.
        """
        lake = self._settings.lake
        if self._log is not None:
            from ingest.logs import configure

            configure(self._log)
        with held(lake), self._stopped_by_signals():
            self._tell_pause()
            code = 0 if self._interval is not None else EXIT_INTERRUPTED
            while True:
                began, ticks = time.time(), time.monotonic()
                ended = self._round()
                if not self._stop.is_set():
                    code = first_exit_code(ended)
                if self._interval is None or self._waited(began + self._interval, ticks + self._interval):
                    return code
                self._settings = self._read_again(lake.address)

    def _round(self) -> list[Ended]:
        ended: list[Ended] = []
        with noted(self._settings, "run") as run:
            for step in Round(self._settings, fail_on=self._fail_on, log=self._log, stop=self._stop).ended():
                ended.append(step)
                self._tell(step)
            run.exit_code = EXIT_INTERRUPTED if self._stop.is_set() else first_exit_code(ended)
        self._tell_round(ended, run.exit_code)
        return ended

    def _read_again(self, lake: str) -> Settings:
        """The configuration as it is now; an invalid one is told, and the rounds go on with that of before."""
        try:
            settings = settings_of(self._config)
            _ = settings.textfile  # read now, while an invalid one can be told
            if settings.lake.address != lake:
                raise ConfigurationError(
                    "The lake of a running pipeline cannot be another one.",
                    where=settings.place("lake", "address"),
                    expected=lake,
                    found=settings.lake.address,
                    do="end `journeys run`, and start it again",
                )
        except JourneysError as error:
            self._tell(Ended("configuration", "failed", exit_code=error.exit_code, error=error))
            return self._settings
        return settings

    def _waited(self, until: float, until_ticks: float) -> bool:
        """Waits for the next round; whether a signal came instead. A clock that is set back lengthens no wait."""
        while (left := min(until - time.time(), until_ticks - time.monotonic())) > 0:
            if self._stop.wait(min(left, _LOOK)):
                return True
        return self._stop.is_set()

    @contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        """SIGTERM ends the rounds in order, where there are several."""
        if self._interval is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, lambda *_: self._stop.set())
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _tell_pause(self) -> None:
        """Tells that the first round catches up, where the last one of this lake is longer ago than an interval."""
        from expectations.lake.commands import command_runs

        if self._interval is None:
            return
        last = None
        with suppress(StorageError):  # a note that cannot be read is told when the round is noted
            last = next((run for run in command_runs(self._settings.lake) if run.command == "run"), None)
        if last is None or (pause := time.time() - last.ended_at) < _LATE * self._interval:
            return
        if self._log is not None:
            self._line("catching up", {"since": _instant(last.ended_at), "pause_seconds": round(pause)})
        else:
            text = f"The last round ended {terminal.duration(pause)} ago: this one catches up with what has come since."
            terminal.out.print(text)

    def _tell(self, step: Ended) -> None:
        """Tells how a step ended: as a line of the log, or its error to who looks on."""
        if self._log is None:
            if step.error is not None:
                terminal.err.print(f"{step.name} failed; the other steps go on.", style="bold red", markup=False)
                terminal.print_error(step.error)
            return
        facts = {"step": step.name, "status": step.status, "seconds": round(step.seconds, 3)}
        facts |= {"exit_code": step.exit_code, **step.facts}
        if step.error is not None:
            named = ("where", "expected", "found", "do")
            given = {name: text for name in named if (text := getattr(step.error, name))}
            facts |= {"error": step.error.what, "code": step.error.code, **given}
        if step.reason:
            facts["reason"] = step.reason
        self._line("step ended", facts, is_error=step.status == "failed")

    def _tell_round(self, ended: Sequence[Ended], code: int) -> None:
        """Tells how the round ended, and when the next one begins."""
        seconds = sum(step.seconds for step in ended)
        if self._log is not None:
            failed = [step.name for step in ended if step.status == "failed"]
            facts = {"exit_code": code, "steps_failed": failed, "seconds": round(seconds, 3)}
            self._line("round ended", facts, is_error=bool(failed))
            return
        if any(step.status in ("failed", "skipped") for step in ended):
            terminal.print_columns([_row(step) for step in ended], name_width=12)
        if self._interval is not None and not self._stop.is_set():
            terminal.out.print(
                f"Round of {terminal.duration(seconds)}; they begin every {terminal.duration(self._interval)}."
            )

    def _line(self, message: str, facts: Mapping[str, Any], *, is_error: bool = False) -> None:
        import logging

        from ingest.logs import log_fields

        level = logging.ERROR if is_error else logging.INFO
        logging.getLogger("journeys").log(level, message, extra=log_fields(**facts))


def interval_of(every: str) -> float:
    """The seconds of an interval. Raises `DefinitionError` for none.

    >>> interval_of("1d")
    86400.0
    """
    from expectations.config.durations import duration

    seconds = duration(every).total_seconds()
    if seconds <= 0:
        raise DefinitionError(
            "An interval needs some time.", where="--every", expected="such as 15m or 1d", found=every
        )
    return seconds


def _row(step: Ended) -> dict[str, str]:
    """A step for who looks on: its name, how it ended, how long it took, and the reason."""
    reason = step.reason or (step.error.what if step.error else "")
    code = f"exit code {step.exit_code}" if step.exit_code else ""
    took = terminal.duration(step.seconds) if step.seconds >= 1 else ""
    return {"step": step.name, "ended": step.status, "took": took, "why": ": ".join(filter(None, (code, reason)))}


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
