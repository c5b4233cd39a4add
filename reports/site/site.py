"""Builds the site in memory from answers: its pages, the files beside them, and the index `site.json`.

Pages are self-contained; the files hold all numbers of each chart. The result depends on nothing but the arguments, so
equal answers give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from expectations.hidden import escaped
from reports.charts.theme import unchecked
from reports.pages.cards import EMPTY, UNMADE, Page, Part, failure_of
from reports.pages.change import change_page
from reports.pages.customers import customers_page
from reports.pages.explore import explore_page
from reports.pages.journey import journey_page
from reports.pages.routes import routes_page
from reports.pages.summary import summary_page
from reports.pages.trust import trust_page
from reports.questions.answers import Answers
from reports.settings import PageName, ReportSettings
from reports.site import brief
from reports.site.csv import as_csv
from reports.site.html import Site, render, render_static
from reports.site.packing import Columns
from reports.site.receipts.answers import frame_as_json, types_of
from reports.site.receipts.receipt import receipt_text
from reports.words.numbers import count, moment, percent
from reports.words.since import measures_of
from reports.words.subtitles import count_withheld, dates, paper_foot
from reports.words.tables import as_files
from reports.words.value_cards import ValueCard

PAGES: Final[dict[PageName, Callable[[Answers, ReportSettings], Page | None]]] = {
    "summary": summary_page,
    "journey": journey_page,
    "customers": customers_page,
    "routes": routes_page,
    "change": change_page,
    "trust": trust_page,
    "explore": explore_page,
}
FRONT: Final = "index.html"
"""The first page's file, whichever page that is."""
WHOLE: Final = "report.html"
"""All cards on one page."""
STATIC: Final = "report_static.html"
"""The same without scripts."""
ABOVE: Final = "../../index.html"
"""The front page of the site's top folder, as seen from that of the report."""
STALE: Final = timedelta(hours=36)
FILES: Final[dict[str, str]] = {str(name): f"{name}.html" for name in PAGES} | {"summary": "index.html"}


@dataclass(frozen=True)
class BuiltSite:
    """All files of one report, by their address within its folder, and the front page for the site's top folder."""

    files: dict[str, bytes]
    front: bytes
    pages: tuple[Page, ...]
    headline: str

    @property
    def failures(self) -> tuple[str, ...]:
        """What could not be made, a line each."""
        return _failures(self.pages)


def _failures(pages: tuple[Page, ...]) -> tuple[str, ...]:
    """The failures of all cards, each once."""
    return tuple(dict.fromkeys(part.failure for page in pages for part in page.parts if part.failure))


@unchecked()
def build_site(
    answers: Answers | None, settings: ReportSettings, built_at: datetime, folder: str, badge: str = ""
) -> BuiltSite:
    """The site as files; `folder` is their folder below the front page. Without answers, one page that says so.

    `badge` says what a filtered report is limited to, on top of every page.
    """
    pages = _pages(answers, settings) if answers is not None else (_empty_page(),)
    pages = tuple(
        replace(page, notices=(*([badge] if badge else []), *_notices(answers, built_at), *page.notices))
        for page in pages
    )
    names = [(pages[0].name, FRONT), *((page.name, FILES[page.slug]) for page in pages[1:])]
    index = _index(pages, answers, settings, built_at, folder)
    footer = _footer(answers, settings, built_at, folder)
    listed = [link for link in names if link[1] != FILES["explore"]]
    within = Site(settings.title, (*listed, ("Earlier reports", "../../history.html")), footer, "./")
    above = Site(settings.title, tuple((name, f"{folder}/{file}") for name, file in listed), footer, f"{folder}/")
    columns = Columns()

    def carrying(site: Site, file: str) -> Site:
        return replace(site, receipt=receipt_text(index, file))

    files = {
        file: render(page, carrying(within, file), columns).encode()
        for page, (_, file) in zip(pages, names, strict=True)
    }
    all_in_one, no_links = _all_in_one(pages), Site(settings.title, (), footer)
    files[WHOLE] = render(all_in_one, carrying(no_links, WHOLE), columns, pages[0]).encode()
    if settings.static or settings.files:
        files[STATIC] = render_static(all_in_one, carrying(no_links, STATIC)).encode()
    for page in pages:
        for part in page.parts:
            files[f"data/{part.id}.csv"] = as_csv(as_files(part.frame)).encode()
    if answers is not None:
        short = brief.brief_of(pages, settings.title, dates(answers), f"{paper_foot(answers)} {footer[0]}")
        files |= {brief.HTML: brief.as_html(short), brief.JSON: brief.as_json(short)}
    if settings.files:
        files |= _for_machines(pages, answers, settings)
    files["site.json"] = (escaped(json.dumps(index, ensure_ascii=False, indent=1)) + "\n").encode()
    links = ((pages[0].name, FRONT), *above.links[1:], ("Earlier reports", "history.html"))
    front = render(pages[0], carrying(replace(above, links=links), ABOVE), columns)
    return BuiltSite(files, front.encode(), pages, pages[0].title)


