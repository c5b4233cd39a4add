"""The page: one file with its style, its script and its typeface, and the policy that allows nothing else."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup

from reports.site.html import base_style, hash_source

_ASSETS: Final = Path(__file__).parent / "assets"


@cache
def page() -> str:
    """The page as HTML; nothing of the data is in it."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(_asset("explore.html.j2"))
    return template.render(style=Markup(_style()), script=Markup(_asset("explore.js")))


@cache
def policy() -> str:
    """The content security policy: this style, this script, and requests to this server alone."""
    return (
        f"default-src 'none'; script-src {hash_source(_asset('explore.js'))}; style-src {hash_source(_style())}; "
        "font-src data:; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _style() -> str:
    return f"{base_style()}\n{_asset('explore.css')}"


@cache
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
