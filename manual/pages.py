"""Writes the Markdown of the site: the pages of the repository as they are, the references from the code, llms.txt."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from manual import api, navigation
from manual.answers import answers_page
from manual.commands import NAME, command_pages
from manual.errors import errors_page
from manual.metrics import metrics_page
from manual.settings import header, settings_pages
from manual.text import CODE

ROOT: Final = Path(__file__).parent.parent
OWN: Final = Path(__file__).parent
ROW: Final = re.compile(r"^\|.*\|$", re.MULTILINE)
"""A row of a table."""
LINK: Final = re.compile(r"\]\((?!\w+:)([^)#\s]+)(?:#[^)\s]*)?\)")
"""A link to a file, in Markdown."""


def write_site(folder: Path) -> None:
    """Everything that the generator reads, into a folder: `zensical.toml`, `pages`, `theme`; and `llms.txt` in `pages`.

    Raises `FileNotFoundError` for a page or a linked file that is not there, and `ValueError` for a page that the menu
    lacks.
    """
    pages = folder / "pages"
    shutil.rmtree(folder, ignore_errors=True)
    references = write_references(pages / navigation.REFERENCE)
    written = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    for page in written:
        _copy(page, pages)
    decisions = {_title(page): str(page.relative_to(ROOT)) for page in written if page.parent.name == "decisions"}
    menu = navigation.entries(references, decisions)
    listed = {path for _, _, path in navigation.pages_of(menu)}
    if lost := sorted({str(page.relative_to(ROOT)) for page in written} - listed):
        raise ValueError(f"pages that the menu of manual/navigation.py lacks: {', '.join(lost)}")
    (pages / "llms.txt").write_text(summary(menu, pages), encoding="utf-8")
    _bring_linked(pages)
    for page in pages.rglob("*.md"):
        page.write_text(as_read(page.read_text(encoding="utf-8")), encoding="utf-8")
    shutil.copytree(OWN / "theme", folder / "theme")
    settings = (OWN / "zensical.toml").read_text(encoding="utf-8")
    nav = f"nav = {navigation.as_toml(menu)}\n"
    (folder / "zensical.toml").write_text(settings.replace("[project]\n", f"[project]\n{nav}", 1), encoding="utf-8")


def write_references(folder: Path) -> dict[str, dict[str, str]]:
    """The pages that are written from the code; returns their paths by heading and title."""
    groups = {
        "Python": ("api", api.api_pages(), api.title),
        "Command": ("command", command_pages(), f"{NAME} {{}}".format),
        "journeys.toml": ("settings", settings_pages(), header),
    }
    found: dict[str, dict[str, str]] = {}
    for heading, (name, pages, titled) in groups.items():
        for page, text in pages.items():
            _write(folder / name / f"{page}.md", text)
        found[heading] = {
            "Overview" if page == "index" else titled(page): f"{navigation.REFERENCE}/{name}/{page}.md"
            for page in pages
        }
    for heading, name, text in (
        ("Columns of answers", "answers", answers_page()),
        ("Errors and exit codes", "errors", errors_page()),
        ("Metrics and alerts", "metrics", metrics_page()),
    ):
        _write(folder / f"{name}.md", text)
        found[heading] = {heading: f"{navigation.REFERENCE}/{name}.md"}
    return found


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _bring_linked(pages: Path) -> None:
    """The files of the repository that pages link to, at their places.

    Raises `FileNotFoundError` for one that is not there.
    """
    for page in sorted(pages.rglob("*.md")):
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            file = (page.parent / target).resolve()
            if file.is_file():
                continue
            name = file.relative_to(pages.resolve()) if file.is_relative_to(pages.resolve()) else None
            if name is None or not (ROOT / name).is_file():
                raise FileNotFoundError(f"{page.relative_to(pages)} links to {target}, which is not there")
            _copy(ROOT / name, pages)


def _copy(file: Path, pages: Path) -> None:
    to = pages / file.relative_to(ROOT)
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, to)


def as_read(text: str) -> str:
    """A page as the generator reads it: a bar within code does not end a cell, and its escape would be shown.

    >>> as_read("| `a \\\\| b` | c \\\\| d |")
    '| `a | b` | c \\\\| d |'
    """
    return ROW.sub(lambda row: CODE.sub(lambda code: code[0].replace("\\|", "|"), row[0]), text)


def _title(page: Path) -> str:
    return _heading(page.read_text(encoding="utf-8"))


def _heading(text: str) -> str:
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return re.sub(r"\{.*\}", "", found[1]).strip() if found else ""


def summary(menu: navigation.Entries, pages: Path) -> str:
    """llms.txt: every page with the first sentence of its text, as Markdown, by heading (llmstxt.org)."""
    lines = ["# Journeys", "", f"> {_first((pages / 'README.md').read_text(encoding='utf-8'))}"]
    last = ""
    for heading, title, path in navigation.pages_of(menu):
        if heading != last:
            lines += ["", f"## {heading}", ""]
            last = heading
        text = (pages / path).read_text(encoding="utf-8")
        said = _first(text)
        lines.append(f"- [{_heading(text) or title}]({path})" + (f": {said}" if said else ""))
    return "\n".join(lines) + "\n"


def _first(text: str) -> str:
    """The first sentence of the first paragraph that is plain text."""
    for paragraph in re.split(r"\n\s*\n", text):
        if re.match(r"[^\W_]|\*\*\w|`(?!``)", paragraph):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(paragraph.split()))
            return re.split(r"(?<=[.!?]) (?=[A-Z`])", plain)[0]
    return ""
