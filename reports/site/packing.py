"""Packs the charts of a page into little JSON: data as columns; columns that repeat, as those of a chart's layouts do,
and repeated parts of specifications are stored once.

`unpacked` does what the page's script does, for readers of a page without a browser.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from reports.pages.cards import Part

MIN_SHARED_LENGTH: Final = 24
"""Shortest column, or part of a specification, that is shared, in characters."""
REFERENCE: Final = "$"
LAYOUTS: Final = ("wide", "narrow", "paper")
INDEX_CHARACTERS: Final = "".join(chr(code) for code in range(35, 127) if chr(code) not in "<\\")
"""Characters that encode indexes into a short list; none needs an escape in JSON within a page."""
MIN_TEXT_LENGTH: Final = 2
"""Shortest text that is searched for within the sentences of its row, in characters."""


class Columns:
    """Datasets as columns, each converted once, however many pages have it."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[list[dict[str, Any]], dict[str, Any]]] = {}

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`columns_of`, by the identity of the rows, which are kept so that no others take it."""
        if id(rows) not in self._of:
            self._of[id(rows)] = rows, columns_of(rows)
        return self._of[id(rows)][1]


def packed(parts: Iterable[Part], columns: Columns, *, paper: Collection[str] = ()) -> dict[str, Any]:
    """The charts by the id of their part, and `shared`, the repeated columns and parts of specifications.

    A chart has `wide`, for a phone `narrow` and, where `paper` has the id of its part, `paper`; their datasets are
    columns under `data`, by short names.
    """
    charts = {part.id: _chart(part, columns, part.id in paper) for part in parts if part.spec is not None}
    specs = [chart[name] for chart in charts.values() for name in LAYOUTS if name in chart]
    datasets = [own for chart in charts.values() for own in chart["data"].values()]
    seen = Counter(text for spec in specs for text in _texts(spec))
    seen.update(_text(column) for own in datasets for column in own.values())
    shared = _Shared(seen)
    for chart in charts.values():
        for name in LAYOUTS:
            if name in chart:
                chart[name] = shared.spec(chart[name])
        chart["data"] = {
            name: {field: shared.once(_text(column), column) for field, column in own.items()}
            for name, own in chart["data"].items()
        }
    return {"charts": charts, "shared": shared.values}


def unpacked(value: Any, shared: list[Any]) -> Any:
    """A packed specification in full.

    >>> unpacked({"x": {"$": 0}, "y": [{"$": 0}]}, [{"field": "a"}])
    {'x': {'field': 'a'}, 'y': [{'field': 'a'}]}
    """
    if isinstance(value, list):
        return [unpacked(item, shared) for item in value]
    if not isinstance(value, dict):
        return value
    if REFERENCE in value:
        return unpacked(shared[value[REFERENCE]], shared)
    return {name: unpacked(item, shared) for name, item in value.items()}


def unshared(columns: Mapping[str, Any], shared: list[Any]) -> dict[str, Any]:
    """The columns of a packed dataset, those that are shared in full.

    >>> unshared({"x": {"$": 0}, "y": [1]}, [[2, 3]])
    {'x': [2, 3], 'y': [1]}
    """
    return {name: shared[column[REFERENCE]] if REFERENCE in column else column for name, column in columns.items()}


def columns_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows as columns; a missing field is null. Runs of equal values are stored as value and count; repeated
    values are stored once and referenced by index, one character of `INDEX_CHARACTERS` per row.

    >>> columns_of([{"a": 1}, {"a": 2, "b": 3}])
    {'a': [1, 2], 'b': [None, 3]}
    >>> columns_of([{"c": word} for word in ("up", "down", "up", "down", "up", "down")])
    {'c': {'of': ['up', 'down'], 'at': '#$#$#$'}}
    >>> columns_of([{"c": 1207.0}] * 9)
    {'c': {'of': [1207], 'times': [9]}}

    Sentences that contain texts of other columns become templates, in which `[name]` stands for the column's text.

    >>> columns_of([{"who": name, "says": f"We like {name}."} for name in ("red", "green", "blue")])["says"]
    {'like': [['We like ', ['who'], '.']], 'at': '###'}
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [_shorter(row.get(name)) for row in rows] for name in names}
    likened = _templates(columns)
    return {name: likened.get(name) or _column(values) for name, values in columns.items()}


def _templates(columns: dict[str, list[Any]]) -> dict[str, Any]:
    """Columns of sentences that contain the texts of other columns, as templates; the other columns stay in full."""
    texts = {name: values for name, values in columns.items() if values and all(isinstance(v, str) for v in values)}
    likened: dict[str, Any] = {}
    needed: set[str] = set()
    for name in sorted(texts, key=lambda name: -sum(map(len, texts[name]))):
        others = [other for other in texts if other != name and other not in likened]
        pieces = [_pieces(text, {other: texts[other][row] for other in others}) for row, text in enumerate(texts[name])]
        template = _template_column(pieces)
        if name not in needed and len(_text(template)) < len(_text(_column(texts[name]))):
            likened[name] = template
            needed |= {piece[0] for pieces in template["like"] for piece in pieces if isinstance(piece, list)}
    return likened


def _template_column(rows: list[list[Any]]) -> dict[str, Any]:
    distinct = {_text(pieces): pieces for pieces in rows}
    indexes = {text: index for index, text in enumerate(distinct)}
    return {"like": list(distinct.values()), "at": _packed_indexes([indexes[_text(pieces)] for pieces in rows])}


def _pieces(text: str, others: dict[str, str]) -> list[Any]:
    """The sentence as pieces: texts, and lists that hold the name of a column."""
    pieces: list[Any] = [text]
    for name, value in sorted(others.items(), key=lambda item: -len(item[1])):
        if len(value) >= MIN_TEXT_LENGTH and value in text:
            pieces = [part for piece in pieces for part in _split(piece, name, value)]
    return pieces


def _split(piece: Any, name: str, value: str) -> Iterator[Any]:
    if isinstance(piece, list):
        yield piece
        return
    for index, part in enumerate(piece.split(value)):
        if index:
            yield [name]
        if part:
            yield part


def _column(values: list[Any]) -> Any:
    """The shortest of: all values, runs of values, indexes into a list of distinct values."""
    runs = [(value, len(list(same))) for value, same in groupby(values)]
    texts = [_text(value) for value in values]
    indexes = {text: index for index, text in enumerate(dict.fromkeys(texts))}
    encodings = [
        values,
        {"of": [value for value, _ in runs], "times": [times for _, times in runs]},
        {"of": [json.loads(text) for text in indexes], "at": _packed_indexes([indexes[text] for text in texts])},
    ]
    return min(encodings, key=lambda encoding: len(_text(encoding)))


def _shorter(value: Any) -> Any:
    """Whole numbers as integers, without decimals."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _packed_indexes(indexes: list[int]) -> str | list[int]:
    return (
        "".join(INDEX_CHARACTERS[index] for index in indexes)
        if max(indexes, default=0) < len(INDEX_CHARACTERS)
        else indexes
    )


