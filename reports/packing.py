"""How do the charts of a page travel? Small: data as columns, and what several charts or layers repeat, told once.

`unpacked` is what the page's script does, for whoever reads a page without one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from reports.parts import Part, Spec

LEAST: Final = 48
"""Characters from which on a repeated part of a specification is told once."""
PLACE: Final = "$"


def packed(parts: Iterable[Part]) -> dict[str, Any]:
    """The charts by the id of their part, and `shared`, the parts of specifications that come again.

    A chart has `wide` and, for a phone, `narrow`; their datasets are columns under `data`, by short names.
    """
    charts = {part.id: _chart(part) for part in parts if part.spec is not None}
    specs = [chart[name] for chart in charts.values() for name in ("wide", "narrow") if name in chart]
    seen = Counter(text for spec in specs for text in _texts(spec))
    places: dict[str, int] = {}
    shared: list[Any] = []
    for chart in charts.values():
        for name in ("wide", "narrow"):
            if name in chart:
                chart[name] = _told_once(chart[name], seen, places, shared)
    return {"charts": charts, "shared": shared}


def unpacked(value: Any, shared: list[Any]) -> Any:
    """A packed specification in full.

    >>> unpacked({"x": {"$": 0}, "y": [{"$": 0}]}, [{"field": "a"}])
    {'x': {'field': 'a'}, 'y': [{'field': 'a'}]}
    """
    if isinstance(value, list):
        return [unpacked(one, shared) for one in value]
    if not isinstance(value, dict):
        return value
    if PLACE in value:
        return unpacked(shared[value[PLACE]], shared)
    return {name: unpacked(one, shared) for name, one in value.items()}


def columns_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows as columns; a field that a row does not have is null. What comes many times on end is told
    once, with how often; texts that come again are told once, then by place.

    >>> columns_of([{"a": 1}, {"a": 2, "b": 3}])
    {'a': [1, 2], 'b': [None, 3]}
    >>> columns_of([{"c": "up"}, {"c": "down"}, {"c": "up"}, {"c": "down"}])
    {'c': {'of': ['up', 'down'], 'at': [0, 1, 0, 1]}}
    >>> columns_of([{"c": 7}] * 4)
    {'c': {'of': [7], 'times': [4]}}
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: _column([row.get(name) for row in rows]) for name in names}


def _column(values: list[Any]) -> Any:
    runs = [(value, len(list(same))) for value, same in groupby(values)]
    if 3 * len(runs) <= len(values):
        return {"of": [value for value, _ in runs], "times": [times for _, times in runs]}
    if not all(isinstance(value, str) for value in values):
        return values
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    return {"of": list(places), "at": [places[v] for v in values]} if 2 * len(places) <= len(values) else values


def _chart(part: Part) -> dict[str, Any]:
    chart: dict[str, Any] = {"data": {}}
    names: dict[str, str] = {}
    for name, spec in (("wide", part.spec), ("narrow", part.narrow)):
        if spec is not None:
            for key, rows in spec.get("datasets", {}).items():
                chart["data"][names.setdefault(key, f"d{len(names)}")] = columns_of(rows)
            chart[name] = _renamed({k: v for k, v in spec.items() if k not in ("datasets", "$schema")}, names)
    return chart


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """The specification with the short names of its datasets: they stand in `{"data": {"name": ...}}` alone."""
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


def _told_once(value: Any, seen: Counter[str], places: dict[str, int], shared: list[Any]) -> Any:
    if isinstance(value, list):
        return [_told_once(one, seen, places, shared) for one in value]
    if not isinstance(value, dict):
        return value
    text = _text(value)
    inner = {name: _told_once(one, seen, places, shared) for name, one in value.items() if text not in places}
    if seen[text] < 2 or len(text) < LEAST:
        return inner
    if text not in places:
        places[text] = len(shared)
        shared.append(inner)
    return {PLACE: places[text]}


def _text(value: Spec) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
