"""Reads a built site: it asks nothing of the network, its links lead somewhere, every page has its Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

FETCHED: Final = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "link": "href",
    "source": "src",
    "video": "src",
    "audio": "src",
    "form": "action",
}
"""Elements that make a browser ask for what an attribute of theirs names."""
DRAWN: Final = frozenset({"mermaid", "glightbox", "pyodide", "md-source"})
"""Classes of elements for which the theme's script asks a server."""
IN_STYLE: Final = re.compile(r"(?:url\(\s*|@import\s+)['\"]?((?:https?:)?//[^'\")\s]+)")


class _Page(HTMLParser):
    """The anchors of a page, what it links to, and what a browser fetches for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)
        self.fetched += IN_STYLE.findall(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what an element names."""
        named = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := named.get(key))}
        self.fetched += [f"//{word}" for word in (named.get("class") or "").split() if word in DRAWN]
        if tag == "a" and (href := named.get("href")) is not None:
            self.links.append(href)
        if (asked := named.get(FETCHED.get(tag, ""))) and named.get("rel") not in ("canonical", "next", "prev"):
            self.fetched.append(asked)


def faults(site: Path, pages: Path) -> list[str]:
    """What is wrong with a site built of these pages, a line each; empty for a good one."""
    site, pages = site.resolve(), pages.resolve()
    read = {file: _Page(file.read_text(encoding="utf-8")) for file in sorted(site.rglob("*.html"))}
    found = []
    for file, page in read.items():
        name = file.relative_to(site)
        found += [f"{name}: asks {asked} of the network" for asked in page.fetched if _is_outside(asked)]
        targets = [*page.links, *page.fetched]
        found += [f"{name}: {target}: {fault}" for target in targets if (fault := _broken(site, file, target, read))]
    for style in sorted(site.rglob("*.css")):
        asked = IN_STYLE.findall(style.read_text(encoding="utf-8"))
        found += [f"{style.relative_to(site)}: asks {one} of the network" for one in asked]
    found += [f"{name}: has no page" for name in _markdown(pages) if not _html(site, name).is_file()]
    found += [f"{name}: is not beside its page" for name in _markdown(pages) if not (site / name).is_file()]
    for text in sorted([*(site / name for name in _markdown(pages)), site / "llms.txt"]):
        found += list(_lost(text, site)) if text.is_file() else []
    return [*found, *([] if (site / "llms.txt").is_file() else ["llms.txt: is not there"])]


def _markdown(pages: Path) -> Iterator[str]:
    return (str(file.relative_to(pages)) for file in sorted(pages.rglob("*.md")))


def _html(site: Path, name: str) -> Path:
    """The page that is built of a file of Markdown."""
    path = site / name
    return path.with_name("index.html") if path.name == "README.md" else path.with_suffix(".html")


def _is_outside(target: str) -> bool:
    return bool(urlsplit(target).netloc)


def _broken(site: Path, file: Path, target: str, read: dict[Path, _Page]) -> str:
    """What is wrong with a link of a page; empty for a good one, or one to another site."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return ""
    start = site if parts.path.startswith("/") else file.parent
    to = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else file
    to = to / "index.html" if to.is_dir() else to
    if not to.is_file():
        return "is not there"
    anchor = unquote(parts.fragment)
    if anchor and to in read and anchor not in read[to].anchors and not anchor.startswith(":~:"):
        return "there is no such heading"
    return ""


def _lost(text: Path, site: Path) -> Iterator[str]:
    """Links of Markdown to files that are not beside it."""
    for target in re.findall(r"\]\((?!\w+:)([^)#\s]+)(?:#[^)\s]*)?\)", text.read_text(encoding="utf-8")):
        if not (text.parent / target).is_file():
            yield f"{text.relative_to(site)}: {target}: is not there"
