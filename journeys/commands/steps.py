"""The steps of the pipeline with their terminal output: ingest, stitch, check, report."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from expectations.errors import ConfigurationError, ReportError, StorageError, nearest
from journeys import terminal
from journeys.app import session_on
from journeys.products import check_product_versions, of_report, owned_in, record_journeys, split_of
from journeys.reported.maturity.maturity import maturity_of_report
from journeys.reported.releases import releases_in
from journeys.runs.noted import noted
from journeys.segmented import check_versions, people_of_report, report_of
from journeys.why.ahead.predict import with_forecast
from journeys.why.personas import with_texts
from journeys.why.watch import watches_of_report

if TYPE_CHECKING:
    from analytics import StitchSummary
    from expectations.audit.audit import CheckSummary
    from expectations.audit.landed import Table
    from ingest.service.service import IngestSummary
    from journeys.settings import Settings
    from reports.questions.ask import PeopleSettings
    from reports.questions.definitions import Asked
    from reports.settings import ReportSettings
    from reports.site.publish import Published

DEMO_MARK: Final = ".journeys-demo"
"""The file by which a folder is known to be that of a demo."""
MAX_UNUSED: Final = 10
"""Number of unused settings that the terminal lists."""
MAX_KINDS: Final = 5
"""Number of unnamed kinds of identity that the terminal lists."""
MAX_KIND: Final = 60
"""Number of letters of such a kind."""
_LINKED: Final = {
    "login": "by their own login",
    "device": "by the device of a known customer",
    "session": "by the session of a shared device",
    "anonymous": "anonymous",
}
MAX_FAILED: Final = 5
"""Number of failed expectations per suite that the terminal lists."""


def land_events(
    settings: Settings,
    *,
    until_caught_up: bool,
    accept_gap: bool = False,
    new_generation: bool = False,
    log: Literal["text", "json"] | None = None,
    stop: threading.Event | None = None,
) -> IngestSummary:
    """Land events from the brokers, and print how many landed and how many were refused, by reason.

    A service writes a log, as text by default. A run until caught up shows its progress, unless `log` is set. `stop`
    ends it as a signal does, and is set by one.
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
            keep=settings.retention,
            stop=stop,
        )
    terminal.out.print(f"  {summary.landed:,} events landed{terminal.refused(summary.quarantined)}")
    if summary.tombstones:
        terminal.out.print(f"  {summary.tombstones:,} records without a value (tombstones): no events, kept nowhere")
    if summary.waiting:
        terminal.out.print(f"  {summary.waiting:,} records wait for the end of an open transaction, and land after it")
    return summary


def has_landed(settings: Settings) -> bool:
    """Whether the lake contains any event."""
    from expectations.lake.layout import EVENTS
    from ingest.landing.commit import table_statistics

    return bool(table_statistics(settings.lake, EVENTS)["rows"])


def check_lake(settings: Settings) -> CheckSummary:
    """Check what has landed since the last check, and print one line per suite and per failed expectation.

    Raises `ConfigurationError` for a segment or a journey that is defined otherwise than its version was.
    """
    check_versions(settings)
    check_product_versions(settings)
    with noted(settings, "check") as run:
        summary = _check(settings)
        run.rows, run.exit_code = summary.rows, 0 if summary.passed else 1
    return summary


def _check(settings: Settings) -> CheckSummary:
    from expectations.audit.audit import check
    from expectations.suites.defaults import default_suites

    limits = settings.ingest.limits
    defaults = default_suites(oldest=limits.oldest, newest=limits.newest)
    suites = [*defaults, *settings.suites]
    with terminal.step("Checking what has landed") as advance:
        summary = check(settings.lake, _tables(settings), suites, settings.expectations, on_progress=advance)
    terminal.out.print(f"  {summary.rows:,} new rows on {summary.days:,} days")
    for note in summary.notes:
        terminal.out.print(f"  {note}", markup=False, soft_wrap=True)
    for suite in summary.suites:
        outcome = f"{suite.failed:,} failed, {suite.warned:,} warned" if suite.failed or suite.warned else "all met"
        terminal.print_check(suite.name, outcome, "", passed=suite.passed)
        for belief, days in suite.missed[:MAX_FAILED]:
            terminal.out.print(f"    {days:,} × {belief}", markup=False, soft_wrap=True, style="dim")
    return summary


