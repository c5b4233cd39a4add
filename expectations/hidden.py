"""Characters of names that act instead of being shown: control characters, and those that turn the direction of a text.

A name comes from outside. Raw, an escape character steers a terminal, and U+202E lets the rest of a line run backwards.
The marks around a right-to-left name (U+2068 and U+2069) only isolate it, and stay.
"""

from __future__ import annotations

import re
from typing import Any, Final

HIDDEN: Final = (
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\x{61c}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2066}\x{2067}\x{206a}-\x{206f}"
    r"\x{feff}\x{fff9}-\x{fffb}\x{e0000}-\x{e007f}]"
)
"""A regular expression of polars that matches one of them."""
MARK: Final = "\N{REPLACEMENT CHARACTER}"
"""What is shown in place of each."""

_PYTHON: Final = re.compile(re.sub(r"\\x\{(\w+)\}", lambda code: f"\\U{int(code[1], 16):08x}", HIDDEN))


def without_hidden(text: str) -> str:
    """The text with a mark in place of each.

    >>> without_hidden("red\\x1b[31m, \\u202eback")
    'red�[31m, �back'
    """
    return _PYTHON.sub(MARK, text)


def escaped(json_text: str) -> str:
    """JSON with these characters as escapes: programs read the same value, and the text itself is harmless.

    >>> escaped('"\\u202e"')
    '"\\\\u202e"'
    """
    return _PYTHON.sub(lambda found: _escape(ord(found[0])), json_text)


def shown(value: object) -> object:
    """What a template shows of a value: a text without hidden characters."""
    return without_hidden(value) if type(value) is str else value


def shown_throughout(value: Any) -> Any:
    """A value of JSON without hidden characters in any of its texts; names of fields stay.

    >>> shown_throughout({"names": ["red\\x00", 1]})
    {'names': ['red�', 1]}
    """
    if isinstance(value, dict):
        return {name: shown_throughout(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown_throughout(item) for item in value]
    return shown(value)


def _escape(code: int) -> str:
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
