"""Reads everything that a page says, each thing with its place, and compares it with what it must say.

A page is its texts, its tables, its drawings and the data of its charts. Whatever else differs is told as its code: a
changed script can draw anything.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, Final

from reports.site.packing import indexes_of, unpacked, unshared

_VOID: Final = frozenset({"meta", "br", "img", "link", "input", "hr", "source", "col"})
_PLACES: Final = {
    "title": "title of the page",
    "h1": "headline",
    "h2": "title",
    "p.sub": "line below the title",
    "p.lede": "line below the headline",
    "p.notice": "notice",
    "dt": "name of a value",
    "dd": "value",
    "footer": "foot of the page",
    "details.method": "how this is counted",
}
_CELL: Final = re.compile(r"row (\d+), column (\d+)")
CODE: Final = "code of the page"
DATA: Final = "data of the charts"
Place = tuple[str, str]
"""A card, empty for the page itself, and where in it."""


@dataclass(frozen=True)
class Difference:
    """Something that a page says otherwise than it must: the card, empty for the page itself, where, and both."""

    card: str
    where: str
    found: str
    expected: str


def differences(page: str, expected: str) -> list[Difference]:
    """Every place in which a page says something else than the `expected` page, in the order of the page.

    None where both are the same to the byte.

    >>> differences("<h1>12</h1>", "<h1>13</h1>")
    [Difference(card='', where='headline', found='12', expected='13')]
    >>> differences("<h1 class='a'>12</h1>", "<h1 class='b'>12</h1>")[0].where
    'h1 class'
    """
    if page == expected:
        return []
    here, there = said_by(page), said_by(expected)
    places = list(dict.fromkeys([*there, *here]))
    found = [
        Difference(place[0], _named_place(place, there), here.get(place, "nothing"), there.get(place, "nothing"))
        for place in places
        if here.get(place) != there.get(place)
    ]
    return found or [Difference("", CODE, "other code", "the code of this report")]


def _named_place(place: Place, said: Mapping[Place, str]) -> str:
    """A place in words: a cell of a table by the words of its row and column."""
    card, where = place
    cell = _CELL.fullmatch(where)
    if cell is None:
        return where
    row = said.get((card, f"row {cell[1]}, column 1"), cell[1])
    return f"table, row {cell[1]} ({row}), {said.get((card, f'head of column {cell[2]}'), where)}"


def said_by(page: str) -> dict[Place, str]:
    """Everything that a page says, by its place; the values of a place that occurs more than once are numbered."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.said


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: dict[Place, str] = {}
        self._seen: Counter[Place] = Counter()
        self._open: list[str] = []
        self._card = ""
        self._row: list[str] = []
        self._rows = 0
        self._cell: list[str] | None = None
        self._data: list[str] | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attributes}
        if tag == "figure" and "card" in of.get("class", "").split():
            self._card = of.get("id", "")
        elif tag == "thead":
            self._rows = 0
        elif tag in ("th", "td", "tr"):
            self._end_cell()
        if tag == "tr":
            self._end_row()
        elif tag in ("th", "td"):
            self._cell = []
        elif tag == "script" and of.get("id") == "data":
            self._data = []
        for name, value in of.items():
            self._say(
                f"{tag} {of['name']}" if tag == "meta" and "name" in of and name == "content" else f"{tag} {name}",
                value,
            )
        if tag not in _VOID:
            marked = of.get("class", "").split()
            self._open.append(f"{tag}.{marked[0]}" if marked else tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("thead", "tbody", "table"):
            self._end_cell()
            self._end_row()
        if tag == "script" and self._data is not None:
            text, self._data = "".join(self._data), None
            for (card, where), value in _data_of(text):
                self._say(where, value, card=card)
        if tag == "figure":
            self._card = ""
        names = [each.partition(".")[0] for each in self._open]
        if tag in names:
            del self._open[len(names) - 1 - names[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if self._data is not None:
            self._data.append(data)
        elif self._cell is not None:
            self._cell.append(data)
        elif self._open and self._open[-1].partition(".")[0] in ("script", "style"):
            self._say(CODE, data)
        elif data.strip():
            self._say(self._place(), data.strip())

    def handle_comment(self, data: str) -> None:
        self._say("comment", data)

    def _place(self) -> str:
        for each in reversed(self._open):
            for name in (each, each.partition(".")[0]):
                if name in _PLACES:
                    return _PLACES[name]
        return "drawing" if any(each.startswith("svg") for each in self._open) else "text"

    def _end_cell(self) -> None:
        if self._cell is not None:
            self._row.append("".join(self._cell).strip())
            self._cell = None

    def _end_row(self) -> None:
        row, self._row = self._row, []
        if not row:
            return
        if any(each == "thead" for each in self._open):
            for number, head in enumerate(row, 1):
                self._say(f"head of column {number}", head)
            return
        self._rows += 1
        for number, text in enumerate(row, 1):
            self._say(f"row {self._rows}, column {number}", text)

    def _say(self, where: str, value: str, *, card: str | None = None) -> None:
        at = self._card if card is None else card
        number = self._seen[at, where] = self._seen[at, where] + 1
        self.said[at, where if number == 1 else f"{where} #{number}"] = value


def _data_of(text: str) -> Iterator[tuple[Place, str]]:
    """The values behind the charts of a page, from its block of JSON."""
    try:
        data = json.loads(text)
        for card, chart in data["charts"].items():
            for name, stored in chart["data"].items():
                columns = unshared(stored, data["shared"])
                for column, packed in columns.items():
                    for row, value in enumerate(_values(packed, columns), 1):
                        yield (card, f"chart, {name}, row {row}, {column}"), json.dumps(value, ensure_ascii=False)
            for layout, spec in chart.items():
                if layout != "data":
                    yield (card, f"chart, {layout}"), json.dumps(unpacked(spec, data["shared"]), ensure_ascii=False)
        yield ("", DATA), json.dumps({name: data[name] for name in data if name not in ("charts", "shared")})
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        yield ("", DATA), text


def _values(packed: Any, columns: Mapping[str, Any]) -> list[Any]:
    """The values of a packed column (`reports.site.packing.columns_of`)."""
    if isinstance(packed, list):
        return packed
    if "times" in packed:
        pairs = zip(packed["of"], packed["times"], strict=True)
        return [value for value, times in pairs for _ in range(times)]
    rows = indexes_of(packed["at"])
    if "of" in packed:
        return [packed["of"][index] for index in rows]
    others = {name: _values(columns[name], columns) for name in _named(packed["like"])}
    return [
        "".join(piece if isinstance(piece, str) else others[piece[0]][row] for piece in packed["like"][index])
        for row, index in enumerate(rows)
    ]


def _named(templates: list[list[Any]]) -> set[str]:
    return {piece[0] for pieces in templates for piece in pieces if isinstance(piece, list)}