def print_identity_notes(settings: Settings) -> None:
    """Print what the last stitching found odd about identities, if there was one."""
    from analytics import stitch_summary

    with suppress(StorageError):  # not stitched yet
        for note in _identity_notes(settings, stitch_summary(settings.lake)):
            terminal.out.print(f"  {note}", markup=False, soft_wrap=True)


def _tables(settings: Settings) -> dict[str, Table]:
    """The tables to check, each at its current version."""
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
            since = partial(added, settings.lake, name, schema, until=version, after_retention=True)
            tables[name] = Table(scan(settings.lake, name, schema, version), version, since)
    with suppress(StorageError):  # not stitched yet
        tables[layout.TOUCHES] = Table(Paths.open(settings.lake).touches)
    return tables


def stitch_lake(settings: Settings, *, rebuild: bool = False) -> StitchSummary:
    """Update the path store with newly landed events, or rebuild it; print a summary and unused settings."""
    with noted(settings, "stitch") as run:
        summary = _stitch(settings, rebuild=rebuild)
        run.rows = summary.touches
    return summary


def _stitch(settings: Settings, *, rebuild: bool) -> StitchSummary:
    from analytics import build_paths, leave_out_objectors, refresh_paths, stitch_summary

    with terminal.step("Stitching paths") as advance:
        done = (build_paths if rebuild else refresh_paths)(settings.lake, settings.paths, on_progress=advance)
    if done is None:
        terminal.out.print("  nothing has landed since the last stitching")
    summary = done or stitch_summary(settings.lake)
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in summary.journeys.items())
    terminal.out.print(f"  {summary.duplicates:,} duplicates left out, {summary.customers:,} customers")
    if summary.id_conflicts:
        terminal.out.print(f"  {summary.id_conflicts:,} events kept although another event has the same id")
    terminal.out.print(f"  {sum(summary.journeys.values()):,} journeys: {outcomes}")
    ways = ", ".join(f"{share * 100:.1f} % {_LINKED[way]}" for way, share in summary.coverage.items())
    terminal.out.print(f"  events linked to customers: {ways}")
    for note in _identity_notes(settings, summary, largest=True):
        terminal.out.print(f"  {note}", markup=False, soft_wrap=True)
    _print_objectors(settings)
    if objectors := _objectors(settings):
        leave_out_objectors(settings.lake, objectors)
    _print_unused_settings(settings)
    return summary


def _objectors(settings: Settings) -> frozenset[str]:
    """The customers in the stored paths who object to profiling."""
    from analytics import Paths

    return Paths.open(settings.lake).objected if settings.paths.objected else frozenset()


def _print_objectors(settings: Settings) -> None:
    """Print how many customers object to profiling, and which of the listed identities name none."""
    from analytics import unknown_objectors

    if not settings.paths.objected:
        return
    terminal.out.print(
        f"  {len(_objectors(settings)):,} customers object to profiling: they count in totals, and no list has them"
    )
    if unknown := unknown_objectors(settings.lake, settings.paths):
        text = f"warning: no event carries {len(unknown):,} of the identities in paths.objected: "
        terminal.out.print(f"  {text}{terminal.examples(unknown)}", markup=False, soft_wrap=True)


