"""Reads suite files in Great Expectations' JSON, without loading Great Expectations; errors name the line.

    {"name": "prices", "meta": {"table": "events", "kind": "order"},
     "expectations": [{"type": "expect_column_values_to_be_between", "kwargs": {"column": "revenue", "max_value": 1e5},
                       "severity": "warning", "meta": {"notes": "no order of ours is larger"}}]}

`meta` names the table of the suite (default `events`) and, for events, the kind.
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
LARGEST: Final = 8 << 20
"""Bytes of a suite file."""
DEEPEST: Final = 64
"""Levels of a suite file."""
_LIST: Final = re.compile(r'"expectations"\s*:\s*\[')


def read_suite(path: Path) -> Suite:
    """Read a suite file.

    Raises:
        ConfigurationError: the file cannot be read, is not a suite, or contains an invalid expectation.
    """
    text = _text(path)
    try:
        written = json.loads(text)
    except json.JSONDecodeError as error:
        raise _error("The suite file is not JSON.", f"{path}, line {error.lineno}", found=error.msg) from error
    except ValueError as error:  # a number of thousands of digits
        raise _error("The suite file is not JSON.", str(path), found=str(error)) from error
    except RecursionError:
        written = None
    if _depth(written) > DEEPEST or written is None:
        raise _error("The suite file is nested too deeply.", str(path), expected=f"at most {DEEPEST} levels")
    if not isinstance(written, dict) or not isinstance(written.get("expectations"), list):
        raise _error("The file is not a suite of Great Expectations.", str(path), expected='"expectations": [...]')
    locations = [f"{path}, line {line}" for line in _lines(text)]
    pairs = zip(written["expectations"], locations, strict=True)
    expectations = tuple(_expectation(element, location) for element, location in pairs)
    meta = written.get("meta") or {}
    if not isinstance(meta, dict):
        raise _error("The meta of the suite is no object.", str(path), expected='"meta": {"table": "events"}')
    table, kind = meta.get("table", layout.EVENTS), meta.get("kind")
    if table not in TABLES:
        raise _error("The table of the suite is unknown.", str(path), expected=", ".join(TABLES), found=str(table))
    if kind is not None and (kind not in contract.KINDS or table != layout.EVENTS):
        expected = f"{', '.join(contract.KINDS)}, for the table {layout.EVENTS}"
        raise _error("The kind of event of the suite is unknown.", str(path), expected=expected, found=str(kind))
    return Suite(str(written.get("name") or path.stem), table, expectations, kind)


def _depth(value: object) -> int:
    """How deeply a value of JSON is nested; at most one level more than `DEEPEST` is looked at."""
    level, deep = [value], 0
    while level and deep <= DEEPEST:
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level, deep = [value for values in inner for value in values], deep + 1
    return deep


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise _error("The suite file is too large.", str(path), expected=f"at most {LARGEST >> 20} MiB")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise _error("The suite file cannot be read.", str(path), found=found or "") from error


def _expectation(written: Any, location: str) -> Expectation:
    try:
        return Expectation.from_json(written, location)
    except ValueError as error:
        raise _error("An expectation of the suite is invalid.", location, found=str(error)) from error


def _lines(text: str) -> Iterator[int]:
    """The line, from 1, on which each element of `expectations` begins; `text` must be JSON with such a list."""
    decoder, match = json.JSONDecoder(), _LIST.search(text)
    position = match.end() if match else len(text)
    while (position := _skip(text, position)) < len(text) and text[position] != "]":
        yield text.count("\n", 0, position) + 1
        _, position = decoder.raw_decode(text, position)


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n,":
        position += 1
    return position


def _error(what: str, where: str, expected: str = "", found: str = "") -> ConfigurationError:
    return ConfigurationError(what, where=where, expected=expected, found=found)