def _for_machines(pages: tuple[Page, ...], answers: Answers | None, settings: ReportSettings) -> dict[str, bytes]:
    """Pictures, Parquet and the PDF; the drawing libraries are imported only here."""
    from reports.site.exports import files_of
    from reports.site.paper import pdf

    files = {address: content for page in pages for part in page.parts for address, content in files_of(part).items()}
    printed = [page for page in pages if page.slug != "explore"]
    when, foot = (dates(answers), paper_foot(answers)) if answers is not None else ("", "")
    return files | {"report.pdf": pdf(printed, settings.title, when, foot)}


def _pages(answers: Answers, settings: ReportSettings) -> tuple[Page, ...]:
    """The configured pages that have content; the summary where none has."""
    pages_or_none = [_page(name, answers, settings) for name in PAGES if name in settings.pages]
    pages = tuple(page for page in pages_or_none if page is not None)
    return with_own_ids(pages or (summary_page(answers, settings),))


def with_own_ids(pages: tuple[Page, ...]) -> tuple[Page, ...]:
    """The pages with an id of its own for every card, as files are named by it; a card on two pages keeps one.

    Two cards are one where their titles and frames are equal. Ids that differ in case alone name one file on some
    disks.
    """
    taken: dict[str, Part] = {}

    def named(part: Part) -> Part:
        own, number = part.id, 1
        while (other := taken.get(own.lower())) is not None and not _same(other, part):
            number += 1
            own = f"{part.id}-{number}"
        taken.setdefault(own.lower(), part)
        return part if own == part.id else replace(part, id=own)

    return tuple(replace(page, parts=tuple(named(part) for part in page.parts)) for page in pages)


def _same(one: Part, other: Part) -> bool:
    return one is other or (one.id == other.id and one.title == other.title and one.frame.equals(other.frame))


def _page(name: PageName, answers: Answers, settings: ReportSettings) -> Page | None:
    """A page; one that cannot be made costs no other: it says so."""
    try:
        return PAGES[name](answers, settings)
    except Exception as error:  # noqa: BLE001 - whatever fails in a page is told in its place
        part = Part(
            id=name,
            title="This page could not be made",
            subtitle="The other pages are not affected.",
            frame=pl.DataFrame({"page": [name]}),
            state=UNMADE,
            failure=failure_of(name, error),
        )
        return Page(slug=name, name=name.capitalize(), title=part.title, lede=part.subtitle, parts=(part,))


def _all_in_one(pages: tuple[Page, ...]) -> Page:
    """All cards on one page, each once."""
    parts = {part.id: part for page in pages for part in page.parts}
    return replace(pages[0], name="Report", parts=tuple(parts.values()))


def _notices(answers: Answers | None, built_at: datetime) -> tuple[str, ...]:
    """Notices above the page: a warning of old data."""
    if answers is None or built_at - answers.facts.end_of_data <= STALE:
        return ()
    age = round((built_at - answers.facts.end_of_data) / timedelta(days=1))
    return (f"The data end {age} days before this report was built: {moment(answers.facts.end_of_data)}.",)


