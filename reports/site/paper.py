"""Lays the report out for paper: one PDF of A4 sheets, the summary first.

A sheet is drawn as one SVG, in pixels of 96 an inch; the charts on it are drawn for its width. The summary is one
sheet, made a little smaller where it needs more. Headings stay with what they head, and no card is broken.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import vl_convert
from pypdf import PdfReader, PdfWriter, Transformation
from pypdf.generic import RectangleObject

from reports.charts import fonts
from reports.charts.canvas import PAPER
from reports.charts.svg import drawing
from reports.charts.theme import TOKENS, Spec, config
from reports.pages.cards import Page, Part
from reports.words.tables import Table
from reports.words.value_cards import ValueCard

_WIDTH: Final = 794.0
_HEIGHT: Final = 1123.0
_MARGIN: Final = 46.0
_FOOT: Final = 44.0
_ROOM: Final = _HEIGHT - 2 * _MARGIN - _FOOT
_GAP: Final = 18.0
_SMALLEST: Final = 0.8
_MAX_ROWS: Final = 24
_POINTS: Final = 0.75


@dataclass(frozen=True)
class _Style:
    """How a text is set; `colour` is a token of the theme."""

    size: float
    weight: int = 400
    colour: str = "ink"


_SMALL: Final = _Style(11, 400, "ink2")


@dataclass(frozen=True)
class _Block:
    """A piece of a sheet, drawn at the origin; `heads` says that the next block stays with it, `mark` is a bookmark."""

    drawn: str
    height: float
    heads: bool = False
    mark: tuple[int, str] | None = None


def pdf(pages: Iterable[Page], title: str, period: str = "", foot: str = "") -> bytes:
    """The pages on A4 sheets, each card once; `period` stands at the top of the first, `foot` at the foot of each.

    Bookmarks lead to pages and cards. Equal arguments give equal bytes.
    """
    fonts.register_fonts()
    first, *others = _blocks(pages, title, period)
    sheets = [first] if _height(first) * _SMALLEST <= _ROOM else list(_flowed(first))
    sheets += _flowed(block for blocks in others for block in blocks)
    writer = PdfWriter()
    writer.add_metadata({"/Title": title})
    above: Any = None
    for number, sheet in enumerate(sheets):
        drawn = vl_convert.svg_to_pdf(_sheet_svg(sheet, foot, f"{number + 1} of {len(sheets)}"))
        read = PdfReader(io.BytesIO(drawn)).pages[0]
        _sort_names(read, set())
        page = writer.add_page(read)
        scale = _WIDTH * _POINTS / float(page.mediabox.width)
        page.add_transformation(Transformation().scale(scale))
        page.mediabox = page.cropbox = RectangleObject((0, 0, _WIDTH * _POINTS, _HEIGHT * _POINTS))
        for level, text in [block.mark for block in sheet if block.mark]:
            item = writer.add_outline_item(title=text, page_number=number, parent=above if level else None)
            above = above if level else item
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _blocks(pages: Iterable[Page], title: str, period: str) -> list[list[_Block]]:
    """Everything that is printed, by page, in reading order."""
    seen: set[str] = set()
    printed: list[list[_Block]] = []
    for page in pages:
        parts = [part for part in page.parts if part.id not in seen]
        seen |= {part.id for part in parts}
        heading = _heading(page, page.name, "", 20) if printed else _heading(page, title, period, 26)
        values = [_values(page.values)] if page.values else []
        if parts or values or not printed:
            printed.append([heading, *values, *(_card(part) for part in parts)])
    return printed


def _flowed(blocks: Iterable[_Block]) -> Iterator[list[_Block]]:
    """The blocks by sheet; a heading stays with what follows it."""
    sheet: list[_Block] = []
    waiting: list[_Block] = []
    for block in blocks:
        waiting.append(block)
        if block.heads:
            continue
        if sheet and _height([*sheet, *waiting]) > _ROOM:
            yield sheet
            sheet = []
        sheet, waiting = [*sheet, *waiting], []
    if sheet or waiting:
        yield [*sheet, *waiting]


def _height(blocks: Sequence[_Block]) -> float:
    """The height of blocks one below the other."""
    return sum(block.height for block in blocks) + _GAP * (len(blocks) - 1)


def _sheet_svg(sheet: Sequence[_Block], foot: str, number: str) -> str:
    """One sheet with its foot; blocks that are higher than the sheet are made smaller."""
    y, placed = 0.0, []
    for block in sheet:
        placed.append(f'<g transform="translate(0 {y:.1f})">{block.drawn}</g>')
        y += block.height + _GAP
    scale = min(1.0, _ROOM / _height(sheet))
    drawn = [f'<g transform="translate({_MARGIN:.0f} {_MARGIN:.0f}) scale({scale:.4f})">{"".join(placed)}</g>']
    base = _HEIGHT - _MARGIN - 16
    drawn += [
        _rule(base - 18, _MARGIN),
        *_paragraph(foot, base - _SMALL.size, _SMALL, _MARGIN, PAPER - 80)[0],
        _text(number, _MARGIN + PAPER, base, _SMALL, "end"),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{_WIDTH:.0f}" height="{_HEIGHT:.0f}" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(drawn)}</svg>'
    )


def _heading(page: Page, eyebrow: str, period: str, size: float) -> _Block:
    """The page's name, its conclusion, its first lines and its notices."""
    drawn = [
        _text(eyebrow, 0, 11, _Style(12.5, 600)),
        _text(period, PAPER, 11, _Style(12.5, colour="ink2"), "end"),
        _rule(24),
    ]
    y = 40.0
    for text, style in (
        (page.title, _Style(size, 600)),
        (page.lede, _Style(13.5, colour="ink2")),
        *((notice, _Style(12.5, 600, "bad")) for notice in page.notices),
    ):
        lines, y = _paragraph(text, y, style)
        drawn += lines
        y += 6
    return _Block("".join(drawn), y, heads=True, mark=(0, page.name))