def _identity_notes(settings: Settings, summary: StitchSummary, *, largest: bool = False) -> Iterator[str]:
    """What is odd about the identities of a stitching run, and with `largest` also the customers that are not odd."""
    rules, customers, objectors = settings.paths.identities, summary.largest, _objectors(settings)
    for most, limit in (("identities", rules.warn_identities), ("events", rules.warn_events)):
        if most in customers and (largest or customers[most][most] > limit):
            is_named = customers[most]["customer"] not in objectors
            yield _largest(customers[most], most, limit, is_named=is_named)
    if summary.other_kinds:
        frequent = list(summary.other_kinds_most.items())[:MAX_KINDS]
        named = ", ".join(f"{terminal.harmless(kind)[:MAX_KIND]} ({events:,})" for kind, events in frequent)
        rest = f" and {summary.other_kinds - len(frequent):,} more" if summary.other_kinds > len(frequent) else ""
        yield f"kinds of identity that no setting names, so they link nothing (events): {named}{rest}"


def _largest(customer: dict[str, Any], most: str, limit: int, *, is_named: bool) -> str:
    """The customer with the most identities or events, with a warning beyond the limit."""
    name = terminal.harmless(customer["customer"]) if is_named else "a customer who objects to profiling"
    counts = f"{customer['identities']:,} identities and {customer['events']:,} events"
    named = f"the most {most}: {name} with {counts}"
    if customer[most] <= limit:
        return named
    return f"warning: {named}, more than {limit:,} (paths.identities.warn_{most}): a bot or a shared id?"


def _print_unused_settings(settings: Settings) -> None:
    """Print the settings that match nothing in the lake, each with its line."""
    from analytics import unused_settings
    from expectations.config.file import line_of

    unused = unused_settings(settings.lake, settings.paths, settings.goals)
    for setting in unused[:MAX_UNUSED]:
        where = f"{settings.file.path}, line {line_of(settings.file.text, setting.key)}"
        key = ".".join(str(part) for part in setting.key)
        message = f"{setting.what}; {setting.do}" if setting.do else setting.what
        terminal.out.print(f"  {where}: {key}: {message}", markup=False, soft_wrap=True)
    if len(unused) > MAX_UNUSED:
        terminal.out.print(f"  … and {len(unused) - MAX_UNUSED} more settings that match nothing")


def print_agreement(settings: Settings) -> None:
    """Print how stitching agrees with what a demo planted, where there is a truth to compare with."""
    import polars as pl

    from analytics import stored_agreement

    planted = settings.folder / "data" / "identities.parquet"
    if not (settings.folder / DEMO_MARK).exists() or not planted.exists():
        return
    found = stored_agreement(settings.lake, pl.read_parquet(planted))
    if found is not None:
        shares = f"precision {found.precision:.4f}, recall {found.recall:.4f}"
        counts = f"({found.planted:,} pairs of identities)"
        terminal.out.print(f"  planted people against customers: {shares} {counts}", markup=False, soft_wrap=True)


def verify_stored(settings: Settings) -> bool:
    """Compute the paths again and print whether the stored ones are equal, row by row."""
    from analytics import verify_paths

    with terminal.step("Computing the paths again"):
        result = verify_paths(settings.lake, settings.paths)
    counts = f"{result.touches:,} touches stored, {result.missing:,} missing, {result.surplus:,} too many"
    advice = "" if result.current else "the lake or the rules have changed since: run `journeys stitch`"
    terminal.print_check("paths", counts, advice, passed=result.holds)
    print_agreement(settings)
    return result.holds


def publish_report(
    settings: Settings, site: str | None = None, on: str | None = None, *, with_slides: bool = False, **options: Any
) -> Published:
    """Publish the report site; the cluster at `on` counts, if given. `options` override settings of `[report]`, unless
    they are null or empty. `with_slides` also makes slides.

    A report that is filtered by them is a site of its own in the folder `filtered`: it says its filter on every page,
    and never replaces the front page.

    Raises:
        ConfigurationError: a page, a column or a day is invalid.
    """
    badge = _badge(options)
    if badge:  # the front page is not published: its report is as old as it was
        return _publish(settings, site, on, options, badge, with_slides=with_slides)
    with noted(settings, "report") as run:
        at = datetime.now(UTC)
        published = _publish(settings, site, on, options, badge, with_slides=with_slides)
        run.exit_code = ReportError.exit_code if published.failures else 0
        if not published.is_empty:
            record_journeys(settings, published.run, at, on)
    return published


