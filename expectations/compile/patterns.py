"""Translates Python regular expressions for polars, so that gate and audit match the same values.

Great Expectations searches with Python's `re`; polars with Rust's `regex`, which interprets some patterns differently
(`$` before a final line feed, the members of `\\w`) and rejects others. `translate` rewrites a Python pattern so that
polars matches the same strings, or raises `Untranslatable`.

| in the pattern                                        | translated                                       |
| ----------------------------------------------------- | ------------------------------------------------ |
| text, `.`, `[...]`, `\\d \\w \\s` and their negations | yes; classes as the code points they have in Python |
| groups, alternatives, repetitions                     | yes                                              |
| `^`, `\\A`, `\\Z`; `$` where a match ends             | yes                                              |
| `\\b`, look-around, back-references, flags `(?i)`     | no                                               |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from re import _constants as op  # type: ignore[attr-defined] # the parser has no public name since Python 3.11
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

import polars as pl

_LAST: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)
_UNBOUNDED: Final = parser.MAXREPEAT
_CATEGORIES: Final = {
    op.CATEGORY_DIGIT: ("digit", False),
    op.CATEGORY_NOT_DIGIT: ("digit", True),
    op.CATEGORY_SPACE: ("space", False),
    op.CATEGORY_NOT_SPACE: ("space", True),
    op.CATEGORY_WORD: ("word", False),
    op.CATEGORY_NOT_WORD: ("word", True),
}
_HOLDS: Final[dict[str, Callable[[str], bool]]] = {
    "digit": str.isdecimal,
    "space": str.isspace,
    "word": lambda character: character == "_" or character.isalnum(),
}


class Untranslatable(ValueError):
    """The pattern is valid, but no pattern for polars matches the same strings."""


def translate(pattern: str) -> str:
    r"""Rewrite a Python regular expression so that `pl.Expr.str.contains` finds what `re.search` finds.

    Raises `re.error` for an invalid pattern, and `Untranslatable` for one that only Python can match.

    >>> translate("^[A-Z]{3}$")
    '\\A(?:[\\x{41}-\\x{5a}]){3}\\n?\\z'
    """
    parsed = parser.parse(pattern)
    if parsed.state.flags != re.UNICODE.value:
        raise Untranslatable("flags in the pattern, such as (?i)")
    translated = _sequence(parsed, last=True)
    try:
        pl.Series([""]).str.contains(translated)
    except pl.exceptions.ComputeError as error:
        raise Untranslatable("it is too large when compiled") from error
    return translated


def _sequence(nodes: Iterable[Any], last: bool) -> str:
    """Translate neighbouring nodes; `last` says whether a match ends where they end."""
    items = list(nodes)
    return "".join(_node(node, last and position == len(items)) for position, node in enumerate(items, 1))


def _node(node: tuple[Any, Any], last: bool) -> str:
    code, value = node
    if code is op.LITERAL:
        return _point(value)
    if code is op.NOT_LITERAL:
        return f"[^{_point(value)}]"
    if code is op.ANY:
        return "."
    if code is op.IN:
        return _class(value)
    if code is op.AT:
        return _anchor(value, last)
    if code is op.BRANCH:
        return "(?:" + "|".join(_sequence(branch, last) for branch in value[1]) + ")"
    if code is op.SUBPATTERN:
        return _group(value, last)
    if code in (op.MAX_REPEAT, op.MIN_REPEAT):
        low, high, repeated = value
        bounds = f"{{{low},}}" if high is _UNBOUNDED else f"{{{low}}}" if low == high else f"{{{low},{high}}}"
        return f"(?:{_sequence(repeated, last=False)}){bounds}"
    raise Untranslatable(f"{str(code).lower().replace('_', ' ')} in the pattern")


def _group(value: tuple[Any, int, int, Any], last: bool) -> str:
    _, flags_added, flags_removed, inner = value
    if flags_added or flags_removed:
        raise Untranslatable("flags in the pattern, such as (?i:...)")
    return f"(?:{_sequence(inner, last)})"


def _anchor(at: Any, last: bool) -> str:
    if at in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
        return r"\A"
    if at is op.AT_END_STRING:
        return r"\z"
    if at is op.AT_END and last:
        return r"\n?\z"  # before a final line feed too
    raise Untranslatable("$ inside the pattern" if at is op.AT_END else r"\b or \B in the pattern")


def _class(items: list[tuple[Any, Any]]) -> str:
    negated = items[0][0] is op.NEGATE
    inside = "".join(_member(code, value) for code, value in items[negated:])
    return f"[{'^' if negated else ''}{inside}]"


def _member(code: Any, value: Any) -> str:
    if code is op.LITERAL:
        return _point(value)
    if code is op.RANGE:
        return f"{_point(value[0])}-{_point(value[1])}"
    return _ranges(*_CATEGORIES[value])


def _point(code: int) -> str:
    if code in _SURROGATES:
        raise Untranslatable("half a surrogate pair in the pattern")
    return f"\\x{{{code:x}}}"


@cache
def _ranges(category: str, negated: bool) -> str:
    """The code points of a category in this version of Python, as the inside of a character class."""
    holds = _HOLDS[category]
    starts: list[int] = []
    inside = False
    for code in range(_LAST + 2):
        now = code <= _LAST and code not in _SURROGATES and holds(chr(code)) is not negated
        if now is not inside:
            starts.append(code)
            inside = now
    return "".join(f"{_point(low)}-{_point(high - 1)}" for low, high in zip(starts[::2], starts[1::2], strict=True))
