"""Publishes the report of a lake: queries it, builds the site in memory, and puts it in place in one step.

Every report is a complete folder `runs/<id>/` (`reports.site.places`). Readers enter through the site's `index.html`, a
self-contained file that links into that folder and is replaced last, in one step: a reader sees the old report or the
new one, never half of either. The lake's table `runs` has one row per published report.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expectations.errors import ReportError, StorageError
from expectations.lake.layout import Lake
from reports.privacy.steps import all_earlier
from reports.site.places import HISTORY, INDEX, Place, is_complete, own_index, own_runs, place_of
from reports.site.receipts.receipt import run_of_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.questions.answers import Answers
    from reports.questions.ask import PathRules
    from reports.questions.definitions import Asked
    from reports.questions.runs import Known
    from reports.settings import ReportSettings
    from reports.site.site import BuiltSite


@dataclass(frozen=True)
class Published:
    """A published report: the address of its front page, its pages, its headline, and whether it is empty.

    `failures` are the cards and pages that could not be made, a line each; `slides` are those asked for.
    """

    address: str
    pages: tuple[str, ...]
    headline: str
    run: str
    size: int
    is_empty: bool
    failures: tuple[str, ...] = ()
    slides: bytes | None = None


def publish(
    lake: Lake,
    settings: ReportSettings,
    rules: PathRules,
    folder: str | Path,
    built_at: datetime,
    *,
    asked: Asked | None = None,
    badge: str = "",
    with_slides: bool = False,
    session: Any = None,
) -> Published:
    """Builds the report of a lake's path store and publishes it at `folder`, which may be the address of a store.

    `built_at` is shown at the foot of every page and names the run; with the same lake, settings, rules, `asked`,
    `built_at` and kept reports the bytes are the same. An empty lake gives a page that says so. `asked` is what else
    is asked. `with_slides` also makes slides of the cards (`reports.site.slides`). `badge` marks a filtered report
    (`build_site`). With a `session` of Spark, its cluster counts.

    Earlier reports that hold a customer who was erased since are withdrawn first. Files that no report wrote stay.

    Raises `StorageError` when the folder cannot be written, or holds the files of another site, `DefinitionError` when
    a breakdown or stage is unknown, `ReportError` when a customer was erased meanwhile: the report is withdrawn then.
    """
    from reports.questions.definitions import Asked
    from reports.questions.runs import erasures_of, record_report, told_by
    from reports.site.site import build_site
    from reports.site.withdrawal import absolute, withdraw_from

    if with_slides:
        import pptx  # noqa: F401 - where it is not installed nothing is published

    at, site = built_at.astimezone(UTC), str(folder).rstrip("/")
    with _writing(site):
        place = place_of(site)
        _refuse_foreign(place, site)
        withdraw_from(place, erasures_of(lake), at)
        kept = _kept(place, settings.keep, at)
    asked = Asked() if asked is None else asked
    answers = asked_of(lake, settings, rules, asked, kept, session=session)
    run = f"{at:%Y%m%dT%H%M%S%fZ}-{answers.origin.definitions[:8] if answers else 'empty'}"
    docs = _data_docs(lake) if answers else {}
    told = None
    if answers and not badge:
        erased = answers.origin.erasures
        told = told_by(lake, settings, rules, asked.goals, run=run, at=at, erased=erased, session=session)
        answers = replace(answers, restated=told.restated)
    built = build_site(answers, settings, at, f"runs/{run}", badge)
    if answers:
        record_report(lake, answers.origin, run, at, absolute(site))  # first, so that `forget` finds the site
    with _writing(site):
        _put_in_place(built, docs, place, run, settings)
        withdraw_from(place, erasures_of(lake), at)
    if told is not None:
        told.keep(lake, json.loads(built.files[INDEX]))
    if answers and erasures_of(lake) > answers.origin.erasures:
        raise ReportError(
            "A customer was erased while the report was made, so it is withdrawn.",
            where=f"{site}/index.html",
            do="run `journeys report` again",
        )
    return Published(
        address=f"{site}/index.html",
        pages=tuple(page.name for page in built.pages),
        headline=built.headline,
        run=run,
        size=len(built.front),
        is_empty=answers is None,
        failures=built.failures,
        slides=_slides(built, answers, settings, at) if with_slides else None,
    )


def asked_of(
    lake: Lake,
    settings: ReportSettings,
    rules: PathRules,
    asked: Asked,
    kept: Sequence[dict[str, Any]],
    *,
    session: Any = None,
    known: Known | None = None,
) -> Answers | None:
    """What a report says beside the reports that are `kept`, the newest first, by their `site.json`."""
    from reports.questions.ask import answers_of
    from reports.questions.definitions import asked_hashes

    answers = answers_of(
        lake,
        settings,
        rules,
        asked.goals,
        all_earlier(index.get("counts", {}) for index in kept),
        segments=asked.segments,
        personas=asked.personas,
        watches=asked.watches,
        releases=asked.releases,
        products=asked.products,
        people=asked.people,
        costs=asked.costs,
        session=session,
        known=known,
    )
    if answers is None:
        return None
    beside = tuple(run_of_index(index) for index in kept)
    origin = replace(answers.origin, asked=asked_hashes(asked, settings), beside=beside)
    last = kept[0] if kept else None
    return replace(answers, owned=asked.owned, maturity=asked.maturity, last_report=last, origin=origin)


def _slides(built: BuiltSite, answers: Answers | None, settings: ReportSettings, at: datetime) -> bytes:
    """The cards of the pages as slides."""
    from reports.site.slides import slides
    from reports.words.subtitles import dates, paper_foot

    when, foot = (dates(answers), paper_foot(answers)) if answers else ("", "")
    return slides([page for page in built.pages if page.slug != "explore"], settings.title, when, foot, at)


def _data_docs(lake: Lake) -> dict[str, bytes]:
    """The data docs by address within the report; empty where nothing was checked."""
    from expectations.audit import datadocs, results

    checks = results.results(lake)
    if checks.is_empty():
        return {}
    return {f"data_docs/{name}": text.encode() for name, text in datadocs.pages(checks).items()}


def newest_brief(site: str) -> tuple[bytes, dict[str, Any]]:
    """The brief of the newest report of a site: its page, and what it says (`reports.site.brief.as_json`).

    Raises `StorageError` where the site cannot be read, has no report, or one that is withdrawn, empty, or of a version
    that wrote no brief.
    """
    from reports.site import brief

    try:
        place = place_of(site.rstrip("/"))
        index = own_index(place.read(INDEX)) or {}
        found = [place.read(f"{index['folder']}/{name}") for name in (brief.HTML, brief.JSON)] if index else []
    except OSError as error:
        raise StorageError("The site cannot be read.", where=site, found=error.strerror or str(error)) from error
    if not found or "withdrawn" in index or None in found:
        reason = (
            "no report"
            if not index
            else "a report that was withdrawn"
            if "withdrawn" in index
            else "a report without a brief"
        )
        raise StorageError("There is no brief.", where=site, found=reason, do="publish a report: journeys report")
    return found[0] or b"", json.loads(found[1] or b"{}")


@contextmanager
def _writing(site: str) -> Iterator[None]:
    """Raises failures of the place as `StorageError`."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            "The report cannot be written.",
            where=site,
            found=error.strerror or str(error).splitlines()[0][:200],
            do="choose a folder or an object store that can be written, with room for about 10 MB",
        ) from error


