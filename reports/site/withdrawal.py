"""Withdraws reports that hold a customer who was erased since they were built.

`site.json` of every run says how many erasures the lake had seen when the report was built. A run of fewer may hold the
person, so nothing of it stays: pages become a small page that says so, all other files are removed, and the list of
earlier reports has a line. `site.json` of the run is replaced last, so that a withdrawal that was stopped is finished
by the next one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from expectations.errors import StorageError
from expectations.lake import files
from reports.pages.cards import Page
from reports.site.history import history_page
from reports.site.html import Site, render_static
from reports.site.places import HISTORY, INDEX, RUNS, Place, is_complete, own_index, own_runs, place_of
from reports.site.receipts.receipt import WITHDRAWN
from reports.words.numbers import day

FRONT_PAGE: Final = "index.html"


@dataclass(frozen=True)
class Withdrawal:
    """What was withdrawn at a site: its runs, newest first. `remains` says what could not be done, if anything."""

    site: str
    runs: tuple[str, ...] = ()
    remains: str = ""


def withdraw(site: str, erasures: int, at: datetime) -> Withdrawal:
    """Withdraws the reports at `site` that were built before the last of so many `erasures`; `at` is shown as the day.

    Files that no report wrote are left alone. A site that cannot be reached, or is not there, is reported in `remains`:
    the next `journeys forget`, or the next report published there, withdraws what it finds.
    """
    address = absolute(site)
    folder = files.local(address)
    if folder is not None and not folder.is_dir():
        return Withdrawal(site, remains="this folder is not here: it was moved or removed, or lies on another machine")
    try:
        place = place_of(address)
        place.clean(erasures)
        return Withdrawal(site, withdraw_from(place, erasures, at))
    except (OSError, StorageError) as error:
        reason = error.found or error.what if isinstance(error, StorageError) else error.strerror or str(error)
        return Withdrawal(site, remains=reason.splitlines()[0][:200])


def withdraw_from(place: Place, erasures: int, at: datetime) -> tuple[str, ...]:
    """Withdraws the outdated reports of a place; returns their runs, newest first."""
    runs = own_runs(place)
    outdated = [(run, index) for run, index in runs if _is_outdated(index, erasures)]
    if outdated:  # first: once the runs are withdrawn nothing asks for the list again
        gone = {run: json.loads(_stub(index, erasures, at)) for run, index in outdated}
        listed = [(run, gone.get(run, index)) for run, index in runs if is_complete(index)]
        place.replace(HISTORY, history_page(listed, str(outdated[0][1].get("title", ""))).encode())
    top = own_index(place.read(INDEX))
    if top is not None and _is_outdated(top, erasures):
        place.replace(FRONT_PAGE, _page(top, at, "./").encode())
        place.replace(INDEX, _stub(top, erasures, at))
    for run, index in outdated:
        if index.get("incomplete"):
            place.remove(run)
        else:
            _reduce(place, run, index, erasures, at)
    return tuple(run for run, index in outdated if not index.get("incomplete"))


def absolute(site: str) -> str:
    """The address of a site, from wherever it is read: a local folder in full.

    >>> absolute("s3://shop/site/"), absolute("/srv/../srv/site")
    ('s3://shop/site', '/srv/site')
    """
    folder = files.local(site)
    return site.rstrip("/") if folder is None else str(Path(folder).resolve())


def _is_outdated(index: dict[str, Any], erasures: int) -> bool:
    """Whether a report may hold a person who is erased; an empty report holds nobody."""
    if "withdrawn" in index or index.get("definitions") == "":
        return False
    return int(index.get("erasures", 0)) < erasures


def _reduce(place: Place, run: str, index: dict[str, Any], erasures: int, at: datetime) -> None:
    """Leaves nothing of a run but pages that say that it is withdrawn."""
    names = place.files(run)
    pages = dict(_pages(index, names, at))
    for name, content in pages.items():
        place.replace(f"{RUNS}/{run}/{name}", content)
    place.discard(run, [name for name in names if name not in pages and name != INDEX])
    place.replace(f"{RUNS}/{run}/{INDEX}", _stub(index, erasures, at))


def _pages(index: dict[str, Any], names: list[str], at: datetime) -> Iterator[tuple[str, bytes]]:
    """The small page for every page of a run, so that links to it are answered."""
    for name in names:
        if name.endswith(".html"):
            yield name, _page(index, at, "../" * (2 + name.count("/"))).encode()


def _page(index: dict[str, Any], at: datetime, up: str) -> str:
    front = up == "./"
    page = Page(
        slug="withdrawn",
        name="Withdrawn",
        title=WITHDRAWN,
        lede=f"On {day(at)} a customer was erased. Reports that counted them are withdrawn. "
        + ("The next report appears here." if front else "The newest report counts who is left."),
    )
    links = (("Newest report", f"{up}{FRONT_PAGE}"), ("Earlier reports", f"{up}{HISTORY}"))
    return render_static(page, Site(str(index.get("title", "")), links[1:] if front else links, (), up))


def _stub(index: dict[str, Any], erasures: int, at: datetime) -> bytes:
    """The `site.json` of a withdrawn report: no number and no headline of it."""
    stub: dict[str, Any] = {name: index[name] for name in ("title", "folder", "built_at") if name in index}
    stub |= {"withdrawn": at.astimezone(UTC).isoformat(), "erasures": erasures}
    stub |= {"headline": "", "pages": [], "whole": [], "values": []}
    return (json.dumps(stub, ensure_ascii=False, indent=1) + "\n").encode()
