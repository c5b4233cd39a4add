"""Publishes the report of a lake: queries it, builds the site in memory, and puts it in place in one step.

Every report is a complete folder `runs/<id>/` (`reports.site.places`). Readers enter through the site's `index.html`, a
self-contained file that links into that folder and is replaced last, in one step: a reader sees the old report or the
new one, never half of either. The lake's table `runs` has one row per published report.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from expectations.errors import StorageError
from expectations.lake.layout import Lake
from reports.site.places import INDEX, Place, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.questions.ask import Goal, PathRules
    from reports.settings import ReportSettings
    from reports.site.site import BuiltSite


@dataclass(frozen=True)
class Published:
    """A published report: the address of its front page, its pages, its headline, and whether it is empty.

    `failures` are the cards and pages that could not be made, a line each.
    """

    address: str
    pages: tuple[str, ...]
    headline: str
    run: str
    size: int
    is_empty: bool
    failures: tuple[str, ...] = ()


def publish(
    lake: Lake,
    settings: ReportSettings,
    rules: PathRules,
    folder: str | Path,
    built_at: datetime,
    *,
    goals: Sequence[Goal] = (),
    badge: str = "",
) -> Published:
    """Builds the report of a lake's path store and publishes it at `folder`, which may be the address of a store.

    `built_at` is shown at the foot of every page and names the run; with the same lake, settings, rules, `goals` and
    `built_at` the bytes are the same. An empty lake gives a page that says so. `badge` marks a filtered report
    (`build_site`).

    Raises `StorageError` when the folder cannot be written, `DefinitionError` when a breakdown or stage is unknown.
    """
    from reports.questions.ask import answers_of
    from reports.questions.runs import record_report
    from reports.site.site import build_site

    answers = answers_of(lake, settings, rules, goals)
    at = built_at.astimezone(UTC)
    run = f"{at:%Y%m%dT%H%M%SZ}-{answers.origin.definitions[:8] if answers else 'empty'}"
    docs = _data_docs(lake) if answers else {}
    built = build_site(answers, settings, at, f"runs/{run}", badge)
    site = str(folder).rstrip("/")
    try:
        place = place_of(site)
        _put_in_place(built, docs, place, run, settings)
    except OSError as error:
        raise StorageError(
            "The report cannot be written.",
            where=site,
            found=error.strerror or str(error).splitlines()[0][:200],
            do="choose a folder or an object store that can be written, with room for about 10 MB",
        ) from error
    if answers:
        record_report(lake, answers.origin, run, at, site)
    return Published(
        address=f"{site}/index.html",
        pages=tuple(page.name for page in built.pages),
        headline=built.headline,
        run=run,
        size=len(built.front),
        is_empty=answers is None,
        failures=built.failures,
    )


def _data_docs(lake: Lake) -> dict[str, bytes]:
    """The data docs by address within the report; empty where nothing was checked."""
    from expectations.audit import datadocs, results

    checks = results.results(lake)
    if checks.is_empty():
        return {}
    return {f"data_docs/{name}": text.encode() for name, text in datadocs.pages(checks).items()}


def _put_in_place(built: BuiltSite, docs: dict[str, bytes], place: Place, run: str, settings: ReportSettings) -> None:
    """Adds the run, then replaces the files that link to it, then removes old runs, which nothing links to any more.

    An incomplete run may belong to a report that is being published now, so it stays until it is older than all runs
    that are kept.
    """
    from reports.site.history import earlier_runs, history_page

    place.add(run, built.files | docs)
    complete = earlier_runs(place)
    kept = {run, *[name for name, _ in complete if name != run][: settings.keep - 1]}
    listed = [(name, index) for name, index in complete if name in kept]
    place.replace("history.html", history_page(listed, settings.title, settings.zone).encode())
    place.replace(INDEX, built.files[INDEX])
    place.replace("index.html", built.front)
    for old in place.runs():
        if old < min(kept):
            place.remove(old)
