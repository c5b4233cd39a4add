"""Exports the charts and their numbers: SVG and PNG pictures, Parquet, and one PDF.

Charts are drawn in light mode, without a browser. Drawing takes as long as the rest of the report, so exports are made
only on request.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, Final

import polars as pl
import vl_convert
from pypdf import PageObject, PdfReader, PdfWriter, Transformation

from reports.charts import fonts
from reports.charts.svg import drawing
from reports.charts.theme import VEGA_LITE, Spec, config
from reports.pages.cards import Page, Part
from reports.words.tables import as_files

_PAPER: Final = (841.89, 595.28)  # A4 landscape, in points
_MARGIN: Final = 36.0
_LARGEST: Final = 0.85  # points per pixel: small charts are not blown up


def files_of(part: Part) -> dict[str, bytes]:
    """The part as Parquet, SVG and PNG, by address."""
    files = {part.addresses["parquet"]: _parquet(part.frame)}
    if part.spec is not None:
        fonts.register_fonts()
        spec = _padded(part.spec)
        png: bytes = vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=2)
        files |= {part.addresses["svg"]: drawing(spec).encode(), part.addresses["png"]: png}
    return files


def pdf(pages: Iterable[Page], title: str) -> bytes:
    """One A4 page per chart, each chart once, with its title and subtitle; bookmarks lead to them."""
    fonts.register_fonts()
    writer = PdfWriter()
    writer.add_metadata({"/Title": title})
    seen: set[str] = set()
    for page in pages:
        above: Any = None
        for part in page.parts:
            if part.spec is None or part.id in seen:
                continue
            seen.add(part.id)
            drawn: bytes = vl_convert.svg_to_pdf(drawing(_titled(part, part.spec)))
            reader = PdfReader(io.BytesIO(drawn))
            _sort_names(reader.pages[0], set())
            writer.add_page(_on_paper(reader.pages[0]))
            number = len(writer.pages) - 1
            above = above or writer.add_outline_item(title=page.name, page_number=number)
            writer.add_outline_item(title=part.title, page_number=number, parent=above)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _on_paper(drawn: PageObject) -> PageObject:
    """An A4 page with the drawing at the upper left, as large as fits."""
    width, height = _PAPER
    size = min(
        (width - 2 * _MARGIN) / float(drawn.mediabox.width), (height - 2 * _MARGIN) / float(drawn.mediabox.height)
    )
    size = min(size, _LARGEST)
    sheet = PageObject.create_blank_page(width=width, height=height)
    above = height - _MARGIN - float(drawn.mediabox.height) * size
    sheet.merge_transformed_page(drawn, Transformation().scale(size).translate(_MARGIN, above))
    return sheet


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


def _titled(part: Part, spec: Spec) -> Spec:
    """The chart with its title and subtitle, which on a page are outside the chart."""
    room = float(spec["width"]) if isinstance(spec.get("width"), int | float) else 1000.0
    title = {
        "text": fonts.wrap(part.title, room, 17, 600, lines=3),
        "subtitle": fonts.wrap(part.subtitle, room, 12, lines=8),
        "anchor": "start",
        "frame": "group",
        "fontSize": 17,
        "subtitleFontSize": 12,
        "subtitlePadding": 6,
        "offset": 18,
    }
    return spec | {"title": title, "config": config("light")}


def _padded(spec: Spec) -> Spec:
    """The chart with padding, which on a page comes from its card."""
    return spec | {"config": config("light") | {"padding": 16}}


def _parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    as_files(frame).write_parquet(out)
    return out.getvalue()