def _refuse_foreign(place: Place, site: str) -> None:
    """Raises `StorageError` where publishing would replace files that no report wrote."""
    if own_index(place.read(INDEX)) is not None:
        return
    foreign = [name for name in (INDEX, "index.html", HISTORY) if place.read(name) is not None]
    if foreign:
        raise StorageError(
            "The folder holds files of another site, which the report would replace.",
            where=site,
            found=", ".join(foreign),
            do="choose another folder, or move these files away",
        )


def _kept(place: Place, keep: int, at: datetime) -> list[dict[str, Any]]:
    """The `site.json` of the reports that will stand beside one of this time, newest first; none empty or withdrawn."""
    runs = [index for _, index in own_runs(place) if is_complete(index)]
    complete = [index for index in runs if index["built_at"] != at.isoformat()]
    return [index for index in complete[: keep - 1] if index.get("definitions")]


def _put_in_place(built: BuiltSite, docs: dict[str, bytes], place: Place, run: str, settings: ReportSettings) -> None:
    """Adds the run, then replaces the files that link to it, then removes old runs, which nothing links to any more.

    Only folders that carry the marker of a report are removed (`reports.site.places`). An incomplete run may belong to
    a report that is being published now, so it stays until it is older than all runs that are kept.
    """
    from reports.site.history import history_page

    place.add(run, built.files | docs)
    runs = own_runs(place)
    complete = [(name, index) for name, index in runs if is_complete(index)]
    kept = {run, *[name for name, _ in complete if name != run][: settings.keep - 1]}
    listed = [(name, index) for name, index in complete if name in kept]
    place.replace(INDEX, built.files[INDEX])  # first: the marker of the files beside it
    place.replace(HISTORY, history_page(listed, settings.title, settings.zone).encode())
    place.replace("index.html", built.front)
    for old, _ in runs:
        if old < min(kept):
            place.remove(old)
