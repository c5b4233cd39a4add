"""Lays the report out as slides (PowerPoint): one per card with its title, its chart, and its table in the notes.

The cards are those of the site, so that every number is withheld on a slide where the site withholds it. Needs
python-pptx, which the extra `slides` installs.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from expectations.hidden import MARK, without_hidden
from reports.charts.svg import picture
from reports.charts.theme import TOKENS, Spec, config
from reports.pages.cards import Page, Part
from reports.words.tables import Table

WIDTH: Final = 13.333
HEIGHT: Final = 7.5
"""Inches of a slide."""
MAX_ROWS: Final = 12
MAX_COLUMNS: Final = 7
_MARGIN: Final = 0.6
_TOP: Final = 1.75
_ROOM: Final = HEIGHT - _TOP - 0.65
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The time of all files in the archive, so that equal reports give equal bytes."""


def slides(pages: Iterable[Page], title: str, period: str, foot: str, built_at: datetime) -> bytes:
    """The pages as slides: the headline, then each card once, with a chart, or with the first rows of its table.

    The table of a card is in the notes of its slide, and `foot` at the foot of each. Equal arguments give equal bytes.
    Raises `ModuleNotFoundError` where python-pptx is not installed.
    """
    from pptx import Presentation
    from pptx.util import Inches

    pages = tuple(pages)
    deck = Presentation()
    deck.slide_width, deck.slide_height = Inches(WIDTH), Inches(HEIGHT)
    deck.core_properties.title, deck.core_properties.author = without_hidden(title), "Journeys"
    deck.core_properties.created = deck.core_properties.modified = built_at.replace(tzinfo=None)
    first = _slide(deck, pages[0].title, pages[0].lede, foot)
    lines = [title, period, *pages[0].notices]
    _text(first, "\n".join(line for line in lines if line), _TOP + 0.6, 3.0, 16)
    for part in {part.id: part for page in pages for part in page.parts}.values():
        if part.spec is not None or part.table is not None:
            _card(deck, part, foot)
    out = io.BytesIO()
    deck.save(out)
    return _dated(out.getvalue())


def _card(deck: Any, part: Part, foot: str) -> None:
    """One card."""
    slide = _slide(deck, part.title, part.subtitle, foot)
    spec = part.paper_spec()
    if spec is not None:
        _picture(slide, spec)
    elif part.table is not None and part.state is None:
        _rows(slide, part.table)
    if part.state is not None:
        _text(slide, f"{part.state.headline}. {part.state.text}", _TOP + 0.5, 1.0, 16)
    notes = [part.title, part.subtitle, part.method]
    if part.table is not None:
        notes += ["", "\t".join(part.table.heads), *("\t".join(row) for row in part.table.rows)]
    slide.notes_slide.notes_text_frame.text = _plain("\n".join(notes))


def _slide(deck: Any, title: str, subtitle: str, foot: str) -> Any:
    """A slide with a title, a line below it, and the foot."""
    from pptx.util import Inches, Pt

    slide = deck.slides.add_slide(deck.slide_layouts[5])  # a title alone
    box = slide.shapes.title
    box.left, box.top, box.width, box.height = (Inches(at) for at in (_MARGIN, 0.35, WIDTH - 2 * _MARGIN, 0.75))
    box.text_frame.text, box.text_frame.word_wrap = _plain(title), True
    _styled(box.text_frame, Pt(26), "ink", bold=True)
    _text(slide, subtitle, 1.1, 0.6, 13)
    _text(slide, foot, HEIGHT - 0.55, 0.4, 10)
    return slide


def _text(slide: Any, text: str, top: float, height: float, size: float) -> None:
    """A text across the slide."""
    from pptx.util import Inches, Pt

    box = slide.shapes.add_textbox(*(Inches(at) for at in (_MARGIN, top, WIDTH - 2 * _MARGIN, height)))
    box.text_frame.text, box.text_frame.word_wrap = _plain(text), True
    _styled(box.text_frame, Pt(size), "ink2")


def _styled(frame: Any, size: Any, colour: str, *, bold: bool = False) -> None:
    """Sets the type of all paragraphs of a text."""
    from pptx.dml.color import RGBColor
    from pptx.enum.text import PP_ALIGN

    for paragraph in frame.paragraphs:
        paragraph.alignment = PP_ALIGN.LEFT
        for run in paragraph.runs:
            run.font.size, run.font.bold, run.font.name = size, bold, "Inter"
            run.font.color.rgb = RGBColor.from_string(TOKENS["light"][colour].removeprefix("#"))


def _picture(slide: Any, spec: Spec) -> None:
    """The chart as large as fits, with its description for screen readers."""
    from pptx.util import Inches

    drawn = picture({**spec, "config": config("light")}, 2)
    shape = slide.shapes.add_picture(io.BytesIO(drawn), Inches(_MARGIN), Inches(_TOP))
    scale = min(Inches(WIDTH - 2 * _MARGIN) / shape.width, Inches(_ROOM) / shape.height)
    shape.width, shape.height = int(shape.width * scale), int(shape.height * scale)
    shape._element.nvPicPr.cNvPr.set("descr", _plain(str(spec.get("description", ""))))


def _rows(slide: Any, table: Table) -> None:
    """The first rows of a table; the rest is in the notes."""
    from pptx.enum.text import PP_ALIGN
    from pptx.util import Inches, Pt

    rows, columns = table.rows[:MAX_ROWS], min(len(table.heads), MAX_COLUMNS)
    room = [Inches(at) for at in (_MARGIN, _TOP, WIDTH - 2 * _MARGIN, 0.36 * (len(rows) + 1))]
    grid = slide.shapes.add_table(len(rows) + 1, columns, *room).table
    widths = [max(min(len(cells[at]), 60) for cells in (table.heads, *rows)) + 3 for at in range(columns)]
    for at in range(columns):
        grid.columns[at].width = int(Inches(WIDTH - 2 * _MARGIN) * widths[at] / sum(widths))
    for number, cells in enumerate((table.heads, *rows)):
        for at in range(columns):
            frame = grid.cell(number, at).text_frame
            frame.text = _plain(cells[at])
            frame.paragraphs[0].alignment = PP_ALIGN.LEFT if at in table.words else PP_ALIGN.RIGHT
            for run in frame.paragraphs[0].runs:
                run.font.size = Pt(11)
    if len(table.rows) > len(rows) or len(table.heads) > columns:
        _text(slide, "The whole table is in the notes.", HEIGHT - 0.85, 0.3, 11)


def _plain(text: str) -> str:
    """A text without characters that XML cannot hold."""
    return re.sub("[\ufffe\uffff]", MARK, without_hidden(text))


def _dated(content: bytes) -> bytes:
    """The archive with one time for all its files."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as read, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as written:
        for name in read.namelist():
            written.writestr(zipfile.ZipInfo(name, _EPOCH), read.read(name), zipfile.ZIP_DEFLATED)
    return out.getvalue()
