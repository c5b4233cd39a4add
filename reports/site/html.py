"""Renders a page as one self-contained HTML file: it makes no request, and nothing in its data can run.

Names from the data reach the page in two ways only: as text escaped by the template, and inside a JSON block in which
`<` is escaped. The content security policy allows only the page's own two scripts, by their hashes, and no `eval`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, Final

import jinja2
import vl_convert
from markupsafe import Markup

from expectations.hidden import escaped, shown
from expectations.lake import files
from reports.charts import fonts
from reports.charts.svg import drawing
from reports.charts.theme import MODES, TOKENS, VEGA_LITE, Mode, Spec, config
from reports.pages.cards import Page, Part
from reports.site.packing import Columns, packed

BOARD: Final = "summary"
"""The page that a browser prints on one sheet, with charts drawn for the width of paper."""
_ASSETS: Final = Path(__file__).parents[1] / "assets"


@dataclass(frozen=True)
class Site:
    """Parts common to all pages: the title, links to the pages (name, address), and the lines at the foot.

    `within` is the path from the page to the folder of its report; empty for a page that stands alone. `receipt` says
    what the numbers were made from (`reports.site.receipts.receipt`).
    """

    title: str
    links: tuple[tuple[str, str], ...]
    footer: tuple[str, ...]
    within: str = ""
    receipt: str = ""


def render(page: Page, site: Site, columns: Columns, board: Page | None = None) -> str:
    """The page with its charts drawn by script when they come into view; pages of one site share `columns`.

    Charts of the `board`, which is the page itself without one, are also drawn for the sheet that it is printed on.
    """
    sheet = board or page
    paper = {part.id for part in sheet.parts} if sheet.slug == BOARD else set()
    data = {**packed(page.parts, columns, paper=paper), "config": {mode: config(mode) for mode in MODES}}
    return _filled(page, site, (_bundle(), _asset("page.js")), data, lambda _: Markup())


def render_static(page: Page, site: Site) -> str:
    """The page without any script, its charts as drawings: for mail, archives and print."""
    return _filled(page, site, (), None, lambda part: _drawing(part) if part.spec is not None else Markup())


def _drawing(part: Part) -> Markup:
    """The chart as SVG in light mode, without font names, so that it uses the page's typeface."""
    drawn = drawing({**(part.spec or {}), "config": config("light")}, f"{part.id}_")
    shorter = re.sub(r' font-family="[^"]*"', "", drawn)
    shorter = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", shorter)
    described = html.escape(str((part.spec or {}).get("description", "")), quote=True)
    return Markup(shorter.replace("<svg ", f'<svg role="img" aria-label="{described}" ', 1))


def json_block(value: Any) -> Markup:
    """JSON that is safe inside a script element: no `<`, no line separators, no hidden characters.

    >>> str(json_block("</script>"))
    '"\\\\u003c/script>"'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(escaped(text.replace("<", "\\u003c")))


def _filled(page: Page, site: Site, scripts: tuple[str, ...], data: Any, picture_of: Callable[[Part], Markup]) -> str:
    return _template().render(
        page=page,
        site=site,
        policy=Markup(_policy(scripts)),
        style=Markup(_style()),
        data=json_block(data),
        scripts=[Markup(script) for script in scripts],
        picture_of=picture_of,
        size_of=_size_of,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=False, undefined=jinja2.StrictUndefined, finalize=shown
    )
    return environment.from_string(_asset("page.html.j2"))


def _size_of(part: Part) -> Markup:
    """The height reserved for a chart, so that the page does not jump when it is drawn."""
    height = _height(part.spec)
    return Markup(f' style="--height:{height:.0f}px"') if height else Markup()


def _height(spec: Spec | None) -> float:
    height = (spec or {}).get("height")
    if spec and "vconcat" in spec:
        return 480.0
    return float(height) if isinstance(height, int | float) else 0.0


def hash_source(text: str) -> str:
    """A script or a style as a content security policy allows it.

    >>> hash_source("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _policy(scripts: tuple[str, ...]) -> str:
    allowed = " ".join(map(hash_source, scripts)) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )


def _style() -> str:
    return f"{base_style()}\n{_asset('page.css')}"


def base_style() -> str:
    """The typeface, and the colours of both modes as variables: what every page of ours begins with."""
    font = base64.b64encode(fonts.web_font()).decode()
    face = (
        "@font-face{font-family:Inter;font-weight:400 700;font-display:block;"
        f"src:url(data:font/woff2;base64,{font}) format('woff2')}}"
    )
    return f"{face}\n:root{{{_variables('light')}}}\n:root[data-theme=dark]{{{_variables('dark')}}}"


def _variables(mode: Mode) -> str:
    names = ";".join(f"--{name}:{colour}" for name, colour in TOKENS[mode].items())
    return f"{names};color-scheme:{mode}"


@cache
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    """The script that draws charts. It takes seconds to make, so it is kept beside what Python keeps of this module."""
    kept = Path(cache_from_source(__file__)).with_name(f"bundle-{version('vl-convert-python')}-{VEGA_LITE}.js")
    with suppress(OSError):  # not made yet, or made by somebody whose files are their own
        return kept.read_text(encoding="utf-8")
    bundle: str = vl_convert.javascript_bundle(vl_version=VEGA_LITE)  # type: ignore[call-arg]
    with suppress(OSError):  # a folder that is read-only: each process makes its own
        files.write(str(kept), bundle.encode())
    return bundle
