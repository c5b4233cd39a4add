"""The brief: one page without scripts, small enough for a mail, with what moved, where to act first, alerts, targets.

It is made from the cards of the site, so that every number of it stands there, in the same words. Tables hold all
numbers; a chart is a picture of the same, and is left out where the page would become too large.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from expectations.hidden import escaped, shown
from reports.charts.svg import picture
from reports.charts.theme import TOKENS, config
from reports.pages.cards import Page, Part
from reports.words.tables import Table

MAX_BYTES: Final = 100_000
"""The brief is smaller than this."""
MAX_ROWS: Final = 6
"""Rows of a table; the rest is on the site."""
HTML: Final = "brief.html"
JSON: Final = "brief.json"
_MAX_TEXT: Final = 240
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_TEMPLATE: Final = Path(__file__).parents[1] / "assets" / "brief.html.j2"


@dataclass(frozen=True)
class Section:
    """A question of the brief: the title of its card, and the first rows of its table; `more` rows are on the site."""

    name: str
    title: str
    table: Table
    more: int = 0
    part: Part | None = None


@dataclass(frozen=True)
class Brief:
    """What a brief says. `period` are the days of the data, `foot` says what rates are over."""

    title: str
    headline: str
    lede: str
    period: str
    foot: str
    notices: tuple[str, ...] = ()
    sections: tuple[Section, ...] = field(default=())


@dataclass(frozen=True)
class _Asked:
    """A section: its card, the columns of its table, and which rows of the card's frame are told."""

    name: str
    card: str
    columns: tuple[str, ...]
    is_told: Callable[[Mapping[str, Any]], bool] = lambda _: True


ASKED: Final = (
    _Asked("What moved", "target-causes", ("Journey", "Cohort", "What moved")),
    _Asked(
        "Since the last report",
        "since",
        ("Measure", "Last report", "This report", "Difference"),
        lambda r: bool(r["clear"]),
    ),
    _Asked("Where to act first", "act-first", ("Problem", "Where", "Goals at stake", "95 % interval")),
    _Asked("Alerts", "alerts", ("Since", "Alert", "Status"), lambda r: r["closed"] is None),
    _Asked("Targets", "targets", ("Journey", "Measure", "Owner", "Value", "95 % interval", "Target", "Status")),
)
"""The sections in order; one whose card is not on the site, or of which no row is told, is left out."""


def brief_of(pages: Iterable[Page], title: str, period: str, foot: str) -> Brief:
    """The brief of the pages of a site."""
    pages = tuple(pages)
    parts = {part.id: part for page in pages for part in page.parts}
    found = (_section(asked, parts[asked.card]) for asked in ASKED if asked.card in parts)
    first = pages[0]
    return Brief(
        title, first.title, first.lede, period, foot, first.notices, tuple(each for each in found if each is not None)
    )


def _section(asked: _Asked, part: Part) -> Section | None:
    """The rows of a card that are told; null where none is, or where it has another table than it usually has."""
    if (
        part.table is None
        or not set(asked.columns) <= set(part.table.heads)
        or len(part.table.rows) != part.frame.height
    ):
        return None
    places = [part.table.heads.index(name) for name in asked.columns]
    frame = part.frame.iter_rows(named=True)
    told = [row for row, of in zip(part.table.rows, frame, strict=True) if asked.is_told(of)]
    if not told:
        return None
    rows = tuple(tuple(row[place] for place in places) for row in told[:MAX_ROWS])
    words = tuple(at for at, place in enumerate(places) if place in part.table.words)
    return Section(asked.name, part.title, Table(asked.columns, rows, words), len(told) - len(rows), part)


def as_html(brief: Brief) -> bytes:
    """The brief as one page smaller than `MAX_BYTES`, without scripts; nothing in its texts can run.

    Charts are added in order while there is room; a brief of very long texts has its longest ones cut.
    """
    pictures: dict[str, str] = {}
    page = _filled(brief, pictures)
    if len(page) >= MAX_BYTES:
        return _filled(_cut(brief), pictures)
    for section in brief.sections:
        spec = None if section.part is None else section.part.paper_spec()
        if spec is None:
            continue
        more = pictures | {section.name: _png(spec)}
        longer = _filled(brief, more)
        if len(longer) < MAX_BYTES:
            pictures, page = more, longer
    return page


def as_json(brief: Brief) -> bytes:
    """The brief as JSON: `title`, `headline`, `lede`, `period`, `foot`, `notices`, and `sections` with `name`, `title`,
    `heads`, `rows` and `more`.
    """
    content = {
        **{name: getattr(brief, name) for name in ("title", "headline", "lede", "period", "foot", "notices")},
        "sections": [
            {"name": s.name, "title": s.title, "heads": s.table.heads, "rows": s.table.rows, "more": s.more}
            for s in brief.sections
        ],
    }
    return (escaped(json.dumps(content, ensure_ascii=False, indent=1)) + "\n").encode()


def as_text(content: Mapping[str, Any]) -> str:
    """A brief that was read from its JSON, as lines of text.

    >>> section = {"name": "Targets", "title": "The only target is met", "rows": [["First"]], "more": 1}
    >>> texts = dict.fromkeys(("lede", "period", "foot"), "")
    >>> print(as_text({"headline": "3 of 4", "notices": [], "sections": [section], **texts}))
    3 of 4
    <BLANKLINE>
    Targets: The only target is met
      - First
      and 1 more on the site
    """
    lines = [content["headline"], *([content["lede"]] if content["lede"] else []), *content["notices"]]
    for section in content["sections"]:
        lines += ["", f"{section['name']}: {section['title']}"]
        lines += [f"  - {' · '.join(row)}" for row in section["rows"]]
        lines += [f"  and {section['more']} more on the site"] if section["more"] else []
    return "\n".join([*lines, *(["", content["foot"]] if content["foot"] else [])])


def _cut(brief: Brief) -> Brief:
    """The brief with its long texts cut."""

    def cut(text: str) -> str:
        return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"

    def cut_rows(table: Table) -> Table:
        return Table(table.heads, tuple(tuple(map(cut, row)) for row in table.rows), table.words)

    sections = tuple(Section(s.name, cut(s.title), cut_rows(s.table), s.more) for s in brief.sections)
    texts = {name: cut(getattr(brief, name)) for name in ("title", "headline", "lede", "period", "foot")}
    return replace(brief, **texts, notices=tuple(map(cut, brief.notices[:MAX_ROWS])), sections=sections)


def _filled(brief: Brief, pictures: Mapping[str, str]) -> bytes:
    colours = {name: Markup(TOKENS["light"][name]) for name in ("ink", "ink2", "grid", "primary", "bad")}
    described = {s.name: str((s.part.spec or {}).get("description", "")) for s in brief.sections if s.part is not None}
    filled = _template().render(brief=brief, pictures=pictures, described=described, colours=colours)
    return filled.encode()


def _png(spec: Mapping[str, Any]) -> str:
    """The chart for paper as a picture, in base64."""
    return base64.b64encode(packed_png(picture({**spec, "config": config("light")}, 1.25))).decode()


def packed_png(png: bytes) -> bytes:
    """The same picture with its pixels packed as tightly as zlib can, which the drawing library does not do."""
    found, at = [], len(_SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        found.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += 12 + length
    pixels = zlib.compress(zlib.decompress(b"".join(content for kind, content in found if kind == b"IDAT")), 9)
    first = [(kind, content) for kind, content in found if kind not in (b"IDAT", b"IEND")]
    chunks = [*first, (b"IDAT", pixels), (b"IEND", b"")]
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, finalize=shown)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
