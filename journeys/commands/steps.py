"""The steps of the pipeline as a user runs them: land, load, stitch, report, and all of them again at an interval."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from expectations.config.durations import duration
from expectations.contract import KINDS, is_kind
from expectations.errors import ConfigurationError, StorageError, nearest
from journeys import terminal

if TYPE_CHECKING:
    from analytics import StitchSummary
    from expectations.audit.audit import CheckSummary
    from expectations.audit.landed import Table
    from ingest.files.load import FileSummary
    from ingest.service.service import IngestSummary
    from ingest.settings.ingest import Format
    from journeys.settings import Settings
    from reports.settings import ReportSettings
    from reports.site.publish import Published

MOST_DOUBTS: Final = 10
"""So many settings that fit nothing are named on the terminal."""
_WAYS: Final = {
    "login": "by a login of their own",
    "device": "by a device of somebody known",
    "session": "by the session of a shared device",
    "anonymous": "anonymous",
}
MOST_MISSED: Final = 5
"""So many beliefs of a suite that were not met are named on the terminal."""


def ingest(
    settings: Settings,
    *,
    until_caught_up: bool,
    accept_gap: bool = False,
    new_generation: bool = False,
    log: Literal["text", "json"] | None = None,
) -> IngestSummary:
    """Land what the brokers hold, with a line that says what landed and what was refused, and why.

    A service logs, as text unless `log` says otherwise; a run that ends shows how far it is, unless `log` is wanted.
    """
    from ingest.logs import configure
    from ingest.service.service import run

    logged = log is not None or not until_caught_up
    if logged:
        configure(log or "text")
    with terminal.step("Landing events", bar=not logged) as advance:
        summary = run(
            settings.ingest,
            settings.lake,
            until_caught_up=until_caught_up,
            accept_gap=accept_gap,
            new_generation=new_generation,
            on_progress=lambda progress: advance(progress.polled, progress.expected),
            rules=settings.compiled.rules,
        )
    terminal.out.print(f"  {summary.landed:,} events landed{_refused(summary.quarantined)}")
    return summary


def has_landed(settings: Settings) -> bool:
    """Whether the lake holds any event."""
    from expectations.lake.layout import EVENTS
    from ingest.landing.commit import table_statistics

    return bool(table_statistics(settings.lake, EVENTS)["rows"])


def load(
    settings: Settings,
    places: Iterable[str],
    kind: str | None,
    *,
    stream: str | None = None,
    form: Format | None = None,
) -> None:
    """Land files of events, read as a stream's messages or as events of one kind, or files of profiles."""
    if kind is not None and not is_kind(kind) and kind != "profiles":
        raise ConfigurationError("Unknown kind of file.", expected=", ".join((*KINDS, "profiles")), found=kind)
    from ingest.files import load as landing
    from ingest.files.places import list_files, local_copy

    of_events = kind if kind is None or is_kind(kind) else None
    read_as = landing.file_stream(settings.ingest, kind=of_events, form=form, topic=stream or "")
    refused = 0
    for place in list_files(places):
        with terminal.step(f"Loading {place}") as advance, local_copy(place) as file:
            summary: FileSummary = (
                landing.load_profiles(file, settings.lake, on_progress=advance)
                if kind == "profiles"
                else landing.load_events(
                    file,
                    read_as,
                    settings.ingest,
                    settings.lake,
                    rules=settings.compiled.rules,
                    on_progress=advance,
                )
            )
        done = "landed before, nothing added" if summary.known else f"{summary.landed:,} rows landed"
        terminal.out.print(f"  {done}{_refused(summary.quarantined)}")
        refused += sum(summary.quarantined.values())
    if refused and kind != "profiles":
        again = f"--stream {stream}" if stream else f"--kind {read_as.kind}"
        terminal.out.print(
            "  see why: journeys quarantine list", f"  read again: journeys quarantine replay {again}", sep="\n"
        )


def check(settings: Settings) -> CheckSummary:
    """Audit what has landed since the last check, with a line a suite and one a belief that was not met."""
    from expectations.audit.audit import check as audit
    from expectations.suites.defaults import default_suites

    limits = settings.ingest.limits
    defaults = default_suites(oldest=limits.oldest, newest=limits.newest)
    suites = [*defaults, *settings.suites]
    with terminal.step("Checking what landed") as advance:
        summary = audit(settings.lake, _tables(settings), suites, settings.expectations, on_progress=advance)
    terminal.out.print(f"  {summary.rows:,} new rows on {summary.days:,} days")
    for note in summary.notes:
        terminal.out.print(f"  {note}", markup=False, soft_wrap=True)
    for suite in summary.suites:
        found = f"{suite.failed:,} failed, {suite.warned:,} warned" if suite.failed or suite.warned else "all met"
        terminal.print_check(suite.name, found, "", passed=suite.passed)
        for belief, days in suite.missed[:MOST_MISSED]:
            terminal.out.print(f"    {days:,} × {belief}", markup=False, soft_wrap=True, style="dim")
    return summary