def _values(cards: Sequence[ValueCard]) -> _Block:
    """The value cards side by side, without their changes, which the page Change has."""
    column = PAPER / len(cards)
    drawn: list[str] = []
    lowest = 0.0
    for index, card in enumerate(cards):
        y, x = 0.0, column * index
        for text, style in (
            (card.label, _Style(11.5, colour="ink2")),
            (card.value, _Style(22, 600)),
            (card.detail, _SMALL),
        ):
            lines, y = _paragraph(text, y, style, x, column - 12)
            drawn += lines
        lowest = max(lowest, y)
    return _Block("".join(drawn), lowest)


def _card(part: Part) -> _Block:
    """One card: conclusion, first line, chart; a card without a chart has its table, or says why there is nothing."""
    drawn = [_rule(0)]
    y = 10.0
    for text, style in ((part.title, _Style(16, 600)), (part.subtitle, _Style(12, colour="ink2"))):
        lines, y = _paragraph(text, y, style)
        drawn += lines
    y += 12
    spec = part.paper_spec()
    if spec is not None:
        chart, height = _chart(spec, part.id, _ROOM - y - 120)
        drawn.append(f'<g transform="translate(0 {y:.1f})">{chart}</g>')
        y += height
    elif part.state is not None:
        lines, y = _paragraph(f"{part.state.headline}. {part.state.text}", y, _Style(12.5, 500, "ink2"))
        drawn += lines
    if spec is None and part.table is not None:
        lines, y = _table(part.table, y)
        drawn += lines
    return _Block("".join(drawn), y, mark=(1, part.title))


def _chart(spec: Spec, name: str, room: float) -> tuple[str, float]:
    """The chart as a nested drawing, made smaller where it is wider than the sheet or higher than the room."""
    svg = drawing({**spec, "config": config("light")}, f"{name}_")
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg)
    assert size is not None
    width, height = float(size[1]), float(size[2])
    scale = min(1.0, PAPER / width, room / height)
    sized = f'width="{width * scale:.1f}" height="{height * scale:.1f}"'
    return svg[: size.start()] + sized + svg[size.end() :], height * scale


def _table(table: Table, top: float) -> tuple[list[str], float]:
    """The first rows of a table."""
    rows = table.rows[:_MAX_ROWS]
    widths = [max(fonts.width(cell, 11, 500) for cell in cells) + 14 for cells in zip(table.heads, *rows, strict=True)]
    shrink = min(1.0, PAPER / sum(widths))
    lines: list[str] = []
    for number, cells in enumerate((table.heads, *rows)):
        x, style = 0.0, _Style(11, 400, "ink" if number else "ink2")
        for index, cell in enumerate(cells):
            room, is_word = widths[index] * shrink, index in table.words
            at, anchor = (x, "start") if is_word else (x + room - 14, "end")
            lines.append(_text(fonts.fit(cell, room - 10, 11, 500), at, top + 12 + 18 * number, style, anchor))
            x += room
    y = top + 18 * (len(rows) + 1)
    if len(table.rows) > len(rows):
        more, y = _paragraph(f"and {len(table.rows) - len(rows)} more rows on the page", y, _SMALL)
        lines += more
    return lines, y


def _paragraph(text: str, top: float, style: _Style, x: float = 0, room: float = PAPER) -> tuple[list[str], float]:
    """The text in lines from `top` on, and where it ends; nothing for an empty text."""
    lines = fonts.wrap(text, room, style.size, style.weight, lines=12) if text else []
    pitch = round(style.size * 1.35, 1)
    drawn = [_text(line, x, top + style.size + index * pitch, style) for index, line in enumerate(lines)]
    return drawn, top + pitch * len(lines)


def _text(text: str, x: float, y: float, style: _Style, anchor: str = "start") -> str:
    """One line of text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="Inter" font-size="{style.size:g}" font-weight="{style.weight}" '
        f'fill="{TOKENS["light"][style.colour]}" text-anchor="{anchor}">{html.escape(text)}</text>'
    )


def _rule(y: float, x: float = 0) -> str:
    """A line across the sheet."""
    return f'<path d="M{x:.0f} {y:.1f}h{PAPER}" stroke="{TOKENS["light"]["axis"]}" stroke-width="1" fill="none"/>'


def _sort_names(thing: Any, seen: set[int]) -> None:
    """Sorts the dictionaries of a PDF by name, as the drawing library writes them in varying order."""
    thing = thing.get_object()
    if id(thing) in seen or not isinstance(thing, dict | list):
        return
    seen.add(id(thing))
    if isinstance(thing, dict):
        items = sorted(thing.items())
        dict.clear(thing)
        for name, value in items:
            dict.__setitem__(thing, name, value)
    for inner in thing.values() if isinstance(thing, dict) else thing:
        _sort_names(inner, seen)