def _publish(
    settings: Settings, site: str | None, on: str | None, options: dict[str, Any], badge: str, *, with_slides: bool
) -> Published:
    from reports.site.publish import publish

    address = str(site or settings.beside(settings.report.site))
    people = with_texts(settings, people_of_report(settings), on)
    report, asked = asked_of_report(settings, options, people if badge else with_forecast(settings, people))
    session = session_on(on)
    with terminal.step("Publishing the report"):
        place = f"{address.rstrip('/')}/filtered" if badge else address
        published = publish(
            settings.lake,
            report,
            settings.paths,
            place,
            datetime.now(UTC),
            asked=asked,
            badge=badge,
            with_slides=with_slides,
            session=session,
        )
    terminal.out.print(f"  {published.headline}", markup=False)
    terminal.out.print(f"  {published.address}", soft_wrap=True)
    for failure in published.failures:
        terminal.out.print(f"  could not be made: {failure}", style="bold red", markup=False, soft_wrap=True)
    return published


def asked_of_report(
    settings: Settings, options: Mapping[str, Any] | None = None, people: PeopleSettings | None = None
) -> tuple[ReportSettings, Asked]:
    """The settings of a report with these options of the command, and all else that it is asked; `people` where that is
    known already.

    Raises `ConfigurationError` as `publish_report` does.
    """
    from reports.questions.definitions import Asked

    badge = _badge(options or {})
    overridden = _overridden(settings.report, options or {})
    split = [] if badge else [word for each in settings.journeys for word in split_of(settings, each.name)]
    report, segments, personas = report_of(settings, overridden, split)
    segments, watches = watches_of_report(settings, segments)
    asked = Asked(
        goals=tuple(settings.goals),
        segments=tuple(segments),
        personas=personas,
        watches=tuple(watches),
        releases=releases_in(settings),
        products=of_report(settings, is_filtered=bool(badge)),
        owned=() if badge else tuple(owned_in(settings, [*overridden.segments, *overridden.explore])),
        people=people or with_forecast(settings, people_of_report(settings)),
        costs=None if badge else settings.costs_on("channel"),
        maturity=None if badge or not report.maturity else maturity_of_report(settings),
    )
    return report, asked


def complain_of_failures(published: Published) -> None:
    """Raises `ReportError` where a part of a published report could not be made."""
    if published.failures:
        raise ReportError(
            "The report is published, but parts of it could not be made.",
            where=published.address,
            found="; ".join(published.failures),
            do="the log above has the traces; please report them, with the shape of your data",
        )


_OPTIONS: Final = {"pages": "--only", "segments": "--by", "first_day": "--from", "last_day": "--to"}


def _badge(options: Mapping[str, Any]) -> str:
    """What a report is limited to by the options of the command; empty where it is not."""
    given = [
        f"{option} {value if isinstance(value, str) else ', '.join(value)}"
        for name, option in _OPTIONS.items()
        if (value := options.get(name))
    ]
    return f"Filtered report: {' '.join(given)}. Journeys are chosen by when they begin." if given else ""


def _overridden(configured: ReportSettings, options: Mapping[str, Any]) -> ReportSettings:
    from pydantic import ValidationError

    from reports.settings import PAGES

    overrides = {name: value for name, value in options.items() if value}
    try:
        return type(configured).model_validate(configured.model_dump() | overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name, found = str(first["loc"][0]) if first["loc"] else "last_day", str(first["input"])
        expected, do = first["msg"].removeprefix("Value error, "), ""
        if name == "pages":
            expected, do = f"one of {', '.join(PAGES)}", nearest(found, PAGES)
        elif first["loc"] and name in ("first_day", "last_day"):
            expected = "a calendar day such as 2026-03-01"
        elif not first["loc"]:
            found = f"{overrides.get('first_day')} and {overrides.get('last_day')}"
        raise ConfigurationError(
            "The options of the report are invalid.",
            where=_OPTIONS.get(name, name),
            expected=expected,
            found=found,
            do=do,
        ) from error