def indexes_of(at: str | list[int]) -> list[int]:
    """The indexes of a column, from either encoding.

    >>> indexes_of("#$#"), indexes_of([0, 1, 0])
    ([0, 1, 0], [0, 1, 0])
    """
    return [INDEX_CHARACTERS.index(character) for character in at] if isinstance(at, str) else at


def _chart(part: Part, columns: Columns, paper: bool) -> dict[str, Any]:
    chart: dict[str, Any] = {"data": {}}
    names: dict[str, str] = {}
    for name, spec in zip(LAYOUTS, (part.spec, part.narrow, part.paper_spec() if paper else None), strict=True):
        if spec is not None:
            for key, rows in spec.get("datasets", {}).items():
                chart["data"][names.setdefault(key, f"d{len(names)}")] = columns(rows)
            chart[name] = _renamed({k: v for k, v in spec.items() if k not in ("datasets", "$schema")}, names)
    return chart


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """The specification with the short names of its datasets: they occur only in `{"data": {"name": ...}}`."""
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"name"} and value["name"] in names:
        return {"name": names[value["name"]]}
    return {key: _renamed(one, names) for key, one in value.items()}


def _texts(value: Any) -> Iterator[str]:
    """Every object within a specification, as text."""
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
        yield _text(value)


class _Shared:
    """What is stored once: the values of these texts that are seen more than once."""

    def __init__(self, seen: Counter[str]) -> None:
        self.values: list[Any] = []
        self._seen = seen
        self._indexes: dict[str, int] = {}

    def once(self, text: str, value: Any) -> Any:
        """The value, or a reference to it where it is shared."""
        if self._seen[text] < 2 or len(text) < MIN_SHARED_LENGTH:
            return value
        if text not in self._indexes:
            self._indexes[text] = len(self.values)
            self.values.append(value)
        return {REFERENCE: self._indexes[text]}

    def spec(self, value: Any) -> Any:
        """A specification with references, innermost first."""
        if isinstance(value, list):
            return [self.spec(item) for item in value]
        if not isinstance(value, dict):
            return value
        text = _text(value)
        known = text in self._indexes
        return self.once(text, value if known else {name: self.spec(item) for name, item in value.items()})


_text: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
"""A value as text: equal values have equal texts."""
