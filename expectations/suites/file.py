"""A suite file in Great Expectations' own JSON, read without Great Expectations; what is wrong is told with its line.

    {"name": "prices", "meta": {"table": "events", "kind": "order"},
     "expectations": [{"type": "expect_column_values_to_be_between", "kwargs": {"column": "revenue", "max_value": 1e5},
                       "severity": "warning", "meta": {"notes": "no order of ours is larger"}}]}

`meta` says which table the suite is about (`events` unless said) and, of events, which kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from expectations import contract
from expectations.errors import ConfigurationError
from expectations.lake import layout
from expectations.suites.expectation import Expectation, Suite

TABLES: Final = (layout.EVENTS, layout.PROFILES, layout.LINKS, layout.TOUCHES)
_LIST: Final = re.compile(r'"expectations"\s*:\s*\[')


def read_suite(path: Path) -> Suite:
    """Read a suite file.

    Raises:
        ConfigurationError: the file cannot be read, is no suite, or holds an expectation that cannot be meant.
    """
    text = _text(path)
    try:
        written = json.loads(text)
    except json.JSONDecodeError as error:
        raise _refuse("The suite is not JSON.", f"{path}, line {error.lineno}", found=error.msg) from error
    if not isinstance(written, dict) or not isinstance(written.get("expectations"), list):
        raise _refuse("The file is no suite of Great Expectations.", str(path), expected='"expectations": [...]')
    places = [f"{path}, line {line}" for line in _lines(text)]
    read = tuple(_expectation(one, place) for one, place in zip(written["expectations"], places, strict=True))
    meta = written.get("meta") or {}
    table, kind = meta.get("table", layout.EVENTS), meta.get("kind")
    if table not in TABLES:
        raise _refuse("The suite is about an unknown table.", str(path), expected=", ".join(TABLES), found=str(table))
    if kind is not None and (kind not in contract.KINDS or table != layout.EVENTS):
        expected = f"{', '.join(contract.KINDS)}, of the table {layout.EVENTS}"
        raise _refuse("The suite is about an unknown kind of event.", str(path), expected=expected, found=str(kind))
    return Suite(str(written.get("name") or path.stem), table, read, kind)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise _refuse("The suite cannot be read.", str(path), found=found or "") from error


def _expectation(written: Any, place: str) -> Expectation:
    try:
        return Expectation.from_json(written, place)
    except ValueError as error:
        raise _refuse("An expectation of the suite cannot be used.", place, found=str(error)) from error


def _lines(text: str) -> Iterator[int]:
    """The line, from 1, on which each element of `expectations` begins; the text is known to be JSON with that list."""
    decoder, found = json.JSONDecoder(), _LIST.search(text)
    place = found.end() if found else len(text)
    while (place := _skip(text, place)) < len(text) and text[place] != "]":
        yield text.count("\n", 0, place) + 1
        _, place = decoder.raw_decode(text, place)


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n,":
        place += 1
    return place


def _refuse(what: str, where: str, expected: str = "", found: str = "") -> ConfigurationError:
    return ConfigurationError(what, where=where, expected=expected, found=found)