def _empty_page() -> Page:
    part = Part(
        id="empty",
        title="This report is empty",
        subtitle="There are no touches to report on.",
        frame=pl.DataFrame(schema={"touches": pl.Int64}),
        state=EMPTY,
    )
    return Page(
        slug="summary",
        name="Summary",
        title="Nothing has happened yet",
        lede="The lake holds no journeys. Load events with “journeys ingest” or “journeys load”, then “journeys "
        "stitch”, and build the report again.",
        parts=(part,),
        values=(ValueCard("Journeys", "0"),),
    )


def _footer(answers: Answers | None, settings: ReportSettings, built_at: datetime, folder: str) -> tuple[str, ...]:
    touches = f"{count(answers.facts.touches)} touches" if answers else "0 touches"
    landed = answers.evidence.events if answers else None
    built = moment(built_at.astimezone(settings.zone))
    lines = [f"Built {built} from {touches}{'' if landed is None else f' of {count(landed)} events'}."]
    if answers:
        versions = ", ".join(f"{name} {version}" for name, version in sorted(answers.origin.versions.items()))
        lines.append(f"Definitions {answers.origin.definitions}" + (f"; {versions}." if versions else "."))
        lines.append(f"Receipt {folder.rpartition('/')[2]}: “journeys verify” computes every number of it again.")
        hidden, cells = count_withheld(answers)
        lines.append(f"{percent(hidden / cells)} of {count(cells)} cells of the stages and their groups are withheld.")
    if answers and answers.rounded:
        lines.append(
            f"Counts change in steps of {settings.k} from report to report, so that no two differ by few customers. A "
            f"count may be off by {settings.k // 2}, and groups need not add up; rates are of the published counts."
        )
    lines.append(
        f"Counts of 1 to {settings.k - 1} customers are withheld, as are counts that would reveal them. "
        f"Rates over fewer than {settings.least} customers are not shown. Ranges in brackets are 95 % intervals."
    )
    return tuple(lines)


def _index(
    pages: tuple[Page, ...], answers: Answers | None, settings: ReportSettings, built_at: datetime, folder: str
) -> dict[str, Any]:
    """The content of `site.json`; its addresses are relative to `folder`, as seen from the site's `index.html`."""
    run = folder.rpartition("/")[2]
    return {
        "title": settings.title,
        "folder": folder,
        "built_at": built_at.isoformat(),
        "headline": pages[0].title,
        "definitions": answers.origin.definitions if answers else "",
        "definition": answers.origin.definition if answers else {},
        "versions": answers.origin.versions if answers else {},
        "offsets": answers.origin.offsets if answers else {},
        "erasures": answers.origin.erasures if answers else 0,
        "refused": answers.origin.refused if answers else None,
        "asked": answers.origin.asked if answers else {},
        "beside": list(answers.origin.beside) if answers else [],
        "failures": _failures(pages),
        "k": settings.k,
        "least": settings.least,
        "end_of_data": answers.facts.end_of_data.isoformat() if answers else None,
        "measures": measures_of(answers) if answers else [],
        "counts": answers.counts if answers else {},
        "values": [
            {"label": v.label, "value": v.value, "detail": v.detail, "change": v.change}
            for page in pages
            for v in page.values
        ],
        "pages": [
            _page_entry(page, FILES[page.slug] if position else FRONT, run, files=settings.files)
            for position, page in enumerate(pages)
        ],
        "whole": [
            WHOLE,
            *([STATIC] if settings.static or settings.files else []),
            *(["report.pdf"] if settings.files else []),
        ],
    }


def _page_entry(page: Page, file: str, run: str, *, files: bool) -> dict[str, Any]:
    return {
        "slug": page.slug,
        "name": page.name,
        "title": page.title,
        "file": file,
        "parts": [
            {
                "id": part.id,
                "title": part.title,
                "subtitle": part.subtitle,
                "receipt": f"{run}/{part.id}",
                "csv": f"data/{part.id}.csv",
                **(part.addresses if files else {}),
                "frame": frame_as_json(part.frame),
                "types": types_of(part.frame),
            }
            for part in page.parts
        ],
    }