def _tables(settings: Settings) -> dict[str, Table]:
    """The tables that are audited, each at its version of now."""
    from analytics import Paths
    from expectations import contract
    from expectations.audit.landed import Table
    from expectations.lake import layout
    from expectations.lake.tables import added, scan, table_version

    schemas = {layout.EVENTS: contract.EVENTS, layout.PROFILES: contract.PROFILES, layout.LINKS: contract.LINKS}
    tables = {}
    for name, schema in schemas.items():
        version = table_version(settings.lake, name)
        if version is not None:
            since = partial(added, settings.lake, name, schema, until=version)
            tables[name] = Table(scan(settings.lake, name, schema, version), version, since)
    with suppress(StorageError):  # not stitched yet
        tables[layout.TOUCHES] = Table(Paths.open(settings.lake).touches)
    return tables


def stitch(settings: Settings, *, rebuild: bool = False) -> StitchSummary:
    """Bring the path store up to date with what has landed, or build it anew."""
    from analytics import build_paths, refresh_paths, stitch_summary

    with terminal.step("Stitching paths") as advance:
        found = (build_paths if rebuild else refresh_paths)(settings.lake, settings.paths, on_progress=advance)
    if found is None:
        terminal.out.print("  nothing has landed since the paths were stitched")
    summary = found or stitch_summary(settings.lake)
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in summary.journeys.items())
    terminal.out.print(f"  {summary.duplicates:,} duplicates left out, {summary.customers:,} customers")
    if summary.id_conflicts:
        terminal.out.print(f"  {summary.id_conflicts:,} events kept whose id another event has, too")
    terminal.out.print(f"  {sum(summary.journeys.values()):,} journeys: {outcomes}")
    ways = ", ".join(f"{share * 100:.1f} % {_WAYS[way]}" for way, share in summary.coverage.items())
    terminal.out.print(f"  events found their customer: {ways}")
    _tell_doubts(settings)
    return summary


def _tell_doubts(settings: Settings) -> None:
    """Say which settings fit nothing that landed, each with its line."""
    from analytics import unused_settings
    from expectations.config.file import line_of

    found = unused_settings(settings.lake, settings.paths)
    for doubt in found[:MOST_DOUBTS]:
        where = f"{settings.file.path}, line {line_of(settings.file.text, ('paths', *doubt.key))}"
        key = ".".join(str(part) for part in ("paths", *doubt.key))
        said = f"{doubt.what}; {doubt.do}" if doubt.do else doubt.what
        terminal.out.print(f"  {where}: {key}: {said}", markup=False, soft_wrap=True)
    if len(found) > MOST_DOUBTS:
        terminal.out.print(f"  … and {len(found) - MOST_DOUBTS} more settings fit nothing that landed")


def verify(settings: Settings) -> bool:
    """Compute the paths anew and say whether the stored ones are the same, row by row."""
    from analytics import verify_paths

    with terminal.step("Computing the paths anew"):
        found = verify_paths(settings.lake, settings.paths)
    said = f"{found.touches:,} touches stored, {found.missing:,} missing, {found.surplus:,} too many"
    late = "" if found.current else "the lake or the rules have changed since: run `journeys stitch`"
    terminal.print_check("paths", said, late, passed=found.holds)
    return found.holds


def report(settings: Settings, site: str | None = None, **asked: Any) -> Published:
    """Publish the report site. `asked` replaces settings of `[report]`; what is null or empty does not.

    Raises:
        ConfigurationError: a page, column or day asked for is none.
    """
    from reports.site.publish import publish

    address = site or settings.beside(settings.report.site)
    with terminal.step("Publishing the report"):
        published = publish(
            settings.lake, _asked_for(settings.report, asked), settings.paths, address, datetime.now(UTC)
        )
    terminal.out.print(f"  {published.headline}", markup=False)
    terminal.out.print(f"  {published.address}", soft_wrap=True)
    return published


_OPTIONS: Final = {"pages": "--only", "segments": "--by", "first_day": "--from", "last_day": "--to"}


def _asked_for(configured: ReportSettings, asked: dict[str, Any]) -> ReportSettings:
    from pydantic import ValidationError

    from reports.settings import PAGES

    given = {name: value for name, value in asked.items() if value}
    try:
        return type(configured).model_validate(configured.model_dump() | given)
    except ValidationError as error:
        first = error.errors()[0]
        name, found = str(first["loc"][0]) if first["loc"] else "last_day", str(first["input"])
        expected, do = first["msg"].removeprefix("Value error, "), ""
        if name == "pages":
            expected, do = f"one of {', '.join(PAGES)}", nearest(found, PAGES)
        elif first["loc"] and name in ("first_day", "last_day"):
            expected = "a day of the calendar, as 2026-03-01"
        elif not first["loc"]:
            found = f"{given.get('first_day')} and {given.get('last_day')}"
        raise ConfigurationError(
            "The report cannot be asked for so.", where=_OPTIONS.get(name, name), expected=expected, found=found, do=do
        ) from error


def run(settings: Settings, every: str | None) -> bool:
    """Ingest until caught up, stitch, check, report; again at each interval until told to stop.

    Returns whether the last check passed; a failed one does not keep the report back.
    """
    stop = threading.Event()
    interval = duration(every).total_seconds() if every else None
    if interval is not None:
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while True:
        started = time.monotonic()
        ingest(settings, until_caught_up=True)
        stitch(settings)
        passed = check(settings).passed
        report(settings)
        if interval is None or stop.wait(max(0.0, interval - (time.monotonic() - started))):
            return passed


def _refused(reasons: dict[str, int]) -> str:
    if not reasons:
        return ""
    listed = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items(), key=lambda r: -r[1]))
    return f", {sum(reasons.values()):,} refused and kept in quarantine ({listed})"
