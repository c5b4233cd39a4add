"""The steps of `journeys run`: each ends on its own, and says how; one that needs another that failed is left out."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from expectations.errors import JourneysError, ReportError
from journeys import terminal
from journeys.app import EXIT_TARGET, TRACEBACK, known
from journeys.runs.noted import RunNote, noted

if TYPE_CHECKING:
    from journeys.settings import Settings
    from reports.site.publish import Published

Log = Literal["text", "json"] | None
_CHECK_FAILED: Final = 1


@dataclass(frozen=True, slots=True)
class Done:
    """What a step did: `facts` for its log line, `rows` for its note, and the exit code that its command has."""

    facts: dict[str, Any] = field(default_factory=dict)
    rows: int | None = None
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a step ended: `done`, `failed`, `skipped` for a `reason`, or `off`, where nothing asks for it."""

    name: str
    status: Literal["done", "failed", "skipped", "off"]
    seconds: float = 0.0
    exit_code: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    error: JourneysError | None = None


class Round:
    """One round of the pipeline: ingest, stitch, check, report, watch, products, brief.

    A step that fails stops no other one, but those that would tell the same again: without new paths no report, no
    alert and no target is told, and without a report no brief. `stop` ends the round before its next step.
    """

    def __init__(
        self, settings: Settings, *, fail_on: Sequence[str] = (), log: Log = None, stop: threading.Event | None = None
    ) -> None:
        self._settings, self._fail_on, self._log = settings, fail_on, log
        self._stop = stop or threading.Event()
        self._published: Published | None = None
        self._touches = 0

    def ended(self) -> Iterator[Ended]:
        """Runs the steps, in order."""
        steps: dict[str, tuple[Callable[[], Done | None], str]] = {
            "ingest": (self._ingest, ""),
            "stitch": (self._stitch, ""),
            "check": (self._check, ""),
            "report": (self._report, "stitch"),
            "watch": (self._watch, "stitch"),
            "products": (self._products, "stitch"),
            "brief": (self._brief, "report"),
        }
        missing: dict[str, str] = {}
        for name, (work, needed) in steps.items():
            if self._stop.is_set():
                return
            if needed in missing and not (needed == "report" and self._published):
                step = Ended(name, "skipped", reason=f"{needed} {missing[needed]}")
            else:
                step = self._run(name, work)
            if step.status in ("failed", "skipped"):
                missing[name] = "failed" if step.status == "failed" else "was left out"
            yield step

    def _run(self, name: str, work: Callable[[], Done | None]) -> Ended:
        began = time.monotonic()
        try:
            with self._note(name) as note:
                done = work()
                if done is not None:
                    note.rows, note.exit_code = done.rows, done.exit_code
        except Exception as error:  # noqa: BLE001 - every error is told, noted and in the exit code: the other steps go on
            if os.environ.get(TRACEBACK):
                traceback.print_exc()
            seconds, problem = time.monotonic() - began, known(error)
            return Ended(name, "failed", seconds, problem.exit_code, error=problem)
        seconds = time.monotonic() - began
        if done is None:
            return Ended(name, "off", seconds)
        return Ended(name, "failed" if done.exit_code else "done", seconds, done.exit_code, done.facts)

    def _note(self, name: str) -> AbstractContextManager[RunNote]:
        """The note of a step; other steps note themselves how they ended."""
        return noted(self._settings, name) if self._is_asked(name) else nullcontext(RunNote())

    def _is_asked(self, name: str) -> bool:
        """Whether the configuration asks for a step that it need not ask for."""
        settings = self._settings
        is_asked = {
            "ingest": bool(settings.ingest.streams or not settings.ingest.files),
            "watch": settings.watch.is_asked and self._touches > 0,
            "products": bool(settings.journeys) and self._touches > 0,
            "brief": bool(settings.brief.command) and self._touches > 0,
        }
        return is_asked.get(name, False)

    def _ingest(self) -> Done | None:
        from journeys.commands.steps import land_events

        if not self._is_asked("ingest"):
            terminal.out.print("  no topic to read: events come from files alone (journeys load)")
            return None
        found = land_events(self._settings, until_caught_up=True, log=self._log, stop=self._stop)
        facts = {"landed": found.landed, "refused": sum(found.quarantined.values()), "waiting": found.waiting}
        return Done(facts, found.landed)

    def _stitch(self) -> Done:
        from journeys.commands.steps import stitch_lake

        found = stitch_lake(self._settings)
        self._touches = found.touches
        return Done({"touches": found.touches, "customers": found.customers})

    def _check(self) -> Done:
        from journeys.commands.steps import check_lake

        found = check_lake(self._settings)
        failed = sum(suite.failed for suite in found.suites)
        warned = sum(suite.warned for suite in found.suites)
        facts = {"rows": found.rows, "failed": failed, "warned": warned}
        return Done(facts, exit_code=0 if found.passed else _CHECK_FAILED)

    def _report(self) -> Done:
        from journeys.commands.steps import publish_report

        self._published = found = publish_report(self._settings)
        facts: dict[str, Any] = {"run": found.run, "address": found.address, "headline": found.headline}
        if found.failures:
            facts["failures"] = list(found.failures)
        return Done(facts, exit_code=ReportError.exit_code if found.failures else 0)

    def _watch(self) -> Done | None:
        from journeys.why.watch import tell_new

        if not self._is_asked("watch"):
            return None
        count = tell_new(self._settings)
        return Done({"told": count}, count)

    def _products(self) -> Done | None:
        from journeys.why.products import failed_targets, show_products

        if not self._is_asked("products"):
            return None
        found = show_products(self._settings, how=terminal.As.table)
        failed = failed_targets(found)
        facts = {"targets": found.height, **dict(found["status"].value_counts(sort=True).iter_rows())}
        return Done(
            facts | {"failed": sorted(failed)}, found.height, 0 if failed.isdisjoint(self._fail_on) else EXIT_TARGET
        )

    def _brief(self) -> Done | None:
        from journeys.reported.briefs import is_due, send_brief
        from reports.site.publish import newest_brief

        if not self._is_asked("brief"):
            return None
        page, _ = newest_brief(str(self._settings.beside(self._settings.report.site)))
        at = datetime.now(UTC)
        is_sent = is_due(self._settings, page, at)
        if is_sent:
            send_brief(self._settings, page, at)
        terminal.out.print(f"  brief: {len(page):,} bytes, {'sent' if is_sent else 'not due yet'}")
        return Done({"bytes": len(page), "sent": is_sent})


def first_exit_code(steps: Sequence[Ended]) -> int:
    """The exit code of the first step that failed; 0 where none did.

    >>> first_exit_code([Ended("ingest", "done"), Ended("stitch", "failed", exit_code=5), Ended("check", "failed")])
    5
    """
    return next((step.exit_code for step in steps if step.status == "failed"), 0)
