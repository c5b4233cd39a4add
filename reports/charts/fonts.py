"""Provides the typeface of pages and pictures, and measures text in it.

The package ships Inter, reduced to Latin and the symbols used here (licence: assets/fonts/OFL.txt). A page embeds
`Inter.woff2`; pictures use the three static files, because the drawing library cannot read woff2 and silently omits
text in an unknown typeface.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "assets" / "fonts"
FAMILY: Final = "Inter, 'Segoe UI', Roboto, 'Liberation Sans', 'Helvetica Neue', Arial, sans-serif"
_UNKNOWN_WIDTH: Final = 1.0


def web_font() -> bytes:
    """The font file that a page embeds."""
    return (FOLDER / "Inter.woff2").read_bytes()


def width(text: str, size: float, weight: int = 400) -> float:
    """Width of one line of text in pixels, `size` being the font size.

    >>> width("", 12)
    0.0
    >>> width("12,345", 12) > width("1,234", 12)
    True
    """
    widths = _widths()["600" if weight >= 600 else "500" if weight >= 500 else "400"]
    return size * sum((widths.get(character, _UNKNOWN_WIDTH) for character in text), 0.0)


def wrap(text: str, room: float, size: float, weight: int = 400, lines: int = 2) -> list[str]:
    """Breaks a text into at most `lines` lines of `room` pixels; a line that does not fit ends in three dots.

    >>> wrap("Understand what is on offer", 120, 12)
    ['Understand what is', 'on offer']
    """
    done: list[str] = []
    rest = text.split()
    while rest and len(done) < lines:
        taken = 1
        while taken < len(rest) and width(" ".join(rest[: taken + 1]), size, weight) <= room:
            taken += 1
        if len(done) == lines - 1:
            taken = len(rest)
        done.append(fit(" ".join(rest[:taken]), room, size, weight))
        rest = rest[taken:]
    return done or [""]


def fit(text: str, room: float, size: float, weight: int = 400) -> str:
    """The text itself, or as much of it as fits into `room` pixels and three dots.

    >>> fit("Product page", 200, 12), fit("Product page", 50, 12)
    ('Product page', 'Produ...')
    """
    if width(text, size, weight) <= room:
        return text
    while text and width(text + "...", size, weight) > room:
        text = text[:-1]
    return text.rstrip() + "..."


@cache
def register_fonts() -> None:
    """Registers the typeface with the drawing library."""
    import vl_convert

    vl_convert.register_font_directory(str(FOLDER))


@cache
def _widths() -> dict[str, dict[str, float]]:
    widths: dict[str, dict[str, float]] = json.loads((FOLDER / "widths.json").read_text(encoding="utf-8"))
    return widths
