"""Publishes the report of a lake: queries it, builds the site in memory, and puts it in place in one step.

Every report is a complete folder `runs/<id>/` (`reports.site.places`). Readers enter through the site's `index.html`, a
self-contained file that links into that folder and is replaced last, in one step: a reader sees the old report or the
new one, never half of either. The lake's table `runs` has one row per published report.
"""

from __future__ import annotations

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
    session: Any = None,
) -> Published:
    """Builds the report of a lake's path store and publishes it at `folder`, which may be the address of a store.

    `built_at` is shown at the foot of every page and names the run; with the same lake, settings, rules, `goals`,
    `built_at` and kept reports the bytes are the same. An empty lake gives a page that says so. `badge` marks a
    filtered report (`build_site`). With a `session` of Spark, its cluster counts.

    Earlier reports that hold a customer who was erased since are withdrawn first. Files that no report wrote stay.

    Raises `StorageError` when the folder cannot be written, or holds the files of another site, `DefinitionError` when
    a breakdown or stage is unknown, `ReportError` when a customer was erased meanwhile: the report is withdrawn then.
    """
    from reports.questions.ask import answers_of
    from reports.questions.runs import erasures_of, record_report
    from reports.site.site import build_site
    from reports.site.withdrawal import absolute, withdraw_from

    at, site = built_at.astimezone(UTC), str(folder).rstrip("/")
    with _writing(site):
        place = place_of(site)
        _refuse_foreign(place, site)
        withdraw_from(place, erasures_of(lake), at)
        kept = _kept(place, settings.keep, at)
    answers = answers_of(
        lake, settings, rules, goals, all_earlier(index.get("counts", {}) for index in kept), session=session
    )
    if answers and kept:
        answers = replace(answers, last_report=kept[0])
    run = f"{at:%Y%m%dT%H%M%SZ}-{answers.origin.definitions[:8] if answers else 'empty'}"
    docs = _data_docs(lake) if answers else {}
    built = build_site(answers, settings, at, f"runs/{run}", badge)
    if answers:
        record_report(lake, answers.origin, run, at, absolute(site))  # first, so that `forget` finds the site
    with _writing(site):
        _put_in_place(built, docs, place, run, settings)
        withdraw_from(place, erasures_of(lake), at)
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
    )


def _data_docs(lake: Lake) -> dict[str, bytes]:
    """The data docs by address within the report; empty where nothing was checked."""
    from expectations.audit import datadocs, results

    checks = results.results(lake)
    if checks.is_empty():
        return {}
    return {f"data_docs/{name}": text.encode() for name, text in datadocs.pages(checks).items()}


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
