"""Reads a built site: its index with the frames of all cards, its CSV files, and the texts of its pages."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

Row = dict[str, Any]
VOID = {"meta", "br", "img", "link", "input", "hr"}
INDEX_CHARACTERS = "".join(chr(code) for code in range(35, 127) if chr(code) not in "<\\")


@dataclass
class Text:
    """A text of a page: where it stands (h1, lede, title, first line, ...), of which card, and its words."""

    page: str
    place: str
    card: str
    words: str


@dataclass
class Table:
    """A table of a card: its heads and its rows of text."""

    page: str
    card: str
    heads: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


@dataclass
class Site:
    """The newest report of a site."""

    folder: Path
    index: dict[str, Any]
    texts: list[Text]
    tables: list[Table]

    @property
    def frames(self) -> dict[str, list[Row]]:
        """The rows of every card."""
        return {part["id"]: _rows(part["frame"]) for page in self.index["pages"] for part in page["parts"]}

    @cached_property
    def earlier(self) -> dict[str, Any] | None:
        """The index of the newest report before this one that is kept and not withdrawn."""
        found = [json.loads(file.read_text(encoding="utf-8")) for file in self.folder.parent.glob("*/site.json")]
        before = [each for each in found if "withdrawn" not in each and each["built_at"] < self.index["built_at"]]
        return max(before, key=lambda each: str(each["built_at"]), default=None)

    @property
    def filter(self) -> str:
        """The options that the report is filtered by, as its pages say."""
        found = (re.match(r"Filtered report: (.+?)\. Journeys", text.words) for text in self.texts)
        return next((match[1] for match in found if match), "")

    def csv(self, card: str) -> list[list[str]]:
        """The CSV file of a card, with its heads."""
        with (self.folder / f"data/{card}.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file))


def read(site: Path) -> Site:
    """The report that the front page of the site leads to."""
    index = json.loads((site / "site.json").read_text(encoding="utf-8"))
    folder = site / index["folder"]
    texts, tables = [], []
    files = [(page["slug"], folder / page["file"]) for page in index["pages"]]
    for name, file in [("front", site / "index.html"), *files, ("report", folder / "report.html")]:
        reader = _Reader(name)
        reader.feed(file.read_text(encoding="utf-8"))
        reader.close()
        texts += reader.texts
        tables += reader.tables
        texts += [Text(name, "alternative text", card, words) for card, words in _descriptions(reader.data)]
    for value in index["values"]:
        texts += [Text("site.json", f"value {part}", value["label"], value[part]) for part in value if value[part]]
    texts.append(Text("site.json", "h1", "", index["headline"]))
    for page in index["pages"]:
        texts.append(Text("site.json", "h1", "", page["title"]))
        for part in page["parts"]:
            texts += [Text("site.json", "title", part["id"], part["title"])]
            texts += [Text("site.json", "first line", part["id"], part["subtitle"])]
    return Site(folder, index, texts, tables)


def _rows(frame: dict[str, list[Any]]) -> list[Row]:
    return [dict(zip(frame, values, strict=True)) for values in zip(*frame.values(), strict=True)]


def _descriptions(data: str) -> list[tuple[str, str]]:
    """The alternative text of every chart, as the page's script reads it."""
    if not data:
        return []
    packed = json.loads(data)

    def unpacked(value: Any) -> Any:
        return unpacked(packed["shared"][value["$"]]) if isinstance(value, dict) and "$" in value else value

    found = []
    for card, chart in packed["charts"].items():
        for name in ("wide", "narrow"):
            if name in chart:
                spec = unpacked(chart[name])
                found.append((card, str(spec.get("description", ""))))
    return found


class _Reader(HTMLParser):
    """Collects the computed texts of a page by where they stand."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page, self.card, self.data = page, "", ""
        self.texts: list[Text] = []
        self.tables: list[Table] = []
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.place, self.words = "", ""
        self.cell = False
        self.label = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        kind = own.get("class") or ""
        self._begin_cell(tag)
        if tag == "figure":
            self.card = own.get("id") or ""
        if tag == "table":
            self.tables.append(Table(self.page, self.card))
        place = {
            "h1": "h1",
            "h2": "title",
            "dt": "value label",
            "b": "value value" if self._inside("dd") else "state headline" if self._inside("div", "state") else "",
        }.get(tag, "")
        if tag == "p" and kind in ("lede", "notice", "sub"):
            place = {"lede": "lede", "notice": "notice", "sub": "first line"}[kind]
        elif tag == "p" and self._inside("details", "method"):
            place = "method"
        elif tag == "p" and self._inside("footer"):
            place = "footer"
        elif tag == "span" and self._inside("dd"):
            place = "value change" if kind == "change" else "value detail"
        elif tag == "div" and kind == "state":
            place = "state"
        if place:
            self._finish()
            self.place, self.words = place, ""
        if tag not in VOID:
            self.open.append((tag, own))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("tbody", "thead", "table"):
            self.cell = False
        while self.open:
            if self.place and self.open[-1][0] == tag:
                self._finish()
            if self.open.pop()[0] == tag:
                break
        if tag == "figure":
            self.card = ""

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] == "script" and self.open[-1][1].get("id") == "data":
            self.data += data
        elif self.open and self.open[-1][0] in ("script", "style"):
            return
        elif self.cell:
            target = self.tables[-1].rows[-1] if self.tables[-1].rows else self.tables[-1].heads
            target[-1] += data
        elif self.place:
            self.words += data

    def _inside(self, tag: str, kind: str | None = None) -> bool:
        return any(name == tag and (kind is None or own.get("class") == kind) for name, own in self.open)

    def _begin_cell(self, tag: str) -> None:
        """Heads and cells of tables; HTML closes a cell where the next begins."""
        if not self.tables or tag not in ("tr", "th", "td", "thead", "tbody"):
            return
        table = self.tables[-1]
        self.cell = tag in ("th", "td")
        in_head = self._inside("thead")
        if tag == "tr" and not in_head:
            table.rows.append([])
        elif self.cell:
            (table.heads if in_head else table.rows[-1]).append("")

    def _finish(self) -> None:
        if self.place and self.words.strip() and not self._inside("template"):
            card = self.label if self.place.startswith("value ") else self.card
            if self.place == "value label":
                self.label = card = self.words.strip()
            self.texts.append(Text(self.page, self.place, card, " ".join(self.words.split())))
        self.place, self.words = "", ""
